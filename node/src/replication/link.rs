//! The link to our primary, as the log's core sees it: its state, and what the service thread reports of it.
//!
//! ```text
//!  REPLICAOF ──► connect ──► handshake ──► PSYNC ──┬─ +CONTINUE ─────────────────────► connected
//!     (core)         (service thread)              └─ +FULLRESYNC ─► load ─► swap ──►  (core)
//! ```
//!
//! Every report carries the generation of the link it is about, so that a report about a link that has been given up meanwhile
//! is recognised and dropped.

use super::failover::Failover;
use crate::connection::{Peer, Session, Token};
use crate::core::Core;
use crate::logging::{self, notice, warning};
use crate::pubsub::Posting;
use crate::service::{LinkJob, ServiceCommand};
use crate::shard::table::LoadValue;
use crate::shared::Gate;
use crate::tls::Transport;
use koltso_proto::id::{DbIndex, Offset, ReplId, UnixMs};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How long to wait before connecting again after an attempt failed, in milliseconds; `REPLICAOF` itself does not wait.
const RECONNECT_MS: u64 = 1000;
/// When a link is connected that cannot be yet, since shards are still being told that this node follows somebody.
const NOT_YET: UnixMs = UnixMs(u64::MAX);
/// A link that stood for this long and then broke is made again at once, in milliseconds.
const STOOD_MS: u64 = 1000;
/// The pause before the second of several links that broke sooner is made again, in milliseconds; it doubles from one to the
/// next, up to [`RECONNECT_MS`].
const BROKEN_PAUSE_MS: u64 = 50;

/// How far a link has come, with ROLE's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkState {
    /// It is to be connected at this time.
    Connect(UnixMs),
    /// The service thread is connecting.
    Connecting,
    /// It talks to the primary.
    Handshake,
    /// It reads a snapshot.
    Sync,
    /// The stream flows.
    Connected,
}

impl LinkState {
    /// ROLE's name.
    pub fn name(self) -> &'static str {
        match self {
            LinkState::Connect(_) => "connect",
            LinkState::Connecting => "connecting",
            LinkState::Handshake => "handshake",
            LinkState::Sync => "sync",
            LinkState::Connected => "connected",
        }
    }
}

/// How far a snapshot has come, for INFO; written by the service thread.
#[derive(Debug, Default)]
pub struct Progress {
    /// Its length in bytes; 0 = not known beforehand.
    pub total: AtomicU64,
    /// Bytes read.
    pub read: AtomicU64,
    /// When the last of them arrived, in milliseconds since the epoch.
    pub last_io_ms: AtomicU64,
}

/// Our primary.
pub struct Upstream {
    /// Its host, as configured.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Which attempt at linking this is.
    pub generation: u64,
    /// How far the link has come.
    pub state: LinkState,
    /// The connection, while the stream flows.
    pub token: Option<Token>,
    /// Since when there has been no stream.
    pub down_since: UnixMs,
    /// When the stream began to flow.
    pub up_since: UnixMs,
    /// How many links broke before they had stood for a second, one after another.
    pub broken: u32,
    /// When bytes last came over it.
    pub last_io: UnixMs,
    /// How far a snapshot has come.
    pub progress: Arc<Progress>,
    /// Ends the service thread's attempt at linking when it is dropped.
    pub attempt: Option<tokio::sync::oneshot::Sender<()>>,
    /// Whether our data is a copy of a history that the primary may know, so that a partial resynchronisation is worth asking for.
    pub resumable: bool,
}

impl Upstream {
    /// Whether the stream flows.
    pub fn is_connected(&self) -> bool {
        self.state == LinkState::Connected
    }
}

