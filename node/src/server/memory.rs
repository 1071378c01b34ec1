//! MEMORY: what keys and the node as a whole take.

use super::container::{self, Subcommands};
use super::info::with_facts;
use crate::connection::{OwnedRequest, Token};
use crate::core::Core;
use crate::dispatch::registry::ServerHandler;
use crate::info::memory::{MemoryFacts, percent, ratio};
use crate::info::{Facts, Section, Sections, human};
use koltso_proto::number::parse_i64;
use koltso_proto::resp::Reply;

pub const HANDLERS: &[(&str, ServerHandler)] = &[("memory", memory)];

const SUBCOMMANDS: Subcommands =
    &[("usage", usage), ("stats", stats), ("doctor", doctor), ("purge", purge), ("malloc-stats", malloc_stats)];

const HELP: &[&str] = &[
    "USAGE <key> [SAMPLES <count>]",
    "    Bytes that a key and its value take. Big values are estimated from samples.",
    "STATS",
    "    Figures about the memory of the node.",
    "DOCTOR",
    "    What stands out in these figures.",
    "MALLOC-STATS",
    "    What the allocator says of itself.",
    "PURGE",
    "    Give memory that is free back to the kernel now, not in a moment.",
];

fn memory(core: &mut Core, token: Token, request: &OwnedRequest) {
    container::run(core, token, request, SUBCOMMANDS, HELP);
}

fn usage(core: &mut Core, token: Token, request: &OwnedRequest) {
    let args = request.args();
    // How many elements are looked at is not for the client to say, but it is checked as if it were.
    for at in (3..args.len()).step_by(2) {
        if !args.is(at, "SAMPLES") || at + 1 == args.len() {
            return core.refuse(token, "ERR syntax error");
        }
        match parse_i64(args.get(at + 1)) {
            Some(0..) => {}
            Some(_) => return core.refuse(token, "ERR syntax error"),
            None => return core.refuse(token, "ERR value is not an integer or out of range"),
        }
    }
    let key = args.get(2).to_vec();
    let shard = core.exec.shard_of(&key);
    let Some(db) = core.conn(token).map(|conn| conn.session.db) else { return };
    core.ask_shard(
        token,
        shard,
        move |shard, now| {
            let entry = shard.dbs[db.0 as usize].find(&key);
            let live = entry.filter(|entry| entry.expire().is_none_or(|deadline| deadline > now));
            live.map(|entry| entry.heap_bytes())
        },
        |_, bytes, reply| match bytes {
            Some(bytes) => reply.len(bytes),
            None => reply.null(),
        },
    );
}

/// Gathers all figures, and has a reply made of them.
fn with_memory(core: &mut Core, token: Token, finish: impl FnOnce(&Facts, &MemoryFacts, &mut Reply) + Send + 'static) {
    with_facts(core, token, Sections::only(Section::Keyspace), |facts, reply| finish(facts, &MemoryFacts::of(facts), reply));
}

fn stats(core: &mut Core, token: Token, _: &OwnedRequest) {
    with_memory(core, token, |facts, memory, reply| {
        let keys: u64 = facts.databases().iter().map(|(_, db)| db.keys).sum();
        let data = memory.used.saturating_sub(memory.startup);
        let store = &facts.shared.scripts;
        let ((_, scripts), functions) = (store.scripts(), store.libraries().len_bytes());
        put_stats(
            reply,
            &[
                ("peak.allocated", Figure::Count(memory.peak)),
                ("total.allocated", Figure::Count(memory.used)),
                ("startup.allocated", Figure::Count(memory.startup)),
                ("replication.backlog", Figure::Count(memory.backlog)),
                ("clients.slaves", Figure::Count(memory.replicas)),
                ("clients.normal", Figure::Count(memory.clients)),
                ("cluster.links", Figure::Count(0)),
                ("aof.buffer", Figure::Count(0)),
                ("lua.caches", Figure::Count(scripts as u64)),
                ("functions.caches", Figure::Count(functions as u64)),
                ("overhead.total", Figure::Count(memory.overhead())),
                ("keys.count", Figure::Count(keys)),
                ("keys.bytes-per-key", Figure::Count(data.checked_div(keys).unwrap_or(0))),
                ("dataset.bytes", Figure::Count(memory.dataset())),
                ("dataset.percentage", Figure::Ratio(memory.dataset_percent())),
                ("peak.percentage", Figure::Ratio(percent(memory.used, memory.peak))),
                ("allocator.allocated", Figure::Count(memory.used)),
                ("allocator.active", Figure::Count(memory.resident)),
                ("allocator.resident", Figure::Count(memory.resident)),
                ("allocator-fragmentation.ratio", Figure::Ratio(memory.fragmentation())),
                ("allocator-fragmentation.bytes", Figure::Count(memory.resident.saturating_sub(memory.used))),
                ("allocator-rss.ratio", Figure::Ratio(1.0)),
                ("allocator-rss.bytes", Figure::Count(0)),
                ("rss-overhead.ratio", Figure::Ratio(1.0)),
                ("rss-overhead.bytes", Figure::Count(0)),
                ("fragmentation", Figure::Ratio(memory.fragmentation())),
                ("fragmentation.bytes", Figure::Difference(memory.resident as i64 - memory.used as i64)),
            ],
        );
    });
}

