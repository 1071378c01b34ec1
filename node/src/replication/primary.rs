//! Serving replicas: partial resynchronisation, feeding the live streams, keeping limits. [`transfers`](super::transfers) has the
//! full synchronisations.
//!
//! ```text
//!  PSYNC ──► covered by the log? ──yes──► +CONTINUE, stream from its offset
//!                 │ no
//!                 ▼
//!            wait for a cut ──► all shards borrowed: position X of the log, snapshot begins
//!                                   │
//!            service thread: +FULLRESYNC id X, RDB ──► back here: stream from X
//! ```

use super::Replication;
use super::stream::{Handoff, Parked, Replica, ReplicaState, SyncRequest, ip_of, name_in_logs};
use super::waiters::GETACK;
use crate::connection::{Closing, Peer, Session, Stall, Token};
use crate::core::Core;
use crate::logging::notice;
use crate::service::Order;
use crate::shared::add;
use crate::tls::Transport;
use bytes::Bytes;
use koltso_proto::id::{Offset, UnixMs};
use std::time::{Duration, Instant};

/// Most bytes in one send to a replica.
const SEND_LEN_MAX: usize = 512 * 1024;
/// Most pieces in one send.
const SEND_PIECES_MAX: usize = 256;
/// Something that every replica takes and that changes nothing; 14 bytes of the stream.
pub(super) const PING: &[u8] = b"*1\r\n$4\r\nPING\r\n";

/// How long a replica that is ahead of us waits until we have caught up with our primary, in milliseconds since we linked to it.
const CATCH_UP_MS: u64 = 10_000;

impl Replication {
    /// Whether a replica asks for what comes next in the history of our primary, to whom we have just come back with less.
    fn will_soon_have(&self, request: SyncRequest, now: UnixMs) -> bool {
        let SyncRequest::Psync { replid: Some(replid), offset, .. } = request else { return false };
        let is_ahead = replid == self.ids.current && offset > self.log.end().0 as i64 + 1;
        is_ahead && self.upstream.as_ref().is_some_and(|upstream| now.0.saturating_sub(upstream.up_since.0) < CATCH_UP_MS)
    }
}

impl Core {
    /// On the log's core: a connection wants to become a replica.
    pub fn on_replica(&mut self, mut handoff: Handoff) {
        // Its user may have been deleted while it was on its way, or before the core that it comes from had heard of that.
        if !handoff.session.follow(&self.shared.users()) {
            return notice(&format!("Replica {} has no user any more", name_in_logs(&handoff.session)));
        }
        if let SyncRequest::Psync { takes_over: true, .. } = handoff.request {
            return self.take_over(handoff);
        }
        if self.is_failing_over() {
            return self.refuse_replica(handoff, "NOMASTERLINK Can't SYNC while failing over");
        }
        let Some(replication) = &mut self.replication else { return };
        if replication.upstream.as_ref().is_some_and(|upstream| !upstream.is_connected()) {
            return self.refuse_replica(handoff, "NOMASTERLINK Can't SYNC while not connected with my master");
        }
        if replication.will_soon_have(handoff.request, self.exec.now) {
            return self.refuse_replica(handoff, "NOMASTERLINK Can't SYNC while catching up with my master");
        }
        let Handoff { transport, session, leftover, request } = handoff;
        let name = name_in_logs(&session);
        notice(&format!("Replica {name} asks for synchronization"));
        if let SyncRequest::Psync { replid: Some(replid), offset, .. } = request {
            let at = Offset(offset.saturating_sub(1).max(0) as u64);
            let is_ours = !session.replica.rdb_only && replication.ids.include(replid, offset) && offset >= 1;
            if is_ours && replication.log.covers(at) {
                let len = replication.log.end().0 - at.0;
                notice(&format!(
                    "Partial resynchronization request from {name} accepted. Sending {len} bytes of backlog starting from offset {offset}."
                ));
                add(&self.shared.counters.sync_partial_ok, 1);
                return self.continue_replica(transport, session, leftover, at);
            }
            if is_ours && self.disk_has(at) {
                notice(&format!(
                    "Partial resynchronization request from {name}: what it lacks from offset {offset} on is sent from disk."
                ));
                return self.continue_from_disk(transport, session, leftover, request);
            }
            let Some(replication) = &self.replication else { return };
            notice(&format!(
                "Partial resynchronization not accepted for {name}: asked for offset {offset} of {replid}, here are {}..={} of {}",
                replication.log.first_byte_offset(),
                replication.log.end(),
                replication.ids.current
            ));
        }
        self.copy_to(transport, session, request);
    }

