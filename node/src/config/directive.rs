//! What a directive is: its name, what values it takes, and how they are read from and printed as text. Which directives there
//! are stands in `directives`.

use koltso_proto::number::parse_i64;

use super::Config;
use super::text::{Text, memory_text, parse_memory, quote};

/// One directive.
pub struct Directive {
    pub name: &'static str,
    /// The older name; both work everywhere, and the newer one is written by `CONFIG REWRITE`.
    pub alias: Option<&'static str>,
    pub marks: Marks,
    pub kind: Kind,
}

/// What may be done with a directive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks(pub u8);

impl Marks {
    /// Only from the file or the command line: `CONFIG SET` refuses it.
    pub const FIXED: Marks = Marks(1);
    /// `CONFIG SET` needs `enable-protected-configs`.
    pub const PROTECTED: Marks = Marks(2);
    /// `CONFIG GET` shows it only when it is asked for by its full name.
    pub const HIDDEN: Marks = Marks(4);
    /// A secret: kept out of the slow log and `MONITOR`.
    pub const SECRET: Marks = Marks(8);
    /// Accepted so that existing files and scripts go through, and without effect here.
    pub const INERT: Marks = Marks(16);
    /// Not one of Redis's: clients that write back all they have read may name its value.
    pub const OWN: Marks = Marks(32);

    pub const fn has(self, other: Marks) -> bool {
        self.0 & other.0 != 0
    }
}

/// The values a directive takes, and where they are kept.
pub enum Kind {
    Bool {
        get: fn(&Config) -> bool,
        set: fn(&mut Config, bool),
    },
    /// A whole number; only values between `min` and `max` reach `set`.
    Int {
        get: fn(&Config) -> i64,
        set: fn(&mut Config, i64),
        min: i64,
        max: i64,
    },
    /// A file mode.
    Octal {
        get: fn(&Config) -> u32,
        set: fn(&mut Config, u32),
        max: u32,
    },
    Memory {
        get: fn(&Config) -> u64,
        set: fn(&mut Config, u64),
        min: u64,
        max: u64,
    },
    /// An amount of memory, or a share of `maxmemory`.
    MemoryOrPercent {
        get: fn(&Config) -> MemoryOrPercent,
        set: fn(&mut Config, MemoryOrPercent),
    },
    /// One of a few words, by its place among them.
    Choice {
        words: &'static [&'static str],
        get: fn(&Config) -> usize,
        set: fn(&mut Config, usize),
    },
    Text {
        get: fn(&Config) -> &Text,
        set: fn(&mut Config, Text),
        check: fn(&[u8]) -> Result<(), &'static str>,
    },
    /// Several arguments, or a form of its own.
    Special(&'static Special),
}

/// A directive with code of its own; see `special`.
pub struct Special {
    /// Whether it takes any number of arguments in a file, and words separated by spaces in `CONFIG SET`.
    pub many: bool,
    pub get: fn(&Config) -> Vec<u8>,
    pub set: fn(&mut Config, &[&[u8]]) -> Result<(), String>,
    /// The lines `CONFIG REWRITE` writes for it, given the configuration and the defaults.
    pub lines: fn(&Config, &Config) -> Vec<RewriteLine>,
}

/// A line for `CONFIG REWRITE` without the directive's name, and whether it must be written even where the file has none.
pub type RewriteLine = (Vec<u8>, bool);

/// An amount of memory, or a share of `maxmemory`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryOrPercent {
    Bytes(u64),
    Percent(u8),
}

impl MemoryOrPercent {
    /// The amount in bytes, given what all of it is.
    pub fn of(self, all: u64) -> u64 {
        match self {
            MemoryOrPercent::Bytes(bytes) => bytes,
            MemoryOrPercent::Percent(percent) => (u128::from(all) * u128::from(percent) / 100) as u64,
        }
    }
}

impl Directive {
    /// Whether it takes several arguments.
    pub fn takes_many(&self) -> bool {
        matches!(&self.kind, Kind::Special(special) if special.many)
    }

    /// The value as `CONFIG GET` prints it.
    pub fn get(&self, config: &Config) -> Vec<u8> {
        match &self.kind {
            Kind::Bool { get, .. } => if get(config) { "yes" } else { "no" }.into(),
            Kind::Int { get, .. } => get(config).to_string().into(),
            Kind::Octal { get, .. } => format!("{:o}", get(config)).into(),
            Kind::Memory { get, .. } => get(config).to_string().into(),
            Kind::MemoryOrPercent { get, .. } => match get(config) {
                MemoryOrPercent::Bytes(bytes) => bytes.to_string().into(),
                MemoryOrPercent::Percent(percent) => format!("{percent}%").into(),
            },
            Kind::Choice { words, get, .. } => words[get(config)].into(),
            Kind::Text { get, .. } => get(config).as_bytes().to_vec(),
            Kind::Special(special) => (special.get)(config),
        }
    }

