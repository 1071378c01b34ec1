//! Keyspace notifications: what happens to keys, for those who have subscribed to it (`notify-keyspace-events`).
//!
//! Executions note what they do to keys as it happens; when a command is done, the notes become events with the names that Redis
//! gives them, by the command ([`crate::commands::notify`]). Nothing is noted while no class of events is asked for. A core posts
//! its events once a turn, in their order.

use crate::config::NotifyFlags;
use koltso_proto::id::DbIndex;

/// What a command did to a key, before it has a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// There was no such key.
    Created,
    /// Its value was set or changed.
    Modified,
    /// It was taken away.
    Deleted,
    /// It was given a deadline.
    Deadline,
    /// Its deadline was cleared.
    Persisted,
    /// It has a name already.
    Named(NotifyFlags, &'static str),
}

/// A change of a key.
#[derive(Debug)]
pub struct Note {
    /// What was done.
    pub change: Change,
    /// The database.
    pub db: DbIndex,
    /// The key.
    pub key: Box<[u8]>,
}

/// An event, to be published.
#[derive(Debug)]
pub struct Event {
    /// What Redis calls it.
    pub name: &'static str,
    /// The database.
    pub db: DbIndex,
    /// The key.
    pub key: Box<[u8]>,
}

/// The events of one core.
#[derive(Debug, Default)]
pub struct Events {
    flags: NotifyFlags,
    is_on: bool,
    notes: Vec<Note>,
    events: Vec<Event>,
}

impl Events {
    /// Says which events are wanted from now on.
    pub fn set_flags(&mut self, flags: NotifyFlags) {
        self.flags = flags;
        self.is_on = flags.has(NotifyFlags::KEYSPACE) || flags.has(NotifyFlags::KEYEVENT);
    }

    /// Whether any are.
    #[inline]
    pub fn is_on(&self) -> bool {
        self.is_on
    }

    /// Whether those of a class are.
    pub fn wants(&self, class: NotifyFlags) -> bool {
        self.is_on && self.flags.has(class)
    }

    /// Notes a change. Only while events are wanted.
    #[cold]
    pub fn note(&mut self, change: Change, db: DbIndex, key: &[u8]) {
        self.notes.push(Note { change, db, key: key.into() });
    }

    /// Takes the notes of the command that is done.
    pub fn take_notes(&mut self) -> Vec<Note> {
        std::mem::take(&mut self.notes)
    }

    /// Adds an event, if it is wanted.
    pub fn push(&mut self, class: NotifyFlags, name: &'static str, db: DbIndex, key: &[u8]) {
        if self.wants(class) {
            self.events.push(Event { name, db, key: key.into() });
        }
    }

    /// Whether there is nothing to be published.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Takes what is to be published.
    pub fn take(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }
}
