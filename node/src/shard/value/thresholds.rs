//! When a small collection changes over from its packed form to a chunked one.
//!
//! The numbers are those of the directives of the same names; the defaults are Redis 7.2's. `OBJECT ENCODING` shows the
//! outcome, so users and test suites see these limits exactly. Nothing here looks at a value.

/// Limits on packed forms: counts are in elements (hash fields and sorted set members count once), lengths in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// `hash-max-listpack-entries`
    pub hash_packed_entries: usize,
    /// `hash-max-listpack-value`
    pub hash_packed_value: usize,
    /// `zset-max-listpack-entries`
    pub zset_packed_entries: usize,
    /// `zset-max-listpack-value`
    pub zset_packed_value: usize,
    /// `set-max-intset-entries`
    pub set_intset_entries: usize,
    /// `set-max-listpack-entries`
    pub set_packed_entries: usize,
    /// `set-max-listpack-value`
    pub set_packed_value: usize,
    /// `list-max-listpack-size`: a count of elements, or -1 to -5 for 4 to 64 KiB.
    pub list_node_size: i32,
}

impl Default for Thresholds {
    fn default() -> Self {
        Thresholds {
            hash_packed_entries: 128,
            hash_packed_value: 64,
            zset_packed_entries: 128,
            zset_packed_value: 64,
            set_intset_entries: 512,
            set_packed_entries: 128,
            set_packed_value: 64,
            list_node_size: -2,
        }
    }
}

/// No listpack node grows past this when its limit is a count of elements.
const SAFE_NODE_BYTES: usize = 8192;
/// An intset is always searched and shifted as a whole: even where the directive says more, it ends here.
const INTSET_ENTRIES_MAX: usize = 1 << 30;

impl Thresholds {
    /// Whether a list node of `bytes` and `count` elements is too big.
    pub fn list_node_exceeded(&self, bytes: usize, count: usize) -> bool {
        self.list_node_limit_passed(bytes, count, 1)
    }

    /// Whether a list node is too big to become a plain listpack again: half of the limit, so that a list at the limit does
    /// not change back and forth.
    pub fn list_node_exceeds_half(&self, bytes: usize, count: usize) -> bool {
        self.list_node_limit_passed(bytes, count, 2)
    }

    fn list_node_limit_passed(&self, bytes: usize, count: usize, divisor: usize) -> bool {
        match self.list_node_size {
            size @ ..=-1 => bytes > (4096usize << (-1 - size.max(-5))) / divisor,
            // As in Redis, 0 means one element a node.
            size => bytes > SAFE_NODE_BYTES / divisor || count > (size.max(1) as usize) / divisor,
        }
    }

    /// The most elements of an intset.
    pub fn intset_entries(&self) -> usize {
        self.set_intset_entries.min(INTSET_ENTRIES_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn list_nodes_end_where_redis_ends_them() {
        let sized = |list_node_size| Thresholds { list_node_size, ..Thresholds::default() };
        assert!(!sized(-2).list_node_exceeded(8192, 100_000));
        assert!(sized(-2).list_node_exceeded(8193, 1));
        assert!(sized(-1).list_node_exceeded(4097, 1));
        assert!(!sized(-5).list_node_exceeded(65536, 1));
        assert!(!sized(-100).list_node_exceeded(65536, 1));
        assert!(sized(3).list_node_exceeded(10, 4));
        assert!(!sized(3).list_node_exceeded(10, 3));
        assert!(sized(3).list_node_exceeded(8193, 1));
        assert!(sized(0).list_node_exceeded(10, 2));
        assert!(sized(-2).list_node_exceeds_half(4097, 1));
    }
}
