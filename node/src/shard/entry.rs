//! Entries: a key, its value, its deadline and when it was last used.
//!
//! [`Entry`] is one that stands alone, on its way into or out of a table; [`EntryRef`] and [`EntryMut`] are views of one inside.

use super::leftovers;
pub use super::packed::EntryRef;
use super::packed::{Body, INLINE_LEN_MAX, NewBody};
use super::table::{Spot, Table};
use super::value::{Type, Value, ValueMut, ValueRef};
use koltso_proto::id::UnixMs;
use std::sync::Arc;

/// An entry outside of any table.
#[derive(Clone, Debug)]
pub struct Entry {
    pub(super) key: Box<[u8]>,
    pub(super) value: Value,
    pub(super) expire: Option<UnixMs>,
    /// 24 bits; `None` until the entry has been in a table, or they were set.
    pub(super) access: Option<u32>,
    pub(super) raw: bool,
}

impl Entry {
    /// An entry with a string.
    pub fn string(key: &[u8], bytes: &[u8], expire: Option<UnixMs>) -> Self {
        Entry::with_value(key, Value::string(bytes), expire)
    }

    /// An entry with any value.
    pub fn with_value(key: &[u8], value: Value, expire: Option<UnixMs>) -> Self {
        Entry { key: key.into(), value, expire, access: None, raw: false }
    }

    pub(super) fn from_parts(key: &[u8], value: Value, expire: Option<UnixMs>, access: u32, raw: bool) -> Self {
        Entry { key: key.into(), value, expire, access: Some(access), raw }
    }

    /// The same value, deadline and access under another name.
    #[must_use]
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

    /// Sets the access bits; see [`access`](super::access).
    pub fn set_access(&mut self, access: u32) {
        self.access = Some(access);
    }

    /// The type of the value.
    pub fn kind(&self) -> Type {
        self.value.kind()
    }
}

impl EntryRef<'_> {
    /// A copy outside of the table, for `COPY`.
    pub fn to_entry(self) -> Entry {
        let value = self.owned_value().cloned().unwrap_or_else(|| self.value().to_value());
        Entry::from_parts(self.key(), value, self.expire(), self.access(), self.is_raw())
    }
}

/// An entry in a table, to change. The table's counts follow the changes, and a running snapshot has the entry as it was.
pub struct EntryMut<'a> {
    pub(super) table: &'a mut Table,
    pub(super) spot: Spot,
}

impl EntryMut<'_> {
    /// The entry, to look at.
    #[inline]
    pub fn view(&self) -> EntryRef<'_> {
        self.table.at(self.spot)
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

    /// The value, to change in place. The length of a string cannot change; see [`edit_string`](Self::edit_string).
    #[inline]
    pub fn value_mut(&mut self) -> ValueMut<'_> {
        self.table.segment_mut(self.spot).value_mut(self.spot.slot)
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
        if expire == self.expire() {
            return;
        }
        self.table.note_deadline(self.spot, self.expire(), expire);
        if !self.table.segment_mut(self.spot).set_expire(self.spot.slot, expire) {
            self.spot = self.table.rewrite(self.spot, NewBody::Same, expire);
        }
    }

    /// Replaces the value by a string; the deadline stays.
    #[inline]
    pub fn set_string(&mut self, bytes: &[u8]) {
        self.put_string(bytes, false);
    }

    fn put_string(&mut self, bytes: &[u8], raw: bool) {
        let (expire, access) = (self.expire(), self.view().access());
        if !self.table.segment_mut(self.spot).overwrite(self.spot.slot, bytes, expire, access, raw) {
            self.spot = self.table.rewrite(self.spot, NewBody::Other { body: Body::string(bytes), raw }, expire);
        }
    }

    /// Replaces the value; the deadline stays.
    pub fn set_value(&mut self, value: Value) {
        match value {
            Value::Str(bytes) if bytes.len() <= INLINE_LEN_MAX => self.put_string(&bytes, false),
            value => {
                let expire = self.expire();
                self.spot = self.table.rewrite(self.spot, NewBody::Other { body: Body::Value(value), raw: false }, expire);
            }
        }
    }

    /// Changes a string in any way, in a vector of its own; from then on `OBJECT ENCODING` calls it `raw`, as after `APPEND` and
    /// `SETRANGE`. Does nothing, and says `None`, if the value is not a string.
    pub fn edit_string<R>(&mut self, edit: impl FnOnce(&mut Vec<u8>) -> R) -> Option<R> {
        let segment = self.table.segment_mut(self.spot);
        if let Some(value) = segment.owned_value_mut(self.spot.slot) {
            let Value::Str(bytes) = value else { return None };
            leftovers::leaves(bytes);
            let result = edit(Arc::make_mut(bytes));
            segment.set_raw(self.spot.slot, true);
            return Some(result);
        }
        let ValueRef::Str(text) = self.value() else { return None };
        let mut bytes = text.to_vec();
        let result = edit(&mut bytes);
        if bytes.len() <= INLINE_LEN_MAX {
            self.put_string(&bytes, true);
        } else {
            let body = Body::Value(Value::Str(Arc::new(bytes)));
            let expire = self.expire();
            self.spot = self.table.rewrite(self.spot, NewBody::Other { body, raw: true }, expire);
        }
        Some(result)
    }
}
