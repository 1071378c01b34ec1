//! Going through the keys of a database.
//!
//! A cursor names a shard and a place in that shard's table:
//!
//! ```text
//! cursor := place << bits | shard        bits: as many as the index of the last shard takes
//! ```
//!
//! Shards are gone through in ascending order; 0 is the beginning of the first, and stands for the end too. A call needs only
//! the shard that its cursor names: where the next one is not at hand, the call ends early, which clients must expect anyway.

use crate::commands::Ctx;
use crate::commands::errors::Outcome;
use crate::commands::parse::{self, ScanOptions};
use crate::shard::entry::EntryRef;
use koltso_proto::glob;
use koltso_proto::id::{ShardId, UnixMs};
use koltso_proto::resp::{Args, Reply};
use rand::RngExt;

/// Places of tables are below this.
const PLACE_MAX: u64 = 1 << 48;
/// How often `RANDOMKEY` tries to find a key that has not expired.
const RANDOM_TRIES_MAX: usize = 100;

fn shard_bits(shards: u16) -> u32 {
    u16::BITS - shards.saturating_sub(1).leading_zeros()
}

/// The shard that `SCAN` with this cursor needs, where there are `shards` of them. For a cursor that was never given out this may
/// be any.
pub fn shard_of_cursor(cursor: u64, shards: u16) -> ShardId {
    let index = cursor & ((1 << shard_bits(shards)) - 1);
    ShardId(index.min(u64::from(shards.saturating_sub(1))) as u16)
}

/// `SCAN cursor [MATCH pattern] [COUNT count] [TYPE type]`.
pub fn scan(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let cursor = parse::cursor(args.get(1))?;
    let options = ScanOptions::parse(args, 2, true)?;
    let (shards, db, now) = (cx.keys.shards_total(), cx.db.0 as usize, cx.now);
    let bits = shard_bits(shards);
    let (mut place, mut index) = (cursor >> bits, cursor & ((1 << bits) - 1));
    let mut names = Names::default();
    let mut left = options.count;
    // Those that are wanted but over: a scan deletes what it comes across.
    let mut over: Vec<Vec<u8>> = Vec::new();
    let next = loop {
        if index >= u64::from(shards) || place >= PLACE_MAX {
            break 0;
        }
        let Some(shard) = cx.keys.shard(ShardId(index as u16)).filter(|_| left > 0) else { break index };
        place = shard.dbs[db].scan(place, left, |entry| {
            left = left.saturating_sub(1);
            if !is_wanted(entry, &options) {
            } else if is_alive(entry, now) {
                names.push(entry.key());
            } else {
                over.push(entry.key().to_vec());
            }
        });
        if place != 0 {
            break place << bits | index;
        }
        index += 1;
    };
    expire(cx, &over);
    cx.reply.array(2);
    cx.reply.bulk(itoa::Buffer::new().format(next).as_bytes());
    names.write(cx.reply);
    Ok(())
}

/// Lets keys go whose time is over, each for itself.
fn expire(cx: &mut Ctx<'_>, keys: &[Vec<u8>]) {
    cx.effects.set_loose(true);
    for key in keys {
        cx.peek(key);
    }
    cx.effects.set_loose(false);
}

fn is_wanted(entry: EntryRef<'_>, options: &ScanOptions<'_>) -> bool {
    options.type_name.is_none_or(|name| name.eq_ignore_ascii_case(entry.kind().name().as_bytes())) && options.wants(entry.key())
}

fn is_alive(entry: EntryRef<'_>, now: UnixMs) -> bool {
    entry.expire().is_none_or(|deadline| deadline > now)
}

/// `KEYS pattern`. A pattern that is no pattern is looked up.
pub fn keys(cx: &mut Ctx<'_>, args: Args<'_>) {
    let (pattern, db, now) = (args.get(1), cx.db.0 as usize, cx.now);
    let mut names = Names::default();
    if glob::is_literal(pattern) {
        if cx.peek(pattern).is_some() {
            names.push(pattern);
        }
        return names.write(cx.reply);
    }
    let everything = pattern == b"*";
    for shard in cx.keys.shards() {
        for entry in shard.dbs[db].iter() {
            if (everything || glob::matches(pattern, entry.key())) && is_alive(entry, now) {
                names.push(entry.key());
            }
        }
    }
    names.write(cx.reply);
}

/// `RANDOMKEY`.
pub fn randomkey(cx: &mut Ctx<'_>, _: Args<'_>) {
    for _ in 0..RANDOM_TRIES_MAX {
        let Some(key) = random_key(cx) else { break };
        expire(cx, std::slice::from_ref(&key));
        if cx.peek(&key).is_some() {
            return cx.reply.bulk(&key);
        }
    }
    cx.reply.null();
}

/// Any key, expired or not. A shard is chosen by its share of the keys.
fn random_key(cx: &mut Ctx<'_>) -> Option<Vec<u8>> {
    let db = cx.db.0 as usize;
    let keys: usize = cx.keys.shards().map(|shard| shard.dbs[db].len()).sum();
    if keys == 0 {
        return None;
    }
    let mut nth = cx.rng.random_range(0..keys);
    for shard in cx.keys.shards() {
        let table = &shard.dbs[db];
        if nth < table.len() {
            return table.random(cx.rng).map(|entry| entry.key().to_vec());
        }
        nth -= table.len();
    }
    None
}

/// Names on their way into a reply, whose number stands before them.
#[derive(Default)]
struct Names {
    bulks: Reply,
    count: usize,
}

impl Names {
    fn push(&mut self, name: &[u8]) {
        self.bulks.bulk(name);
        self.count += 1;
    }

    fn write(&self, reply: &mut Reply) {
        reply.array(self.count);
        reply.raw(&self.bulks.buf);
    }
}
