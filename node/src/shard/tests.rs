//! Tests of whole shards.

use super::*;

/// Lending moves shards between threads.
#[test]
fn a_shard_can_be_sent() {
    fn sendable<T: Send>(_: T) {}
    sendable(Shard::new(ShardId(0), 2));
}
