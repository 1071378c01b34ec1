//! A hash table in segments, each behind an `Arc`: what big hashes, sets and the member side of sorted sets are made of.
//!
//! ```text
//! directory ──► group (≤ 64 segments) ──► directory ──► segment (≤ 448 items)
//!
//! hash: | 7 bits: hashbrown's tags | group bits … | segment bits … |    …    | low bits: hashbrown's buckets |
//! ```
//!
//! A directory is indexed by bits of the hash; a full bucket splits into two by its next bit. So growing moves at most one
//! segment's items at a time, and a clone, which shares the groups, is paid for later, a group and a segment at a time.
//! Emptied segments stay until the table goes. Nothing here knows what an item is, beyond its hash.

use ahash::RandomState;
use hashbrown::HashTable;
use rand::RngExt;
use rand::rngs::SmallRng;
use std::sync::{Arc, LazyLock};

mod directory;

use directory::{Bucket, Directory};

/// The most items in a segment: what hashbrown puts into 512 buckets.
const SEGMENT_ITEMS_MAX: usize = 448;
/// The most segments in a group.
const GROUP_SEGMENTS_MAX: usize = 64;
/// Bits of a scan cursor.
const CURSOR_BITS: u32 = 48;
/// How often [`SegmentTable::random`] tries its luck before it counts.
const RANDOM_TRIES: usize = 64;
/// How many items an estimate of a table's size looks at.
const ITEM_SAMPLES: usize = 5;
/// What going on to another segment costs a walk, in units of its budget.
const SEGMENT_COST: usize = 64;
/// How many groups, and how many segments of each, are looked at to see what a table shares.
const GROUP_SAMPLES: usize = 8;
const SEGMENT_SAMPLES: usize = 8;

/// The hash of an item's name. Equal for equal names in this process, different in every process.
pub fn hash_of(name: &[u8]) -> u64 {
    static STATE: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    STATE.hash_one(name)
}

/// Something that a table holds.
pub trait Item: Clone {
    /// [`hash_of`] its name.
    fn hash(&self) -> u64;

    /// Bytes that it holds on the heap.
    fn heap_bytes(&self) -> usize;

    /// Those of them that no clone of it shares.
    fn unshared_bytes(&self) -> usize {
        self.heap_bytes()
    }
}

/// What directories and cursors go by: the hash without the bits that hashbrown makes its tags of.
fn route_of(hash: u64) -> u64 {
    hash << 7
}

/// Where an item stands in the order of scanning.
fn position_of(hash: u64) -> u64 {
    route_of(hash) >> (64 - CURSOR_BITS)
}

#[derive(Clone)]
struct Segment<T> {
    depth: u8,
    table: HashTable<T>,
}

impl<T> Segment<T> {
    /// How many buckets a table as dense as this segment would have, were it not split.
    fn weight(&self) -> u64 {
        (self.table.num_buckets() as u64) << self.depth
    }
}

impl<T: Item> Bucket for Segment<T> {
    fn depth(&self) -> u8 {
        self.depth
    }

    fn is_full(&self) -> bool {
        self.table.len() > SEGMENT_ITEMS_MAX
    }

    fn split(&mut self) -> Self {
        let bit = 1 << (63 - self.depth);
        self.depth += 1;
        let old = std::mem::take(&mut self.table);
        let right_len = old.iter().filter(|item| route_of(item.hash()) & bit != 0).count();
        let mut right = HashTable::with_capacity(right_len);
        self.table = HashTable::with_capacity(old.len() - right_len);
        for item in old {
            let hash = item.hash();
            let side = if route_of(hash) & bit == 0 { &mut self.table } else { &mut right };
            side.insert_unique(hash, item, Item::hash);
        }
        Segment { depth: self.depth, table: right }
    }
}

/// The mean of what `share` says of some of the items, which are spread evenly.
pub(super) fn share_of<T>(items: &[T], samples: usize, share: impl Fn(&T) -> f64) -> f64 {
    let some = items.iter().step_by(items.len().div_ceil(samples).max(1));
    let (sum, count) = some.fold((0.0, 0.0), |(sum, count), item| (sum + share(item), count + 1.0));
    if count > 0.0 { sum / count } else { 0.0 }
}

type Group<T> = Directory<Segment<T>>;

impl<T: Item> Bucket for Group<T> {
    fn depth(&self) -> u8 {
        self.base
    }

    fn is_full(&self) -> bool {
        self.buckets.len() > GROUP_SEGMENTS_MAX
    }

    fn split(&mut self) -> Self {
        self.split_off()
    }
}

