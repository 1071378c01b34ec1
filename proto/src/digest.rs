//! `DEBUG DIGEST` and `DEBUG DIGEST-VALUE`, bit by bit as Redis 7.0 computes them, so that a data set here can be compared with
//! one there.
//!
//! A digest is 20 bytes that begin as zeros, with two operations:
//!
//! ```text
//! xor(d, bytes) = d ^ SHA1(bytes)           order does not matter
//! mix(d, bytes) = SHA1(xor(d, bytes))       order matters
//!
//! value  := mix(be32(type)), then by type:
//!   string   mix(bytes)
//!   list     mix(element) for each, in order
//!   set      xor(member) for each
//!   hash     xor(mix(field), mix(value)) for each
//!   zset     xor(mix(member), mix(score)) for each, the score as "%.17g"
//!   stream   for each entry: mix("ms.seq"), then mix(field), mix(value) for each
//!   then xor("!!expire!!") if it has a deadline
//! key    := mix(key), then as value
//! data   := for each database that is not empty, ascending: mix(be32(index)), then xor(key digest) for each key
//! ```
//!
//! The keys of a database combine by XOR, so each shard sums up its own in a digest that begins as zeros, and whoever answers
//! puts them together with [`Digest::combine`]. Deadlines themselves, consumer groups and functions are not covered.

use crate::id::DbIndex;
use crate::number::write_f64_17g;
use sha1::{Digest as _, Sha1};
use std::fmt;

/// What a value is, as the digest numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum ValueType {
    String = 0,
    List = 1,
    Set = 2,
    Zset = 3,
    Hash = 4,
    Stream = 6,
}

/// A digest under way. Prints as 40 hexadecimal characters.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Digest([u8; 20]);

