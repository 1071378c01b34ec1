//! Random commands from templates: valid ones, nearly valid ones and nonsense, over a small set of keys, so that the same
//! plan can be run against two servers.
//!
//! A template is a list of words. `[…]` is there or not, `a|b` is one of them, a word in lower case stands for something
//! drawn (see [`draw`]), everything else stands for itself.

use crate::Seed;

mod bitmaps;
mod geo;
mod hyperloglog;
mod sort;
pub mod streams;

/// The commands of the plan, each with its weight.
const TEMPLATES: &[(u32, &str)] = &[
    // Strings.
    (10, "SET str val [NX|XX] [GET] [ttl]"),
    (3, "SET str val ttl [GET] [NX|XX]"),
    (8, "GET str"),
    (2, "GETSET str val"),
    (3, "GETDEL str"),
    (4, "GETEX str [ttl|PERSIST]"),
    (1, "GETEX str EXAT|PXAT unixsecs"),
    (2, "SETNX str val"),
    (2, "SETEX str secs val"),
    (2, "PSETEX str msecs val"),
    (4, "APPEND str val"),
    (3, "STRLEN str"),
    (3, "SETRANGE str offset val"),
    (3, "GETRANGE|SUBSTR str int int"),
    (4, "INCR|DECR str"),
    (4, "INCRBY|DECRBY str int"),
    (4, "INCRBYFLOAT str float"),
    (4, "MSET str val [str val] [str val]"),
    (3, "MSETNX str val [str val]"),
    (4, "MGET any [any] [any] [str]"),
    (3, "LCS str str [LEN|IDX] [MINMATCHLEN int] [WITHMATCHLEN]"),
    // Keys.
    (5, "DEL|UNLINK any [any] [any]"),
    (4, "EXISTS|TOUCH any [any] [any]"),
    (4, "TYPE any"),
    (4, "EXPIRE any secs [NX|XX|GT|LT] [NX|XX|GT|LT]"),
    (3, "PEXPIRE any msecs [NX|XX|GT|LT]"),
    (3, "EXPIREAT any unixsecs [NX|XX|GT|LT]"),
    (3, "PEXPIREAT any unixmsecs [NX|XX|GT|LT]"),
    (4, "TTL|PTTL|EXPIRETIME|PEXPIRETIME any"),
    (3, "PERSIST any"),
    (4, "RENAME|RENAMENX any any"),
    (3, "COPY any any [DB db] [REPLACE]"),
    (2, "MOVE any db"),
    (2, "KEYS pattern"),
    (3, "OBJECT ENCODING any"),
    (1, "RESTORE any int val [REPLACE] [ABSTTL]"),
    (1, "OBJECT nosuch|FREQ any"),
    (1, "DBSIZE"),
    // Lists.
    (6, "LPUSH|RPUSH lst val [val] [int]"),
    (4, "LPOP|RPOP lst [small]"),
    (4, "LRANGE lst int int"),
    (2, "LLEN lst"),
    // Hashes.
    (6, "HSET hsh mem val [mem val] [mem int]"),
    (3, "HGET hsh mem"),
    (3, "HDEL hsh mem [mem]"),
    (3, "HGETALL hsh"),
    (2, "HLEN hsh"),
    // Sets.
    (6, "SADD set mem [int] [mem]"),
    (3, "SREM set mem [int]"),
    (3, "SMEMBERS set"),
    (2, "SISMEMBER set mem"),
    (2, "SCARD set"),
    (1, "SPOP set allcount"),
    // Sorted sets.
    (6, "ZADD zst [NX|XX] [GT|LT] [CH] [INCR] score mem"),
    (4, "ZADD zst [NX|XX] [CH] score mem score mem [score mem]"),
    (3, "ZREM zst mem [mem]"),
    (3, "ZSCORE zst mem"),
    (3, "ZINCRBY zst score mem"),
    (2, "ZCARD zst"),
    (4, "ZRANGE zst int int [REV] [WITHSCORES]"),
    (4, "ZRANGE zst bound bound BYSCORE [REV] [LIMIT int int] [WITHSCORES]"),
    // Ranges by name are only defined where all scores are equal.
    (3, "ZADD lxz 0 mem [0 mem] [0 mem]"),
    (3, "ZRANGE lxz lex lex BYLEX [REV] [LIMIT int int] [WITHSCORES]"),
    (1, "ZREM lxz mem"),
    // Transactions and databases.
    (4, "MULTI"),
    (4, "EXEC"),
    (1, "DISCARD"),
    (2, "WATCH any [any]"),
    (1, "UNWATCH"),
    (3, "SELECT db"),
    (1, "SWAPDB db db"),
    (1, "FLUSHDB [ASYNC|SYNC|nosuch]"),
    // Connection and server, where the answer is the same everywhere.
    (1, "PING [val]"),
    (1, "ECHO val"),
    (1, "CLIENT GETNAME"),
    (1, "CLIENT SETNAME word"),
    (1, "CLIENT nosuch|NO-EVICT ON|OFF|nosuch"),
    (1, "CONFIG GET maxmemory|databases|nosuch|timeout"),
    (1, "WAIT 0 0"),
    (1, "COMMAND GETKEYS SET|MSET|MGET|nosuch|GET|PING any any any"),
    (1, "nosuch val"),
];

