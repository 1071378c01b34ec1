//! What a primary says during a synchronisation, line by line.
//!
//! ```text
//! we:  PSYNC <replication id> <offset>     or  PSYNC ? -1
//! it:  +FULLRESYNC <replication id> <offset>     a snapshot follows
//!    | +CONTINUE [<replication id>]              the stream follows, from where we asked
//!    | -NOMASTERLINK … | -LOADING …              not now
//!    | -…                                        not at all
//! it:  $<length>  |  $EOF:<40 bytes>             before a snapshot, which the same 40 bytes follow in the second form
//! ```
//!
//! Lines end with LF, mostly with CR LF; a primary that is busy sends empty ones. Everything here comes from a peer that may be
//! anybody, so every form that is not one of these is [`Malformed`]. What to do about it is not decided here.

use crate::id::{Offset, ReplId};
use crate::number::parse_i64;
use std::fmt;

/// The longest line a primary may send, in bytes.
pub const LINE_LEN_MAX: usize = 16 * 1024;
/// How much of a malformed line is shown.
const SHOWN_LEN_MAX: usize = 128;

/// What follows the request to go on or to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A snapshot of this history at this offset follows.
    FullResync(ReplId, Offset),
    /// The stream follows; under this id, if it has changed.
    Continue(Option<ReplId>),
    /// It cannot serve a replica at the moment.
    NotNow,
    /// It does not know the request, or refuses it.
    Refused,
}

/// How a snapshot is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// It has this many bytes.
    Length(u64),
    /// This mark follows it.
    Mark([u8; 40]),
}

/// A line that is none of those that can be here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// A line without an end: more than [`LINE_LEN_MAX`] bytes.
    Endless,
    /// Not an answer to `PSYNC`.
    Answer(String),
    /// Not the beginning of a snapshot.
    Framing(String),
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Malformed::Endless => f.write_str("it answers with an endless line"),
            Malformed::Answer(line) => write!(f, "it answers PSYNC with {line}"),
            Malformed::Framing(line) => write!(f, "it announces its snapshot with {line}"),
        }
    }
}

impl std::error::Error for Malformed {}

/// A line for a log: quoted, without control characters, and not too long.
pub fn shown(line: &[u8]) -> String {
    let more = if line.len() > SHOWN_LEN_MAX { "…" } else { "" };
    format!("\"{}\"{more}", line[..line.len().min(SHOWN_LEN_MAX)].escape_ascii())
}

/// The first line in `received` that is not empty, without its end; `None` while it is not all there. And how many bytes are
/// done with: the line, and empty ones in front of it.
///
/// # Errors
/// [`Malformed::Endless`]
pub fn next_line(received: &[u8]) -> Result<(Option<&[u8]>, usize), Malformed> {
    let start = received.iter().position(|byte| !matches!(byte, b'\r' | b'\n')).unwrap_or(received.len());
    let rest = &received[start..];
    match memchr::memchr(b'\n', &rest[..rest.len().min(LINE_LEN_MAX + 1)]) {
        Some(len) => {
            let line = &rest[..len];
            Ok((Some(line.strip_suffix(b"\r").unwrap_or(line)), start + len + 1))
        }
        None if rest.len() > LINE_LEN_MAX => Err(Malformed::Endless),
        None => Ok((None, start)),
    }
}

/// Reads the answer to `PSYNC`.
///
/// # Errors
/// [`Malformed::Answer`]
pub fn answer(line: &[u8]) -> Result<Answer, Malformed> {
    let read = || {
        if let Some(rest) = line.strip_prefix(b"+FULLRESYNC ") {
            let (id, offset) = rest.split_at_checked(40)?;
            let offset = Offset::parse(offset.strip_prefix(b" ")?.trim_ascii_end())?;
            return Some(Answer::FullResync(ReplId::parse(id)?, offset));
        }
        if let Some(rest) = line.strip_prefix(b"+CONTINUE") {
            return match rest.trim_ascii_end() {
                b"" => Some(Answer::Continue(None)),
                rest => Some(Answer::Continue(Some(ReplId::parse(rest.strip_prefix(b" ")?)?))),
            };
        }
        if line.starts_with(b"-NOMASTERLINK") || line.starts_with(b"-LOADING") {
            return Some(Answer::NotNow);
        }
        line.starts_with(b"-").then_some(Answer::Refused)
    };
    read().ok_or_else(|| Malformed::Answer(shown(line)))
}

