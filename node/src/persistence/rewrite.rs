//! Rewriting: a snapshot at a cut becomes the base, a segment begins at the cut, and what was there before goes. `BGREWRITEAOF`,
//! rewriting by itself as `auto-aof-rewrite-*` say, and the beginning of the file where there was none.
//!
//! ```text
//!  cut at X ──► Begin: a new segment from X ────────────────────────────────► Install: manifest = base at X + segment from X
//!          └──► snapshot ──► temp-rewriteaof-….rdb, forced to disk ───────────┘
//! ```
//!
//! While the file is in force, the new segment is a part of it from its beginning: a crash before the end finds the old base, the
//! old segments and the new one.

use super::feed::Disk;
use super::writer::{Begin, Order, Told};
use super::{Home, Phase};
use crate::connection::{OwnedRequest, Token};
use crate::core::{Core, Message};
use crate::logging::{notice, warning};
use crate::service::{SaveJob, ServiceCommand};
use crate::shared::Gate;
use koltso_proto::id::{DbIndex, Offset, ReplId};
use std::path::PathBuf;
use std::sync::atomic::Ordering::{Relaxed, Release};
use std::time::Instant;

/// How long to wait after a rewrite that failed, in milliseconds; it doubles from one failure to the next, up to a minute or so.
const RETRY_MS: u64 = 1000;

/// `BGREWRITEAOF`.
pub fn bgrewriteaof(core: &mut Core, token: Token, _: &OwnedRequest) {
    let in_exec = core.conn(token).is_some_and(|conn| conn.session.in_exec);
    core.answer_on_log_core(token, move |core| {
        if core.append_only.rewriting.is_some() {
            return b"-ERR Background append only file rewriting already in progress\r\n".to_vec();
        }
        core.shared.aof.scheduled.store(true, Relaxed);
        core.append_only.retry_at_ms = 0;
        if in_exec || core.snapshot_is_running() {
            return b"+Background append only file rewriting scheduled\r\n".to_vec();
        }
        core.rewrite_if_due();
        b"+Background append only file rewriting started\r\n".to_vec()
    });
}

impl Core {
    /// On the log's core: begins a rewrite if one is wanted and possible.
    pub(crate) fn rewrite_if_due(&mut self) {
        let wanted = self.append_only.phase == Phase::Wanted || self.shared.aof.scheduled.load(Relaxed) || self.has_grown();
        let loading = self.shared.gates().has(Gate::Loading) && self.append_only.told.is_none();
        let may = self.append_only.rewriting.is_none() && self.may_begin_file() && self.replay.is_none() && !loading;
        if !wanted || !may || self.exec.now.0 < self.append_only.retry_at_ms {
            return;
        }
        if !self.claim_snapshot() {
            return self.shared.aof.scheduled.store(true, Relaxed);
        }
        self.append_only.number += 1;
        let number = self.append_only.number;
        self.append_only.rewriting = Some(number);
        self.append_only.walking = true;
        let aof = &self.shared.aof;
        aof.rewriting.store(true, Release);
        // Nobody sees that it is neither to come nor under way.
        aof.scheduled.store(false, Release);
        aof.rewrite_since_s.store(self.exec.now.0 / 1000, Relaxed);
        self.with_all_shards(Box::new(move |core| core.cut_for_rewrite(number)));
    }

    /// Whether the file has grown as much as it may before it is rewritten.
    fn has_grown(&self) -> bool {
        let config = &self.exec.config;
        let (len, base) = (self.shared.aof.current_len.load(Relaxed), self.shared.aof.base_len.load(Relaxed).max(1));
        let grown =
            u128::from(len.saturating_sub(base)) * 100 >= u128::from(base) * u128::from(config.auto_aof_rewrite_percentage);
        self.append_only.phase == Phase::On
            && config.auto_aof_rewrite_percentage > 0
            && len > config.auto_aof_rewrite_min_size
            && grown
    }

    /// Has everything recorded from this moment on. All shards are here.
    pub(super) fn record_for_disk(&mut self) {
        self.flush_effects();
        // Not what is configured: of a promotion this core's copy may not know yet.
        let is_replica = self.shared.gates().has(Gate::Replica);
        let Some(replication) = &mut self.replication else { return };
        if !replication.log.is_active() {
            if !is_replica {
                // Until now nothing was counted, so our offsets name nothing that anybody could have.
                replication.ids.current = crate::replication::random_id();
                replication.ids.previous = ReplId::NONE;
                replication.ids.second_offset = -1;
                // Nobody reads yet but the disk, which is told the database itself.
                replication.log.note_selected(DbIndex(0));
            }
            replication.log.activate();
        }
        for shard in self.exec.shards.iter_mut().flatten() {
            shard.logged = !is_replica;
        }
    }

    /// The segment that begins here and now.
    pub(super) fn segment_here(&self, rewrite: Option<u64>, continues: bool) -> Begin {
        let lineage = self.append_only.lineage;
        match &self.replication {
            Some(replication) => {
                let (log, ids) = (&replication.log, &replication.ids);
                let (from, db) = (log.end(), log.selected().unwrap_or_default());
                Begin { rewrite, lineage, from, of: ids.current, after: ids.before(), db, continues }
            }
            None => Begin { rewrite, lineage, from: Offset(0), of: ReplId::NONE, after: None, db: DbIndex(0), continues },
        }
    }

