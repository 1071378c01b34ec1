//! What the node says of itself.

/// The Redis version whose behaviour this node shows, as `INFO` and `HELLO` report it: clients decide by it what to use.
pub const REDIS_VERSION: &str = "7.2.0";
