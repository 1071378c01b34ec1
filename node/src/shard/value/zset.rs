//! Sorted sets: a listpack of members and scores while small; when not, two structures side by side.
//!
//! ```text
//! by member: segmented table of (score, member)            ZSCORE, ZADD's look-up, ZSCAN
//! by order:  tree of chunks of ≤ 128 (score, member)       ranks, ranges, ends
//! ```
//!
//! Both hold the member's bytes: the order then lies together in memory, and a chunk is copied for a snapshot in three moves.
//!
//! The order is by score, then by the member's bytes. Ranks are `usize` from the lowest. Ranges of scores or members become
//! ranges of ranks first: see [`Zset::rank_of`]. Scores are never NaN; whoever calls sees to that.

mod big;
mod bound;
mod packed;

use super::thresholds::Thresholds;
use big::Big;
pub use bound::Bound;
use koltso_proto::listpack::{Element, Listpack};
use koltso_proto::number::write_f64;
use rand::RngExt;
use rand::rngs::SmallRng;
use std::fmt;

/// A sorted set.
#[derive(Clone)]
pub enum Zset {
    /// `listpack`: member, score, member, score, … in order.
    Packed(Listpack),
    /// `skiplist`, as Redis calls its own large form.
    Big(Box<Big>),
}

impl fmt::Debug for Zset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.range(0, usize::MAX)).finish()
    }
}

impl Default for Zset {
    fn default() -> Self {
        Zset::Packed(Listpack::new())
    }
}

impl Zset {
    /// An empty sorted set in the form that suits `count` members, the longest of `longest` bytes.
    pub fn for_members(count: usize, longest: usize, limits: &Thresholds) -> Self {
        if limits.zset_packed_entries == 0 || count > limits.zset_packed_entries || longest > limits.zset_packed_value {
            Zset::Big(Box::default())
        } else {
            Zset::default()
        }
    }

