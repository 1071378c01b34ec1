//! SAVE, BGSAVE, LASTSAVE, and saving by itself as `save` says.

use crate::connection::{Closing, OwnedRequest, Stall, Token};
use crate::core::{Core, Message};
use crate::dispatch::registry::ServerHandler;
use crate::logging::notice;
use crate::persistence::bgrewriteaof;
use crate::service::{ReplicationAux, SaveJob, ServiceCommand};
use crate::shared::Gate;
use koltso_proto::resp::Reply;
use std::sync::atomic::Ordering;
use std::time::Instant;

pub const HANDLERS: &[(&str, ServerHandler)] =
    &[("save", save), ("bgsave", bgsave), ("lastsave", lastsave), ("bgrewriteaof", bgrewriteaof)];

/// Told how a save went.
type Told = Box<dyn FnOnce(&mut Core, Result<(), String>) + Send>;

fn save(core: &mut Core, token: Token, _: &OwnedRequest) {
    if !core.claim_counted_save() {
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
    let in_exec = core.conn(token).is_some_and(|conn| conn.session.in_exec);
    if in_exec && !core.snapshot_is_running() {
        // What the transaction writes belongs together: the save follows it.
        core.shared.save.wanted.store(true, Ordering::Relaxed);
        return core.reply(token, |reply| reply.status("Background saving scheduled"));
    }
    // One for replicas is one, too.
    if !core.claim_counted_save() {
        return core.refuse(token, "ERR Background save already in progress");
    }
    core.reply(token, |reply| reply.status("Background saving started"));
    core.on_log_core(|core| core.save_claimed(Box::new(|_, _| {})));
}

fn lastsave(core: &mut Core, token: Token, _: &OwnedRequest) {
    let at = core.shared.save.last_save_s.load(Ordering::Relaxed);
    core.reply(token, |reply| reply.int(at as i64));
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
    pub(super) fn claim_save(&mut self) -> bool {
        if self.shared.gates().has(Gate::Loading) || !self.claim_snapshot() {
            return false;
        }
        self.shared.save.running.store(true, Ordering::Release);
        true
    }

    /// As [`claim_save`](Self::claim_save), for one that `rdb_saves` counts: that one was asked for, or is due.
    fn claim_counted_save(&mut self) -> bool {
        let claimed = self.claim_save();
        if claimed {
            self.shared.save.saves.fetch_add(1, Ordering::Relaxed);
        }
        claimed
    }

    /// As [`save_snapshot`](Self::save_snapshot), by who has claimed it.
    pub(super) fn save_claimed(&mut self, told: Told) {
        self.shared.save.wanted.store(false, Ordering::Relaxed);
        self.shared.save.started_s.store(self.exec.now.0 / 1000, Ordering::Relaxed);
        notice("Background saving started");
        self.with_all_shards(Box::new(move |core| {
            core.flush_effects();
            let dirty_at_cut = core.take_dirty();
            let aux = core.history_at_cut();
            let compress = core.exec.config.rdbcompression;
            let version = core.version_of_file();
            let chunks = core.begin_snapshot(version, compress);
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
                version,
                is_base: false,
                chunks,
                done,
            }));
        }));
    }

    /// Where the log stands, for a file; nothing if that means nothing. All shards are here.
    pub(crate) fn history_at_cut(&self) -> Option<ReplicationAux> {
        let recorded = self.replication.as_ref().filter(|replication| replication.log.is_active());
        recorded.map(|replication| ReplicationAux {
            replid: replication.ids.current,
            offset: replication.log.end(),
            stream_db: replication.log.selected().unwrap_or_default(),
        })
    }

    /// Changes since the last save, up to this moment; all shards are here.
    fn take_dirty(&mut self) -> u64 {
        let fresh: u64 = self.exec.shards.iter_mut().flatten().map(|shard| std::mem::take(&mut shard.stats.dirty)).sum();
        self.shared.save.dirty.fetch_add(fresh, Ordering::Relaxed) + fresh
    }

    fn note_saved(&mut self, outcome: &Result<u64, String>, dirty_at_cut: u64, started: Instant) {
        let save = &self.shared.save;
        if outcome.is_ok() || self.shutdown.is_none() {
            // One that was given up for a shutdown has not failed.
            save.last_ok.store(outcome.is_ok(), Ordering::Relaxed);
        }
        save.last_duration_s.store(started.elapsed().as_secs() as i64, Ordering::Relaxed);
        save.last_try_s.store(self.exec.now.0 / 1000, Ordering::Relaxed);
        if outcome.is_ok() {
            save.last_save_s.store(self.exec.now.0 / 1000, Ordering::Relaxed);
            save.dirty.fetch_sub(dirty_at_cut, Ordering::Relaxed);
        }
        self.judge_saves();
        // Last: whoever asks another core and hears that no save is under way is to hear how this one has ended.
        self.shared.save.running.store(false, Ordering::Release);
        self.release_snapshot();
        self.begin_cut();
        self.advance_shutdown();
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
        if self.snapshot_is_running() || self.shutdown.is_some() {
            return;
        }
        let save = &self.shared.save;
        let now_s = self.exec.now.0 / 1000;
        let since = now_s.saturating_sub(save.last_save_s.load(Ordering::Relaxed));
        let since_try = now_s.saturating_sub(save.last_try_s.load(Ordering::Relaxed));
        let dirty = save.dirty.load(Ordering::Relaxed);
        let may_try = save.last_ok.load(Ordering::Relaxed) || since_try > RETRY_S;
        let due = self.exec.config.save.iter().any(|point| dirty >= point.changes && since >= point.seconds) && dirty > 0;
        if ((due && may_try) || save.wanted.load(Ordering::Relaxed)) && self.claim_counted_save() {
            self.save_claimed(Box::new(|_, _| {}));
        }
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
