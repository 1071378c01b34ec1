//! A node: its threads, from start to stop.

use crate::acl::Users;
use crate::config::{Config, Text, support};
use crate::core::{Core, CoreParts, Endpoint, Listeners, Message, listen_unix};
use crate::dispatch::executor::Executor;
use crate::dispatch::registry;
use crate::dispatch::shard_set::CORES_MAX;
use crate::logging::{self, notice, warning};
use crate::persistence::{Home, Replayed};
use crate::reactor::inbox::Inbox;
use crate::reactor::ring::{Ring, RingOptions};
use crate::reactor::{refusal, thread_hints};
use crate::replication::{History, Replication, random_id};
use crate::server::shutdown::Manner;
use crate::service::{self, LoadJob, Loaded, ServiceCommand, Surroundings};
use crate::shard::Shard;
use crate::shared::{Gate, Shared, now_ms};
use crate::tls;
use koltso_proto::id::ShardId;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;

/// What a core's stack may grow to, in bytes: scripts nest.
const STACK_LEN: usize = 16 << 20;

/// Runs a node until it is told to stop.
///
/// # Errors
/// Why it cannot start: the cause, and what to do about it.
pub fn run(config: Config) -> Result<(), String> {
    prepare_process(&config)?;
    support::refuse(&config)?;
    registry::rename(&config.renamed_commands);
    end_all_on_panic();
    let processors = processors();
    let cores = if config.cores == 0 { processors.len().max(1) } else { config.cores as usize }.min(CORES_MAX);
    raise_file_limit(config.maxclients, cores)?;
    let tls = tls::setup(&config).map_err(|why| {
        warning(&why);
        "Failed to configure TLS. Check logs for more info.".to_string()
    })?;
    let endpoints = endpoints(&config)?;
    for &Endpoint { address, .. } in &endpoints {
        probe(address).map_err(|error| format!("Could not create server TCP listening socket {address}: {error}"))?;
    }
    let unix = config.unixsocket.as_path().map(|path| {
        let socket = listen_unix(path, config.unixsocketperm, config.tcp_backlog as i32);
        socket.map_err(|error| format!("Failed opening Unix socket: {}: {error}", path.display()))
    });
    let unix = unix.transpose()?;
    let run_id = random_id().to_string();
    let users = Users::configured(&config)?;
    let shared = Arc::new(Shared::new(config.clone(), users, cores, run_id, now_ms()));
    shared.set_tls(tls);
    notice(&format!("Koltso {} is starting: {cores} cores, port {}", env!("CARGO_PKG_VERSION"), config.shown_port()));
    let idle = support::without_effect(&config);
    if !idle.is_empty() {
        warning(&format!("These directives are set and have no effect here: {}", idle.join(", ")));
    }
    let inboxes = (0..cores).map(|_| Inbox::new()).collect::<Result<Vec<_>, _>>().map_err(|error| error.to_string())?;
    let peers: Vec<_> = inboxes.iter().map(Inbox::sender).collect();
    // Before anybody can ask: what is on disk is not there yet, and a replica is one from the first moment on.
    let is_replica = config.replicaof.is_some();
    shared.set_gate(Gate::Loading, config.appendonly || config.rdb_path().exists());
    shared.set_gate(Gate::Replica, is_replica);
    shared.set_gate(Gate::ReadOnly, is_replica && config.replica_read_only);
    shared.set_gate(Gate::Stale, is_replica && !config.replica_serve_stale_data);
    let (service, commands) = service::channel();
    let surroundings = Surroundings { cores: Arc::new(peers.clone()), shared: Arc::clone(&shared) };
    let (started, ready) = std::sync::mpsc::channel();
    let service_thread = thread::Builder::new()
        .name("service".to_string())
        .spawn(move || {
            thread_hints::yield_to_others();
            service::run(commands, surroundings, &started);
        })
        .map_err(|error| error.to_string())?;
    ready.recv().map_err(|_| "the service thread did not start".to_string())?.map_err(|error| refusal::explain(&error))?;
    stop_on_signals(peers[0].clone());
    // The first thing that the log's core is told: whatever a client asks of it comes behind that.
    peers[0].send(Message::Run(Box::new(begin)));
    let (started, ready) = std::sync::mpsc::channel();
    let mut threads = Vec::new();
    for (id, inbox) in inboxes.into_iter().enumerate() {
        let mut listeners =
            Listeners::bind(&endpoints, config.tcp_backlog as i32).map_err(|error| format!("Cannot listen on {error}"))?;
        if let Some(unix) = &unix {
            let unix = unix.try_clone().map_err(|error| error.to_string())?;
            listeners.add_unix(unix, config.unixsocket.to_lossy().to_string());
        }
        let seat = Seat {
            id,
            processor: (cores <= processors.len()).then(|| processors[id]),
            listeners,
            inbox,
            peers: peers.clone(),
            shared: Arc::clone(&shared),
            service: service.clone(),
        };
        let started = started.clone();
        let thread = thread::Builder::new()
            .name(format!("core-{id}"))
            .stack_size(STACK_LEN)
            .spawn(move || seat.take(&started))
            .map_err(|error| error.to_string())?;
        threads.push(thread);
    }
    drop(started);
    for _ in 0..cores {
        ready.recv().unwrap_or_else(|_| Err("a core did not start".to_string()))?;
    }
    for thread in threads {
        thread.join().map_err(|_| "a core has panicked".to_string())?;
    }
    service_thread.join().map_err(|_| "the service thread has panicked".to_string())?;
    remove_files(&config);
    if shared.start_failed.load(Ordering::Acquire) {
        return Err("the data set could not be loaded".to_string());
    }
    Ok(())
}

