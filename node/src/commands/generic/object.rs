//! `OBJECT`: how a value is kept.

use crate::commands::errors::{self, Error, Outcome};
use crate::commands::{Ctx, parse};
use crate::shard::access::AccessPolicy;
use koltso_proto::resp::Args;

const LFU_OFF: Error = Error::fixed(
    "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching between \
     policies at runtime LRU and LFU data will take some time to adjust.",
);
const LFU_ON: Error = Error::fixed(
    "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching between policies at \
     runtime LRU and LFU data will take some time to adjust.",
);

/// The lines of `OBJECT HELP`.
const HELP: &[&str] = &[
    "OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "ENCODING <key>",
    "    Return the kind of internal representation used in order to store the value",
    "    associated with a <key>.",
    "FREQ <key>",
    "    Return the access frequency index of the <key>. The returned integer is",
    "    proportional to the logarithm of the recent access frequency of the key.",
    "IDLETIME <key>",
    "    Return the idle time of the <key>, that is the approximated number of",
    "    seconds elapsed since the last access to the key.",
    "REFCOUNT <key>",
    "    Return the number of references of the value associated with the specified",
    "    <key>.",
    "HELP",
    "    Prints this help.",
];

/// `OBJECT ENCODING | FREQ | IDLETIME | REFCOUNT key`, `OBJECT HELP`.
pub fn object(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let (answer, name): (fn(&mut Ctx<'_>, &[u8]) -> Outcome, _) = match &*parse::upper(args.get(1)) {
        b"ENCODING" => (encoding, "object|encoding"),
        b"FREQ" => (freq, "object|freq"),
        b"IDLETIME" => (idletime, "object|idletime"),
        b"REFCOUNT" => (refcount, "object|refcount"),
        b"HELP" if args.len() == 2 => return help(cx),
        b"HELP" => return Err(errors::wrong_arity("object|help")),
        _ => return Err(errors::unknown_subcommand("OBJECT", args.get(1))),
    };
    if args.len() != 3 {
        return Err(errors::wrong_arity(name));
    }
    if cx.look(args.get(2)).is_none() {
        cx.reply.null();
        return Ok(());
    }
    answer(cx, args.get(2))
}

fn help(cx: &mut Ctx<'_>) -> Outcome {
    cx.reply.array(HELP.len());
    HELP.iter().for_each(|line| cx.reply.status(line));
    Ok(())
}

fn encoding(cx: &mut Ctx<'_>, key: &[u8]) -> Outcome {
    let encoding = cx.peek(key).map(|entry| entry.encoding());
    cx.reply.bulk_or_null(encoding.map(str::as_bytes));
    Ok(())
}

/// Values are never shared between keys.
fn refcount(cx: &mut Ctx<'_>, _: &[u8]) -> Outcome {
    cx.reply.int(1);
    Ok(())
}

fn freq(cx: &mut Ctx<'_>, key: &[u8]) -> Outcome {
    let (now, policy) = (cx.now, cx.access_policy());
    if !policy.is_lfu() {
        return Err(LFU_OFF);
    }
    let bits = cx.peek(key).map_or(0, |entry| entry.access());
    cx.reply.int(i64::from(policy.frequency(bits, now)));
    Ok(())
}

fn idletime(cx: &mut Ctx<'_>, key: &[u8]) -> Outcome {
    let now = cx.now;
    if cx.access_policy().is_lfu() {
        return Err(LFU_ON);
    }
    let bits = cx.peek(key).map_or(0, |entry| entry.access());
    cx.reply.int(AccessPolicy::idle_s(bits, now) as i64);
    Ok(())
}
