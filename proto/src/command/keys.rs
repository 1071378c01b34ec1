//! Where the keys of an invocation are, and what is done with each.
//!
//! Every key spec resolves to one range of arguments, and no command has more than three, so nothing is allocated, however many
//! keys there are. Finding keys must not judge the rest of the command line: that is the handler's work, and what cannot be
//! located here is an error of the arguments that the handler will report.

use super::{CommandSpec, Flags, KeyFlags, Special};
use crate::number::parse_i64;

/// Where keys begin and how many there are; the same model as the key specifications that `COMMAND INFO` prints.
#[derive(Clone, Copy, Debug)]
pub struct KeySpec {
    pub begin: Begin,
    pub find: Find,
    pub flags: KeyFlags,
    /// One sentence where the rest does not explain itself, or empty.
    pub notes: &'static str,
}

/// Where the search for keys begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    Unknown,
    /// At that argument.
    Index(u8),
    /// Behind the first argument that equals `word` without case, looked for from `from` on; if `from` is negative, from that
    /// many arguments before the end backwards.
    Keyword {
        word: &'static str,
        from: i8,
    },
}

/// How the keys lie from there on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Find {
    Unknown,
    /// Up to `last`: counted from the first key, or from the end of the arguments if negative. With a `limit` above 1, only the first
    /// `1/limit` of the remaining arguments are keys.
    Range {
        last: i8,
        step: u8,
        limit: u8,
    },
    /// The argument `num` places on says how many keys there are; the first is `first` places on.
    KeyNum {
        num: u8,
        first: u8,
        step: u8,
    },
}

/// What can be known about a command's keys without looking at an invocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyShape {
    /// It has no keys.
    None,
    /// It has exactly one, always at this argument.
    One(u8),
    /// It has to be looked at.
    Many,
}

/// Some of the arguments of an invocation: every `step`th from `first` to `last`, which is included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyRange {
    pub first: usize,
    pub last: usize,
    pub step: usize,
    pub flags: KeyFlags,
}

impl KeyRange {
    const EMPTY: KeyRange = KeyRange { first: 1, last: 0, step: 1, flags: KeyFlags::NONE };

    const fn at(position: usize, flags: KeyFlags) -> Self {
        KeyRange { first: position, last: position, step: 1, flags }
    }

    /// The positions.
    pub fn positions(self) -> impl Iterator<Item = usize> + Clone {
        (self.first..self.last + 1).step_by(self.step)
    }
}

/// The keys of one invocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyPositions {
    ranges: [KeyRange; 3],
    count: u8,
    /// Keys may be reached besides these: such as only the data names (`SORT … BY weight_* GET object_*`), or because the word
    /// that keys follow stands there again, and only the command can tell which is the keyword and which a name or a value
    /// (`XREADGROUP COUNT 1 GROUP g streams STREAMS k >`). All shards are needed.
    pub open_ended: bool,
}

impl KeyPositions {
    const NONE: KeyPositions = KeyPositions { ranges: [KeyRange::EMPTY; 3], count: 0, open_ended: false };

    fn push(&mut self, range: KeyRange) {
        self.ranges[usize::from(self.count)] = range;
        self.count += 1;
    }

    /// The keys in groups that share their flags.
    pub fn ranges(&self) -> &[KeyRange] {
        &self.ranges[..usize::from(self.count)]
    }

    /// Each key's position among the arguments, with its flags.
    pub fn iter(&self) -> impl Iterator<Item = (usize, KeyFlags)> + '_ {
        self.ranges().iter().flat_map(|range| range.positions().map(|position| (position, range.flags)))
    }

    /// Whether there are no keys.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

/// The keys cannot be located: too few arguments, or a count of keys that is no number or does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeysError;

impl CommandSpec {
    /// What is known about the keys without looking at an invocation. Routing of the common commands needs no more.
    #[inline]
    pub const fn key_shape(&self) -> KeyShape {
        self.shape
    }

