//! `KEYS`-style patterns: `*`, `?`, `[abc]`, `[a-z]`, `[^…]` and `\x`, with the corner cases of Redis's matcher.
//!
//! The matcher is iterative and remembers only the last `*`: every other element takes exactly one byte, so going back further
//! can never help. That makes it quadratic at worst where a recursive one is exponential, and a budget of steps bounds even
//! that: **a match that would need more steps than [`steps_max`] is reported as no match**. It must never allocate.
//!
//! Corner cases, all as Redis 7.0 has them: an unterminated class ends with the pattern; `[]` matches nothing and `[^]`
//! anything; a range may be written backwards, and takes `]` as its end (`[a-]` is an unterminated class); a `\` at the end
//! stands for itself; an escaped byte inside a class is compared with its case even when case is otherwise ignored; and the
//! empty string is matched by the empty pattern only, not even by `*`.

/// Steps that any match may take, however short its inputs are. A step is one comparison, about a nanosecond.
pub const STEPS_MIN: usize = 1 << 20;

/// The budget for one match: [`STEPS_MIN`], and for long inputs at least four passes over both.
pub const fn steps_max(pattern: &[u8], text: &[u8]) -> usize {
    STEPS_MIN.saturating_add(pattern.len().saturating_mul(4)).saturating_add(text.len().saturating_mul(4))
}

/// Whether `text` matches `pattern`, byte for byte.
pub fn matches(pattern: &[u8], text: &[u8]) -> bool {
    run::<false>(pattern, text)
}

/// Whether `text` matches `pattern`, ASCII letters compared without case. `CONFIG GET` and `COMMAND LIST` match so.
pub fn matches_nocase(pattern: &[u8], text: &[u8]) -> bool {
    run::<true>(pattern, text)
}

/// Whether `pattern` matches only itself, so that a look-up may take the place of a scan.
pub fn is_literal(pattern: &[u8]) -> bool {
    !pattern.iter().any(|byte| matches!(byte, b'*' | b'?' | b'[' | b'\\'))
}

fn run<const NOCASE: bool>(pattern: &[u8], text: &[u8]) -> bool {
    if text.is_empty() {
        return pattern.is_empty();
    }
    let mut budget = steps_max(pattern, text);
    let (mut p, mut t) = (0, 0);
    // Where to take up again when a later element fails: just after the last star, and the text position it was tried at.
    let mut retry: Option<(usize, usize)> = None;
    loop {
        if t == text.len() {
            // The text is used up: only stars may be left. Going back would only leave less text for the same pattern.
            return pattern[p..].iter().all(|byte| *byte == b'*');
        }
        if pattern.get(p) == Some(&b'*') {
            while pattern.get(p) == Some(&b'*') {
                p += 1;
            }
            if p == pattern.len() {
                return true;
            }
            retry = Some((p, t));
            continue;
        }
        let (taken, used) = element::<NOCASE>(&pattern[p..], text[t]);
        // `used` is 0 only where the pattern has ended with text left over: nothing was taken, and it costs one step.
        let Some(left) = budget.checked_sub(used.max(1)) else { return false };
        budget = left;
        if taken {
            p += used;
            t += 1;
            continue;
        }
        let Some((after_star, tried)) = retry else { return false };
        p = after_star;
        t = tried + 1;
        retry = Some((p, t));
    }
}

/// Tries the pattern's first element, which is not a star, on one byte: whether it matches, and how long the element is.
#[inline]
fn element<const NOCASE: bool>(pattern: &[u8], byte: u8) -> (bool, usize) {
    match pattern {
        [] => (false, 0),
        [b'?', ..] => (true, 1),
        [b'[', inside @ ..] => class::<NOCASE>(inside, byte),
        [b'\\', escaped, ..] => (same::<NOCASE>(*escaped, byte), 2),
        [literal, ..] => (same::<NOCASE>(*literal, byte), 1),
    }
}

fn same<const NOCASE: bool>(a: u8, b: u8) -> bool {
    if NOCASE { a.eq_ignore_ascii_case(&b) } else { a == b }
}