/// The stream from our primary, on its connection.
pub struct PrimaryStream {
    /// Everything up to here has been taken from the stream and handed to the shards.
    pub dispatched: Offset,
    /// Everything up to here has been applied by them.
    pub applied: Offset,
    /// Positions that are applied once all requests before a place in the order of replies are answered.
    pub checkpoints: VecDeque<(u64, Offset)>,
    /// The commands of an open transaction, kept until it is whole.
    pub transaction: Option<Vec<(u16, crate::connection::OwnedRequest)>>,
    /// Bytes that have been dispatched and not yet appended to the log.
    pub unlogged: Vec<u8>,
    /// Messages for our subscribers, each with the place among requests to other cores that it stands behind.
    pub messages: VecDeque<(u64, Posting)>,
    /// Bytes of an open transaction.
    pub open_bytes: u64,
    /// An acknowledgement is to be sent once this is applied.
    pub ack_at: Option<Offset>,
    /// Whether nobody has sent it: it is read from the append-only file, and neither recorded nor acknowledged.
    pub is_replay: bool,
}

impl PrimaryStream {
    fn new(offset: Offset) -> Self {
        PrimaryStream {
            dispatched: offset,
            applied: offset,
            checkpoints: VecDeque::new(),
            transaction: None,
            unlogged: Vec::new(),
            messages: VecDeque::new(),
            open_bytes: 0,
            ack_at: Some(offset),
            is_replay: false,
        }
    }

    /// The stream that the append-only file is.
    pub fn for_replay() -> Self {
        PrimaryStream { ack_at: None, is_replay: true, ..Self::new(Offset(0)) }
    }
}

/// How long to wait before linking again after so many links in a row have broken as soon as they stood, in milliseconds. The
/// first is mended at once: a wait would cost a replica its place in a busy backlog. Who breaks them all is not asked in a loop.
fn pause_ms(broken: u32) -> u64 {
    match broken {
        0 | 1 => 0,
        more => BROKEN_PAUSE_MS.saturating_mul(1 << (more - 2).min(8)).min(RECONNECT_MS),
    }
}

/// A primary that is ready to stream.
pub struct Linked {
    /// The socket.
    pub transport: Transport,
    /// Bytes of the stream that came with the handshake or the snapshot.
    pub leftover: Vec<u8>,
    /// The history.
    pub replid: ReplId,
    /// Our position in it.
    pub offset: Offset,
    /// The database the stream has selected; `None` = as before.
    pub stream_db: Option<DbIndex>,
    /// The sources of the libraries of functions that a snapshot has brought.
    pub libraries: Vec<Vec<u8>>,
}

impl Core {
    /// `REPLICAOF host port`, on the log's core. Our replicas stay: they are told when it turns out that the data or its history
    /// is another.
    pub fn follow(&mut self, host: String, port: u16) {
        let now = self.exec.now;
        let Some(replication) = &mut self.replication else { return };
        if replication.upstream.as_ref().is_some_and(|up| up.host == host && up.port == port) {
            return;
        }
        notice(&format!(
            "Before turning into a replica, using my own offset to ask {host}:{port} for a partial resynchronization"
        ));
        let resumable = replication.log.is_active();
        let before = replication.upstream.take();
        let generation = before.as_ref().map_or(1, |up| up.generation + 1);
        let resumable = before.as_ref().map_or(resumable, |up| up.resumable);
        (replication.promoting, replication.follows_when_loaded) = (false, false);
        replication.upstream = Some(Upstream {
            host,
            port,
            generation,
            state: LinkState::Connect(NOT_YET),
            token: None,
            down_since: now,
            up_since: now,
            broken: 0,
            last_io: now,
            progress: Arc::default(),
            attempt: None,
            resumable,
        });
        if let Some(token) = before.and_then(|up| up.token) {
            self.close(token);
        }
        logging::set_role(true);
        let primary = self.replication.as_ref().and_then(|replication| replication.upstream.as_ref());
        self.note_primary(primary.map(|upstream| (upstream.host.as_str(), upstream.port)));
        self.judge_replication();
        self.on_every_core(Core::end_all_waits);
        self.with_all_shards(Box::new(|core| {
            core.flush_effects();
            if core.replication.as_ref().is_none_or(|replication| replication.upstream.is_none()) {
                return;
            }
            for shard in core.exec.shards.iter_mut().flatten() {
                shard.abort_staging();
                shard.replica = true;
                shard.logged = false;
            }
            // Now everything of our own history stands in the log, whose end the primary is told.
            let now = core.exec.now;
            if let Some(upstream) = core.replication.as_mut().and_then(|replication| replication.upstream.as_mut())
                && upstream.state == LinkState::Connect(NOT_YET)
            {
                upstream.state = LinkState::Connect(now);
            }
            core.connect_if_due();
        }));
    }