    /// What `OBJECT ENCODING` says.
    pub fn encoding(&self) -> &'static str {
        match self {
            Zset::Packed(_) => "listpack",
            Zset::Big(_) => "skiplist",
        }
    }

    /// The number of members.
    pub fn len(&self) -> usize {
        match self {
            Zset::Packed(pack) => pack.len() / 2,
            Zset::Big(big) => big.len(),
        }
    }

    /// Whether there is no member.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The score of `member`.
    pub fn score(&self, member: &[u8]) -> Option<f64> {
        match self {
            Zset::Packed(pack) => packed::find(pack, member).map(|(_, score)| score),
            Zset::Big(big) => big.score(member),
        }
    }

    /// Gives `member` this score, adding it if it is new. Returns the score it had.
    pub fn set(&mut self, member: &[u8], score: f64, limits: &Thresholds) -> Option<f64> {
        self.update(member, limits, |_| Some(score))
    }

    /// Gives `member` the score that `decide` makes of the one it has, adding it if it has none; leaves everything as it is if
    /// `decide` says `None`. Returns the score it had.
    pub fn update(
        &mut self,
        member: &[u8],
        limits: &Thresholds,
        decide: impl FnOnce(Option<f64>) -> Option<f64>,
    ) -> Option<f64> {
        if let Zset::Packed(pack) = self {
            let found = packed::find(pack, member);
            let old = found.map(|(_, score)| score);
            let Some(score) = decide(old).filter(|score| old != Some(*score)) else { return old };
            if let Some((pos, _)) = found {
                pack.remove_many(pos, 2);
                packed::insert(pack, member, score);
                return old;
            }
            let fits = pack.len() / 2 < limits.zset_packed_entries && member.len() <= limits.zset_packed_value;
            if fits && pack.fits(member.len() + 40) {
                packed::insert(pack, member, score);
                return None;
            }
            self.become_big();
            return self.set(member, score, limits);
        }
        match self {
            Zset::Packed(_) => None,
            Zset::Big(big) => big.update(member, decide),
        }
    }

    /// Removes `member`; returns the score it had.
    pub fn remove(&mut self, member: &[u8]) -> Option<f64> {
        match self {
            Zset::Packed(pack) => {
                let (pos, score) = packed::find(pack, member)?;
                pack.remove_many(pos, 2);
                Some(score)
            }
            Zset::Big(big) => big.remove(member),
        }
    }

    /// How many members lie before `bound`: the rank of the first that does not.
    pub fn rank_of(&self, bound: Bound<'_>) -> usize {
        match self {
            Zset::Packed(pack) => {
                packed::iter(pack).take_while(|(member, score)| bound.follows_element(*score, *member)).count()
            }
            Zset::Big(big) => big.rank_of(bound),
        }
    }

    /// The rank of `member`, and its score.
    pub fn rank(&self, member: &[u8]) -> Option<(usize, f64)> {
        let score = self.score(member)?;
        Some((self.rank_of(Bound::BeforeMember(score, member)), score))
    }

    /// Up to `count` members with their scores, from `rank` on, upwards.
    pub fn range(&self, rank: usize, count: usize) -> impl Iterator<Item = (Element<'_>, f64)> {
        let (pack, big) = match self {
            Zset::Packed(pack) => (Some(pack), None),
            Zset::Big(big) => (None, Some(big)),
        };
        let pack = pack.into_iter().flat_map(move |pack| packed::iter(pack).skip(rank));
        pack.chain(big.into_iter().flat_map(move |big| big.range(rank))).take(count)
    }

    /// Up to `count` members with their scores, from `rank` on, downwards.
    pub fn range_rev(&self, rank: usize, count: usize) -> impl Iterator<Item = (Element<'_>, f64)> {
        let (pack, big) = match self {
            Zset::Packed(pack) => (Some(pack), None),
            Zset::Big(big) => (None, Some(big)),
        };
        let from_end = (self.len().saturating_sub(1)).saturating_sub(rank);
        let pack = pack.into_iter().flat_map(move |pack| packed::iter_rev(pack).skip(from_end));
        let there = rank < self.len();
        pack.chain(big.into_iter().flat_map(move |big| big.range_rev(rank))).take(if there { count } else { 0 })
    }

    /// All members with their scores, upwards.
    pub fn iter(&self) -> impl Iterator<Item = (Element<'_>, f64)> {
        self.range(0, usize::MAX)
    }

    /// The member at `rank`, and its score.
    pub fn get(&self, rank: usize) -> Option<(Element<'_>, f64)> {
        match self {
            Zset::Packed(pack) => {
                let pos = pack.seek(i64::try_from(rank).ok()?.checked_mul(2)?)?;
                Some((pack.element(pos)?, packed::score_of(pack.element(pack.next(pos)?)?)))
            }
            Zset::Big(big) => big.range(rank).next(),
        }
    }

    /// Removes up to `count` members from `rank` on.
    pub fn remove_range(&mut self, rank: usize, count: usize) {
        let count = count.min(self.len().saturating_sub(rank));
        match self {
            Zset::Packed(pack) if count > 0 => pack.remove_range(2 * rank as i64, 2 * count),
            Zset::Packed(_) => {}
            Zset::Big(big) => big.remove_range(rank, count),
        }
    }

    /// Any member with its score, each with the same chance.
    pub fn random(&self, rng: &mut SmallRng) -> Option<(Element<'_>, f64)> {
        if self.is_empty() {
            return None;
        }
        self.get(rng.random_range(0..self.len()))
    }

    /// Visits members from `cursor` on, about `count` of them unless the set is small: then all. Returns the cursor to go on
    /// with, 0 at the end.
    pub fn scan<'a>(&'a self, cursor: u64, count: usize, mut visit: impl FnMut(Element<'a>, f64)) -> u64 {
        match self {
            Zset::Big(big) => big.scan(cursor, count, visit),
            small => {
                small.iter().for_each(|(member, score)| visit(member, score));
                0
            }
        }
    }

    /// A score as `ZSCAN` shows it for a set in this form.
    pub fn scan_text(&self, score: f64) -> Vec<u8> {
        match self {
            Zset::Packed(_) => packed::text_of(score),
            Zset::Big(_) => {
                let mut text = Vec::with_capacity(24);
                write_f64(&mut text, score);
                text
            }
        }
    }

    /// Goes back to the packed form if `longest`, the longest member, and the number of members allow it: for the result of a
    /// command that stores a new set.
    pub fn shrink_if_possible(&mut self, longest: usize, limits: &Thresholds) {
        if let Zset::Big(big) = self
            && big.len() <= limits.zset_packed_entries
            && longest <= limits.zset_packed_value
        {
            let mut pack = Listpack::new();
            for (member, score) in big.range(0) {
                // As text, because a member in a table may be the text of an integer.
                pack.push_back_element(member);
                packed::push_score(&mut pack, score);
            }
            *self = Zset::Packed(pack);
        }
    }

    /// Drops about `budget` members; true when nothing is left. For giving a large set back slowly.
    pub fn free_some(&mut self, budget: usize) -> bool {
        match self {
            Zset::Big(big) => big.free_some(budget),
            small => {
                *small = Zset::default();
                true
            }
        }
    }

    /// About how many bytes there are that no clone of this set shares.
    pub fn unshared_bytes(&self) -> usize {
        match self {
            Zset::Packed(pack) => pack.capacity(),
            Zset::Big(big) => big.unshared_bytes(),
        }
    }

    /// Bytes on the heap, estimated.
    pub fn heap_bytes(&self) -> usize {
        match self {
            Zset::Packed(pack) => pack.capacity(),
            Zset::Big(big) => big.heap_bytes() + size_of::<Big>(),
        }
    }

    /// Takes a listpack of members and scores that came out of a file. One that is not in order is put in order.
    pub fn from_packed(pack: Listpack, limits: &Thresholds) -> Self {
        let longest = packed::iter(&pack).map(|(member, _)| member.text_len()).max().unwrap_or_default();
        let ordered = packed::is_ordered(&pack);
        let set = Zset::Packed(pack);
        if ordered && set.len() <= limits.zset_packed_entries && longest <= limits.zset_packed_value {
            return set;
        }
        let mut own = Zset::for_members(set.len(), longest, limits);
        set.iter().for_each(|(member, score)| {
            own.set(&member.to_vec(), score, limits);
        });
        own
    }

    fn become_big(&mut self) {
        let mut big = Box::<Big>::default();
        for (member, score) in self.iter() {
            big.update(&member.to_vec(), |_| Some(score));
        }
        *self = Zset::Big(big);
    }
}

#[cfg(test)]
mod tests;
