//! The harness of the integration tests: real servers as processes, a client of its own, a fault-injecting proxy,
//! bounded load, and the oracles that say whether two servers hold the same data.
//!
//! It must not share code with the server under test: a parser that is wrong in both places would find nothing. Only the
//! targets in [`fuzz`] call that code, because they test it.
//!
//! Environment: `KOLTSO_BIN` names the binary under test (default: beside the test executable's profile folder),
//! `KOLTSO_SEED` repeats a run, `KOLTSO_CORES` says with how many cores koltso is started, `KOLTSO_SELFCHECK=redis` puts a redis-server in koltso's place, which proves a test right.
#![forbid(unsafe_code)]

pub mod append_only;
pub mod cases;
pub mod cli;
pub mod client;
pub mod conformance;
pub mod dataset;
pub mod dialogue;
pub mod disk;
pub mod fuzz;
pub mod groups;
pub mod info;
pub mod intended;
pub mod load;
pub mod matrix;
pub mod netns;
pub mod oracle;
pub mod plan;
pub mod proxy;
pub mod raw;
pub mod seed;
pub mod sentinel;
pub mod server;
pub mod slow_script;
pub mod stutter;
pub mod tls;
pub mod value;
pub mod wait;

pub use client::Client;
pub use info::Info;
pub use proxy::{Cut, Direction, Proxy};
pub use seed::Seed;
pub use server::{Kind, Server};
pub use value::Value;
pub use wait::{eventually, eventually_for};

/// Runs a test body once with one core and once with three, which covers the local path and hop and lend; or with the number
/// of cores that `KOLTSO_CORES` says.
pub fn with_cores(mut body: impl FnMut(Kind)) {
    let asked = std::env::var("KOLTSO_CORES").ok().and_then(|cores| cores.parse().ok());
    for cores in asked.map_or(vec![1, 3], |cores| vec![cores]) {
        println!("--- cores {cores}");
        body(Kind::Koltso { cores });
    }
}