/// Reads the line in front of a snapshot.
///
/// # Errors
/// [`Malformed::Framing`]
pub fn framing(line: &[u8]) -> Result<Framing, Malformed> {
    let read = || {
        let rest = line.strip_prefix(b"$")?;
        match rest.strip_prefix(b"EOF:") {
            Some(mark) => mark.try_into().ok().map(Framing::Mark),
            None => u64::try_from(parse_i64(rest)?).ok().map(Framing::Length),
        }
    };
    read().ok_or_else(|| Malformed::Framing(shown(line)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef01234567";

    #[test]
    fn what_real_servers_answer_is_read() {
        let id = ReplId::parse(ID.as_bytes()).unwrap();
        assert_eq!(answer(format!("+FULLRESYNC {ID} 1234").as_bytes()), Ok(Answer::FullResync(id, Offset(1234))));
        assert_eq!(answer(b"+CONTINUE"), Ok(Answer::Continue(None)));
        assert_eq!(answer(format!("+CONTINUE {ID}").as_bytes()), Ok(Answer::Continue(Some(id))));
        assert_eq!(answer(b"-NOMASTERLINK Can't SYNC while not connected with my master"), Ok(Answer::NotNow));
        assert_eq!(answer(b"-LOADING Redis is loading the dataset in memory"), Ok(Answer::NotNow));
        assert_eq!(answer(b"-ERR unknown command 'PSYNC'"), Ok(Answer::Refused));
        assert_eq!(framing(b"$0"), Ok(Framing::Length(0)));
        assert_eq!(framing(b"$9223372036854775807"), Ok(Framing::Length(i64::MAX as u64)));
        assert_eq!(framing(format!("$EOF:{ID}").as_bytes()), Ok(Framing::Mark(ID.as_bytes().try_into().unwrap())));
    }

    #[test]
    fn anything_else_is_refused() {
        for line in [
            "",
            "+",
            "+OK",
            "+FULLRESYNC",
            "+FULLRESYNC ",
            "+FULLRESYNC ? 1",
            &format!("+FULLRESYNC {ID}"),
            &format!("+FULLRESYNC {ID} "),
            &format!("+FULLRESYNC {ID} -1"),
            &format!("+FULLRESYNC {ID} 1x"),
            &format!("+FULLRESYNC {ID} 9223372036854775807"),
            &format!("+FULLRESYNC {ID} 18446744073709551616"),
            &format!("+FULLRESYNC {ID}0 1"),
            &format!("+FULLRESYNC x{} 1", &ID[1..]),
            &format!("+CONTINUE{ID}"),
            &format!("+CONTINUE {}", &ID[1..]),
            "+CONTINUED",
            "$5",
        ] {
            assert!(matches!(answer(line.as_bytes()), Err(Malformed::Answer(_))), "{line}");
        }
        for line in ["", "$", "5", "$-1", "$1x", "$+1", "$01", "$EOF:", &format!("$EOF:{}", &ID[1..]), &format!("$EOF:{ID}0")] {
            assert!(matches!(framing(line.as_bytes()), Err(Malformed::Framing(_))), "{line}");
        }
    }

    #[test]
    fn lines_are_found_wherever_the_bytes_are_cut() {
        let received = b"\n\r\n+PONG\r\nrest";
        for cut in 0..10 {
            assert_eq!(next_line(&received[..cut]), Ok((None, cut.min(3))));
        }
        assert_eq!(next_line(received), Ok((Some(&b"+PONG"[..]), 10)));
        assert_eq!(next_line(b"a\nb\n"), Ok((Some(&b"a"[..]), 2)));
        let long = vec![b'x'; LINE_LEN_MAX + 1];
        assert_eq!(next_line(&long[1..]), Ok((None, 0)));
        assert_eq!(next_line(&long), Err(Malformed::Endless));
        // A primary may send nothing but empty lines for long; nobody has to keep them.
        assert_eq!(next_line(&vec![b'\n'; LINE_LEN_MAX * 2]), Ok((None, LINE_LEN_MAX * 2)));
    }

    #[test]
    fn a_line_cannot_write_into_the_log() {
        let shown = shown(b"a\x1b[31m\r\n\xff");
        assert!(shown.bytes().all(|byte| (0x20..0x7f).contains(&byte)), "{shown}");
        assert!(super::shown(&[b'x'; 20_000]).len() < 200);
    }
}
