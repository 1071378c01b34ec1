//! DEBUG RELOAD: the data set goes to disk and comes back.
//!
//! Redis does nothing else meanwhile. Here clients are paused and the stream of a primary waits, from before the save until the
//! new data is in place, so that no change falls between the two.

use crate::connection::{OwnedRequest, Stall, Token};
use crate::core::{Core, Message};
use crate::logging::{notice, warning};
use crate::server::promise::Promise;
use crate::service::{LoadJob, Loaded, ServiceCommand};
use std::sync::atomic::Ordering;

const FAILED: &str = "ERR Error trying to load the RDB dump, check server logs.";

/// `DEBUG RELOAD [NOSAVE]`.
pub fn reload(core: &mut Core, token: Token, request: &OwnedRequest) {
    let args = request.args();
    let mut saves = true;
    for at in 2..args.len() {
        if args.is(at, "NOSAVE") {
            saves = false;
        } else if args.is(at, "MERGE") || args.is(at, "NOFLUSH") {
            return core
                .refuse(token, "ERR DEBUG RELOAD always replaces the data set here: MERGE and NOFLUSH are not supported");
        } else {
            return core.refuse(token, "ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.");
        }
    }
    let Some(promise) = core.promise(token) else { return };
    core.on_log_core(move |core| core.begin_reload(promise, saves));
}

impl Core {
    fn begin_reload(&mut self, promise: Promise, saves: bool) {
        if self.snapshot_is_running() {
            return promise.keep(|_, reply| reply.error("ERR A save or a synchronisation is in progress; try again"));
        }
        // By message: the shards that are here when the pause is in force are given back first.
        let go_on = move |core: &mut Core| {
            core.send(0, Message::Run(Box::new(move |core| core.reload_paused(promise, saves))));
        };
        self.begin_pause(u64::MAX, true, Box::new(go_on));
    }

    fn reload_paused(&mut self, promise: Promise, saves: bool) {
        let upstream = self.replication.as_ref().and_then(|replication| replication.upstream.as_ref()?.token);
        if let Some(token) = upstream {
            self.stall(token, Stall::Lend);
        }
        if !saves {
            return self.load_again(promise, upstream);
        }
        self.save_snapshot(Box::new(move |core, outcome| match outcome {
            Ok(()) => core.load_again(promise, upstream),
            Err(_) => core.end_reload(promise, upstream, Some("ERR Error trying to save the RDB dump, check server logs.")),
        }));
    }

    fn load_again(&mut self, promise: Promise, upstream: Option<Token>) {
        self.with_all_shards(Box::new(move |core| {
            core.exec.shards.iter_mut().flatten().for_each(|shard| shard.begin_staging());
            let log_core = core.peers[0].clone();
            let done = Box::new(move |outcome| {
                log_core.send(Message::Run(Box::new(move |core| core.take_in(promise, upstream, outcome))));
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

    fn take_in(&mut self, promise: Promise, upstream: Option<Token>, outcome: Result<Loaded, String>) {
        self.with_all_shards(Box::new(move |core| {
            let shards = core.exec.shards.iter_mut().flatten();
            let error = match &outcome {
                Ok(loaded) => {
                    shards.for_each(|shard| shard.commit_staging());
                    core.shared.save.last_loaded.store(loaded.keys, Ordering::Relaxed);
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
