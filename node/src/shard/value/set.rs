//! Sets: sorted integers or a listpack while small, a segmented table when not.
//!
//! The changes of form, and when they happen, are those of Redis 7.2, because `OBJECT ENCODING` shows them. A set never goes
//! back to a smaller form by itself.

use super::bytes::ItemBytes;
use super::segments::{Item, SegmentTable, hash_of};
use super::thresholds::Thresholds;
use koltso_proto::intset::Intset;
use koltso_proto::listpack::{Element, IntText, Listpack};
use koltso_proto::number::parse_i64;
use rand::RngExt;
use rand::rngs::SmallRng;
use std::fmt;

/// A member in a table.
#[derive(Clone)]
pub struct Member(ItemBytes);

impl Member {
    /// The member's text.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Item for Member {
    fn hash(&self) -> u64 {
        hash_of(&self.0)
    }

    fn heap_bytes(&self) -> usize {
        self.0.heap_bytes()
    }

    fn unshared_bytes(&self) -> usize {
        self.0.unshared_bytes()
    }
}

/// A set.
#[derive(Clone)]
pub enum Set {
    /// `intset`
    Ints(Intset),
    /// `listpack`
    Packed(Listpack),
    /// `hashtable`
    Table(Box<SegmentTable<Member>>),
}

impl fmt::Debug for Set {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl Default for Set {
    fn default() -> Self {
        Set::Ints(Intset::new())
    }
}

impl Set {
    /// An empty set in the form that suits `count` members of which `first` is the first.
    pub fn for_members(first: &[u8], count: usize, limits: &Thresholds) -> Self {
        if parse_i64(first).is_some() && count <= limits.intset_entries() {
            Set::Ints(Intset::new())
        } else if count <= limits.set_packed_entries {
            Set::Packed(Listpack::new())
        } else {
            Set::Table(Box::default())
        }
    }

    /// What `OBJECT ENCODING` says.
    pub fn encoding(&self) -> &'static str {
        match self {
            Set::Ints(_) => "intset",
            Set::Packed(_) => "listpack",
            Set::Table(_) => "hashtable",
        }
    }

    /// The number of members.
    pub fn len(&self) -> usize {
        match self {
            Set::Ints(ints) => ints.len(),
            Set::Packed(pack) => pack.len(),
            Set::Table(table) => table.len(),
        }
    }

    /// Whether there is no member.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether `member` is in the set.
    pub fn contains(&self, member: &[u8]) -> bool {
        match self {
            Set::Ints(ints) => parse_i64(member).is_some_and(|value| ints.contains(value)),
            Set::Packed(pack) => pack.find(member, 0).is_some(),
            Set::Table(table) => table.find(hash_of(member), |own| *own.0 == *member).is_some(),
        }
    }

    /// Adds `member`; false if it was there.
    pub fn add(&mut self, member: &[u8], limits: &Thresholds) -> bool {
        if let Set::Ints(ints) = self {
            match parse_i64(member) {
                Some(value) => {
                    let added = ints.insert(value);
                    if ints.len() > limits.intset_entries() {
                        self.become_table();
                    }
                    return added;
                }
                None => self.leave_ints(member, limits),
            }
        }
        match self {
            Set::Ints(_) => false,
            Set::Packed(pack) => {
                if pack.find(member, 0).is_some() {
                    return false;
                }
                if pack.len() < limits.set_packed_entries && member.len() <= limits.set_packed_value && pack.fits(member.len())
                {
                    pack.push_back(member);
                } else {
                    self.become_table();
                    return self.add(member, limits);
                }
                true
            }
            Set::Table(table) => {
                let absent = table.find(hash_of(member), |own| *own.0 == *member).is_none();
                if absent {
                    table.insert(Member(member.into()));
                }
                absent
            }
        }
    }