    /// A replica waits for a cut.
    pub(super) fn copy_to(&mut self, transport: Transport, session: Session, request: SyncRequest) {
        if let SyncRequest::Psync { replid: Some(_), .. } = request {
            add(&self.shared.counters.sync_partial_err, 1);
        }
        notice(&format!("Full resync requested by replica {}", name_in_logs(&session)));
        add(&self.shared.counters.sync_full, 1);
        let mut replica = self.new_replica(&session);
        replica.plain_sync = request == SyncRequest::Sync;
        // Whatever came behind the request is noise of a replica that waits.
        replica.parked = Parked::Waiting(transport, Box::new(session));
        let Some(replication) = &mut self.replication else { return };
        replication.replicas.push(replica);
        self.begin_cut();
    }

    /// It stays, as the client it was.
    pub(super) fn refuse_replica(&mut self, handoff: Handoff, error: &str) {
        let token = self.adopt(handoff.transport, handoff.session);
        self.shared.connected_clients.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.reply(token, |reply| reply.error(error));
        self.feed(token, handoff.leftover);
    }

    pub(super) fn new_replica(&mut self, session: &Session) -> Replica {
        let now = self.exec.now;
        let id = self.replication.as_mut().map_or(0, |replication| replication.next_id());
        let ip = ip_of(&session.addr).to_string();
        Replica {
            id,
            state: ReplicaState::WaitBgsave,
            info: (*session.replica).clone(),
            ip,
            client_id: session.id,
            cursor: Offset(0),
            acked: Offset(0),
            acked_at: now,
            token: None,
            parked: Parked::No,
            hold_until_ack: false,
            plain_sync: false,
            soft_limit_since: None,
            resumes_at: None,
            let_go: false,
            from_disk: None,
            leftover: Vec::new(),
            on_disk: Offset(0),
            until: None,
        }
    }

    /// Gives bytes that came with a socket to its connection, and lets it receive more.
    pub(super) fn feed(&mut self, token: Token, bytes: Vec<u8>) {
        if let Some(conn) = self.conn(token) {
            conn.pending = bytes.into();
        }
        self.arm_recv(token);
        self.run_pending(token);
        self.mark_dirty(token);
    }

    fn continue_replica(&mut self, transport: Transport, session: Session, leftover: Vec<u8>, at: Offset) {
        let mut replica = self.new_replica(&session);
        replica.state = ReplicaState::Online;
        replica.cursor = at;
        let id = replica.id;
        let psync2 = session.replica.psync2;
        let token = self.adopt(transport, session);
        replica.token = Some(token);
        let Some(replication) = &mut self.replication else { return };
        let current = replication.ids.current;
        replica.resumes_at = Some(replication.log.end());
        replication.replicas.push(replica);
        replication.alone_since = None;
        let conn = &mut self.conns[token.index as usize];
        conn.stream_to(id);
        let line = if psync2 { format!("+CONTINUE {current}\r\n") } else { "+CONTINUE\r\n".to_string() };
        conn.output.reply.raw(line.as_bytes());
        self.feed(token, leftover);
    }

    /// Forgets a replica that has no connection here any more; one that is in a transfer is cut off.
    pub fn forget_replica(&mut self, id: u64) {
        let now = self.exec.now;
        if let Some(replication) = &mut self.replication {
            if replication.replica(id).is_some_and(|replica| matches!(replica.parked, Parked::Away(_))) {
                for transfer in &replication.transfers {
                    let _ = transfer.orders.send(Order::Drop(id, "it is not wanted any more".to_string()));
                }
            }
            replication.replicas.retain(|replica| replica.id != id);
            if replication.replicas.is_empty() {
                replication.alone_since = Some(now);
            }
        }
    }

    /// A replica says how far it has come.
    pub fn on_ack(&mut self, token: Token, offset: Offset, on_disk: Option<Offset>) {
        let now = self.exec.now;
        let Some(Peer::Replica(stream)) = self.conn(token).map(|conn| &conn.peer) else { return };
        let id = stream.id;
        let Some(replica) = self.replication.as_mut().and_then(|replication| replication.replica(id)) else { return };
        replica.acked = replica.acked.max(offset);
        replica.on_disk = replica.on_disk.max(on_disk.unwrap_or_default());
        replica.acked_at = now;
        let copied = replica.state == ReplicaState::SendBulk;
        if copied {
            replica.state = ReplicaState::Online;
            replica.hold_until_ack = false;
        }
        if copied || replica.resumes_at.take_if(|end| *end <= offset).is_some() {
            notice(&format!("Synchronization with replica {} succeeded", replica.name()));
        }
        self.look_at_waiters();
        self.advance_shutdown();
        self.advance_failover();
    }

