//! Koltso, a replication node: the library behind the binary `koltso`.
//!
//! Follow one `SET` through the folders, in this order:
//!
//! `reactor` (bytes arrive) → `connection` (a request) → `dispatch` (which shard, and how to get at it) → `commands` (what it
//! does) → `shard` (the data) → `effects` (what it means for replicas) → `replication` (the log, and the streams out of it).
//! `core` is the turn that drives them, `server` the commands about the node itself, and `service` the other side of the
//! house: everything long, linear and bulk. No module of the data path reaches back up.
//!
//! `unsafe` is allowed where a module says so and nowhere else: towards the kernel in `reactor`, for the packed entries in
//! `shard`, and for the allocator.

#![deny(unsafe_code)]

pub mod acl;
#[allow(unsafe_code)]
pub mod alloc;
pub mod commands;
pub mod config;
pub mod connection;
pub mod core;
pub mod daemon;
pub mod demo;
pub mod dispatch;
pub mod effects;
pub mod events;
pub mod info;
pub mod logging;
pub mod node;
pub mod persistence;
pub mod pubsub;
pub mod reactor;
pub mod replication;
pub mod scripting;
pub mod server;
pub mod service;
pub mod shard;
pub mod shared;
pub mod snapshot;
pub mod tls;
pub mod tracking;
pub mod waiting;
