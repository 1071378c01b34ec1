//! CLIENT: who is connected, and what they may change about it.
//!
//! A client belongs to the core that accepted it, so questions about all of them go round the cores.

mod help;
mod kill;
mod list;
mod tracking;

use super::connection::is_valid_name;
use super::container;
use crate::connection::{OwnedRequest, ReplyMode, Session, Stall, Token};
use crate::core::Core;
use crate::dispatch::registry::ServerHandler;
use koltso_proto::number::parse_i64;
use koltso_proto::resp::{Args, Reply};

pub use list::{ClientType, client_type};

pub const HANDLERS: &[(&str, ServerHandler)] = &[("client", client)];

fn client(core: &mut Core, token: Token, request: &OwnedRequest) {
    let args = request.args();
    let name = args.get(1).to_ascii_lowercase();
    if let Some(tracking) = core.conn(token).and_then(|conn| conn.session.tracking_mut()) {
        tracking.after_client = true;
    }
    match name.as_slice() {
        b"id" => with_session(core, token, |session, reply| reply.int(session.id as i64)),
        b"getname" => with_session(core, token, |session, reply| {
            reply.bulk_or_null(Some(session.name.as_slice()).filter(|name| !name.is_empty()));
        }),
        b"setname" => set_name(core, token, args.get(2)),
        b"setinfo" => set_info(core, token, args),
        b"info" => list::info(core, token, args),
        b"list" => list::list(core, token, args),
        b"kill" => kill::kill(core, token, args),
        b"pause" => pause(core, token, args),
        b"unpause" => core.answer_on_log_core(token, |core| {
            core.end_pause();
            b"+OK\r\n".to_vec()
        }),
        b"reply" => set_reply_mode(core, token, args),
        b"no-evict" => set_flag(core, token, args, |session| &mut session.no_evict),
        b"no-touch" => set_flag(core, token, args, |session| &mut session.no_touch),
        b"unblock" => unblock(core, token, args),
        b"getredir" => with_session(core, token, |session, reply| reply.int(session.redirection())),
        b"trackinginfo" => tracking::info(core, token),
        b"tracking" => tracking::tracking(core, token, args),
        b"caching" => tracking::caching(core, token, args),
        b"help" => container::print_help(core, token, "client", help::LINES),
        _ => core.refuse(token, &crate::dispatch::registry::unknown_subcommand(args)),
    }
}

fn with_session(core: &mut Core, token: Token, write: impl FnOnce(&Session, &mut Reply)) {
    let Some(conn) = core.conn(token) else { return };
    let mut reply = Reply::new(conn.output.reply.resp3);
    write(&conn.session, &mut reply);
    core.reply(token, |out| out.raw(&reply.buf));
}

fn set_name(core: &mut Core, token: Token, name: &[u8]) {
    if !is_valid_name(name) {
        return core.refuse(token, "ERR Client names cannot contain spaces, newlines or special characters.");
    }
    if let Some(conn) = core.conn(token) {
        conn.session.name = name.to_vec();
    }
    core.ok(token);
}

fn set_info(core: &mut Core, token: Token, args: Args<'_>) {
    let option = String::from_utf8_lossy(args.get(2)).into_owned();
    let (is_name, is_version) = (args.is(2, "LIB-NAME"), args.is(2, "LIB-VER"));
    if !is_name && !is_version {
        return core.refuse(token, &format!("ERR Unrecognized option '{option}'"));
    }
    let value = args.get(3);
    if !is_valid_name(value) {
        return core.refuse(token, &format!("ERR {option} cannot contain spaces, newlines or special characters."));
    }
    if let Some(conn) = core.conn(token) {
        let field = if is_name { &mut conn.session.lib_name } else { &mut conn.session.lib_ver };
        *field = value.to_vec();
    }
    core.ok(token);
}

fn set_flag(core: &mut Core, token: Token, args: Args<'_>, flag: fn(&mut Session) -> &mut bool) {
    let on = args.is(2, "ON");
    if !on && !args.is(2, "OFF") {
        return core.refuse(token, "ERR syntax error");
    }
    if let Some(conn) = core.conn(token) {
        *flag(&mut conn.session) = on;
    }
    core.ok(token);
}

fn set_reply_mode(core: &mut Core, token: Token, args: Args<'_>) {
    let Some(conn) = core.conn(token) else { return };
    let mode = &mut conn.session.reply_mode;
    if args.is(2, "ON") {
        *mode = ReplyMode::On;
        core.ok(token);
    } else if args.is(2, "OFF") {
        *mode = ReplyMode::Off;
    } else if args.is(2, "SKIP") {
        // No reply is none: there is nothing to skip.
        if *mode != ReplyMode::Off {
            *mode = ReplyMode::SkipNext;
        }
    } else {
        core.refuse(token, "ERR syntax error");
    }
}

/// A time-out in milliseconds, or the error about it.
fn timeout_ms(arg: &[u8]) -> Result<u64, &'static str> {
    let timeout = parse_i64(arg).ok_or("ERR timeout is not an integer or out of range")?;
    u64::try_from(timeout).map_err(|_| "ERR timeout is negative")
}

fn pause(core: &mut Core, token: Token, args: Args<'_>) {
    let mut all = true;
    if args.len() == 4 {
        all = args.is(3, "ALL");
        if !all && !args.is(3, "WRITE") {
            return core.refuse(token, "ERR CLIENT PAUSE mode must be WRITE or ALL");
        }
    }
    let timeout = match timeout_ms(args.get(2)) {
        Ok(timeout) => timeout,
        Err(error) => return core.refuse(token, error),
    };
    if args.len() > 4 {
        return core.refuse(token, "ERR syntax error");
    }
    // From now, not from when this turn began.
    let until = crate::shared::now_ms().0.saturating_add(timeout);
    let Some(promise) = core.promise(token) else { return };
    core.on_log_core(move |core| core.begin_pause(until, all, Box::new(move |_| promise.keep(|_, reply| reply.ok()))));
}

fn unblock(core: &mut Core, token: Token, args: Args<'_>) {
    let mut with_error = false;
    if args.len() == 4 {
        with_error = args.is(3, "ERROR");
        if !with_error && !args.is(3, "TIMEOUT") {
            return core.refuse(token, "ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR");
        }
    }
    let Some(id) = parse_i64(args.get(2)) else {
        return core.refuse(token, "ERR value is not an integer or out of range");
    };
    if args.len() > 4 {
        return core.refuse(token, "ERR syntax error");
    }
    let look = move |core: &mut Core| {
        let mut blocked = core.conns.iter().filter(|(_, conn)| conn.stall == Stall::Blocked);
        let found = blocked.find(|(_, conn)| conn.session.id as i64 == id);
        let found = found.map(|(index, conn)| Token { index: index as u32, generation: conn.generation });
        let Some(blocked) = found else { return false };
        core.unblock_from_keys(blocked, with_error).unwrap_or_else(|| {
            core.unblock(blocked, with_error);
            true
        })
    };
    core.gather(token, look, |_, found, reply| reply.int(i64::from(found.contains(&true))));
}

impl Core {
    /// Ends the wait of a client of this core, as its time-out would, or with an error.
    fn unblock(&mut self, token: Token, with_error: bool) {
        let from = self.exec.id;
        self.on_log_core(move |core| core.end_wait(from, token, with_error));
    }
}
