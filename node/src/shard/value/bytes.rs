//! The bytes of an item of a [`SegmentTable`](super::segments::SegmentTable): never changed, and shared by clones if they are many.
//!
//! The first write to a segment that a snapshot shares clones all of its items. Short ones are copied, which costs no more than
//! counting references would; of long ones only the reference is, so that the write takes some tens of microseconds however long
//! they are.

use std::ops::Deref;
use std::sync::Arc;

/// From this length on, bytes are shared. What sharing costs, 32 bytes and an allocation, is little beside it.
const SHARED_LEN_MIN: usize = 512;

/// Bytes of an item. The forms take 16 bytes both.
#[derive(Clone)]
pub enum ItemBytes {
    /// Copied by clones.
    Own(Box<[u8]>),
    /// Shared by clones. Not `Arc<[u8]>`, whose length would not leave room for the mark of the form.
    Shared(Arc<Box<[u8]>>),
}

const _: () = assert!(size_of::<ItemBytes>() == 16);

impl From<Vec<u8>> for ItemBytes {
    fn from(bytes: Vec<u8>) -> Self {
        let bytes = bytes.into_boxed_slice();
        if bytes.len() < SHARED_LEN_MIN { ItemBytes::Own(bytes) } else { ItemBytes::Shared(Arc::new(bytes)) }
    }
}

impl From<&[u8]> for ItemBytes {
    fn from(bytes: &[u8]) -> Self {
        bytes.to_vec().into()
    }
}

impl Deref for ItemBytes {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match self {
            ItemBytes::Own(bytes) => bytes,
            ItemBytes::Shared(bytes) => bytes,
        }
    }
}

impl ItemBytes {
    /// For changing: copied first if a clone shares them.
    pub fn to_mut(&mut self) -> &mut [u8] {
        match self {
            ItemBytes::Own(bytes) => bytes,
            ItemBytes::Shared(bytes) => &mut Arc::make_mut(bytes)[..],
        }
    }

    /// Bytes on the heap, those that clones share included.
    pub fn heap_bytes(&self) -> usize {
        self.len() + if matches!(self, ItemBytes::Shared(_)) { 32 } else { 0 }
    }

    /// Bytes on the heap that no clone shares.
    pub fn unshared_bytes(&self) -> usize {
        match self {
            ItemBytes::Shared(bytes) if Arc::strong_count(bytes) > 1 => 0,
            _ => self.heap_bytes(),
        }
    }
}
