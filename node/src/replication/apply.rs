//! Applying the stream of our primary: the same commands, in the same order, and the same bytes into our own log.
//!
//! The bytes go into the log as they came, so that our replicas see our primary's offsets. Three rules keep that log true to
//! the data at every cut: commands are dispatched in order; a transaction is dispatched whole; and nothing is dispatched while
//! shards are being borrowed for something else, which is how a cut could otherwise fall between a command's bytes and its
//! effect.

use super::link::PrimaryStream;
use crate::commands::Origin;
use crate::connection::{Closing, OwnedRequest, Peer, Stall, Token};
use crate::core::Core;
use crate::dispatch::executor::Who;
use crate::dispatch::hop::{Asker, report_failure};
use crate::dispatch::registry::{Command, Run};
use crate::dispatch::route::Route;
use crate::dispatch::shard_set::ShardSet;
use crate::logging::warning;
use crate::pubsub::{Kind, Posting};
use crate::scripting::function::Source;
use bytes::Bytes;
use koltso_proto::id::{DbIndex, Offset};
use koltso_proto::resp::{Args, Limits, Reply, Step, put_command};

/// What became of a command of the stream.
enum Applied {
    /// It is done, or on its way to the shard it belongs to.
    Dispatched,
    /// The stream waits until shards have been borrowed for it.
    Waiting,
}

impl Core {
    /// Applies what has arrived of the stream, as far as that is possible now.
    pub fn apply_stream(&mut self, token: Token) {
        self.apply_pending(token, false);
    }

    /// Applies what has arrived; `held` says that every shard is here, for a command before, and the commands after it can
    /// just as well be run at once.
    fn apply_pending(&mut self, token: Token, held: bool) {
        let now = self.exec.now;
        if let Some(upstream) = self.replication.as_mut().and_then(|replication| replication.upstream.as_mut()) {
            upstream.last_io = now;
        }
        let Some(conn) = self.conn(token) else { return };
        if (conn.stall != Stall::None && !held) || conn.closing != Closing::No {
            return;
        }
        let mut parser = std::mem::take(&mut conn.parser);
        let pending = std::mem::take(&mut conn.pending);
        let limits = Limits::authenticated(u64::from(u32::MAX));
        let mut at = 0;
        let mut unreadable = false;
        loop {
            let Some(conn) = self.conn(token) else { return };
            if conn.closing != Closing::No {
                break;
            }
            if !held && conn.stall != Stall::None {
                break;
            }
            if !held && self.has_jobs() {
                self.stall(token, Stall::AfterJobs);
                self.lending.after_jobs.push(token);
                break;
            }
            match parser.advance(&pending[at..], &limits) {
                Ok(Step::Incomplete(_)) => break,
                Ok(Step::Complete(len)) => {
                    let args = parser.args(&pending[at..]);
                    let applied = self.apply_one(token, args, &pending[at..at + len], held);
                    parser.reset();
                    at += len;
                    if matches!(applied, Applied::Waiting) {
                        break;
                    }
                }
                Err(error) => {
                    warning(&format!("The stream from MASTER cannot be read: {error}"));
                    unreadable = true;
                    break;
                }
            }
        }
        self.log_stream(token);
        if let Some(conn) = self.conn(token) {
            conn.parser = parser;
            conn.pending = pending;
            conn.pending.consume(at);
        }
        self.note_applied();
        if unreadable {
            // What came before has been applied and stands in the log, where the next link continues.
            self.close(token);
        }
    }

    fn stream(&mut self, token: Token) -> Option<&mut PrimaryStream> {
        match &mut self.conn(token)?.peer {
            Peer::Primary(stream) => Some(stream),
            _ => None,
        }
    }

