//! Hashes: a listpack of fields and values while small, a segmented table when not.
//!
//! Fields and values come out as [`Element`]s, because a listpack keeps integers as integers. A hash never goes back to the
//! packed form by itself. One whose fields have, or had, deadlines is [`Timed`]; what is asked of it is answered as of the moment
//! at which it is looked at. Others pay nothing for that.

pub mod timed;

use super::bytes::ItemBytes;
use super::segments::{Item, SegmentTable, hash_of};
use super::thresholds::Thresholds;
use koltso_proto::listpack::{Element, IntText, Listpack};
use rand::RngExt;
use rand::rngs::SmallRng;
use std::fmt;
use timed::Timed;

/// How often a field is drawn that may turn out to be over, before all that are not are counted.
const RANDOM_TRIES: usize = 64;

/// A field with its value in a table, in one allocation: the field's length in bytes of seven bits, lowest first, of which all
/// but the last have the top bit set; the field; the value.
#[derive(Clone)]
pub struct Pair(ItemBytes);

impl Pair {
    fn new(field: &[u8], value: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(10 + field.len() + value.len());
        let mut len = field.len();
        while len >= 0x80 {
            bytes.push(len as u8 | 0x80);
            len >>= 7;
        }
        bytes.push(len as u8);
        bytes.extend_from_slice(field);
        bytes.extend_from_slice(value);
        Pair(bytes.into())
    }

    /// The field and the value.
    #[inline]
    pub fn split(&self) -> (&[u8], &[u8]) {
        let bytes = &*self.0;
        let (mut len, mut at, mut shift) = (0, 0, 0);
        loop {
            let byte = bytes[at];
            len |= usize::from(byte & 0x7f) << shift;
            at += 1;
            shift += 7;
            if byte < 0x80 {
                break;
            }
        }
        bytes[at..].split_at(len)
    }

    #[inline]
    fn field(&self) -> &[u8] {
        self.split().0
    }

    fn elements(&self) -> (Element<'_>, Element<'_>) {
        let (field, value) = self.split();
        (Element::Str(field), Element::Str(value))
    }
}

impl Item for Pair {
    fn hash(&self) -> u64 {
        hash_of(self.field())
    }

    fn heap_bytes(&self) -> usize {
        self.0.heap_bytes()
    }

    fn unshared_bytes(&self) -> usize {
        self.0.unshared_bytes()
    }
}

/// A hash.
#[derive(Clone)]
pub enum Hash {
    /// `listpack`: field, value, field, value, …
    Packed(Listpack),
    /// `hashtable`
    Table(Box<SegmentTable<Pair>>),
    /// Either of them, with deadlines.
    Timed(Box<Timed>),
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl Default for Hash {
    fn default() -> Self {
        Self::new()
    }
}

impl Hash {
    /// An empty hash.
    pub fn new() -> Self {
        Hash::Packed(Listpack::new())
    }

    /// What `OBJECT ENCODING` says.
    pub fn encoding(&self) -> &'static str {
        match self {
            Hash::Packed(_) => "listpack",
            Hash::Table(_) => "hashtable",
            Hash::Timed(timed) if matches!(timed.fields, Hash::Packed(_)) => "listpackex",
            Hash::Timed(_) => "hashtable",
        }
    }

    /// The number of fields.
    pub fn len(&self) -> usize {
        match self {
            Hash::Packed(pack) => pack.len() / 2,
            Hash::Table(table) => table.len(),
            Hash::Timed(timed) => timed.fields.len() - timed.hidden(),
        }
    }

    /// Whether there is no field, not even one whose time is over.
    pub fn is_empty(&self) -> bool {
        match self {
            Hash::Timed(timed) => timed.fields.len() == 0,
            plain => plain.len() == 0,
        }
    }

