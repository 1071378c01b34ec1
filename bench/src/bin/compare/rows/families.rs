//! The commonest commands of every family at pipeline 16, each on any of many keys: what `throughput.rs` is to run, and what
//! there has to be beforehand. Small collections stay small; ranges are of a hundred elements.

use crate::Result;
use crate::bench::Point;
use crate::client::Reply;
use crate::load::{KeyForm, Load, Shape, Value};
use crate::server::Server;

/// So many collections of each kind.
const KEYS: u64 = 100_000;
/// So many of those that ranges are taken from.
const LONG_KEYS: u64 = 10_000;
/// 64 bytes, as in the other rows.
const DATA: &str = "0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqr";

/// Lists are pushed to before they are popped from.
pub const POINTS: [Point; 12] = [
    write("lpush", &["LPUSH", "list:__rand_int__", DATA]),
    write("rpop", &["RPOP", "list:__rand_int__"]),
    write("hset", &["HSET", "hash:__rand_int__", "field3", "0123456789"]),
    write("hget", &["HGET", "hash:__rand_int__", "field3"]),
    write("sadd", &["SADD", "set:__rand_int__", "member:__rand_int__"]),
    write("zadd", &["ZADD", "zset:__rand_int__", "__rand_int__", "member:__rand_int__"]),
    write("incr", &["INCR", "counter:__rand_int__"]),
    write("xadd", &["XADD", "stream:__rand_int__", "*", "field", DATA]),
    Point { requests: 200_000, keys: None, ..write("mset_10", &MSET) },
    long("lrange_100", &["LRANGE", "longlist:__rand_int__", "0", "99"]),
    long("zrange_100", &["ZRANGE", "longzset:__rand_int__", "0", "99"]),
    Point { requests: 300_000, ..write("eval", &["EVAL", SCRIPT, "1", "counter:__rand_int__"]) },
];

const KEY: &str = "key:__rand_int__";
const MSET: [&str; 21] =
    ["MSET", KEY, DATA, KEY, DATA, KEY, DATA, KEY, DATA, KEY, DATA, KEY, DATA, KEY, DATA, KEY, DATA, KEY, DATA, KEY, DATA];
const SCRIPT: &str = "redis.call('incr', KEYS[1]) return redis.call('get', KEYS[1])";

const fn write(test: &'static str, words: &'static [&'static str]) -> Point {
    Point { test, words, keys: Some(KEYS), pipeline: 16, requests: 1_500_000 }
}

const fn long(test: &'static str, words: &'static [&'static str]) -> Point {
    Point { test, words, keys: Some(LONG_KEYS), pipeline: 16, requests: 200_000 }
}

/// Makes the collections that are only read, or that are small throughout.
pub fn fill(port: u16) -> Result<()> {
    for (name, value, keys) in
        [("hash", Value::Hash, KEYS), ("longlist", Value::List, LONG_KEYS), ("longzset", Value::LongSortedSet, LONG_KEYS)]
    {
        Load { keys: 0..keys, form: KeyForm::Named(name), shape: Shape { value, expires: false } }.run(port)?;
    }
    Ok(())
}

/// The names of all commands that a server has.
pub fn commands(server: &Server) -> Result<Vec<String>> {
    let Reply::Array(names) = server.client()?.command(&["COMMAND", "LIST"])? else {
        return Err("COMMAND LIST is no list".into());
    };
    let text = |reply| if let Reply::Text(name) = reply { String::from_utf8(name).ok() } else { None };
    Ok(names.into_iter().filter_map(text).collect())
}
