//! What all threads of the node see: the configuration in force, counters, and the conditions under which commands are refused.
//!
//! Everything here is read-mostly. A core looks at it once a turn, never once a command; counters are added to once a turn.

use crate::acl::Users;
use crate::acl::log::AclLog;
use crate::config::Config;
use crate::connection::ClientMemory;
use crate::dispatch::pressure::Pressure;
use crate::info::rates::{RATES, Rates};
use crate::pubsub::Interest;
use crate::scripting::store::Store;
use crate::server::latency::monitor::Monitor;
use crate::tls::Setup;
use crate::tracking::{AllPrefixes, Totals};
use koltso_proto::id::UnixMs;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A condition that makes some commands need a look before they run; a set of them is a [`Gates`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Gate {
    /// This is a replica that takes no writes from clients.
    ReadOnly = 1,
    /// This is a replica whose data may be stale, and `replica-serve-stale-data` is `no`.
    Stale = 2,
    /// The data set is being loaded at start.
    Loading = 4,
    /// Too few replicas are in good health for writes (`min-replicas-to-write`).
    FewReplicas = 8,
    /// The last save failed, and `stop-writes-on-bgsave-error` is `yes`.
    SaveFailed = 16,
    /// There is a memory limit.
    MaxMemory = 32,
    /// Clients' writes are paused.
    PausedWrites = 64,
    /// Clients are paused altogether.
    PausedAll = 128,
    /// Somebody watches all commands (`MONITOR`).
    Monitor = 256,
    /// This is a replica. Refuses nothing by itself.
    Replica = 512,
    /// A script has been running for too long.
    Busy = 1024,
    /// The append-only file could not be written.
    AppendFailed = 2048,
}

/// The conditions in force.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gates(pub u32);

impl Gates {
    /// Whether there is none that a command could fail.
    #[inline]
    pub fn is_empty(self) -> bool {
        self.0 & !(Gate::Replica as u32) == 0
    }

    /// Whether this one holds.
    pub fn has(self, gate: Gate) -> bool {
        self.0 & gate as u32 != 0
    }
}

/// What a request asks for, as far as conditions care: a command's own nature, or that of all commands of a transaction.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// To write.
    pub write: bool,
    /// Something that may have to reach replicas: to write, or to run a script.
    pub spreads: bool,
    /// Nothing that stale data would make wrong.
    pub stale: bool,
    /// Nothing that needs the data set.
    pub loading: bool,
    /// Something that must work while a script runs for too long.
    pub when_busy: bool,
}

impl Asked {
    /// What an empty transaction asks for.
    pub const NOTHING: Asked = Asked { write: false, spreads: false, stale: true, loading: true, when_busy: false };

    /// What both ask for together.
    #[must_use]
    pub fn and(self, other: Asked) -> Self {
        Asked {
            write: self.write || other.write,
            spreads: self.spreads || other.spreads,
            stale: self.stale && other.stale,
            loading: self.loading && other.loading,
            when_busy: self.when_busy && other.when_busy,
        }
    }
}

/// Counters for `INFO stats`; cores add to them once a turn.
#[derive(Debug, Default)]
#[allow(missing_docs, reason = "each is the INFO field of that name")]
pub struct Counters {
    pub total_connections_received: AtomicU64,
    pub total_commands_processed: AtomicU64,
    pub total_reads_processed: AtomicU64,
    pub total_writes_processed: AtomicU64,
    pub total_net_input_bytes: AtomicU64,
    pub total_net_output_bytes: AtomicU64,
    pub total_net_repl_input_bytes: AtomicU64,
    pub total_net_repl_output_bytes: AtomicU64,
    pub rejected_connections: AtomicU64,
    pub total_error_replies: AtomicU64,
    pub client_output_buffer_limit_disconnections: AtomicU64,
    pub client_query_buffer_limit_disconnections: AtomicU64,
    pub unexpected_error_replies: AtomicU64,
    pub sync_full: AtomicU64,
    pub sync_partial_ok: AtomicU64,
    pub sync_partial_err: AtomicU64,
    pub keyspace_hits: AtomicU64,
    pub keyspace_misses: AtomicU64,
    pub expired_keys: AtomicU64,
    /// `expired_subkeys`.
    pub expired_fields: AtomicU64,
    pub evicted_keys: AtomicU64,
    pub evicted_clients: AtomicU64,
}

