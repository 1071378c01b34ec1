//! Whether the user of a script's client may run a command with these keys: the one place where scripts ask.

use crate::acl::Denied;
use crate::acl::log::Context;
use crate::connection::{OwnedRequest, Token};
use crate::core::Core;
use koltso_proto::command::CommandSpec;
use koltso_proto::resp::Args;

/// Whether the client may run this command itself, and so within a script. The rules are those that hold when it is asked.
pub fn is_allowed(core: &Core, token: Token, spec: &CommandSpec, args: Args<'_>) -> Result<(), Denied> {
    let conn = core.conns.get(token.index as usize).filter(|conn| conn.generation == token.generation);
    match conn {
        Some(conn) if conn.session.is_almighty() => Ok(()),
        Some(conn) => conn.session.user().check(spec, args),
        None => Err(Denied::Command),
    }
}

/// As [`is_allowed`]; what is denied is noted, and said.
///
/// # Errors
/// The text of the error, without its code.
pub fn may_run(core: &mut Core, token: Token, spec: &CommandSpec, args: Args<'_>) -> Result<(), String> {
    let Err(denied) = is_allowed(core, token, spec, args) else {
        let user = core.conn(token).map(|conn| conn.session.user());
        return user.map_or(Ok(()), |user| user.check_sort(spec, args).map_err(|error| format!("-{error}")));
    };
    core.note_denied(token, spec, &OwnedRequest::new(args), denied, Context::Lua);
    let what = match denied {
        Denied::Command => "can't run this command or subcommand",
        Denied::Key(_) => "can't access at least one of the keys mentioned in the command arguments",
        Denied::Channel(_) => "can't publish to the channel mentioned in the command",
    };
    Err(format!("The user executing the script {what}"))
}
