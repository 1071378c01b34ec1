//! Bytes in and bytes out: what a completion of a receive or a send sets going.

use super::Core;
use crate::connection::{Closing, InFlight, Peer, Stall, Token};
use crate::dispatch::executor::Stop;
use crate::persistence::Ticket;
use crate::reactor::buffers::{Filled, GROUP};
use crate::reactor::ring::{Completion, Given, Op, Tag};
use crate::replication::stream::{Handoff, SyncRequest};
use crate::shared::add;
use crate::tls::Transport;

/// Bytes of one connection's requests that are looked at in one go, before others have their turn.
const RUN_LEN_MAX: usize = 256 * 1024;

fn tag(op: Op, token: Token) -> Tag {
    Tag { op, generation: token.generation, index: token.index }
}

impl Core {
    /// Arms the receive of a connection.
    pub(crate) fn arm_recv(&mut self, token: Token) {
        let Some(conn) = self.conn(token) else { return };
        if conn.stall == Stall::Leaving {
            // Its receive is over, which it has waited for.
            return self.mark_dirty(token);
        }
        if conn.recv_armed || conn.recv_paused || conn.peer_done || conn.closing == Closing::Now {
            return;
        }
        conn.recv_armed = true;
        let socket = conn.socket;
        self.ring.recv(socket, GROUP, tag(Op::Recv, token));
    }

    /// Receives no more from a peer that is ahead of us, until what it has sent is worked off.
    pub(super) fn pause_recv_if_full(&mut self, token: Token) {
        let Some(conn) = self.conn(token) else { return };
        if !conn.recv_paused && conn.is_full() {
            conn.recv_paused = true;
            if conn.recv_armed {
                self.ring.cancel(tag(Op::Recv, token));
            }
        }
    }

    /// Receives again if there is room again.
    fn resume_recv(&mut self, token: Token) {
        let Some(conn) = self.conn(token) else { return };
        if conn.recv_paused && !conn.is_full() {
            conn.recv_paused = false;
            self.arm_recv(token);
        }
    }

    pub(super) fn rearm_starved(&mut self) {
        // Arming while no buffer is left fails at once, even when no byte has arrived.
        if self.starved.is_empty() || self.buffers.provided() == 0 {
            return;
        }
        self.buffers.publish();
        for token in std::mem::take(&mut self.starved) {
            self.arm_recv(token);
        }
    }

    pub(super) fn on_recv(&mut self, completion: Completion) {
        let token = Token { index: completion.tag.index, generation: completion.tag.generation };
        let len = completion.result.max(0) as usize;
        let filled = match completion.given {
            Given::Received(id) => Some(self.buffers.take(id, len)),
            _ => None,
        };
        let Some(conn) = self.conn(token) else {
            if let Some(filled) = filled {
                self.buffers.give_back(filled);
            }
            return;
        };
        if !completion.more {
            conn.recv_armed = false;
        }
        if conn.closing == Closing::Now {
            if let Some(filled) = filled {
                self.buffers.give_back(filled);
            }
            return self.free_if_done(token);
        }
        let leaving = conn.stall == Stall::Leaving;
        match (completion.result, filled) {
            (1.., Some(filled)) => {
                add(&self.shared.counters.total_net_input_bytes, len as u64);
                self.exec.tally.reads += 1;
                self.on_bytes(token, filled);
                if !completion.more {
                    self.arm_recv(token);
                }
            }
            (result, filled) => {
                if let Some(filled) = filled {
                    self.buffers.give_back(filled);
                }
                match -result {
                    libc::ENOBUFS if !leaving => self.starved.push(token),
                    // Cancelled because it leaves, or for a pause that may be over by now.
                    libc::ENOBUFS | libc::ECANCELED => self.arm_recv(token),
                    libc::EINTR | libc::EAGAIN => self.arm_recv(token),
                    0 => self.on_peer_done(token),
                    _ => self.close(token),
                }
            }
        }
    }

