//! SHUTDOWN, and the signals that mean it.
//!
//! ```text
//!  asked ──► writes are paused ──► replicas catch up, ──► transfers and the ──► the data set is ──► the threads stop
//!                                  for a while at most    snapshot under way     saved, if wanted
//!                                                         are given up
//! ```
//!
//! Until the threads are told to stop, SHUTDOWN ABORT leads back from everywhere.

use crate::connection::{OwnedRequest, Stall, Token};
use crate::core::{Core, Message};
use crate::dispatch::registry::ServerHandler;
use crate::logging::{notice, warning};
use crate::service::ServiceCommand;
use crate::shared::Gate;
use koltso_proto::id::{Offset, UnixMs};
use std::sync::atomic::Ordering;

pub const HANDLERS: &[(&str, ServerHandler)] = &[("shutdown", shutdown)];

/// Why a shutdown gives up what is under way.
const WHY: &str = "the node is shutting down";

/// Told that a shutdown has failed or was aborted. Nobody is told of one that succeeds.
pub type Told = Box<dyn FnOnce(&mut Core) + Send>;

/// How to shut down.
#[derive(Clone, Copy, Debug, Default)]
pub struct Manner {
    /// Whether the data set is saved; `None` if there are save points.
    pub saves: Option<bool>,
    /// Replicas are not waited for.
    pub now: bool,
    /// The node stops even if the data set cannot be saved.
    pub force: bool,
}

/// A shutdown under way, on the log's core.
pub struct Shutdown {
    /// Which shutdown this is: what one has begun may end only after it was aborted, and another asked for.
    number: u64,
    saves: bool,
    force: bool,
    stage: Stage,
    /// Rewrites of the append-only file that had failed before it was begun for this.
    failures: u64,
    /// Until when clients had been paused before, in milliseconds since the epoch.
    paused_until_ms: u64,
    told: Vec<Told>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Writes are being paused.
    Pausing,
    /// Replicas catch up to this offset, until this time.
    Waiting(Offset, UnixMs),
    /// What is under way comes to its end.
    Clearing,
    /// The data set is being saved.
    Saving,
    /// The append-only file is being begun: before that it is no copy of the data set.
    Beginning,
    /// The append-only file is being forced to disk.
    Writing,
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
    if (save && nosave) || (abort && (save || nosave || now || force)) {
        return core.refuse(token, "ERR syntax error");
    }
    if abort {
        return core.answer_on_log_core(token, |core| match core.abort_shutdown() {
            true => b"+OK\r\n".to_vec(),
            false => b"-ERR No shutdown in progress.\r\n".to_vec(),
        });
    }
    let busy = core.shared.scripts.busy.error();
    if let Some(error) = busy
        && !nosave
    {
        return core.refuse(token, error);
    }
    // While a script takes too long, nothing else comes to an end.
    let manner = Manner { saves: (save || nosave).then_some(save), now: now || busy.is_some(), force };
    let from = core.exec.id;
    core.stall(token, Stall::Lend);
    core.on_log_core(move |core| {
        let told = move |core: &mut Core| {
            let answer = move |core: &mut Core| {
                core.refuse(token, "ERR Errors trying to SHUTDOWN. Check logs.");
                core.unstall(token, Stall::Lend);
            };
            core.send(from, Message::Run(Box::new(answer)));
        };
        core.shut_down(manner, Box::new(told));
    });
}

