//! (to come) the configuration.

use crate::shard::value::Thresholds;

/// The configuration in force.
#[derive(Clone, Debug)]
pub struct Config {
    /// `maxmemory`, in bytes; 0 = no limit.
    pub maxmemory: u64,
    /// `lazyfree-lazy-expire`: whether an expired key is propagated as `UNLINK` instead of `DEL`.
    pub lazyfree_lazy_expire: bool,
    /// `proto-max-bulk-len`: the longest argument and the longest string, in bytes.
    pub proto_max_bulk_len: u64,
    /// When collections change over from their packed form.
    pub thresholds: Thresholds,
}

impl Default for Config {
    fn default() -> Self {
        Config { maxmemory: 0, lazyfree_lazy_expire: false, proto_max_bulk_len: 512 << 20, thresholds: Thresholds::default() }
    }
}
