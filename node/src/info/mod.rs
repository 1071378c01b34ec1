//! What the node says of itself: the sections of `INFO`, one module each.
//!
//! Every core contributes its [`CoreFacts`]; a section is then a pure function of all [`Facts`] together. Names and order of
//! fields are those of Redis 7.2, because redis-cli, exporters and Sentinel read them by name; fields about things that do not
//! exist here (forks, modules, a Lua engine) say zero. What only this node has is added at the end of its section. This module
//! must not change anything.

mod clients;
mod cpu;
pub mod facts;
mod keyspace;
pub mod memory;
mod persistence;
pub mod process;
pub mod rates;
pub mod replication;
mod report;
mod sections;
mod server;
mod stats;
pub mod tables;

pub use facts::{CoreFacts, Facts};
pub use report::{Report, human};
pub use sections::{Section, Sections};

/// The Redis version whose behaviour this node shows, as `INFO` and `HELLO` report it: clients decide by it what to use.
pub const REDIS_VERSION: &str = "7.2.0";

/// The text of these sections.
pub fn text(sections: Sections, facts: &Facts) -> String {
    let mut report = Report::default();
    for section in sections.iter() {
        match section {
            Section::Server => server::write(&mut report, facts),
            Section::Clients => clients::write(&mut report, facts),
            Section::Memory => memory::write(&mut report, facts),
            Section::Persistence => persistence::write(&mut report, facts),
            Section::Stats => stats::write(&mut report, facts),
            Section::Replication => report.append(facts.cores.iter().find_map(|core| core.replication.as_ref())),
            Section::Cpu => cpu::write(&mut report, facts),
            Section::Modules => report.section("Modules"),
            Section::CommandStats => tables::commands(&mut report, facts),
            Section::ErrorStats => tables::errors(&mut report, facts),
            Section::LatencyStats => tables::latencies(&mut report, facts),
            Section::Cluster => {
                report.section("Cluster");
                report.put("cluster_enabled", 0);
            }
            Section::Keyspace => keyspace::write(&mut report, facts),
        }
    }
    report.into_text()
}
