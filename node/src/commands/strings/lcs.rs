//! `LCS`: the longest common subsequence of two strings.
//!
//! A table of the lengths for all pairs of prefixes, then one way back through it. Which of several longest subsequences is
//! found depends on that way, so it is the same as in Redis. The table costs memory in the product of the lengths; it is bounded
//! by `proto-max-bulk-len` before it is made.

use crate::commands::errors::{self, Error, Outcome};
use crate::commands::{Ctx, parse};
use crate::shard::value::ValueRef;
use koltso_proto::resp::{Args, Reply};
use std::ops::Range;

const NOT_STRINGS: Error = Error::fixed("ERR The specified keys must contain string values");
const LEN_AND_IDX: Error = Error::fixed("ERR If you want both the length and indexes, please just use IDX.");
const TOO_BIG: Error = Error::fixed("ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len");

#[derive(Default)]
struct Options {
    only_len: bool,
    ranges: bool,
    with_match_len: bool,
    match_len_min: usize,
}

/// `LCS key1 key2 [LEN] [IDX] [MINMATCHLEN n] [WITHMATCHLEN]`.
pub fn lcs(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let first = string_or_empty(cx, args.get(1))?;
    let second = string_or_empty(cx, args.get(2))?;
    let options = Options::parse(args)?;
    let table = Table::new(&first, &second, cx.config.proto_max_bulk_len)?;
    if options.only_len {
        cx.reply.len(table.total());
        return Ok(());
    }
    let matches = table.matches();
    if options.ranges {
        write_ranges(cx.reply, &matches, table.total(), &options);
    } else {
        let parts: Vec<&[u8]> = matches.iter().rev().map(|(a, _)| &first[a.clone()]).collect();
        cx.reply.bulk(&parts.concat());
    }
    Ok(())
}

/// A copy, since both strings are looked at together and reading the one may expire the other.
fn string_or_empty(cx: &mut Ctx<'_>, key: &[u8]) -> Outcome<Vec<u8>> {
    match cx.read(key).map(|entry| entry.value()) {
        None => Ok(Vec::new()),
        Some(ValueRef::Str(text)) => Ok(text.to_vec()),
        Some(_) => Err(NOT_STRINGS),
    }
}

impl Options {
    fn parse(args: Args<'_>) -> Outcome<Self> {
        let mut words = parse::Options::new(args, 3);
        let mut options = Options::default();
        while let Some(word) = words.next() {
            match &*parse::upper(word) {
                b"LEN" => options.only_len = true,
                b"IDX" => options.ranges = true,
                b"WITHMATCHLEN" => options.with_match_len = true,
                b"MINMATCHLEN" => options.match_len_min = parse::int(words.value()?)?.max(0) as usize,
                _ => return Err(errors::SYNTAX),
            }
        }
        if options.only_len && options.ranges {
            return Err(LEN_AND_IDX);
        }
        Ok(options)
    }
}

fn write_ranges(reply: &mut Reply, matches: &[(Range<usize>, Range<usize>)], total: usize, options: &Options) {
    let wanted = || matches.iter().filter(|(a, _)| a.len() >= options.match_len_min);
    reply.map(2);
    reply.bulk(b"matches");
    reply.array(wanted().count());
    for (a, b) in wanted() {
        reply.array(if options.with_match_len { 3 } else { 2 });
        for range in [a, b] {
            reply.array(2);
            reply.len(range.start);
            reply.len(range.end - 1);
        }
        if options.with_match_len {
            reply.len(a.len());
        }
    }
    reply.bulk(b"len");
    reply.len(total);
}

/// `lens[i * width + j]` is the length of the longest common subsequence of the first `i` and the first `j` bytes.
struct Table<'a> {
    a: &'a [u8],
    b: &'a [u8],
    width: usize,
    lens: Vec<u32>,
}

impl<'a> Table<'a> {
    fn new(a: &'a [u8], b: &'a [u8], bytes_max: u64) -> Outcome<Self> {
        let width = b.len() + 1;
        let cells = (a.len() + 1).checked_mul(width).ok_or(TOO_BIG)?;
        if cells.checked_mul(size_of::<u32>()).is_none_or(|bytes| bytes as u64 > bytes_max) {
            return Err(TOO_BIG);
        }
        let mut lens = vec![0u32; cells];
        for (i, x) in a.iter().enumerate() {
            let (above, row) = lens[i * width..(i + 2) * width].split_at_mut(width);
            for (j, y) in b.iter().enumerate() {
                row[j + 1] = if x == y { above[j] + 1 } else { above[j + 1].max(row[j]) };
            }
        }
        Ok(Table { a, b, width, lens })
    }

    fn total(&self) -> usize {
        self.lens.last().map_or(0, |&len| len as usize)
    }

    /// The stretches of both strings that are common and adjoining in both, from the last to the first.
    fn matches(&self) -> Vec<(Range<usize>, Range<usize>)> {
        let (mut i, mut j) = (self.a.len(), self.b.len());
        let mut matches: Vec<(Range<usize>, Range<usize>)> = Vec::new();
        while i > 0 && j > 0 {
            if self.a[i - 1] == self.b[j - 1] {
                (i, j) = (i - 1, j - 1);
                match matches.last_mut() {
                    Some((a, b)) if a.start == i + 1 && b.start == j + 1 => (a.start, b.start) = (i, j),
                    _ => matches.push((i..i + 1, j..j + 1)),
                }
            } else if self.lens[(i - 1) * self.width + j] > self.lens[i * self.width + j - 1] {
                i -= 1;
            } else {
                j -= 1;
            }
        }
        matches
    }
}