/// A class, from behind its `[`: whether it matches, and how long it is with its brackets.
fn class<const NOCASE: bool>(inside: &[u8], byte: u8) -> (bool, usize) {
    let (negated, mut at) = if inside.first() == Some(&b'^') { (true, 1) } else { (false, 0) };
    let mut found = false;
    loop {
        match &inside[at..] {
            [] => break,
            [b'\\', escaped, ..] => {
                found |= *escaped == byte;
                at += 2;
            }
            [b']', ..] => {
                at += 1;
                break;
            }
            [a, b'-', b, ..] => {
                let (mut low, mut high, mut byte) = (*a.min(b), *a.max(b), byte);
                if NOCASE {
                    (low, high, byte) = (low.to_ascii_lowercase(), high.to_ascii_lowercase(), byte.to_ascii_lowercase());
                }
                found |= (low..=high).contains(&byte);
                at += 3;
            }
            [literal, ..] => {
                found |= same::<NOCASE>(*literal, byte);
                at += 1;
            }
        }
    }
    (found != negated, at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, text: &str, expected: bool) {
        assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), expected, "{pattern:?} on {text:?}");
    }

    #[test]
    fn wildcards_classes_and_escapes_match_as_documented() {
        for (pattern, text, expected) in [
            ("h?llo", "hello", true),
            ("h?llo", "hllo", false),
            ("h*llo", "heeeello", true),
            ("h*llo", "hllo", true),
            ("h[ae]llo", "hallo", true),
            ("h[ae]llo", "hillo", false),
            ("h[^e]llo", "hello", false),
            ("h[^e]llo", "hallo", true),
            ("h[a-b]llo", "hbllo", true),
            ("h[b-a]llo", "hallo", true),
            ("h\\*llo", "h*llo", true),
            ("h\\*llo", "hallo", false),
            ("a*b*c", "axxbxxbxxc", true),
            ("a*b*c", "axxbxxbxx", false),
            ("*a*", "bbabb", true),
            ("a**", "a", true),
            ("*?", "a", true),
            ("*??", "a", false),
            ("a", "ab", false),
            ("ab", "a", false),
            ("a[\\]]b", "a]b", true),
            ("*[b-d]x*", "aaacxa", true),
        ] {
            check(pattern, text, expected);
        }
    }

    #[test]
    fn malformed_patterns_match_as_in_redis() {
        for (pattern, text, expected) in [
            ("a[bc", "ab", true),
            ("a[bc", "ad", false),
            ("a[^bc", "ad", true),
            ("a[", "ab", false),
            ("a[^", "ab", true),
            ("[]", "]", false),
            ("[^]", "x", true),
            ("[a-]", "a", true),
            ("[a-]x", "ax", false),
            ("[a-", "-", true),
            ("a\\", "a\\", true),
            ("[\\", "\\", true),
            ("*", "", false),
            ("", "", true),
            ("", "a", false),
        ] {
            check(pattern, text, expected);
        }
    }

    #[test]
    fn case_is_ignored_only_when_asked_and_never_for_escapes_inside_classes() {
        assert!(matches_nocase(b"MaxMem*", b"maxmemory"));
        assert!(!matches(b"MaxMem*", b"maxmemory"));
        assert!(matches_nocase(b"[A-C]x", b"bX"));
        assert!(!matches_nocase(b"[\\A]", b"a"));
        assert!(matches_nocase(b"\\A", b"a"));
    }

    #[test]
    fn hostile_patterns_end_within_the_budget() {
        let text = vec![b'a'; 4096];
        let stars = b"a*".repeat(500);
        assert!(!matches(&[&stars[..], b"b"].concat(), &text));
        // Quadratic: 2 M times a pattern of 1 M. It gives up and says no, although the last byte would have matched.
        let mut text = vec![b'a'; 2 << 20];
        text.push(b'b');
        let pattern = [b"*".to_vec(), vec![b'a'; 1 << 20], b"b".to_vec()].concat();
        assert!(!matches(&pattern, &text));
    }

    #[test]
    fn long_keys_get_their_single_pass() {
        let mut text = vec![b'a'; 8 << 20];
        text.push(b'b');
        assert!(matches(b"*b", &text));
    }

    #[test]
    fn only_plain_patterns_count_as_literal() {
        assert!(is_literal(b"user:1") && is_literal(b"]") && is_literal(b""));
        assert!(!is_literal(b"a*") && !is_literal(b"a?") && !is_literal(b"[a]") && !is_literal(b"\\a"));
    }
}