/// What a family of commands adds to the plan.
struct Family {
    name: &'static str,
    templates: &'static [(u32, &'static str)],
    /// Draws what only this family's templates name; false for other words.
    draw: fn(&str, &mut Seed, &mut Vec<Vec<u8>>) -> bool,
}

const FAMILIES: &[Family] = &[
    Family { name: "general", templates: TEMPLATES, draw: |_, _, _| false },
    bitmaps::FAMILY,
    geo::FAMILY,
    hyperloglog::FAMILY,
    sort::FAMILY,
    streams::FAMILY,
];

/// The templates in use: all, or those of the families that `KOLTSO_PLAN` names, for a closer look at some.
fn templates() -> &'static [(u32, &'static str)] {
    static CHOSEN: std::sync::OnceLock<Vec<(u32, &str)>> = std::sync::OnceLock::new();
    CHOSEN.get_or_init(|| {
        let wanted = std::env::var("KOLTSO_PLAN").unwrap_or_default();
        let chosen = FAMILIES.iter().filter(|family| wanted.is_empty() || wanted.split(',').any(|name| name == family.name));
        let chosen: Vec<_> = chosen.flat_map(|family| family.templates).copied().collect();
        assert!(!chosen.is_empty(), "KOLTSO_PLAN names none of the families");
        chosen
    })
}

/// One command of a random plan.
pub fn command(seed: &mut Seed) -> Vec<Vec<u8>> {
    let total: u32 = templates().iter().map(|(weight, _)| weight).sum();
    let mut left = seed.below(total as u64) as u32;
    let chosen = templates().iter().find(|(weight, _)| {
        let hit = left < *weight;
        left = left.saturating_sub(*weight);
        hit
    });
    let mut args = expand(chosen.expect("the draw is below the total").1, seed);
    if seed.one_in(25) {
        spoil(&mut args, seed);
    }
    args
}

fn expand(template: &str, seed: &mut Seed) -> Vec<Vec<u8>> {
    let mut args = Vec::new();
    let mut rest = template;
    while !rest.is_empty() {
        let optional = rest.starts_with('[');
        let (part, after) = match optional {
            true => rest[1..].split_once(']').expect("a closing bracket"),
            false => rest.split_once(' ').unwrap_or((rest, "")),
        };
        rest = after.trim_start();
        if optional && seed.one_in(2) {
            continue;
        }
        for word in part.split(' ') {
            let choices: Vec<&str> = word.split('|').collect();
            let choice = *seed.pick(&choices);
            draw(choice, seed, &mut args);
        }
    }
    args
}

/// A command that is nearly right: an argument too many or too few, out of place, or in other letters.
fn spoil(args: &mut Vec<Vec<u8>>, seed: &mut Seed) {
    let at = seed.below(args.len() as u64) as usize;
    match seed.below(5) {
        // Without its count, SPOP would take one at random.
        0 if args.len() > 1 && args[0] != b"SPOP" => drop(args.remove(at.max(1))),
        1 => args.insert(at + 1, args[at].clone()),
        2 => args.push(b"surplus".to_vec()),
        // Not with a number: it could become a deadline that passes during the plan.
        3 if at > 0 => args[at] = seed.pick(&["", "x", "1.5.5", "NX", "EX", "DB"]).as_bytes().to_vec(),
        _ => args[0] = args[0].to_ascii_lowercase(),
    }
}