    /// Finds the keys among `argc` arguments, of which `arg` returns one; number 0 is the command's name. For a subcommand,
    /// positions count from the container's name.
    ///
    /// # Errors
    /// [`KeysError`] if they cannot be located. The command would answer with an error as well.
    pub fn keys<'a>(&self, argc: usize, arg: impl Fn(usize) -> &'a [u8]) -> Result<KeyPositions, KeysError> {
        let mut found = KeyPositions::NONE;
        if self.special == Special::Migrate {
            migrate(&mut found, self.keys[0].flags, argc, arg)?;
            return Ok(found);
        }
        for (at, spec) in self.keys.iter().enumerate() {
            if spec.flags.has(KeyFlags::NOT_KEY) {
                continue;
            }
            match spec.resolve(argc, &arg) {
                Resolved::Range(range) => {
                    found.push(range);
                    found.open_ended |= spec.is_doubtful(range, argc, &arg);
                }
                Resolved::Absent if at > 0 || spec.begin == Begin::Unknown => {}
                Resolved::NoKeys if self.flags.has(Flags::NO_MANDATORY_KEYS) => {}
                _ => return Err(KeysError),
            }
        }
        match self.special {
            Special::Set => set_flags(&mut found, argc, arg),
            Special::Bitfield => bitfield_flags(&mut found, argc, arg),
            Special::Sort => sort(&mut found, self.flags.has(Flags::WRITE), argc, arg),
            Special::None | Special::Migrate => {}
        }
        Ok(found)
    }
}

enum Resolved {
    Range(KeyRange),
    /// The keyword is not there, or nothing stands behind it.
    Absent,
    /// The count says 0.
    NoKeys,
    Wrong,
}

impl KeySpec {
    fn resolve<'a>(&self, argc: usize, arg: &impl Fn(usize) -> &'a [u8]) -> Resolved {
        let (start, missing) = match self.begin {
            Begin::Unknown => return Resolved::Absent,
            Begin::Index(index) => (usize::from(index), Resolved::Wrong),
            Begin::Keyword { word, from } => match find_keyword(word, from, argc, arg) {
                Some(at) => (at + 1, Resolved::Absent),
                None => return Resolved::Absent,
            },
        };
        if start >= argc {
            return missing;
        }
        let (first, last, step) = match self.find {
            Find::Unknown => return Resolved::Absent,
            Find::Range { last, step, limit } => {
                let last = if last >= 0 {
                    Some(start + usize::from(last.unsigned_abs()))
                } else if limit <= 1 {
                    argc.checked_sub(usize::from(last.unsigned_abs()))
                } else {
                    (start + (argc - start) / usize::from(limit)).checked_sub(usize::from(last.unsigned_abs()))
                };
                (start, last, step)
            }
            Find::KeyNum { num, first, step } => {
                let at = start + usize::from(num);
                let Some(count) = (at < argc).then(|| parse_i64(arg(at))).flatten() else { return Resolved::Wrong };
                let first = start + usize::from(first);
                match usize::try_from(count) {
                    Ok(0) => return Resolved::NoKeys,
                    Ok(count) if count <= argc => (first, Some(first + (count - 1) * usize::from(step)), step),
                    _ => return Resolved::Wrong,
                }
            }
        };
        match last {
            Some(last) if first <= last && last < argc => {
                Resolved::Range(KeyRange { first, last, step: usize::from(step.max(1)), flags: self.flags })
            }
            _ => Resolved::Wrong,
        }
    }
}

impl KeySpec {
    /// Whether the keyword stands again behind the place where it was found.
    fn is_doubtful<'a>(&self, found: KeyRange, argc: usize, arg: &impl Fn(usize) -> &'a [u8]) -> bool {
        match self.begin {
            Begin::Keyword { word, from: 0.. } => (found.first..argc).any(|at| arg(at).eq_ignore_ascii_case(word.as_bytes())),
            _ => false,
        }
    }
}

fn find_keyword<'a>(word: &str, from: i8, argc: usize, arg: &impl Fn(usize) -> &'a [u8]) -> Option<usize> {
    let is_word = |at: &usize| arg(*at).eq_ignore_ascii_case(word.as_bytes());
    if from >= 0 {
        (usize::from(from.unsigned_abs())..argc).find(is_word)
    } else {
        (1..=argc.checked_sub(usize::from(from.unsigned_abs()))?).rev().find(is_word)
    }
}

/// `SET` reads the old value when `GET` is among its options.
fn set_flags<'a>(found: &mut KeyPositions, argc: usize, arg: impl Fn(usize) -> &'a [u8]) {
    let reads = (3..argc).any(|at| arg(at).eq_ignore_ascii_case(b"get"));
    found.ranges[0].flags = if reads { super::row::RW_ACCESS_UPDATE } else { super::row::OW_UPDATE };
}