/// Whether an address is free. A process that was just killed may hold its sockets a moment longer, while the kernel takes
/// down its rings.
fn probe(address: SocketAddr) -> std::io::Result<()> {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(5);
    loop {
        match Listeners::probe(address) {
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse && std::time::Instant::now() < deadline => {
                thread::sleep(std::time::Duration::from_millis(20));
            }
            other => return other,
        }
    }
}

/// What a core thread starts with.
struct Seat {
    id: usize,
    processor: Option<usize>,
    listeners: Listeners,
    inbox: Inbox<Message>,
    peers: Vec<crate::reactor::inbox::Sender<Message>>,
    shared: Arc<Shared>,
    service: service::ServiceSender,
}

impl Seat {
    fn take(self, started: &std::sync::mpsc::Sender<Result<(), String>>) {
        if let Some(processor) = self.processor {
            thread_hints::pin_to(processor);
        }
        thread_hints::ask_for_short_slices();
        let core = self.core();
        let outcome = core.as_ref().map(|_| ()).map_err(String::clone);
        let _ = started.send(outcome);
        if let Ok(core) = core {
            core.run();
        }
    }

    fn core(self) -> Result<Core, String> {
        let config = self.shared.config();
        let options = RingOptions {
            sqpoll_idle_ms: config.sqpoll.then_some(100),
            napi_busy_poll_us: (config.napi_busy_poll_us > 0).then_some(config.napi_busy_poll_us as u32),
        };
        let ring = Ring::new(options).map_err(|error| refusal::explain(&error))?;
        let shard = Box::new(Shard::new(ShardId(self.id as u16), config.databases as usize));
        let cores = self.peers.len();
        let replication = (self.id == 0).then(|| {
            let mut replication = Replication::new(config.repl_backlog_size);
            replication.follows_when_loaded = config.replicaof.is_some();
            Box::new(replication)
        });
        let parts = CoreParts {
            inbox: self.inbox,
            peers: self.peers,
            exec: Executor::new(self.id, cores, shard, config),
            shared: self.shared,
            listeners: self.listeners,
            replication,
            service: self.service,
        };
        Core::new(ring, parts).map_err(|error| refusal::explain(&error))
    }
}

/// On the log's core, before anything else: load what there is, then follow the primary that is configured.
fn begin(core: &mut Core) {
    let config = core.exec.config.clone();
    let home = Home::of(&config);
    if config.appendonly {
        home.remove_leftovers();
    }
    if config.appendonly && home.manifest_path().exists() {
        return core.begin_replay(Box::new(replayed));
    }
    if config.appendonly && home.old_path(&config).exists() {
        return fail(
            core,
            &format!(
                "{} is an append only file of a Redis older than 7. Start a Redis 7 on it once, which makes a folder with a manifest \
                 of it; or move it away, and the data set is read from the RDB file",
                home.old_path(&config).display()
            ),
        );
    }
    let path = config.rdb_path();
    if !path.exists() {
        return ready(core);
    }
    let is_replica = core.exec.config.replicaof.is_some();
    core.with_all_shards(Box::new(move |core| {
        for shard in core.exec.shards.iter_mut().flatten() {
            shard.begin_staging();
        }
        let log_core = core.peers[0].clone();
        let done = Box::new(move |outcome| log_core.send(Message::Run(Box::new(move |core| loaded(core, outcome)))));
        let verify_checksum = core.exec.config.rdbchecksum;
        core.service.send(ServiceCommand::Load(LoadJob { path, drop_expired: !is_replica, verify_checksum, done }));
    }));
}