    /// The peer has sent all it will. What it asked for is still answered, unless it would have to wait for that.
    pub(super) fn on_peer_done(&mut self, token: Token) {
        let Some(conn) = self.conn(token) else { return };
        conn.peer_done = true;
        let waits = matches!(conn.stall, Stall::Blocked | Stall::Leaving | Stall::Paused);
        if waits || !matches!(conn.peer, Peer::Client) {
            return self.close(token);
        }
        self.mark_dirty(token);
    }

    fn on_bytes(&mut self, token: Token, filled: Filled) {
        let Some(conn) = self.conns.get_mut(token.index as usize) else { return self.buffers.give_back(filled) };
        if conn.session.last_active != self.exec.now {
            conn.session.last_active = self.exec.now;
            self.coalesce.note_active();
        }
        if conn.tls.is_some() {
            return self.on_sealed_bytes(token, filled);
        }
        let bytes = self.buffers.bytes(&filled);
        if let Peer::Primary(_) = conn.peer {
            add(&self.shared.counters.total_net_repl_input_bytes, bytes.len() as u64);
            conn.pending.extend_from_slice(bytes);
            self.buffers.give_back(filled);
            self.apply_stream(token);
            return self.pause_recv_if_full(token);
        }
        if conn.closing != Closing::No {
            return self.buffers.give_back(filled);
        }
        if !conn.pending.is_empty() || conn.stall != Stall::None {
            conn.pending.extend_from_slice(bytes);
            self.buffers.give_back(filled);
            self.run_pending(token);
            self.enforce_query_limit(token);
            return self.pause_recv_if_full(token);
        }
        // The common case: whole requests, read where the kernel has put them.
        let (consumed, stop) = self.exec.run(conn, token, bytes);
        if consumed < bytes.len() {
            conn.pending.extend_from_slice(&bytes[consumed..]);
        }
        self.buffers.give_back(filled);
        let more = matches!(stop, Stop::Core(_) | Stop::Tell);
        self.after_run(token, stop);
        if more {
            self.run_pending(token);
        }
    }

    /// Runs what a connection has sent and nobody has looked at yet, as far as that is possible, and as far as it is fair: of a
    /// long pipeline a part, and the next part in the next turn.
    pub(crate) fn run_pending(&mut self, token: Token) {
        let Some(conn) = self.conn(token) else { return };
        if conn.unfinished {
            // It has had its part of this turn.
            return;
        }
        let pending = std::mem::take(&mut conn.pending);
        let (mut at, mut unfinished) = (0, false);
        // One request may be longer than a part.
        let mut part = RUN_LEN_MAX;
        loop {
            let Some(conn) = self.conns.get_mut(token.index as usize) else { return };
            if conn.generation != token.generation {
                return;
            }
            if conn.stall != Stall::None || conn.closing != Closing::No {
                break;
            }
            if at >= RUN_LEN_MAX && at < pending.len() {
                unfinished = true;
                break;
            }
            let end = pending.len().min(at.saturating_add(part));
            let (consumed, stop) = self.exec.run(conn, token, &pending[at..end]);
            at += consumed;
            let goes_on = match stop {
                Stop::Core(_) | Stop::Tell => true,
                Stop::NeedMore => {
                    part = if consumed == 0 { usize::MAX } else { RUN_LEN_MAX };
                    end < pending.len()
                }
                _ => false,
            };
            self.after_run(token, stop);
            if !goes_on {
                break;
            }
        }
        if let Some(conn) = self.conn(token) {
            // What has come meanwhile: while a script of this client took too long.
            let later = std::mem::replace(&mut conn.pending, pending);
            conn.pending.consume(at);
            conn.pending.extend_from_slice(&later);
            if unfinished && !conn.unfinished {
                conn.unfinished = true;
                self.unfinished.push(token);
            }
        }
    }

    /// Goes on with pipelines that were left off.
    pub(super) fn run_unfinished(&mut self) {
        for token in std::mem::take(&mut self.unfinished) {
            if let Some(conn) = self.conn(token) {
                conn.unfinished = false;
                self.run_pending(token);
            }
        }
    }

