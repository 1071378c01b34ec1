//! (to come) a hash.

/// (to come) a hash.
#[derive(Clone, Debug, Default)]
pub struct Hash {}

impl Hash {
    /// What `OBJECT ENCODING` says.
    pub fn encoding(&self) -> &'static str {
        "hashtable"
    }

    /// Bytes on the heap, estimated.
    pub fn heap_bytes(&self) -> usize {
        0
    }
}