impl Core {
    /// On the log's core: stops the node in this manner. If it is being stopped already, this is one more who is told how that goes; or
    /// who does not want to wait for anything: a script that is in the way of the first may never end.
    pub fn shut_down(&mut self, manner: Manner, told: Told) {
        if let Some(shutdown) = &mut self.shutdown {
            shutdown.told.push(told);
            if manner.now && manner.saves == Some(false) {
                shutdown.saves = false;
                self.finish_shutdown();
            }
            return;
        }
        notice("User requested shutdown...");
        // While the file is being loaded, it is still the whole truth.
        let loading = self.shared.gates().has(Gate::Loading);
        let saves = !loading && manner.saves.unwrap_or(!self.exec.config.save.is_empty());
        let waits = !manner.now && self.exec.config.shutdown_timeout > 0 && !self.replicas_have(self.log_end());
        let paused_until_ms = self.shared.pause_until_ms.load(Ordering::Acquire);
        let stage = Stage::Pausing;
        self.shutdowns += 1;
        let number = self.shutdowns;
        let (force, told) = (manner.force, vec![told]);
        self.shutdown = Some(Box::new(Shutdown { number, saves, force, stage, failures: 0, paused_until_ms, told }));
        // What is acknowledged from now on would not reach the append-only file. While a script keeps everybody from writing, nothing
        // is, and a pause would wait for its shards.
        let appends = self.shared.aof.enabled.load(Ordering::Relaxed) && self.shared.scripts.busy.error().is_none();
        if !waits && !saves && !appends {
            return self.finish_shutdown();
        }
        // What is written from now on would be in neither the file nor the replicas. By message: the shards that are here when the
        // pause is in force are given back first.
        let go_on =
            move |core: &mut Core| core.send(0, Message::Run(Box::new(move |core| core.shutdown_is_paused(number, waits))));
        self.begin_pause(u64::MAX, false, Box::new(go_on));
    }

    fn shutdown_is_paused(&mut self, number: u64, waits: bool) {
        let now = self.exec.now;
        let (end, timeout_s) = (self.log_end(), self.exec.config.shutdown_timeout);
        let Some(shutdown) = &mut self.shutdown else { return };
        if shutdown.number != number || shutdown.stage != Stage::Pausing {
            return;
        }
        if !waits {
            return self.finish_shutdown();
        }
        let until = UnixMs(now.0.saturating_add(timeout_s.saturating_mul(1000)));
        shutdown.stage = Stage::Waiting(end, until);
        self.shared.shutdown_at_ms.store(until.0, Ordering::Relaxed);
        notice(&format!("Waiting for replicas before shutting down: up to {timeout_s} seconds, until they have offset {end}"));
        if let Some(replication) = &mut self.replication {
            replication.ask_acks = true;
        }
        self.advance_shutdown();
    }

    fn log_end(&self) -> Offset {
        self.replication.as_ref().map_or(Offset(0), |replication| replication.log.end())
    }

    /// Whether every replica has acknowledged everything up to `offset`; one that is still being copied to has not.
    fn replicas_have(&self, offset: Offset) -> bool {
        self.replication.as_ref().is_none_or(|replication| replication.replicas.iter().all(|replica| replica.acked >= offset))
    }

    /// On the log's core: goes on with a shutdown if what it waited for has happened.
    pub(crate) fn advance_shutdown(&mut self) {
        let Some(shutdown) = &self.shutdown else { return };
        match shutdown.stage {
            Stage::Waiting(offset, until) if self.exec.now >= until || self.replicas_have(offset) => {
                self.tell_of_laggards(offset);
                self.finish_shutdown();
            }
            Stage::Clearing if !self.snapshot_is_running() => self.save_at_end(),
            Stage::Clearing => {
                self.give_up_transfers(WHY);
                self.give_up_snapshot(WHY);
            }
            Stage::Beginning if self.shared.aof.failures.load(Ordering::Relaxed) > shutdown.failures => {
                warning("Writing initial AOF, can't exit.");
                warning("Errors trying to shut down the server. Check the logs for more information.");
                self.cancel_shutdown();
            }
            Stage::Beginning => self.stop_written(),
            _ => {}
        }
    }

    /// On the log's core: whether a snapshot may be begun now, for the append-only file.
    pub(crate) fn may_begin_file(&self) -> bool {
        self.shutdown.as_ref().is_none_or(|shutdown| shutdown.stage == Stage::Beginning)
    }

    fn tell_of_laggards(&self, offset: Offset) {
        let Some(replication) = &self.replication else { return };
        let (now, replicas) = (self.exec.now, &replication.replicas);
        for replica in replicas.iter().filter(|replica| replica.acked < offset) {
            let behind = offset.0 - replica.acked.0;
            let lag_s = now.0.saturating_sub(replica.acked_at.0) / 1000;
            let (ip, port, state) = (replica.shown_ip(), replica.port(), replica.state.name());
            notice(&format!("Lagging replica {ip}:{port} reported offset {behind} behind master, lag={lag_s}, state={state}."));
        }
        let in_sync = replicas.iter().filter(|replica| replica.acked >= offset).count();
        notice(&format!("{in_sync} of {} replicas are in sync when shutting down.", replicas.len()));
    }

