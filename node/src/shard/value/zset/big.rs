//! The large form of a sorted set: a table by member beside a tree in order. Every change goes to both.

use super::Bound;
use crate::shard::value::bytes::ItemBytes;
use crate::shard::value::segments::{Item, SegmentTable, hash_of};
use crate::shard::value::tree::{Child, Leaf, Tree};
use koltso_proto::listpack::Element;

/// The most members in a chunk.
const CHUNK_MEMBERS_MAX: usize = 128;
/// The most bytes of members in a chunk of more than one.
const CHUNK_BYTES_MAX: usize = 16 * 1024;
/// How many chunks an estimate of a set's size looks at.
const CHUNK_SAMPLES: usize = 5;

/// A member in the table: eight bytes of score, then the member.
#[derive(Clone)]
struct Scored(ItemBytes);

impl Scored {
    fn new(member: &[u8], score: f64) -> Self {
        Scored([&score.to_ne_bytes(), member].concat().into())
    }

    #[inline]
    fn parts(&self) -> (f64, &[u8]) {
        let (score, member) = self.0.split_first_chunk().expect("a score is in front of every member");
        (f64::from_ne_bytes(*score), member)
    }

    #[inline]
    fn member(&self) -> &[u8] {
        self.parts().1
    }
}

impl Item for Scored {
    fn hash(&self) -> u64 {
        hash_of(self.member())
    }

    fn heap_bytes(&self) -> usize {
        self.0.heap_bytes()
    }

    fn unshared_bytes(&self) -> usize {
        self.0.unshared_bytes()
    }
}

/// Some members in order, their bytes one behind the other.
#[derive(Clone, Default)]
struct Chunk {
    scores: Vec<f64>,
    /// Where in `bytes` each member ends.
    ends: Vec<u32>,
    bytes: Vec<u8>,
}

impl Chunk {
    fn start(&self, at: usize) -> usize {
        at.checked_sub(1).map_or(0, |before| self.ends[before] as usize)
    }

    fn member(&self, at: usize) -> &[u8] {
        &self.bytes[self.start(at)..self.ends[at] as usize]
    }

