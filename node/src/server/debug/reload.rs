//! DEBUG RELOAD: the data set goes to disk and comes back.
//!
//! Redis does nothing else meanwhile. Here clients are paused and the stream of a primary waits, from before the save until the
//! new data is in place, so that no change falls between the two. Within `EXEC`, which holds every shard, none of that can happen: Redis
//! reloads there, and here it is refused.

use crate::connection::{OwnedRequest, Stall, Token};
use crate::core::{Core, Message};
use crate::logging::{notice, warning};
use crate::server::promise::Promise;
use crate::service::{LoadJob, Loaded, ServiceCommand};
use std::sync::atomic::Ordering;

const FAILED: &str = "ERR Error trying to load the RDB dump, check server logs.";

/// How the data set is reloaded.
#[derive(Clone, Copy)]
struct Options {
    /// Whether it is saved before.
    saves: bool,
    /// Whether what is there makes way for what is in the file.
    flushes: bool,
    /// Whether a key of the file may take the place of one that is there.
    merges: bool,
}

/// `DEBUG RELOAD [MERGE] [NOFLUSH] [NOSAVE]`.
pub fn reload(core: &mut Core, token: Token, request: &OwnedRequest) {
    let args = request.args();
    let mut options = Options { saves: true, flushes: true, merges: false };
    for at in 2..args.len() {
        if args.is(at, "NOSAVE") {
            options.saves = false;
        } else if args.is(at, "NOFLUSH") {
            options.flushes = false;
        } else if args.is(at, "MERGE") {
            options.merges = true;
        } else {
            return core.refuse(token, "ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.");
        }
    }
    if core.conn(token).is_some_and(|conn| conn.session.in_exec) {
        return core.refuse(token, "ERR DEBUG RELOAD is not possible within a transaction or a script");
    }
    let Some(promise) = core.promise(token) else { return };
    core.on_log_core(move |core| core.begin_reload(promise, options));
}

/// `DEBUG LOADAOF`.
pub fn load_append_only(core: &mut Core, token: Token, _: &OwnedRequest) {
    let Some(promise) = core.promise(token) else { return };
    core.on_log_core(move |core| {
        if core.replay.is_some() || !core.claim_snapshot() {
            return promise.keep(|_, reply| reply.error("ERR A save or a synchronisation is in progress; try again"));
        }
        let go_on = move |core: &mut Core| {
            core.send(0, Message::Run(Box::new(move |core| core.load_append_only_paused(promise))));
        };
        core.begin_pause(u64::MAX, true, Box::new(go_on));
    });
}

impl Core {
    fn load_append_only_paused(&mut self, promise: Promise) {
        let upstream = self.replication.as_ref().and_then(|replication| replication.upstream.as_ref()?.token);
        if let Some(token) = upstream {
            self.stall(token, Stall::Lend);
        }
        self.flush_append_only(Box::new(move |core, flushed| {
            let end = move |core: &mut Core, outcome: Result<(), String>| {
                let is_replica = core.exec.gates_say_replica();
                let logged = !is_replica && core.replication.as_ref().is_some_and(|replication| replication.log.is_active());
                for shard in core.exec.shards.iter_mut().flatten() {
                    (shard.replica, shard.logged) = (is_replica, logged);
                }
                core.on_snapshot_taken();
                let error = outcome.err().map(|why| {
                    warning(&format!("DEBUG LOADAOF failed: {why}"));
                    "ERR Error trying to load the AOF files, check server logs."
                });
                if error.is_none() {
                    notice("Append Only File loaded by DEBUG LOADAOF");
                }
                core.end_reload(promise, upstream, error);
            };
            match flushed {
                Err(why) => core.with_all_shards(Box::new(move |core| end(core, Err(why)))),
                Ok(()) => core.begin_replay(Box::new(move |core, outcome| end(core, outcome.map(|_| ())))),
            }
        }));
    }

    fn begin_reload(&mut self, promise: Promise, options: Options) {
        if self.snapshot_is_running() {
            return promise.keep(|_, reply| reply.error("ERR A save or a synchronisation is in progress; try again"));
        }
        // By message: the shards that are here when the pause is in force are given back first.
        let go_on = move |core: &mut Core| {
            core.send(0, Message::Run(Box::new(move |core| core.reload_paused(promise, options))));
        };
        self.begin_pause(u64::MAX, true, Box::new(go_on));
    }

    fn reload_paused(&mut self, promise: Promise, options: Options) {
        let upstream = self.replication.as_ref().and_then(|replication| replication.upstream.as_ref()?.token);
        if let Some(token) = upstream {
            self.stall(token, Stall::Lend);
        }
        if !options.saves {
            return self.load_again(promise, upstream, options);
        }
        self.save_snapshot(Box::new(move |core, outcome| match outcome {
            Ok(()) => core.load_again(promise, upstream, options),
            Err(_) => core.end_reload(promise, upstream, Some("ERR Error trying to save the RDB dump, check server logs.")),
        }));
    }

    fn load_again(&mut self, promise: Promise, upstream: Option<Token>, options: Options) {
        self.with_all_shards(Box::new(move |core| {
            core.exec.shards.iter_mut().flatten().for_each(|shard| shard.begin_staging());
            let log_core = core.peers[0].clone();
            let done = Box::new(move |outcome| {
                log_core.send(Message::Run(Box::new(move |core| core.take_in(promise, upstream, options, outcome))));
            });
            let config = &core.exec.config;
            let job = LoadJob {
                path: config.rdb_path(),
                drop_expired: !core.exec.gates_say_replica(),
                verify_checksum: config.rdbchecksum,
                done,
            };
            core.service.send(ServiceCommand::Load(job));
        }));
    }

    fn take_in(&mut self, promise: Promise, upstream: Option<Token>, options: Options, outcome: Result<Loaded, String>) {
        self.with_all_shards(Box::new(move |core| {
            let now = core.exec.now;
            let outcome = outcome.and_then(|loaded| {
                let is_there = || {
                    core.has_library_of(&loaded.libraries)
                        || core.exec.shards.iter().flatten().any(|shard| shard.staging_collides())
                };
                match !options.flushes && !options.merges && is_there() {
                    false => Ok(loaded),
                    true => Err("a key or a library of the file is there already; MERGE lets it take the place".to_string()),
                }
            });
            let shards = core.exec.shards.iter_mut().flatten();
            let error = match &outcome {
                Ok(loaded) => {
                    shards.for_each(|shard| if options.flushes { shard.commit_staging() } else { shard.merge_staging(now) });
                    core.take_in_libraries(&loaded.libraries, options.flushes);
                    core.shared.save.last_loaded.store(loaded.keys, Ordering::Relaxed);
                    core.shared.save.last_expired.store(loaded.expired, Ordering::Relaxed);
                    notice(&format!("DB reloaded by DEBUG RELOAD: {} keys", loaded.keys));
                    None
                }
                Err(why) => {
                    shards.for_each(|shard| shard.abort_staging());
                    warning(&format!("DEBUG RELOAD failed: {why}"));
                    Some(FAILED)
                }
            };
            core.end_reload(promise, upstream, error);
        }));
    }

    fn end_reload(&mut self, promise: Promise, upstream: Option<Token>, error: Option<&'static str>) {
        // By message: shards that are still held here are given back first.
        let go_on = move |core: &mut Core| {
            core.end_pause();
            if let Some(token) = upstream {
                core.unstall(token, Stall::Lend);
            }
        };
        self.send(0, Message::Run(Box::new(go_on)));
        promise.keep(move |_, reply| match error {
            None => reply.ok(),
            Some(error) => reply.error(error),
        });
    }
}
