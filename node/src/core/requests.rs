//! Requests that need the core: of clients in a transaction or not yet authenticated, for shards elsewhere, about the server.

use super::Core;
use crate::acl::log::Context;
use crate::commands::Origin;
use crate::connection::{Closing, OwnedRequest, Peer, Stall, Token};
use crate::dispatch::executor::{AWAITED_MAX, Who};
use crate::dispatch::gates::{OOM, READONLY, Verdict};
use crate::dispatch::hop::Batch;
use crate::dispatch::registry::{Command, Run, ServerHandler};
use crate::dispatch::shard_set::ShardSet;
use crate::logging::notice;
use crate::scripting::ScriptFlags;
use crate::shared::{Asked, Gate};
use koltso_proto::command::{CommandSpec, Flags};
use koltso_proto::resp::Reply;
use std::time::Instant;

/// Commands that act on a transaction, or end it, even while one is open.
const NOT_QUEUED: &[&str] = &["exec", "discard", "multi", "watch", "quit", "reset"];

/// What a client that speaks RESP2 may do while it has subscriptions.
const WHILE_LISTENING: &[&str] =
    &["ping", "subscribe", "unsubscribe", "psubscribe", "punsubscribe", "ssubscribe", "sunsubscribe", "quit", "reset"];

impl Core {
    /// Handles one request of a client, whatever it is.
    pub(crate) fn core_request(&mut self, token: Token, request: OwnedRequest) {
        let Some(conn) = self.conn(token) else { return };
        conn.session.reply_mode = conn.session.reply_mode.next();
        if conn.session.tracking().is_some() && conn.session.transaction.is_none() {
            conn.session.begin_request();
        }
        if let Some(command) = self.exec.registry.renamed(request.args().get(0)) {
            return self.judge_request(token, request.translated(command.spec.name));
        }
        self.judge_request(token, request);
    }

    /// Judges a request, which may have waited for that, and runs it if nothing speaks against it.
    pub(crate) fn judge_request(&mut self, token: Token, request: OwnedRequest) {
        let found =
            if request.is_translated { self.exec.look_up_in_table(request.args()) } else { self.exec.look_up(request.args()) };
        let (command, spec) = match found {
            Ok(found) => found,
            Err(error) => {
                // A browser that was led here sends HTTP: it gets no second command.
                if ["POST", "HOST:"].iter().any(|word| request.args().is(0, word)) {
                    crate::logging::warning("Possible SECURITY ATTACK detected: a client speaks HTTP. It is disconnected.");
                    return self.close(token);
                }
                if let Some(spec) = self.exec.spec_of(request.args()) {
                    self.exec.tally.note_rejected(spec.index());
                }
                return self.refuse_request(token, &request, &error);
            }
        };
        let Some(conn) = self.conn(token) else { return };
        if !conn.session.authenticated && !spec.flags.has(Flags::NO_AUTH) {
            self.exec.tally.note_rejected(spec.index());
            return self.refuse_request(token, &request, "NOAUTH Authentication required.");
        }
        let is_almighty = conn.session.is_almighty();
        conn.session.last_command = spec.name;
        if matches!(conn.peer, Peer::Replica(_)) && !matches!(spec.name, "replconf" | "ping") {
            let who = self.describe(token);
            notice(&format!("Closing a replica that sent '{}' in place of an acknowledgement: {who}", spec.name));
            return self.close(token);
        }
        let in_multi = conn.session.transaction.is_some();
        if in_multi && spec.flags.has(Flags::NO_MULTI) {
            self.exec.tally.note_rejected(spec.index());
            return self.refuse(token, "ERR Command not allowed inside a transaction");
        }
        if !is_almighty && let Err(error) = self.judge_user(token, spec, &request) {
            self.exec.tally.note_rejected(spec.index());
            return self.refuse_request(token, &request, &error);
        }
        let Some(conn) = self.conn(token) else { return };
        if conn.session.only_listens && !WHILE_LISTENING.contains(&spec.name) {
            let text = format!(
                "ERR Can't execute '{}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context",
                spec.name
            );
            return self.refuse_request(token, &request, &text);
        }
        let Some(request) = self.pass_gates(token, command, spec, request) else { return };
        let Some(conn) = self.conn(token) else { return };
        // Who publishes again need not wait until his last message has been delivered.
        let publishes = matches!(spec.name, "publish" | "spublish") && conn.awaits_receipts_alone();
        let ahead = if publishes { conn.awaited.len() >= AWAITED_MAX } else { !conn.in_order() };
        if (matches!(command.run, Run::Server(_)) || command.blocks) && ahead {
            // What this client asked of other cores comes first: the node may be asked about its outcome.
            conn.stall = Stall::InOrder;
            conn.deferred = Some(request);
            return;
        }
        if self.exec.gates.has(Gate::Monitor) && !spec.flags.has(Flags::SKIP_MONITOR) && !spec.flags.has(Flags::ADMIN) {
            self.tell_monitors(token, &request);
        }
        if in_multi && !NOT_QUEUED.contains(&command.spec.name) {
            // A script in the midst of its run has the data to itself.
            if self.exec.gates.has(Gate::MaxMemory) && !self.lending.frozen && !self.exec.make_room() {
                self.exec.tally.note_rejected(spec.index());
                return self.refuse(token, OOM);
            }
            return self.queue(token, command, spec, request);
        }
        self.run_command(token, command, spec, request);
    }

