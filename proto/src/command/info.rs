//! The table as `COMMAND` replies: `INFO`, `LIST` and `GETKEYS`, written into any reply writer; `DOCS` has a file of its own.
//!
//! This module must not know RESP versions: a [`Sink`] says "map" or "set", and how those look to a RESP2 client is its matter.

pub use super::docs::docs;
use super::keys::{Begin, Find};
use super::{AclCategories, CommandSpec, Flags, KeyFlags, KeySpec, every};
use crate::glob;

/// A writer of replies. Aggregates announce their size and are followed by their elements; a map's size counts pairs.
pub trait Sink {
    fn array(&mut self, len: usize);
    fn map(&mut self, len: usize);
    fn set(&mut self, len: usize);
    fn bulk(&mut self, text: &[u8]);
    fn status(&mut self, text: &str);
    fn int(&mut self, value: i64);
    /// What stands for a command that does not exist.
    fn null(&mut self);
}

/// One element of `COMMAND` and `COMMAND INFO`.
pub fn entry(spec: &CommandSpec, out: &mut impl Sink) {
    let (first, last, step) = spec.legacy;
    out.array(10);
    out.bulk(spec.name.as_bytes());
    out.int(spec.arity.into());
    statuses(spec.flags.names(), out);
    for number in [first, last, step] {
        out.int(number.into());
    }
    out.set(spec.categories.names().count());
    for name in spec.categories.names() {
        out.status(&format!("@{name}"));
    }
    out.set(spec.tips.len());
    spec.tips.iter().for_each(|tip| out.bulk(tip.as_bytes()));
    out.set(spec.keys.len());
    spec.keys.iter().for_each(|key| key_spec(key, out));
    let subcommands = spec.subcommands();
    if subcommands.is_empty() {
        out.set(0)
    } else {
        out.array(subcommands.len())
    }
    subcommands.iter().for_each(|sub| entry(sub, out));
}

/// The elements of `COMMAND INFO` for one name, which may be `container|subcommand`.
pub fn entry_by_name(name: &[u8], out: &mut impl Sink) {
    match by_full_name(name) {
        Some(spec) => entry(spec, out),
        None => out.null(),
    }
}

/// The command or `container|subcommand` of this name, without case.
pub fn by_full_name(name: &[u8]) -> Option<&'static CommandSpec> {
    match memchr::memchr(b'|', name) {
        Some(bar) => super::lookup(&name[..bar])?.subcommand(&name[bar + 1..]),
        None => super::lookup(name),
    }
}

pub(super) fn statuses(names: impl Iterator<Item = &'static str> + Clone, out: &mut impl Sink) {
    out.set(names.clone().count());
    names.for_each(|name| out.status(name));
}

/// How a key is used, as `COMMAND INFO` and `COMMAND GETKEYSANDFLAGS` print it.
pub fn key_flags(flags: KeyFlags, out: &mut impl Sink) {
    statuses(flags.names(), out);
}

fn key_spec(key: &KeySpec, out: &mut impl Sink) {
    out.map(if key.notes.is_empty() { 3 } else { 4 });
    if !key.notes.is_empty() {
        out.bulk(b"notes");
        out.bulk(key.notes.as_bytes());
    }
    out.bulk(b"flags");
    key_flags(key.flags, out);
    out.bulk(b"begin_search");
    match key.begin {
        Begin::Unknown => described("unknown", 0, out),
        Begin::Index(index) => {
            described("index", 1, out);
            pair("index", index.into(), out);
        }
        Begin::Keyword { word, from } => {
            described("keyword", 2, out);
            out.bulk(b"keyword");
            out.bulk(word.as_bytes());
            pair("startfrom", from.into(), out);
        }
    }
    out.bulk(b"find_keys");
    match key.find {
        Find::Unknown => described("unknown", 0, out),
        Find::Range { last, step, limit } => {
            described("range", 3, out);
            pair("lastkey", last.into(), out);
            pair("keystep", step.into(), out);
            pair("limit", limit.into(), out);
        }
        Find::KeyNum { num, first, step } => {
            described("keynum", 3, out);
            pair("keynumidx", num.into(), out);
            pair("firstkey", first.into(), out);
            pair("keystep", step.into(), out);
        }
    }
}

/// `{type: name, spec: {…}}` up to the `len` pairs of the spec.
fn described(name: &str, len: usize, out: &mut impl Sink) {
    out.map(2);
    out.bulk(b"type");
    out.bulk(name.as_bytes());
    out.bulk(b"spec");
    out.map(len);
}

fn pair(name: &str, value: i64, out: &mut impl Sink) {
    out.bulk(name.as_bytes());
    out.int(value);
}

/// Which names `COMMAND LIST` is asked for.
#[derive(Clone, Copy, Debug)]
pub enum ListFilter<'a> {
    All,
    /// `FILTERBY MODULE name`: nothing, there are no modules.
    Module,
    /// `FILTERBY ACLCAT category`; an unknown category has no commands.
    Category(&'a [u8]),
    /// `FILTERBY PATTERN pattern`, without case.
    Pattern(&'a [u8]),
}

/// The commands and subcommands that `COMMAND LIST` names.
pub fn list(filter: ListFilter<'_>) -> impl Iterator<Item = &'static CommandSpec> + Clone {
    let category = match filter {
        ListFilter::Category(name) => AclCategories::by_name(name),
        _ => None,
    };
    every().iter().filter(move |spec| match filter {
        ListFilter::All => true,
        ListFilter::Module => false,
        ListFilter::Category(_) => category.is_some_and(|category| spec.categories.has(category)),
        ListFilter::Pattern(pattern) => glob::matches_nocase(pattern, spec.name.as_bytes()),
    })
}

/// Answers `COMMAND GETKEYS` (or `GETKEYSANDFLAGS`) about a full command line.
///
/// # Errors
/// The text of the error reply, without `-`.
pub fn get_keys<'a>(
    argc: usize,
    arg: impl Fn(usize) -> &'a [u8],
    with_flags: bool,
    out: &mut impl Sink,
) -> Result<(), &'static str> {
    let second = (argc > 1).then(|| arg(1));
    let spec = super::resolve(arg(0), second).map_err(|_| "ERR Invalid command specified")?;
    let is_key = |key: &KeySpec| !key.flags.has(KeyFlags::NOT_KEY);
    if !spec.keys.iter().any(is_key) {
        return Err("ERR The command has no key arguments");
    }
    if !spec.check_arity(argc) {
        return Err("ERR Invalid number of arguments specified for command");
    }
    let found = match spec.keys(argc, &arg) {
        Ok(found) if !found.is_empty() => found,
        _ if spec.flags.has(Flags::NO_MANDATORY_KEYS) => {
            out.array(0);
            return Ok(());
        }
        _ => return Err("ERR Invalid arguments specified for command"),
    };
    out.array(found.iter().count());
    for (position, flags) in found.iter() {
        if with_flags {
            out.array(2);
            out.bulk(arg(position));
            key_flags(flags, out);
        } else {
            out.bulk(arg(position));
        }
    }
    Ok(())
}