fn loaded(core: &mut Core, outcome: Result<Loaded, String>) {
    let loaded = match outcome {
        Ok(loaded) => loaded,
        Err(why) => return fail(core, &why),
    };
    let is_replica = core.exec.config.replicaof.is_some();
    core.with_all_shards(Box::new(move |core| {
        for shard in core.exec.shards.iter_mut().flatten() {
            shard.commit_staging();
        }
        core.take_in_libraries(&loaded.libraries, true);
        notice(&format!("DB loaded from disk: {} keys", loaded.keys));
        core.shared.save.last_loaded.store(loaded.keys, Ordering::Relaxed);
        core.shared.save.last_expired.store(loaded.expired, Ordering::Relaxed);
        if let (Some(replication), Some((id, end, db))) = (&mut core.replication, loaded.history) {
            replication.resume(History { id, after: None, end, db }, is_replica);
            for shard in core.exec.shards.iter_mut().flatten() {
                shard.logged = !is_replica;
            }
        }
        ready(core);
    }));
}

/// The append-only file has been read. All shards are here.
fn replayed(core: &mut Core, outcome: Result<Replayed, String>) {
    let replayed = match outcome {
        Ok(replayed) => replayed,
        Err(why) => return fail(core, &why),
    };
    notice("DB loaded from append only file");
    core.shared.save.last_loaded.store(replayed.keys, Ordering::Relaxed);
    let aof = &core.shared.aof;
    aof.current_len.store(replayed.len, Ordering::Relaxed);
    aof.base_len.store(replayed.len, Ordering::Relaxed);
    let is_replica = core.exec.config.replicaof.is_some();
    for shard in core.exec.shards.iter_mut().flatten() {
        shard.replica = is_replica;
    }
    if let Some(replication) = &mut core.replication {
        match replayed.history {
            Some(history) => {
                replication.resume(history, is_replica);
                replication.log.refill(replayed.tail);
            }
            // The offsets go on, so that segments have names of their own; the history is a new one.
            None => replication.log.restart_at(replayed.end),
        }
    }
    core.continue_append_only(Box::new(|core, outcome| match outcome {
        Ok(()) => ready(core),
        Err(why) => fail(core, &why),
    }));
}

/// The node cannot start.
fn fail(core: &mut Core, why: &str) {
    warning(&format!("Fatal error loading the DB, check server logs. Exiting: {why}"));
    core.shared.start_failed.store(true, Ordering::Release);
    core.stop_node();
}

/// The data set is there.
fn ready(core: &mut Core) {
    if core.exec.config.appendonly && !core.shared.aof.enabled.load(Ordering::Relaxed) {
        // Nobody is served before the file is there.
        return core.begin_append_only(Box::new(|core, outcome| match outcome {
            Ok(()) => ready(core),
            Err(why) => fail(core, &why),
        }));
    }
    core.append_only_is_ready();
    if let Some((host, port)) = core.exec.config.primary() {
        core.follow(host, port);
    }
    core.shared.set_gate(Gate::Loading, false);
    notice("Ready to accept connections");
}

/// Removes what stands in the file system only while the node runs.
fn remove_files(config: &Config) {
    for path in [&config.unixsocket, &config.pidfile].into_iter().filter_map(Text::as_path) {
        let _ = std::fs::remove_file(path);
    }
}

fn prepare_process(config: &Config) -> Result<(), String> {
    logging::set_level(config.log_level());
    logging::log_to(config.logfile.as_path())
        .map_err(|error| format!("Can't open the log file {}: {error}", config.logfile))?;
    std::env::set_current_dir(&config.dir).map_err(|error| format!("Can't chdir to '{}': {error}", config.dir.display()))?;
    if config.disable_thp {
        // A page of two megabytes is cleared at once, which is a stall of milliseconds in the middle of a write.
        let _ = rustix::thread::disable_transparent_huge_pages(true);
    }
    // Files hold other people's data.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    if let Some(path) = config.pidfile.as_path() {
        let _ = std::fs::write(path, format!("{}\n", std::process::id()));
    }
    Ok(())
}

/// A core that is gone holds its shard, its clients and its part of every answer: better no node than a part of one.
fn end_all_on_panic() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        warning(&format!("A thread has panicked, which ends the node. Please report this: {info}"));
        report(info);
        std::process::abort();
    }));
}

