//! A shard: the part of the keyspace that one core owns.

pub mod db;
pub mod entry;
pub mod keyspace;
pub mod table;
pub mod value;
