//! Patterns, beside a matcher that does it the slow and obvious way.

use koltso_proto::glob::{is_literal, matches, matches_nocase};

use super::{Target, nothing_to_mend, signature};
use crate::Seed;

/// The first line is the pattern, the rest the text.
pub const GLOB: Target = Target { name: "glob", samples, words: WORDS, mend: nothing_to_mend, run };

const WORDS: &[&[u8]] = &[b"*", b"?", b"[", b"]", b"[^", b"-", b"\\", b"[a-z]", b"[z-a]", b"\n", b"a", b"aaaa", b"**"];
/// The slow matcher is asked up to this length of each, in bytes.
const SHORT: usize = 96;

fn samples() -> Vec<Vec<u8>> {
    let samples: [&[u8]; 7] = [
        b"h[a-e]llo*\nhello world",
        b"a*b*c\naxxbxxbxxc",
        b"[^\\]x-]*\\*?\nyz*a",
        b"[a-\nabc",
        b"[\n[",
        b"user:*:name\nuser:1000:name",
        b"a*a*a*a*a*a*a*b\naaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    ];
    samples.iter().map(|sample| sample.to_vec()).collect()
}

fn run(input: &[u8], _: &mut Seed) -> u64 {
    let split = input.iter().position(|byte| *byte == b'\n').unwrap_or(input.len());
    let (pattern, text) = (&input[..split], input.get(split + 1..).unwrap_or_default());
    let exact = matches(pattern, text);
    let folded = matches_nocase(pattern, text);
    if is_literal(pattern) {
        assert_eq!(exact, pattern == text);
        assert_eq!(folded, pattern.eq_ignore_ascii_case(text));
    }
    if pattern.len() <= SHORT && text.len() <= SHORT {
        assert_eq!(exact, slowly(&elements(pattern), text), "{:?} on {:?}", show(pattern), show(text));
    }
    signature((exact, folded, elements(pattern).len().min(12), text.len().min(12)))
}

fn show(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

enum Element {
    Star,
    Any,
    Byte(u8),
    Class { negated: bool, ranges: Vec<(u8, u8)> },
}

/// Takes a pattern apart, as `koltso_proto::glob` documents it.
fn elements(pattern: &[u8]) -> Vec<Element> {
    let mut elements = Vec::new();
    let mut rest = pattern;
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        elements.push(match first {
            b'*' => Element::Star,
            b'?' => Element::Any,
            b'\\' if !tail.is_empty() => {
                rest = &tail[1..];
                Element::Byte(tail[0])
            }
            b'[' => {
                let negated = tail.first() == Some(&b'^');
                let (ranges, behind) = ranges(&tail[usize::from(negated)..]);
                rest = behind;
                Element::Class { negated, ranges }
            }
            byte => Element::Byte(byte),
        });
    }
    elements
}

/// The ranges of a class, and what is behind its end.
fn ranges(inside: &[u8]) -> (Vec<(u8, u8)>, &[u8]) {
    let mut ranges = Vec::new();
    let mut rest = inside;
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        if first == b']' {
            break;
        } else if first == b'\\' && !tail.is_empty() {
            ranges.push((tail[0], tail[0]));
            rest = &tail[1..];
        } else if tail.len() >= 2 && tail[0] == b'-' {
            ranges.push((first.min(tail[1]), first.max(tail[1])));
            rest = &tail[2..];
        } else {
            ranges.push((first, first));
        }
    }
    (ranges, rest)
}

/// Which beginnings of the text the pattern's first elements can take up, element by element.
fn slowly(elements: &[Element], text: &[u8]) -> bool {
    if text.is_empty() {
        return elements.is_empty();
    }
    let mut reached = vec![false; text.len() + 1];
    reached[0] = true;
    for element in elements {
        let mut next = vec![false; text.len() + 1];
        for at in 0..=text.len() {
            next[at] = match element {
                Element::Star => reached[..=at].contains(&true),
                _ => at > 0 && reached[at - 1] && takes(element, text[at - 1]),
            };
        }
        reached = next;
    }
    reached[text.len()]
}

fn takes(element: &Element, byte: u8) -> bool {
    match element {
        Element::Star | Element::Any => true,
        Element::Byte(wanted) => *wanted == byte,
        Element::Class { negated, ranges } => ranges.iter().any(|(low, high)| (*low..=*high).contains(&byte)) != *negated,
    }
}
