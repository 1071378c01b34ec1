//! The directives that are sets: which events are published, and what a signal to end does.

use super::directive::{Special, parse_word};
use super::special::plain_line;
use super::text::quote;

/// `notify-keyspace-events`: one bit per class of events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NotifyFlags(pub u16);

impl NotifyFlags {
    pub const NONE: NotifyFlags = NotifyFlags(0);
    pub const GENERIC: NotifyFlags = NotifyFlags(1);
    pub const STRING: NotifyFlags = NotifyFlags(1 << 1);
    pub const LIST: NotifyFlags = NotifyFlags(1 << 2);
    pub const SET: NotifyFlags = NotifyFlags(1 << 3);
    pub const HASH: NotifyFlags = NotifyFlags(1 << 4);
    pub const ZSET: NotifyFlags = NotifyFlags(1 << 5);
    pub const EXPIRED: NotifyFlags = NotifyFlags(1 << 6);
    pub const EVICTED: NotifyFlags = NotifyFlags(1 << 7);
    pub const STREAM: NotifyFlags = NotifyFlags(1 << 8);
    pub const MODULE: NotifyFlags = NotifyFlags(1 << 9);
    /// Publish on `__keyspace@<db>__:<key>`.
    pub const KEYSPACE: NotifyFlags = NotifyFlags(1 << 10);
    /// Publish on `__keyevent@<db>__:<event>`.
    pub const KEYEVENT: NotifyFlags = NotifyFlags(1 << 11);
    pub const KEY_MISS: NotifyFlags = NotifyFlags(1 << 12);
    pub const NEW_KEY: NotifyFlags = NotifyFlags(1 << 13);
    /// All classes that `A` stands for.
    pub const ALL: NotifyFlags = NotifyFlags((1 << 10) - 1);

    /// The letters, in the order in which they are printed.
    const LETTERS: &'static [(u8, NotifyFlags)] = &[
        (b'g', Self::GENERIC),
        (b'$', Self::STRING),
        (b'l', Self::LIST),
        (b's', Self::SET),
        (b'h', Self::HASH),
        (b'z', Self::ZSET),
        (b'x', Self::EXPIRED),
        (b'e', Self::EVICTED),
        (b't', Self::STREAM),
        (b'd', Self::MODULE),
        (b'n', Self::NEW_KEY),
        (b'K', Self::KEYSPACE),
        (b'E', Self::KEYEVENT),
        (b'm', Self::KEY_MISS),
    ];

    /// Whether all of `other` is set.
    pub const fn has(self, other: NotifyFlags) -> bool {
        self.0 & other.0 == other.0
    }

    fn parse(text: &[u8]) -> Option<Self> {
        text.iter().try_fold(NotifyFlags::NONE, |flags, letter| {
            let found = Self::LETTERS.iter().find(|(known, _)| known == letter).map(|(_, flag)| *flag);
            let flag = if *letter == b'A' { Some(Self::ALL) } else { found }?;
            Some(NotifyFlags(flags.0 | flag.0))
        })
    }

    fn text(self) -> Vec<u8> {
        let all = self.has(Self::ALL);
        let letters = Self::LETTERS.iter().filter(|(_, flag)| self.has(*flag) && !(all && Self::ALL.has(*flag)));
        all.then_some(b'A').into_iter().chain(letters.map(|(letter, _)| *letter)).collect()
    }
}

pub(super) static NOTIFY: Special = Special {
    many: false,
    get: |config| config.notify_keyspace_events.text(),
    set: |config, args| {
        let [letters] = args else { return Err("wrong number of arguments".into()) };
        let flags = NotifyFlags::parse(letters).ok_or("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.")?;
        config.notify_keyspace_events = flags;
        Ok(())
    },
    lines: |config, defaults| {
        let mut line = Vec::new();
        quote(&mut line, &config.notify_keyspace_events.text());
        vec![(line, config.notify_keyspace_events != defaults.notify_keyspace_events)]
    },
};

/// What a signal to end does: a set of words, and none of them by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShutdownFlags {
    pub save: bool,
    pub nosave: bool,
    pub now: bool,
    pub force: bool,
}

impl ShutdownFlags {
    const WORDS: &'static [&'static str] = &["default", "save", "nosave", "now", "force"];

    fn parse(args: &[&[u8]]) -> Result<Self, String> {
        let mut flags = Self::default();
        for arg in args {
            match parse_word(arg, Self::WORDS)? {
                1 => flags.save = true,
                2 => flags.nosave = true,
                3 => flags.now = true,
                4 => flags.force = true,
                _ => {}
            }
        }
        if flags.save && flags.nosave {
            return Err("shutdown options SAVE and NOSAVE can't be used simultaneously".into());
        }
        Ok(flags)
    }

    fn text(self) -> Vec<u8> {
        let set = [self == Self::default(), self.save, self.nosave, self.now, self.force];
        let words = Self::WORDS.iter().zip(set).filter(|(_, set)| *set);
        words.map(|(word, _)| *word).collect::<Vec<_>>().join(" ").into()
    }
}

pub(super) static SHUTDOWN_ON_SIGINT: Special = Special {
    many: true,
    get: |config| config.shutdown_on_sigint.text(),
    set: |config, args| ShutdownFlags::parse(args).map(|flags| config.shutdown_on_sigint = flags),
    lines: |config, defaults| plain_line(&SHUTDOWN_ON_SIGINT, config, defaults),
};

pub(super) static SHUTDOWN_ON_SIGTERM: Special = Special {
    many: true,
    get: |config| config.shutdown_on_sigterm.text(),
    set: |config, args| ShutdownFlags::parse(args).map(|flags| config.shutdown_on_sigterm = flags),
    lines: |config, defaults| plain_line(&SHUTDOWN_ON_SIGTERM, config, defaults),
};
