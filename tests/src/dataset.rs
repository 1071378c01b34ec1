//! Data sets to replicate: every simple type, every encoding that the other side may choose, binary keys and values,
//! deadlines, several databases.

use crate::{Client, Seed};

/// How many elements put a collection past the thresholds that [`COMPACT_LIMITS`] and the defaults set.
const MANY: usize = 700;

/// Configuration text that makes redis-server keep small collections compact in the way Redis 7.0 does by default, with
/// limits low enough for [`fill`] to cross each of them.
pub const COMPACT_LIMITS: &str = "list-max-listpack-size 8\nhash-max-listpack-entries 32\nset-max-intset-entries 64\n\
                                  zset-max-listpack-entries 32\nrdbcompression yes\n";

/// Configuration text that forbids compact encodings: everything is a hashtable, skiplist or quicklist.
pub const NO_COMPACT: &str = "list-max-listpack-size 1\nhash-max-listpack-entries 0\nset-max-intset-entries 0\n\
                              zset-max-listpack-entries 0\nlist-compress-depth 1\n";

/// Fills databases 0, 1 and 9. About `scale` keys of each kind; 50 gives some 1,500 keys.
pub fn fill(client: &mut Client, seed: &mut Seed, scale: usize) {
    for db in ["0", "1", "9"] {
        client.must(&["SELECT", db]);
        let mut plan = Plan { commands: Vec::new() };
        strings(&mut plan, seed, scale);
        collections(&mut plan, seed, scale);
        deadlines(&mut plan, scale);
        for reply in client.pipeline(&plan.commands) {
            assert!(!reply.is_error(), "filling db {db}: {reply:?}");
        }
    }
    client.must(&["SELECT", "0"]);
}

/// Adds `count` small strings `bulk:N` quickly, to make a transfer long.
pub fn bulk(client: &mut Client, count: usize, value_len: usize) {
    for from in (0..count).step_by(5000) {
        let one = |i| vec!["SET".to_string(), format!("bulk:{i}"), format!("{i:0value_len$}")];
        let commands: Vec<Vec<String>> = (from..(from + 5000).min(count)).map(one).collect();
        for reply in client.pipeline(&commands) {
            reply.ok();
        }
    }
}

struct Plan {
    commands: Vec<Vec<Vec<u8>>>,
}

impl Plan {
    fn add(&mut self, args: &[&[u8]]) {
        self.commands.push(args.iter().map(|arg| arg.to_vec()).collect());
    }

    fn add_many(&mut self, command: &str, key: &str, elements: impl Iterator<Item = Vec<u8>>) {
        let head = [command.as_bytes().to_vec(), key.as_bytes().to_vec()];
        self.commands.push(head.into_iter().chain(elements).collect());
    }
}

fn strings(plan: &mut Plan, seed: &mut Seed, scale: usize) {
    for i in 0..scale {
        plan.add(&[b"SET", format!("str:int:{i}").as_bytes(), (i as i64 * 7919 - 1000).to_string().as_bytes()]);
        plan.add(&[b"SET", format!("str:short:{i}").as_bytes(), format!("value {i}").as_bytes()]);
        let binary_key = [b"str:bin:".as_slice(), &seed.bytes(12)].concat();
        plan.add(&[b"SET", &binary_key, &seed.bytes(i * 3)]);
        // Compressible ones are stored as LZF in the file.
        plan.add(&[b"SET", format!("str:lzf:{i}").as_bytes(), "abcabcabd".repeat(10 + i * 5).as_bytes()]);
    }
    for edge in [0, 127, 128, 255, 256, -128, -129, 32767, 32768, -32769, 2147483647, 2147483648, i64::MAX, i64::MIN] {
        plan.add(&[b"SET", format!("str:edge:{edge}").as_bytes(), edge.to_string().as_bytes()]);
    }
    for len in [0, 1, 44, 45, 63, 64, 16383, 16384, 65536, 1_000_000] {
        plan.add(&[b"SET", format!("str:len:{len}").as_bytes(), &seed.bytes(len)]);
    }
    // Looks like a number but must come back as it was written.
    for text in ["007", "+1", "-0", "1e3", " 1", "9223372036854775808", ""] {
        plan.add(&[b"SET", format!("str:text:{text}").as_bytes(), text.as_bytes()]);
    }
    plan.add(&[b"SET", b"", b"the empty key"]);
    plan.add(&[b"APPEND", b"str:appended", b"raw, though short"]);
    plan.add(&[b"SETRANGE", b"str:padded", b"100", b"x"]);
}

