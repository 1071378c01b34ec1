//! Commands that consist of subcommands: finding the right one, and `HELP`.

use crate::connection::{OwnedRequest, Token};
use crate::core::Core;
use crate::dispatch::registry::{ServerHandler, wrong_arity};
use koltso_proto::command;

/// Subcommands by lower-case name, with what runs them.
pub type Subcommands = &'static [(&'static str, ServerHandler)];

/// Runs the subcommand that a request names, if its number of arguments is right. `help` describes them: for each a line with
/// its arguments, and indented lines that say what it does.
pub fn run(core: &mut Core, token: Token, request: &OwnedRequest, subcommands: Subcommands, help: &[&str]) {
    let args = request.args();
    let Some(container) = command::lookup(args.get(0)) else { return };
    let spec = if args.len() > 1 { container.subcommand(args.get(1)) } else { None };
    let Some(spec) = spec else { return unknown(core, token, request) };
    if !spec.check_arity(args.len()) {
        return core.refuse(token, &wrong_arity(spec.name));
    }
    if spec.short_name() == "help" {
        return print_help(core, token, container.name, help);
    }
    match subcommands.iter().find(|(name, _)| *name == spec.short_name()) {
        Some((_, handler)) => handler(core, token, request),
        None => unknown(core, token, request),
    }
}

/// Refuses a request whose subcommand does not exist.
#[cold]
fn unknown(core: &mut Core, token: Token, request: &OwnedRequest) {
    let args = request.args();
    let [name, given] = [0, 1].map(|i| if i < args.len() { args.get(i) } else { b"" });
    let given = String::from_utf8_lossy(&given[..given.len().min(128)]);
    let name = String::from_utf8_lossy(name).to_uppercase();
    core.refuse(token, &format!("ERR unknown subcommand '{given}'. Try {name} HELP."));
}

/// The reply to `HELP`.
pub fn print_help(core: &mut Core, token: Token, name: &str, lines: &[&str]) {
    let head = format!("{} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:", name.to_uppercase());
    core.reply(token, |reply| {
        reply.array(lines.len() + 3);
        reply.status(&head);
        lines.iter().for_each(|line| reply.status(line));
        reply.status("HELP");
        reply.status("    Prints this help.");
    });
}
