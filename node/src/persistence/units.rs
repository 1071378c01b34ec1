//! Reading what a segment holds: commands, annotations and transactions, strictly, as far as they are whole.
//!
//! ```text
//!  bytes of the file ──feed──► [ whole units │ a unit that is not whole yet ] ──take──► bytes for the apply path
//! ```
//!
//! A unit is a command, or everything from `MULTI` to `EXEC`. Only whole units are given out, without annotations. Where a file
//! ends in the middle of one, that is a torn tail; anything that no continuation could make a command of is damage. No I/O here.

use koltso_proto::number::parse_i64;

/// The longest line of an annotation, as Redis reads them, in bytes.
const ANNOTATION_LEN_MAX: usize = 1024;
/// The longest line that announces a length.
const HEADER_LEN_MAX: usize = 32;

/// Something in a file that is no command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Where, in bytes from the file's beginning.
    pub at: u64,
    /// What is wrong there.
    pub why: String,
}

/// How a file ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// Where the last whole unit ends.
    pub good: u64,
    /// Whether there is something behind that: a part of a command, or a transaction that has no end.
    pub torn: bool,
    /// Whether it is a transaction.
    pub in_transaction: bool,
    /// Commands that belong to whole units.
    pub commands: u64,
    /// Whether there are annotations that say when what follows them was written.
    pub has_times: bool,
    /// Whether one of them was later than [`Units::until_s`].
    pub is_over: bool,
}

/// What is to be thought of a command.
pub type Judge<'a> = &'a dyn Fn(&[&[u8]]) -> Result<(), String>;

/// Splits a file into units.
#[derive(Default)]
pub struct Units {
    buf: Vec<u8>,
    /// Where in the file `buf` begins.
    base: u64,
    /// How far `buf` has been looked at.
    at: usize,
    /// Where the last whole unit ends, in the file.
    good: u64,
    in_transaction: bool,
    /// Commands of the transaction that is open.
    open: Vec<u8>,
    /// Commands, and those of them that belong to whole units.
    commands: u64,
    whole_commands: u64,
    has_times: bool,
    /// What was written later than this, in seconds since the epoch, is not looked at.
    pub until_s: Option<i64>,
    is_over: bool,
}

enum Parsed {
    Whole(usize),
    More,
    Bad(&'static str),
}

impl Units {
    /// For a file whose first `skip` bytes are something else.
    pub fn new(skip: u64) -> Self {
        Units { base: skip, good: skip, ..Units::default() }
    }

    /// Adds the next bytes of the file, and appends those to `out` that belong to units which are whole by now.
    ///
    /// # Errors
    /// When there is damage, or something that `judge` refuses.
    pub fn feed(&mut self, bytes: &[u8], judge: Judge<'_>, out: &mut Vec<u8>) -> Result<(), Damage> {
        if self.is_over {
            return Ok(());
        }
        self.buf.extend_from_slice(bytes);
        let mut spans = Vec::new();
        loop {
            let rest = &self.buf[self.at..];
            spans.clear();
            let parsed = match rest.first() {
                None => break,
                Some(b'#') => annotation(rest),
                Some(_) => command(rest, &mut spans),
            };
            let len = match parsed {
                Parsed::Whole(len) => len,
                Parsed::More => break,
                Parsed::Bad(why) => return Err(self.damage(why)),
            };
            if spans.is_empty()
                && let Some(time_s) = time_of(&rest[..len])
            {
                self.has_times = true;
                if self.until_s.is_some_and(|until_s| time_s > until_s) {
                    self.is_over = true;
                    self.buf.clear();
                    (self.at, self.in_transaction) = (0, false);
                    return Ok(());
                }
            }
            if !spans.is_empty() {
                self.commands += 1;
                let args: Vec<&[u8]> = spans.iter().map(|&(start, end)| &rest[start..end]).collect();
                judge(&args).map_err(|why| self.damage(&why))?;
                let is = |word: &[u8]| args[0].eq_ignore_ascii_case(word);
                match (self.in_transaction, is(b"multi"), is(b"exec")) {
                    (true, true, _) => return Err(self.damage("a MULTI within a MULTI")),
                    (false, _, true) => return Err(self.damage("an EXEC without a MULTI")),
                    (false, true, _) => {
                        self.in_transaction = true;
                        self.open.extend_from_slice(&rest[..len]);
                    }
                    (true, _, true) => {
                        self.in_transaction = false;
                        out.append(&mut self.open);
                        out.extend_from_slice(&rest[..len]);
                    }
                    (true, false, false) => self.open.extend_from_slice(&rest[..len]),
                    (false, false, false) => out.extend_from_slice(&rest[..len]),
                }
            }
            self.at += len;
            if !self.in_transaction {
                self.good = self.base + self.at as u64;
                self.whole_commands = self.commands;
            }
        }
        self.buf.drain(..self.at);
        self.base += self.at as u64;
        self.at = 0;
        Ok(())
    }

