//! The values a key can have, and borrowed views of them.
//!
//! Short strings are not a [`Value`]: they lie in the entry itself, and only their view ([`ValueRef::Str`]) is shared with long
//! ones. Nothing in here knows about keys, deadlines or tables.

pub mod bytes;
pub mod hash;
mod list;
pub mod rdb;
mod segments;
mod set;
pub mod stream;
mod thresholds;
mod tree;
mod zset;

use super::leftovers;
pub use hash::Hash;
pub use list::{End, List};
pub use set::Set;
use std::sync::Arc;
pub use stream::Stream;
pub use thresholds::Thresholds;
pub use zset::{Bound, Zset};

/// The type of a value, as `TYPE` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// A string of bytes.
    String,
    /// A list of strings.
    List,
    /// A set of strings.
    Set,
    /// A set of strings ordered by score.
    Zset,
    /// A map from strings to strings.
    Hash,
    /// A stream.
    Stream,
}

impl Type {
    /// The name that `TYPE` replies and `SCAN … TYPE` takes.
    pub fn name(self) -> &'static str {
        match self {
            Type::String => "string",
            Type::List => "list",
            Type::Set => "set",
            Type::Zset => "zset",
            Type::Hash => "hash",
            Type::Stream => "stream",
        }
    }
}

/// A collection of more elements than this is not dropped at once.
const DROP_ELEMENTS_MAX: usize = 16;
/// Nor a string of more bytes: its pages go back to the kernel one by one.
const DROP_BYTES_MAX: usize = 1 << 20;

/// A value that owns its memory.
#[derive(Clone, Debug)]
pub enum Value {
    /// A string; shared, so that a snapshot or a reply can keep it without copying.
    Str(Arc<Vec<u8>>),
    /// A list.
    List(List),
    /// A set.
    Set(Set),
    /// A hash.
    Hash(Hash),
    /// A sorted set.
    Zset(Zset),
    /// A stream.
    Stream(Box<Stream>),
}

impl Value {
    /// A string with these bytes.
    pub fn string(bytes: &[u8]) -> Self {
        Value::Str(Arc::new(bytes.to_vec()))
    }

    /// The type.
    pub fn kind(&self) -> Type {
        self.view().kind()
    }

    /// Whether dropping it takes so long that others would notice, as far as its length tells.
    pub fn is_slow_to_drop(&self) -> bool {
        match self {
            Value::Str(bytes) => bytes.capacity() > DROP_BYTES_MAX,
            Value::List(list) => list.len() > DROP_ELEMENTS_MAX,
            Value::Set(set) => set.len() > DROP_ELEMENTS_MAX,
            Value::Hash(hash) => hash.without_deadlines().len() > DROP_ELEMENTS_MAX,
            Value::Zset(zset) => zset.len() > DROP_ELEMENTS_MAX,
            Value::Stream(stream) => stream.weight() > DROP_ELEMENTS_MAX,
        }
    }

    /// Drops about `budget` elements; true when nothing is left. Nothing else may be done with the value afterwards.
    pub fn free_some(&mut self, budget: usize) -> bool {
        match self {
            Value::List(list) => list.free_some(budget),
            Value::Set(set) => set.free_some(budget),
            Value::Hash(hash) => hash.free_some(budget),
            Value::Zset(zset) => zset.free_some(budget),
            Value::Stream(stream) => stream.free_some(budget),
            Value::Str(_) => true,
        }
    }

    /// About how many bytes on the heap there are that no clone of this value shares. A few samples tell.
    pub fn unshared_bytes(&self) -> usize {
        match self {
            Value::Str(bytes) if Arc::strong_count(bytes) > 1 => 0,
            Value::Str(bytes) => bytes.capacity(),
            Value::List(list) => list.unshared_bytes(),
            Value::Set(set) => set.unshared_bytes(),
            Value::Hash(hash) => hash.unshared_bytes(),
            Value::Zset(zset) => zset.unshared_bytes(),
            Value::Stream(stream) => stream.unshared_bytes(),
        }
    }

    /// A view of the value.
    #[inline]
    pub fn view(&self) -> ValueRef<'_> {
        match self {
            Value::Str(bytes) => ValueRef::Str(bytes),
            Value::List(list) => ValueRef::List(list),
            Value::Set(set) => ValueRef::Set(set),
            Value::Hash(hash) => ValueRef::Hash(hash),
            Value::Zset(zset) => ValueRef::Zset(zset),
            Value::Stream(stream) => ValueRef::Stream(stream),
        }
    }

    /// A view that can change the value in place. A string that something else shares is copied first.
    #[inline]
    pub fn view_mut(&mut self) -> ValueMut<'_> {
        match self {
            Value::Str(bytes) => {
                leftovers::leaves(bytes);
                ValueMut::Str(Arc::make_mut(bytes).as_mut_slice())
            }
            Value::List(list) => ValueMut::List(list),
            Value::Set(set) => ValueMut::Set(set),
            Value::Hash(hash) => ValueMut::Hash(hash),
            Value::Zset(zset) => ValueMut::Zset(zset),
            Value::Stream(stream) => ValueMut::Stream(stream),
        }
    }
}

/// A value to look at.
#[derive(Clone, Copy, Debug)]
pub enum ValueRef<'a> {
    /// A string.
    Str(&'a [u8]),
    /// A list.
    List(&'a List),
    /// A set.
    Set(&'a Set),
    /// A hash.
    Hash(&'a Hash),
    /// A sorted set.
    Zset(&'a Zset),
    /// A stream.
    Stream(&'a Stream),
}

impl ValueRef<'_> {
    /// The type.
    #[inline]
    pub fn kind(&self) -> Type {
        match self {
            ValueRef::Str(_) => Type::String,
            ValueRef::List(_) => Type::List,
            ValueRef::Set(_) => Type::Set,
            ValueRef::Hash(_) => Type::Hash,
            ValueRef::Zset(_) => Type::Zset,
            ValueRef::Stream(_) => Type::Stream,
        }
    }

    /// A copy of the value.
    pub fn to_value(&self) -> Value {
        match *self {
            ValueRef::Str(bytes) => Value::string(bytes),
            ValueRef::List(list) => Value::List(list.clone()),
            ValueRef::Set(set) => Value::Set(set.clone()),
            ValueRef::Hash(hash) => Value::Hash(hash.clone()),
            ValueRef::Zset(zset) => Value::Zset(zset.clone()),
            ValueRef::Stream(stream) => Value::Stream(Box::new(stream.clone())),
        }
    }

    /// Bytes on the heap that the value takes beside its entry, as `MEMORY USAGE` counts them. For big collections, an estimate
    /// from some of the elements.
    pub fn heap_bytes(&self) -> usize {
        match self {
            ValueRef::Str(bytes) => bytes.len(),
            ValueRef::List(list) => list.heap_bytes(),
            ValueRef::Set(set) => set.heap_bytes(),
            ValueRef::Hash(hash) => hash.heap_bytes(),
            ValueRef::Zset(zset) => zset.heap_bytes(),
            ValueRef::Stream(stream) => stream.heap_bytes(),
        }
    }
}

/// A value to change in place.
#[derive(Debug)]
pub enum ValueMut<'a> {
    /// A string whose bytes can change, but not their number; see `EntryMut::edit_string` for that.
    Str(&'a mut [u8]),
    /// A list.
    List(&'a mut List),
    /// A set.
    Set(&'a mut Set),
    /// A hash.
    Hash(&'a mut Hash),
    /// A sorted set.
    Zset(&'a mut Zset),
    /// A stream.
    Stream(&'a mut Stream),
}