    fn apply_one(&mut self, token: Token, args: Args<'_>, raw: &[u8], held: bool) -> Applied {
        let Some(stream) = self.stream(token) else { return Applied::Dispatched };
        let offset = Offset(stream.dispatched.0 + stream.open_bytes);
        stream.unlogged.extend_from_slice(raw);
        stream.open_bytes += raw.len() as u64;
        if args.len() == 0 {
            return self.whole_unit(token);
        }
        if args.is(0, "MULTI") {
            if stream.transaction.is_some() {
                // Refused, to nobody: the transaction that is open goes on.
                warning("== CRITICAL == The master begins a transaction within a transaction");
            } else {
                stream.transaction = Some(Vec::new());
            }
            return Applied::Dispatched;
        }
        if args.is(0, "DISCARD") {
            stream.transaction = None;
            return self.whole_unit(token);
        }
        if args.is(0, "EXEC") {
            let commands = stream.transaction.take().unwrap_or_default();
            if held {
                return self.apply_held(token, &commands);
            }
            return self.apply_transaction(token, commands);
        }
        if args.is(0, "REPLCONF") {
            if args.len() > 1 && args.is(1, "GETACK") && stream.transaction.is_none() && !stream.is_replay {
                // The answer does not count the question.
                stream.ack_at = Some(offset);
            }
            return self.whole_unit(token);
        }
        let command = match self.exec.look_up_in_table(args) {
            Ok((command, _)) => command,
            Err(error) => {
                // Silence would be a replica that differs from its primary without anybody knowing.
                warning(&format!("== CRITICAL == This replica cannot apply a command of its master: {error}"));
                return self.whole_unit(token);
            }
        };
        let Some(stream) = self.stream(token) else { return Applied::Dispatched };
        if let Some(commands) = &mut stream.transaction {
            commands.push((command.spec.index() as u16, OwnedRequest::new(args)));
            return Applied::Dispatched;
        }
        if held {
            return self.apply_held(token, &[(command.spec.index() as u16, OwnedRequest::new(args))]);
        }
        self.apply_command(token, command, args)
    }

    /// Applies commands as one unit over shards that are all here.
    fn apply_held(&mut self, token: Token, commands: &[(u16, OwnedRequest)]) -> Applied {
        for (index, request) in commands {
            self.apply_borrowed(token, *index, request);
        }
        self.exec.serve_if_ready();
        self.whole_unit(token)
    }

    fn apply_command(&mut self, token: Token, command: &'static Command, args: Args<'_>) -> Applied {
        if command.spec.name == "function" {
            // Libraries change at a moment that is one for all shards.
            let all = ShardSet::all(self.exec.shards.len());
            return self.borrow_and_apply(token, all, vec![(command.spec.index() as u16, OwnedRequest::new(args))]);
        }
        if self.apply_without_keys(token, command, args) {
            return self.whole_unit(token);
        }
        let (Run::Keys(handler) | Run::AllKeys(handler)) = command.run else { return self.whole_unit(token) };
        let Some(conn) = self.conn(token) else { return Applied::Dispatched };
        let who = Who { db: conn.session.db, no_touch: true, origin: Origin::Primary };
        let set = self.exec.shards_of(command, args);
        let here = self.exec.shards[self.exec.id].is_some();
        match self.exec.route(command, args) {
            Route::Local
                if here && set.single().is_none_or(|only| only == self.exec.id) && !matches!(command.run, Run::AllKeys(_)) =>
            {
                let mut reply = Reply::new(false);
                let (index, timed) = (command.spec.index(), command.timed);
                self.exec.counted(index, timed, |exec| exec.execute(handler, who, &mut reply, args));
                report_failure(&reply.buf, args);
                self.whole_unit(token)
            }
            Route::Peer(peer) => {
                let Some(conn) = self.conn(token) else { return Applied::Dispatched };
                let seq = conn.await_reply();
                let asker =
                    Asker { token, seq, db: who.db, resp3: false, no_touch: true, muted: false, origin: Origin::Primary };
                self.exec.outbox.push(peer, asker, command.spec.index() as u16, args);
                self.whole_unit(token)
            }
            _ => {
                let set = if set.is_empty() { self.own_shard() } else { set };
                self.borrow_and_apply(token, set, vec![(command.spec.index() as u16, OwnedRequest::new(args))])
            }
        }
    }