    /// Whether the client's user may do this.
    #[cold]
    fn judge_user(&mut self, token: Token, spec: &CommandSpec, request: &OwnedRequest) -> Result<(), String> {
        let Some(conn) = self.conn(token) else { return Ok(()) };
        let (session, args) = (&conn.session, request.args());
        let in_multi = session.transaction.is_some();
        let Err(denied) = session.user().check(spec, args) else {
            // In a transaction, that is an error in the place of the command.
            let sorts = if in_multi { Ok(()) } else { session.user().check_sort(spec, args) };
            return sorts.map_err(str::to_string);
        };
        self.note_denied(token, spec, request, denied, if in_multi { Context::Multi } else { Context::TopLevel });
        Err(denied.error(spec))
    }

    /// Whether the client's user still may do what the transaction was given, now that it is executed.
    pub(super) fn judge_in_exec(&mut self, token: Token, spec: &CommandSpec, request: &OwnedRequest) -> Result<(), String> {
        let Some(conn) = self.conn(token) else { return Ok(()) };
        if conn.session.is_almighty() {
            return Ok(());
        }
        let user = conn.session.user();
        let Err(denied) = user.check(spec, request.args()) else {
            return user.check_sort(spec, request.args()).map_err(str::to_string);
        };
        self.note_denied(token, spec, request, denied, Context::Multi);
        Err(denied.error_in_exec())
    }

    /// Looks at the conditions in force; `None` if the request was refused or has to wait.
    fn pass_gates(
        &mut self,
        token: Token,
        command: &Command,
        spec: &'static CommandSpec,
        request: OwnedRequest,
    ) -> Option<OwnedRequest> {
        if self.exec.gates.is_empty() {
            return Some(request);
        }
        let transaction = self.conns.get(token.index as usize).and_then(|conn| conn.session.transaction.as_deref());
        let asked = match transaction {
            Some(transaction) if command.spec.name == "exec" => transaction.asked,
            _ => self.asked_by(command, spec, &request),
        };
        match self.exec.judge(asked) {
            Verdict::Refuse(error) => {
                self.exec.tally.note_rejected(spec.index());
                self.refuse_request(token, &request, &error);
                None
            }
            Verdict::Core if self.pauses(token, spec, asked.spreads) => {
                self.pause(token, request);
                None
            }
            Verdict::Go | Verdict::Core => Some(request),
        }
    }