    /// The file has ended.
    pub fn end(&self) -> End {
        let torn = self.in_transaction || !self.buf.is_empty();
        let Units { good, in_transaction, whole_commands: commands, has_times, is_over, .. } = *self;
        End { good, torn, in_transaction, commands, has_times, is_over }
    }

    /// What has been read of a command that is not whole.
    pub fn rest(&self) -> &[u8] {
        &self.buf
    }

    fn damage(&self, why: &str) -> Damage {
        Damage { at: self.base + self.at as u64, why: why.to_string() }
    }
}

/// Whether what looks like the first part of a long command has other commands in it, to the very end of the file: then it is no
/// torn tail, but a length that is wrong, and cutting it off would lose what follows.
pub fn hides_commands(rest: &[u8]) -> bool {
    /// So much of it is looked at, from its end, in bytes; and so many places where a command may begin.
    const LOOKED_AT: usize = 1 << 20;
    const PLACES_MAX: usize = 4096;
    let window = &rest[rest.len().saturating_sub(LOOKED_AT)..];
    memchr::memmem::rfind_iter(window, b"\r\n*").take(PLACES_MAX).any(|at| {
        let mut from = at + 2;
        let mut spans = Vec::new();
        while from < window.len() {
            spans.clear();
            match command(&window[from..], &mut spans) {
                Parsed::Whole(len) => from += len,
                Parsed::More | Parsed::Bad(_) => return false,
            }
        }
        true
    })
}

fn annotation(input: &[u8]) -> Parsed {
    match memchr::memchr(b'\n', &input[..input.len().min(ANNOTATION_LEN_MAX)]) {
        Some(end) => Parsed::Whole(end + 1),
        None if input.len() >= ANNOTATION_LEN_MAX => Parsed::Bad("an annotation that is too long"),
        None => Parsed::More,
    }
}

/// When what follows an annotation was written, in seconds since the epoch, if it says so.
fn time_of(annotation: &[u8]) -> Option<i64> {
    parse_i64(annotation.strip_prefix(b"#TS:")?.strip_suffix(b"\r\n")?)
}

/// A command at the beginning of `input`; `spans` gets its arguments.
fn command(input: &[u8], spans: &mut Vec<(usize, usize)>) -> Parsed {
    let (count, mut at) = match header(input, b'*') {
        Ok(Some((count, len))) if count >= 1 && count <= i32::MAX as u64 => (count, len),
        Ok(Some(_)) => return Parsed::Bad("a command that has no such number of arguments"),
        Ok(None) => return Parsed::More,
        Err(why) => return Parsed::Bad(why),
    };
    for _ in 0..count {
        let (len, header_len) = match header(&input[at..], b'$') {
            Ok(Some(found)) => found,
            Ok(None) => return Parsed::More,
            Err(why) => return Parsed::Bad(why),
        };
        let start = at + header_len;
        let Some(end) = usize::try_from(len).ok().and_then(|len| start.checked_add(len)).filter(|&end| end < usize::MAX - 2)
        else {
            return Parsed::Bad("an argument of an impossible length");
        };
        match input.get(end..end + 2) {
            Some(b"\r\n") => {}
            Some(_) => return Parsed::Bad("an argument that does not end where it should"),
            None if input.get(end).is_some_and(|&byte| byte != b'\r') => {
                return Parsed::Bad("an argument that does not end where it should");
            }
            None => return Parsed::More,
        }
        spans.push((start, end));
        at = end + 2;
    }
    Parsed::Whole(at)
}

/// A line that announces a length: it, and the line's own length. `None` if the line is not whole.
fn header(input: &[u8], sign: u8) -> Result<Option<(u64, usize)>, &'static str> {
    const WRONG: &str = "something that is no command";
    match input.first() {
        None => return Ok(None),
        Some(&first) if first == sign => {}
        Some(_) => return Err(WRONG),
    }
    let mut value = 0u64;
    for (at, &byte) in input.iter().enumerate().skip(1).take(HEADER_LEN_MAX) {
        match byte {
            b'0'..=b'9' => {
                let digit = u64::from(byte - b'0');
                value = value.checked_mul(10).and_then(|value| value.checked_add(digit)).ok_or(WRONG)?;
            }
            b'\r' if at > 1 => {
                return match input.get(at + 1) {
                    None => Ok(None),
                    Some(b'\n') => Ok(Some((value, at + 2))),
                    Some(_) => Err(WRONG),
                };
            }
            _ => return Err(WRONG),
        }
    }
    if input.len() > HEADER_LEN_MAX { Err(WRONG) } else { Ok(None) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANY: Judge<'static> = &|_| Ok(());
    const FILE: &[u8] = b"#TS:1\r\n*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*3\r\n$3\r\nSET\r\n$1\r\na\r\n$4\r\n\r\n*1\r\n*1\r\n$5\r\nMULTI\r\n#TS:2\r\n\
        *2\r\n$3\r\nDEL\r\n$1\r\na\r\n*2\r\n$4\r\nINCR\r\n$1\r\nb\r\n*1\r\n$4\r\nEXEC\r\n*1\r\n$4\r\nPING\r\n";

    fn read(bytes: &[u8], step: usize) -> (Result<(), Damage>, Vec<u8>, End) {
        let (mut units, mut out) = (Units::new(0), Vec::new());
        let outcome = bytes.chunks(step).try_for_each(|chunk| units.feed(chunk, ANY, &mut out));
        (outcome, out, units.end())
    }

    #[test]
    fn a_file_cut_anywhere_gives_its_whole_units_and_nothing_else() {
        let whole = String::from_utf8_lossy(FILE).replace("#TS:1\r\n", "").replace("#TS:2\r\n", "").into_bytes();
        assert_eq!(read(FILE, FILE.len()).1, whole);
        for cut in 0..=FILE.len() {
            for step in [1, 7, FILE.len()] {
                let (outcome, out, end) = read(&FILE[..cut], step);
                assert_eq!(outcome, Ok(()), "cut at {cut}");
                assert!(whole.starts_with(&out));
                assert_eq!(end.torn, end.good != cut as u64, "cut at {cut}: {end:?}");
                // What is called good is read again as it was.
                assert_eq!(read(&FILE[..end.good as usize], 64).1, out);
                let open = String::from_utf8_lossy(&out).matches("MULTI").count();
                assert_eq!(open, String::from_utf8_lossy(&out).matches("EXEC").count());
            }
        }
    }

    #[test]
    fn damage_is_found_where_it_is() {
        for (text, at) in [
            ("*1\r\n$4\r\nPING\r\nxyz", 14),
            ("*1\r\n$4\r\nPINGxx\r\n", 0),
            ("*0\r\n", 0),
            ("*-1\r\n", 0),
            ("*1\r\n$-1\r\n", 0),
            ("*1\n$4\nPING\n", 0),
            ("*99999999999\r\n", 0),
            ("*1\r\n$99999999999999999999\r\n", 0),
            ("*1\r\n$18446744073709551615\r\n", 0),
            ("*\r\n", 0),
            ("*1\r\n$4\r\nEXEC\r\n", 0),
            ("*1\r\n$5\r\nMULTI\r\n*1\r\n$5\r\nMULTI\r\n", 15),
            ("PING\r\n", 0),
        ] {
            for step in [1, 100] {
                let (outcome, ..) = read(text.as_bytes(), step);
                assert_eq!(outcome.map_err(|damage| damage.at), Err(at), "{text:?}");
            }
        }
        let long = [&b"#"[..], &[b'x'; 2000]].concat();
        assert!(read(&long, 100).0.is_err());
    }

    #[test]
    fn a_length_that_swallows_commands_is_no_torn_tail() {
        let file = b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$9000\r\nb\r\n*1\r\n$4\r\nPING\r\n*1\r\n$4\r\nPING\r\n";
        let mut units = Units::new(0);
        units.feed(file, ANY, &mut Vec::new()).unwrap();
        assert!(units.end().torn && hides_commands(units.rest()));
        for cut in 0..FILE.len() {
            let mut units = Units::new(0);
            units.feed(&FILE[..cut], ANY, &mut Vec::new()).unwrap();
            assert!(!hides_commands(units.rest()), "cut at {cut}");
        }
    }

    #[test]
    fn what_was_written_later_is_not_looked_at() {
        // Of a transaction that is not over by then nothing counts.
        let before_transaction = FILE.windows(13).position(|bytes| bytes == b"*1\r\n$5\r\nMULTI").unwrap();
        for (until_s, good) in [(0, 0), (1, before_transaction), (2, FILE.len())] {
            for step in [1, 7, FILE.len()] {
                let mut units = Units { until_s: Some(until_s), ..Units::default() };
                FILE.chunks(step).try_for_each(|chunk| units.feed(chunk, ANY, &mut Vec::new())).unwrap();
                let end = units.end();
                assert_eq!((end.is_over, end.has_times, end.torn), (until_s < 2, true, false));
                assert_eq!(end.good, good as u64, "{until_s}");
            }
        }
    }

    #[test]
    fn what_is_not_wanted_is_refused_with_its_place() {
        let judge: Judge<'_> = &|args| if args[0] == b"PING" { Err("not this".to_string()) } else { Ok(()) };
        let damage = Units::new(100).feed(FILE, judge, &mut Vec::new()).unwrap_err();
        assert_eq!(damage.at, 100 + FILE.len() as u64 - 14);
    }
}