    /// Commands of the stream that are about no key; true if this was one.
    fn apply_without_keys(&mut self, token: Token, command: &Command, args: Args<'_>) -> bool {
        let is_replay = self.stream(token).is_some_and(|stream| stream.is_replay);
        match command.spec.name {
            "select" => {
                let db = koltso_proto::number::parse_i64(args.get(1)).and_then(|n| u32::try_from(n).ok());
                match db.filter(|&db| (db as usize) < self.databases()) {
                    Some(db) => {
                        if let Some(conn) = self.conn(token) {
                            conn.session.db = DbIndex(db);
                        }
                        if let Some(replication) = self.replication.as_mut().filter(|_| !is_replay) {
                            replication.log.note_selected(DbIndex(db));
                        }
                    }
                    None => warning("== CRITICAL == The master uses a database that this replica does not have"),
                }
                true
            }
            "publish" => self.apply_message(token, Kind::Channel, args),
            "spublish" => self.apply_message(token, Kind::Shard, args),
            "eval" | "evalsha" | "fcall" => {
                warning(
                    "== CRITICAL == The master sends a script in the place of its effects, which this replica cannot apply",
                );
                true
            }
            _ => matches!(command.run, Run::Server(_)),
        }
    }

    /// A message of the stream, for our own subscribers: who gets it finds what was written before it.
    fn apply_message(&mut self, token: Token, kind: Kind, args: Args<'_>) -> bool {
        // What the append-only file holds was delivered when it was new.
        let is_replay = self.stream(token).is_some_and(|stream| stream.is_replay);
        if args.len() == 3
            && !is_replay
            && let Some(conn) = self.conn(token)
        {
            let next_seq = conn.next_seq;
            if let Peer::Primary(stream) = &mut conn.peer {
                stream.messages.push_back((next_seq, Posting::new(kind, args.get(1), args.get(2), None)));
            }
        }
        true
    }

    fn apply_transaction(&mut self, token: Token, commands: Vec<(u16, OwnedRequest)>) -> Applied {
        let mut set = ShardSet::default();
        for (index, request) in &commands {
            if let Some(command) = self.exec.registry.by_index(*index) {
                set.0 |= self.exec.shards_of(command, request.args()).0;
                if command.spec.name == "function" {
                    set = ShardSet::all(self.exec.shards.len());
                }
            }
        }
        let set = if set.is_empty() { self.own_shard() } else { set };
        self.borrow_and_apply(token, set, commands)
    }

    /// Applies commands as one unit over the shards they need; its bytes enter the log at the same moment. Borrowing costs a
    /// round of messages, so where it takes other cores' shards it takes all of them, and what has arrived behind the unit is
    /// applied in the same go.
    fn borrow_and_apply(&mut self, token: Token, set: ShardSet, commands: Vec<(u16, OwnedRequest)>) -> Applied {
        // What was dispatched before stands in the log before.
        self.stall(token, Stall::Lend);
        let alone = set == self.own_shard();
        let set = if alone { set } else { ShardSet::all(self.exec.shards.len()) };
        self.with_shards(
            set,
            Box::new(move |core| {
                core.apply_held(token, &commands);
                core.log_stream(token);
                if !alone {
                    core.apply_pending(token, true);
                }
                core.unstall(token, Stall::Lend);
            }),
        );
        match self.conn(token) {
            Some(conn) if conn.stall == Stall::None => Applied::Dispatched,
            _ => Applied::Waiting,
        }
    }

    fn apply_borrowed(&mut self, token: Token, index: u16, request: &OwnedRequest) {
        // What comes from a link that is gone does not enter the log either.
        if self.conn(token).is_none() {
            return;
        }
        let Some(command) = self.exec.registry.by_index(index).copied() else { return };
        if command.spec.name == "function" {
            if let Err(error) = self.change_libraries(request.args(), Source::DataSet) {
                report_failure(format!("-ERR {error}").as_bytes(), request.args());
            }
            return;
        }
        if self.apply_without_keys(token, &command, request.args()) {
            return;
        }
        let (Run::Keys(handler) | Run::AllKeys(handler)) = command.run else { return };
        let Some(conn) = self.conn(token) else { return };
        let who = Who { db: conn.session.db, no_touch: true, origin: Origin::Primary };
        let mut reply = Reply::new(false);
        let (index, args) = (command.spec.index(), request.args());
        self.exec.counted(index, command.timed, |exec| exec.context(None, who, &mut reply).run(handler, args));
        report_failure(&reply.buf, request.args());
    }

