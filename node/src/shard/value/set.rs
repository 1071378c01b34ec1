//! (to come) a set.

/// (to come) a set.
#[derive(Clone, Debug, Default)]
pub struct Set {}

impl Set {
    /// What `OBJECT ENCODING` says.
    pub fn encoding(&self) -> &'static str {
        "hashtable"
    }

    /// Bytes on the heap, estimated.
    pub fn heap_bytes(&self) -> usize {
        0
    }
}
