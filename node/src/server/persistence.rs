//! SAVE, BGSAVE, LASTSAVE, SHUTDOWN, and saving by itself as `save` says.

use crate::connection::{Closing, OwnedRequest, Stall, Token};
use crate::core::{Core, Message};
use crate::dispatch::registry::ServerHandler;
use crate::logging::{notice, warning};
use crate::service::{ReplicationAux, SaveJob, ServiceCommand};
use crate::shared::Gate;
use crate::snapshot::VERSION_DEFAULT;
use koltso_proto::resp::Reply;
use std::sync::atomic::Ordering;
use std::time::Instant;

pub const HANDLERS: &[(&str, ServerHandler)] =
    &[("save", save), ("bgsave", bgsave), ("lastsave", lastsave), ("shutdown", shutdown)];

/// Told how a save went.
type Told = Box<dyn FnOnce(&mut Core, Result<(), String>) + Send>;

fn save(core: &mut Core, token: Token, _: &OwnedRequest) {
    if !core.claim_save() {
        return core.refuse(token, "ERR Background save already in progress");
    }
    let from = core.exec.id;
    core.stall(token, Stall::Lend);
    core.on_log_core(move |core| {
        core.save_claimed(Box::new(move |core, outcome| {
            core.send(
                from,
                Message::Run(Box::new(move |core| {
                    core.reply(token, |reply| match outcome {
                        Ok(()) => reply.ok(),
                        Err(why) => reply.error(format!("ERR {why}")),
                    });
                    core.unstall(token, Stall::Lend);
                })),
            );
        }));
    });
}

fn bgsave(core: &mut Core, token: Token, request: &OwnedRequest) {
    let args = request.args();
    let schedule = args.len() > 1 && args.is(1, "SCHEDULE");
    if args.len() > 2 || (args.len() == 2 && !schedule) {
        return core.refuse(token, "ERR syntax error");
    }
    if core.shared.save.running.load(Ordering::Acquire) {
        return core.refuse(token, "ERR Background save already in progress");
    }
    if !core.claim_save() {
        // A snapshot is on its way to replicas; the save follows it.
        core.shared.save.wanted.store(true, Ordering::Relaxed);
        return core.reply(token, |reply| reply.status("Background saving scheduled"));
    }
    core.reply(token, |reply| reply.status("Background saving started"));
    core.on_log_core(|core| core.save_claimed(Box::new(|_, _| {})));
}

fn lastsave(core: &mut Core, token: Token, _: &OwnedRequest) {
    let at = core.shared.save.last_save_s.load(Ordering::Relaxed);
    core.reply(token, |reply| reply.int(at as i64));
}

fn shutdown(core: &mut Core, token: Token, request: &OwnedRequest) {
    let args = request.args();
    let (mut save, mut nosave, mut now, mut force, mut abort) = (false, false, false, false, false);
    for i in 1..args.len() {
        let known =
            [("SAVE", &mut save), ("NOSAVE", &mut nosave), ("NOW", &mut now), ("FORCE", &mut force), ("ABORT", &mut abort)];
        let Some((_, flag)) = known.into_iter().find(|(word, _)| args.is(i, word)) else {
            return core.refuse(token, "ERR syntax error");
        };
        *flag = true;
    }
    if (save && nosave) || (abort && args.len() > 2) {
        return core.refuse(token, "ERR syntax error");
    }
    if abort {
        return core.refuse(token, "ERR No shutdown in progress.");
    }
    let saves = save || (!nosave && !core.exec.config.save.is_empty());
    let from = core.exec.id;
    core.stall(token, Stall::Lend);
    core.on_log_core(move |core| {
        core.shut_down(
            saves,
            force,
            Box::new(move |core, outcome| {
                if let Err(why) = outcome {
                    core.send(
                        from,
                        Message::Run(Box::new(move |core| {
                            warning(&format!("Shutdown given up: {why}"));
                            core.refuse(token, "ERR Errors trying to SHUTDOWN. Check logs.");
                            core.unstall(token, Stall::Lend);
                        })),
                    );
                }
            }),
        );
    });
}

impl Core {
    /// On the log's core: writes a snapshot to the RDB file, and tells how it went.
    pub fn save_snapshot(&mut self, told: Told) {
        if !self.claim_save() {
            return told(self, Err("Background save already in progress".to_string()));
        }
        self.save_claimed(told);
    }

    /// Takes the right to the next snapshot for a save; false if one is under way, or there is no whole data set yet.
    fn claim_save(&mut self) -> bool {
        if self.shared.gates().has(Gate::Loading) || !self.claim_snapshot() {
            return false;
        }
        self.shared.save.running.store(true, Ordering::Release);
        true
    }

