//! SLOWLOG: the slow logs of all cores, merged.

use super::SlowEntry;
use crate::connection::{OwnedRequest, Token};
use crate::core::Core;
use crate::dispatch::registry::ServerHandler;
use crate::server::container::{self, Subcommands};
use koltso_proto::number::parse_i64;
use koltso_proto::resp::Reply;
use std::sync::atomic::Ordering;

pub const HANDLERS: &[(&str, ServerHandler)] = &[("slowlog", slowlog)];

const SUBCOMMANDS: Subcommands = &[("get", get), ("len", len), ("reset", reset)];

const HELP: &[&str] = &[
    "GET [<count>]",
    "    The newest entries, 10 if not said otherwise; -1 for all. Each is an array of",
    "    number, time, duration in microseconds, arguments, client address, client name.",
    "LEN",
    "    How many entries there are.",
    "RESET",
    "    Forget all entries.",
];

/// Entries shown when no count is given.
const DEFAULT_COUNT: usize = 10;

fn slowlog(core: &mut Core, token: Token, request: &OwnedRequest) {
    container::run(core, token, request, SUBCOMMANDS, HELP);
}

fn get(core: &mut Core, token: Token, request: &OwnedRequest) {
    let args = request.args();
    let count = match args.len() {
        2 => DEFAULT_COUNT,
        4.. => {
            let given = String::from_utf8_lossy(args.get(1)).into_owned();
            let error = format!("ERR unknown subcommand or wrong number of arguments for '{given}'. Try SLOWLOG HELP.");
            return core.refuse(token, &error);
        }
        _ => match parse_i64(args.get(2)) {
            Some(-1) => usize::MAX,
            Some(count) if count >= 0 => count as usize,
            _ => return core.refuse(token, "ERR count should be greater than or equal to -1"),
        },
    };
    core.gather(
        token,
        move |core| core.slowlog.entries.iter().take(count).cloned().collect::<Vec<_>>(),
        move |core, parts, reply| {
            let count = count.min(core.exec.config.slowlog_max_len as usize);
            let entries = newest(parts, count);
            reply.array(entries.len());
            entries.iter().for_each(|entry| put(entry, reply));
        },
    );
}

/// The newest of all entries, the newest first.
fn newest(parts: Vec<Vec<SlowEntry>>, count: usize) -> Vec<SlowEntry> {
    let mut entries: Vec<_> = parts.into_iter().flatten().collect();
    entries.sort_unstable_by_key(|entry| std::cmp::Reverse(entry.id));
    entries.truncate(count);
    entries
}

fn put(entry: &SlowEntry, reply: &mut Reply) {
    reply.array(6);
    reply.int(entry.id as i64);
    reply.int(entry.at_s as i64);
    reply.int(entry.took_us as i64);
    reply.array(entry.args.len());
    entry.args.iter().for_each(|arg| reply.bulk(arg));
    reply.bulk(entry.addr.as_bytes());
    reply.bulk(&entry.name);
}

fn len(core: &mut Core, token: Token, _: &OwnedRequest) {
    core.gather(
        token,
        |core| core.slowlog.entries.len(),
        |core, parts, reply| {
            let kept = core.exec.config.slowlog_max_len as usize;
            reply.len(parts.into_iter().sum::<usize>().min(kept));
        },
    );
}

fn reset(core: &mut Core, token: Token, _: &OwnedRequest) {
    // What is executed while the cores are told is not forgotten: within `EXEC`, what follows.
    let next = core.shared.next_slow_id.load(Ordering::Relaxed);
    core.gather(token, move |core| core.slowlog.forget_below(next), |_, _, reply| reply.ok());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_logs_of_cores_are_one_log() {
        let entry = |id| SlowEntry { id, at_s: 0, took_us: 0, args: Vec::new(), addr: String::new(), name: Vec::new() };
        let parts = vec![vec![entry(5), entry(2)], vec![], vec![entry(4), entry(3), entry(1)]];
        let ids = |count| newest(parts.clone(), count).iter().map(|entry| entry.id).collect::<Vec<_>>();
        assert_eq!(ids(usize::MAX), [5, 4, 3, 2, 1]);
        assert_eq!(ids(3), [5, 4, 3]);
    }
}