    /// On the log's core: the history has got another id, here at the log's end. A segment belongs to one.
    pub(crate) fn part_segments(&mut self) {
        let Some(replication) = &mut self.replication else { return };
        let Some(disk) = &mut replication.disk else { return };
        if let Some(order) = disk.next(&replication.log, true) {
            self.ask_writer(order);
        }
        let begin = self.segment_here(None, true);
        self.ask_writer(Order::Begin(begin, Box::new(|_, _| {})));
    }

    /// From here on the disk reads the log.
    pub(super) fn follow_with_disk(&mut self, installed: bool) {
        let lineage = self.append_only.lineage;
        if let Some(replication) = &mut self.replication {
            replication.disk = Some(Disk::new(lineage, replication.log.end(), installed));
        }
    }

    /// The cut: every shard is here, so the log's end and the data are the same moment.
    fn cut_for_rewrite(&mut self, number: u64) {
        self.flush_effects();
        if self.append_only.rewriting != Some(number) {
            self.append_only.walking = false;
            return self.on_snapshot_taken();
        }
        notice("Background append only file rewriting started");
        let phase = self.append_only.phase;
        match phase {
            Phase::Off => {}
            Phase::On => {
                self.hand_all_to_disk();
                let begin = self.segment_here(Some(number), true);
                self.ask_writer(Order::Begin(begin, Box::new(|_, _| {})));
            }
            Phase::Wanted | Phase::Starting => {
                self.record_for_disk();
                self.append_only.lineage += 1;
                self.set_phase(Phase::Starting);
                let begin = self.segment_here(Some(number), false);
                self.follow_with_disk(false);
                self.ask_writer(Order::Begin(begin, Box::new(|_, _| {})));
            }
        }
        let has_segment = phase != Phase::Off;
        let path = Home::of(&self.exec.config).temporary_base(number);
        let version = self.version_of_file();
        let chunks = self.begin_snapshot(version, self.exec.config.rdbcompression);
        let (log_core, started, base) = (self.peers[0].clone(), Instant::now(), path.clone());
        let done = Box::new(move |outcome: Result<u64, String>| {
            let finish = move |core: &mut Core| core.on_base_written(number, has_segment, base, outcome.map(|_| ()), started);
            log_core.send(Message::Run(Box::new(finish)));
        });
        let aux = self.history_at_cut();
        self.service.send(ServiceCommand::Save(SaveJob { path, aux, version, chunks, is_base: true, done }));
    }

    fn on_base_written(
        &mut self,
        number: u64,
        has_segment: bool,
        base: PathBuf,
        outcome: Result<(), String>,
        started: Instant,
    ) {
        self.append_only.walking = false;
        self.on_snapshot_taken();
        if self.append_only.rewriting != Some(number) {
            // It was given up meanwhile. The writer removes the file, since it does not know the number.
            return self.ask_writer(Order::Install(Some(u64::MAX), base, Box::new(|_, _| {})));
        }
        let told: Told = Box::new(move |core, outcome| core.on_rewritten(number, outcome, started));
        match outcome {
            Ok(()) => self.ask_writer(Order::Install(has_segment.then_some(number), base, told)),
            Err(why) => told(self, Err(why)),
        }
    }

    fn on_rewritten(&mut self, number: u64, outcome: Result<(), String>, started: Instant) {
        if self.append_only.rewriting != Some(number) {
            return;
        }
        self.append_only.rewriting = None;
        let (now_ms, aof) = (self.exec.now.0, &self.shared.aof);
        aof.rewrite_took_s1.store(started.elapsed().as_secs() as i64 + 1, Relaxed);
        match &outcome {
            Ok(()) => {
                notice("Background AOF rewrite finished successfully");
                aof.failures.store(0, Relaxed);
                aof.rewrites.fetch_add(1, Relaxed);
                if self.append_only.phase == Phase::Starting {
                    if let Some(disk) = self.replication.as_mut().and_then(|replication| replication.disk.as_mut()) {
                        disk.installed = true;
                    }
                    self.set_phase(Phase::On);
                    self.settle_replies();
                    self.look_at_waiters();
                }
            }
            Err(why) => {
                warning(&format!("Background AOF rewrite failed: {why}"));
                aof.failures.fetch_add(1, Relaxed);
                self.append_only.retry_at_ms = now_ms + (RETRY_MS << aof.failures.load(Relaxed).min(6));
                if self.append_only.phase == Phase::Starting {
                    self.ask_writer(Order::Discard);
                    if let Some(replication) = &mut self.replication {
                        replication.disk = None;
                    }
                    self.set_phase(Phase::Wanted);
                }
            }
        }
        // Whoever sees that it is over sees what became of it.
        self.shared.aof.rewriting.store(false, Release);
        if let Some(told) = self.append_only.told.take() {
            told(self, outcome);
        }
        self.advance_shutdown();
    }

    /// What the rewrite under way brings is not wanted any more.
    pub(super) fn abandon_rewrite(&mut self) {
        if self.append_only.rewriting.take().is_some() {
            self.shared.aof.rewriting.store(false, Release);
            if self.append_only.walking {
                self.give_up_snapshot("the append only file is not to be rewritten any more");
            }
        }
    }
}
