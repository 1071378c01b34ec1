//! Commands about the connection and the server: they run with the core in their hands instead of keys.

mod connection;
mod gather;
pub mod monitor;
mod persistence;
mod replication;
pub mod slowlog;
mod transactions;

use crate::dispatch::registry::ServerHandler;

/// Every family's commands, by lower-case name.
pub const HANDLERS: &[&[(&str, ServerHandler)]] =
    &[connection::HANDLERS, monitor::HANDLERS, persistence::HANDLERS, replication::HANDLERS, transactions::HANDLERS];