fn draw(word: &str, seed: &mut Seed, args: &mut Vec<Vec<u8>>) {
    if FAMILIES.iter().any(|family| (family.draw)(word, seed, args)) {
        return;
    }
    let text = match word {
        "str" | "lst" | "hsh" | "set" | "zst" | "stm" | "any" => key(word, seed),
        "lxz" => format!("x{}", seed.below(3)),
        "val" => return args.push(value(seed)),
        "mem" => format!("m{}", seed.below(12)),
        "int" => return args.push(seed.pick(INTEGERS).as_bytes().to_vec()),
        "small" => seed.pick(&["0", "1", "2", "5", "-1", "x", "99999999999999999999"]).to_string(),
        "float" => seed.pick(FLOATS).to_string(),
        "score" => {
            if seed.one_in(2) {
                seed.below(20).to_string()
            } else {
                seed.pick(FLOATS).to_string()
            }
        }
        "offset" => seed.pick(&["0", "1", "5", "40", "200", "-1", "536870912", "9223372036854775807", "x"]).to_string(),
        // Far away, past, or wrong: nothing may expire while the plan runs.
        // Never the same twice: whether GT finds an equal deadline would depend on the millisecond.
        "secs" if seed.one_in(2) => (1000 + seed.below(1_000_000)).to_string(),
        "secs" => seed.pick(&["0", "-1", "9223372036854775807", "9223372036854776", "x"]).to_string(),
        "msecs" if seed.one_in(2) => (1_000_000 + seed.below(1_000_000_000)).to_string(),
        "msecs" => seed.pick(&["0", "-1", "9223372036854775807", "1.5"]).to_string(),
        "unixsecs" => seed.pick(&["33177117420", "33177117421", "1", "0", "-1", "9223372036854775807"]).to_string(),
        "unixmsecs" => seed.pick(&["33177117420000", "33177117420001", "1", "-1", "9223372036854775807"]).to_string(),
        // SET would store a key that is past its deadline, for each server to find at its own time.
        "later" => seed.pick(&["33177117420", "33177117421", "0", "-1", "x"]).to_string(),
        "laterms" => seed.pick(&["33177117420000", "33177117420001", "0", "-1", "x"]).to_string(),
        "ttl" => {
            let (option, kind) =
                *seed.pick(&[("EX", "secs"), ("PX", "msecs"), ("EXAT", "later"), ("PXAT", "laterms"), ("KEEPTTL", "")]);
            args.push(option.into());
            if !kind.is_empty() {
                draw(kind, seed, args);
            }
            return;
        }
        "db" => seed.pick(&["0", "0", "0", "1", "1", "15", "16", "-1", "x"]).to_string(),
        "pattern" => seed.pick(&["*", "s*", "?1", "[a-l]*", "*[^0-3]", "\\*", "{t}*", "nothing", "[", "s[0-", ""]).to_string(),
        "bound" => seed.pick(&["-inf", "+inf", "0", "(1", "5", "(10", "1e3", "x", "(", "nan"]).to_string(),
        "lex" => seed.pick(&["-", "+", "[m1", "(m3", "[m9", "m", "", "["]).to_string(),
        "allcount" => seed.pick(&["0", "100000", "-1", "x"]).to_string(),
        "word" => seed.pick(&["name", "with space", "", "line\nbreak"]).to_string(),
        other => other.to_string(),
    };
    args.push(text.into_bytes());
}

/// A key that mostly has the wanted type. Half of them share a slot, the others are spread.
fn key(kind: &str, seed: &mut Seed) -> String {
    let letters = ["s", "l", "h", "e", "z", "r"];
    let letter = match kind {
        "lst" => "l",
        "hsh" => "h",
        "set" => "e",
        "zst" => "z",
        "stm" => "r",
        "str" => "s",
        _ => seed.pick(&letters),
    };
    let letter = if seed.one_in(25) { seed.pick(&letters) } else { letter };
    let number = seed.below(5);
    if seed.one_in(4) { format!("{{t}}{letter}{number}") } else { format!("{letter}{number}") }
}

fn value(seed: &mut Seed) -> Vec<u8> {
    match seed.below(12) {
        0..=3 => seed.pick(INTEGERS).as_bytes().to_vec(),
        4 => seed.pick(FLOATS).as_bytes().to_vec(),
        5 => Vec::new(),
        6 => b"\x00\xff\r\n\"'\\".to_vec(),
        7 => "long ".repeat(1 + seed.below(40) as usize).into_bytes(),
        8 => "e".repeat(40 + seed.below(8) as usize).into_bytes(),
        _ => format!("value {}", seed.below(30)).into_bytes(),
    }
}

const INTEGERS: &[&str] = &[
    "0",
    "1",
    "-1",
    "2",
    "3",
    "5",
    "10",
    "-2",
    "-3",
    "-100",
    "100",
    "127",
    "128",
    "32768",
    "2147483648",
    "-2147483649",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "007",
    "+5",
    " 1",
    "1 ",
    "1x",
    "",
    "-0",
    "1e2",
];

const FLOATS: &[&str] = &[
    "0",
    "1.5",
    "-2.25",
    "0.1",
    "3",
    "1e10",
    "1e-7",
    "1e300",
    "-1e300",
    "inf",
    "-inf",
    "+inf",
    "nan",
    "0x10",
    "1e400",
    ".5",
    "5.",
    "x",
    "123456789012345678",
    "3.141592653589793",
    "1e17",
    "1e21",
    "0.30000000000000004",
    " 1.5",
    "-0",
];
