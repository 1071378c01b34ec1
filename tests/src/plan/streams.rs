//! Random commands over streams and consumer groups. No id comes from a clock, so that both servers find the same.

use super::Family;
use crate::{Seed, Value};

pub(super) const FAMILY: Family = Family {
    name: "streams",
    templates: &[
        (14, "XADD stm msauto fld val [fld val] [fld val]"),
        (5, "XADD stm sid fld val [fld int]"),
        (3, "XADD stm [NOMKSTREAM] MAXLEN|MINID [=|~] trimto [LIMIT small] msauto fld val"),
        (4, "XTRIM stm MAXLEN|MINID [=|~] trimto [LIMIT small]"),
        (2, "XLEN stm"),
        (4, "XDEL stm sid [sid] [sid]"),
        (5, "XRANGE stm rid rid [COUNT small]"),
        (4, "XREVRANGE stm rid rid [COUNT small]"),
        (4, "XREAD [COUNT small] STREAMS stm sid"),
        (2, "XREAD [COUNT small] [BLOCK x] STREAMS stm stm sid sid|$|>"),
        (6, "XGROUP CREATE stm grp sid|$ [MKSTREAM] [ENTRIESREAD seen]"),
        (2, "XGROUP SETID stm grp sid|$|- [ENTRIESREAD seen]"),
        (1, "XGROUP DESTROY stm grp"),
        (2, "XGROUP CREATECONSUMER stm grp cns"),
        (1, "XGROUP DELCONSUMER stm grp cns"),
        (10, "XREADGROUP GROUP grp cns [COUNT small] [NOACK] STREAMS stm >"),
        (3, "XREADGROUP GROUP grp cns [COUNT small] [NOACK] STREAMS stm sid|0|$"),
        (2, "XREADGROUP GROUP grp cns STREAMS stm stm > sid|>"),
        (5, "XACK stm grp sid [sid] [sid]"),
        (3, "XPENDING stm grp"),
        (4, "XPENDING stm grp [IDLE idle] rid rid small [cns]"),
        (4, "XCLAIM stm grp cns idle sid [sid] [sid] [RETRYCOUNT small] [FORCE] [JUSTID] [LASTID sid]"),
        (2, "XCLAIM stm grp cns idle sid sid sid [IDLE int|TIME 1000] [JUSTID] [nosuch]"),
        (5, "XAUTOCLAIM stm grp cns idle rid [COUNT small] [JUSTID]"),
        (3, "XINFO STREAM stm [FULL] [COUNT small]"),
        (3, "XINFO STREAM stm FULL"),
        (2, "XINFO GROUPS stm"),
        (2, "XINFO CONSUMERS stm grp"),
        (1, "XGROUP|XINFO nosuch|HELP"),
        (2, "XSETID stm sid [ENTRIESADDED int] [MAXDELETEDID sid]"),
        (1, "CONFIG SET stream-node-max-entries 3|5|100|0"),
        (1, "CONFIG SET stream-node-max-bytes 100|4096|0"),
        (1, "OBJECT ENCODING stm"),
        (2, "DEL stm"),
        (2, "COPY stm stm [REPLACE]"),
    ],
    draw: word,
};

const TIMES: &[u64] = &[1, 5, 9, 50, 50];

fn word(word: &str, seed: &mut Seed, args: &mut Vec<Vec<u8>>) -> bool {
    let text = match word {
        "msauto" if seed.one_in(30) => seed.pick(&["0-*", "x-*", "-*", "5-", "1-1-*", "**"]).to_string(),
        "msauto" => format!("{}-*", seed.pick(TIMES)),
        // Not the largest number: Redis counts beyond it to negative ones, which its own replicas refuse; koltso then knows no count.
        "seen" => seed.pick(&["0", "1", "7", "-1", "-2", "x", "1.5", "9223372036854770000", "9223372036854775808"]).to_string(),
        "sid" => match seed.below(40) {
            0 => seed.pick(&["0-0", "x", "-", "+", "1-x", "", "18446744073709551615-18446744073709551615", "(5"]).to_string(),
            1..5 => seed.pick(TIMES).to_string(),
            _ => format!("{}-{}", seed.pick(TIMES), seed.below(14)),
        },
        "rid" => match seed.below(12) {
            0..3 => "-".to_string(),
            3..6 => "+".to_string(),
            6 => seed.pick(&["(-", "x", "(", "(18446744073709551615-18446744073709551615", "(0-0", ""]).to_string(),
            _ => {
                let open = if seed.one_in(4) { "(" } else { "" };
                format!("{open}{}-{}", seed.pick(TIMES), seed.below(14))
            }
        },
        "trimto" => match seed.below(10) {
            0 => seed.pick(&["-1", "x", "1-1-1"]).to_string(),
            1..5 => seed.below(20).to_string(),
            _ => format!("{}-{}", seed.pick(TIMES), seed.below(14)),
        },
        "fld" => seed.pick(&["a", "b", "7", "a longer name"]).to_string(),
        "grp" => seed.pick(&["g", "g", "g", "other"]).to_string(),
        "cns" => seed.pick(&["alice", "bob", "7"]).to_string(),
        // What was claimed with TIME has been idle for decades, everything else for no time.
        "idle" => seed.pick(&["0", "0", "0", "1000000000", "9223372036854775807", "-1", "x"]).to_string(),
        _ => return false,
    };
    args.push(text.into_bytes());
    true
}

/// What is meant to differ from server to server, besides the times: Redis keeps a node of which only tombstones are left, where
/// trimming by id left them; koltso drops it.
const VARIES: [&[u8]; 4] = [b"idle", b"seen-time", b"radix-tree-keys", b"radix-tree-nodes"];

fn varies(name: &Value) -> bool {
    matches!(name, Value::Bulk(name) if VARIES.contains(&name.as_slice()))
}

/// Times, and what else differs from server to server, taken out of a reply.
pub fn without_times(command: &str, reply: Value) -> Value {
    match reply {
        Value::Array(mut items) => {
            let pending = items.len() == 4 && command == "XPENDING" && matches!(items[3], Value::Int(_));
            if pending && matches!(items[2], Value::Int(_)) {
                items[2] = Value::Int(0);
            }
            for at in 1..items.len() {
                if varies(&items[at - 1]) {
                    items[at] = Value::Int(0);
                }
            }
            Value::Array(items.into_iter().map(|item| without_times(command, item)).collect())
        }
        Value::Map(pairs) => {
            let pair = |(name, value): (Value, Value)| {
                let value = if varies(&name) { Value::Int(0) } else { without_times(command, value) };
                (name, value)
            };
            Value::Map(pairs.into_iter().map(pair).collect())
        }
        Value::Int(number) if number > 1_600_000_000_000 => Value::Int(1_600_000_000_000),
        other => other,
    }
}
