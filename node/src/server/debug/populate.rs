//! DEBUG POPULATE: many keys at once.

use crate::connection::{OwnedRequest, Token};
use crate::core::Core;
use crate::shard::Shard;
use koltso_proto::id::{DbIndex, UnixMs};
use koltso_proto::number::parse_i64;
use koltso_proto::slot;
use std::sync::Arc;

/// What is to be created.
struct Plan {
    db: DbIndex,
    count: u64,
    prefix: Vec<u8>,
    /// The length of values; `None` = as long as their text.
    len: Option<usize>,
}

/// The longest values that are made.
const LEN_MAX: i64 = 512 << 20;

/// `DEBUG POPULATE count [prefix] [size]`.
pub fn populate(core: &mut Core, token: Token, request: &OwnedRequest) {
    let args = request.args();
    let number = |at: usize, max: i64| {
        let number = parse_i64(args.get(at)).filter(|number| (0..=max).contains(number));
        number.ok_or("ERR value is out of range, must be positive")
    };
    let count = number(2, i64::MAX);
    let len = if args.len() > 4 { number(4, LEN_MAX).map(|len| Some(len as usize)) } else { Ok(None) };
    let (count, len) = match (count, len) {
        (Ok(count), Ok(len)) => (count as u64, len),
        (Err(error), _) | (_, Err(error)) => return core.refuse(token, error),
    };
    let Some(db) = core.conn(token).map(|conn| conn.session.db) else { return };
    let prefix = if args.len() > 3 { args.get(3).to_vec() } else { b"key".to_vec() };
    let plan = Arc::new(Plan { db, count, prefix, len });
    // Every shard goes through all the names and creates those that are its own.
    let shards = core.exec.shards.len();
    core.ask_each_shard(token, move |shard, now| plan.run_on(shard, shards, now), |_, _, reply| reply.ok());
}

impl Plan {
    fn run_on(&self, shard: &mut Shard, shards: usize, now: UnixMs) {
        let mut digits = itoa::Buffer::new();
        let mut key = Vec::new();
        let mut value = Vec::new();
        for i in 0..self.count {
            let digits = digits.format(i).as_bytes();
            key.clear();
            key.extend_from_slice(&self.prefix);
            key.push(b':');
            key.extend_from_slice(digits);
            if slot::shard_of(slot::slot_of(&key), shards as u16) != shard.id {
                continue;
            }
            let table = &mut shard.dbs[self.db.0 as usize];
            if table.find(&key).is_some() {
                continue;
            }
            self.fill(&mut value, digits);
            table.set_string(&key, &value, None, now);
            shard.watch.touched(self.db, &key);
        }
    }

    /// The text, cut or followed by zeros to the length that was asked for.
    fn fill(&self, value: &mut Vec<u8>, digits: &[u8]) {
        value.clear();
        value.extend_from_slice(b"value:");
        value.extend_from_slice(digits);
        if let Some(len) = self.len {
            value.resize(len, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_as_long_as_asked_for() {
        let value = |len| {
            let plan = Plan { db: DbIndex(0), count: 1, prefix: Vec::new(), len };
            let mut value = b"something longer".to_vec();
            plan.fill(&mut value, b"12");
            value
        };
        assert_eq!(value(None), b"value:12");
        assert_eq!(value(Some(3)), b"val");
        assert_eq!(value(Some(10)), b"value:12\0\0");
    }
}
