//! A user, its selectors, and how both are written down.

use koltso_proto::command;
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// What is kept of a password.
pub type Hash = [u8; 32];

/// A user.
#[derive(Clone, Debug)]
pub struct User {
    /// Its name.
    pub name: Box<[u8]>,
    /// Which user this is: one that is removed and made again is another.
    pub(super) id: u64,
    /// Whether somebody may log in as this user.
    pub enabled: bool,
    /// Whether any password will do.
    pub nopass: bool,
    /// Whether payloads of `RESTORE` are to be looked through, if that was said. Kept and shown; they always are.
    pub sanitizes: Option<bool>,
    pub(super) passwords: Vec<Hash>,
    /// Each of them alone may allow a command. The first is the user's own.
    pub(super) selectors: Vec<Selector>,
}

/// What is allowed together.
#[derive(Clone, Debug)]
pub struct Selector {
    pub(super) all_keys: bool,
    pub(super) all_channels: bool,
    /// Whether every command is allowed.
    pub(super) all_commands: bool,
    /// Whether the rules began with all commands, and not with none.
    pub(super) from_all: bool,
    /// One bit for each command and subcommand, by its index.
    allowed: Box<[u64]>,
    /// Commands that are allowed only with one of these as their first argument.
    pub(super) first_args: Vec<(usize, Vec<u8>)>,
    pub(super) keys: Vec<KeyPattern>,
    pub(super) channels: Vec<Vec<u8>>,
    /// What has changed since the beginning, in this order.
    pub(super) rules: Vec<CommandRule>,
}

/// Keys, and what may be done with them.
#[derive(Clone, Debug)]
pub(super) struct KeyPattern {
    pub read: bool,
    pub write: bool,
    pub pattern: Vec<u8>,
}

/// A rule about commands, as it is written down.
#[derive(Clone, Debug)]
pub(super) struct CommandRule {
    pub allow: bool,
    /// A command, a subcommand, a command with its first argument, or a category with its `@`.
    pub text: Vec<u8>,
    /// The commands that it decides about, by index; none if it is about a first argument.
    pub about: Vec<usize>,
}

impl User {
    /// A user who may do nothing yet.
    pub fn new(name: &[u8], all_channels: bool) -> Self {
        User {
            name: name.into(),
            id: 0,
            enabled: false,
            nopass: false,
            sanitizes: None,
            passwords: Vec::new(),
            selectors: vec![Selector::new(all_channels)],
        }
    }

    /// A user who may do everything, and needs no password.
    pub fn almighty(name: &[u8]) -> Self {
        let mut user = User::new(name, true);
        user.enabled = true;
        user.nopass = true;
        user.selectors[0].all_keys = true;
        user.selectors[0].set_all_commands(true);
        user
    }

    /// Whether nothing is forbidden to it.
    pub fn is_almighty(&self) -> bool {
        self.selectors.iter().any(|selector| selector.all_commands && selector.all_keys && selector.all_channels)
    }

    /// Whether everybody who connects is this user, without a password.
    pub fn is_open(&self) -> bool {
        self.enabled && self.nopass
    }

    /// Whether somebody with this password may log in.
    pub fn admits(&self, password: &[u8]) -> bool {
        if !self.enabled {
            return false;
        }
        let given = hash(password);
        // All of them are looked at, whatever is found: the time it takes tells nothing.
        self.nopass || self.passwords.iter().fold(false, |found, known| found | same(known, &given))
    }

    /// Makes this password the only one; none if it is empty.
    pub(super) fn set_only_password(&mut self, password: &[u8]) {
        self.passwords.clear();
        self.nopass = password.is_empty();
        if !self.nopass {
            self.passwords.push(hash(password));
        }
    }