/// A figure of `MEMORY STATS`.
enum Figure {
    Count(u64),
    Difference(i64),
    Ratio(f64),
}

fn put_stats(reply: &mut Reply, figures: &[(&str, Figure)]) {
    reply.map(figures.len());
    for (name, figure) in figures {
        reply.bulk(name.as_bytes());
        match figure {
            Figure::Count(count) => reply.int(*count as i64),
            Figure::Difference(difference) => reply.int(*difference),
            Figure::Ratio(ratio) => reply.double(*ratio),
        }
    }
}

fn doctor(core: &mut Core, token: Token, _: &OwnedRequest) {
    with_memory(core, token, |facts, memory, reply| {
        let clients = facts.shared.connected_clients.load(std::sync::atomic::Ordering::Relaxed);
        reply.verbatim(b"txt", diagnosis(memory, clients).as_bytes());
    });
}

/// Below this much, fixed costs say more than the data does, in bytes.
const TOO_LITTLE: u64 = 5 << 20;
/// How many times what is in use the peak may be before it stands out.
const PEAK_RATIO: f64 = 1.5;
/// How many times what is in use the resident memory may be.
const RESIDENT_RATIO: f64 = 1.4;
/// How much a client may take on average, in bytes.
const CLIENT_BYTES: u64 = 200 << 10;
/// How much replicas that are behind may take, in bytes.
const REPLICAS_BYTES: u64 = 64 << 20;

/// What stands out.
fn diagnosis(memory: &MemoryFacts, clients: u64) -> String {
    if memory.used < TOO_LITTLE {
        return "There is too little data here for a diagnosis.".to_string();
    }
    let mut found = Vec::new();
    if ratio(memory.peak, memory.used) > PEAK_RATIO {
        found.push(format!(
            "Peak: {} were in use at some time, and {} are now. Resident memory may stay near the peak.",
            human(memory.peak),
            human(memory.used)
        ));
    }
    if memory.fragmentation() > RESIDENT_RATIO {
        found.push(format!(
            "Fragmentation: {} are resident, {:.2} for each byte in use. Deleting many keys does that, and so does a peak.",
            human(memory.resident),
            memory.fragmentation()
        ));
    }
    if clients > 0 && memory.clients / clients > CLIENT_BYTES {
        found.push(format!(
            "Clients: {} in buffers of {clients} clients. Look in CLIENT LIST for those that read too slowly.",
            human(memory.clients)
        ));
    }
    if memory.replicas > REPLICAS_BYTES {
        found.push(format!(
            "Replicas: {} are kept beyond the backlog for replicas that are behind. See INFO replication.",
            human(memory.replicas)
        ));
    }
    if found.is_empty() { "Nothing stands out.".to_string() } else { found.join("\n") }
}

fn purge(core: &mut Core, token: Token, _: &OwnedRequest) {
    core.gather(token, |_| crate::alloc::give_back(), |_, _, reply| reply.ok());
}

fn malloc_stats(core: &mut Core, token: Token, _: &OwnedRequest) {
    with_memory(core, token, |_, memory, reply| {
        let (used, peak, resident) = (human(memory.used), human(memory.peak), human(memory.resident));
        let text = format!("mimalloc: {used} in use, at most {peak}; {resident} resident\n");
        reply.verbatim(b"txt", text.as_bytes());
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_out_of_the_ordinary_is_named() {
        let fine = MemoryFacts { used: 100 << 20, resident: 110 << 20, peak: 120 << 20, ..Default::default() };
        assert_eq!(diagnosis(&fine, 10), "Nothing stands out.");
        let peaked = MemoryFacts { peak: 200 << 20, resident: 200 << 20, ..fine };
        let text = diagnosis(&peaked, 10);
        assert!(text.starts_with("Peak: 200.00M") && text.contains("\nFragmentation: "), "{text}");
        let slow = MemoryFacts { clients: 10 << 20, replicas: 65 << 20, ..fine };
        let text = diagnosis(&slow, 10);
        assert!(text.starts_with("Clients: 10.00M") && text.contains("\nReplicas: "), "{text}");
        assert!(diagnosis(&MemoryFacts { used: 1, peak: 1 << 30, ..Default::default() }, 0).contains("too little"));
    }
}
