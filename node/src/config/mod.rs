//! (to come) the configuration.

/// The configuration in force.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// `maxmemory`, in bytes; 0 = no limit.
    pub maxmemory: u64,
    /// `lazyfree-lazy-expire`: whether an expired key is propagated as `UNLINK` instead of `DEL`.
    pub lazyfree_lazy_expire: bool,
}
