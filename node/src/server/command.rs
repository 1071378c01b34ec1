//! COMMAND: the command table as a client sees it, restricted to what this node can run.

use super::container::{self, Subcommands};
use crate::connection::{OwnedRequest, Token};
use crate::core::Core;
use crate::dispatch::registry::{ServerHandler, registry};
use koltso_proto::command::info::{self, ListFilter, Sink};
use koltso_proto::command::{self, CommandSpec};
use koltso_proto::resp::{Args, Reply};

pub const HANDLERS: &[(&str, ServerHandler)] = &[("command", command)];

const SUBCOMMANDS: Subcommands = &[
    ("count", count),
    ("info", info_of),
    ("docs", docs),
    ("list", list),
    ("getkeys", get_keys),
    ("getkeysandflags", get_keys_and_flags),
];

const HELP: &[&str] = &[
    "(no subcommand)",
    "    Everything about all commands.",
    "COUNT",
    "    How many commands there are.",
    "LIST [FILTERBY ACLCAT <category> | PATTERN <pattern> | MODULE <name>]",
    "    The names of all commands, or of some.",
    "INFO [<command-name> ...]",
    "    Everything about these commands, or about all.",
    "DOCS [<command-name> ...]",
    "    What is documented about these commands, or about all.",
    "GETKEYS <full-command>",
    "    The keys in a command line.",
    "GETKEYSANDFLAGS <full-command>",
    "    The keys in a command line, with what happens to them.",
];

/// Writes descriptions of commands into a reply.
struct Out<'a>(&'a mut Reply);

impl Sink for Out<'_> {
    fn array(&mut self, len: usize) {
        self.0.array(len);
    }
    fn map(&mut self, len: usize) {
        self.0.map(len);
    }
    fn set(&mut self, len: usize) {
        self.0.set(len);
    }
    fn bulk(&mut self, text: &[u8]) {
        self.0.bulk(text);
    }
    fn status(&mut self, text: &str) {
        self.0.status(text);
    }
    fn int(&mut self, value: i64) {
        self.0.int(value);
    }
    fn null(&mut self) {
        self.0.null();
    }
}

/// Commands that this node can run.
fn known() -> impl Iterator<Item = &'static CommandSpec> {
    registry().all().map(|command| command.spec)
}

/// The command or `container|subcommand` of this name, if this node can run it.
fn find(name: &[u8]) -> Option<&'static CommandSpec> {
    info::by_full_name(name).filter(|spec| can_run(spec))
}

fn can_run(spec: &CommandSpec) -> bool {
    let outer = spec.parent().unwrap_or(spec);
    registry().by_index(outer.index() as u16).is_some()
}

fn command(core: &mut Core, token: Token, request: &OwnedRequest) {
    if request.args().len() > 1 {
        return container::run(core, token, request, SUBCOMMANDS, HELP);
    }
    core.reply(token, |reply| {
        reply.array(known().count());
        known().for_each(|spec| info::entry(spec, &mut Out(reply)));
    });
}

fn count(core: &mut Core, token: Token, _: &OwnedRequest) {
    core.reply(token, |reply| reply.len(known().count()));
}

fn info_of(core: &mut Core, token: Token, request: &OwnedRequest) {
    let names = request.args().from(2);
    core.reply(token, |reply| {
        if names.len() == 0 {
            reply.array(known().count());
            return known().for_each(|spec| info::entry(spec, &mut Out(reply)));
        }
        reply.array(names.len());
        for name in names {
            match find(name) {
                Some(spec) => info::entry(spec, &mut Out(reply)),
                None => reply.null(),
            }
        }
    });
}

fn docs(core: &mut Core, token: Token, request: &OwnedRequest) {
    let names = request.args().from(2);
    let specs: Vec<_> = if names.len() == 0 { known().collect() } else { names.filter_map(find).collect() };
    core.reply(token, |reply| {
        reply.map(specs.len());
        specs.iter().for_each(|spec| info::docs(spec, &mut Out(reply)));
    });
}

fn list(core: &mut Core, token: Token, request: &OwnedRequest) {
    let Some(filter) = filter(request.args()) else { return core.refuse(token, "ERR syntax error") };
    let names: Vec<&str> = info::list(filter).filter(|spec| can_run(spec)).map(|spec| spec.name).collect();
    core.reply(token, |reply| {
        reply.array(names.len());
        names.iter().for_each(|name| reply.bulk(name.as_bytes()));
    });
}

/// What `COMMAND LIST` is to list; `None` if that is not said rightly.
fn filter(args: Args<'_>) -> Option<ListFilter<'_>> {
    match args.len() {
        2 => Some(ListFilter::All),
        5 if args.is(2, "FILTERBY") && args.is(3, "MODULE") => Some(ListFilter::Module),
        5 if args.is(2, "FILTERBY") && args.is(3, "ACLCAT") => Some(ListFilter::Category(args.get(4))),
        5 if args.is(2, "FILTERBY") && args.is(3, "PATTERN") => Some(ListFilter::Pattern(args.get(4))),
        _ => None,
    }
}

fn get_keys(core: &mut Core, token: Token, request: &OwnedRequest) {
    keys_of(core, token, request, false);
}

fn get_keys_and_flags(core: &mut Core, token: Token, request: &OwnedRequest) {
    keys_of(core, token, request, true);
}

fn keys_of(core: &mut Core, token: Token, request: &OwnedRequest, with_flags: bool) {
    let args = request.args();
    let mut reply = Reply::new(core.conn(token).is_some_and(|conn| conn.output.reply.resp3));
    let outcome = if command::lookup(args.get(2)).is_some_and(can_run) {
        info::get_keys(args.len() - 2, |i| args.get(i + 2), with_flags, &mut Out(&mut reply))
    } else {
        Err("ERR Invalid command specified")
    };
    match outcome {
        Ok(()) => core.reply(token, |out| out.raw(&reply.buf)),
        Err(error) => core.refuse(token, error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_be_run_is_known() {
        assert!(find(b"GET").is_some() && find(b"config|get").is_some());
        assert!(find(b"nothing").is_none() && find(b"config|nothing").is_none());
        let missing = command::all().iter().find(|spec| !can_run(spec));
        assert!(missing.is_none_or(|spec| find(spec.name.as_bytes()).is_none()));
        assert_eq!(known().count(), registry().all().count());
    }
}
