//! The one table of directives: each row is a field of [`Config`] and everything `CONFIG` and the command line know about it.
//!
//! Names, values and defaults are those of Redis 7.0.15 and 7.2, so that a redis.conf can be used as it is. Different are
//! `repl-diskless-sync-delay`, which is 0 because a cut without fork has nothing to wait for, and `syslog-ident`. Koltso's own
//! directives follow those of Redis. A row marked `INERT` is accepted and shown, and has no effect here.

use std::path::PathBuf;

use super::choice::*;
use super::directive::{Directive, Kind, Marks, MemoryOrPercent};
use super::flags::{self, NotifyFlags, ShutdownFlags};
use super::special::{self, OutputLimits, PrimaryAddress, SavePoint};
use super::text::Text;
use crate::shard::eviction::EvictionPolicy;
use crate::shard::value::Thresholds;

const INT_MAX: i64 = i32::MAX as i64;
const INT_MIN: i64 = i32::MIN as i64;
const UINT_MAX: i64 = u32::MAX as i64;
const LONG_MAX: u64 = i64::MAX as u64;

fn anything(_: &[u8]) -> Result<(), &'static str> {
    Ok(())
}

/// Rows: `field: type = default, kind(arguments), "name" as "alias", [MARKS];`. Those behind `@inside` are kept in a part of the
/// configuration that has defaults of its own.
macro_rules! directives {
    (
        $($(#[$doc:meta])* $field:ident: $ty:ty = $default:expr, $kind:ident($($arg:expr),*), $name:literal $(as $alias:literal)?, [$($mark:ident)*];)*
        @inside {
            $($outer:ident.$inner:ident: $in_ty:ty, $in_kind:ident($($in_arg:expr),*), $in_name:literal $(as $in_alias:literal)?, [];)*
        }
    ) => {
        /// The configuration in force. Fields are named after their directives; see the table for what values they can have.
        #[derive(Clone, Debug, PartialEq)]
        pub struct Config {
            $($(#[$doc])* pub $field: $ty,)*
            /// When collections change over from their packed form.
            pub thresholds: Thresholds,
            /// The file the configuration was read from, as an absolute path: what `CONFIG REWRITE` rewrites.
            pub config_file: Option<PathBuf>,
            /// `rename-command old new`; an empty new name takes the command away.
            pub renamed_commands: Vec<(String, Text)>,
            /// The arguments of each `user` line, for the ACL to read.
            pub users: Vec<Vec<Text>>,
        }

        impl Default for Config {
            fn default() -> Self {
                Config {
                    $($field: $default,)*
                    thresholds: Thresholds { hash_packed_entries: 512, ..Thresholds::default() },
                    config_file: None,
                    renamed_commands: Vec::new(),
                    users: Vec::new(),
                }
            }
        }

        /// All directives.
        pub static DIRECTIVES: &[Directive] = &[$(
            Directive {
                name: $name,
                alias: directives!(@alias $($alias)?),
                marks: Marks(0 $(| Marks::$mark.0)*),
                kind: directives!(@$kind ($field), $ty, $($arg),*),
            },
        )* $(
            Directive {
                name: $in_name,
                alias: directives!(@alias $($in_alias)?),
                marks: Marks(0),
                kind: directives!(@$in_kind ($outer.$inner), $in_ty, $($in_arg),*),
            },
        )*];
    };
    (@alias) => {
        None
    };
    (@alias $alias:literal) => {
        Some($alias)
    };
    (@bool ($($field:tt)+), $ty:ty,) => {
        Kind::Bool { get: |config| config.$($field)+, set: |config, value| config.$($field)+ = value }
    };
    (@int ($($field:tt)+), $ty:ty, $min:expr, $max:expr) => {
        Kind::Int {
            get: |config| config.$($field)+ as i64,
            set: |config, value| config.$($field)+ = value as $ty,
            min: $min,
            max: $max,
        }
    };
    (@octal ($($field:tt)+), $ty:ty, $max:expr) => {
        Kind::Octal { get: |config| config.$($field)+, set: |config, value| config.$($field)+ = value, max: $max }
    };
    (@memory ($($field:tt)+), $ty:ty, $min:expr, $max:expr) => {
        Kind::Memory {
            get: |config| config.$($field)+ as u64,
            set: |config, value| config.$($field)+ = value as $ty,
            min: $min,
            max: $max,
        }
    };
    (@memory_or_percent ($($field:tt)+), $ty:ty,) => {
        Kind::MemoryOrPercent { get: |config| config.$($field)+, set: |config, value| config.$($field)+ = value }
    };
    (@choice ($($field:tt)+), $ty:ty,) => {
        Kind::Choice {
            words: <$ty as Choice>::WORDS,
            get: |config| config.$($field)+.place(),
            set: |config, place| config.$($field)+ = <$ty as Choice>::ALL[place],
        }
    };
    (@text ($($field:tt)+), $ty:ty, $check:expr) => {
        Kind::Text { get: |config| &config.$($field)+, set: |config, value| config.$($field)+ = value, check: $check }
    };
    (@special ($($field:tt)+), $ty:ty, $special:expr) => {
        Kind::Special($special)
    };
}

directives! {
    acl_pubsub_default: AclPubsubDefault = AclPubsubDefault::ResetChannels, choice(), "acl-pubsub-default", [];
    aclfile: Text = "".into(), text(anything), "aclfile", [FIXED];
    acllog_max_len: u64 = 128, int(0, i64::MAX), "acllog-max-len", [];
    active_defrag_cycle_max: u64 = 25, int(1, 99), "active-defrag-cycle-max", [INERT];
    active_defrag_cycle_min: u64 = 1, int(1, 99), "active-defrag-cycle-min", [INERT];
    active_defrag_ignore_bytes: u64 = 100 << 20, memory(1, LONG_MAX), "active-defrag-ignore-bytes", [INERT];
    active_defrag_max_scan_fields: u64 = 1000, int(1, i64::MAX), "active-defrag-max-scan-fields", [INERT];
    active_defrag_threshold_lower: u64 = 10, int(0, 1000), "active-defrag-threshold-lower", [INERT];
    active_defrag_threshold_upper: u64 = 100, int(0, 1000), "active-defrag-threshold-upper", [INERT];
    active_expire_effort: u64 = 1, int(1, 10), "active-expire-effort", [];
    activedefrag: bool = false, bool(), "activedefrag", [INERT];
    activerehashing: bool = true, bool(), "activerehashing", [INERT];
    always_show_logo: bool = false, bool(), "always-show-logo", [FIXED INERT];
    aof_disable_auto_gc: bool = false, bool(), "aof-disable-auto-gc", [INERT];
    aof_load_truncated: bool = true, bool(), "aof-load-truncated", [];
    aof_rewrite_incremental_fsync: bool = true, bool(), "aof-rewrite-incremental-fsync", [INERT];
    aof_timestamp_enabled: bool = false, bool(), "aof-timestamp-enabled", [INERT];
    aof_use_rdb_preamble: bool = true, bool(), "aof-use-rdb-preamble", [INERT];
    aof_rewrite_cpulist: Text = "".into(), text(anything), "aof_rewrite_cpulist", [FIXED INERT];
    /// Directory of the log inside `dir`.
    appenddirname: Text = "appendonlydir".into(), text(special::directory_name), "appenddirname", [FIXED];
    /// What the names of log files start with.
    appendfilename: Text = "appendonly.aof".into(), text(special::append_file_name), "appendfilename", [FIXED];
    appendfsync: AppendFsync = AppendFsync::EverySec, choice(), "appendfsync", [];
    /// Whether the log is kept on disk.
    appendonly: bool = false, bool(), "appendonly", [];
    auto_aof_rewrite_min_size: u64 = 64 << 20, memory(0, LONG_MAX), "auto-aof-rewrite-min-size", [];
    auto_aof_rewrite_percentage: u64 = 100, int(0, INT_MAX), "auto-aof-rewrite-percentage", [];
    bgsave_cpulist: Text = "".into(), text(anything), "bgsave_cpulist", [FIXED INERT];
    /// Addresses to listen on; a leading `-` makes one optional, `*` is all of IPv4 and `::*` all of IPv6.
    bind: Vec<Text> = special::default_bind(), special(&special::BIND), "bind", [];
    bind_source_addr: Text = "".into(), text(anything), "bind-source-addr", [];
    bio_cpulist: Text = "".into(), text(anything), "bio_cpulist", [FIXED INERT];
    /// Milliseconds after which a script counts as busy.
    busy_reply_threshold: u64 = 5000, int(0, i64::MAX), "busy-reply-threshold" as "lua-time-limit", [];
    /// Bytes of unsent replies at which a client is disconnected, by class.
    client_output_buffer_limit: OutputLimits = OutputLimits::default(), special(&special::OUTPUT_LIMITS),
        "client-output-buffer-limit", [];
    /// Bytes of unread requests at which a client is disconnected.
    client_query_buffer_limit: u64 = 1024 << 20, memory(1 << 20, LONG_MAX), "client-query-buffer-limit", [];
    cluster_allow_pubsubshard_when_down: bool = true, bool(), "cluster-allow-pubsubshard-when-down", [INERT];
    cluster_allow_reads_when_down: bool = false, bool(), "cluster-allow-reads-when-down", [INERT];
    cluster_allow_replica_migration: bool = true, bool(), "cluster-allow-replica-migration", [INERT];
    cluster_announce_bus_port: u16 = 0, int(0, 65535), "cluster-announce-bus-port", [INERT];
    cluster_announce_hostname: Text = "".into(), text(special::host_name), "cluster-announce-hostname", [INERT];
    cluster_announce_ip: Text = "".into(), text(anything), "cluster-announce-ip", [INERT];
    cluster_announce_port: u16 = 0, int(0, 65535), "cluster-announce-port", [INERT];
    cluster_announce_tls_port: u16 = 0, int(0, 65535), "cluster-announce-tls-port", [INERT];
    cluster_config_file: Text = "nodes.conf".into(), text(anything), "cluster-config-file", [FIXED INERT];
    cluster_enabled: bool = false, bool(), "cluster-enabled", [FIXED];
    cluster_link_sendbuf_limit: u64 = 0, memory(0, u64::MAX), "cluster-link-sendbuf-limit", [INERT];
    cluster_migration_barrier: u64 = 1, int(0, INT_MAX), "cluster-migration-barrier", [INERT];
    cluster_node_timeout: u64 = 15000, int(0, i64::MAX), "cluster-node-timeout", [INERT];
    cluster_port: u16 = 0, int(0, 65535), "cluster-port", [FIXED INERT];
    cluster_preferred_endpoint_type: EndpointType = EndpointType::Ip, choice(), "cluster-preferred-endpoint-type", [INERT];
    cluster_replica_no_failover: bool = false, bool(), "cluster-replica-no-failover" as "cluster-slave-no-failover", [INERT];
    cluster_replica_validity_factor: u64 = 10, int(0, INT_MAX),
        "cluster-replica-validity-factor" as "cluster-slave-validity-factor", [INERT];
    cluster_require_full_coverage: bool = true, bool(), "cluster-require-full-coverage", [INERT];
    crash_log_enabled: bool = true, bool(), "crash-log-enabled", [INERT];
    crash_memcheck_enabled: bool = true, bool(), "crash-memcheck-enabled", [INERT];
    daemonize: bool = false, bool(), "daemonize", [FIXED];
    /// How many databases there are.
    databases: u32 = 16, int(1, INT_MAX), "databases", [FIXED];
    /// Name of the RDB file in `dir`.
    dbfilename: Text = "dump.rdb".into(), text(special::dump_file_name), "dbfilename", [PROTECTED];
    /// Working directory: where relative file names start.
    dir: PathBuf = special::here(), special(&special::DIR), "dir", [PROTECTED];
    disable_thp: bool = true, bool(), "disable-thp", [FIXED INERT];
    dynamic_hz: bool = true, bool(), "dynamic-hz", [INERT];
    /// Who may use `DEBUG`.
    enable_debug_command: ProtectedAction = ProtectedAction::No, choice(), "enable-debug-command", [FIXED];
    enable_module_command: ProtectedAction = ProtectedAction::No, choice(), "enable-module-command", [FIXED INERT];
    /// Who may change protected directives with `CONFIG SET`.
    enable_protected_configs: ProtectedAction = ProtectedAction::No, choice(), "enable-protected-configs", [FIXED];
    hll_sparse_max_bytes: u64 = 3000, memory(0, LONG_MAX), "hll-sparse-max-bytes", [];
    /// How often a second background work is done.
    hz: u64 = 10, int(0, INT_MAX), "hz", [];
    ignore_warnings: Text = "".into(), text(anything), "ignore-warnings", [INERT];
    io_threads: u64 = 1, int(1, 128), "io-threads", [FIXED INERT];
    io_threads_do_reads: bool = false, bool(), "io-threads-do-reads", [FIXED INERT];
    jemalloc_bg_thread: bool = true, bool(), "jemalloc-bg-thread", [INERT];
    key_load_delay: i64 = 0, int(INT_MIN, INT_MAX), "key-load-delay", [HIDDEN INERT];
    /// Milliseconds from which on an event is recorded; 0 for never.
    latency_monitor_threshold: u64 = 0, int(0, i64::MAX), "latency-monitor-threshold", [];
    latency_tracking: bool = true, bool(), "latency-tracking", [];
    latency_tracking_info_percentiles: Vec<f64> = vec![50.0, 99.0, 99.9], special(&special::PERCENTILES),
        "latency-tracking-info-percentiles", [];
    /// Whether an evicted key is propagated as `UNLINK` instead of `DEL`.
    lazyfree_lazy_eviction: bool = false, bool(), "lazyfree-lazy-eviction", [];
    /// Whether an expired key is propagated as `UNLINK` instead of `DEL`.
    lazyfree_lazy_expire: bool = false, bool(), "lazyfree-lazy-expire", [];
    lazyfree_lazy_server_del: bool = false, bool(), "lazyfree-lazy-server-del", [];
    lazyfree_lazy_user_del: bool = false, bool(), "lazyfree-lazy-user-del", [];
    lazyfree_lazy_user_flush: bool = false, bool(), "lazyfree-lazy-user-flush", [];
    lfu_decay_time: u64 = 1, int(0, INT_MAX), "lfu-decay-time", [];
    lfu_log_factor: u64 = 10, int(0, INT_MAX), "lfu-log-factor", [];
    list_compress_depth: u64 = 0, int(0, INT_MAX), "list-compress-depth", [];
    locale_collate: Text = "".into(), text(anything), "locale-collate", [INERT];
    /// Path of the log of messages; empty for standard output.
    logfile: Text = "".into(), text(anything), "logfile", [FIXED];
    /// The least important messages that are logged.
    loglevel: LogLevel = LogLevel::Notice, choice(), "loglevel", [];
    lua_enable_deprecated_api: bool = false, bool(), "lua-enable-deprecated-api", [FIXED HIDDEN];
    /// Password for the primary.
    masterauth: Text = "".into(), text(anything), "masterauth", [SECRET];
    /// User for the primary; empty for the default user.
    masteruser: Text = "".into(), text(anything), "masteruser", [SECRET];
    /// Connections at most.
    maxclients: u64 = 10000, int(1, UINT_MAX), "maxclients", [];
    /// Bytes of data at which eviction begins; 0 for no limit.
    maxmemory: u64 = 0, memory(0, u64::MAX), "maxmemory", [];
    /// Memory that all clients together may use; 0 for no limit.
    maxmemory_clients: MemoryOrPercent = MemoryOrPercent::Bytes(0), memory_or_percent(), "maxmemory-clients", [];
    maxmemory_eviction_tenacity: u64 = 10, int(0, 100), "maxmemory-eviction-tenacity", [];
    maxmemory_policy: EvictionPolicy = EvictionPolicy::NoEviction, choice(), "maxmemory-policy", [];
    /// Entries looked at for one eviction.
    maxmemory_samples: u32 = 5, int(1, INT_MAX), "maxmemory-samples", [];
    /// Seconds since its last acknowledgement within which a replica counts as in touch.
    min_replicas_max_lag: u64 = 10, int(0, INT_MAX), "min-replicas-max-lag" as "min-slaves-max-lag", [];
    /// Replicas that must be in touch for writes to be accepted; 0 for none.
    min_replicas_to_write: u64 = 0, int(0, INT_MAX), "min-replicas-to-write" as "min-slaves-to-write", [];
    no_appendfsync_on_rewrite: bool = false, bool(), "no-appendfsync-on-rewrite", [];
    /// Which changes of keys are published.
    notify_keyspace_events: NotifyFlags = NotifyFlags::NONE, special(&flags::NOTIFY), "notify-keyspace-events", [];
    oom_score_adj: OomScoreAdj = OomScoreAdj::No, choice(), "oom-score-adj", [INERT];
    oom_score_adj_values: [i32; 3] = [0, 200, 800], special(&special::OOM_SCORE_ADJ_VALUES), "oom-score-adj-values", [INERT];
    /// Path of the file that holds the process id; empty for none.
    pidfile: Text = "".into(), text(anything), "pidfile", [FIXED];
    /// TCP port; 0 for none.
    port: u16 = 6379, int(0, 65535), "port", [];
    proc_title_template: Text = "{title} {listen-addr} {server-mode}".into(), text(anything), "proc-title-template", [INERT];
    propagation_error_behavior: PropagationError = PropagationError::Ignore, choice(), "propagation-error-behavior", [INERT];
    /// Whether only this machine may connect as long as there is no password and no `bind`.
    protected_mode: bool = true, bool(), "protected-mode", [];
    /// The longest argument and the longest string, in bytes.
    proto_max_bulk_len: u64 = 512 << 20, memory(1 << 20, LONG_MAX), "proto-max-bulk-len", [];
    rdb_del_sync_files: bool = false, bool(), "rdb-del-sync-files", [INERT];
    rdb_key_save_delay: i64 = 0, int(INT_MIN, INT_MAX), "rdb-key-save-delay", [HIDDEN INERT];
    rdb_save_incremental_fsync: bool = true, bool(), "rdb-save-incremental-fsync", [INERT];
    rdbchecksum: bool = true, bool(), "rdbchecksum", [FIXED];
    rdbcompression: bool = true, bool(), "rdbcompression", [];
    /// Bytes of the stream kept in memory for replicas that come back.
    repl_backlog_size: u64 = 1 << 20, memory(1, LONG_MAX), "repl-backlog-size", [];
    /// Seconds without replicas after which the backlog is freed; 0 for never.
    repl_backlog_ttl: u64 = 3600, int(0, i64::MAX), "repl-backlog-ttl", [];
    repl_disable_tcp_nodelay: bool = false, bool(), "repl-disable-tcp-nodelay", [INERT];
    /// How a replica takes in a full synchronisation.
    repl_diskless_load: DisklessLoad = DisklessLoad::Disabled, choice(), "repl-diskless-load", [];
    repl_diskless_sync: bool = true, bool(), "repl-diskless-sync", [];
    /// Seconds to wait for more replicas before a full synchronisation starts. 0 here: a cut without fork can be joined later.
    repl_diskless_sync_delay: u64 = 0, int(0, INT_MAX), "repl-diskless-sync-delay", [];
    repl_diskless_sync_max_replicas: u64 = 0, int(0, INT_MAX), "repl-diskless-sync-max-replicas", [];
    /// Seconds between pings to replicas.
    repl_ping_replica_period: u64 = 10, int(1, INT_MAX), "repl-ping-replica-period" as "repl-ping-slave-period", [];
    /// Seconds of silence after which a replication link counts as broken.
    repl_timeout: u64 = 60, int(1, INT_MAX), "repl-timeout", [];
    /// Address announced to the primary; empty for the real one.
    replica_announce_ip: Text = "".into(), text(anything), "replica-announce-ip" as "slave-announce-ip", [];
    /// Port announced to the primary; 0 for the real one.
    replica_announce_port: u16 = 0, int(0, 65535), "replica-announce-port" as "slave-announce-port", [];
    /// Whether Sentinel tells clients about this replica.
    replica_announced: bool = true, bool(), "replica-announced", [];
    replica_ignore_disk_write_errors: bool = false, bool(), "replica-ignore-disk-write-errors", [INERT];
    replica_ignore_maxmemory: bool = true, bool(), "replica-ignore-maxmemory" as "slave-ignore-maxmemory", [];
    replica_lazy_flush: bool = false, bool(), "replica-lazy-flush" as "slave-lazy-flush", [INERT];
    /// For Sentinel: lower is promoted first, 0 never.
    replica_priority: u64 = 100, int(0, INT_MAX), "replica-priority" as "slave-priority", [];
    /// Whether clients of a replica may only read.
    replica_read_only: bool = true, bool(), "replica-read-only" as "slave-read-only", [];
    /// Whether a replica answers while its link is down.
    replica_serve_stale_data: bool = true, bool(), "replica-serve-stale-data" as "slave-serve-stale-data", [];
    /// The primary to replicate from, if any.
    replicaof: Option<PrimaryAddress> = None, special(&special::REPLICAOF), "replicaof" as "slaveof", [FIXED];
    /// Password of the default user; empty for none.
    requirepass: Text = "".into(), text(anything), "requirepass", [SECRET];
    sanitize_dump_payload: SanitizeDump = SanitizeDump::No, choice(), "sanitize-dump-payload", [];
    /// When to save by itself; empty for never.
    save: Vec<SavePoint> = special::default_save(), special(&special::SAVE), "save", [];
    server_cpulist: Text = "".into(), text(anything), "server_cpulist", [FIXED INERT];
    set_proc_title: bool = true, bool(), "set-proc-title", [FIXED INERT];
    shutdown_on_sigint: ShutdownFlags = ShutdownFlags::default(), special(&flags::SHUTDOWN_ON_SIGINT),
        "shutdown-on-sigint", [];
    shutdown_on_sigterm: ShutdownFlags = ShutdownFlags::default(), special(&flags::SHUTDOWN_ON_SIGTERM),
        "shutdown-on-sigterm", [];
    /// Seconds that a shutdown waits for replicas.
    shutdown_timeout: u64 = 10, int(0, INT_MAX), "shutdown-timeout", [];
    /// Microseconds from which on a command is logged as slow; negative for never.
    slowlog_log_slower_than: i64 = 10000, int(-1, i64::MAX), "slowlog-log-slower-than", [];
    /// Entries of the slow log.
    slowlog_max_len: u64 = 128, int(0, i64::MAX), "slowlog-max-len", [];
    socket_mark_id: u64 = 0, int(0, UINT_MAX), "socket-mark-id", [FIXED INERT];
    /// Whether writes are refused after a failed save.
    stop_writes_on_bgsave_error: bool = true, bool(), "stop-writes-on-bgsave-error", [];
    stream_node_max_bytes: u64 = 4096, memory(0, LONG_MAX), "stream-node-max-bytes", [];
    stream_node_max_entries: u64 = 100, int(0, i64::MAX), "stream-node-max-entries", [];
    supervised: Supervised = Supervised::No, choice(), "supervised", [FIXED INERT];
    syslog_enabled: bool = false, bool(), "syslog-enabled", [FIXED INERT];
    syslog_facility: SyslogFacility = SyslogFacility::Local0, choice(), "syslog-facility", [FIXED INERT];
    syslog_ident: Text = "koltso".into(), text(anything), "syslog-ident", [FIXED INERT];
    /// Length of the queue of connections not yet accepted.
    tcp_backlog: u32 = 511, int(0, INT_MAX), "tcp-backlog", [FIXED];
    /// Seconds of silence before TCP probes a connection; 0 for never.
    tcp_keepalive: u32 = 300, int(0, INT_MAX), "tcp-keepalive", [];
    /// Seconds of idleness before a client is disconnected; 0 for never.
    timeout: u64 = 0, int(0, INT_MAX), "timeout", [];
    tls_auth_clients: TlsAuthClients = TlsAuthClients::Yes, choice(), "tls-auth-clients", [];
    tls_ca_cert_dir: Text = "".into(), text(anything), "tls-ca-cert-dir", [];
    tls_ca_cert_file: Text = "".into(), text(anything), "tls-ca-cert-file", [];
    tls_cert_file: Text = "".into(), text(anything), "tls-cert-file", [];
    tls_ciphers: Text = "".into(), text(anything), "tls-ciphers", [];
    tls_ciphersuites: Text = "".into(), text(anything), "tls-ciphersuites", [];
    tls_client_cert_file: Text = "".into(), text(anything), "tls-client-cert-file", [];
    tls_client_key_file: Text = "".into(), text(anything), "tls-client-key-file", [];
    tls_client_key_file_pass: Text = "".into(), text(anything), "tls-client-key-file-pass", [SECRET];
    tls_cluster: bool = false, bool(), "tls-cluster", [INERT];
    tls_dh_params_file: Text = "".into(), text(anything), "tls-dh-params-file", [INERT];
    tls_key_file: Text = "".into(), text(anything), "tls-key-file", [];
    tls_key_file_pass: Text = "".into(), text(anything), "tls-key-file-pass", [SECRET];
    /// TLS port; 0 for none.
    tls_port: u16 = 0, int(0, 65535), "tls-port", [];
    tls_prefer_server_ciphers: bool = false, bool(), "tls-prefer-server-ciphers", [];
    tls_protocols: Text = "".into(), text(anything), "tls-protocols", [];
    tls_replication: bool = false, bool(), "tls-replication", [];
    tls_session_cache_size: u64 = 20480, int(0, INT_MAX), "tls-session-cache-size", [];
    tls_session_cache_timeout: u64 = 300, int(0, INT_MAX), "tls-session-cache-timeout", [];
    tls_session_caching: bool = true, bool(), "tls-session-caching", [];
    tracking_table_max_keys: u64 = 1_000_000, int(0, i64::MAX), "tracking-table-max-keys", [];
    /// Path of the Unix socket; empty for none.
    unixsocket: Text = "".into(), text(anything), "unixsocket", [FIXED];
    /// Mode of the Unix socket; 0 leaves it to the umask.
    unixsocketperm: u32 = 0, octal(0o777), "unixsocketperm", [FIXED];
    use_exit_on_panic: bool = false, bool(), "use-exit-on-panic", [HIDDEN INERT];

    /// How many microseconds a core that serves many clients waits for several of them to send something, before it wakes for
    /// less; 0 for not at all.
    coalesce_us: u64 = 50, int(0, 10_000), "coalesce-us", [];
    /// How many core threads there are; 0 for one per processor that the process may use.
    cores: u64 = 0, int(0, 1024), "cores", [FIXED OWN];
    /// Microseconds that a core polls its network device before it sleeps; 0 for not at all.
    napi_busy_poll_us: u64 = 0, int(0, 1_000_000), "napi-busy-poll-us", [FIXED OWN];
    /// Bytes of the stream kept on disk for replicas that come back; 0 for none.
    repl_log_size: u64 = 0, memory(0, LONG_MAX), "repl-log-size", [];
    /// Bytes that the scripts of a core may use, and its functions as well; 0 = any number.
    script_memory_limit: u64 = 512 << 20, memory(0, LONG_MAX), "script-memory-limit", [];
    /// Calls, returns and turns of loops after which a script is ended; 0 = never.
    script_step_limit: u64 = 10_000_000_000, int(0, i64::MAX), "script-step-limit", [];
    /// Microseconds that a core looks for work before it sleeps; without effect where cores outnumber processors.
    spin_us: u64 = 0, int(0, 1_000_000), "spin-us", [];
    /// Whether the kernel polls the cores' submission queues, which takes a processor each.
    sqpoll: bool = false, bool(), "sqpoll", [FIXED OWN];

    @inside {
        thresholds.hash_packed_entries: usize, int(0, i64::MAX), "hash-max-listpack-entries" as "hash-max-ziplist-entries", [];
        thresholds.hash_packed_value: usize, memory(0, LONG_MAX), "hash-max-listpack-value" as "hash-max-ziplist-value", [];
        thresholds.list_node_size: i32, int(INT_MIN, INT_MAX), "list-max-listpack-size" as "list-max-ziplist-size", [];
        thresholds.set_intset_entries: usize, int(0, i64::MAX), "set-max-intset-entries", [];
        thresholds.set_packed_entries: usize, int(0, i64::MAX), "set-max-listpack-entries", [];
        thresholds.set_packed_value: usize, memory(0, LONG_MAX), "set-max-listpack-value", [];
        thresholds.zset_packed_entries: usize, int(0, i64::MAX), "zset-max-listpack-entries" as "zset-max-ziplist-entries", [];
        thresholds.zset_packed_value: usize, memory(0, LONG_MAX), "zset-max-listpack-value" as "zset-max-ziplist-value", [];
    }
}
