//! (to come) a list.

/// (to come) a list.
#[derive(Clone, Debug, Default)]
pub struct List {}

impl List {
    /// What `OBJECT ENCODING` says.
    pub fn encoding(&self) -> &'static str {
        "quicklist"
    }

    /// Bytes on the heap, estimated.
    pub fn heap_bytes(&self) -> usize {
        0
    }
}