/// How far [`SegmentTable::walk`] came.
#[derive(Clone, Copy, Debug, Default)]
pub struct Position {
    group: usize,
    segment: usize,
    item: usize,
}

/// A hash table in segments.
#[derive(Clone)]
pub struct SegmentTable<T: Item> {
    groups: Directory<Group<T>>,
    len: usize,
    /// At least the weight of every segment.
    weight_max: u64,
}

impl<T: Item> Default for SegmentTable<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Item> SegmentTable<T> {
    /// An empty table.
    pub fn new() -> Self {
        let group = Directory::new(0, Segment { depth: 0, table: HashTable::new() });
        SegmentTable { groups: Directory::new(0, group), len: 0, weight_max: 1 }
    }

    /// The number of items.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no item.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn segment(&self, route: u64) -> &Segment<T> {
        self.groups.bucket(route).bucket(route)
    }

    /// The segment for changing: copied first if a clone of this table still shares it.
    fn segment_mut(&mut self, route: u64) -> &mut Segment<T> {
        self.groups.bucket_mut(route).bucket_mut(route)
    }

    /// The item of which `eq` is true; `hash` is the hash of its name.
    #[inline]
    pub fn find(&self, hash: u64, eq: impl FnMut(&T) -> bool) -> Option<&T> {
        self.segment(route_of(hash)).table.find(hash, eq)
    }

    /// The item for changing. Its name must not be changed.
    pub fn find_mut(&mut self, hash: u64, eq: impl FnMut(&T) -> bool) -> Option<&mut T> {
        self.segment_mut(route_of(hash)).table.find_mut(hash, eq)
    }

    /// Adds an item that is not there.
    pub fn insert(&mut self, item: T) {
        let hash = item.hash();
        let route = route_of(hash);
        let group = self.groups.bucket_mut(route);
        let segment = group.bucket_mut(route);
        segment.table.insert_unique(hash, item, Item::hash);
        self.len += 1;
        self.weight_max = self.weight_max.max(segment.weight());
        if segment.is_full() {
            group.split_bucket(route);
            let bit = 1 << (64 - group.bucket(route).depth);
            self.weight_max = self.weight_max.max(group.bucket(route).weight()).max(group.bucket(route ^ bit).weight());
            if group.is_full() {
                self.groups.split_bucket(route);
            }
        }
    }

    /// Takes out the item of which `eq` is true.
    pub fn remove(&mut self, hash: u64, eq: impl FnMut(&T) -> bool) -> Option<T> {
        let table = &mut self.segment_mut(route_of(hash)).table;
        let (item, _) = table.find_entry(hash, eq).ok()?.remove();
        if table.len() < table.num_buckets() / 8 {
            table.shrink_to(table.len() * 2, Item::hash);
        }
        self.len -= 1;
        Some(item)
    }

    /// All items, segment by segment.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.segments().flat_map(|segment| segment.table.iter())
    }

    /// Items of segments that no clone shares, if there are such among the first ones. They may share what they hold.
    fn unshared_items(&self) -> impl Iterator<Item = &T> {
        let groups = self.groups.buckets.iter().take(GROUP_SAMPLES).filter(|group| Arc::strong_count(group) == 1);
        let segments = groups.flat_map(|group| &group.buckets).filter(|segment| Arc::strong_count(segment) == 1);
        segments.flat_map(|segment| segment.table.iter())
    }

    fn segments(&self) -> impl Iterator<Item = &Segment<T>> {
        self.groups.buckets.iter().flat_map(|group| group.buckets.iter().map(|segment| &**segment))
    }

    /// Visits the next items from `at` on until the budget is spent, from which `visit` takes what an item costs; true at the end.
    /// An item of which `visit` says that it is not done with it is where the next call begins. The table must not change between
    /// the first call and the last.
    pub fn walk(&self, at: &mut Position, budget: &mut usize, mut visit: impl FnMut(&T, &mut usize) -> bool) -> bool {
        while let Some(group) = self.groups.buckets.get(at.group) {
            while let Some(segment) = group.buckets.get(at.segment) {
                for item in segment.table.iter().skip(at.item) {
                    if *budget == 0 || !visit(item, budget) {
                        return false;
                    }
                    at.item += 1;
                }
                if *budget == 0 {
                    return false;
                }
                // Emptied ones take time as well.
                *budget = budget.saturating_sub(SEGMENT_COST);
                *at = Position { segment: at.segment + 1, item: 0, ..*at };
            }
            *at = Position { group: at.group + 1, segment: 0, item: 0 };
        }
        true
    }

    /// Visits items from `cursor` on, about `count` of them; returns the cursor to go on with, 0 after the last. An item that
    /// is there from the first call to the last is visited, whatever is added or removed meanwhile.
    pub fn scan<'a>(&'a self, cursor: u64, count: usize, mut visit: impl FnMut(&'a T)) -> u64 {
        let mut cursor = cursor;
        let mut left = count.max(1);
        let mut found = Vec::new();
        // Emptied segments are passed over, but not without end within one call.
        for _ in 0..count.max(1).saturating_mul(10) {
            if cursor >> CURSOR_BITS != 0 {
                return 0;
            }
            let segment = self.segment(cursor << (64 - CURSOR_BITS));
            found.clear();
            found.extend(segment.table.iter().map(|item| (position_of(item.hash()), item)).filter(|found| found.0 >= cursor));
            found.sort_unstable_by_key(|found| found.0);
            for (i, (position, item)) in found.iter().enumerate() {
                // Items at one position are visited together: the cursor cannot stand between them.
                if left == 0 && found[i - 1].0 != *position {
                    return *position;
                }
                visit(item);
                left = left.saturating_sub(1);
            }
            let span = CURSOR_BITS - u32::from(segment.depth);
            cursor = ((cursor >> span) + 1) << span;
            if left == 0 {
                break;
            }
        }
        if cursor >> CURSOR_BITS != 0 { 0 } else { cursor }
    }

    /// Any item, each with the same chance.
    pub fn random(&self, rng: &mut SmallRng) -> Option<&T> {
        if self.len == 0 {
            return None;
        }
        // A segment is met the less often the deeper it is, and one of its buckets the less often the more there are: what is
        // drawn is kept in proportion to both, so that every bucket has the same chance.
        for _ in 0..RANDOM_TRIES {
            let segment = self.segment(rng.random_range(0..=u64::MAX));
            if rng.random_range(0..self.weight_max) < segment.weight()
                && let Some(item) = segment.table.get_bucket(rng.random_range(0..segment.table.num_buckets()))
            {
                return Some(item);
            }
        }
        self.random_by_counting(rng)
    }

    #[cold]
    fn random_by_counting(&self, rng: &mut SmallRng) -> Option<&T> {
        let mut index = rng.random_range(0..self.len);
        for segment in self.segments() {
            if index < segment.table.len() {
                return segment.table.iter().nth(index);
            }
            index -= segment.table.len();
        }
        None
    }

    /// Drops about `budget` items; true when nothing is left. For giving a large table back slowly: nothing else may be done
    /// with it afterwards.
    pub fn free_some(&mut self, budget: usize) -> bool {
        let mut freed = 0;
        while freed < budget {
            let Some(group) = self.groups.buckets.last_mut() else { break };
            match Arc::get_mut(group).and_then(|group| group.buckets.pop()) {
                Some(segment) => freed += segment.table.len() + 1,
                // Empty, or still shared: then letting go of it is cheap.
                None => {
                    self.groups.buckets.pop();
                    freed += 1;
                }
            }
        }
        if self.groups.buckets.is_empty() {
            *self = Self::new();
            return true;
        }
        false
    }

    /// About how many bytes there are that no clone of this table shares, from a few samples.
    pub fn unshared_bytes(&self) -> usize {
        let segments = |group: &Arc<Group<T>>| match Arc::strong_count(group) {
            1 => share_of(&group.buckets, SEGMENT_SAMPLES, |segment| f64::from(Arc::strong_count(segment) == 1)),
            _ => 0.0,
        };
        let share = share_of(&self.groups.buckets, GROUP_SAMPLES, segments);
        if share == 0.0 {
            return 0;
        }
        let add = |(sum, n), item: &T| (sum + item.unshared_bytes(), n + 1);
        let (sampled, samples) = match self.unshared_items().take(ITEM_SAMPLES).fold((0, 0), add) {
            (_, 0) => self.iter().take(ITEM_SAMPLES).fold((0, 0), add),
            some => some,
        };
        // A table has room for twice as many items as it may have, or somewhat more than it has.
        let item_len = sampled as f64 / f64::from(samples.max(1)) + 1.5 * size_of::<T>() as f64;
        (share * item_len * self.len as f64) as usize
    }

    /// Bytes on the heap, items included: exact for the segments, estimated from a sample for the rest.
    pub fn heap_bytes(&self) -> usize {
        let tables: usize = self.segments().map(|segment| segment.table.allocation_size() + size_of::<Segment<T>>() + 24).sum();
        let sampled: usize = self.iter().take(ITEM_SAMPLES).map(Item::heap_bytes).sum();
        let items = (sampled as f64 / self.len.clamp(1, ITEM_SAMPLES) as f64) * self.len as f64;
        tables + items as usize
    }
}

#[cfg(test)]
mod tests;
