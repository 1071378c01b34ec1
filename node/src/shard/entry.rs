//! Entries: a key, its value, its deadline and when it was last used.
//!
//! [`Entry`] is one that stands alone, on its way into or out of a table; [`EntryRef`] and [`EntryMut`] are views of one inside.
//! (First version: plain boxes. The compact one comes behind the same API.)

use super::value::{Type, Value, ValueMut, ValueRef};
use koltso_proto::id::UnixMs;
use std::cell::Cell;
use std::sync::Arc;

/// The longest string that `OBJECT ENCODING` calls `embstr`, in bytes.
const EMBSTR_LEN_MAX: usize = 44;

/// An entry outside of any table.
#[derive(Clone, Debug)]
pub struct Entry {
    pub(super) key: Box<[u8]>,
    pub(super) value: Value,
    pub(super) expire: Option<UnixMs>,
    pub(super) access: Cell<u32>,
    pub(super) raw: bool,
}

impl Entry {
    /// An entry with a string.
    pub fn string(key: &[u8], bytes: &[u8], expire: Option<UnixMs>) -> Self {
        Entry::with_value(key, Value::string(bytes), expire)
    }

    /// An entry with any value.
    pub fn with_value(key: &[u8], value: Value, expire: Option<UnixMs>) -> Self {
        Entry { key: key.into(), value, expire, access: Cell::new(0), raw: false }
    }

    /// The same value, deadline and access under another name.
    pub fn with_key(self, key: &[u8]) -> Self {
        Entry { key: key.into(), ..self }
    }

    /// The key.
    pub fn key(&self) -> &[u8] {
        &self.key
    }

    /// The value.
    pub fn value(&self) -> ValueRef<'_> {
        self.value.view()
    }

    /// The value, to keep.
    pub fn into_value(self) -> Value {
        self.value
    }

    /// The deadline.
    pub fn expire(&self) -> Option<UnixMs> {
        self.expire
    }

    /// Sets or clears the deadline.
    pub fn set_expire(&mut self, expire: Option<UnixMs>) {
        self.expire = expire;
    }

    /// The type of the value.
    pub fn kind(&self) -> Type {
        self.value.kind()
    }
}

/// An entry in a table, to look at.
#[derive(Clone, Copy)]
pub struct EntryRef<'a> {
    pub(super) entry: &'a Entry,
}

impl<'a> EntryRef<'a> {
    /// The key.
    #[inline]
    pub fn key(self) -> &'a [u8] {
        &self.entry.key
    }

    /// The value.
    #[inline]
    pub fn value(self) -> ValueRef<'a> {
        self.entry.value.view()
    }

    /// The type of the value.
    #[inline]
    pub fn kind(self) -> Type {
        self.value().kind()
    }

    /// The deadline.
    #[inline]
    pub fn expire(self) -> Option<UnixMs> {
        self.entry.expire
    }

    /// The 24 bits that say when or how often the entry was used; see `access`.
    pub fn access(self) -> u32 {
        self.entry.access.get()
    }

    /// Sets the access bits: for `RESTORE … IDLETIME | FREQ` and loading.
    pub fn set_access(self, access: u32) {
        self.entry.access.set(access);
    }

    /// What `OBJECT ENCODING` says.
    pub fn encoding(self) -> &'static str {
        match self.value() {
            ValueRef::Str(_) if self.entry.raw => "raw",
            ValueRef::Str(bytes) => string_encoding(bytes),
            ValueRef::List(list) => list.encoding(),
            ValueRef::Set(set) => set.encoding(),
            ValueRef::Hash(hash) => hash.encoding(),
            ValueRef::Zset(zset) => zset.encoding(),
            ValueRef::Stream(_) => "stream",
        }
    }

    /// Bytes that the entry takes, everything included, as `MEMORY USAGE` says.
    pub fn heap_bytes(self) -> usize {
        size_of::<Entry>() + self.entry.key.len() + self.value().heap_bytes()
    }

    /// A copy outside of the table, for `COPY`.
    pub fn to_entry(self) -> Entry {
        self.entry.clone()
    }
}

fn string_encoding(bytes: &[u8]) -> &'static str {
    let canonical = std::str::from_utf8(bytes).ok().and_then(|text| text.parse::<i64>().ok());
    match canonical {
        Some(n) if itoa::Buffer::new().format(n).as_bytes() == bytes => "int",
        _ if bytes.len() <= EMBSTR_LEN_MAX => "embstr",
        _ => "raw",
    }
}

/// An entry in a table, to change. The table's counts follow the changes.
pub struct EntryMut<'a> {
    pub(super) entry: &'a mut Entry,
    pub(super) expires: &'a mut usize,
}

impl EntryMut<'_> {
    /// The entry, to look at.
    #[inline]
    pub fn view(&self) -> EntryRef<'_> {
        EntryRef { entry: self.entry }
    }

    /// The key.
    pub fn key(&self) -> &[u8] {
        self.view().key()
    }

    /// The value.
    #[inline]
    pub fn value(&self) -> ValueRef<'_> {
        self.view().value()
    }

    /// The value, to change in place.
    #[inline]
    pub fn value_mut(&mut self) -> ValueMut<'_> {
        self.entry.value.view_mut()
    }

    /// The type of the value.
    pub fn kind(&self) -> Type {
        self.view().kind()
    }

    /// The deadline.
    pub fn expire(&self) -> Option<UnixMs> {
        self.view().expire()
    }

    /// Sets or clears the deadline.
    pub fn set_expire(&mut self, expire: Option<UnixMs>) {
        *self.expires -= usize::from(self.entry.expire.is_some());
        *self.expires += usize::from(expire.is_some());
        self.entry.expire = expire;
    }

    /// Replaces the value by a string; the deadline stays.
    pub fn set_string(&mut self, bytes: &[u8]) {
        self.set_value(Value::string(bytes));
    }

    /// Replaces the value; the deadline stays.
    pub fn set_value(&mut self, value: Value) {
        self.entry.value = value;
        self.entry.raw = false;
    }

    /// Changes a string in any way, in a vector of its own; from then on `OBJECT ENCODING` calls it `raw`, as after `APPEND` and
    /// `SETRANGE`. Does nothing, and says `None`, if the value is not a string.
    pub fn edit_string<R>(&mut self, edit: impl FnOnce(&mut Vec<u8>) -> R) -> Option<R> {
        let Value::Str(bytes) = &mut self.entry.value else { return None };
        self.entry.raw = true;
        Some(edit(Arc::make_mut(bytes)))
    }
}
