//! Replication: the log, the replicas that read it, and the primary that writes it.
//!
//! [`Replication`] is the state of it all. It lives on core 0, the log's core, where live streams are fed from; everything
//! slow (handshakes, snapshots) is done by the [service thread](crate::service), which hands sockets over when they are ready
//! for the stream.

mod apply;
pub mod failover;
mod from_disk;
pub mod link;
pub mod log;
pub mod pace;
mod parting;
mod primary;
pub mod stream;
mod transfers;
mod waiters;

pub use waiters::{Counts, Waiter};

use crate::persistence::{Counts as TakenIn, Disk};
use crate::service::Order;
use failover::Failover;
use koltso_proto::id::{DbIndex, Offset, ReplId, UnixMs};
use link::Upstream;
use log::Log;
use std::time::Instant;
use stream::{Replica, ReplicaState};
use tokio::sync::mpsc::UnboundedSender;

/// Which histories this node's data belongs to.
#[derive(Clone, Copy, Debug)]
pub struct Ids {
    /// The current history.
    pub current: ReplId,
    /// The one before, which is the same up to `second_offset`.
    pub previous: ReplId,
    /// The first offset at which they differ; -1 = there is no previous one.
    pub second_offset: i64,
}

impl Ids {
    /// A new history.
    pub fn new() -> Self {
        Ids { current: random_id(), previous: ReplId::NONE, second_offset: -1 }
    }

    /// Starts a new history that continues the current one, as a promoted replica does.
    pub fn branch(&mut self, end: Offset) {
        self.previous = self.current;
        self.second_offset = end.0 as i64 + 1;
        self.current = random_id();
    }

    /// The previous history, and the offset up to which the current one is the same.
    pub fn before(&self) -> Option<(ReplId, Offset)> {
        let until = u64::try_from(self.second_offset).ok()?.checked_sub(1)?;
        (self.previous != ReplId::NONE).then_some((self.previous, Offset(until)))
    }

    /// Whether a replica that asks for `offset` of `replid` is asking for our history.
    pub fn include(&self, replid: ReplId, offset: i64) -> bool {
        replid == self.current || (replid == self.previous && offset <= self.second_offset)
    }
}

impl Default for Ids {
    fn default() -> Self {
        Self::new()
    }
}

/// A new replication id.
pub fn random_id() -> ReplId {
    ReplId::from_random(rand::random())
}

/// A snapshot that is being sent to replicas. There can be several: the last readers of one do not keep the next from being taken.
pub struct Transfer {
    /// Which snapshot.
    pub epoch: u64,
    /// When it began.
    pub since: UnixMs,
    /// The way to the service thread's side of it.
    pub orders: UnboundedSender<Order>,
}

/// A history as a file has recorded it, up to the end of what the file holds.
#[derive(Clone, Copy, Debug)]
pub struct History {
    /// Its id.
    pub id: ReplId,
    /// The history before, which is the same up to this offset.
    pub after: Option<(ReplId, Offset)>,
    /// The offset of its last byte.
    pub end: Offset,
    /// The database that is selected there.
    pub db: DbIndex,
}