    /// The value of `field`.
    #[inline]
    pub fn get(&self, field: &[u8]) -> Option<Element<'_>> {
        match self {
            Hash::Packed(pack) => pack.element(pack.next(pack.find(field, 1)?)?),
            Hash::Table(table) => {
                table.find(hash_of(field), |pair| pair.field() == field).map(|pair| Element::Str(pair.split().1))
            }
            Hash::Timed(timed) if timed.shows(field) => timed.fields.get(field),
            Hash::Timed(_) => None,
        }
    }

    /// Goes over to a table ahead of a command that sets `count` fields, the longest field or value being of `longest` bytes and
    /// all together of `bytes`. Redis decides so before it looks at which of the fields are new.
    pub fn grow_if_needed(&mut self, count: usize, longest: usize, bytes: usize, limits: &Thresholds) {
        if let Hash::Timed(timed) = self {
            timed.fields.grow_if_needed(count, longest, bytes, limits);
        } else if let Hash::Packed(pack) = self
            && (count > limits.hash_packed_entries || longest > limits.hash_packed_value || !pack.fits(bytes))
        {
            self.become_table();
        }
    }

    /// Makes room for fields and values that are about to be set, if the hash is packed and has none yet.
    pub fn reserve_for<'a>(&mut self, elements: impl Iterator<Item = &'a [u8]>) {
        if let Hash::Packed(pack) = self
            && pack.is_empty()
        {
            pack.reserve_for(elements);
        }
    }

    /// Sets `field`, which has no deadline then; true if it is new.
    pub fn set(&mut self, field: &[u8], value: &[u8], limits: &Thresholds) -> bool {
        self.grow_if_needed(0, field.len().max(value.len()), field.len() + value.len() + 20, limits);
        match self {
            Hash::Timed(timed) => {
                if !timed.shows(field) {
                    timed.remove(field);
                }
                timed.clear_deadline(field);
                timed.fields.set(field, value, limits)
            }
            Hash::Packed(pack) => {
                if let Some(pos) = pack.find(field, 1) {
                    if let Some(pos) = pack.next(pos) {
                        pack.replace(pos, value);
                    }
                    return false;
                }
                pack.push_back(field);
                pack.push_back(value);
                if pack.len() / 2 > limits.hash_packed_entries {
                    self.become_table();
                }
                true
            }
            Hash::Table(table) => match table.find_mut(hash_of(field), |pair| pair.field() == field) {
                Some(pair) => {
                    *pair = Pair::new(field, value);
                    false
                }
                None => {
                    table.insert(Pair::new(field, value));
                    true
                }
            },
        }
    }

    /// Removes `field`; false if it was not there.
    pub fn remove(&mut self, field: &[u8]) -> bool {
        match self {
            Hash::Packed(pack) => match pack.find(field, 1) {
                Some(pos) => {
                    pack.remove_many(pos, 2);
                    true
                }
                None => false,
            },
            Hash::Table(table) => table.remove(hash_of(field), |pair| pair.field() == field).is_some(),
            // One whose time is over is left for whoever tells of that.
            Hash::Timed(timed) => timed.shows(field) && timed.remove(field),
        }
    }

    /// All fields with their values.
    pub fn iter(&self) -> impl Iterator<Item = (Element<'_>, Element<'_>)> {
        let timed = self.timed().filter(|timed| timed.hidden() > 0);
        let shown = move |field: Element<'_>| timed.is_none_or(|timed| timed.shows(field.bytes(&mut IntText::new())));
        self.plain().filter(move |(field, _)| shown(*field))
    }

    /// All fields with their values, those whose time is over among them.
    fn plain(&self) -> impl Iterator<Item = (Element<'_>, Element<'_>)> {
        let (pack, table) = match self.without_deadlines() {
            Hash::Packed(pack) => (Some(pack), None),
            Hash::Table(table) => (None, Some(table)),
            Hash::Timed(_) => (None, None),
        };
        let pairs = pack.into_iter().flat_map(|pack| {
            let mut elements = pack.iter().map(|(_, element)| element);
            std::iter::from_fn(move || Some((elements.next()?, elements.next()?)))
        });
        pairs.chain(table.into_iter().flat_map(|table| table.iter()).map(Pair::elements))
    }

    /// The same fields, whatever their deadlines.
    pub fn without_deadlines(&self) -> &Hash {
        match self {
            Hash::Timed(timed) => &timed.fields,
            plain => plain,
        }
    }

    /// What there is to know about deadlines, if fields have or had any.
    #[inline]
    pub fn timed(&self) -> Option<&Timed> {
        if let Hash::Timed(timed) = self { Some(timed) } else { None }
    }

    /// The same, to change.
    pub fn timed_mut(&mut self) -> Option<&mut Timed> {
        if let Hash::Timed(timed) = self { Some(timed) } else { None }
    }

    /// When a field expires.
    pub fn deadline(&self, field: &[u8]) -> Option<u64> {
        self.timed()?.deadline(field)
    }

    /// Gives a field, which must be there, a deadline.
    pub fn set_deadline(&mut self, field: &[u8], deadline: u64, limits: &Thresholds) {
        if let Hash::Timed(timed) = self {
            return timed.set_deadline(field, deadline, limits);
        }
        let mut timed = Box::new(Timed::new(std::mem::take(self)));
        timed.set_deadline(field, deadline, limits);
        *self = Hash::Timed(timed);
    }

    /// Takes its deadline from a field; says whether it had one.
    pub fn clear_deadline(&mut self, field: &[u8]) -> bool {
        self.timed_mut().is_some_and(|timed| timed.clear_deadline(field))
    }

    /// Sets a field as [`set`](Self::set) does, but leaves its deadline as it is.
    pub fn update(&mut self, field: &[u8], value: &[u8], limits: &Thresholds) -> bool {
        let deadline = self.timed().filter(|timed| timed.shows(field)).and_then(|timed| timed.deadline(field));
        let is_new = self.set(field, value, limits);
        if let Some(deadline) = deadline {
            self.set_deadline(field, deadline, limits);
        }
        is_new
    }

    /// Takes out up to `budget` of the fields that are due at `now_ms`.
    pub fn take_due(&mut self, now_ms: u64, budget: usize) -> Vec<Vec<u8>> {
        self.timed_mut().map_or_else(Vec::new, |timed| timed.take_due(now_ms, budget))
    }

    /// Any field with its value, each with the same chance.
    pub fn random(&self, rng: &mut SmallRng) -> Option<(Element<'_>, Element<'_>)> {
        if self.is_empty() {
            return None;
        }
        match self {
            Hash::Packed(pack) => {
                let pos = pack.seek(2 * rng.random_range(0..pack.len() / 2) as i64)?;
                Some((pack.element(pos)?, pack.element(pack.next(pos)?)?))
            }
            Hash::Table(table) => table.random(rng).map(Pair::elements),
            Hash::Timed(timed) if timed.hidden() == 0 => timed.fields.random(rng),
            Hash::Timed(timed) => {
                let mut drawn = (0..RANDOM_TRIES).filter_map(|_| timed.fields.random(rng));
                let shown = drawn.find(|(field, _)| timed.shows(field.bytes(&mut IntText::new())));
                shown.or_else(|| self.iter().nth(rng.random_range(0..self.len().max(1))))
            }
        }
    }

    /// Visits fields from `cursor` on, about `count` of them unless the hash is small: then all. Returns the cursor to go on
    /// with, 0 at the end.
    pub fn scan<'a>(&'a self, cursor: u64, count: usize, mut visit: impl FnMut(Element<'a>, Element<'a>)) -> u64 {
        match self {
            Hash::Table(table) => table.scan(cursor, count, |pair| {
                let (field, value) = pair.elements();
                visit(field, value);
            }),
            Hash::Timed(timed) if timed.hidden() == 0 => timed.fields.scan_dyn(cursor, count, &mut visit),
            Hash::Timed(timed) => timed.fields.scan_dyn(cursor, count, &mut |field, value| {
                if timed.shows(field.bytes(&mut IntText::new())) {
                    visit(field, value);
                }
            }),
            small => {
                small.iter().for_each(|(field, value)| visit(field, value));
                0
            }
        }
    }

    /// As [`scan`](Self::scan), for a hash within a hash.
    fn scan_dyn<'a>(&'a self, cursor: u64, count: usize, visit: &mut dyn FnMut(Element<'a>, Element<'a>)) -> u64 {
        self.scan(cursor, count, visit)
    }

    /// Drops about `budget` fields; true when nothing is left. For giving a large hash back slowly.
    pub fn free_some(&mut self, budget: usize) -> bool {
        match self {
            Hash::Table(table) => table.free_some(budget),
            Hash::Timed(timed) => timed.free_some(budget),
            small => {
                *small = Hash::new();
                true
            }
        }
    }

    /// About how many bytes there are that no clone of this hash shares.
    pub fn unshared_bytes(&self) -> usize {
        match self {
            Hash::Table(table) => table.unshared_bytes(),
            Hash::Timed(timed) => timed.unshared_bytes(),
            small => small.heap_bytes(),
        }
    }

    /// Bytes on the heap, estimated.
    pub fn heap_bytes(&self) -> usize {
        match self {
            Hash::Packed(pack) => pack.capacity(),
            Hash::Table(table) => table.heap_bytes() + size_of::<SegmentTable<Pair>>(),
            Hash::Timed(timed) => timed.heap_bytes(),
        }
    }

    /// Takes a listpack of unique fields and their values that came out of a file.
    pub fn from_packed(pack: Listpack, limits: &Thresholds) -> Self {
        let longest = pack.iter().map(|(_, element)| element.text_len()).max().unwrap_or_default();
        let mut hash = Hash::Packed(pack);
        hash.grow_if_needed(hash.len(), longest, 0, limits);
        hash
    }

    fn become_table(&mut self) {
        let mut table = Box::<SegmentTable<Pair>>::default();
        let (mut field_text, mut value_text) = (IntText::new(), IntText::new());
        self.plain().for_each(|(field, value)| {
            table.insert(Pair::new(field.bytes(&mut field_text), value.bytes(&mut value_text)));
        });
        *self = Hash::Table(table);
    }
}

#[cfg(test)]
mod tests;