    /// The bytes since the last unit are a unit.
    fn whole_unit(&mut self, token: Token) -> Applied {
        if let Some(stream) = self.stream(token)
            && stream.transaction.is_none()
        {
            stream.dispatched = stream.dispatched.advanced(stream.open_bytes);
            stream.open_bytes = 0;
        }
        Applied::Dispatched
    }

    /// Appends the bytes of whole units to our own log, and marks where they end among requests to other cores.
    fn log_stream(&mut self, token: Token) {
        let Some(conn) = self.conn(token) else { return };
        let next_seq = conn.next_seq;
        let Peer::Primary(stream) = &mut conn.peer else { return };
        let open = stream.open_bytes as usize;
        let whole = stream.unlogged.len() - open.min(stream.unlogged.len());
        if whole > 0 {
            let rest = stream.unlogged.split_off(whole);
            let mut bytes = std::mem::replace(&mut stream.unlogged, rest);
            if bytes.capacity() - bytes.len() > bytes.len() / 4 {
                bytes.shrink_to_fit();
            }
            stream.checkpoints.push_back((next_seq, stream.dispatched));
            let is_replay = stream.is_replay;
            if let Some(replication) = self.replication.as_mut().filter(|_| !is_replay) {
                replication.log.append_verbatim(Bytes::from(bytes));
            }
        }
    }

    /// Looks at how far the stream has been applied, and acknowledges it if that was asked for.
    pub fn note_applied(&mut self) {
        if let Some(replay) = &self.replay {
            self.note_applied_of(replay.token);
            self.note_replayed();
        }
        if let Some(token) = self.replication.as_ref().and_then(|r| r.upstream.as_ref()).and_then(|up| up.token) {
            self.note_applied_of(token);
        }
    }

    fn note_applied_of(&mut self, token: Token) {
        let Some(conn) = self.conn(token) else { return };
        let first_awaited = conn.awaited.front().map(|awaited| awaited.seq);
        let Peer::Primary(stream) = &mut conn.peer else { return };
        while let Some(&(seq, offset)) = stream.checkpoints.front() {
            if first_awaited.is_some_and(|first| first < seq) {
                break;
            }
            stream.applied = offset;
            stream.checkpoints.pop_front();
        }
        let is_due = |&(seq, _): &(u64, Posting)| first_awaited.is_none_or(|first| first >= seq);
        let due = stream.messages.iter().take_while(|message| is_due(message)).count();
        let messages: Vec<(u64, Posting)> = stream.messages.drain(..due).collect();
        if let Some(at) = stream.ack_at.filter(|&at| stream.applied >= at) {
            self.send_ack(token, Some(at));
        }
        messages.into_iter().for_each(|(_, message)| self.post(message));
    }

    /// Tells the primary how far we have come, or that we have come this far.
    pub fn send_ack(&mut self, token: Token, at: Option<Offset>) {
        let on_disk = self.replication.as_ref().and_then(|replication| replication.fsynced()).map(|offset| offset.to_string());
        let Some(conn) = self.conn(token) else { return };
        let Peer::Primary(stream) = &mut conn.peer else { return };
        stream.ack_at = None;
        let applied = at.unwrap_or(stream.applied).to_string();
        match on_disk {
            None => put_command(&mut conn.output.reply.buf, &["REPLCONF", "ACK", &applied]),
            Some(on_disk) => put_command(&mut conn.output.reply.buf, &["REPLCONF", "ACK", &applied, "FACK", &on_disk]),
        }
        self.mark_dirty(token);
    }
}
