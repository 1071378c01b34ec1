//! Koltso, a replication node: the library behind the binary `koltso`.
//!
//! Follow one `SET` through the folders, in this order:
//!
//! `reactor` (bytes arrive) → `connection` (a request) → `dispatch` (which shard, and how to get at it) → `commands` (what it
//! does) → `shard` (the data) → `effects` (what it means for replicas) → `replication` (the log, and the streams out of it).
//! `service` is the other side of the house: everything long, linear and bulk. No module reaches back up.

pub mod commands;
pub mod config;
pub mod effects;
pub mod shard;
