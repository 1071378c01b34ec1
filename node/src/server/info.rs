//! INFO: what cores contribute is gathered, and written by [`crate::info`].

use crate::connection::{OwnedRequest, Peer, Token};
use crate::core::Core;
use crate::dispatch::registry::ServerHandler;
use crate::info::{self, CoreFacts, Facts, Section, Sections, facts};
use koltso_proto::id::Offset;
use koltso_proto::resp::Reply;

pub const HANDLERS: &[(&str, ServerHandler)] = &[("info", info)];

fn info(core: &mut Core, token: Token, request: &OwnedRequest) {
    let sections = Sections::asked(request.args().from(1));
    with_facts(core, token, sections, move |facts, reply| {
        reply.verbatim(b"txt", info::text(sections, facts).as_bytes());
    });
}

/// Gathers what these sections need, and has a reply made of it. Within `EXEC` that is done at once, so that it counts what the
/// commands before it have done and nothing of those after it: what other cores have to say was asked before.
pub fn with_facts(core: &mut Core, token: Token, sections: Sections, finish: impl FnOnce(&Facts, &mut Reply) + Send + 'static) {
    if core.holds_all_in_exec(token) {
        let facts = core.facts_within_exec(sections);
        return core.reply(token, |reply| finish(&facts, reply));
    }
    let part = move |core: &mut Core| CoreFacts::of(core, sections);
    let finish = move |core: &mut Core, parts: Vec<CoreFacts>, reply: &mut Reply| finish(&Facts::new(core, parts), reply);
    if facts::need_shards(sections) {
        return core.gather_with_shards(token, part, finish);
    }
    core.gather(token, part, finish);
}

impl Core {
    /// Asks the other cores for what they have to say of themselves, and then goes on with a transaction that may ask for it.
    pub(crate) fn with_facts_for_exec(&mut self, then: impl FnOnce(&mut Core, Vec<CoreFacts>) + Send + 'static) {
        let sections = Sections::all_but(Section::Keyspace);
        self.ask_cores(false, move |core| CoreFacts::of(core, sections), then);
    }

    /// What is known at this moment of a transaction, which has every shard.
    fn facts_within_exec(&mut self, sections: Sections) -> Facts {
        let mut parts = self.facts_for_exec.clone();
        parts.resize_with(self.peers.len(), CoreFacts::default);
        parts[self.exec.id] = CoreFacts::of(self, sections);
        let now = self.exec.now;
        if facts::need_shards(sections) {
            let shards = self.exec.shards.iter().flatten();
            parts.iter_mut().zip(shards).for_each(|(part, shard)| part.keyspace = facts::keyspace(shard, now));
        }
        Facts::new(self, parts)
    }

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