    /// Puts what replicas lack under way, one send each.
    pub fn flush_streams(&mut self) {
        let Some(replication) = &mut self.replication else { return };
        if replication.ask_acks {
            replication.ask_acks = false;
            if replication.upstream.is_none() && !replication.is_final() {
                replication.log.append_verbatim(Bytes::from_static(GETACK));
            }
        }
        if replication.disk.is_some() {
            self.feed_disk();
        }
        let Some(replication) = &mut self.replication else { return };
        if replication.replicas.is_empty() {
            let pinned = replication.pinned();
            replication.log.trim(pinned);
            self.shared.pressure.not_counted.store(replication.log.beyond_backlog(), std::sync::atomic::Ordering::Relaxed);
            return;
        }
        self.drop_slow_replicas();
        let Some(replication) = &mut self.replication else { return };
        let end = replication.stream_end(&self.shared.aof);
        let mut sends: Vec<(Token, Vec<Bytes>)> = Vec::new();
        let (mut some_part, mut gone) = (false, Vec::new());
        let first = replication.log.before_first();
        for replica in &replication.replicas {
            some_part |= replica.until.is_some();
            let Some(token) = replica.token.filter(|_| !replica.hold_until_ack) else { continue };
            let Some(conn) = self.conns.get(token.index as usize) else { continue };
            let stays = conn.closing == Closing::No && conn.stall != Stall::Leaving;
            let ready = stays && !conn.output.is_sending() && conn.output.reply.buf.is_empty();
            let end = replica.until.map_or(end, |until| until.min(end));
            if ready && replica.cursor < end.min(first) {
                gone.push(token);
            } else if ready && replica.cursor < end {
                let len_max = SEND_LEN_MAX.min((end.0 - replica.cursor.0) as usize);
                sends.push((token, replication.log.read(replica.cursor, len_max, SEND_PIECES_MAX)));
            }
        }
        for (token, pieces) in sends {
            self.send_pieces(token, pieces);
        }
        for token in gone {
            self.move_to_disk(token);
        }
        if some_part {
            self.close_parted();
        }
        let Some(replication) = &mut self.replication else { return };
        let pinned = replication.pinned();
        replication.log.trim(pinned);
        self.shared.pressure.not_counted.store(replication.log.beyond_backlog(), std::sync::atomic::Ordering::Relaxed);
    }

    /// Bytes of the log have left towards a replica.
    pub fn on_stream_sent(&mut self, token: Token, sent: usize) {
        let Some(Peer::Replica(stream)) = self.conn(token).map(|conn| &conn.peer) else { return };
        let id = stream.id;
        if let Some(replica) = self.replication.as_mut().and_then(|replication| replication.replica(id)) {
            replica.cursor = replica.cursor.advanced(sent as u64);
        }
    }

    /// What is due by time: PINGs, replicas that are silent or too far behind, a backlog that nobody needs.
    pub fn replication_cron(&mut self) {
        let now = self.exec.now;
        let config = self.exec.config.clone();
        let Some(replication) = &mut self.replication else { return };
        replication.log.pace.note(now, replication.log.end());
        let is_replica = replication.upstream.is_some();
        let ping_period = Duration::from_secs(config.repl_ping_replica_period.max(1));
        if !is_replica && replication.log.is_active() && replication.last_ping.elapsed() >= ping_period {
            replication.last_ping = Instant::now();
            if !replication.replicas.is_empty() && !replication.is_final() {
                replication.log.append_verbatim(Bytes::from_static(PING));
            }
        }
        if let Some(since) = replication.alone_since {
            let ttl = config.repl_backlog_ttl;
            let kept = is_replica || replication.disk.is_some();
            if ttl > 0 && !kept && replication.log.is_active() && now.0.saturating_sub(since.0) > ttl.saturating_mul(1000) {
                notice("Replication backlog freed after no replica was connected for the time set by repl-backlog-ttl");
                self.free_backlog();
            }
        }
        self.keep_waiting_alive();
        self.drop_bad_replicas(config.repl_timeout);
        self.look_at_waiters();
        self.advance_failover();
        self.judge_replicas();
        self.begin_cut();
        self.hurry_transfers();
    }

    /// Lets replicas that wait for a cut hear from us once a second: an empty line, which means nothing. Who is gone is forgotten.
    fn keep_waiting_alive(&mut self) {
        let Some(replication) = &mut self.replication else { return };
        if replication.last_newline.elapsed() < Duration::from_secs(1) {
            return;
        }
        replication.last_newline = Instant::now();
        let mut gone = Vec::new();
        for replica in &mut replication.replicas {
            if let Parked::Waiting(transport, _) = &mut replica.parked
                && transport.send_now(b"\n").is_err()
            {
                gone.push((replica.id, replica.name()));
            }
        }
        for (id, name) in gone {
            notice(&format!("Connection with replica {name} lost while it waited for a snapshot"));
            self.forget_replica(id);
        }
    }

