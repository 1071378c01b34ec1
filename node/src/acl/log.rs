//! What was denied: `ACL LOG`.

use std::collections::VecDeque;

/// Events that are alike are one entry if they are no further apart, in milliseconds.
const GROUP_MS: u64 = 60_000;
/// How many of the newest entries are looked at for one that is alike.
const GROUP_AMONG: usize = 10;

/// Why something was denied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The user may not run the command.
    Command,
    /// Not with that key.
    Key,
    /// Not with that channel.
    Channel,
    /// The password was wrong, or the user is not there or off.
    Auth,
}

impl Reason {
    /// As `ACL LOG` prints it.
    pub fn name(self) -> &'static str {
        match self {
            Reason::Command => "command",
            Reason::Key => "key",
            Reason::Channel => "channel",
            Reason::Auth => "auth",
        }
    }
}

/// Where a command was denied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Context {
    /// By itself.
    TopLevel,
    /// In a transaction.
    Multi,
    /// Called by a script.
    Lua,
}

impl Context {
    /// As `ACL LOG` prints it.
    pub fn name(self) -> &'static str {
        match self {
            Context::TopLevel => "toplevel",
            Context::Multi => "multi",
            Context::Lua => "lua",
        }
    }
}

/// Something that was denied.
#[derive(Clone, Debug)]
pub struct Event {
    /// Why.
    pub reason: Reason,
    /// Where.
    pub context: Context,
    /// The command, the key, or the channel.
    pub object: Vec<u8>,
    /// The user.
    pub username: Vec<u8>,
    /// The client, as `CLIENT LIST` shows it.
    pub client: String,
    /// When, in milliseconds since the epoch.
    pub at_ms: u64,
}

/// An entry: one event, or several that are alike.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its number.
    pub id: u64,
    /// How many events.
    pub count: u64,
    /// When the first was, in milliseconds since the epoch.
    pub created_ms: u64,
    /// The last of them.
    pub last: Event,
}

/// The newest entries first.
#[derive(Debug, Default)]
pub struct AclLog {
    entries: VecDeque<Entry>,
    next_id: u64,
}

impl AclLog {
    /// Notes an event; no more than `max` entries are kept.
    pub fn note(&mut self, event: Event, max: usize) {
        let is_alike = |entry: &Entry| {
            let last = &entry.last;
            last.reason == event.reason
                && last.context == event.context
                && last.object == event.object
                && last.username == event.username
                && event.at_ms.saturating_sub(last.at_ms) <= GROUP_MS
        };
        let known = self.entries.iter().take(GROUP_AMONG).position(is_alike).and_then(|at| self.entries.remove(at));
        let entry = match known {
            Some(entry) => Entry { count: entry.count + 1, last: event, ..entry },
            None => {
                self.next_id += 1;
                Entry { id: self.next_id - 1, count: 1, created_ms: event.at_ms, last: event }
            }
        };
        self.entries.push_front(entry);
        self.entries.truncate(max);
    }

    /// The newest entries.
    pub fn newest(&self, count: usize) -> Vec<Entry> {
        self.entries.iter().take(count).cloned().collect()
    }

    /// Forgets everything.
    pub fn reset(&mut self) {
        self.entries.clear();
    }
}
