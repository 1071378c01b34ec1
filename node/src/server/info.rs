//! INFO: what cores contribute is gathered, and written by [`crate::info`].

use crate::connection::{OwnedRequest, Peer, Token};
use crate::core::Core;
use crate::dispatch::registry::ServerHandler;
use crate::info::{self, CoreFacts, Facts, Sections, facts};
use koltso_proto::id::Offset;

pub const HANDLERS: &[(&str, ServerHandler)] = &[("info", info)];

fn info(core: &mut Core, token: Token, request: &OwnedRequest) {
    let sections = Sections::asked(request.args().from(1));
    let part = move |core: &mut Core| CoreFacts::of(core, sections);
    let finish = move |core: &mut Core, parts, reply: &mut koltso_proto::resp::Reply| {
        let text = info::text(sections, &Facts::new(core, parts));
        reply.verbatim(b"txt", text.as_bytes());
    };
    if facts::need_shards(sections) {
        core.gather_with_shards(token, part, finish);
    } else {
        core.gather(token, part, finish);
    }
}

impl Core {
    /// On the log's core: how far the stream of our primary has been read, and how far applied; the end of the log, if there
    /// is none.
    pub fn stream_offsets(&self) -> (Offset, Offset) {
        let Some(replication) = &self.replication else { return (Offset(0), Offset(0)) };
        let token = replication.upstream.as_ref().and_then(|upstream| upstream.token);
        let conn = token.and_then(|token| self.conns.get(token.index as usize));
        match conn.map(|conn| (&conn.peer, conn.pending.len())) {
            Some((Peer::Primary(stream), pending)) => (stream.dispatched.advanced(pending as u64), stream.applied),
            _ => (replication.log.end(), replication.log.end()),
        }
    }
}
