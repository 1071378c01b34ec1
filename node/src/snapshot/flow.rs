//! How much of a snapshot is under way, and whether it is still wanted.
//!
//! Bytes of a core are *queued* until the service thread takes them, and *under way* until the furthest reader has passed them. While
//! a large entry of one core leaves in parts, what comes between them has to wait: it is *parked*, and still queued. The core
//! whose entry it is must be able to go on with it, so what is parked does not count against that one.

use super::pace::{CATCH_UP_LEN, SHARE_LEN_MIN, WALKED_LEN_MAX};
use crate::shard::rdb_sink::WEIGHT_MAX;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence};
use std::sync::{Arc, OnceLock};
use tokio::sync::Notify;

/// No shard has this number.
const NOBODY: usize = usize::MAX;
const TOO_FAST: &str = "writes came faster than what they change could be put aside";

/// What something that is sent weighs.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Its length, encoded.
    pub len: usize,
    /// The memory of its own that it takes; the rest is shared with the shard's values.
    pub own: usize,
    /// What it counts for where too much waits.
    pub weight: usize,
}

impl Load {
    /// Of encoded bytes.
    pub fn of(bytes: &Vec<u8>) -> Self {
        Load { len: bytes.len(), own: bytes.capacity(), weight: bytes.len() }
    }
}

/// What the cores and the service thread share about one snapshot.
#[derive(Debug)]
pub struct Flow {
    shards: Vec<Credit>,
    /// What a core may have under way before it stops walking.
    share_len: usize,
    /// Bytes that the service thread has not taken yet.
    queued: AtomicUsize,
    /// With how many of them the snapshot is given up.
    queued_len_max: usize,
    /// Of these, bytes that wait for the end of an entry.
    parked: AtomicUsize,
    /// The core whose entry that is; `NOBODY` if there is none.
    open: AtomicUsize,
    given_up: OnceLock<String>,
    /// Wakes the service thread when the snapshot is given up.
    end: Notify,
    gauges: Arc<Gauges>,
}

/// What of a core's chunks is under way.
#[derive(Debug, Default)]
struct Credit {
    in_flight: AtomicUsize,
    queued: AtomicUsize,
    parked: AtomicUsize,
    parked_weight: AtomicUsize,
    /// Whether the core has stopped walking and wants to be woken.
    starved: AtomicBool,
    /// Whether it has stopped to catch up with writes, and wants to be woken.
    hungry: AtomicBool,
}

impl Credit {
    fn wants_to_be_woken(&self) -> bool {
        self.starved.swap(false, Ordering::AcqRel) | self.hungry.swap(false, Ordering::AcqRel)
    }
}

impl Flow {
    /// Of a snapshot of this many shards, of whose bytes so many may wait for the service thread.
    pub fn new(shards: usize, queued_len_max: usize, gauges: Arc<Gauges>) -> Self {
        Flow {
            share_len: (WALKED_LEN_MAX / shards.max(1)).max(SHARE_LEN_MIN),
            shards: (0..shards).map(|_| Credit::default()).collect(),
            queued: AtomicUsize::new(0),
            queued_len_max,
            parked: AtomicUsize::new(0),
            open: AtomicUsize::new(NOBODY),
            given_up: OnceLock::new(),
            end: Notify::new(),
            gauges,
        }
    }

    /// How many shards there are.
    pub fn shards(&self) -> usize {
        self.shards.len()
    }

    /// Bytes that the cores together may have under way before they stop walking.
    pub fn walk_len(&self) -> usize {
        self.share_len * self.shards.len()
    }

    /// The counts of all snapshots.
    pub fn gauges(&self) -> &Arc<Gauges> {
        &self.gauges
    }

    /// On a core: this is being sent. A single piece may be of any size.
    pub fn sent(&self, shard: usize, load: Load) -> Sent {
        let Load { len, own, weight } = load;
        let weight = weight.min(WEIGHT_MAX);
        self.shards[shard].in_flight.fetch_add(len, Ordering::AcqRel);
        self.shards[shard].queued.fetch_add(weight, Ordering::AcqRel);
        if self.queued.fetch_add(weight, Ordering::AcqRel) > self.queued_len_max {
            self.give_up(TOO_FAST);
        }
        Sent { shard, len, weight, _held: Held::new(own, &self.gauges) }
    }