impl Counters {
    /// Sets all to zero (`CONFIG RESETSTAT`).
    pub fn reset(&self) {
        for counter in [
            &self.total_connections_received,
            &self.total_commands_processed,
            &self.total_reads_processed,
            &self.total_writes_processed,
            &self.total_net_input_bytes,
            &self.total_net_output_bytes,
            &self.total_net_repl_input_bytes,
            &self.total_net_repl_output_bytes,
            &self.rejected_connections,
            &self.total_error_replies,
            &self.client_output_buffer_limit_disconnections,
            &self.client_query_buffer_limit_disconnections,
            &self.unexpected_error_replies,
            &self.sync_full,
            &self.sync_partial_ok,
            &self.sync_partial_err,
            &self.keyspace_hits,
            &self.keyspace_misses,
            &self.expired_keys,
            &self.expired_fields,
            &self.evicted_keys,
            &self.evicted_clients,
        ] {
            counter.store(0, Ordering::Relaxed);
        }
    }

    /// Those that have a rate, in the order of [`Rate`](crate::info::rates::Rate).
    pub fn with_rates(&self) -> [u64; RATES] {
        [
            &self.total_commands_processed,
            &self.total_net_input_bytes,
            &self.total_net_output_bytes,
            &self.total_net_repl_input_bytes,
            &self.total_net_repl_output_bytes,
        ]
        .map(|counter| counter.load(Ordering::Relaxed))
    }
}

/// Adds to a counter.
#[inline]
pub fn add(counter: &AtomicU64, n: u64) {
    counter.fetch_add(n, Ordering::Relaxed);
}

/// The last and the current save, for `INFO persistence` and `LASTSAVE`.
#[derive(Debug, Default)]
pub struct SaveState {
    /// When the last save succeeded, in seconds since the epoch.
    pub last_save_s: AtomicU64,
    /// Whether the last save succeeded.
    pub last_ok: AtomicBool,
    /// Whether one is running.
    pub running: AtomicBool,
    /// How long the last one took, in seconds; -1 = there was none.
    pub last_duration_s: AtomicI64,
    /// Changes since the last successful save.
    pub dirty: AtomicU64,
    /// How many have begun since the start or `CONFIG RESETSTAT`: those for a shutdown or a reload do not count.
    pub saves: AtomicU64,
    /// When the last one ended, well or not, in seconds since the epoch.
    pub last_try_s: AtomicU64,
    /// When the current one began, in seconds since the epoch.
    pub started_s: AtomicU64,
    /// How many keys the last load brought.
    pub last_loaded: AtomicU64,
    /// How many keys in it had expired.
    pub last_expired: AtomicU64,
    /// Whether one is to follow the snapshot that is running.
    pub wanted: AtomicBool,
}