/// `BITFIELD` only reads when all its operations are `GET`.
fn bitfield_flags<'a>(found: &mut KeyPositions, argc: usize, arg: impl Fn(usize) -> &'a [u8]) {
    let mut at = 2;
    let mut writes = false;
    while at < argc {
        let name = arg(at);
        at += if name.eq_ignore_ascii_case(b"get") {
            3
        } else if name.eq_ignore_ascii_case(b"overflow") {
            2
        } else {
            writes = true;
            4
        };
    }
    found.ranges[0].flags = if writes { super::row::RW_ACCESS_UPDATE } else { super::row::RO_ACCESS };
}

/// The options of `SORT`: the last `STORE` counts, and patterns reach other keys.
fn sort<'a>(found: &mut KeyPositions, stores: bool, argc: usize, arg: impl Fn(usize) -> &'a [u8]) {
    let mut store = None;
    let mut at = 2;
    while at < argc {
        let option = arg(at);
        if option.eq_ignore_ascii_case(b"limit") {
            at += 2;
        } else if option.eq_ignore_ascii_case(b"by") || option.eq_ignore_ascii_case(b"get") {
            at += 1;
            found.open_ended |= at < argc && arg(at).contains(&b'*');
        } else if stores && option.eq_ignore_ascii_case(b"store") && at + 1 < argc {
            at += 1;
            store = Some(at);
        }
        at += 1;
    }
    if let Some(store) = store {
        found.push(KeyRange::at(store, super::row::OW_UPDATE));
    }
}

/// `MIGRATE host port key …`, or with an empty key `… KEYS key …`.
fn migrate<'a>(
    found: &mut KeyPositions,
    flags: KeyFlags,
    argc: usize,
    arg: impl Fn(usize) -> &'a [u8],
) -> Result<(), KeysError> {
    let mut at = 6;
    while at < argc {
        let option = arg(at);
        if option.eq_ignore_ascii_case(b"keys") {
            if !arg(3).is_empty() || at + 1 >= argc {
                return Err(KeysError);
            }
            found.push(KeyRange { first: at + 1, last: argc - 1, step: 1, flags });
            return Ok(());
        }
        at += if option.eq_ignore_ascii_case(b"auth") {
            2
        } else if option.eq_ignore_ascii_case(b"auth2") {
            3
        } else {
            1
        };
    }
    if argc <= 3 {
        return Err(KeysError);
    }
    found.push(KeyRange::at(3, flags));
    Ok(())
}

/// What [`KeyShape`] a command with these specs has.
pub(super) const fn shape(specs: &[KeySpec]) -> KeyShape {
    match specs {
        [] => KeyShape::None,
        [spec] if spec.flags.has(KeyFlags::NOT_KEY) => KeyShape::None,
        [KeySpec { begin: Begin::Index(index), find: Find::Range { last: 0, .. }, .. }] => KeyShape::One(*index),
        _ => KeyShape::Many,
    }
}

/// The first/last/step triple that old clients understand, and whether it misses keys. It covers the specs that are plain ranges
/// following one another; a single range may have any step.
pub(super) const fn legacy_range(specs: &[KeySpec]) -> ((i8, i8, i8), bool) {
    if let [KeySpec { begin: Begin::Index(index), find: Find::Range { last, step, limit: 0 }, flags, .. }] = specs {
        let last = if *last >= 0 { *index as i8 + *last } else { *last };
        return ((*index as i8, last, *step as i8), flags.has(KeyFlags::INCOMPLETE));
    }
    let (mut first_key, mut last_key, mut movable) = (0i8, 0i8, false);
    let mut at = 0;
    while at < specs.len() {
        match (specs[at].begin, specs[at].find) {
            (Begin::Index(index), Find::Range { last, step: 1, .. }) if last_key == 0 || last_key == index as i8 - 1 => {
                movable |= specs[at].flags.has(KeyFlags::INCOMPLETE);
                if first_key == 0 {
                    first_key = index as i8;
                }
                last_key = if last >= 0 { index as i8 + last } else { last };
            }
            _ => movable = true,
        }
        at += 1;
    }
    if first_key == 0 { ((0, 0, 0), movable) } else { ((first_key, last_key, 1), movable) }
}