    /// The words that describe it in `ACL GETUSER`.
    pub fn flags(&self) -> Vec<&'static str> {
        let mut flags = vec![if self.enabled { "on" } else { "off" }];
        flags.extend(self.nopass.then_some("nopass"));
        flags.extend(self.sanitizes.map(|does| if does { "sanitize-payload" } else { "skip-sanitize-payload" }));
        flags
    }

    /// Its passwords, as 64 hexadecimal digits each.
    pub fn passwords(&self) -> impl ExactSizeIterator<Item = String> + '_ {
        self.passwords.iter().map(hex)
    }

    /// Its selectors, the user's own first.
    pub fn selectors(&self) -> &[Selector] {
        &self.selectors
    }

    /// Rules that would make this user again: what follows `user` and its name in a file.
    pub fn describe(&self) -> Vec<u8> {
        let mut text = self.flags().join(" ").into_bytes();
        for password in self.passwords() {
            text.extend_from_slice(format!(" #{password}").as_bytes());
        }
        for (nth, selector) in self.selectors.iter().enumerate() {
            let rules = selector.describe();
            text.extend_from_slice(if nth > 0 { b" (" } else { b" " });
            text.extend_from_slice(&rules);
            text.extend_from_slice(if nth > 0 { b")" } else { b"" });
        }
        text
    }

    /// A line of a file.
    pub fn line(&self) -> Vec<u8> {
        [b"user ", &*self.name, b" ", &self.describe()].concat()
    }
}

impl Selector {
    /// One that allows nothing yet, but perhaps every channel.
    pub(super) fn new(all_channels: bool) -> Self {
        Selector {
            all_keys: false,
            all_channels,
            all_commands: false,
            from_all: false,
            allowed: vec![0; command::every().len().div_ceil(64)].into(),
            first_args: Vec::new(),
            keys: Vec::new(),
            channels: Vec::new(),
            rules: Vec::new(),
        }
    }

    /// Whether the command or subcommand with this index is allowed, whatever its arguments.
    #[inline]
    pub(super) fn allows(&self, index: usize) -> bool {
        self.allowed[index / 64] >> (index % 64) & 1 == 1
    }

    pub(super) fn allow(&mut self, index: usize, allow: bool) {
        let bit = 1 << (index % 64);
        if allow {
            self.allowed[index / 64] |= bit;
        } else {
            self.allowed[index / 64] &= !bit;
            self.all_commands = false;
        }
    }

    pub(super) fn set_all_commands(&mut self, all: bool) {
        self.all_commands = all;
        self.from_all = all;
        self.allowed.fill(if all { u64::MAX } else { 0 });
        self.first_args.clear();
        self.rules.clear();
    }

    /// Its rules about commands.
    pub fn commands(&self) -> Vec<u8> {
        let mut text = if self.from_all { b"+@all".to_vec() } else { b"-@all".to_vec() };
        for rule in &self.rules {
            text.extend_from_slice(if rule.allow { b" +" } else { b" -" });
            text.extend_from_slice(&rule.text);
        }
        text
    }

    /// Its rules about keys.
    pub fn keys(&self) -> Vec<u8> {
        if self.all_keys {
            return b"~*".to_vec();
        }
        let one = |key: &KeyPattern| {
            let sign: &[u8] = match (key.read, key.write) {
                (true, false) => b"%R~",
                (false, true) => b"%W~",
                // `~*` would be read as all keys, behind which no further pattern is taken.
                _ if key.pattern == b"*" => b"%RW~",
                _ => b"~",
            };
            [sign, &key.pattern].concat()
        };
        self.keys.iter().map(one).collect::<Vec<_>>().join(&b' ')
    }

    /// Its rules about channels.
    pub fn channels(&self) -> Vec<u8> {
        if self.all_channels {
            return b"&*".to_vec();
        }
        self.channels.iter().map(|channel| [b"&", &channel[..]].concat()).collect::<Vec<_>>().join(&b' ')
    }

    fn describe(&self) -> Vec<u8> {
        let channels = self.channels();
        let channels = match self.all_channels {
            true => channels,
            false if channels.is_empty() => b"resetchannels".to_vec(),
            false => [b"resetchannels ", &channels[..]].concat(),
        };
        let parts = [self.keys(), channels, self.commands()];
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(&b' ')
    }
}

/// What is kept of a password.
pub(super) fn hash(password: &[u8]) -> Hash {
    Sha256::digest(password).into()
}

fn same(a: &Hash, b: &Hash) -> bool {
    a.iter().zip(b).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

fn hex(hash: &Hash) -> String {
    hash.iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Reads 64 hexadecimal digits in lower case.
pub(super) fn parse_hex(text: &[u8]) -> Option<Hash> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut hash = [0; 32];
    if text.len() != 64 {
        return None;
    }
    for (byte, pair) in hash.iter_mut().zip(text.as_chunks::<2>().0) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(hash)
}