    /// Everybody has been waited for.
    fn finish_shutdown(&mut self) {
        let Some(shutdown) = &mut self.shutdown else { return };
        shutdown.stage = Stage::Clearing;
        if !shutdown.saves {
            return self.stop_written();
        }
        self.advance_shutdown();
    }

    fn save_at_end(&mut self) {
        let Some(number) = self.shutdown.as_ref().map(|shutdown| shutdown.number) else { return };
        if !self.claim_save() {
            // Another core has been asked for a save meanwhile: that one is cleared away like any other.
            return;
        }
        if let Some(shutdown) = &mut self.shutdown {
            shutdown.stage = Stage::Saving;
        }
        notice("Saving the final RDB snapshot before exiting.");
        self.save_claimed(Box::new(move |core, outcome| {
            let is_ours = |shutdown: &&Shutdown| shutdown.number == number && shutdown.stage == Stage::Saving;
            let Some(shutdown) = core.shutdown.as_deref().filter(is_ours) else { return };
            if outcome.is_ok() {
                return core.stop_written();
            }
            if shutdown.force {
                warning("Error trying to save the DB. Exiting anyway.");
                return core.stop_written();
            }
            warning("Error trying to save the DB, can't exit.");
            warning("Errors trying to shut down the server. Check the logs for more information.");
            core.cancel_shutdown();
        }));
    }

    /// Stops the node when the append-only file is on disk as far as it will be.
    fn stop_written(&mut self) {
        let Some(shutdown) = &mut self.shutdown else { return };
        if !self.shared.aof.enabled.load(Ordering::Relaxed) {
            return self.stop_node();
        }
        if self.append_only.is_beginning() && !shutdown.force {
            if shutdown.stage != Stage::Beginning {
                notice("Writing the initial AOF before exiting.");
                // One that was given up for the save at the end is no reason to stay, or to wait.
                shutdown.failures = self.shared.aof.failures.load(Ordering::Relaxed);
                self.append_only.retry_at_ms = 0;
            }
            shutdown.stage = Stage::Beginning;
            return self.rewrite_if_due();
        }
        shutdown.stage = Stage::Writing;
        let (number, force) = (shutdown.number, shutdown.force);
        self.seal_log(true);
        notice("Calling fsync() on the AOF file.");
        self.flush_append_only(Box::new(move |core, outcome| {
            let is_ours = |shutdown: &&Shutdown| shutdown.number == number && shutdown.stage == Stage::Writing;
            if core.shutdown.as_deref().filter(is_ours).is_none() {
                return;
            }
            match outcome {
                Err(why) if !force => {
                    warning(&format!("Error writing the append only file, can't exit: {why}"));
                    warning("Errors trying to shut down the server. Check the logs for more information.");
                    core.cancel_shutdown();
                }
                _ => core.stop_node(),
            }
        }));
    }

    /// No replica is to have a byte more than the disk, or it could not go on when this node is back.
    fn seal_log(&mut self, sealed: bool) {
        if let Some(replication) = &mut self.replication {
            replication.sealed = sealed;
        }
    }

    /// On the log's core: leads back from a shutdown; false if none is under way.
    fn abort_shutdown(&mut self) -> bool {
        let Some(shutdown) = &self.shutdown else { return false };
        let saving = shutdown.stage == Stage::Saving;
        self.cancel_shutdown();
        if saving {
            self.give_up_snapshot("the shutdown was aborted");
        }
        notice("Shutdown manually aborted.");
        true
    }

    fn cancel_shutdown(&mut self) {
        let Some(shutdown) = self.shutdown.take() else { return };
        self.shared.shutdown_at_ms.store(0, Ordering::Relaxed);
        self.seal_log(false);
        if shutdown.paused_until_ms > self.exec.now.0 {
            self.shared.pause_until_ms.store(shutdown.paused_until_ms, Ordering::Release);
        } else {
            self.end_pause();
        }
        shutdown.told.into_iter().for_each(|told| told(self));
    }

    /// Stops every thread of the node.
    pub fn stop_node(&mut self) {
        self.shared.stopping.store(true, Ordering::Release);
        notice("Koltso is now ready to exit, bye bye...");
        self.service.send(ServiceCommand::Stop);
        self.on_every_core(|core| core.stopped = true);
    }
}
