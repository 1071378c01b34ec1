//! The directives that take one of a few words, as enums.

use crate::shard::eviction::EvictionPolicy;

/// Declares an enum with the words that stand for its members, and the default among them.
macro_rules! choice {
    ($($(#[$doc:meta])* $name:ident { $($(#[$member_doc:meta])* $member:ident = $word:literal,)* })*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
            pub enum $name {
                $($(#[$member_doc])* $member,)*
            }

            impl Choice for $name {
                const WORDS: &'static [&'static str] = &[$($word),*];
                const ALL: &'static [$name] = &[$($name::$member),*];
            }
        )*
    };
}

/// One of a few words. The order is the one in which error messages list them.
pub trait Choice: Copy + PartialEq + 'static {
    /// The words.
    const WORDS: &'static [&'static str];
    /// The members, in the order of their words.
    const ALL: &'static [Self];

    /// The place of this member among the words.
    fn place(self) -> usize {
        Self::ALL.iter().position(|member| *member == self).unwrap_or(0)
    }

    /// The word for this member.
    fn word(self) -> &'static str {
        Self::WORDS[self.place()]
    }
}

/// `maxmemory-policy`.
impl Choice for EvictionPolicy {
    const WORDS: &'static [&'static str] = &[
        "volatile-lru",
        "volatile-lfu",
        "volatile-random",
        "volatile-ttl",
        "allkeys-lru",
        "allkeys-lfu",
        "allkeys-random",
        "noeviction",
    ];
    const ALL: &'static [EvictionPolicy] = &[
        EvictionPolicy::VolatileLru,
        EvictionPolicy::VolatileLfu,
        EvictionPolicy::VolatileRandom,
        EvictionPolicy::VolatileTtl,
        EvictionPolicy::AllKeysLru,
        EvictionPolicy::AllKeysLfu,
        EvictionPolicy::AllKeysRandom,
        EvictionPolicy::NoEviction,
    ];
}

choice! {
    /// `acl-pubsub-default`: which channels a new user may use.
    AclPubsubDefault {
        AllChannels = "allchannels",
        ResetChannels = "resetchannels",
    }

    /// `appendfsync`: when the log is forced to disk.
    AppendFsync {
        EverySec = "everysec",
        /// Before the reply; all replies of one turn share one sync.
        Always = "always",
        No = "no",
    }

    /// `cluster-preferred-endpoint-type`.
    EndpointType {
        Ip = "ip",
        Hostname = "hostname",
        UnknownEndpoint = "unknown-endpoint",
    }

    /// `enable-protected-configs`, `enable-debug-command`, `enable-module-command`: who may.
    ProtectedAction {
        No = "no",
        Yes = "yes",
        /// Only connections from this machine.
        Local = "local",
    }

    /// `loglevel`.
    LogLevel {
        Debug = "debug",
        Verbose = "verbose",
        Notice = "notice",
        Warning = "warning",
    }

    /// `oom-score-adj`.
    OomScoreAdj {
        No = "no",
        Yes = "yes",
        Relative = "relative",
        Absolute = "absolute",
    }

    /// `propagation-error-behavior`.
    PropagationError {
        Ignore = "ignore",
        Panic = "panic",
        PanicOnReplicas = "panic-on-replicas",
    }

    /// `repl-diskless-load`: how a replica takes in a full synchronisation.
    DisklessLoad {
        Disabled = "disabled",
        OnEmptyDb = "on-empty-db",
        Swapdb = "swapdb",
    }

    /// `sanitize-dump-payload`: whose `RESTORE` payloads are checked in depth.
    SanitizeDump {
        No = "no",
        Yes = "yes",
        Clients = "clients",
    }

    /// `supervised`.
    Supervised {
        Upstart = "upstart",
        Systemd = "systemd",
        Auto = "auto",
        No = "no",
    }

    /// `syslog-facility`.
    SyslogFacility {
        User = "user",
        Local0 = "local0",
        Local1 = "local1",
        Local2 = "local2",
        Local3 = "local3",
        Local4 = "local4",
        Local5 = "local5",
        Local6 = "local6",
        Local7 = "local7",
    }

    /// `tls-auth-clients`: whether clients must show a certificate.
    TlsAuthClients {
        No = "no",
        Yes = "yes",
        Optional = "optional",
    }
}
