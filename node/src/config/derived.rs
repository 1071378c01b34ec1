//! Groups of directives in the form in which the rest of the node uses them.

use super::{Config, LogLevel, Text};
use crate::logging::Level;
use crate::shard::access::AccessPolicy;
use std::path::PathBuf;

impl Config {
    /// What the access bits of entries mean.
    pub fn access_policy(&self) -> AccessPolicy {
        if self.maxmemory_policy.is_lfu() {
            AccessPolicy::Lfu { log_factor: self.lfu_log_factor as u32, decay_time_min: self.lfu_decay_time as u32 }
        } else {
            AccessPolicy::Lru
        }
    }

    /// `loglevel`.
    pub fn log_level(&self) -> Level {
        match self.loglevel {
            LogLevel::Debug => Level::Debug,
            LogLevel::Verbose => Level::Verbose,
            LogLevel::Notice => Level::Notice,
            LogLevel::Warning => Level::Warning,
        }
    }

    /// Where the RDB file is.
    pub fn rdb_path(&self) -> PathBuf {
        self.dir.join(self.dbfilename.as_path().unwrap_or("dump.rdb".as_ref()))
    }

    /// The port that is shown as this node's own: that for TLS where there is no other.
    pub fn shown_port(&self) -> u16 {
        if self.port != 0 { self.port } else { self.tls_port }
    }

    /// The port at which a primary is told that we listen.
    pub fn announced_port(&self) -> u16 {
        match self.replica_announce_port {
            0 if self.tls_replication && self.tls_port != 0 => self.tls_port,
            0 => self.port,
            announced => announced,
        }
    }

    /// Our primary at start, if one is configured.
    pub fn primary(&self) -> Option<(String, u16)> {
        self.replicaof.as_ref().map(|primary| (primary.host.to_lossy(), primary.port))
    }
}

impl std::fmt::Display for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.to_lossy())
    }
}
