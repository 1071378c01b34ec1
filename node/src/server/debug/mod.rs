//! DEBUG: looking inside, for tests. Refused unless `enable-debug-command` says otherwise.
//!
//! What is here is what tests of replication and of clients use; crashing on purpose is not.

mod object;
mod populate;
mod protocol;
mod reload;

use super::config::is_local;
use super::container::print_help;
use crate::config::ProtectedAction;
use crate::connection::{OwnedRequest, Token};
use crate::core::{Core, Message};
use crate::dispatch::registry::ServerHandler;
use crate::logging::notice;
use crate::replication::random_id;
use koltso_proto::digest::Digest;
use koltso_proto::id::{DbIndex, ReplId};
use koltso_proto::number::parse_f64;
use koltso_proto::resp::Reply;
use std::sync::atomic::Ordering;
use std::time::Duration;

pub const HANDLERS: &[(&str, ServerHandler)] = &[("debug", debug)];

/// A subcommand: its name, how many arguments follow it (at least, at most), and what runs it.
type Row = (&'static str, usize, usize, ServerHandler);

const SUBCOMMANDS: &[Row] = &[
    ("change-repl-id", 0, 0, change_repl_id),
    ("digest", 0, 0, digest),
    ("digest-value", 0, usize::MAX, object::digest_value),
    ("error", 1, 1, protocol::error),
    ("help", 0, 0, help),
    ("htstats", 1, 1, object::table_stats),
    ("listpack", 1, 1, object::listpack),
    ("loadaof", 0, 0, reload::load_append_only),
    ("log", 1, 1, log),
    ("object", 1, 2, object::object),
    ("pause-cron", 1, 1, accept),
    ("populate", 1, 3, populate::populate),
    ("protocol", 1, 1, protocol::protocol),
    ("quicklist", 1, 2, object::quicklist),
    ("quicklist-packed-threshold", 1, 1, accept),
    ("reload", 0, usize::MAX, reload::reload),
    ("set-active-expire", 1, 1, set_active_expire),
    ("set-disable-deny-scripts", 1, 1, set_disable_deny_scripts),
    ("sleep", 1, 1, sleep),
    ("stringmatch-len", 2, 2, string_match),
];

const HELP: &[&str] = &[
    "CHANGE-REPL-ID",
    "    Give the replication history a new id.",
    "DIGEST",
    "    A checksum of the data set, the same as Redis 7.0 has for the same data.",
    "DIGEST-VALUE <key> [<key> ...]",
    "    Checksums of the values of these keys.",
    "ERROR <text>",
    "    Reply with this error.",
    "HTSTATS <db>",
    "    How full the tables of a database are.",
    "LISTPACK <key>",
    "    Check that a value is packed.",
    "LOADAOF",
    "    Read the append-only file in the place of what is in memory.",
    "LOG <text>",
    "    Write a line to the log.",
    "OBJECT <key>",
    "    How a value is kept.",
    "PAUSE-CRON <0|1>",
    "    Accepted without effect.",
    "POPULATE <count> [<prefix>] [<size>]",
    "    Create string keys <prefix>:<number>; 'key' if there is no prefix. Existing keys",
    "    stay as they are, and replicas are not told.",
    "PROTOCOL <type>",
    "    Reply with an example of a type: string, integer, double, bignum, null, array,",
    "    set, map, attrib, push, verbatim, true, false.",
    "QUICKLIST <key> [<0|1>]",
    "    Check that a value is a quicklist.",
    "QUICKLIST-PACKED-THRESHOLD <size>",
    "    Accepted without effect.",
    "RELOAD [MERGE] [NOFLUSH] [NOSAVE]",
    "    Save the data set and load it again; with NOSAVE, load what was saved before. With",
    "    NOFLUSH, what is there stays, and only with MERGE may the file have the same keys.",
    "SET-ACTIVE-EXPIRE <0|1>",
    "    Whether expired keys are deleted before anybody asks for them.",
    "SET-DISABLE-DENY-SCRIPTS <0|1>",
    "    Whether scripts may run commands that are not for them.",
    "SLEEP <seconds>",
    "    Stop all cores for some time.",
    "STRINGMATCH-LEN <length> <pattern>",
    "    Match a string of this length against a pattern.",
];

const DENIED: &str = "ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\", you can run it from a \
     local connection, otherwise you need to set this option in the configuration file, and then restart the server.";

fn debug(core: &mut Core, token: Token, request: &OwnedRequest) {
    if !may_debug(core, token) {
        return core.refuse(token, DENIED);
    }
    let args = request.args();
    let given = args.get(1);
    let row = SUBCOMMANDS.iter().find(|(name, ..)| given.eq_ignore_ascii_case(name.as_bytes()));
    match row {
        Some((_, least, most, handler)) if (*least..=*most).contains(&(args.len() - 2)) => handler(core, token, request),
        _ => {
            let given = String::from_utf8_lossy(&given[..given.len().min(128)]);
            let error = format!("ERR unknown subcommand or wrong number of arguments for '{given}'. Try DEBUG HELP.");
            core.refuse(token, &error);
        }
    }
}

fn may_debug(core: &mut Core, token: Token) -> bool {
    match core.exec.config.enable_debug_command {
        ProtectedAction::Yes => true,
        ProtectedAction::No => false,
        ProtectedAction::Local => core.conn(token).is_some_and(|conn| is_local(&conn.session.addr)),
    }
}

fn help(core: &mut Core, token: Token, _: &OwnedRequest) {
    print_help(core, token, "debug", HELP);
}

fn accept(core: &mut Core, token: Token, _: &OwnedRequest) {
    core.ok(token);
}

fn log(core: &mut Core, token: Token, request: &OwnedRequest) {
    notice(&format!("DEBUG LOG: {}", String::from_utf8_lossy(request.args().get(2))));
    core.ok(token);
}

fn set_active_expire(core: &mut Core, token: Token, request: &OwnedRequest) {
    // Anything that does not begin with a number counts as 0.
    let on = request.args().get(2).first().is_some_and(|first| (b'1'..=b'9').contains(first));
    core.shared.active_expire.store(on, Ordering::Relaxed);
    core.ok(token);
}

fn set_disable_deny_scripts(core: &mut Core, token: Token, request: &OwnedRequest) {
    let on = parse_f64(request.args().get(2)).is_some_and(|n| n != 0.0);
    core.shared.scripts.allow_all.store(on, Ordering::Relaxed);
    core.reply(token, Reply::ok);
}

/// Every core stops, as Redis's only one does.
fn sleep(core: &mut Core, token: Token, request: &OwnedRequest) {
    let seconds = parse_f64(request.args().get(2)).unwrap_or(0.0);
    let duration = Duration::try_from_secs_f64(seconds).unwrap_or_default();
    for other in (0..core.peers.len()).filter(|&other| other != core.exec.id) {
        core.send(other, Message::Run(Box::new(move |_| std::thread::sleep(duration))));
    }
    std::thread::sleep(duration);
    core.ok(token);
}

fn string_match(core: &mut Core, token: Token, request: &OwnedRequest) {
    const LEN_MAX: i64 = 1 << 20;
    let args = request.args();
    let Some(len) = koltso_proto::number::parse_i64(args.get(2)).filter(|len| (0..=LEN_MAX).contains(len)) else {
        return core.refuse(token, "ERR value is not an integer or out of range");
    };
    let matches = koltso_proto::glob::matches(args.get(3), &vec![b'a'; len as usize]);
    core.reply(token, |reply| reply.status(if matches { "matches" } else { "does not match" }));
}

fn change_repl_id(core: &mut Core, token: Token, _: &OwnedRequest) {
    core.answer_on_log_core(token, |core| {
        notice("Changing replication IDs after receiving change-repl-id");
        core.flush_effects();
        if let Some(replication) = &mut core.replication {
            replication.ids.current = random_id();
            replication.ids.previous = ReplId::NONE;
            replication.ids.second_offset = -1;
        }
        core.part_segments();
        b"+OK\r\n".to_vec()
    });
}

/// Of one moment: all shards are here.
fn digest(core: &mut Core, token: Token, _: &OwnedRequest) {
    core.ask_all_shards(token, |core| core.digest(), |_, digest, reply: &mut Reply| reply.status(&digest.to_string()));
}

impl Core {
    /// The digest of the data set, all of whose shards are here.
    fn digest(&self) -> Digest {
        let mut whole = Digest::new();
        for db in 0..self.databases() {
            let shards = || self.exec.shards.iter().flatten();
            if shards().all(|shard| shard.dbs[db].is_empty()) {
                continue;
            }
            let db = DbIndex(db as u32);
            let mut sum = Digest::new();
            shards().for_each(|shard| sum.combine(&shard.digest(db)));
            whole.add_database(db, &sum);
        }
        whole
    }
}
