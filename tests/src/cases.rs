//! The case files of `tests/cases`: for each command a block of command lines, to be run one after the other.
//!
//! ```text
//! # A remark.
//! blpop
//!   RPUSH a 1 2
//!   BLPOP a 0
//!   & BLPOP w 0
//!   RPUSH w "\x00\n"
//!   =
//!   ! BLPOP a -1
//! ```
//!
//! The name of the block, `container|subcommand` for a subcommand, is not indented. A line with `!` must be answered with an error,
//! any other must not. A line with `&` is said by another client, which has to wait; by the end of the block all of them are answered. `=`
//! compares what there is at that point. Words in double quotes may have blanks in them, and `\n`, `\r`, `\"`, `\\` and `\xHH`;
//! `"x"*1000` is long.

use std::path::Path;

/// What to do in a case.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Run it; it succeeds.
    Run(Vec<Vec<u8>>),
    /// Run it; it is refused.
    Fail(Vec<Vec<u8>>),
    /// Let another client run it and wait.
    Wait(Vec<Vec<u8>>),
    /// Compare the two servers.
    Compare,
}

/// A block.
#[derive(Debug)]
pub struct Case {
    /// The command, in lower case.
    pub command: String,
    /// Its lines.
    pub steps: Vec<Step>,
}

impl Case {
    /// How many different lines call the command and succeed, and how many of them wait.
    pub fn calls(&self) -> (usize, usize) {
        let name: Vec<&str> = self.command.split('|').collect();
        let is_call = |words: &&Vec<Vec<u8>>| {
            words.len() >= name.len() && words.iter().zip(&name).all(|(word, name)| word.eq_ignore_ascii_case(name.as_bytes()))
        };
        let mut calls: Vec<&Vec<Vec<u8>>> = Vec::new();
        let mut waiting = 0;
        for step in &self.steps {
            match step {
                Step::Run(words) => calls.extend(Some(words).filter(is_call)),
                Step::Wait(words) => waiting += usize::from(is_call(&words)),
                Step::Fail(_) | Step::Compare => {}
            }
        }
        calls.sort();
        calls.dedup();
        (calls.len() + waiting, waiting)
    }
}

/// All blocks of all files. Panics where one cannot be read.
pub fn all() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases");
    let mut files: Vec<_> =
        std::fs::read_dir(folder).expect("the folder of cases").map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    files.iter().flat_map(|file| parse(&std::fs::read_to_string(file).expect("a file of cases"))).collect()
}

fn parse(text: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()) {
        match line.strip_prefix("  ") {
            None => cases.push(Case { command: line.to_string(), steps: Vec::new() }),
            Some(line) => cases.last_mut().expect("a block begins with a name").steps.push(step(line)),
        }
    }
    cases
}

fn step(line: &str) -> Step {
    match line.split_at_checked(2) {
        Some(("! ", rest)) => Step::Fail(words(rest)),
        Some(("& ", rest)) => Step::Wait(words(rest)),
        None if line == "=" => Step::Compare,
        _ => Step::Run(words(line)),
    }
}

/// The words of a line.
pub fn words(line: &str) -> Vec<Vec<u8>> {
    let mut words = Vec::new();
    let mut rest = line.trim();
    while !rest.is_empty() {
        let (word, behind) = match rest.strip_prefix('"') {
            Some(quoted) => repeated(quoted_word(quoted).unwrap_or_else(|| panic!("no closing quote: {line}"))),
            None => {
                let end = rest.find(' ').unwrap_or(rest.len());
                (rest.as_bytes()[..end].to_vec(), &rest[end..])
            }
        };
        assert!(behind.is_empty() || behind.starts_with(' '), "a word ends behind its quote: {line}");
        words.push(word);
        rest = behind.trim_start();
    }
    words
}

/// As often as a number says that stands behind it.
fn repeated((word, behind): (Vec<u8>, &str)) -> (Vec<u8>, &str) {
    let Some(number) = behind.strip_prefix('*') else { return (word, behind) };
    let end = number.find(' ').unwrap_or(number.len());
    (word.repeat(number[..end].parse().expect("a number behind *")), &number[end..])
}

/// A word up to its closing quote, and what stands behind that.
fn quoted_word(text: &str) -> Option<(Vec<u8>, &str)> {
    let mut word = Vec::new();
    let mut rest = text;
    loop {
        let end = rest.find(['"', '\\'])?;
        word.extend_from_slice(&rest.as_bytes()[..end]);
        let (sign, behind) = (rest.as_bytes()[end], &rest[end + 1..]);
        if sign == b'"' {
            return Some((word, behind));
        }
        let (escape, mut behind) = behind.split_at_checked(1)?;
        match escape {
            "n" => word.push(b'\n'),
            "r" => word.push(b'\r'),
            "x" => {
                let (digits, further) = behind.split_at_checked(2)?;
                word.push(u8::from_str_radix(digits, 16).ok()?);
                behind = further;
            }
            other => word.extend_from_slice(other.as_bytes()),
        }
        rest = behind;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_and_unescaped() {
        assert_eq!(words(r#"SET "" "a b\"\\" \x "\x00\xff\r\n""#), [&b"SET"[..], b"", b"a b\"\\", b"\\x", b"\x00\xff\r\n"]);
        assert_eq!(words(r#"A "\x00b"*3 c"#), [&b"A"[..], b"\x00b\x00b\x00b", b"c"]);
    }

    #[test]
    fn a_block_counts_the_different_calls_of_its_command() {
        let cases = parse(
            "# no\nxgroup|create\n  XGROUP CREATE a\n  xgroup create a\n  xgroup create a\n  ! XGROUP CREATE b\n  =\n  & XGROUP CREATE c\n\nget\n",
        );
        assert_eq!(cases[0].calls(), (3, 1));
        assert_eq!((cases[1].command.as_str(), cases[1].calls()), ("get", (0, 0)));
    }
}
