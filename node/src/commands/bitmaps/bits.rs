//! Reading and writing runs of bits in a slice. Positions count from the most significant bit of the first byte.

use std::ops::Range;

/// One bit; 0 behind the end.
pub(super) fn get(bytes: &[u8], at: u64) -> bool {
    usize::try_from(at / 8).ok().and_then(|byte| bytes.get(byte)).is_some_and(|byte| byte >> (7 - at % 8) & 1 == 1)
}

/// Up to 64 bits as an unsigned number; those behind the end are 0.
pub(super) fn get_field(bytes: &[u8], at: u64, width: u32) -> u64 {
    let first = usize::try_from(at / 8).unwrap_or(usize::MAX);
    let mut window = [0; 16];
    // Nine bytes hold any 64 bits.
    let there = bytes.get(first..).unwrap_or_default();
    let there = &there[..there.len().min(9)];
    window[..there.len()].copy_from_slice(there);
    let shifted = u128::from_be_bytes(window) << (at % 8);
    (shifted >> (128 - width)) as u64
}

/// Replaces up to 64 bits, all of which are there.
pub(super) fn set_field(bytes: &mut [u8], at: u64, width: u32, value: u64) {
    let first = (at / 8) as usize;
    let len = bytes.len().saturating_sub(first).min(9);
    let mut window = [0; 16];
    window[..len].copy_from_slice(&bytes[first..first + len]);
    let shift = 128 - width - (at % 8) as u32;
    let mask = (u128::MAX >> (128 - width)) << shift;
    let merged = u128::from_be_bytes(window) & !mask | (u128::from(value) << shift) & mask;
    bytes[first..first + len].copy_from_slice(&merged.to_be_bytes()[..len]);
}

/// How many bits are set.
pub(super) fn count(bytes: &[u8], range: Range<u64>) -> u64 {
    let (first, last) = ((range.start / 8) as usize, (range.end.div_ceil(8)) as usize);
    let Some(bytes) = bytes.get(first..last) else { return 0 };
    let (words, rest) = bytes.as_chunks::<8>();
    let whole: u64 = words.iter().map(|word| u64::from(u64::from_ne_bytes(*word).count_ones())).sum();
    let rest: u64 = rest.iter().map(|byte| u64::from(byte.count_ones())).sum();
    let before = bytes.first().map_or(0, |byte| (u32::from(*byte) >> (8 - range.start % 8)).count_ones());
    let behind = match range.end % 8 {
        0 => 0,
        kept => bytes.last().map_or(0, |byte| (byte << kept).count_ones()),
    };
    whole + rest - u64::from(before) - u64::from(behind)
}

/// The first bit in `range` that is as `wanted`. All of the range is there.
pub(super) fn find(bytes: &[u8], range: Range<u64>, wanted: bool) -> Option<u64> {
    let passed_over = if wanted { 0 } else { u8::MAX };
    let at_byte = |byte: usize| {
        let from = (byte as u64 * 8).max(range.start);
        (from..((byte as u64 + 1) * 8).min(range.end)).find(|at| get(bytes, *at) == wanted)
    };
    let (first, last) = ((range.start / 8) as usize, range.end.div_ceil(8) as usize);
    if first >= last {
        return None;
    }
    // The first byte may be met in its middle; behind it, a byte that has a wanted bit has it in range, unless it is the last.
    at_byte(first).or_else(|| {
        let rest = bytes.get(first + 1..last)?;
        let word_of = |word: &[u8; 8]| *word != [passed_over; 8];
        let (words, _) = rest.as_chunks::<8>();
        let skip = words.iter().position(word_of).unwrap_or(words.len()) * 8;
        let byte = skip + rest[skip..].iter().position(|byte| *byte != passed_over)?;
        at_byte(first + 1 + byte)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYTES: [u8; 12] = [0x12, 0xff, 0x00, 0x80, 0x01, 0xfe, 0x7f, 0x55, 0xaa, 0x00, 0xff, 0x31];

    fn slow(bytes: &[u8], range: Range<u64>) -> Vec<bool> {
        range.map(|at| get(bytes, at)).collect()
    }

    #[test]
    fn every_range_is_counted_and_searched_as_bit_by_bit() {
        for start in 0..96 {
            for end in start..=96 {
                let bits = slow(&BYTES, start..end);
                assert_eq!(count(&BYTES, start..end), bits.iter().filter(|bit| **bit).count() as u64, "{start}..{end}");
                for wanted in [true, false] {
                    let expected = bits.iter().position(|bit| *bit == wanted).map(|at| at as u64 + start);
                    assert_eq!(find(&BYTES, start..end, wanted), expected, "{start}..{end} {wanted}");
                }
            }
        }
    }

    #[test]
    fn fields_of_any_width_are_what_was_written_and_nothing_beside_them_changes() {
        for width in 1..=64 {
            for at in 0..96 - u64::from(width) {
                let mut bytes = BYTES;
                let value = 0xDEAD_BEEF_CAFE_F00D_u64 >> (64 - width);
                set_field(&mut bytes, at, width, value);
                assert_eq!(get_field(&bytes, at, width), value, "{width} at {at}");
                let end = at + u64::from(width);
                assert_eq!(slow(&bytes, 0..at), slow(&BYTES, 0..at));
                assert_eq!(slow(&bytes, end..96), slow(&BYTES, end..96));
            }
        }
        assert_eq!(get_field(&BYTES, 92, 8), 0x10);
        assert_eq!(get_field(&BYTES, 4_000, 64), 0);
        assert_eq!(get_field(&[], u64::MAX - 64, 64), 0);
    }
}
