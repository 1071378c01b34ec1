//! ACL LOG: what was denied, and how it gets there.

use super::misuse;
use crate::acl::Denied;
use crate::acl::log::{Context, Event, Reason};
use crate::connection::{OwnedRequest, Token};
use crate::core::Core;
use koltso_proto::command::CommandSpec;
use koltso_proto::number::parse_i64;
use koltso_proto::resp::Reply;

/// Entries shown unless told.
const COUNT_DEFAULT: usize = 10;

pub fn log(core: &mut Core, token: Token, request: &OwnedRequest) {
    let args = request.args();
    let count = match args.len() {
        2 => COUNT_DEFAULT,
        3 if args.is(2, "RESET") => {
            core.shared.acl_log().reset();
            return core.ok(token);
        }
        3 => match parse_i64(args.get(2)) {
            Some(count) => usize::try_from(count).unwrap_or(0),
            None => return core.refuse(token, "ERR value is not an integer or out of range"),
        },
        _ => return misuse(core, token, request),
    };
    let entries = core.shared.acl_log().newest(count);
    let now_ms = core.exec.now.0;
    let text = |reply: &mut Reply, name: &str, value: &[u8]| {
        reply.bulk(name.as_bytes());
        reply.bulk(value);
    };
    let int = |reply: &mut Reply, name: &str, value: u64| {
        reply.bulk(name.as_bytes());
        reply.int(value as i64);
    };
    core.reply(token, |reply| {
        reply.array(entries.len());
        for entry in &entries {
            let last = &entry.last;
            reply.map(10);
            int(reply, "count", entry.count);
            text(reply, "reason", last.reason.name().as_bytes());
            text(reply, "context", last.context.name().as_bytes());
            text(reply, "object", &last.object);
            text(reply, "username", &last.username);
            reply.bulk(b"age-seconds");
            reply.double(now_ms.saturating_sub(last.at_ms) as f64 / 1000.0);
            text(reply, "client-info", last.client.as_bytes());
            int(reply, "entry-id", entry.id);
            int(reply, "timestamp-created", entry.created_ms);
            int(reply, "timestamp-last-updated", last.at_ms);
        }
    });
}

impl Core {
    /// Notes that a command was denied.
    #[cold]
    pub(crate) fn note_denied(
        &mut self,
        token: Token,
        spec: &CommandSpec,
        request: &OwnedRequest,
        denied: Denied,
        context: Context,
    ) {
        let args = request.args();
        let (reason, object) = match denied {
            Denied::Command => (Reason::Command, spec.name.as_bytes()),
            Denied::Key(at) => (Reason::Key, args.get(at)),
            Denied::Channel(at) => (Reason::Channel, args.get(at)),
        };
        self.note_denial(token, reason, context, object, None);
    }

    /// Notes that something was denied; `username` if it is not that of the client.
    #[cold]
    pub(crate) fn note_denial(
        &mut self,
        token: Token,
        reason: Reason,
        context: Context,
        object: &[u8],
        username: Option<&[u8]>,
    ) {
        let Some(conn) = self.conns.get(token.index as usize).filter(|conn| conn.generation == token.generation) else {
            return;
        };
        let username = username.unwrap_or(&conn.session.user().name).to_vec();
        let client = self.line_of(conn, 0).trim_end().to_string();
        let event = Event { reason, context, object: object.to_vec(), username, client, at_ms: self.exec.now.0 };
        self.shared.acl_log().note(event, self.exec.config.acllog_max_len as usize);
    }
}