/// What all threads share.
pub struct Shared {
    config: Mutex<Arc<Config>>,
    tls: Mutex<Option<Arc<Setup>>>,
    stage_error: Mutex<Option<String>>,
    rates: Mutex<Rates>,
    latency: Mutex<Monitor>,
    users: Mutex<Arc<Users>>,
    acl_log: Mutex<AclLog>,
    /// Counts changes of the configuration, so that cores notice.
    pub config_generation: AtomicU64,
    gates: AtomicU32,
    /// `migrate_cached_sockets`.
    pub migrate_sockets: AtomicU64,
    /// Until when clients are paused, in milliseconds since the epoch.
    pub pause_until_ms: AtomicU64,
    /// What snapshots hold.
    pub snapshot: Arc<crate::snapshot::Gauges>,
    /// What cores know of each other about memory.
    pub pressure: Arc<Pressure>,
    /// Counters.
    pub counters: Counters,
    /// Saves.
    pub save: SaveState,
    /// The append-only file.
    pub aof: Arc<crate::persistence::Status>,
    /// Clients connected, replicas not counted.
    pub connected_clients: AtomicU64,
    /// What clients take of memory, by core.
    pub client_memory: Vec<ClientMemory>,
    /// Whether a core chooses clients to be closed because all of them take too much.
    pub evicting_clients: AtomicBool,
    /// Clients that wait in a blocking command.
    pub blocked_clients: AtomicU64,
    /// Numbers waits for keys.
    pub next_ticket: AtomicU64,
    /// The next client's id.
    pub next_client_id: AtomicU64,
    /// `run_id`: 40 hexadecimal characters, new at every start.
    pub run_id: String,
    /// When the node started.
    pub started: UnixMs,
    /// How many cores there are.
    pub cores: usize,
    /// The highest memory use seen, in bytes.
    pub peak_memory: AtomicU64,
    /// Memory in use when the node had just started, in bytes; 0 = not known yet.
    pub startup_memory: AtomicU64,
    /// Whether a snapshot is being taken, for replicas or for a file.
    pub snapshot_running: AtomicBool,
    /// Clients that watch all commands.
    pub monitors: AtomicU64,
    /// By core, where subscribers may be.
    pub interest: Vec<Interest>,
    /// What is remembered of keys that clients have cached.
    pub tracking: Arc<Totals>,
    /// Prefixes of keys whose changes clients are told.
    pub prefixes: AllPrefixes,
    /// Numbers the slow log's entries.
    pub next_slow_id: Arc<AtomicU64>,
    /// Whether keys whose time is over are deleted without being asked for (`DEBUG SET-ACTIVE-EXPIRE`).
    pub active_expire: AtomicBool,
    /// Set when the data set could not be loaded at start.
    pub start_failed: AtomicBool,
    /// When a shutdown stops to wait for replicas, in milliseconds since the epoch; 0 = none waits.
    pub shutdown_at_ms: AtomicU64,
    /// Set when the node is shutting down.
    pub stopping: AtomicBool,
    /// Scripts and libraries.
    pub scripts: Arc<Store>,
}

impl Shared {
    /// The state of a node that has just started.
    pub fn new(config: Config, users: Users, cores: usize, run_id: String, started: UnixMs) -> Self {
        let shared = Shared {
            config: Mutex::new(Arc::new(config)),
            tls: Mutex::new(None),
            stage_error: Mutex::new(None),
            rates: Mutex::new(Rates::default()),
            latency: Mutex::new(Monitor::default()),
            users: Mutex::new(Arc::new(users)),
            acl_log: Mutex::new(AclLog::default()),
            config_generation: AtomicU64::new(1),
            gates: AtomicU32::new(0),
            pause_until_ms: AtomicU64::new(0),
            snapshot: Arc::default(),
            pressure: Arc::new(Pressure::new(cores)),
            counters: Counters::default(),
            save: SaveState::default(),
            aof: Arc::default(),
            connected_clients: AtomicU64::new(0),
            client_memory: (0..cores).map(|_| ClientMemory::default()).collect(),
            evicting_clients: AtomicBool::new(false),
            blocked_clients: AtomicU64::new(0),
            next_ticket: AtomicU64::new(1),
            next_client_id: AtomicU64::new(1),
            run_id,
            started,
            cores,
            peak_memory: AtomicU64::new(0),
            startup_memory: AtomicU64::new(0),
            snapshot_running: AtomicBool::new(false),
            monitors: AtomicU64::new(0),
            interest: (0..cores).map(|_| Interest::default()).collect(),
            tracking: Arc::default(),
            prefixes: AllPrefixes::default(),
            migrate_sockets: AtomicU64::new(0),
            next_slow_id: Arc::default(),
            active_expire: AtomicBool::new(true),
            start_failed: AtomicBool::new(false),
            shutdown_at_ms: AtomicU64::new(0),
            stopping: AtomicBool::new(false),
            scripts: Arc::new(Store::new(cores)),
        };
        shared.save.last_ok.store(true, Ordering::Relaxed);
        shared.save.last_duration_s.store(-1, Ordering::Relaxed);
        shared.save.last_save_s.store(started.0 / 1000, Ordering::Relaxed);
        shared
    }

