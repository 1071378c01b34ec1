//! LZF, the compression of strings in RDB files.
//!
//! ```text
//! 000LLLLL                     + L+1 bytes as they are
//! LLLooooo oooooooo            repeat L+2 bytes (L = 1..6) from o+1 bytes back
//! 111ooooo LLLLLLLL oooooooo   repeat L+9 bytes from o+1 bytes back
//! ```
//!
//! Own code rather than the `lzf` crate, which allocates and clears half a megabyte for every string it compresses; it is the
//! reference in the tests. Nothing here knows about the lengths that RDB puts in front.

/// Three bytes of input stand for at most 264 of output, and nothing does better.
pub const RATIO_MAX: usize = 88;

const TABLE_BITS: u32 = 13;
const MATCH_MIN: usize = 3;
const MATCH_MAX: usize = 264;
const OFFSET_MAX: usize = 1 << 13;
const LITERALS_MAX: usize = 32;
/// Longer strings are left alone, so that positions fit the table.
const INPUT_MAX: usize = 1 << 30;

/// A compressor: its table is kept from string to string without being cleared.
pub struct Lzf {
    /// Where each hash was last seen, counted from the beginning of time: anything below `base` is from an earlier string.
    table: Box<[u32]>,
    base: u32,
}

impl Default for Lzf {
    fn default() -> Self {
        Self::new()
    }
}

impl Lzf {
    pub fn new() -> Self {
        Lzf { table: vec![0; 1 << TABLE_BITS].into_boxed_slice(), base: 1 }
    }

    /// Appends `input` in compressed form and returns true, or returns false and appends nothing if that would take more than
    /// `limit` bytes.
    pub fn compress(&mut self, input: &[u8], out: &mut Vec<u8>, limit: usize) -> bool {
        let begin = out.len();
        let done = input.len() <= INPUT_MAX && self.run(input, out, begin.saturating_add(limit)).is_some();
        if !done {
            out.truncate(begin);
        }
        done
    }

    fn run(&mut self, input: &[u8], out: &mut Vec<u8>, end_max: usize) -> Option<()> {
        if self.base > u32::MAX - 2 * INPUT_MAX as u32 {
            self.table.fill(0);
            self.base = 1;
        }
        let base = self.base as usize;
        self.base += input.len() as u32;

        let (mut at, mut literals_from) = (0, 0);
        while at + MATCH_MIN < input.len() {
            let word = u32::from_le_bytes([input[at], input[at + 1], input[at + 2], 0]);
            let slot = &mut self.table[(word.wrapping_mul(0x9E37_79B1) >> (32 - TABLE_BITS)) as usize];
            let seen = std::mem::replace(slot, (base + at) as u32) as usize;
            let candidate = seen.checked_sub(base).filter(|&p| at - p <= OFFSET_MAX && input[p..p + 3] == input[at..at + 3]);
            let Some(candidate) = candidate else {
                // The longer nothing repeats, the larger the steps: random data costs little.
                at += 1 + ((at - literals_from) >> 5);
                continue;
            };
            let len = common_prefix(&input[candidate..], &input[at..]);
            put_literals(input.get(literals_from..at)?, out);
            put_match(at - candidate - 1, len, out);
            if out.len() > end_max {
                return None;
            }
            at += len;
            literals_from = at;
        }
        put_literals(&input[literals_from..], out);
        (out.len() <= end_max).then_some(())
    }
}

/// How many bytes agree, at most [`MATCH_MAX`]. The first slice overlaps the second and is never shorter.
fn common_prefix(earlier: &[u8], here: &[u8]) -> usize {
    here.iter().zip(earlier).take(MATCH_MAX).take_while(|(a, b)| a == b).count()
}

fn put_literals(bytes: &[u8], out: &mut Vec<u8>) {
    for run in bytes.chunks(LITERALS_MAX) {
        out.push(run.len() as u8 - 1);
        out.extend_from_slice(run);
    }
}

fn put_match(offset: usize, len: usize, out: &mut Vec<u8>) {
    let high = (offset >> 8) as u8;
    match len - 2 {
        short @ 1..=6 => out.push((short as u8) << 5 | high),
        long => out.extend_from_slice(&[7 << 5 | high, (long - 7) as u8]),
    }
    out.push(offset as u8);
}