    fn after_run(&mut self, token: Token, stop: Stop) {
        match stop {
            Stop::NeedMore | Stop::Tell => {}
            Stop::Core(request) => {
                self.core_request(token, request);
            }
            Stop::ShardAway => {
                if let Some(conn) = self.conn(token) {
                    conn.stall = Stall::ShardAway;
                }
                self.lending.stalled.push(token);
            }
            Stop::OutputFull => self.stall(token, Stall::Output),
            // The replies to what it has asked of others set it going again.
            Stop::AheadOfPeers => self.stall(token, Stall::InOrder),
            Stop::Protocol(error) => {
                self.reply(token, |reply| reply.error(format!("ERR {error}")));
                self.close_after_replies(token);
            }
        }
        if !self.exec.slow.is_empty() {
            self.log_slow();
        }
        if !self.exec.invalidations.is_empty() {
            self.tell_readers();
        }
        self.mark_dirty(token);
    }

    /// What a connection waited for has happened.
    pub(crate) fn unstall(&mut self, token: Token, stall: Stall) {
        let Some(conn) = self.conn(token) else { return };
        if conn.stall != stall {
            return;
        }
        conn.stall = Stall::None;
        if matches!(conn.peer, Peer::Primary(_)) {
            self.apply_stream(token);
        } else {
            self.run_pending(token);
        }
        self.mark_dirty(token);
    }

    /// Puts what connections have to send under way.
    pub(super) fn flush_dirty(&mut self) {
        let wait_for = self.replies_wait_for();
        let mut at = 0;
        // In order: who was answered first is sent it first.
        while let Some(&token) = self.dirty.get(at) {
            at += 1;
            let Some(conn) = self.conns.get_mut(token.index as usize) else { continue };
            if conn.generation != token.generation {
                continue;
            }
            conn.dirty = false;
            if conn.closing == Closing::Now {
                continue;
            }
            if conn.recv_paused {
                self.resume_recv(token);
            }
            let conn = &mut self.conns[token.index as usize];
            if wait_for.is_some() || conn.output.is_held() {
                self.hold_replies(token, wait_for);
            }
            let conn = &mut self.conns[token.index as usize];
            if let Some(flight) = conn.start_replies() {
                self.ring.send(conn.socket, flight, tag(Op::Send, token));
            } else if conn.ends_after_replies() && conn.output.is_empty() && conn.in_order() {
                self.close(token);
            } else if conn.stall == Stall::Leaving && conn.output.is_empty() && !conn.in_use_by_kernel() {
                self.leave(token);
                continue;
            }
            if self.exec.limits_output {
                self.enforce_hard_limit(token);
            }
        }
        self.dirty.clear();
    }

    /// What a client was answered waits until what it stands for is on disk, if that has to be.
    #[cold]
    fn hold_replies(&mut self, token: Token, wait_for: Option<Ticket>) {
        let conn = &mut self.conns[token.index as usize];
        if !matches!(conn.peer, Peer::Client) {
            return;
        }
        // While the disk takes nothing, whoever has not written anything must be able to see why.
        let may_look = self.shared.aof.is_failing() && !conn.session.wrote;
        match wait_for.filter(|_| !may_look) {
            None => drop(conn.output.release(None)),
            Some(ticket) => {
                if conn.output.hold(ticket) {
                    self.note_held(token);
                }
            }
        }
    }

