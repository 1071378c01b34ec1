//! What a core counts of commands and errors, for `INFO`: calls by command, error replies by their code.

use koltso_proto::command;

/// Codes told apart; the code of an error can be anything a client sends (`DEBUG ERROR`).
const CODES_MAX: usize = 128;
/// The longest code.
const CODE_LEN_MAX: usize = 64;

/// The counts of one core.
#[derive(Debug)]
pub struct Tally {
    /// Commands run since the counters were last added up.
    pub processed: u64,
    /// Error replies likewise.
    pub errors: u64,
    /// Calls of each command and subcommand, by its index, since the start or `CONFIG RESETSTAT`.
    calls: Box<[u64]>,
    /// Error replies by code, likewise.
    codes: Vec<(String, u64)>,
}

impl Default for Tally {
    fn default() -> Self {
        Tally { processed: 0, errors: 0, calls: vec![0; command::count()].into(), codes: Vec::new() }
    }
}

impl Tally {
    /// A command is run.
    #[inline]
    pub fn note_call(&mut self, index: usize) {
        self.processed += 1;
        self.calls[index] += 1;
    }

    /// Counts a reply if it is an error. The reply is RESP.
    #[inline]
    pub fn note_reply(&mut self, reply: &[u8]) {
        if let [b'-', error @ ..] = reply {
            self.note_error(error);
        }
    }

    /// An error is replied; its text begins with its code.
    #[cold]
    pub fn note_error(&mut self, text: &[u8]) {
        self.errors += 1;
        let code = text.split(|byte| byte.is_ascii_whitespace()).next().unwrap_or_default();
        let code = &code[..code.len().min(CODE_LEN_MAX)];
        match self.codes.iter().position(|(known, _)| known.as_bytes() == code) {
            Some(at) => self.codes[at].1 += 1,
            None if self.codes.len() < CODES_MAX => self.codes.push((String::from_utf8_lossy(code).into_owned(), 1)),
            None => {}
        }
    }

    /// Calls by command name; those that were never called are left out.
    pub fn calls(&self) -> Vec<(&'static str, u64)> {
        let called = command::every().iter().map(|spec| (spec.name, self.calls[spec.index()]));
        called.filter(|(_, count)| *count > 0).collect()
    }

    /// Error replies by code.
    pub fn codes(&self) -> &[(String, u64)] {
        &self.codes
    }

    /// Forgets everything (`CONFIG RESETSTAT`).
    pub fn reset(&mut self) {
        *self = Tally::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_counted_apart_and_only_so_many() {
        let mut tally = Tally::default();
        for reply in ["-ERR one", "-ERR two", "-WRONGTYPE x", "+OK", "$-1", "-ALONE\r\n"] {
            tally.note_reply(reply.as_bytes());
        }
        let expected = [("ERR", 2), ("WRONGTYPE", 1), ("ALONE", 1)].map(|(code, count)| (code.to_string(), count));
        assert_eq!(tally.codes(), expected);
        for i in 0..2 * CODES_MAX {
            tally.note_error(format!("E{i} text").as_bytes());
        }
        assert_eq!((tally.codes().len(), tally.errors), (CODES_MAX, 4 + 2 * CODES_MAX as u64));
    }

    #[test]
    fn calls_are_named() {
        let mut tally = Tally::default();
        let get = command::lookup(b"config").and_then(|config| config.subcommand(b"get")).unwrap();
        tally.note_call(get.index());
        tally.note_call(get.index());
        assert_eq!(tally.calls(), [("config|get", 2)]);
        tally.reset();
        assert_eq!(tally.calls(), []);
    }
}