    /// On the service thread: this has been taken from the queue. True if its core is to be woken.
    pub fn received(&self, sent: &Sent) -> bool {
        self.queued.fetch_sub(sent.weight, Ordering::AcqRel);
        self.shards[sent.shard].queued.fetch_sub(sent.weight, Ordering::AcqRel);
        fence(Ordering::SeqCst);
        let has_room = self.has_room_to_catch_up(sent.shard, CATCH_UP_LEN / 2);
        has_room && self.shards[sent.shard].hungry.swap(false, Ordering::AcqRel)
    }

    /// On the service thread: this has to wait for the end of an entry. True if the core whose entry that is is to be woken.
    pub fn park(&self, sent: &Sent) -> bool {
        self.shards[sent.shard].parked.fetch_add(sent.len, Ordering::AcqRel);
        self.shards[sent.shard].parked_weight.fetch_add(sent.weight, Ordering::AcqRel);
        let first = self.parked.fetch_add(sent.len.max(1), Ordering::AcqRel) == 0;
        fence(Ordering::SeqCst);
        let open = self.open.load(Ordering::Acquire);
        first && open != NOBODY && self.shards[open].wants_to_be_woken()
    }

    /// On the service thread: this waits no longer.
    pub fn unpark(&self, sent: &Sent) {
        self.shards[sent.shard].parked.fetch_sub(sent.len, Ordering::AcqRel);
        self.shards[sent.shard].parked_weight.fetch_sub(sent.weight, Ordering::AcqRel);
        self.parked.fetch_sub(sent.len.max(1), Ordering::AcqRel);
    }

    /// On the service thread: an entry of this core, or of none, is leaving in parts. True if its core is to be woken.
    pub fn set_open(&self, shard: Option<usize>) -> bool {
        self.open.store(shard.unwrap_or(NOBODY), Ordering::Release);
        fence(Ordering::SeqCst);
        shard.is_some_and(|shard| self.shards[shard].wants_to_be_woken())
    }

    /// Bytes that wait for the service thread.
    pub fn queued(&self) -> usize {
        self.queued.load(Ordering::Acquire)
    }

    /// On a core: so many bytes of values that writes have taken away are still to be encoded.
    pub(super) fn limit_backlog(&self, len: usize) {
        if self.queued().saturating_add(len) > self.queued_len_max {
            self.give_up(TOO_FAST);
        }
    }

    /// On the service thread: `len` bytes of a shard are where they belong. True if its core is to be woken.
    pub fn consumed(&self, shard: usize, len: usize) -> bool {
        self.shards[shard].in_flight.fetch_sub(len, Ordering::AcqRel);
        fence(Ordering::SeqCst);
        self.under_way(shard) < self.share_len / 2 && self.shards[shard].starved.swap(false, Ordering::AcqRel)
    }

    /// One of a shard's counts, without what is parked if that does not count for it.
    fn unparked(&self, shard: usize, count: &AtomicUsize, parked: &AtomicUsize) -> usize {
        let is_open = self.open.load(Ordering::Acquire) == shard;
        let spared = if is_open { parked.load(Ordering::Acquire) } else { 0 };
        count.load(Ordering::Acquire).saturating_sub(spared)
    }

    fn under_way(&self, shard: usize) -> usize {
        let credit = &self.shards[shard];
        self.unparked(shard, &credit.in_flight, &credit.parked)
    }

    /// On a core: whether what writers have put off may go on while the walk may not, or what somebody waits for the end of; if only the
    /// queue is in the way, it will be woken when it is not.
    pub(super) fn may_catch_up(&self, shard: usize, is_pressed: bool) -> bool {
        let is_awaited = self.open.load(Ordering::Acquire) == shard && self.parked.load(Ordering::Acquire) > 0;
        if !is_pressed && !is_awaited {
            return false;
        }
        if self.has_room_to_catch_up(shard, CATCH_UP_LEN) {
            return true;
        }
        let hungry = &self.shards[shard].hungry;
        hungry.store(true, Ordering::Release);
        fence(Ordering::SeqCst);
        if self.has_room_to_catch_up(shard, CATCH_UP_LEN / 2) {
            hungry.store(false, Ordering::Release);
            return true;
        }
        false
    }

    fn has_room_to_catch_up(&self, shard: usize, len: usize) -> bool {
        let credit = &self.shards[shard];
        self.unparked(shard, &credit.queued, &credit.parked_weight) < len
    }

    /// Whether a core may go on walking its shard; if not, it will be woken when it may.
    pub(super) fn may_walk(&self, shard: usize) -> bool {
        if self.under_way(shard) < self.share_len {
            return true;
        }
        let starved = &self.shards[shard].starved;
        starved.store(true, Ordering::Release);
        // Either this load sees what was consumed, or whoever consumed it sees that we wait.
        fence(Ordering::SeqCst);
        if self.under_way(shard) < self.share_len / 2 {
            starved.store(false, Ordering::Release);
            return true;
        }
        false
    }