    /// What a request asks for; a script may say itself what it does.
    pub(super) fn asked_by(&self, command: &Command, spec: &'static CommandSpec, request: &OwnedRequest) -> Asked {
        let asked = Asked::of(command, spec.flags);
        match self.script_flags(spec, request.args()) {
            None => asked,
            Some(flags) => {
                let write = !flags.has(ScriptFlags::NO_WRITES);
                Asked { write, spreads: write, stale: flags.has(ScriptFlags::ALLOW_STALE), ..asked }
            }
        }
    }

    /// Refuses a request before it is run. An `EXEC` that is refused is the end of its transaction.
    #[cold]
    fn refuse_request(&mut self, token: Token, request: &OwnedRequest, error: &str) {
        if !request.args().is(0, "EXEC") {
            return self.refuse(token, error);
        }
        if let Some(conn) = self.conn(token) {
            conn.session.transaction = None;
        }
        self.unwatch(token);
        let why = error.strip_prefix("ERR ").unwrap_or(error);
        self.refuse(token, &format!("EXECABORT Transaction discarded because of: {why}"));
    }

    /// Refuses a request; a transaction that it belongs to will not be executed.
    #[cold]
    pub(crate) fn refuse(&mut self, token: Token, error: &str) {
        let Some(conn) = self.conn(token) else { return };
        if let Some(transaction) = &mut conn.session.transaction {
            transaction.aborted = true;
        }
        self.exec.tally.note_error(error.as_bytes());
        self.reply(token, |reply| reply.error(error));
    }

    /// Whether a client wants no reply to what it asks just now.
    pub(super) fn mutes_replies(&mut self, token: Token) -> bool {
        self.conn(token).is_some_and(|conn| conn.session.reply_mode.mutes())
    }

    /// Writes a reply in its place, unless the client wants none.
    pub fn reply(&mut self, token: Token, write: impl FnOnce(&mut Reply)) {
        let Some(conn) = self.conn(token) else { return };
        let mark = conn.output.reply.buf.len();
        write(&mut conn.output.reply);
        if conn.session.reply_mode.mutes() {
            conn.output.reply.buf.truncate(mark);
        }
        if !conn.in_order() {
            conn.queue_behind_awaited(mark);
        }
        self.mark_dirty(token);
    }

    /// Runs a command that has passed all checks.
    fn run_command(&mut self, token: Token, command: &'static Command, spec: &'static CommandSpec, request: OwnedRequest) {
        if (command.write || spec.flags.has(Flags::WRITE))
            && let Some(conn) = self.conn(token)
        {
            conn.session.wrote = true;
        }
        match command.run {
            Run::Server(handler) => self.run_server(token, handler, command.timed, spec, &request),
            Run::Keys(_) if command.blocks => self.run_blocking(token, command, request),
            Run::Keys(_) | Run::AllKeys(_) => {
                let set = self.exec.shards_of(command, request.args());
                let spreads = Asked::of(command, command.spec.flags).spreads;
                let set = if set.is_empty() { self.own_shard() } else { set };
                self.with_shards_unless_paused(token, set, spreads, request, move |core, request| {
                    core.execute_here(token, command, spec, request);
                    core.unstall(token, Stall::Lend);
                });
            }
        }
    }

    /// Runs a command about the server or the connection, and counts it.
    pub(super) fn run_server(
        &mut self,
        token: Token,
        handler: ServerHandler,
        timed: bool,
        spec: &'static CommandSpec,
        request: &OwnedRequest,
    ) {
        let timed = timed || self.exec.time_all;
        let weight = self.exec.tally.weight_of_next(spec.index(), timed);
        self.exec.tally.forgive();
        let start = (weight > 0).then(Instant::now);
        handler(self, token, request);
        // Not before: who asks for the counts is not among them.
        self.exec.tally.note_call(spec.index(), timed);
        if let Some(start) = start {
            let took = start.elapsed();
            self.exec.tally.note_time(spec.index(), took, weight);
            if !spec.flags.has(Flags::SKIP_SLOWLOG) {
                self.exec.note_if_slow(Some(took.as_micros() as u64), token, request.args());
            }
        }
        self.exec.tally.blame(spec.index());
    }

