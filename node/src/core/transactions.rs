//! Transactions: queueing what follows a `MULTI`, and `EXEC`, which runs it with all its shards at hand.

use super::Core;
use crate::connection::{OwnedRequest, Stall, Token, Transaction};
use crate::dispatch::executor::Executor;
use crate::dispatch::gates::{OOM, READONLY};
use crate::dispatch::registry::{Command, Run};
use crate::dispatch::shard_set::ShardSet;
use crate::info::CoreFacts;
use crate::shared::Gate;
use koltso_proto::command::{CommandSpec, Flags};
use koltso_proto::resp::Reply;

impl Core {
    /// Keeps a command for the `EXEC` of its transaction.
    pub(super) fn queue(&mut self, token: Token, command: &Command, spec: &'static CommandSpec, request: OwnedRequest) {
        let asked = self.asked_by(command, spec, &request);
        let Some(conn) = self.conn(token) else { return };
        if let Some(transaction) = &mut conn.session.transaction {
            transaction.asked = transaction.asked.and(asked);
            transaction.len += request.len();
            transaction.commands.push((command.spec.index() as u16, request));
        }
        self.reply(token, |reply| reply.status("QUEUED"));
        self.enforce_query_limit(token);
    }

    /// `EXEC`.
    pub(crate) fn exec_transaction(&mut self, token: Token, request: OwnedRequest) {
        let Some(conn) = self.conn(token) else { return };
        let Some(transaction) = conn.session.transaction.take() else {
            return self.refuse(token, "ERR EXEC without MULTI");
        };
        if transaction.aborted {
            self.unwatch(token);
            return self.refuse(token, "EXECABORT Transaction discarded because of previous errors.");
        }
        let mut wanted = ShardSet::default();
        let mut asks = false;
        for (index, request) in &transaction.commands {
            if let Some(command) = self.exec.registry.by_index(*index) {
                asks |= command.asks_shards;
                let asked = if command.asks_shards { ShardSet::all(self.exec.shards.len()) } else { ShardSet::default() };
                wanted.0 |= asked.0 | self.exec.shards_of(command, request.args()).0;
            }
        }
        let watched = self.conns.get(token.index as usize).and_then(|conn| conn.session.watch.as_ref());
        for watched in watched.iter().flat_map(|(_, keys)| keys) {
            wanted.insert(self.exec.shard_of(&watched.key));
        }
        if wanted.is_empty() {
            wanted = self.own_shard();
        }
        self.stall(token, Stall::Lend);
        if !asks {
            return self.run_with_shards(token, request, transaction, wanted, Vec::new());
        }
        self.with_facts_for_exec(move |core, facts| core.run_with_shards(token, request, transaction, wanted, facts));
    }

    /// Executes a transaction as soon as its shards are here, and no pause is in force.
    fn run_with_shards(
        &mut self,
        token: Token,
        request: OwnedRequest,
        transaction: Box<Transaction>,
        wanted: ShardSet,
        facts: Vec<CoreFacts>,
    ) {
        self.with_shards(
            wanted,
            Box::new(move |core| {
                if core.is_paused(token, transaction.asked.spreads) {
                    if let Some(conn) = core.conn(token) {
                        conn.session.transaction = Some(transaction);
                    }
                    return core.pause(token, request);
                }
                core.facts_for_exec = facts;
                core.run_transaction(token, &transaction);
                core.facts_for_exec = Vec::new();
                core.unstall(token, Stall::Lend);
            }),
        );
    }

    fn run_transaction(&mut self, token: Token, transaction: &Transaction) {
        let Some(conn) = self.conn(token) else { return };
        if let Some((flag, keys)) = conn.session.watch.take() {
            let spoiled = flag.is_raised() || self.watched_key_expired(&keys);
            self.forget_watch(flag, keys);
            if spoiled {
                return self.reply(token, Reply::null_array);
            }
        }
        // While it waited for its shards this node may have become a replica.
        if transaction.asked.write && self.shared.gates().has(Gate::ReadOnly) {
            return self.refuse(token, &format!("EXECABORT Transaction discarded because of: {READONLY}"));
        }
        let mut commands = transaction.commands.iter().filter_map(|(index, _)| self.exec.registry.by_index(*index));
        if let Some(write) = commands.find(|command| command.deny_oom)
            && self.exec.lacks_room(write)
        {
            return self.refuse(token, &format!("EXECABORT Transaction discarded because of: {OOM}"));
        }
        self.set_in_exec(token, true);
        self.exec.tracker = self.tracker_of(token);
        self.exec.effects.begin_unit();
        self.reply(token, |reply| reply.array(transaction.commands.len()));
        for (index, request) in &transaction.commands {
            let Some(command) = self.exec.registry.by_index(*index).copied() else { continue };
            let args = request.args();
            let spec = self.exec.spec_of(args).unwrap_or(command.spec);
            if let Err(error) = self.judge_in_exec(token, spec, request) {
                self.exec.tally.note_error(error.as_bytes());
                self.reply(token, |reply| reply.error(error));
                continue;
            }
            if (command.write || spec.flags.has(Flags::WRITE))
                && let Some(conn) = self.conn(token)
            {
                conn.session.wrote = true;
            }
            match command.run {
                Run::Server(handler) => self.run_server(token, handler, command.timed, spec, request),
                Run::Keys(handler) | Run::AllKeys(handler) => {
                    let Some((who, resp3)) = self.who(token) else { break };
                    let mut reply = Reply::new(resp3);
                    let run = |exec: &mut Executor| exec.context(None, who, &mut reply).run(handler, args);
                    let took_us = self.exec.counted(spec.index(), command.timed, run);
                    self.remember(token, spec, args);
                    self.exec.note_if_slow(took_us, token, args);
                    self.exec.tally.note_reply(spec.index(), &reply.buf);
                    self.reply(token, |out| out.raw(&reply.buf));
                }
            }
        }
        self.exec.effects.end_unit();
        self.exec.serve_if_ready();
        self.exec.tracker = None;
        self.set_in_exec(token, false);
    }

    fn set_in_exec(&mut self, token: Token, on: bool) {
        if let Some(conn) = self.conn(token) {
            conn.session.in_exec = on;
            if !on && let Some(tracking) = conn.session.tracking_mut() {
                tracking.end_request();
            }
            if !conn.session.messages.is_empty() {
                let messages = std::mem::take(&mut conn.session.messages);
                conn.queue_message(&messages);
            }
        }
    }
}
