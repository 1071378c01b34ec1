//! How much of a snapshot is under way, and whether it is still wanted.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence};
use std::sync::{Arc, OnceLock};
use tokio::sync::Notify;

/// Encoded bytes that all cores together may have under way before they stop walking.
const WALKED_LEN_MAX: usize = 8 << 20;
/// What each core may have under way of that at least, in bytes; few chunks.
const SHARE_LEN_MIN: usize = 512 << 10;
/// Bytes that may wait for the service thread, which takes them as fast as it can: encoded ones, and values that writes have taken
/// away. Beyond this the snapshot is given up.
const QUEUED_LEN_MAX: usize = 256 << 20;
/// What a single piece counts for at most: a huge value must not end the snapshot because of the small ones behind it.
const WEIGHT_MAX: usize = QUEUED_LEN_MAX / 2;

const TOO_FAST: &str = "writes came faster than what they change could be put aside";

fn weight(len: usize) -> usize {
    len.min(WEIGHT_MAX)
}

/// What the cores and the service thread share about one snapshot.
#[derive(Debug)]
pub struct Flow {
    shards: Vec<Credit>,
    /// What a core may have under way before it stops walking.
    share_len: usize,
    /// Bytes that the service thread has not taken yet.
    queued: AtomicUsize,
    given_up: OnceLock<String>,
    /// Wakes the service thread when the snapshot is given up.
    end: Notify,
    gauges: Arc<Gauges>,
}

/// What of a core's chunks is under way.
#[derive(Debug, Default)]
struct Credit {
    in_flight: AtomicUsize,
    /// Whether the core has stopped walking and wants to be woken.
    starved: AtomicBool,
}

impl Flow {
    /// Of a snapshot of this many shards.
    pub fn new(shards: usize, gauges: Arc<Gauges>) -> Self {
        Flow {
            share_len: (WALKED_LEN_MAX / shards.max(1)).max(SHARE_LEN_MIN),
            shards: (0..shards).map(|_| Credit::default()).collect(),
            queued: AtomicUsize::new(0),
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

    /// On a core: so many bytes of a shard are being sent, and so many that are shared with its values and cost nothing yet. A single
    /// piece may be of any size.
    pub(super) fn sent(&self, shard: usize, own: usize, shared: usize) -> Sent {
        let len = own + shared;
        self.shards[shard].in_flight.fetch_add(len, Ordering::AcqRel);
        if self.queued.fetch_add(weight(len), Ordering::AcqRel) > QUEUED_LEN_MAX {
            self.give_up(TOO_FAST);
        }
        Sent { shard, len, _held: Held::new(own, &self.gauges) }
    }

    /// On the service thread: this has been taken from the queue.
    pub fn received(&self, sent: &Sent) {
        self.queued.fetch_sub(weight(sent.len), Ordering::AcqRel);
    }

    /// On a core: so many bytes of values that writes have taken away are still to be encoded.
    pub(super) fn limit_backlog(&self, len: usize) {
        if self.queued.load(Ordering::Acquire).saturating_add(len) > QUEUED_LEN_MAX {
            self.give_up(TOO_FAST);
        }
    }

    /// On a core: whether what writers have put off may go on while the walk may not.
    pub(super) fn may_catch_up(&self) -> bool {
        self.queued.load(Ordering::Acquire) < QUEUED_LEN_MAX / 2
    }

    /// On the service thread: `len` bytes of a shard are where they belong. True if its core is to be woken.
    pub fn consumed(&self, shard: usize, len: usize) -> bool {
        let credit = &self.shards[shard];
        let left = credit.in_flight.fetch_sub(len, Ordering::AcqRel).saturating_sub(len);
        fence(Ordering::SeqCst);
        left < self.share_len / 2 && credit.starved.swap(false, Ordering::AcqRel)
    }

    /// Whether a core may go on walking its shard; if not, it will be woken.
    pub(super) fn may_walk(&self, shard: usize) -> bool {
        let credit = &self.shards[shard];
        if credit.in_flight.load(Ordering::Acquire) < self.share_len {
            return true;
        }
        credit.starved.store(true, Ordering::Release);
        // Either this load sees what was consumed, or whoever consumed it sees that we wait.
        fence(Ordering::SeqCst);
        if credit.in_flight.load(Ordering::Acquire) < self.share_len / 2 {
            credit.starved.store(false, Ordering::Release);
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
    use super::*;

    #[test]
    fn a_core_walks_until_its_share_is_under_way_and_again_when_half_of_it_is_not() {
        let flow = Flow::new(2, Arc::default());
        let share = WALKED_LEN_MAX / 2;
        let held = flow.sent(0, share - 100, 100);
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
    fn large_values_that_nobody_encodes_end_the_snapshot() {
        let flow = Flow::new(1, Arc::default());
        flow.limit_backlog(QUEUED_LEN_MAX);
        assert!(!flow.is_given_up());
        let _held = flow.sent(0, 1, 0);
        flow.limit_backlog(QUEUED_LEN_MAX);
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
        let flow = Flow::new(1, Arc::default());
        let held = [flow.sent(0, QUEUED_LEN_MAX / 2, 0), flow.sent(0, QUEUED_LEN_MAX, 0)];
        flow.received(&held[1]);
        assert!(!flow.is_given_up(), "one piece may be of any size");
        let _more = [flow.sent(0, QUEUED_LEN_MAX / 4, QUEUED_LEN_MAX / 4), flow.sent(0, 0, 1)];
        assert!(!flow.is_given_up() && !flow.may_catch_up());
        let _too_many = flow.sent(0, 0, 1);
        assert!(flow.is_given_up(), "what is shared counts as well");
        flow.give_up("another reason");
        assert_eq!(flow.gauges.given_up.load(Ordering::Relaxed), 1);
    }
}