fn collections(plan: &mut Plan, seed: &mut Seed, scale: usize) {
    for i in 0..scale.min(40) {
        let small = 1 + i % 5;
        let text = |n: usize| format!("element {n}").into_bytes();
        let number = |n: usize| ((n as i64 - 2) * 100_003 * (1 + i as i64)).to_string().into_bytes();
        plan.add_many("RPUSH", &format!("list:{i}"), (0..small).map(text).chain((0..small).map(number)));
        plan.add_many("SADD", &format!("set:text:{i}"), (0..small).map(text));
        plan.add_many("SADD", &format!("set:int:{i}"), (0..small).map(number));
        plan.add_many("HSET", &format!("hash:{i}"), (0..small).flat_map(|n| [text(n), number(n)]));
        plan.add_many("ZADD", &format!("zset:{i}"), (0..small).flat_map(|n| [score(n), text(n)]));
    }
    // Past every threshold, in number and in element size, with elements that cross the encodings' length classes.
    let sizes = [0, 1, 63, 64, 4095, 4096, 20_000];
    let elements: Vec<Vec<u8>> = sizes.iter().map(|len| seed.bytes(*len)).collect();
    plan.add_many("RPUSH", "list:sizes", elements.iter().cloned());
    plan.add_many("SADD", "set:sizes", elements.iter().cloned());
    plan.add_many("HSET", "hash:sizes", elements.iter().flat_map(|e| [e.clone(), e.clone()]));
    plan.add_many("ZADD", "zset:sizes", elements.iter().enumerate().flat_map(|(n, e)| [score(n), e.clone()]));
    let many = |n: usize| format!("{n}:{}", "x".repeat(n % 50)).into_bytes();
    plan.add_many("RPUSH", "list:many", (0..MANY).map(many));
    plan.add_many("SADD", "set:many", (0..MANY).map(many));
    plan.add_many("HSET", "hash:many", (0..MANY).flat_map(|n| [many(n), many(n + 1)]));
    plan.add_many("ZADD", "zset:many", (0..MANY).flat_map(|n| [score(n), many(n)]));
    for (name, step) in [("16", 7_i64), ("32", 1_000_003), ("64", 1 << 40)] {
        let numbers = (-25..25).map(|n: i64| (n * step).to_string().into_bytes());
        plan.add_many("SADD", &format!("set:int{name}"), numbers.clone());
        plan.add_many("RPUSH", &format!("list:int{name}"), numbers);
    }
    plan.add_many("SADD", "set:intmany", (0..MANY).map(|n| n.to_string().into_bytes()));
}

/// Deadlines far enough away that nothing expires during a test.
fn deadlines(plan: &mut Plan, scale: usize) {
    for i in 0..scale {
        let (key, ttl) = (format!("ttl:{i}"), (1_000_000 + i).to_string());
        plan.add(&[b"SET", key.as_bytes(), b"with a deadline", b"EX", ttl.as_bytes()]);
    }
    for key in ["list:many", "set:many", "hash:many", "zset:many", "set:int16", "str:len:1000000"] {
        plan.add(&[b"PEXPIRE", key.as_bytes(), b"987654321"]);
    }
}

/// Scores of every kind: whole, fractional, negative, huge, infinite.
fn score(n: usize) -> Vec<u8> {
    let text = match n % 8 {
        0 => format!("{n}"),
        1 => format!("{}", n as f64 / 3.0),
        2 => format!("-{n}"),
        3 => format!("{}", n as f64 * 1e17),
        4 => "inf".into(),
        5 => "-inf".into(),
        6 => format!("{}", 0.1 + n as f64),
        _ => format!("{n}.5"),
    };
    text.into_bytes()
}
