//! Formats of the Redis world, without any I/O and without a clock.
//!
//! This crate knows how things look on the wire and on disk, and nothing about sockets, files, threads or time. Everything in
//! it is a plain function over bytes, so it is usable on its own by anyone who wants to read an RDB file or a RESP stream.
//!
//! | module | what it knows |
//! |---|---|
//! | [`resp`] | requests as clients send them, replies as servers write them |
//! | [`psync`] | what a primary answers to a replica that synchronises |
//! | [`command`] | the one table of commands: arity, flags, ACL categories, key positions, documentation |
//! | [`rdb`] | RDB files and `DUMP` payloads, and the packed encodings inside them |
//! | [`listpack`], [`intset`], [`ziplist`] | the packed encodings themselves |
//! | [`stream`] | ids of stream entries, and the nodes that hold them |
//! | [`digest`] | `DEBUG DIGEST`, reproduced bit by bit |
//! | [`number`] | integers and floats as Redis reads and prints them |
//! | [`glob`] | `KEYS`-style patterns with a step budget |
//! | [`slot`] | key to slot to shard |
//! | [`id`] | newtypes: offsets, replication ids, database indexes, milliseconds |
#![forbid(unsafe_code)]

mod blocks;
pub mod command;
pub mod digest;
pub mod glob;
pub mod id;
pub mod intset;
pub mod listpack;
pub mod number;
pub mod psync;
pub mod rdb;
pub mod resp;
pub mod slot;
pub mod stream;
pub mod ziplist;