/// The state of replication.
pub struct Replication {
    /// The log.
    pub log: Log,
    /// Which histories it belongs to.
    pub ids: Ids,
    /// Everybody who reads it, or is about to.
    pub replicas: Vec<Replica>,
    /// Clients that wait for acknowledgements.
    pub waiters: Vec<Waiter>,
    /// The snapshots under way to replicas.
    pub transfers: Vec<Transfer>,
    /// Whether shards are being borrowed for a cut.
    pub cutting: bool,
    /// Numbers snapshots.
    pub epoch: u64,
    /// Our primary, if this node is a replica.
    pub upstream: Option<Upstream>,
    /// Whether there is none any more, but shards are still a replica's, and clients may not write yet.
    pub promoting: bool,
    /// Whether a primary is configured, and is not followed before what is on disk is there. Until then as well nothing may be
    /// added to the history of that primary.
    pub follows_when_loaded: bool,
    /// The change of roles with one of our replicas that is under way.
    pub failover: Option<Failover>,
    /// Whether the node stops, and what is in the log is all that the disk will have of it.
    pub sealed: bool,
    /// When the last PING went into the stream.
    pub last_ping: Instant,
    /// When replicas that wait for a snapshot last heard from us.
    pub last_newline: Instant,
    /// Whether replicas are to be asked for acknowledgements at the end of this turn.
    pub ask_acks: bool,
    /// Since when there has been no replica.
    pub alone_since: Option<UnixMs>,
    /// The disk, which reads the log too.
    pub disk: Option<Disk>,
    /// The batches of effects that the log has taken in.
    pub taken_in: TakenIn,
    next_id: u64,
}

impl Replication {
    /// The state of a node that has just started.
    pub fn new(backlog_len: u64) -> Self {
        Replication {
            log: Log::new(Offset(0), backlog_len),
            ids: Ids::new(),
            replicas: Vec::new(),
            waiters: Vec::new(),
            transfers: Vec::new(),
            cutting: false,
            epoch: 0,
            upstream: None,
            promoting: false,
            follows_when_loaded: false,
            failover: None,
            sealed: false,
            last_ping: Instant::now(),
            last_newline: Instant::now(),
            ask_acks: false,
            alone_since: None,
            disk: None,
            taken_in: TakenIn::default(),
            next_id: 1,
        }
    }

    /// Continues a history that a file has recorded. What came after it is lost, and somebody may have it. A primary whose history
    /// this is goes on with it. But where this node is to go on by itself, it gives the future a name of its own: who has no
    /// more than the file continues, and who has more is copied to.
    pub fn resume(&mut self, history: History, is_replica: bool) {
        let History { id, after, end, db } = history;
        self.ids.current = id;
        (self.ids.previous, self.ids.second_offset) =
            after.map_or((ReplId::NONE, -1), |(previous, until)| (previous, until.0 as i64 + 1));
        self.log.restart_at(end);
        self.log.activate();
        if is_replica {
            self.log.note_selected(db);
        } else {
            self.ids.branch(end);
        }
    }

    /// A replica's number, never used again.
    pub fn next_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// The replica with this number.
    pub fn replica(&mut self, id: u64) -> Option<&mut Replica> {
        self.replicas.iter_mut().find(|replica| replica.id == id)
    }

    /// Replicas that receive the stream.
    pub fn online(&self) -> impl Iterator<Item = &Replica> {
        self.replicas.iter().filter(|replica| replica.state == ReplicaState::Online)
    }

    /// How many replicas have acknowledged everything up to `offset`.
    pub fn acked(&self, offset: Offset) -> usize {
        self.online().filter(|replica| replica.acked >= offset).count()
    }

    /// How many replicas have everything up to `offset` on disk.
    pub fn acked_on_disk(&self, offset: Offset) -> usize {
        self.online().filter(|replica| replica.acked >= offset && replica.on_disk >= offset).count()
    }

    /// Everything up to there is on disk here; `None` where nothing is, since there is no append-only file.
    pub fn fsynced(&self) -> Option<Offset> {
        self.disk.as_ref().and_then(Disk::synced)
    }

    /// The earliest position that a replica, or the disk, still needs.
    pub fn pinned(&self) -> Option<Offset> {
        self.replicas.iter().filter_map(Replica::pins).chain(self.disk.as_ref().map(|disk| disk.handed)).min()
    }

    /// How many replicas acknowledged something within the last `max_lag_s` seconds.
    pub fn good_replicas(&self, now: UnixMs, max_lag_s: u64) -> usize {
        self.online().filter(|replica| now.0.saturating_sub(replica.acked_at.0) <= max_lag_s.saturating_mul(1000)).count()
    }
}
