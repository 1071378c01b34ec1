//! Expiry of hash fields: which hashes have some, and when to look at them next.
//!
//! A table keeps one entry for each hash that has fields with deadlines: the earliest of them, and the key. An entry is good if the
//! hash has noted the same deadline; others, whose hash has gone or has been given earlier ones, are stale, and fall out when their
//! time comes or when others are added. Where no field has a deadline, nothing is kept, and one look says so.

use super::table::Table;
use super::value::{Value, ValueMut, ValueRef};
use crate::config::NotifyFlags;
use koltso_proto::id::UnixMs;
use std::collections::BTreeSet;
use std::ops::Bound;

/// How many entries are looked at for each that is added, so that stale ones cannot pile up.
const SWEEP_STEP: usize = 2;
/// How many fields are taken out of a hash in one step.
const FIELDS_STEP: usize = 128;

/// The hashes of a table that have fields with deadlines.
#[derive(Default)]
pub(super) struct FieldDeadlines {
    due: BTreeSet<(u64, Box<[u8]>)>,
    /// Up to where stale ones have been swept out.
    swept: Option<(u64, Box<[u8]>)>,
}

/// Fields that have been taken out of a hash because their time was over.
pub struct ExpiredFields<'a> {
    /// The key of the hash.
    pub key: &'a [u8],
    /// The fields.
    pub fields: &'a [Vec<u8>],
    /// Whether the key went with them.
    pub emptied: bool,
}

impl ExpiredFields<'_> {
    /// What is told to replicas.
    pub fn deletion(&self) -> impl ExactSizeIterator<Item = &[u8]> + Clone {
        let words: Vec<&[u8]> =
            [b"HDEL".as_slice(), self.key].into_iter().chain(self.fields.iter().map(Vec::as_slice)).collect();
        words.into_iter()
    }

    /// What is told to subscribers.
    pub fn events(&self) -> impl Iterator<Item = (NotifyFlags, &'static str)> {
        let names = [(NotifyFlags::HASH, "hexpired"), (NotifyFlags::GENERIC, "del")];
        names.into_iter().take(1 + usize::from(self.emptied))
    }
}

impl Table {
    /// Whether fields of any hash have, or had, deadlines.
    #[inline]
    pub fn has_field_deadlines(&self) -> bool {
        !self.field_deadlines.due.is_empty()
    }

    /// Makes sure that the hash at `key` is come back to at its first deadline. After every change of its deadlines.
    pub fn note_field_deadline(&mut self, key: &[u8]) {
        let Some(ValueRef::Hash(hash)) = self.find(key).map(|entry| entry.value()) else { return };
        let Some(timed) = hash.timed() else { return };
        let (noted, Some(earliest)) = (timed.noted, timed.earliest()) else { return };
        if earliest >= noted {
            return;
        }
        // What is noted is no part of the value: a snapshot needs no copy of how it was before.
        if let Some(spot) = self.locate(key)
            && let ValueMut::Hash(hash) = self.value_mut_unpreserved(spot)
            && let Some(timed) = hash.timed_mut()
        {
            timed.noted = earliest;
        }
        self.sweep_field_deadlines();
        self.field_deadlines.due.insert((earliest, key.into()));
    }

    /// Whether a value that comes into the table has to be noted. Where it comes from it may have been already.
    pub(super) fn is_to_be_noted(value: &mut Value) -> bool {
        let Value::Hash(hash) = value else { return false };
        let Some(timed) = hash.timed_mut() else { return false };
        timed.noted = u64::MAX;
        timed.deadlines_len() > 0
    }

    fn is_stale(&self, (deadline, key): &(u64, Box<[u8]>)) -> bool {
        match self.find(key).map(|entry| entry.value()) {
            Some(ValueRef::Hash(hash)) => hash.timed().is_none_or(|timed| timed.noted != *deadline),
            _ => true,
        }
    }

    fn sweep_field_deadlines(&mut self) {
        let begin = self.field_deadlines.swept.take().map_or(Bound::Unbounded, Bound::Excluded);
        let looked_at: Vec<_> = self.field_deadlines.due.range((begin, Bound::Unbounded)).take(SWEEP_STEP).cloned().collect();
        for entry in &looked_at {
            if self.is_stale(entry) {
                self.field_deadlines.due.remove(entry);
            }
        }
        self.field_deadlines.swept = looked_at.into_iter().last();
    }

    /// Takes out of the hash at `key` some of the fields whose time is over, and the key with the last of them. `report` is told.
    pub fn expire_fields(&mut self, key: &[u8], now: UnixMs, report: &mut dyn FnMut(ExpiredFields<'_>)) -> usize {
        let is_due = |value: ValueRef<'_>| match value {
            ValueRef::Hash(hash) => hash.timed().is_some_and(|timed| timed.due(now.0) > 0),
            _ => false,
        };
        if !self.find(key).is_some_and(|entry| is_due(entry.value())) {
            return 0;
        }
        let Some(mut entry) = self.find_mut(key) else { return 0 };
        let ValueMut::Hash(hash) = entry.value_mut() else { return 0 };
        let fields = hash.take_due(now.0, FIELDS_STEP);
        let emptied = hash.is_empty();
        if emptied {
            self.delete(key);
        }
        report(ExpiredFields { key, fields: &fields, emptied });
        fields.len()
    }

    /// Takes out fields whose time is over, about `budget` of them; says whether there are more.
    pub fn expire_fields_due(&mut self, now: UnixMs, budget: usize, report: &mut dyn FnMut(ExpiredFields<'_>)) -> bool {
        let mut left = budget;
        while let Some((deadline, _)) = self.field_deadlines.due.first() {
            if *deadline > now.0 {
                return false;
            }
            if left == 0 {
                return true;
            }
            let Some(entry) = self.field_deadlines.due.pop_first() else { return false };
            left -= 1;
            if self.is_stale(&entry) {
                continue;
            }
            let key = &*entry.1;
            left = left.saturating_sub(self.expire_fields(key, now, report));
            if let Some(spot) = self.locate(key)
                && let ValueMut::Hash(hash) = self.value_mut_unpreserved(spot)
                && let Some(timed) = hash.timed_mut()
            {
                timed.noted = u64::MAX;
            }
            self.note_field_deadline(key);
        }
        false
    }
}

#[cfg(test)]
mod tests;
