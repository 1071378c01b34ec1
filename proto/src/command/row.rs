//! How a row of the table is written: the macro for its columns, and short names for the key specs that occur. Everything here
//! is evaluated by the compiler.

use super::flags::{AclCategories, Flags, KeyFlags};

pub(super) use super::flags::Group;
pub(super) use super::{CommandSpec, Special};
use super::{Deprecated, KeySpec, keys::Begin, keys::Find};

/// One row: name, arity, syntax; flags; the categories that do not follow from the flags; key specs; since, complexity; summary.
///
/// The semicolons keep rustfmt away, so that a row stays a row.
macro_rules! command {
    ($name:literal, $arity:literal, $syntax:literal; $($flag:ident)*; $($category:ident)*; [$($key:expr),*]; $since:literal, $complexity:literal; $summary:literal) => {
        CommandSpec::row(
            $name,
            $arity,
            GROUP,
            $crate::command::Flags(0 $(| $crate::command::Flags::$flag.0)*),
            $crate::command::AclCategories(0 $(| $crate::command::AclCategories::$category.0)*),
            &[$($key),*],
            [$syntax, $since, $complexity, $summary],
        )
    };
}
pub(super) use command;

/// The flag combinations of keys.
macro_rules! key_flags {
    ($($name:ident = $($flag:ident)*;)*) => {
        $(pub(super) const $name: KeyFlags = KeyFlags(0 $(| KeyFlags::$flag.0)*);)*
    };
}
key_flags! {
    RO = RO;
    RO_ACCESS = RO ACCESS;
    RW_ACCESS = RW ACCESS;
    RW_ACCESS_UPDATE = RW ACCESS UPDATE;
    RW_ACCESS_DELETE = RW ACCESS DELETE;
    RW_ACCESS_INSERT = RW ACCESS INSERT;
    RW_UPDATE = RW UPDATE;
    RW_INSERT = RW INSERT;
    RW_DELETE = RW DELETE;
    RM_DELETE = RM DELETE;
    OW_UPDATE = OW UPDATE;
    OW_INSERT = OW INSERT;
    NOT_KEY = NOT_KEY;
}

/// The argument at `index`.
pub(super) const fn one(flags: KeyFlags, index: u8) -> KeySpec {
    many(flags, index, 0, 1)
}

/// Every `step`th argument from `first` to `last`, which counts from `first`, or from the end if negative.
pub(super) const fn many(flags: KeyFlags, first: u8, last: i8, step: u8) -> KeySpec {
    KeySpec { begin: Begin::Index(first), find: Find::Range { last, step, limit: 0 }, flags, notes: "" }
}

/// As many as the argument at `index` says, behind it.
pub(super) const fn counted(flags: KeyFlags, index: u8) -> KeySpec {
    KeySpec { begin: Begin::Index(index), find: Find::KeyNum { num: 0, first: 1, step: 1 }, flags, notes: "" }
}

/// Those behind a keyword that is looked for from `from`; with a `limit`, only the first 1/limit of the rest.
pub(super) const fn after(flags: KeyFlags, word: &'static str, from: i8, last: i8, limit: u8) -> KeySpec {
    KeySpec { begin: Begin::Keyword { word, from }, find: Find::Range { last, step: 1, limit }, flags, notes: "" }
}

/// Somewhere that no spec can describe.
pub(super) const fn unknown(flags: KeyFlags) -> KeySpec {
    KeySpec { begin: Begin::Unknown, find: Find::Unknown, flags, notes: "" }
}

impl KeySpec {
    pub(super) const fn incomplete(self) -> Self {
        KeySpec { flags: self.flags.with(KeyFlags::INCOMPLETE), ..self }
    }

    /// A sentence about it, for `COMMAND INFO`.
    pub(super) const fn note(self, notes: &'static str) -> Self {
        KeySpec { notes, ..self }
    }

    pub(super) const fn variable(self) -> Self {
        KeySpec { flags: self.flags.with(KeyFlags::VARIABLE_FLAGS), ..self }
    }
}

impl CommandSpec {
    /// A row as the macro gives it, with what follows from the other columns filled in.
    pub(super) const fn row(
        name: &'static str,
        arity: i8,
        group: Group,
        flags: Flags,
        categories: AclCategories,
        keys: &'static [KeySpec],
        [syntax, since, complexity, summary]: [&'static str; 4],
    ) -> Self {
        let (legacy, movable) = super::keys::legacy_range(keys);
        let reads = flags.has(Flags::READONLY) && !categories.has(AclCategories::SCRIPTING);
        let categories = categories
            .with_if(flags.has(Flags::WRITE), AclCategories::WRITE)
            .with_if(reads, AclCategories::READ)
            .with_if(flags.has(Flags::ADMIN), AclCategories::ADMIN.with(AclCategories::DANGEROUS))
            .with_if(flags.has(Flags::PUBSUB), AclCategories::PUBSUB)
            .with_if(flags.has(Flags::BLOCKING), AclCategories::BLOCKING)
            .with(if flags.has(Flags::FAST) { AclCategories::FAST } else { AclCategories::SLOW });
        CommandSpec {
            name,
            arity,
            group,
            flags: flags.with_if(movable, Flags::MOVABLEKEYS),
            categories,
            keys,
            legacy,
            syntax,
            since,
            complexity,
            summary,
            history: "",
            tips: &[],
            deprecated: None,
            internal: false,
            shape: super::keys::shape(keys),
            special: Special::None,
            rows: &[],
            index: 0,
            parent: None,
            first_child: 0,
        }
    }

    /// Hints for clients and proxies: determinism, and the request and reply policies across shards.
    pub(super) const fn tips(self, tips: &'static [&'static str]) -> Self {
        CommandSpec { tips, ..self }
    }

    /// What versions have brought: `6.2.0 Takes ASYNC. | 7.0.0 …`.
    pub(super) const fn changed(self, history: &'static str) -> Self {
        CommandSpec { history, ..self }
    }

    pub(super) const fn deprecated(self, since: &'static str, instead: &'static str) -> Self {
        CommandSpec { deprecated: Some(Deprecated { since, instead }), ..self }
    }

    /// Not for users: `COMMAND DOCS` says `syscmd`.
    pub(super) const fn internal(self) -> Self {
        CommandSpec { internal: true, ..self }
    }

    pub(super) const fn special(self, special: Special) -> Self {
        CommandSpec { special, ..self }
    }

    pub(super) const fn subcommands_of(self, rows: &'static [CommandSpec]) -> Self {
        CommandSpec { rows, ..self }
    }
}