impl Digest {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }

    /// Adds `bytes` regardless of order.
    pub fn xor(&mut self, bytes: &[u8]) {
        self.combine(&Digest(Sha1::digest(bytes).into()));
    }

    /// Adds `bytes` in order.
    pub fn mix(&mut self, bytes: &[u8]) {
        self.xor(bytes);
        self.0 = Sha1::digest(self.0).into();
    }

    /// Puts together what two shards have summed up for one database.
    pub fn combine(&mut self, other: &Digest) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine ^= theirs;
        }
    }

    /// Begins the digest of a key.
    pub fn of_key(key: &[u8], kind: ValueType) -> Self {
        let mut digest = Digest::new();
        digest.mix(key);
        digest.mix(&(kind as u32).to_be_bytes());
        digest
    }

    /// Begins the digest of a value by itself.
    pub fn of_value(kind: ValueType) -> Self {
        let mut digest = Digest::new();
        digest.mix(&(kind as u32).to_be_bytes());
        digest
    }

    pub fn string(&mut self, bytes: &[u8]) {
        self.mix(bytes);
    }

    /// Adds the elements of a list, in order. May be called for one piece after the other, like all that follow.
    pub fn list<E: AsRef<[u8]>>(&mut self, elements: impl IntoIterator<Item = E>) {
        for element in elements {
            self.mix(element.as_ref());
        }
    }

    pub fn set<M: AsRef<[u8]>>(&mut self, members: impl IntoIterator<Item = M>) {
        for member in members {
            self.xor(member.as_ref());
        }
    }

    pub fn hash<F: AsRef<[u8]>, V: AsRef<[u8]>>(&mut self, fields: impl IntoIterator<Item = (F, V)>) {
        for (field, value) in fields {
            self.pair(field.as_ref(), value.as_ref());
        }
    }

    /// Adds a field of a hash of which fields may have deadlines: whether it has one is in the digest, but not which.
    pub fn field(&mut self, field: &[u8], value: &[u8], expires: bool) {
        let mut pair = Digest::new();
        pair.mix(field);
        pair.mix(value);
        if expires {
            pair.xor(b"!!hexpire!!");
        }
        self.xor(&pair.0);
    }

    pub fn zset<M: AsRef<[u8]>>(&mut self, members: impl IntoIterator<Item = (M, f64)>) {
        let mut text = Vec::new();
        for (member, score) in members {
            text.clear();
            write_f64_17g(&mut text, score);
            self.pair(member.as_ref(), &text);
        }
    }

    /// Adds a field with its value, or a member with the text of its score, regardless of order.
    pub fn pair(&mut self, first: &[u8], second: &[u8]) {
        let mut pair = Digest::new();
        pair.mix(first);
        pair.mix(second);
        self.xor(&pair.0);
    }

    /// Adds an entry of a stream, in order.
    pub fn stream_entry<F: AsRef<[u8]>, V: AsRef<[u8]>>(
        &mut self,
        ms: u64,
        seq: u64,
        fields: impl IntoIterator<Item = (F, V)>,
    ) {
        self.mix(format!("{ms}.{seq}").as_bytes());
        for (field, value) in fields {
            self.mix(field.as_ref());
            self.mix(value.as_ref());
        }
    }

    /// Says that the key has a deadline. The last step of a key's digest, and of a value's.
    pub fn mark_expiring(&mut self) {
        self.xor(b"!!expire!!");
    }

    /// Adds a finished key to the sum of its database.
    pub fn add_key(&mut self, key: &Digest) {
        self.xor(&key.0);
    }

    /// Adds a database to the digest of the data set. Databases without keys are left out; the others come in ascending order.
    pub fn add_database(&mut self, db: DbIndex, keys: &Digest) {
        self.mix(&db.0.to_be_bytes());
        self.combine(keys);
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A value's digest, given what adds its content.
    fn value(kind: ValueType, content: impl FnOnce(&mut Digest)) -> String {
        let mut digest = Digest::of_value(kind);
        content(&mut digest);
        digest.to_string()
    }

    const HASH: [(&str, &str); 2] = [("f2", "2"), ("f1", "v1")];
    const ZSET: [(&str, f64); 5] = [("c", 0.1), ("a", 1.0), ("b", 2.5), ("d", f64::NEG_INFINITY), ("e", 1e300)];

    // All constants below were printed by a Redis 7.0.15.

    #[test]
    fn values_of_every_type_agree_with_debug_digest_value() {
        assert_eq!(value(ValueType::String, |d| d.string(b"hello")), "36b23a1456b2dce2c3ed252c456761301dba8060");
        assert_eq!(value(ValueType::String, |d| d.string(b"12345")), "e1cf90774e995ae03de66e8109dc5cb9d9c2dc83");
        assert_eq!(value(ValueType::List, |d| d.list(["a", "b", "7"])), "0f7e0c22324402ffb83715eb3be2870ba4e186e2");
        assert_eq!(value(ValueType::Set, |d| d.set(["10", "y", "x"])), "8751179b83232410bda829b71469cce4387dd93b");
        assert_eq!(value(ValueType::Hash, |d| d.hash(HASH)), "fc076e867f7dbf566ea58172a151d82d78b8f845");
        assert_eq!(value(ValueType::Zset, |d| d.zset(ZSET)), "02aa9eda6de7437abfa3696b2a9c2776346b8da7");
        let stream = value(ValueType::Stream, |d| {
            d.stream_entry(1, 2, [("f", "v"), ("g", "w")]);
            d.stream_entry(3, 0, [("f", "v3")]);
        });
        assert_eq!(stream, "e2884cb9090f9ca73f68d9d28845b1ee5f6c967f");
        let expiring = value(ValueType::String, |d| {
            d.string(b"v");
            d.mark_expiring();
        });
        assert_eq!(expiring, "311b17018163335616e089f6b951c82c477335ac");
    }

    #[test]
    fn a_data_set_agrees_with_debug_digest_however_it_is_divided_among_shards() {
        let key = |name: &str, kind, content: &dyn Fn(&mut Digest)| {
            let mut digest = Digest::of_key(name.as_bytes(), kind);
            content(&mut digest);
            digest
        };
        let keys = [
            key("s", ValueType::String, &|d| d.string(b"hello")),
            key("n", ValueType::String, &|d| d.string(b"12345")),
            key("l", ValueType::List, &|d| d.list(["a", "b", "7"])),
            key("t", ValueType::Set, &|d| d.set(["x", "y", "10"])),
            key("h", ValueType::Hash, &|d| d.hash(HASH)),
            key("z", ValueType::Zset, &|d| d.zset(ZSET)),
            key("e", ValueType::String, &|d| {
                d.string(b"v");
                d.mark_expiring();
            }),
        ];
        let mut shards = [Digest::new(); 3];
        for (i, key) in keys.iter().enumerate() {
            shards[i % 3].add_key(key);
        }
        let mut db = Digest::new();
        shards.iter().for_each(|shard| db.combine(shard));
        let mut total = Digest::new();
        total.add_database(DbIndex(0), &db);
        assert_eq!(total.to_string(), "fd1aa43d4c26b9c20b657c08781c6054cd9ce022");

        let mut third = Digest::new();
        third.add_key(&key("s3", ValueType::String, &|d| d.string(b"three")));
        total.add_database(DbIndex(3), &third);
        assert_eq!(total.to_string(), "7c58849d6ef4f719ca17ededb9691ed79666c2c7");
        assert_eq!(Digest::new().to_string(), "0".repeat(40));
    }
}