    /// Frees the backlog: from now on nothing is counted, so the history gets a new name.
    fn free_backlog(&mut self) {
        self.with_all_shards(Box::new(|core| {
            core.flush_effects();
            for shard in core.exec.shards.iter_mut().flatten() {
                shard.logged = false;
            }
            if let Some(replication) = &mut core.replication {
                if replication.replicas.is_empty() && replication.disk.is_none() {
                    replication.log.deactivate();
                    replication.ids = super::Ids::new();
                    replication.alone_since = None;
                } else {
                    for shard in core.exec.shards.iter_mut().flatten() {
                        shard.logged = true;
                    }
                }
            }
        }));
    }

    /// Lets go of replicas at once that are behind by more than the hard limit.
    fn drop_slow_replicas(&mut self) {
        let config = &self.exec.config;
        let hard = config.client_output_buffer_limit.replica.hard;
        let Some(replication) = &self.replication else { return };
        // What waits for the disk is not the replica's to fetch.
        let end = replication.stream_end(&self.shared.aof).0;
        let limit = hard.max(replication.log.backlog_len());
        let mut pins = replication.replicas.iter().filter_map(Replica::pins);
        if hard > 0 && pins.any(|at| end.saturating_sub(at.0) > limit) {
            self.drop_bad_replicas(config.repl_timeout);
        }
    }

    /// Lets go of replicas that are too far behind: what they lack is on disk, or they are disconnected. Those are as well that say nothing.
    fn drop_bad_replicas(&mut self, timeout_s: u64) {
        let now = self.exec.now;
        let limit = self.exec.config.client_output_buffer_limit.replica;
        let Some(replication) = &self.replication else { return };
        let on_disk: Vec<bool> = replication.replicas.iter().map(|replica| self.disk_has(replica.cursor)).collect();
        let Some(replication) = &mut self.replication else { return };
        let end = replication.stream_end(&self.shared.aof);
        let backlog = replication.log.backlog_len();
        let disk_is_failing = self.shared.aof.is_failing();
        let mut bad = Vec::new();
        for (replica, on_disk) in replication.replicas.iter_mut().zip(on_disk) {
            if replica.state == ReplicaState::WaitBgsave {
                continue;
            }
            if disk_is_failing && replica.from_disk.is_some() {
                // The files that stay for it may be what fills the disk.
                bad.push((replica.id, replica.name(), replica.token, "it is sent the log from disk, which fails"));
                continue;
            }
            // As soon as nothing more than the backlog has to stay for it, everything does again.
            replica.let_go &= end.0.saturating_sub(replica.cursor.0) > backlog;
            let lag = replica.pins().map_or(0, |at| end.0.saturating_sub(at.0));
            let over_hard = limit.hard > 0 && lag > limit.hard.max(backlog);
            let over_soft = limit.soft > 0 && lag > limit.soft.max(backlog);
            replica.soft_limit_since = if over_soft { replica.soft_limit_since.or(Some(now)) } else { None };
            let soft_for = replica.soft_limit_since.map_or(0, |since| now.0.saturating_sub(since.0));
            let silent = replica.token.is_some() && now.0.saturating_sub(replica.acked_at.0) > timeout_s.saturating_mul(1000);
            if over_hard || (over_soft && soft_for > limit.soft_seconds.saturating_mul(1000)) {
                if let Some(from_disk) = &replica.from_disk {
                    from_disk.reading.meet_later();
                } else if on_disk {
                    replica.let_go = true;
                    notice(&format!(
                        "Replica {} is far behind: what it lacks is sent from disk when it reads again",
                        replica.name()
                    ));
                } else {
                    const WHY: &str = "it is behind by more than client-output-buffer-limit allows";
                    bad.push((replica.id, replica.name(), replica.token, WHY));
                    add(&self.shared.counters.client_output_buffer_limit_disconnections, 1);
                }
            } else if silent {
                bad.push((replica.id, replica.name(), replica.token, "it has been silent for longer than repl-timeout"));
            }
        }
        self.need_on_disk();
        for (id, name, token, why) in bad {
            notice(&format!("Disconnecting replica {name}: {why}"));
            match token {
                Some(token) => self.close(token),
                None => self.forget_replica(id),
            }
        }
    }
}