    fn rank_of(&self, bound: &Bound<'_>) -> usize {
        let (mut low, mut high) = (0, self.scores.len());
        while low < high {
            let middle = low.midpoint(high);
            if bound.follows(self.scores[middle], || self.member(middle)) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// Inserts a member; returns the second half if the chunk is then too big for one.
    fn insert(&mut self, member: &[u8], score: f64) -> Vec<Chunk> {
        let at = self.rank_of(&Bound::BeforeMember(score, member));
        let len = self.scores.len();
        let crowded = len >= CHUNK_MEMBERS_MAX || len > 0 && self.bytes.len() + member.len() > CHUNK_BYTES_MAX;
        if crowded && at == len {
            // In ascending order chunks are left full instead of half full.
            let mut next = Chunk::default();
            next.insert_at(0, member, score);
            self.shrink();
            return vec![next];
        }
        if !crowded {
            self.insert_at(at, member, score);
            return Vec::new();
        }
        let mut right = self.split_off(len / 2);
        let mut own = len / 2;
        if len > 1 && at > own {
            right.insert_at(at - own, member, score);
        } else if own == 0 {
            // A single long member, which the new one goes in front of.
            self.insert_at(0, member, score);
        } else {
            own = at;
            self.insert_at(own, member, score);
        }
        vec![right]
    }

    fn insert_at(&mut self, at: usize, member: &[u8], score: f64) {
        let start = self.start(at);
        self.scores.insert(at, score);
        self.bytes.splice(start..start, member.iter().copied());
        self.ends.insert(at, start as u32);
        self.ends[at..].iter_mut().for_each(|end| *end += member.len() as u32);
    }

    fn split_off(&mut self, at: usize) -> Chunk {
        let start = self.start(at);
        let mut right =
            Chunk { scores: self.scores.split_off(at), ends: self.ends.split_off(at), bytes: self.bytes.split_off(start) };
        right.ends.iter_mut().for_each(|end| *end -= start as u32);
        right
    }

    fn remove(&mut self, at: usize, count: usize) {
        let (start, end) = (self.start(at), self.start(at + count));
        self.scores.drain(at..at + count);
        self.ends.drain(at..at + count);
        self.bytes.drain(start..end);
        self.ends[at..].iter_mut().for_each(|own| *own -= (end - start) as u32);
    }

    fn shrink(&mut self) {
        self.scores.shrink_to_fit();
        self.ends.shrink_to_fit();
        self.bytes.shrink_to_fit();
    }

    fn elements(&self) -> impl DoubleEndedIterator<Item = (Element<'_>, f64)> {
        (0..self.scores.len()).map(|at| (Element::Str(self.member(at)), self.scores[at]))
    }
}

impl Leaf for Chunk {
    type Key = f64;

    fn count(&self) -> usize {
        self.scores.len()
    }

    fn key(&self) -> f64 {
        self.scores.first().copied().unwrap_or_default()
    }

    fn absorb(&mut self, next: &Self) -> bool {
        let fits = self.scores.len() + next.scores.len() <= CHUNK_MEMBERS_MAX / 2
            && self.bytes.len() + next.bytes.len() <= CHUNK_BYTES_MAX / 2;
        if fits {
            let start = self.bytes.len() as u32;
            self.scores.extend_from_slice(&next.scores);
            self.ends.extend(next.ends.iter().map(|end| end + start));
            self.bytes.extend_from_slice(&next.bytes);
        }
        fits
    }
}

/// A large sorted set.
#[derive(Clone)]
pub struct Big {
    by_member: SegmentTable<Scored>,
    order: Tree<Chunk>,
}

impl Default for Big {
    fn default() -> Self {
        Big { by_member: SegmentTable::new(), order: Tree::new(Chunk::default()) }
    }
}

/// Whether the first member of a subtree lies before the bound: the way to a bound leads into the last subtree of which that is
/// true.
fn leads_to<'a>(bound: &'a Bound<'_>) -> impl Fn(&Child<Chunk>) -> bool + 'a {
    |child| bound.follows(child.key(), || child.first_leaf().member(0))
}

impl Big {
    pub(super) fn len(&self) -> usize {
        self.by_member.len()
    }

    pub(super) fn score(&self, member: &[u8]) -> Option<f64> {
        self.by_member.find(hash_of(member), |own| own.member() == member).map(|own| own.parts().0)
    }

    pub(super) fn update(&mut self, member: &[u8], decide: impl FnOnce(Option<f64>) -> Option<f64>) -> Option<f64> {
        let found = self.by_member.find_mut(hash_of(member), |own| own.member() == member);
        let old = found.as_ref().map(|own| own.parts().0);
        let Some(score) = decide(old).filter(|score| old != Some(*score)) else { return old };
        match found {
            Some(own) => own.0.to_mut()[..8].copy_from_slice(&score.to_ne_bytes()),
            None => self.by_member.insert(Scored::new(member, score)),
        }
        if let Some(old) = old {
            self.remove_from_order(member, old);
        }
        let bound = Bound::BeforeMember(score, member);
        self.order.edit_before(leads_to(&bound), |chunk| ((), chunk.insert(member, score)));
        old
    }

    pub(super) fn remove(&mut self, member: &[u8]) -> Option<f64> {
        let score = self.by_member.remove(hash_of(member), |own| own.member() == member)?.parts().0;
        self.remove_from_order(member, score);
        Some(score)
    }

    fn remove_from_order(&mut self, member: &[u8], score: f64) {
        let rank = self.rank_of(Bound::BeforeMember(score, member));
        self.order.edit_at(rank, |chunk, offset| {
            debug_assert_eq!(chunk.member(offset), member);
            (chunk.remove(offset, 1), Vec::new())
        });
    }

    pub(super) fn rank_of(&self, bound: Bound<'_>) -> usize {
        let (chunk, rank) = self.order.leaf_before(leads_to(&bound));
        rank + chunk.rank_of(&bound)
    }

    pub(super) fn range(&self, rank: usize) -> impl Iterator<Item = (Element<'_>, f64)> {
        self.order.leaves_from(rank).flat_map(move |(chunk, start)| chunk.elements().skip(rank.saturating_sub(start)))
    }

    pub(super) fn range_rev(&self, rank: usize) -> impl Iterator<Item = (Element<'_>, f64)> {
        let mut next = Some(rank);
        let chunks = std::iter::from_fn(move || {
            let rank = next?;
            let (chunk, offset) = self.order.leaf_at(rank)?;
            next = (rank - offset).checked_sub(1);
            Some((chunk, chunk.scores.len() - 1 - offset))
        });
        chunks.flat_map(|(chunk, passed)| chunk.elements().rev().skip(passed))
    }

    pub(super) fn remove_range(&mut self, rank: usize, count: usize) {
        let mut left = count;
        while left > 0 {
            let by_member = &mut self.by_member;
            left -= self.order.edit_at(rank, |chunk, offset| {
                let here = left.min(chunk.scores.len() - offset);
                for at in offset..offset + here {
                    let member = chunk.member(at);
                    by_member.remove(hash_of(member), |own| own.member() == member);
                }
                chunk.remove(offset, here);
                (here, Vec::new())
            });
        }
    }

    pub(super) fn scan<'a>(&'a self, cursor: u64, count: usize, mut visit: impl FnMut(Element<'a>, f64)) -> u64 {
        self.by_member.scan(cursor, count, |own| {
            let (score, member) = own.parts();
            visit(Element::Str(member), score);
        })
    }

    pub(super) fn free_some(&mut self, budget: usize) -> bool {
        let mut freed = 0;
        while freed < budget && !self.order.is_empty() {
            freed += self.order.pop_leaf().scores.len();
        }
        self.order.is_empty() && self.by_member.free_some(budget)
    }

    pub(super) fn unshared_bytes(&self) -> usize {
        self.by_member.unshared_bytes() + (self.order.unshared() * self.order_bytes()) as usize
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.by_member.heap_bytes() + self.order_bytes() as usize
    }

    /// Bytes on the heap that the order takes, estimated from some chunks.
    fn order_bytes(&self) -> f64 {
        let (mut bytes, mut members) = (0, 0);
        for (chunk, _) in self.order.leaves_from(0).take(CHUNK_SAMPLES) {
            bytes +=
                chunk.scores.capacity() * 8 + chunk.ends.capacity() * 4 + chunk.bytes.capacity() + size_of::<Child<Chunk>>();
            members += chunk.scores.len();
        }
        bytes as f64 / members.max(1) as f64 * self.order.len() as f64
    }
}
