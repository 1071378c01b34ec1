//! What commands do: one file a family, each command one plain synchronous function over the keys it was given.
//!
//! A command function never waits, spawns, or touches a socket, a clock or a random source other than through its [`Ctx`].

pub mod bitmaps;
mod collections;
mod ctx;
mod draw;
pub mod errors;
pub mod generic;
pub mod geo;
pub mod hashes;
pub mod hyperloglog;
pub mod lists;
pub mod notify;
pub mod parse;
pub mod sets;
pub mod sorted_sets;
pub mod streams;
pub mod strings;
#[cfg(test)]
pub mod testing;

pub use ctx::{Ctx, Origin};

use koltso_proto::resp::Args;

/// A command: validates its arguments, does its work, writes exactly one reply.
pub type Handler = fn(&mut Ctx<'_>, Args<'_>);

/// Every family's commands, by lower-case name.
pub const FAMILIES: &[&[(&str, Handler)]] = &[
    generic::HANDLERS,
    strings::HANDLERS,
    bitmaps::HANDLERS,
    hyperloglog::HANDLERS,
    lists::HANDLERS,
    hashes::HANDLERS,
    geo::HANDLERS,
    sets::HANDLERS,
    sorted_sets::HANDLERS,
    streams::HANDLERS,
];

#[cfg(test)]
mod tests {
    use super::FAMILIES;

    #[test]
    fn every_command_of_a_family_is_in_the_command_table_once() {
        let mut names: Vec<&str> = FAMILIES.iter().flat_map(|family| family.iter()).map(|(name, _)| *name).collect();
        assert!(names.iter().all(|name| koltso_proto::command::lookup(name.as_bytes()).is_some_and(|spec| spec.name == *name)));
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