    /// `REPLICAOF NO ONE`, on the log's core. The history we followed ends at once: all that was taken from its stream stands in
    /// the log. Clients may write, and `done` is called, when every shard logs what it does: a write that comes before would be
    /// answered, and no replica would hear of it.
    pub fn promote(&mut self, done: impl FnOnce(&mut Core) + Send + 'static) {
        self.end_followed_history();
        self.with_all_shards(Box::new(move |core| {
            core.become_primary();
            done(core);
        }));
    }

    fn end_followed_history(&mut self) {
        let Some(replication) = &mut self.replication else { return };
        let Some(upstream) = replication.upstream.take() else { return };
        let end = replication.log.end();
        replication.promoting = true;
        replication.ids.branch(end);
        replication.log.forget_selected();
        notice(&format!(
            "Setting secondary replication ID to {}, valid up to offset: {}. New replication ID is {}",
            replication.ids.previous, replication.ids.second_offset, replication.ids.current
        ));
        if let Some(token) = upstream.token {
            self.close(token);
        }
        logging::set_role(false);
        self.note_primary(None);
        self.part_segments();
        self.part_with_replicas("this node is a primary now");
        notice("MASTER MODE enabled");
    }

    /// With every shard here. Not if another primary has been named meanwhile.
    fn become_primary(&mut self) {
        let Some(replication) = self.replication.as_mut().filter(|replication| replication.upstream.is_none()) else { return };
        replication.promoting = false;
        let logged = replication.log.is_active();
        for shard in self.exec.shards.iter_mut().flatten() {
            shard.abort_staging();
            shard.replica = false;
            shard.logged = logged;
        }
        self.judge_replication();
    }

    /// Starts to connect, if it is time to.
    pub fn connect_if_due(&mut self) {
        let now = self.exec.now;
        let Some(replication) = &mut self.replication else { return };
        let resume = replication.upstream.as_ref().is_some_and(|up| up.resumable);
        let ask = resume.then(|| (replication.ids.current, replication.log.end().advanced(1)));
        let Some(upstream) = &mut replication.upstream else { return };
        let LinkState::Connect(at) = upstream.state else { return };
        if now < at {
            return;
        }
        notice(&format!("Connecting to MASTER {}:{}", upstream.host, upstream.port));
        notice("MASTER <-> REPLICA sync started");
        upstream.state = LinkState::Connecting;
        upstream.generation += 1;
        let (attempt, given_up) = tokio::sync::oneshot::channel();
        upstream.attempt = Some(attempt);
        let job = LinkJob {
            generation: upstream.generation,
            host: upstream.host.clone(),
            port: upstream.port,
            ask,
            takes_over: replication.failover.as_mut().is_some_and(Failover::asks_now),
            progress: Arc::clone(&upstream.progress),
            given_up,
        };
        self.service.send(ServiceCommand::Link(job));
    }

    /// The link, if it is still the one that is meant.
    fn link(&mut self, generation: u64) -> Option<&mut Upstream> {
        let upstream = self.replication.as_mut()?.upstream.as_mut()?;
        (upstream.generation == generation).then_some(upstream)
    }

    /// The service thread has come this far.
    pub fn on_link_state(&mut self, generation: u64, state: LinkState) {
        if let Some(upstream) = self.link(generation) {
            upstream.state = state;
        }
    }

    /// The replica that was to take over has refused to; because it `is_primary`, or for another reason.
    pub fn on_link_refused(&mut self, generation: u64, is_primary: bool) {
        if self.link(generation).is_some() {
            self.on_takeover_refused(is_primary);
        }
    }