    /// Gives the snapshot up; the first reason is the one that counts. The cores stop to walk when they next look.
    pub fn give_up(&self, why: &str) {
        if self.given_up.set(why.to_string()).is_ok() {
            self.gauges.given_up.fetch_add(1, Ordering::Relaxed);
            self.end.notify_one();
        }
    }

    /// Whether it was given up.
    pub fn is_given_up(&self) -> bool {
        self.given_up.get().is_some()
    }

    /// On the service thread, for one who waits: resolves when the snapshot is given up, with the reason.
    pub async fn until_given_up(&self) -> &str {
        loop {
            if let Some(why) = self.given_up.get() {
                return why;
            }
            self.end.notified().await;
        }
    }
}

/// What snapshots hold, all of them together, for `INFO` and for evictions; bytes.
#[derive(Debug, Default)]
pub struct Gauges {
    /// Encoded and in memory.
    encoded: AtomicU64,
    /// Values that the keyspace has not any more.
    values: AtomicU64,
    /// The most of that during the current snapshot, or the last one.
    pub memory_peak: AtomicU64,
    /// Encoded and in temporary files.
    pub disk: AtomicU64,
    /// How many snapshots were given up.
    pub given_up: AtomicU64,
}

impl Gauges {
    /// A snapshot begins.
    pub(super) fn begin(&self) {
        self.memory_peak.store(self.memory(), Ordering::Relaxed);
    }

    /// What is in memory: encoded, or as values that the keyspace has not any more.
    pub fn memory(&self) -> u64 {
        self.encoded.load(Ordering::Relaxed) + self.values.load(Ordering::Relaxed)
    }

    /// Whether nothing that cores have sent is in memory.
    pub fn is_empty(&self) -> bool {
        self.encoded.load(Ordering::Relaxed) == 0
    }

    /// On a core: counts values anew that were counted as `counted` before.
    pub fn recount(&self, counted: &mut u64, now: usize) {
        let (old, new) = (*counted, now as u64);
        if old != new {
            *counted = new;
            // Wraps around in between where it falls.
            self.values.fetch_add(new.wrapping_sub(old), Ordering::Relaxed);
            self.memory_peak.fetch_max(self.memory(), Ordering::Relaxed);
        }
    }
}

/// Bytes under way: where they come from, and how many they are. Whoever puts them where they belong says so to the [`Flow`].
#[derive(Debug)]
pub struct Sent {
    /// The shard.
    pub shard: usize,
    /// How many they are, encoded.
    pub len: usize,
    weight: usize,
    _held: Held,
}

/// Counts encoded bytes in memory until it is dropped.
#[derive(Debug)]
struct Held {
    len: u64,
    gauges: Arc<Gauges>,
}

impl Held {
    fn new(len: usize, gauges: &Arc<Gauges>) -> Self {
        let len = len as u64;
        gauges.encoded.fetch_add(len, Ordering::Relaxed);
        gauges.memory_peak.fetch_max(gauges.memory(), Ordering::Relaxed);
        Held { len, gauges: Arc::clone(gauges) }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.gauges.encoded.fetch_sub(self.len, Ordering::Relaxed);
    }
}

/// Counts encoded bytes in a temporary file until it is dropped.
#[derive(Debug)]
pub struct OnDisk {
    len: u64,
    gauges: Arc<Gauges>,
}

impl OnDisk {
    /// Of a file that is empty.
    pub fn new(gauges: &Arc<Gauges>) -> Self {
        OnDisk { len: 0, gauges: Arc::clone(gauges) }
    }

    /// As many bytes more.
    pub fn grow(&mut self, len: u64) {
        self.len += len;
        self.gauges.disk.fetch_add(len, Ordering::Relaxed);
    }
}

