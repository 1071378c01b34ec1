//! What `INFO` and `MEMORY STATS` are made of: what each core contributes, and what all share.

use super::process::CpuTimes;
use super::replication;
use super::{Report, Section, Sections, process};
use crate::config::Config;
use crate::connection::{Connection, Peer};
use crate::core::Core;
use crate::dispatch::tally::CommandTally;
use crate::pubsub::Kind;
use crate::shard::Shard;
use crate::shard::table::Table;
use crate::shared::Shared;
use koltso_proto::id::{DbIndex, UnixMs};
use std::sync::Arc;

/// Everything that is known.
pub struct Facts {
    /// What all threads share.
    pub shared: Arc<Shared>,
    /// The configuration in force.
    pub config: Arc<Config>,
    /// The time.
    pub now: UnixMs,
    /// What each core says.
    pub cores: Vec<CoreFacts>,
}

/// What one core says.
#[derive(Clone, Debug, Default)]
pub struct CoreFacts {
    /// Memory of its clients.
    pub clients: ClientFacts,
    /// Clients of it whose wait has an end.
    pub timed_waits: usize,
    /// On the log's core: what the log holds.
    pub log: Option<LogFacts>,
    /// On the log's core, if it was asked for: the section about replication.
    pub replication: Option<Report>,
    /// On the log's core: processor time of its thread.
    pub thread_cpu: Option<CpuTimes>,
    /// Its databases, if they were asked for.
    pub keyspace: Vec<DbFacts>,
    /// Error replies by their code.
    pub errors: Vec<(String, u64)>,
    /// Values that it is dropping bit by bit, and those that it has dropped so.
    pub lazily_freed: (u64, u64),
    /// What its clients are subscribed to, if it was asked for.
    pub subscribed: Vec<(Kind, Vec<Arc<[u8]>>)>,
    /// What is known of each command, if it was asked for.
    pub commands: Vec<(&'static str, CommandTally)>,
}

/// Memory of clients, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct ClientFacts {
    /// Of all clients but replicas.
    pub normal: u64,
    /// Of connections to replicas.
    pub replicas: u64,
    /// The largest buffer of requests.
    pub input_max: u64,
    /// The largest buffer of replies.
    pub output_max: u64,
}

/// What the log holds, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct LogFacts {
    /// Whether it records.
    pub is_active: bool,
    /// For replicas that come back.
    pub backlog: u64,
    /// In all, for replicas that are behind included.
    pub held: u64,
    /// Whether a primary's snapshot is being loaded beside the data that is served.
    pub is_syncing: bool,
}

/// How full a database is, or a part of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DbFacts {
    /// Keys.
    pub keys: u64,
    /// Keys that have a deadline.
    pub expires: u64,
    /// What these have left to live on average, in milliseconds.
    pub avg_ttl: u64,
}

impl DbFacts {
    fn and(self, other: DbFacts) -> Self {
        let expires = self.expires + other.expires;
        let ttl = |part: DbFacts| u128::from(part.avg_ttl) * u128::from(part.expires);
        let avg_ttl = (ttl(self) + ttl(other)).checked_div(u128::from(expires)).unwrap_or(0) as u64;
        DbFacts { keys: self.keys + other.keys, expires, avg_ttl }
    }
}

/// Whether these sections need every shard at home.
pub fn need_shards(sections: Sections) -> bool {
    sections.has(Section::Keyspace)
}

