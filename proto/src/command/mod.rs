//! The one static table of commands.
//!
//! Arity, flags, ACL categories, key positions and documentation of every command of Redis 7.2 and of the hash-field expiry family,
//! whether or not a node has a handler for it: `COMMAND`, ACL rules, routing and propagation all read this table, so they cannot
//! disagree. Left out are modules and the cluster bus (`CLUSTER`, `MODULE`, `ASKING`, `READONLY`, `READWRITE`,
//! `RESTORE-ASKING`).
//!
//! | where | what |
//! |---|---|
//! | `strings.rs`, `lists.rs`, … | the rows, one file per family |
//! | `row.rs` | how a row is written |
//! | [`flags`] | the bit sets and their names |
//! | [`keys`] | where the keys of an invocation are |
//! | `table.rs` | all rows in one array, and the look-up by name |
//! | [`syntax`] | what may follow a command's name |
//! | [`info`], `docs.rs` | the table as `COMMAND` replies |
//!
//! This module must not know handlers, connections or users: they keep their own arrays, indexed by [`CommandSpec::index`].

mod bitmaps;
mod connection;
mod docs;
pub mod flags;
mod generic;
mod geo;
mod hashes;
mod hyperloglog;
pub mod info;
pub mod keys;
mod lists;
mod pubsub;
mod row;
mod scripting;
mod server;
mod sets;
mod sorted_sets;
mod streams;
mod strings;
pub mod syntax;
mod table;
mod transactions;

pub use flags::{AclCategories, Flags, Group, KeyFlags};
pub use keys::{KeyPositions, KeyRange, KeyShape, KeySpec, KeysError};
pub use table::{all, count, every, lookup, resolve};

/// One command, or one subcommand of a container such as `CONFIG`.
#[derive(Clone, Copy, Debug)]
pub struct CommandSpec {
    /// In lower case; a subcommand is `container|name`.
    pub name: &'static str,
    /// How many arguments an invocation has, the name included (and the container's): exactly, or at least if negative.
    pub arity: i8,
    pub group: Group,
    pub flags: Flags,
    pub categories: AclCategories,
    /// Where the keys are, as `COMMAND INFO` describes it. [`CommandSpec::keys`] finds them.
    pub keys: &'static [KeySpec],
    /// First key, last key and step as `COMMAND` has always printed them; zeros where there are none or they cannot say it.
    pub legacy: (i8, i8, i8),
    /// The version of Redis that brought the command.
    pub since: &'static str,
    /// The order of its running time, or empty.
    pub complexity: &'static str,
    /// One sentence.
    pub summary: &'static str,
    /// What later versions have changed, as it stands in the row: [`CommandSpec::history`] reads it.
    history: &'static str,
    /// The arguments, as they stand in the row: [`CommandSpec::arguments`] reads them.
    syntax: &'static str,
    /// Hints as `COMMAND INFO` prints them.
    pub tips: &'static [&'static str],
    pub deprecated: Option<Deprecated>,
    /// Meant for servers and tests, not for users.
    pub internal: bool,
    shape: KeyShape,
    special: Special,
    /// The subcommands as they were written; [`CommandSpec::subcommands`] has them with their indexes.
    rows: &'static [CommandSpec],
    index: u16,
    parent: Option<u16>,
    first_child: u16,
}

/// Since when a command is not recommended, and what to use in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deprecated {
    pub since: &'static str,
    pub instead: &'static str,
}

/// The commands whose keys, or what is done with them, no spec can describe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Special {
    None,
    /// `GET` makes it read as well.
    Set,
    /// Only reads if all its operations do.
    Bitfield,
    /// `STORE` anywhere behind the key, and `BY` and `GET` reach keys that only the data names.
    Sort,
    /// One key, or several behind `KEYS`.
    Migrate,
}

impl CommandSpec {
    /// A number below [`count`] that no other command or subcommand has: the place of this command in arrays of handlers,
    /// statistics and permissions. Commands come before all subcommands.
    #[inline]
    pub const fn index(&self) -> usize {
        self.index as usize
    }

    /// The command that this is a subcommand of.
    pub fn parent(&self) -> Option<&'static CommandSpec> {
        self.parent.map(|index| &every()[usize::from(index)])
    }

    /// The subcommands, in alphabetical order.
    pub fn subcommands(&self) -> &'static [CommandSpec] {
        &every()[usize::from(self.first_child)..][..self.rows.len()]
    }

    /// The subcommand of that name, which is written without its container and compared without case.
    pub fn subcommand(&self, name: &[u8]) -> Option<&'static CommandSpec> {
        self.subcommands().iter().find(|sub| sub.short_name().as_bytes().eq_ignore_ascii_case(name))
    }

    /// The name without the container's.
    pub fn short_name(&self) -> &'static str {
        self.name.split_once('|').map_or(self.name, |(_, name)| name)
    }

    /// What later versions of Redis have changed: the version, and the change in a sentence.
    pub fn history(&self) -> impl Iterator<Item = (&'static str, &'static str)> + Clone {
        self.history.split(" | ").filter_map(|change| change.split_once(' '))
    }

    /// Whether `argc` arguments, the name included, are right for this command.
    #[inline]
    pub const fn check_arity(&self, argc: usize) -> bool {
        let wanted = self.arity.unsigned_abs() as usize;
        if self.arity < 0 { argc >= wanted } else { argc == wanted }
    }
}

#[cfg(test)]
mod tests;