    /// The service thread has failed.
    pub fn on_link_failed(&mut self, generation: u64, why: &str) {
        let now = self.exec.now;
        if let Some(upstream) = self.link(generation) {
            warning(&format!("Link with MASTER {}:{}: {why}", upstream.host, upstream.port));
            upstream.state = LinkState::Connect(UnixMs(now.0 + RECONNECT_MS));
        }
    }

    /// Before a snapshot is read: its entries are gathered beside the data that is served meanwhile.
    pub fn on_link_loading(&mut self, generation: u64, proceed: tokio::sync::oneshot::Sender<()>) {
        if self.link(generation).is_none() {
            return;
        }
        self.on_link_state(generation, LinkState::Sync);
        // A copy instead of the rest is no good sign, but who sends one has taken over.
        self.end_failover();
        self.with_all_shards(Box::new(move |core| {
            for shard in core.exec.shards.iter_mut().flatten() {
                shard.begin_staging();
            }
            // An attempt that was given up may have left one.
            core.shared.take_stage_error();
            let _ = proceed.send(());
        }));
    }

    /// A snapshot could not be read to its end: what was gathered is dropped, the old data stays.
    pub fn on_link_load_failed(&mut self, generation: u64, why: &str) {
        self.with_all_shards(Box::new(|core| {
            for shard in core.exec.shards.iter_mut().flatten() {
                shard.abort_staging();
            }
        }));
        self.on_link_failed(generation, why);
    }

    /// A snapshot has been read: it takes the place of the old data, at one moment, in all shards.
    pub fn on_link_loaded(&mut self, generation: u64, linked: Linked) {
        if self.link(generation).is_none() {
            return self.on_link_load_failed(generation, "given up");
        }
        self.with_all_shards(Box::new(move |core| {
            if core.link(generation).is_none() {
                // Another role was chosen while shards were on their way; it drops what was gathered.
                return;
            }
            for shard in core.exec.shards.iter_mut().flatten() {
                shard.commit_staging();
                shard.replica = true;
                shard.logged = false;
            }
            core.take_in_libraries(&linked.libraries, true);
            if let Some(replication) = &mut core.replication {
                replication.ids.current = linked.replid;
                replication.ids.previous = ReplId::NONE;
                replication.ids.second_offset = -1;
                replication.log.restart_at(linked.offset);
                replication.log.activate();
            }
            core.drop_replicas("the data set was replaced by a full resynchronization");
            core.restart_append_only();
            notice("MASTER <-> REPLICA sync: Finished with success");
            core.start_stream(generation, linked);
        }));
    }

    /// The primary continues where we were.
    pub fn on_link_continues(&mut self, generation: u64, linked: Linked) {
        if self.link(generation).is_none() {
            return;
        }
        let Some(replication) = &mut self.replication else { return };
        if linked.replid != replication.ids.current {
            replication.ids.previous = replication.ids.current;
            replication.ids.second_offset = replication.log.end().0 as i64 + 1;
            replication.ids.current = linked.replid;
            notice(&format!("Master replication ID changed to {}", linked.replid));
            self.part_segments();
            self.part_with_replicas("the replication ID has changed");
        }
        if let Some(replication) = &mut self.replication {
            replication.log.activate();
        }
        notice("MASTER <-> REPLICA sync: Master accepted a Partial Resynchronization.");
        self.start_stream(generation, linked);
        self.end_failover();
    }