    /// The set of this core's own shard.
    pub(crate) fn own_shard(&self) -> ShardSet {
        let mut set = ShardSet::default();
        set.insert(self.exec.id);
        set
    }

    /// Makes a connection wait.
    pub(crate) fn stall(&mut self, token: Token, stall: Stall) {
        if let Some(conn) = self.conn(token) {
            conn.stall = stall;
        }
    }

    /// What a connection has waited for is over, and it is still being served: whoever does that goes on with it.
    pub(crate) fn end_stall(&mut self, token: Token, stall: Stall) {
        if let Some(conn) = self.conn(token)
            && conn.stall == stall
        {
            conn.stall = Stall::None;
        }
    }

    pub(crate) fn who(&mut self, token: Token) -> Option<(Who, bool)> {
        let conn = self.conn(token)?;
        let who = Who { db: conn.session.db, no_touch: conn.session.no_touch, origin: Origin::Client };
        Some((who, conn.output.reply.resp3))
    }

    /// Runs a command of the keyspace over the shards that are here, and answers the client.
    fn execute_here(&mut self, token: Token, command: &Command, spec: &CommandSpec, request: &OwnedRequest) {
        let Some((who, resp3)) = self.who(token) else { return };
        let (Run::Keys(handler) | Run::AllKeys(handler)) = command.run else { return };
        // While it waited for shards this node may have become a replica.
        let takes_no_writes = command.write && self.shared.gates().has(Gate::ReadOnly);
        if takes_no_writes || self.exec.lacks_room(command) {
            self.exec.tally.note_rejected(spec.index());
            return self.refuse(token, if takes_no_writes { READONLY } else { OOM });
        }
        let mut reply = Reply::new(resp3);
        self.exec.effects.begin_unit();
        let (index, args) = (spec.index(), request.args());
        self.exec.tracker = self.tracker_of(token);
        let took_us = self.exec.counted(index, true, |exec| exec.context(None, who, &mut reply).run(handler, args));
        self.exec.effects.end_unit();
        self.remember(token, spec, args);
        self.exec.serve_if_ready();
        self.exec.tracker = None;
        self.exec.note_if_slow(took_us, token, args);
        self.exec.tally.note_reply(index, &reply.buf);
        self.reply(token, |out| out.raw(&reply.buf));
    }

    /// A reply has come: what waited for its turn behind it goes on, and what can be sent will be.
    pub(crate) fn resume_in_order(&mut self, token: Token) {
        self.mark_dirty(token);
        let Some(conn) = self.conn(token) else { return };
        if conn.stall != Stall::InOrder || !conn.in_order() {
            return;
        }
        conn.stall = Stall::None;
        let deferred = conn.deferred.take();
        if conn.closing == Closing::No {
            if let Some(request) = deferred {
                self.judge_request(token, request);
            }
            self.run_pending(token);
        }
    }

    /// Another core has answered requests of this one.
    pub(crate) fn on_batch_done(&mut self, mut batch: Box<Batch>) {
        for (asker, reply) in batch.replies() {
            let Some(conn) = self.conns.get_mut(asker.token.index as usize) else { continue };
            if conn.generation != asker.token.generation {
                continue;
            }
            conn.fulfil(asker.seq, if asker.muted { &[] } else { reply });
            if conn.stall == Stall::InOrder {
                self.resume_in_order(asker.token);
            } else if !conn.dirty {
                conn.dirty = true;
                self.dirty.push(asker.token);
            }
        }
        for told in std::mem::take(&mut batch.told) {
            self.on_told(&told);
        }
        self.exec.outbox.recycle(batch);
        self.note_applied();
    }
}
