//! PING, ECHO, HELLO, AUTH, SELECT, QUIT, RESET.

use crate::acl::DEFAULT;
use crate::acl::log::{Context, Reason};
use crate::connection::{OwnedRequest, ReplyMode, Token};
use crate::core::Core;
use crate::dispatch::registry::ServerHandler;
use koltso_proto::id::DbIndex;
use koltso_proto::number::parse_i64;
use koltso_proto::resp::Reply;
use std::sync::Arc;

pub const HANDLERS: &[(&str, ServerHandler)] =
    &[("ping", ping), ("echo", echo), ("hello", hello), ("auth", auth), ("select", select), ("quit", quit), ("reset", reset)];

fn ping(core: &mut Core, token: Token, request: &OwnedRequest) {
    let args = request.args();
    if args.len() <= 2 && core.conn(token).is_some_and(|conn| conn.session.only_listens) {
        let text = if args.len() == 2 { args.get(1) } else { b"" };
        return core.reply(token, |reply| {
            reply.array(2);
            reply.bulk(b"pong");
            reply.bulk(text);
        });
    }
    match args.len() {
        1 => core.reply(token, |reply| reply.status("PONG")),
        2 => core.reply(token, |reply| reply.bulk(args.get(1))),
        _ => core.refuse(token, "ERR wrong number of arguments for 'ping' command"),
    }
}

fn echo(core: &mut Core, token: Token, request: &OwnedRequest) {
    core.reply(token, |reply| reply.bulk(request.args().get(1)));
}

fn quit(core: &mut Core, token: Token, _: &OwnedRequest) {
    core.ok(token);
    core.close_after_replies(token);
}

fn select(core: &mut Core, token: Token, request: &OwnedRequest) {
    let Some(index) = parse_i64(request.args().get(1)) else {
        return core.refuse(token, "ERR value is not an integer or out of range");
    };
    match u32::try_from(index).ok().filter(|&db| (db as usize) < core.databases()) {
        Some(db) => {
            if let Some(conn) = core.conn(token) {
                conn.session.db = DbIndex(db);
            }
            core.reply(token, Reply::ok);
        }
        None => core.refuse(token, "ERR DB index is out of range"),
    }
}

fn reset(core: &mut Core, token: Token, _: &OwnedRequest) {
    core.unwatch(token);
    core.stop_monitoring(token);
    core.end_subscriptions(token);
    core.end_tracking(token);
    let users = Arc::clone(&core.users);
    if let Some(conn) = core.conn(token) {
        conn.output.reply.resp3 = false;
        let session = &mut conn.session;
        session.transaction = None;
        session.db = DbIndex(0);
        session.name.clear();
        session.reply_mode = ReplyMode::On;
        session.no_touch = false;
        session.no_evict = false;
        session.log_out(&users);
    }
    core.reply(token, |reply| reply.status("RESET"));
}

const WRONGPASS: &str = "WRONGPASS invalid username-password pair or user is disabled.";
const NO_PASSWORD: &str = "ERR AUTH <password> called without any password configured for the default user. Are you sure your \
     configuration is correct?";

fn auth(core: &mut Core, token: Token, request: &OwnedRequest) {
    let args = request.args();
    let outcome = match args.len() {
        2 if core.users.default_user().nopass => Err(NO_PASSWORD),
        2 => core.authenticate(token, request, DEFAULT, args.get(1)),
        3 => core.authenticate(token, request, args.get(1), args.get(2)),
        _ => Err("ERR syntax error"),
    };
    match outcome {
        Ok(()) => core.reply(token, Reply::ok),
        Err(error) => core.refuse(token, error),
    }
}

impl Core {
    /// Lets a client in, or says why not.
    fn authenticate(&mut self, token: Token, request: &OwnedRequest, name: &[u8], password: &[u8]) -> Result<(), &'static str> {
        let users = Arc::clone(&self.users);
        let Some(user) = users.get(name).filter(|user| user.admits(password)) else {
            let in_multi = self.conn(token).is_some_and(|conn| conn.session.transaction.is_some() || conn.session.in_exec);
            let context = if in_multi { Context::Multi } else { Context::TopLevel };
            self.note_denial(token, Reason::Auth, context, request.args().get(0), Some(name));
            return Err(WRONGPASS);
        };
        if let Some(conn) = self.conn(token) {
            conn.session.log_in(user, &users);
        }
        Ok(())
    }

    /// How many databases there are.
    pub fn databases(&self) -> usize {
        self.exec.config.databases as usize
    }
}

fn hello(core: &mut Core, token: Token, request: &OwnedRequest) {
    let args = request.args();
    let mut resp3 = core.conn(token).is_some_and(|conn| conn.output.reply.resp3);
    if args.len() > 1 {
        match parse_i64(args.get(1)) {
            Some(2) => resp3 = false,
            Some(3) => resp3 = true,
            Some(_) => return core.refuse(token, "NOPROTO unsupported protocol version"),
            None => return core.refuse(token, "ERR Protocol version is not an integer or out of range"),
        }
    }
    let mut at = 2;
    let (mut name, mut login) = (None, None);
    while at < args.len() {
        if args.is(at, "AUTH") && at + 2 < args.len() {
            login = Some((args.get(at + 1), args.get(at + 2)));
            at += 3;
        } else if args.is(at, "SETNAME") && at + 1 < args.len() {
            name = Some(args.get(at + 1).to_vec());
            at += 2;
        } else {
            let option = String::from_utf8_lossy(args.get(at)).into_owned();
            return core.refuse(token, &format!("ERR Syntax error in HELLO option '{option}'"));
        }
    }
    if let Some((user, password)) = login
        && let Err(error) = core.authenticate(token, request, user, password)
    {
        return core.refuse(token, error);
    }
    let Some(conn) = core.conn(token) else { return };
    if !conn.session.authenticated {
        return core.refuse(
            token,
            "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> \
             option can be used to authenticate the client and select the RESP protocol version at the same time",
        );
    }
    if let Some(name) = name {
        if !is_valid_name(&name) {
            return core.refuse(token, "ERR Client names cannot contain spaces, newlines or special characters.");
        }
        conn.session.name = name;
    }
    let Some(conn) = core.conn(token) else { return };
    conn.output.reply.resp3 = resp3;
    conn.session.only_listens = !resp3 && conn.session.subscriptions.is_some();
    let id = conn.session.id;
    let role = if core.exec.gates_say_replica() { "replica" } else { "master" };
    core.reply(token, |reply| {
        reply.map(7);
        reply.bulk(b"server");
        reply.bulk(b"redis");
        reply.bulk(b"version");
        reply.bulk(crate::info::REDIS_VERSION.as_bytes());
        reply.bulk(b"proto");
        reply.int(if resp3 { 3 } else { 2 });
        reply.bulk(b"id");
        reply.int(id as i64);
        reply.bulk(b"mode");
        reply.bulk(b"standalone");
        reply.bulk(b"role");
        reply.bulk(role.as_bytes());
        reply.bulk(b"modules");
        reply.array(0);
    });
}

/// Whether a client's name is printable and has no spaces.
pub fn is_valid_name(name: &[u8]) -> bool {
    name.iter().all(|c| (b'!'..=b'~').contains(c))
}
