//! The configuration: what it consists of, how it is read, shown, changed and written back.
//!
//! | where | what |
//! |---|---|
//! | [`directives`] | the one table of directives, and with it the fields of [`Config`] |
//! | [`directive`] | what a directive is: kinds of values, reading and printing them |
//! | [`special`], [`flags`], [`choice`] | the values with a form of their own |
//! | [`text`] | text, quoting, amounts of memory |
//! | `load` | file, standard input and command line |
//! | `access` | `CONFIG GET` and `CONFIG SET` |
//! | `rewrite` | `CONFIG REWRITE` |
//! | [`support`] | what is configured and not there |
//!
//! A [`Config`] is a value: it is cloned, changed and put in the place of the old one. This module must not act on it: binding
//! ports, opening files and telling others of a change is for those who own these things.

mod access;
pub mod choice;
mod cli;
mod derived;
pub mod directive;
pub mod directives;
pub mod flags;
mod load;
mod rewrite;
pub mod special;
pub mod support;
#[cfg(test)]
mod tests;
pub mod text;

pub use access::find;
pub use choice::{
    AclPubsubDefault, AppendFsync, Choice, DisklessLoad, LogLevel, ProtectedAction, SanitizeDump, TlsAuthClients,
};
pub use directive::{Directive, Marks, MemoryOrPercent};
pub use directives::{Config, DIRECTIVES};
pub use flags::{NotifyFlags, ShutdownFlags};
pub use load::ConfigError;
pub(crate) use special::reason;
pub use special::{OutputLimit, OutputLimits, PrimaryAddress, SavePoint};
pub use text::{Text, quote, split_line};