    pub(super) fn on_send(&mut self, completion: Completion) {
        let token = Token { index: completion.tag.index, generation: completion.tag.generation };
        let Some(conn) = self.conn(token) else { return };
        let closing = conn.closing == Closing::Now;
        let Given::Sent(flight) = completion.given else { return };
        if closing || completion.result <= 0 {
            let again = matches!(-completion.result, libc::EINTR | libc::EAGAIN) && !closing;
            if !again {
                conn.output.in_flight = InFlight::Nothing;
                if closing {
                    return self.free_if_done(token);
                }
                return self.close(token);
            }
        }
        let sent = completion.result.max(0) as usize;
        add(&self.shared.counters.total_net_output_bytes, sent as u64);
        self.exec.tally.writes += 1;
        let conn = &mut self.conns[token.index as usize];
        let is_stream = matches!(conn.output.in_flight, InFlight::Pieces(_));
        let (sent, rest) = conn.sent(flight, sent);
        if let Some(rest) = rest {
            self.ring.send(conn.socket, rest, completion.tag);
        }
        if is_stream {
            add(&self.shared.counters.total_net_repl_output_bytes, sent as u64);
            self.on_stream_sent(token, sent);
        } else if !conn.output.is_sending() {
            if conn.stall == Stall::Output {
                return self.unstall(token, Stall::Output);
            }
            if !conn.output.is_empty() || conn.ends_after_replies() || conn.stall == Stall::Leaving {
                self.mark_dirty(token);
            }
        }
    }

    /// Puts pieces of the log under way on a connection that sends nothing else.
    pub(crate) fn send_pieces(&mut self, token: Token, pieces: Vec<bytes::Bytes>) {
        let Some(conn) = self.conns.get_mut(token.index as usize) else { return };
        let flight = conn.start_pieces(pieces);
        self.ring.send(conn.socket, flight, tag(Op::Send, token));
    }

    /// Ends a connection: whatever is under way is cancelled, and its slot is freed when the kernel has let go of it.
    pub(crate) fn close(&mut self, token: Token) {
        let Some(conn) = self.conn(token) else { return };
        if conn.closing == Closing::Now || self.is_held_open(token) {
            return;
        }
        let Some(conn) = self.conn(token) else { return };
        conn.closing = Closing::Now;
        conn.say_farewell();
        if conn.in_use_by_kernel() {
            let socket = conn.socket;
            // A peer that waits for us learns it at once, even while a cancelled operation lingers.
            let _ = rustix::net::shutdown(&conn.fd, rustix::net::Shutdown::Both);
            self.ring.cancel_socket(socket);
        }
        self.on_closing(token);
        self.free_if_done(token);
    }

    /// Sends a connection off to the log's core, to become a replica there. It leaves as soon as the kernel has let go of it.
    pub(crate) fn leave_for_stream(&mut self, token: Token, request: SyncRequest) {
        let Some(conn) = self.conn(token) else { return };
        conn.leaving = Some(request);
        self.begin_to_leave(token);
    }

    /// Sends a replica's connection off to the service thread. It leaves as soon as the kernel has let go of it.
    pub(crate) fn leave_for_disk(&mut self, token: Token) {
        self.begin_to_leave(token);
    }

    fn begin_to_leave(&mut self, token: Token) {
        let Some(conn) = self.conn(token) else { return };
        conn.stall = Stall::Leaving;
        if conn.recv_armed {
            self.ring.cancel(tag(Op::Recv, token));
        }
        self.mark_dirty(token);
    }

    fn leave(&mut self, token: Token) {
        self.unwatch(token);
        self.stop_monitoring(token);
        self.end_tracking(token);
        let conn = self.conns.remove(token.index as usize);
        self.ring.uninstall(conn.socket);
        if let Peer::Replica(stream) = &conn.peer {
            let id = stream.id;
            return self.on_left_for_disk(id, conn);
        }
        self.shared.connected_clients.fetch_sub(1, std::sync::atomic::Ordering::Relaxed);
        let Some(request) = conn.leaving else { return };
        let transport = Transport { fd: conn.fd, tls: conn.tls };
        let handoff = Handoff { transport, session: conn.session, leftover: conn.pending.into_vec(), request };
        if self.exec.id == 0 {
            self.on_replica(handoff);
        } else {
            self.send(0, super::Message::Replica(Box::new(handoff)));
        }
    }

    fn free_if_done(&mut self, token: Token) {
        if self.conn(token).is_some_and(|conn| conn.closing == Closing::Now && !conn.in_use_by_kernel()) {
            let conn = self.conns.remove(token.index as usize);
            self.ring.uninstall(conn.socket);
        }
    }
}
