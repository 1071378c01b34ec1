//! What scripts may ask of the server: its commands are run in the name of the script's client, and their replies taken from it.

use super::run::Run;
use crate::connection::{OwnedRequest, ReplyMode};
use crate::dispatch::registry::ServerHandler;
use crate::pubsub::Kind as Channel;
use koltso_proto::command::CommandSpec;
use koltso_proto::resp::{Args, Reply};
use std::time::Duration;

/// Commands of the server that answer at once, whoever asks, and on however many cores.
const AT_ONCE: &[&str] = &["command", "echo", "lastsave", "lolwut", "migrate", "ping", "select", "time"];

/// The same of `DEBUG`, which only tests allow to scripts.
const DEBUG_AT_ONCE: &[&str] = &["PROTOCOL", "SET-ACTIVE-EXPIRE", "SET-DISABLE-DENY-SCRIPTS", "STRINGMATCH-LEN"];

impl Run<'_> {
    /// Runs a command of the server in the place of the script's client, and takes the reply away from it.
    pub(super) fn call_server(&mut self, handler: ServerHandler, spec: &'static CommandSpec, args: Args<'_>) {
        self.core.exec.tally.note_call(spec.index(), false);
        match spec.name {
            "publish" => return self.publish(Channel::Channel, args),
            "spublish" => return self.publish(Channel::Shard, args),
            "debug" if args.len() > 1 && args.is(1, "SLEEP") => return self.sleep(args),
            _ if !self.answers_at_once(spec, args) => {
                return self.reply.error("ERR This command asks other cores, which cannot be done from a script");
            }
            _ => {}
        }
        let Some(conn) = self.core.conn(self.token) else { return self.reply.error("ERR the client is gone") };
        let reply = std::mem::replace(&mut conn.output.reply, Reply::new(self.resp3));
        let awaited = std::mem::take(&mut conn.awaited);
        let (next_seq, stall) = (conn.next_seq, conn.stall);
        let db = std::mem::replace(&mut conn.session.db, self.db);
        let in_exec = std::mem::replace(&mut conn.session.in_exec, true);
        let mode = std::mem::replace(&mut conn.session.reply_mode, ReplyMode::On);
        let transaction = conn.session.transaction.take();
        handler(self.core, self.token, &OwnedRequest::new(args));
        let Some(conn) = self.core.conn(self.token) else { return self.reply.error("ERR the client is gone") };
        self.reply = std::mem::replace(&mut conn.output.reply, reply);
        conn.awaited = awaited;
        (conn.next_seq, conn.stall) = (next_seq, stall);
        self.db = std::mem::replace(&mut conn.session.db, db);
        conn.session.in_exec = in_exec;
        conn.session.reply_mode = mode;
        conn.session.transaction = transaction;
        // What the handler has counted is counted with the reply.
        if let [b'-', error @ ..] = &self.reply.buf[..] {
            self.core.exec.tally.uncount_error(error);
        }
    }

    /// `DEBUG SLEEP`, which would answer later otherwise.
    fn sleep(&mut self, args: Args<'_>) {
        let seconds = (args.len() == 3).then(|| koltso_proto::number::parse_f64(args.get(2))).flatten().unwrap_or(0.0);
        std::thread::sleep(Duration::from_secs_f64(seconds.clamp(0.0, 60.0)));
        self.reply.ok();
    }

    /// Whether a command of the server is answered before its handler returns. The answer of another could not be waited for: this
    /// core takes in nothing while the script runs, and holds every shard.
    fn answers_at_once(&self, spec: &CommandSpec, args: Args<'_>) -> bool {
        match spec.parent().unwrap_or(spec).name {
            "role" => self.core.exec.id == 0,
            "memory" if spec.short_name() == "usage" => true,
            "debug" => DEBUG_AT_ONCE.iter().any(|name| args.is(1, name)),
            name => AT_ONCE.contains(&name) || self.core.peers.len() == 1,
        }
    }

    /// Publishes a message.
    fn publish(&mut self, kind: Channel, args: Args<'_>) {
        let receivers = self.core.publish_and_wait(kind, args.get(1), args.get(2));
        let logged = self.core.exec.shards.iter().flatten().next().is_some_and(|shard| shard.logged);
        if logged {
            self.core.exec.effects.push(self.db, args.from(0));
        }
        self.reply.len(receivers);
    }
}
