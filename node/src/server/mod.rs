//! Commands about the connection and the server: they run with the core in their hands instead of keys.

mod acl;
pub mod client;
mod command;
mod config;
mod connection;
pub mod container;
mod debug;
mod gather;
mod info;
pub mod latency;
mod listening;
mod memory;
mod migrate;
pub mod monitor;
mod persistence;
pub mod promise;
mod pubsub;
mod replication;
pub mod secrets;
pub mod shutdown;
pub mod slowlog;
mod time;
mod transactions;

use crate::dispatch::registry::ServerHandler;

/// Every family's commands, by lower-case name.
pub const HANDLERS: &[&[(&str, ServerHandler)]] = &[
    acl::HANDLERS,
    client::HANDLERS,
    command::HANDLERS,
    config::HANDLERS,
    connection::HANDLERS,
    debug::HANDLERS,
    info::HANDLERS,
    latency::HANDLERS,
    memory::HANDLERS,
    migrate::HANDLERS,
    monitor::HANDLERS,
    persistence::HANDLERS,
    pubsub::HANDLERS,
    replication::HANDLERS,
    shutdown::HANDLERS,
    slowlog::HANDLERS,
    time::HANDLERS,
    crate::scripting::eval::HANDLERS,
    crate::scripting::function::HANDLERS,
    crate::scripting::script::HANDLERS,
    transactions::HANDLERS,
];