    fn start_stream(&mut self, generation: u64, linked: Linked) {
        let now = self.exec.now;
        let id = self.shared.next_client_id.fetch_add(1, Ordering::Relaxed);
        let Some(upstream) = self.link(generation) else { return };
        let addr = format!("{}:{}", upstream.host, upstream.port);
        let mut session = Session::new(id, addr, String::new(), now, &self.users);
        let log = self.replication.as_mut().map(|replication| &mut replication.log);
        if let Some(log) = log {
            if let Some(db) = linked.stream_db {
                log.note_selected(db);
            }
            session.db = log.selected().unwrap_or_default();
        }
        let token = self.adopt(linked.transport, session);
        let conn = &mut self.conns[token.index as usize];
        conn.peer = Peer::Primary(Box::new(PrimaryStream::new(linked.offset)));
        conn.pending = linked.leftover.into();
        if let Some(upstream) = self.link(generation) {
            upstream.state = LinkState::Connected;
            upstream.token = Some(token);
            upstream.last_io = now;
            upstream.up_since = now;
            upstream.resumable = true;
        }
        self.judge_replication();
        self.arm_recv(token);
        self.apply_stream(token);
        self.note_applied();
        self.mark_dirty(token);
    }

    /// The connection to the primary is gone.
    pub fn on_primary_lost(&mut self, token: Token) {
        let now = self.exec.now;
        let Some(upstream) = self.replication.as_mut().and_then(|replication| replication.upstream.as_mut()) else { return };
        if upstream.token != Some(token) {
            return;
        }
        warning("Connection with master lost.");
        upstream.token = None;
        upstream.broken = if now.0.saturating_sub(upstream.up_since.0) < STOOD_MS { upstream.broken + 1 } else { 0 };
        upstream.down_since = now;
        upstream.state = LinkState::Connect(UnixMs(now.0 + pause_ms(upstream.broken)));
        self.judge_replication();
        self.connect_if_due();
    }

    /// Follows a change of role or link with the conditions that commands are judged by.
    pub fn judge_replication(&mut self) {
        let config = &self.exec.config;
        let Some(replication) = &self.replication else { return };
        let is_replica = replication.upstream.is_some() || replication.promoting || replication.follows_when_loaded;
        let linked = replication.promoting || replication.upstream.as_ref().is_some_and(Upstream::is_connected);
        self.shared.set_gate(Gate::Replica, is_replica);
        self.shared.set_gate(Gate::ReadOnly, is_replica && config.replica_read_only);
        self.shared.set_gate(Gate::Stale, is_replica && !linked && !config.replica_serve_stale_data);
        self.judge_append_only();
        self.exec.gates = self.shared.gates();
    }

    /// Whether enough replicas are in good health for writes.
    pub fn judge_replicas(&mut self) {
        let config = &self.exec.config;
        let Some(replication) = &self.replication else { return };
        let wanted = config.min_replicas_to_write as usize;
        let few = wanted > 0
            && replication.upstream.is_none()
            && config.min_replicas_max_lag > 0
            && replication.good_replicas(self.exec.now, config.min_replicas_max_lag) < wanted;
        self.shared.set_gate(Gate::FewReplicas, few);
    }

    /// Entries of a snapshot for this core's shard.
    pub fn on_stage(&mut self, entries: crate::core::Staged, guard: crate::core::StageGuard) {
        let id = self.exec.id;
        let Some(shard) = self.exec.shards[id].as_deref_mut().filter(|_| !self.lending.frozen) else {
            self.lending.staged.push_back((entries, guard));
            return;
        };
        let now = self.exec.now;
        let mut start = 0;
        for item in entries.items {
            let key = &entries.bytes[start..item.key_end];
            let value = match item.value {
                Some(value) => LoadValue::Value(value),
                None => LoadValue::Str(&entries.bytes[item.key_end..item.value_end]),
            };
            start = item.value_end;
            if let Err(error) = shard.staging_insert(item.db, key, value, item.expire, None, now) {
                let key = String::from_utf8_lossy(key).into_owned();
                self.shared.note_stage_error(format!("{error}: '{key}' in database {}", item.db.0));
                break;
            }
        }
        drop(guard);
    }
}

#[cfg(test)]
mod tests {
    use super::pause_ms;

    #[test]
    fn the_pause_before_the_next_link_grows_up_to_a_second() {
        let pauses: Vec<u64> = (0..9).map(pause_ms).collect();
        assert_eq!(pauses, [0, 0, 50, 100, 200, 400, 800, 1000, 1000]);
        assert_eq!(pause_ms(u32::MAX), 1000);
    }
}