    /// Makes room for members that are about to be added, if the set is packed and has none yet.
    pub fn reserve_for<'a>(&mut self, members: impl Iterator<Item = &'a [u8]>) {
        if let Set::Packed(pack) = self
            && pack.is_empty()
        {
            pack.reserve_for(members);
        }
    }

    /// Adds an element of another set.
    pub fn add_element(&mut self, member: Element<'_>, limits: &Thresholds) -> bool {
        self.add(member.bytes(&mut IntText::new()), limits)
    }

    /// Removes `member`; false if it was not there.
    pub fn remove(&mut self, member: &[u8]) -> bool {
        match self {
            Set::Ints(ints) => parse_i64(member).is_some_and(|value| ints.remove(value)),
            Set::Packed(pack) => match pack.find(member, 0) {
                Some(pos) => {
                    pack.remove(pos);
                    true
                }
                None => false,
            },
            Set::Table(table) => table.remove(hash_of(member), |own| *own.0 == *member).is_some(),
        }
    }

    /// All members.
    pub fn iter(&self) -> impl Iterator<Item = Element<'_>> {
        let (ints, pack, table) = match self {
            Set::Ints(ints) => (Some(ints), None, None),
            Set::Packed(pack) => (None, Some(pack), None),
            Set::Table(table) => (None, None, Some(table)),
        };
        let ints = ints.into_iter().flat_map(|ints| ints.iter()).map(Element::Int);
        let pack = pack.into_iter().flat_map(|pack| pack.iter()).map(|(_, element)| element);
        let table = table.into_iter().flat_map(|table| table.iter()).map(|member| Element::Str(&member.0));
        ints.chain(pack).chain(table)
    }

    /// Any member, each with the same chance.
    pub fn random(&self, rng: &mut SmallRng) -> Option<Element<'_>> {
        if self.is_empty() {
            return None;
        }
        match self {
            Set::Ints(ints) => ints.get(rng.random_range(0..ints.len())).map(Element::Int),
            Set::Packed(pack) => pack.get(rng.random_range(0..pack.len()) as i64),
            Set::Table(table) => table.random(rng).map(|member| Element::Str(&member.0)),
        }
    }

    /// Visits members from `cursor` on, about `count` of them unless the set is small: then all. Returns the cursor to go on
    /// with, 0 at the end.
    pub fn scan<'a>(&'a self, cursor: u64, count: usize, mut visit: impl FnMut(Element<'a>)) -> u64 {
        match self {
            Set::Table(table) => table.scan(cursor, count, |member| visit(Element::Str(&member.0))),
            small => {
                small.iter().for_each(visit);
                0
            }
        }
    }

    /// Drops about `budget` members; true when nothing is left. For giving a large set back slowly.
    pub fn free_some(&mut self, budget: usize) -> bool {
        match self {
            Set::Table(table) => table.free_some(budget),
            small => {
                *small = Set::default();
                true
            }
        }
    }

    /// About how many bytes there are that no clone of this set shares.
    pub fn unshared_bytes(&self) -> usize {
        match self {
            Set::Table(table) => table.unshared_bytes(),
            small => small.heap_bytes(),
        }
    }

    /// Bytes on the heap, estimated.
    pub fn heap_bytes(&self) -> usize {
        match self {
            Set::Ints(ints) => ints.capacity(),
            Set::Packed(pack) => pack.capacity(),
            Set::Table(table) => table.heap_bytes() + size_of::<SegmentTable<Member>>(),
        }
    }

    /// Takes packed integers that came out of a file.
    pub fn from_ints(ints: Intset, limits: &Thresholds) -> Self {
        let mut set = Set::Ints(ints);
        if set.len() > limits.intset_entries() {
            set.become_table();
        }
        set
    }

    /// Takes a listpack of unique members that came out of a file.
    pub fn from_packed(pack: Listpack, limits: &Thresholds) -> Self {
        let longest = pack.iter().map(|(_, element)| element.text_len()).max().unwrap_or_default();
        let fits = pack.len() <= limits.set_packed_entries && longest <= limits.set_packed_value;
        let mut set = Set::Packed(pack);
        if !fits {
            set.become_table();
        }
        set
    }

    /// Leaves the form for integers because `member` is none.
    fn leave_ints(&mut self, member: &[u8], limits: &Thresholds) {
        let Set::Ints(ints) = self else { return };
        let fits = ints.len() < limits.set_packed_entries && member.len() <= limits.set_packed_value;
        // The smallest and the largest number have the longest texts.
        let ends = [ints.get(0), ints.get(ints.len().saturating_sub(1))];
        let longest = ends.iter().flatten().map(|value| Element::Int(*value).text_len()).max().unwrap_or_default();
        if fits && longest <= limits.set_packed_value {
            let mut pack = Listpack::with_capacity(ints.byte_len());
            ints.iter().for_each(|value| pack.push_back_int(value));
            *self = Set::Packed(pack);
        } else {
            self.become_table();
        }
    }

    fn become_table(&mut self) {
        let mut table = Box::<SegmentTable<Member>>::default();
        let mut text = IntText::new();
        self.iter().for_each(|element| table.insert(Member(element.bytes(&mut text).into())));
        *self = Set::Table(table);
    }
}

#[cfg(test)]
mod tests;