/// Undoes the compression; `None` unless exactly `len` bytes come out. The caller has checked `len` against [`RATIO_MAX`].
pub fn decompress(input: &[u8], len: usize) -> Option<Vec<u8>> {
    if len > input.len().checked_mul(RATIO_MAX)? {
        return None;
    }
    let mut out = Vec::with_capacity(len);
    let mut rest = input;
    while let Some((&control, tail)) = rest.split_first() {
        let control = usize::from(control);
        if control < LITERALS_MAX {
            let (run, tail) = tail.split_at_checked(control + 1)?;
            if run.len() > len - out.len() {
                return None;
            }
            out.extend_from_slice(run);
            rest = tail;
            continue;
        }
        let (more, tail) = match control >> 5 {
            7 => tail.split_first().map(|(&more, tail)| (usize::from(more), tail))?,
            _ => (0, tail),
        };
        let (&low, tail) = tail.split_first()?;
        repeat(&mut out, ((control & 0x1F) << 8 | usize::from(low)) + 1, (control >> 5) + more + 2, len)?;
        rest = tail;
    }
    (out.len() == len).then_some(out)
}

/// Appends `count` bytes from `back` bytes before the end; they may overlap what they produce.
fn repeat(out: &mut Vec<u8>, back: usize, count: usize, len_max: usize) -> Option<()> {
    let from = out.len().checked_sub(back)?;
    if count > len_max - out.len() {
        return None;
    }
    let end = out.len() + count;
    while out.len() < end {
        // What stands between `from` and the end is periodic, so all of it may be copied at once.
        let piece = (out.len() - from).min(end - out.len());
        out.extend_from_within(from..from + piece);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples() -> Vec<Vec<u8>> {
        let mut samples = vec![
            Vec::new(),
            b"a".to_vec(),
            vec![b'a'; 21],
            vec![b'a'; 300],
            vec![0; 100_000],
            b"abcabcabcabcabcabcabcabcabcabc".to_vec(),
            (0..20_000u32).flat_map(|i| format!("user:{i};").into_bytes()).collect(),
        ];
        let mut state = 1u64;
        for len in [3, 4, 5, 30, 200, 9000, 50_000] {
            let mut noise = Vec::new();
            while noise.len() < len {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                // Few different bytes, so that short repeats abound.
                noise.push((state >> 60) as u8);
            }
            samples.push(noise);
        }
        samples
    }

    #[test]
    fn what_is_compressed_comes_back_and_the_reference_agrees() {
        let mut lzf = Lzf::new();
        for sample in samples() {
            let mut packed = Vec::new();
            if lzf.compress(&sample, &mut packed, sample.len() + sample.len() / 16 + 4) && !sample.is_empty() {
                assert_eq!(decompress(&packed, sample.len()).as_ref(), Some(&sample));
                assert_eq!(::lzf::decompress(&packed, sample.len()).as_ref(), Ok(&sample));
            } else {
                assert!(sample.is_empty());
            }
            if let Ok(packed) = ::lzf::compress(&sample) {
                assert_eq!(decompress(&packed, sample.len()), Some(sample));
            }
        }
    }

    #[test]
    fn what_repeats_gets_much_smaller() {
        let mut packed = Vec::new();
        assert!(Lzf::new().compress(&vec![0; 100_000], &mut packed, 2000));
        let sample = &samples()[6];
        packed.clear();
        assert!(Lzf::new().compress(sample, &mut packed, sample.len() * 2 / 3));
    }

    #[test]
    fn the_limit_is_kept_and_nothing_is_left_behind() {
        let mut out = b"before".to_vec();
        assert!(!Lzf::new().compress(&(0..=255).collect::<Vec<u8>>(), &mut out, 252));
        assert_eq!(out, b"before");
    }

    #[test]
    fn the_table_survives_the_end_of_its_count() {
        let mut lzf = Lzf::new();
        for base in [u32::MAX - 2 * INPUT_MAX as u32 - 1, u32::MAX - 2 * INPUT_MAX as u32 + 1] {
            lzf.base = base;
            for sample in samples().iter().skip(2) {
                let mut packed = Vec::new();
                assert!(lzf.compress(sample, &mut packed, sample.len() * 2));
                assert_eq!(decompress(&packed, sample.len()).as_ref(), Some(sample));
            }
        }
    }

    #[test]
    fn damaged_input_never_exceeds_the_announced_size() {
        let sample = samples().swap_remove(11);
        let mut packed = Vec::new();
        assert!(Lzf::new().compress(&sample, &mut packed, sample.len() * 2));
        for at in 0..packed.len() {
            let mut bad = packed.clone();
            bad[at] ^= 0xFF;
            if let Some(out) = decompress(&bad, sample.len()) {
                assert_eq!(out.len(), sample.len());
            }
        }
        assert_eq!(decompress(&packed[..packed.len() - 1], sample.len()), None);
        assert_eq!(decompress(&packed, sample.len() - 1), None);
        assert_eq!(decompress(&[0, 1], usize::MAX), None);
        assert_eq!(decompress(&[0x20, 0], 3), None);
    }
}