/// Raises the limit of open files to what the clients need, as far as that is allowed.
///
/// # Errors
/// When not even the cores have enough.
fn raise_file_limit(clients: u64, cores: usize) -> Result<(), String> {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let (wanted, needed) = (clients + 128, 32 + 8 * cores as u64);
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < wanted) {
        limit.current = Some(limit.maximum.map_or(wanted, |maximum| maximum.min(wanted)));
        let _ = setrlimit(Resource::Nofile, limit);
    }
    match getrlimit(Resource::Nofile).current {
        Some(current) if current < needed => Err(format!(
            "This process may open {current} files, and {cores} cores need {needed} even without clients. Raise the limit: \
             `ulimit -n`, or LimitNOFILE= in the systemd unit."
        )),
        _ => Ok(()),
    }
}

/// Where a configuration says to listen; nowhere without a port.
///
/// # Errors
/// When there is no such address.
pub fn endpoints(config: &Config) -> Result<Vec<Endpoint>, String> {
    if config.port != 0 && config.port == config.tls_port {
        return Err(format!("'port' and 'tls-port' are both {}", config.port));
    }
    let mut found = Vec::new();
    for (port, tls) in [(config.port, false), (config.tls_port, true)] {
        if port != 0 {
            found.extend(addresses(config, port)?.into_iter().map(|address| Endpoint { address, tls }));
        }
    }
    Ok(found)
}

fn addresses(config: &Config, port: u16) -> Result<Vec<SocketAddr>, String> {
    let mut found = Vec::new();
    for bind in &config.bind {
        // A leading `-` means: if this host has such an address.
        let bind = bind.to_lossy();
        let (optional, host) = bind.strip_prefix('-').map_or((false, bind.as_str()), |host| (true, host));
        let host = match host {
            "*" => "0.0.0.0",
            "::*" => "::",
            other => other,
        };
        match (host, port).to_socket_addrs() {
            Ok(addresses) => {
                let usable =
                    addresses.filter(|&address| !optional || Listeners::probe(address).is_ok() || !is_unavailable(address));
                found.extend(usable);
            }
            Err(_) if optional => {}
            Err(error) => return Err(format!("cannot bind to '{bind}': {error}")),
        }
    }
    Ok(found)
}

/// Whether an address cannot be had on this host at all, as IPv6 may not be.
fn is_unavailable(address: SocketAddr) -> bool {
    Listeners::probe(address)
        .is_err_and(|error| matches!(error.raw_os_error(), Some(libc::EAFNOSUPPORT | libc::EADDRNOTAVAIL | libc::EPFNOSUPPORT)))
}

/// The processors this process may use.
fn processors() -> Vec<usize> {
    match rustix::thread::sched_getaffinity(None) {
        Ok(set) => (0..rustix::thread::CpuSet::MAX_CPU).filter(|&cpu| set.is_set(cpu)).collect(),
        Err(_) => (0..thread::available_parallelism().map_or(1, usize::from)).collect(),
    }
}

/// SIGTERM and SIGINT shut the node down as `shutdown-on-sigterm` and `shutdown-on-sigint` say.
fn stop_on_signals(log_core: crate::reactor::inbox::Sender<Message>) {
    use tokio::signal::unix::{SignalKind, signal};
    let wait = move || {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_io().build() else { return };
        runtime.block_on(async move {
            let (Ok(mut term), Ok(mut int)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) else {
                return;
            };
            loop {
                let by_keyboard = tokio::select! {
                    _ = term.recv() => false,
                    _ = int.recv() => true,
                };
                log_core.send(Message::Run(Box::new(move |core| shut_down_by_signal(core, by_keyboard))));
            }
        });
    };
    let _ = thread::Builder::new().name("signals".to_string()).spawn(wait);
}

fn shut_down_by_signal(core: &mut Core, by_keyboard: bool) {
    if by_keyboard && core.shutdown.is_some() {
        warning("You insist... exiting now.");
        std::process::exit(1);
    }
    let config = &core.exec.config;
    let (name, flags) =
        if by_keyboard { ("SIGINT", config.shutdown_on_sigint) } else { ("SIGTERM", config.shutdown_on_sigterm) };
    let saves = (flags.save || flags.nosave).then_some(flags.save);
    notice(&format!("Received {name} scheduling shutdown..."));
    let told =
        move |_: &mut Core| warning(&format!("{name} received but errors trying to shut down the server, check the logs"));
    core.shut_down(Manner { saves, now: flags.now, force: flags.force }, Box::new(told));
}
