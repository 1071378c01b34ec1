//! (to come) a sorted set.

/// (to come) a sorted set.
#[derive(Clone, Debug, Default)]
pub struct Zset {}

impl Zset {
    /// What `OBJECT ENCODING` says.
    pub fn encoding(&self) -> &'static str {
        "skiplist"
    }

    /// Bytes on the heap, estimated.
    pub fn heap_bytes(&self) -> usize {
        0
    }
}
