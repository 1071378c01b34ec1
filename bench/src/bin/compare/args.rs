//! The command line, and what it amounts to: which servers, on which CPUs, how much of everything.

use std::path::{Path, PathBuf};

use clap::{Parser, ValueEnum};

use crate::server::{Kind, Program};
use crate::{Result, launch};

/// Runs the same load against koltso and other servers, one at a time in interleaved rounds, and prints one table.
#[derive(Parser, Debug)]
#[command(version)]
pub struct Args {
    /// The koltso binary [default: `koltso` beside this executable; without one, the first --server takes its place]
    #[arg(long, value_name = "PATH")]
    koltso: Option<PathBuf>,
    /// A redis-server or valkey-server to compare with; may be repeated, the goals refer to the first
    /// [default: redis=redis-server]
    #[arg(long = "server", value_name = "NAME=PATH")]
    servers: Vec<String>,
    /// koltso's --cores
    #[arg(long, default_value_t = 1)]
    cores: usize,
    /// The parts to run
    #[arg(long, value_delimiter = ',', default_values_t = Part::ALL, value_enum)]
    rows: Vec<Part>,
    /// A tenth of the work in a single round: to see that everything runs, not to be quoted
    #[arg(long)]
    quick: bool,
    /// Rounds of each measurement; medians are reported [default: 3, with --quick 1]
    #[arg(long)]
    rounds: Option<usize>,
    /// Random keys of the redis-benchmark rows, all present beforehand
    #[arg(long, default_value_t = 1_000_000)]
    keyspace: u64,
    /// Keys of the full-sync rows [default: 3000000, with --quick 300000]
    #[arg(long)]
    sync_keys: Option<u64>,
    /// Writes per second of the latency prober, idle and during a full sync
    #[arg(long, default_value_t = 2_000)]
    probe_rate: u64,
    /// Keys of the growth row [default: 20000000, with --quick 2000000]
    #[arg(long)]
    growth_keys: Option<u64>,
    /// The load generator of the throughput rows
    #[arg(long, value_name = "PATH", default_value = "redis-benchmark")]
    redis_benchmark: PathBuf,
    /// Where compare.md and compare.svg go
    #[arg(long, value_name = "DIR", default_value = "compare-out")]
    out: PathBuf,
}

/// A part of the comparison that can be run on its own.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Requests per second and CPU per operation, random keys
    Basic,
    /// The same with redis-benchmark's default of one constant key
    Onekey,
    /// The same as basic with one attached replica
    Replica,
    /// The commonest commands of each family at pipeline 16
    Families,
    /// Messages to a thousand subscribers
    Pubsub,
    /// Full sync: time, latency of writes meanwhile, memory
    Sync,
    /// Resident bytes per key
    Memory,
    /// Longest step while the key space grows
    Growth,
}

impl Part {
    const ALL: [Part; 8] =
        [Part::Basic, Part::Onekey, Part::Replica, Part::Families, Part::Pubsub, Part::Sync, Part::Memory, Part::Growth];
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Part::Basic => "basic",
            Part::Onekey => "onekey",
            Part::Replica => "replica",
            Part::Families => "families",
            Part::Pubsub => "pubsub",
            Part::Sync => "sync",
            Part::Memory => "memory",
            Part::Growth => "growth",
        })
    }
}

/// Everything the measuring modules need to know.
pub struct Setup {
    /// The subject first (koltso), then the references; the goals compare the first two.
    pub programs: Vec<Program>,
    pub parts: Vec<Part>,
    pub quick: bool,
    pub rounds: usize,
    pub keyspace: u64,
    pub sync_keys: u64,
    pub probe_rate: u64,
    pub growth_keys: u64,
    pub cores: usize,
    pub server_cpus: Vec<usize>,
    pub client_cpus: Vec<usize>,
    pub redis_benchmark: PathBuf,
    pub out: PathBuf,
}

impl Setup {
    /// A number of requests or keys, scaled down for `--quick`.
    pub fn scaled(&self, full: u64) -> u64 {
        if self.quick { full / 10 } else { full }
    }
}

impl Args {
    pub fn setup(&self) -> Result<Setup> {
        let (server_cpus, client_cpus) = split_cpus(&launch::allowed_cpus()?, self.cores.max(1));
        let pick = |given: Option<u64>, full: u64| given.unwrap_or(if self.quick { full / 10 } else { full });
        Ok(Setup {
            programs: self.programs()?,
            parts: self.rows.clone(),
            quick: self.quick,
            rounds: self.rounds.unwrap_or(if self.quick { 1 } else { 3 }).max(1),
            keyspace: self.keyspace.max(1),
            sync_keys: pick(self.sync_keys, 3_000_000).max(1),
            probe_rate: self.probe_rate.max(1),
            growth_keys: pick(self.growth_keys, 20_000_000).max(1),
            cores: self.cores.max(1),
            server_cpus,
            client_cpus,
            redis_benchmark: self.redis_benchmark.clone(),
            out: self.out.clone(),
        })
    }

    fn programs(&self) -> Result<Vec<Program>> {
        let mut programs = Vec::new();
        if let Some(path) = self.koltso.clone().or_else(koltso_beside) {
            programs.push(Program::identify("koltso", &path)?);
        }
        let default = ["redis=redis-server".to_owned()];
        let servers = if self.servers.is_empty() { &default[..] } else { &self.servers };
        for server in servers {
            let (name, path) = server.split_once('=').ok_or_else(|| format!("--server {server}: expected NAME=PATH"))?;
            programs.push(Program::identify(name, Path::new(path))?);
        }
        if programs[0].kind != Kind::Koltso {
            eprintln!("compare: no koltso found, {} stands in its place", programs[0].name);
        }
        Ok(programs)
    }
}

fn koltso_beside() -> Option<PathBuf> {
    let beside = std::env::current_exe().ok()?.with_file_name("koltso");
    beside.is_file().then_some(beside)
}

/// Servers get the first `cores` CPUs, all clients the next one; where there are not enough, everything shares all.
fn split_cpus(allowed: &[usize], cores: usize) -> (Vec<usize>, Vec<usize>) {
    if allowed.len() > cores { (allowed[..cores].to_vec(), vec![allowed[cores]]) } else { (allowed.to_vec(), allowed.to_vec()) }
}