    /// Changes the value. Nothing is changed when this fails.
    ///
    /// # Errors
    /// What is wrong with the value, in Redis's words.
    pub fn set(&self, config: &mut Config, args: &[&[u8]]) -> Result<(), String> {
        if let Kind::Special(special) = &self.kind {
            return (special.set)(config, args);
        }
        let [value] = args else { return Err("wrong number of arguments".into()) };
        match &self.kind {
            Kind::Bool { set, .. } => set(config, parse_bool(value)?),
            Kind::Int { set, min, max, .. } => set(config, parse_int(value, *min, *max)?),
            Kind::Octal { set, max, .. } => set(config, parse_octal(value, *max)?),
            Kind::Memory { set, min, max, .. } => {
                let bytes = parse_memory(value).ok_or("argument must be a memory value")?;
                if !(*min..=*max).contains(&bytes) {
                    return Err(out_of_range(min, max));
                }
                set(config, bytes);
            }
            Kind::MemoryOrPercent { set, .. } => set(config, parse_memory_or_percent(value)?),
            Kind::Choice { words, set, .. } => set(config, parse_word(value, words)?),
            Kind::Text { set, check, .. } => {
                check(value)?;
                set(config, Text::from(*value));
            }
            Kind::Special(_) => {}
        }
        Ok(())
    }

    /// The lines `CONFIG REWRITE` writes.
    pub fn lines(&self, config: &Config, defaults: &Config) -> Vec<RewriteLine> {
        let changed = self.get(config) != self.get(defaults);
        let line = match &self.kind {
            Kind::Special(special) => return (special.lines)(config, defaults),
            // A text that is not set has no line, so that removing a password removes it from the file.
            Kind::Text { get, .. } if get(config).is_empty() => return Vec::new(),
            Kind::Text { get, .. } => {
                let mut line = Vec::new();
                quote(&mut line, get(config).as_bytes());
                line
            }
            Kind::Memory { get, .. } => memory_text(get(config)).into(),
            Kind::MemoryOrPercent { get, .. } => match get(config) {
                MemoryOrPercent::Bytes(bytes) => memory_text(bytes).into(),
                MemoryOrPercent::Percent(_) => self.get(config),
            },
            _ => self.get(config),
        };
        vec![(line, changed)]
    }
}

fn out_of_range(min: impl std::fmt::Display, max: impl std::fmt::Display) -> String {
    format!("argument must be between {min} and {max} inclusive")
}

pub(super) fn parse_bool(value: &[u8]) -> Result<bool, String> {
    match value {
        _ if value.eq_ignore_ascii_case(b"yes") => Ok(true),
        _ if value.eq_ignore_ascii_case(b"no") => Ok(false),
        _ => Err("argument must be 'yes' or 'no'".into()),
    }
}

fn parse_int(value: &[u8], min: i64, max: i64) -> Result<i64, String> {
    let number = parse_i64(value).ok_or("argument couldn't be parsed into an integer")?;
    if (min..=max).contains(&number) { Ok(number) } else { Err(out_of_range(min, max)) }
}

fn parse_octal(value: &[u8], max: u32) -> Result<u32, String> {
    let digits = !value.is_empty() && value.len() <= 8 && value.iter().all(|byte| matches!(byte, b'0'..=b'7'));
    if !digits {
        return Err("argument couldn't be parsed as an octal number".into());
    }
    let mode = value.iter().fold(0, |mode, byte| mode << 3 | u32::from(byte - b'0'));
    if mode <= max { Ok(mode) } else { Err(format!("argument must be between 0 and {max:o} inclusive")) }
}

fn parse_memory_or_percent(value: &[u8]) -> Result<MemoryOrPercent, String> {
    const WRONG: &str = "argument must be a memory or percent value";
    let Some((b'%', share)) = value.split_last() else {
        return parse_memory(value).map(MemoryOrPercent::Bytes).ok_or_else(|| WRONG.into());
    };
    let share = parse_i64(share).filter(|share| *share >= 0).ok_or(WRONG)?;
    match u8::try_from(share) {
        Ok(share @ 0..=100) => Ok(MemoryOrPercent::Percent(share)),
        _ => Err("percentage argument must be less or equal to 100".into()),
    }
}

/// The place of `value` among `words`.
pub(super) fn parse_word(value: &[u8], words: &[&str]) -> Result<usize, String> {
    let place = words.iter().position(|word| value.eq_ignore_ascii_case(word.as_bytes()));
    place.ok_or_else(|| format!("argument(s) must be one of the following: {}", words.join(", ")))
}