    /// The configuration in force.
    pub fn config(&self) -> Arc<Config> {
        Arc::clone(&self.config.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes the configuration; cores see it from their next turn on. If `change` fails, nothing has changed.
    ///
    /// # Errors
    /// What `change` says.
    pub fn change_config<T, E>(&self, change: impl FnOnce(&mut Config) -> Result<T, E>) -> Result<T, E> {
        let mut guard = self.config.lock().unwrap_or_else(PoisonError::into_inner);
        let mut config = (**guard).clone();
        let outcome = change(&mut config)?;
        *guard = Arc::new(config);
        self.config_generation.fetch_add(1, Ordering::Release);
        Ok(outcome)
    }

    /// What TLS handshakes need as it is configured; `None` where there is no TLS.
    pub fn tls(&self) -> Option<Arc<Setup>> {
        self.tls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What TLS handshakes need from now on. Cores look at it when they look at the configuration, so it is set within a
    /// [change](Self::change_config) of that.
    pub fn set_tls(&self, setup: Option<Arc<Setup>>) {
        *self.tls.lock().unwrap_or_else(PoisonError::into_inner) = setup;
    }

    /// The users as they are now; cores have copies of their own.
    pub fn users(&self) -> Arc<Users> {
        Arc::clone(&self.users.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes the users; cores take the change over when they are told. If `change` fails, nothing has changed.
    ///
    /// # Errors
    /// What `change` says.
    pub fn change_users<T, E>(&self, change: impl FnOnce(&mut Users) -> Result<T, E>) -> Result<T, E> {
        let mut guard = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        let mut users = (**guard).clone();
        let outcome = change(&mut users)?;
        *guard = Arc::new(users);
        Ok(outcome)
    }

    /// What was denied; rare by nature.
    pub fn acl_log(&self) -> MutexGuard<'_, AclLog> {
        self.acl_log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The rates of some counters: the log's core takes samples, and `INFO` reads them.
    pub fn rates(&self) -> MutexGuard<'_, Rates> {
        self.rates.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Latency spikes; rare by nature.
    pub fn latency(&self) -> MutexGuard<'_, Monitor> {
        self.latency.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that an entry of a data set that is being loaded could not be taken in; the load will fail with the first such note.
    pub fn note_stage_error(&self, error: String) {
        self.stage_error.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    }

    /// Takes what was noted while a data set was being loaded.
    pub fn take_stage_error(&self) -> Option<String> {
        self.stage_error.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The conditions in force.
    #[inline]
    pub fn gates(&self) -> Gates {
        Gates(self.gates.load(Ordering::Acquire))
    }

    /// Whether scripts may run every command.
    pub fn scripts_may_all(&self) -> bool {
        self.scripts.allow_all.load(Ordering::Relaxed)
    }

    /// Puts a condition into force, or out of it.
    pub fn set_gate(&self, gate: Gate, on: bool) {
        if on {
            self.gates.fetch_or(gate as u32, Ordering::Release);
        } else {
            self.gates.fetch_and(!(gate as u32), Ordering::Release);
        }
    }
}

/// The time by the system's clock.
pub fn now_ms() -> UnixMs {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    UnixMs(since.as_millis() as u64)
}

/// The time by the system's clock, in microseconds since the Unix epoch.
pub fn now_us() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    since.as_micros() as u64
}
