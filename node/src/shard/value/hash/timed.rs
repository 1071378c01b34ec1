//! A hash of which fields have deadlines.
//!
//! The fields are an ordinary hash; beside it, a sorted set has the deadlines as its scores, in milliseconds: both are shared by
//! clones, as snapshots need it, and the next deadline is always the first. A hash is looked at as of a moment: fields whose time
//! is over by then are not there, though whoever may has yet to take them out.

use super::super::zset::{Bound, Zset};
use super::{Hash, Thresholds};
use koltso_proto::listpack::{Element, IntText};
use std::sync::atomic::{AtomicU64, Ordering};

/// No deadline may be later: as in Redis, 48 bits of milliseconds. A double holds it exactly.
pub const DEADLINE_MAX: u64 = (1 << 48) - 2;

/// Fields, of which some have deadlines.
pub struct Timed {
    /// Never of this kind itself.
    pub(super) fields: Hash,
    deadlines: Zset,
    /// For which deadline the table has noted to come back to this hash; `u64::MAX` for none.
    pub noted: u64,
    /// The moment as of which it is looked at; 0 shows all there is.
    view: AtomicU64,
}

impl Clone for Timed {
    /// The copy is not noted anywhere.
    fn clone(&self) -> Self {
        let view = AtomicU64::new(self.view.load(Ordering::Relaxed));
        Timed { fields: self.fields.clone(), deadlines: self.deadlines.clone(), noted: u64::MAX, view }
    }
}

impl Timed {
    /// The same fields, none with a deadline so far.
    pub(super) fn new(fields: Hash) -> Self {
        Timed { fields, deadlines: Zset::default(), noted: u64::MAX, view: AtomicU64::new(0) }
    }

    /// Shows it as of `now_ms` until it is told otherwise; 0 shows fields whatever their deadlines.
    pub fn view_at(&self, now_ms: u64) {
        self.view.store(now_ms, Ordering::Relaxed);
    }

    /// How many fields are due at `now_ms`.
    pub fn due(&self, now_ms: u64) -> usize {
        self.deadlines.rank_of(Bound::AfterScore(now_ms as f64))
    }

    pub(super) fn hidden(&self) -> usize {
        match self.view.load(Ordering::Relaxed) {
            0 => 0,
            view => self.due(view),
        }
    }

    /// Whether a field is there as of the moment, as far as its deadline tells.
    pub(super) fn shows(&self, field: &[u8]) -> bool {
        let view = self.view.load(Ordering::Relaxed);
        view == 0 || self.deadline(field).is_none_or(|deadline| deadline > view)
    }

    /// The number of fields with deadlines.
    pub fn deadlines_len(&self) -> usize {
        self.deadlines.len()
    }

    /// The first deadline.
    pub fn earliest(&self) -> Option<u64> {
        self.deadlines.get(0).map(|(_, deadline)| deadline as u64)
    }

    /// When a field expires.
    pub fn deadline(&self, field: &[u8]) -> Option<u64> {
        self.deadlines.score(field).map(|deadline| deadline as u64)
    }

    /// Gives a field, which is there, a deadline.
    pub(super) fn set_deadline(&mut self, field: &[u8], deadline: u64, limits: &Thresholds) {
        self.deadlines.set(field, deadline.min(DEADLINE_MAX) as f64, limits);
    }

    /// Takes its deadline from a field; says whether it had one.
    pub(super) fn clear_deadline(&mut self, field: &[u8]) -> bool {
        self.deadlines.remove(field).is_some()
    }

    /// Removes a field, whether it is shown or not; says whether it was there.
    pub(super) fn remove(&mut self, field: &[u8]) -> bool {
        self.deadlines.remove(field);
        self.fields.remove(field)
    }

    /// Takes out up to `budget` of the fields that are due at `now_ms`, the longest overdue first.
    pub(super) fn take_due(&mut self, now_ms: u64, budget: usize) -> Vec<Vec<u8>> {
        let count = self.due(now_ms).min(budget);
        let names: Vec<Vec<u8>> = self.deadlines.range(0, count).map(|(field, _)| field.to_vec()).collect();
        self.deadlines.remove_range(0, count);
        names.iter().for_each(|field| _ = self.fields.remove(field));
        names
    }

    /// All fields with their values and deadlines, whatever is shown.
    pub fn all(&self) -> impl Iterator<Item = (Element<'_>, Element<'_>, Option<u64>)> {
        self.fields.plain().map(|(field, value)| {
            let deadline = self.deadline(field.bytes(&mut IntText::new()));
            (field, value, deadline)
        })
    }

    /// The fields as a hash without deadlines.
    pub fn fields(&self) -> &Hash {
        &self.fields
    }

    pub(super) fn free_some(&mut self, budget: usize) -> bool {
        self.deadlines.free_some(budget) && self.fields.free_some(budget)
    }

    pub(super) fn unshared_bytes(&self) -> usize {
        self.fields.unshared_bytes() + self.deadlines.unshared_bytes()
    }

    pub(super) fn heap_bytes(&self) -> usize {
        size_of::<Timed>() + self.fields.heap_bytes() + self.deadlines.heap_bytes()
    }
}