impl Drop for OnDisk {
    fn drop(&mut self) {
        self.gauges.disk.fetch_sub(self.len, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::super::pace::{QUEUED_LEN_MAX, queued_len_max};
    use super::*;

    fn load(len: usize, own: usize) -> Load {
        Load { len, own, weight: len }
    }

    #[test]
    fn a_core_walks_until_its_share_is_under_way_and_again_when_half_of_it_is_not() {
        let flow = Flow::new(2, QUEUED_LEN_MAX, Arc::default());
        let share = WALKED_LEN_MAX / 2;
        let held = flow.sent(0, load(share, share - 100));
        assert!(!flow.may_walk(0) && flow.may_walk(1));
        assert!(!flow.consumed(0, share / 2), "not before it is worth its while");
        assert!(flow.consumed(0, 1), "then the core is woken");
        assert!(!flow.consumed(0, 1), "once");
        assert!(flow.may_walk(0));
        assert_eq!(flow.gauges.memory(), share as u64 - 100, "what is shared costs nothing");
        drop(held);
        assert_eq!(flow.gauges.memory(), 0);
        assert_eq!(flow.gauges.memory_peak.load(Ordering::Relaxed), share as u64 - 100);
    }

    #[test]
    fn whoever_has_begun_an_entry_can_end_it_whatever_waits_for_that() {
        let flow = Flow::new(2, QUEUED_LEN_MAX, Arc::default());
        assert!(!flow.set_open(Some(0)));
        let held = [flow.sent(0, load(WALKED_LEN_MAX, 1)), flow.sent(1, load(CATCH_UP_LEN, 1))];
        assert!(!flow.may_walk(0) && !flow.may_walk(1));
        assert!(!flow.may_catch_up(0, false), "nobody waits");
        assert!(flow.park(&held[0]), "the core is woken, for now somebody waits");
        assert!(flow.may_walk(0) && flow.may_catch_up(0, false));
        assert!(!flow.park(&held[1]));
        assert!(!flow.may_walk(1) && !flow.may_catch_up(1, true), "the other one waits for the end of the entry");
        held.iter().for_each(|held| flow.unpark(held));
        assert!(flow.set_open(Some(1)), "it is its turn");
        assert!(!flow.received(&held[0]));
        assert!(!flow.may_walk(1) && !flow.may_catch_up(1, true));
        assert!(flow.received(&held[1]), "what it waited for is there");
        assert!(flow.may_catch_up(1, true) && !flow.may_catch_up(1, false));
    }

    #[test]
    fn large_values_that_nobody_encodes_end_the_snapshot() {
        let flow = Flow::new(1, QUEUED_LEN_MAX, Arc::default());
        flow.limit_backlog(QUEUED_LEN_MAX);
        assert!(!flow.is_given_up());
        let _held = flow.sent(0, load(1, 1));
        flow.limit_backlog(QUEUED_LEN_MAX);
        assert!(flow.is_given_up());
    }

    #[test]
    fn what_may_wait_grows_with_the_data_and_any_of_its_huge_values_may_go_at_once() {
        assert_eq!(queued_len_max(1000), QUEUED_LEN_MAX);
        let (count, len) = (20, 2 * WEIGHT_MAX);
        let flow = Flow::new(1, queued_len_max(count * len), Arc::default());
        let _held: Vec<_> = (0..count).map(|_| flow.sent(0, load(len, 1))).collect();
        assert!(!flow.is_given_up());
        flow.limit_backlog(1);
        assert!(flow.is_given_up());
    }

    #[test]
    fn what_leaves_the_keyspace_and_stays_with_a_snapshot_is_counted_until_it_is_gone() {
        let gauges = Gauges::default();
        let mut counted = [0, 0];
        gauges.recount(&mut counted[0], 1000);
        gauges.recount(&mut counted[1], 500);
        gauges.recount(&mut counted[0], 200);
        assert_eq!((gauges.memory(), gauges.memory_peak.load(Ordering::Relaxed)), (700, 1500));
        counted.iter_mut().for_each(|counted| gauges.recount(counted, 0));
        assert_eq!(gauges.memory(), 0);
    }

    #[test]
    fn what_nobody_takes_ends_the_snapshot() {
        let flow = Flow::new(1, QUEUED_LEN_MAX, Arc::default());
        let held = [flow.sent(0, load(QUEUED_LEN_MAX / 4, 1)), flow.sent(0, load(QUEUED_LEN_MAX, 1))];
        flow.received(&held[1]);
        assert!(!flow.is_given_up(), "one piece may be of any size");
        let _more = [(); 3].map(|()| flow.sent(0, load(QUEUED_LEN_MAX, 1)));
        assert!(!flow.is_given_up() && !flow.may_catch_up(0, true), "nor may a few");
        let _last = flow.sent(0, load(1, 0));
        assert!(!flow.is_given_up());
        let _too_many = flow.sent(0, load(1, 0));
        assert!(flow.is_given_up(), "what is shared counts as well");
        flow.give_up("another reason");
        assert_eq!(flow.gauges.given_up.load(Ordering::Relaxed), 1);
    }
}