    /// As [`save_snapshot`](Self::save_snapshot), by who has claimed it.
    fn save_claimed(&mut self, told: Told) {
        self.shared.save.wanted.store(false, Ordering::Relaxed);
        self.shared.save.started_s.store(self.exec.now.0 / 1000, Ordering::Relaxed);
        notice("Background saving started");
        self.with_all_shards(Box::new(move |core| {
            core.flush_effects();
            let dirty_at_cut = core.take_dirty();
            let aux =
                core.replication.as_ref().filter(|replication| replication.log.is_active()).map(|replication| ReplicationAux {
                    replid: replication.ids.current,
                    offset: replication.log.end(),
                    stream_db: replication.log.selected().unwrap_or_default(),
                });
            let compress = core.exec.config.rdbcompression;
            let (chunks, credits) = core.begin_snapshot(VERSION_DEFAULT, compress);
            let started = Instant::now();
            let log_core = core.peers[0].clone();
            let done = Box::new(move |outcome: Result<u64, String>| {
                let finish = move |core: &mut Core| {
                    core.note_saved(&outcome, dirty_at_cut, started);
                    told(core, outcome.map(|_| ()));
                };
                log_core.send(Message::Run(Box::new(finish)));
            });
            core.service.send(ServiceCommand::Save(SaveJob {
                path: core.exec.config.rdb_path(),
                aux,
                version: VERSION_DEFAULT,
                chunks,
                credits,
                done,
            }));
        }));
    }

    /// Changes since the last save, up to this moment; all shards are here.
    fn take_dirty(&mut self) -> u64 {
        let fresh: u64 = self.exec.shards.iter_mut().flatten().map(|shard| std::mem::take(&mut shard.stats.dirty)).sum();
        self.shared.save.dirty.fetch_add(fresh, Ordering::Relaxed) + fresh
    }

    fn note_saved(&mut self, outcome: &Result<u64, String>, dirty_at_cut: u64, started: Instant) {
        let save = &self.shared.save;
        save.running.store(false, Ordering::Release);
        self.release_snapshot();
        save.last_ok.store(outcome.is_ok(), Ordering::Relaxed);
        save.last_duration_s.store(started.elapsed().as_secs() as i64, Ordering::Relaxed);
        save.last_try_s.store(self.exec.now.0 / 1000, Ordering::Relaxed);
        if outcome.is_ok() {
            save.last_save_s.store(self.exec.now.0 / 1000, Ordering::Relaxed);
            save.saves.fetch_add(1, Ordering::Relaxed);
            save.dirty.fetch_sub(dirty_at_cut, Ordering::Relaxed);
        }
        self.judge_saves();
        self.begin_cut();
    }

    /// Whether writes are refused because the last save failed.
    pub(crate) fn judge_saves(&mut self) {
        let config = &self.exec.config;
        let failed = !self.shared.save.last_ok.load(Ordering::Relaxed);
        self.shared.set_gate(Gate::SaveFailed, failed && config.stop_writes_on_bgsave_error && !config.save.is_empty());
    }

    /// Saves if a save point is reached.
    pub(crate) fn save_cron(&mut self) {
        /// After a failure, how long to wait before trying again, in seconds.
        const RETRY_S: u64 = 5;
        if self.snapshot_is_running() || self.shared.stopping.load(Ordering::Relaxed) {
            return;
        }
        let save = &self.shared.save;
        let now_s = self.exec.now.0 / 1000;
        let since = now_s.saturating_sub(save.last_save_s.load(Ordering::Relaxed));
        let since_try = now_s.saturating_sub(save.last_try_s.load(Ordering::Relaxed));
        let dirty = save.dirty.load(Ordering::Relaxed);
        let may_try = save.last_ok.load(Ordering::Relaxed) || since_try > RETRY_S;
        let due = self.exec.config.save.iter().any(|point| dirty >= point.changes && since >= point.seconds) && dirty > 0;
        if (due && may_try) || save.wanted.load(Ordering::Relaxed) {
            self.save_snapshot(Box::new(|_, _| {}));
        }
    }

    /// On the log's core: saves if asked to, and stops the node.
    pub fn shut_down(&mut self, saves: bool, force: bool, told: Told) {
        notice("User requested shutdown...");
        // While the file is being loaded, it is still the whole truth.
        if !saves || self.shared.gates().has(Gate::Loading) {
            self.stop_node();
            return told(self, Ok(()));
        }
        if self.snapshot_is_running() {
            // Its end is not far; the data set is saved as it will be then.
            let log_core = self.peers[0].clone();
            let again = move |core: &mut Core| core.shut_down(true, force, told);
            std::thread::spawn(move || {
                std::thread::sleep(std::time::Duration::from_millis(20));
                log_core.send(Message::Run(Box::new(again)));
            });
            return;
        }
        self.save_snapshot(Box::new(move |core, outcome| {
            if outcome.is_ok() || force {
                core.stop_node();
            }
            told(core, outcome);
        }));
    }

    /// Stops every thread of the node.
    pub fn stop_node(&mut self) {
        self.shared.stopping.store(true, Ordering::Release);
        notice("Koltso is now ready to exit, bye bye...");
        self.service.send(ServiceCommand::Stop);
        self.on_every_core(|core| core.stopped = true);
    }

    /// Closes a connection when its replies are sent.
    pub fn close_after_replies(&mut self, token: Token) {
        if let Some(conn) = self.conn(token) {
            conn.closing = conn.closing.max(Closing::AfterReplies);
        }
        self.mark_dirty(token);
    }

    /// An `OK` in its place.
    pub fn ok(&mut self, token: Token) {
        self.reply(token, Reply::ok);
    }
}
