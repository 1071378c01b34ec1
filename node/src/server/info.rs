//! INFO: what cores contribute is gathered, and written by [`crate::info`].

use crate::connection::{OwnedRequest, Peer, Token};
use crate::core::Core;
use crate::dispatch::registry::ServerHandler;
use crate::info::{self, CoreFacts, Facts, Sections, facts};
use koltso_proto::id::Offset;
use koltso_proto::resp::Reply;

pub const HANDLERS: &[(&str, ServerHandler)] = &[("info", info)];

fn info(core: &mut Core, token: Token, request: &OwnedRequest) {
    let sections = Sections::asked(request.args().from(1));
    with_facts(core, token, sections, move |facts, reply| {
        reply.verbatim(b"txt", info::text(sections, facts).as_bytes());
    });
}

/// Gathers what these sections need, and has a reply made of it. Within `EXEC` the databases are counted at once, as is what
/// this core has to say, where the transaction runs; what other cores say of their clients may come a moment later.
pub fn with_facts(core: &mut Core, token: Token, sections: Sections, finish: impl FnOnce(&Facts, &mut Reply) + Send + 'static) {
    let part = move |core: &mut Core| CoreFacts::of(core, sections);
    let in_exec = core.conn(token).is_some_and(|conn| conn.session.in_exec);
    let own = in_exec.then(|| CoreFacts::of(core, sections));
    let finish = move |core: &mut Core, mut parts: Vec<CoreFacts>, reply: &mut Reply| {
        if let Some(own) = own {
            let keyspace = std::mem::take(&mut parts[core.exec.id].keyspace);
            parts[core.exec.id] = CoreFacts { keyspace, ..own };
        }
        finish(&Facts::new(core, parts), reply);
    };
    if !facts::need_shards(sections) {
        return core.gather(token, part, finish);
    }
    if !core.holds_all_in_exec(token) {
        return core.gather_with_shards(token, part, finish);
    }
    let now = core.exec.now;
    let counts: Vec<_> = core.exec.shards.iter().flatten().map(|shard| facts::keyspace(shard, now)).collect();
    core.gather(token, part, |core, mut parts, reply| {
        parts.iter_mut().zip(counts).for_each(|(part, count)| part.keyspace = count);
        finish(core, parts, reply);
    });
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
