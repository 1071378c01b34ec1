//! A directory: buckets indexed by leading bits of a hash, doubled when a bucket needs one bit more than it has.
//!
//! Used twice, one inside the other, by [`super::SegmentTable`]. It must not look into its buckets beyond [`Bucket`].

use std::sync::Arc;

/// A directory is never doubled beyond this many bits: a bucket that would need more just grows. Only hashes that collide by
/// the thousand in their leading bits lead there.
const INDEX_BITS_MAX: u8 = 22;

/// Something that a directory can split.
pub(super) trait Bucket: Clone {
    /// How many leading bits of the route are equal for all that is in the bucket.
    fn depth(&self) -> u8;

    /// Whether it holds more than it should.
    fn is_full(&self) -> bool;

    /// Moves what has the next bit set into a new bucket; both are then one bit deeper.
    fn split(&mut self) -> Self;
}

/// Buckets by the bits of the route that follow the first `base`.
#[derive(Clone)]
pub(super) struct Directory<B> {
    pub(super) base: u8,
    bits: u8,
    index: Vec<u32>,
    pub(super) buckets: Vec<Arc<B>>,
}

impl<B> Directory<B> {
    /// A directory of one bucket.
    pub(super) fn new(base: u8, bucket: B) -> Self {
        Directory { base, bits: 0, index: vec![0], buckets: vec![Arc::new(bucket)] }
    }

    #[inline]
    fn slot(&self, route: u64) -> usize {
        // Two shifts, because the sum of both can be the whole width.
        ((route << self.base) >> 1 >> (63 - self.bits)) as usize
    }

    #[inline]
    pub(super) fn bucket(&self, route: u64) -> &B {
        &self.buckets[self.index[self.slot(route)] as usize]
    }
}

impl<B: Bucket> Directory<B> {
    /// The bucket for changing: copied first if it is shared.
    #[inline]
    pub(super) fn bucket_mut(&mut self, route: u64) -> &mut B {
        let at = self.index[self.slot(route)] as usize;
        Arc::make_mut(&mut self.buckets[at])
    }

    /// Splits the bucket of `route` in two.
    #[cold]
    pub(super) fn split_bucket(&mut self, route: u64) {
        let at = self.index[self.slot(route)];
        let depth = self.buckets[at as usize].depth();
        if depth == self.base + self.bits {
            if self.bits == INDEX_BITS_MAX {
                return;
            }
            self.index = self.index.iter().flat_map(|at| [*at, *at]).collect();
            self.bits += 1;
        }
        let right = Arc::make_mut(&mut self.buckets[at as usize]).split();
        let run = 1usize << (self.base + self.bits - depth);
        let start = self.slot(route) & !(run - 1);
        self.index[start + run / 2..start + run].fill(self.buckets.len() as u32);
        self.buckets.push(Arc::new(right));
    }

    /// Takes out the buckets whose next bit is set, as a directory one bit deeper; this one becomes one bit deeper too. There
    /// must be more than one bucket.
    pub(super) fn split_off(&mut self) -> Self {
        let (left, right) = self.index.split_at(self.index.len() / 2);
        let half = |slots: &[u32]| {
            let mut half = Directory { base: self.base + 1, bits: self.bits - 1, index: Vec::new(), buckets: Vec::new() };
            let mut last = None;
            for at in slots {
                // A bucket's slots stand side by side.
                if last.replace(*at) != Some(*at) {
                    half.buckets.push(Arc::clone(&self.buckets[*at as usize]));
                }
                half.index.push(half.buckets.len() as u32 - 1);
            }
            half
        };
        let (left, right) = (half(left), half(right));
        *self = left;
        right
    }
}