impl CoreFacts {
    /// What this core says for these sections.
    pub fn of(core: &mut Core, sections: Sections) -> Self {
        core.add_up_counters();
        let clients = ClientFacts::of(core.conns.iter().map(|(_, conn)| conn));
        let mut facts = CoreFacts {
            clients,
            timed_waits: core.timed_waits(),
            lazily_freed: crate::shard::graveyard::counts(),
            ..Default::default()
        };
        if let Some(replication) = &core.replication {
            facts.log = Some(LogFacts {
                is_active: replication.log.is_active(),
                backlog: replication.log.history_len(),
                held: replication.log.held_len(),
                is_syncing: replication
                    .upstream
                    .as_ref()
                    .is_some_and(|up| up.state == crate::replication::link::LinkState::Sync),
            });
            facts.timed_waits += replication.timed_waits();
            facts.thread_cpu = process::thread_cpu();
            if sections.has(Section::Replication) {
                facts.replication = Some(replication::of(core, replication));
            }
        }
        if sections.has(Section::Stats) {
            let names = |kind| (kind, core.directory.of(kind).keys().cloned().collect());
            facts.subscribed = [Kind::Channel, Kind::Pattern, Kind::Shard].map(names).into();
        }
        if sections.has(Section::ErrorStats) {
            facts.errors = core.exec.tally.codes().to_vec();
        }
        if sections.has(Section::CommandStats) || sections.has(Section::LatencyStats) {
            facts.commands = core.exec.tally.commands();
        }
        if sections.has(Section::Keyspace) {
            facts.keyspace =
                core.exec.shards[core.exec.id].as_deref().map(|shard| keyspace(shard, core.exec.now)).unwrap_or_default();
        }
        facts
    }
}

/// The databases of a shard.
pub fn keyspace(shard: &Shard, now: UnixMs) -> Vec<DbFacts> {
    let rng = &mut rand::rng();
    let of = |table: &Table| DbFacts {
        keys: table.len() as u64,
        expires: table.expires() as u64,
        avg_ttl: table.average_ttl(now, rng),
    };
    shard.dbs.iter().map(of).collect()
}

impl ClientFacts {
    fn of<'a>(connections: impl Iterator<Item = &'a Connection>) -> Self {
        let mut facts = ClientFacts::default();
        for conn in connections {
            let (size, output) = (conn.footprint() as u64, conn.output.len() as u64);
            match conn.peer {
                Peer::Replica(_) => facts.replicas += size,
                Peer::Client | Peer::Primary(_) => facts.normal += size,
            }
            facts.input_max = facts.input_max.max(conn.pending.len() as u64);
            facts.output_max = facts.output_max.max(output);
        }
        facts
    }
}

impl Facts {
    /// All that the cores have said, seen from this one.
    pub fn new(core: &Core, cores: Vec<CoreFacts>) -> Self {
        Facts { shared: Arc::clone(&core.shared), config: core.shared.config(), now: core.exec.now, cores }
    }

    /// What the log holds.
    pub fn log(&self) -> LogFacts {
        self.cores.iter().find_map(|core| core.log).unwrap_or_default()
    }

    /// Memory of all clients.
    pub fn clients(&self) -> ClientFacts {
        self.cores.iter().map(|core| core.clients).fold(ClientFacts::default(), |a, b| ClientFacts {
            normal: a.normal + b.normal,
            replicas: a.replicas + b.replicas,
            input_max: a.input_max.max(b.input_max),
            output_max: a.output_max.max(b.output_max),
        })
    }

    /// How many different names of a kind have subscribers.
    pub fn subscribed(&self, kind: Kind) -> usize {
        let of_kind = self.cores.iter().flat_map(|core| &core.subscribed).filter(|(of, _)| *of == kind);
        let mut names: Vec<&[u8]> = of_kind.flat_map(|(_, names)| names.iter().map(|name| &**name)).collect();
        names.sort_unstable();
        names.dedup();
        names.len()
    }

    /// The databases that are not empty, over all shards.
    pub fn databases(&self) -> Vec<(DbIndex, DbFacts)> {
        let count = self.cores.iter().map(|core| core.keyspace.len()).max().unwrap_or(0);
        let sum = |index: usize| {
            let parts = self.cores.iter().filter_map(|core| core.keyspace.get(index));
            parts.fold(DbFacts::default(), |sum, part| sum.and(*part))
        };
        let all = (0..count).map(|index| (DbIndex(index as u32), sum(index)));
        all.filter(|(_, db)| db.keys > 0).collect()
    }
}
