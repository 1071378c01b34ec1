//! The options of `SET`.

use crate::commands::errors::{self, Outcome};
use crate::commands::parse::{self, TimeUnit};
use koltso_proto::id::UnixMs;
use koltso_proto::resp::Args;

/// What becomes of the deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// There is none afterwards.
    None,
    /// It stays as it is.
    Keep,
    /// It is this.
    At(UnixMs),
}

/// The options of `SET`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetOptions {
    /// `NX`: only if the key does not exist.
    pub only_new: bool,
    /// `XX`: only if the key exists.
    pub only_existing: bool,
    /// `GET`: reply with the old value.
    pub get: bool,
    /// `EX`, `PX`, `EXAT`, `PXAT`, `KEEPTTL`.
    pub expiry: Expiry,
}

impl SetOptions {
    /// Whether neither condition nor reply depends on what the key holds.
    pub fn is_unconditional(&self) -> bool {
        !self.only_new && !self.only_existing && !self.get
    }

    /// The options in `args` from `first` on.
    ///
    /// # Errors
    /// Options that do not go together, or a time that `SET` does not take.
    pub fn parse(args: Args<'_>, first: usize, now: UnixMs) -> Outcome<Self> {
        let mut words = parse::Options::new(args, first);
        let mut options = SetOptions { only_new: false, only_existing: false, get: false, expiry: Expiry::None };
        let mut keep = false;
        let mut time: Option<(TimeUnit, &[u8])> = None;
        while let Some(word) = words.next() {
            if let Some(unit) = TimeUnit::of_option(word) {
                // The same unit twice is no conflict: the last one counts.
                if keep || time.is_some_and(|(known, _)| known != unit) {
                    return Err(errors::SYNTAX);
                }
                time = Some((unit, words.value()?));
                continue;
            }
            match &*parse::upper(word) {
                b"NX" if !options.only_existing => options.only_new = true,
                b"XX" if !options.only_new => options.only_existing = true,
                b"GET" => options.get = true,
                b"KEEPTTL" if time.is_none() => keep = true,
                _ => return Err(errors::SYNTAX),
            }
        }
        // Only after all words were understood: a syntax error comes before a time that is out of range.
        options.expiry = match time {
            Some((unit, text)) => Expiry::At(unit.deadline(text, now, "set")?),
            None if keep => Expiry::Keep,
            None => Expiry::None,
        };
        Ok(options)
    }
}
