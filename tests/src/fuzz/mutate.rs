//! Making a new input out of old ones.

use crate::Seed;

/// Numbers at which lengths, counts and offsets break.
const EDGES: [u64; 22] = [
    0,
    1,
    2,
    127,
    128,
    253,
    254,
    255,
    256,
    0x3FFF,
    0x4000,
    0x7FFF,
    0xFFFF,
    0x1_0000,
    0x7FFF_FFFF,
    0x8000_0000,
    0xFFFF_FFFE,
    0xFFFF_FFFF,
    0x1_0000_0000,
    0x7FFF_FFFF_FFFF_FFFF,
    0x8000_0000_0000_0000,
    u64::MAX,
];

/// A changed copy of one of the corpus.
pub fn mutate(corpus: &[Vec<u8>], words: &[&[u8]], seed: &mut Seed) -> Vec<u8> {
    // Late arrivals reach deepest, so half of the draws are among the newest quarter.
    let newest = corpus.len() - corpus.len().div_ceil(4);
    let from = if seed.one_in(2) { &corpus[newest..] } else { corpus };
    let mut input = seed.pick(from).clone();
    let mut changes = 1;
    while changes < 32 && !seed.one_in(3) {
        changes += 1;
    }
    for _ in 0..changes {
        change(&mut input, corpus, words, seed);
    }
    input
}

fn change(input: &mut Vec<u8>, corpus: &[Vec<u8>], words: &[&[u8]], seed: &mut Seed) {
    if input.is_empty() {
        let len = 1 + seed.below(16) as usize;
        *input = seed.bytes(len);
        return;
    }
    let at = seed.below(input.len() as u64) as usize;
    match seed.below(13) {
        0 | 1 => input[at] ^= 1 << seed.below(8),
        2 => input[at] = seed.below(256) as u8,
        3 => input[at] = *seed.pick(&EDGES) as u8,
        4 => input[at] = input[at].wrapping_add(if seed.one_in(2) { 1 } else { 255 }),
        5 => {
            let most = if seed.one_in(8) { 300 } else { 8 };
            let len = 1 + seed.below(most) as usize;
            let bytes = if seed.one_in(2) { seed.bytes(len) } else { vec![seed.below(256) as u8; len] };
            input.splice(at..at, bytes);
        }
        6 => _ = input.drain(at..at + piece(input.len() - at, seed)),
        7 => {
            let bytes = input[at..at + piece(input.len() - at, seed)].to_vec();
            let to = seed.below(input.len() as u64 + 1) as usize;
            input.splice(to..to, bytes);
        }
        8 => number(input, at, seed),
        9 => digits(input, at, seed),
        10 if !words.is_empty() => {
            let word = seed.pick(words).to_vec();
            let replaced = if seed.one_in(2) { word.len().min(input.len() - at) } else { 0 };
            input.splice(at..at + replaced, word);
        }
        11 if seed.one_in(4) => input.truncate(at),
        _ => {
            let other = seed.pick(corpus);
            let from = seed.below(other.len() as u64 + 1) as usize;
            if seed.one_in(2) {
                input.truncate(at);
                input.extend_from_slice(&other[from..]);
            } else {
                let len = piece(other.len() - from, seed);
                input.splice(at..at, other[from..from + len].iter().copied());
            }
        }
    }
}

/// The length of a piece of something with `len` bytes: mostly short.
fn piece(len: usize, seed: &mut Seed) -> usize {
    let most = if seed.one_in(8) { len } else { len.min(16) };
    seed.below(most as u64 + 1) as usize
}

/// Puts a number of two, four or eight bytes at `at`: an edge, or what is there and a little more or less.
fn number(input: &mut [u8], at: usize, seed: &mut Seed) {
    let width = (*seed.pick(&[2, 4, 8])).min(input.len() - at);
    let big_endian = seed.one_in(2);
    let mut bytes = [0; 8];
    bytes[..width].copy_from_slice(&input[at..at + width]);
    if big_endian {
        bytes[..width].reverse();
    }
    let value =
        if seed.one_in(2) { *seed.pick(&EDGES) } else { u64::from_le_bytes(bytes).wrapping_add(seed.below(9)).wrapping_sub(4) };
    bytes = value.to_le_bytes();
    if big_endian {
        bytes[..width].reverse();
    }
    input[at..at + width].copy_from_slice(&bytes[..width]);
}

/// Replaces the decimal number at or behind `at` by an edge.
fn digits(input: &mut Vec<u8>, at: usize, seed: &mut Seed) {
    let Some(start) = input[at..].iter().position(u8::is_ascii_digit).map(|skip| at + skip) else { return };
    let len = input[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let edge = *seed.pick(&EDGES);
    let text = match seed.below(4) {
        0 => (edge as i64).to_string(),
        1 => format!("0{edge}"),
        _ => edge.to_string(),
    };
    input.splice(start..start + len, text.into_bytes());
}
