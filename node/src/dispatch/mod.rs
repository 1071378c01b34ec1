//! From a request to the shard it is about: run it here, hand it to the core that owns its keys, or borrow shards for it.
//!
//! 1. **Local**: all its keys are in this core's shard. With one core that is always so.
//! 2. **Hop**: all its keys are in one other shard. Requests are grouped per core and sent once a turn ([`hop`]).
//! 3. **Lend**: its keys are in several shards, or it is about all of them. The shards are moved here, the command runs
//!    alone, and they are moved back ([`lend`]).

pub mod ahead;
pub mod executor;
pub mod gates;
pub mod hop;
pub mod lend;
pub mod pressure;
pub mod registry;
pub mod route;
pub mod serve;
pub mod shard_set;
pub mod tally;
