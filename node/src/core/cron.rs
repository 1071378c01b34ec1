//! What is due by time, ten times a second; and what happens when the configuration changes or a connection ends.

use super::Core;
use crate::config::NotifyFlags;
use crate::connection::{Closing, Peer, Stall, Token};
use crate::server::latency::monitor::Sample;
use crate::server::slowlog::{Long, SlowEntry};
use crate::service::ServiceCommand;
use crate::shard::graveyard;
use crate::shared::{Gate, add};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// How often keys whose time is over are looked for, in milliseconds.
const EXPIRY_PERIOD_MS: u64 = 20;
/// How long one round of active expiry may take.
const EXPIRY_BUDGET: Duration = Duration::from_micros(500);
/// Commands that take a fixed short time are timed only for a slow log that asks for less than this, in microseconds.
const TIMED_ALWAYS_US: i64 = 1000;
/// Entries of flushed tables freed between two looks at the clock.
const DROP_STEP: usize = 512;
/// Less than this is kept for what comes next, in bytes.
const GIVE_BACK_MIN: u64 = 16 << 20;
/// How long values that are slow to drop are worked at in one turn; and then flushed tables.
const DROP_BUDGET: Duration = Duration::from_micros(300);
/// The same for flushed tables where turns are long, because clients have much to do: one part in so many of their time.
const DROP_SHARE: u32 = 4;
/// But not longer than this.
const DROP_BUDGET_MAX: Duration = Duration::from_millis(1);
/// Entries looked at between two looks at the clock.
const EXPIRY_STEP: usize = 2048;

impl Core {
    pub(super) fn cron(&mut self) {
        self.rearm_listeners();
        self.add_up_counters();
        self.drop_idle_clients();
        self.end_overdue_handshakes();
        self.enforce_soft_limits();
        self.evict_clients();
        self.exec.evict_if_short_for_long();
        if self.replication.is_some() {
            self.end_pause_if_due();
            self.sample_rates();
            self.replication_cron();
            self.link_cron();
            self.save_cron();
            self.rewrite_if_due();
            self.advance_shutdown();
            self.give_back_memory();
        }
    }

    /// Once for all cores: has memory given back to the kernel when much of it has become free, and no more is becoming so.
    fn give_back_memory(&mut self) {
        let used = crate::alloc::used();
        let falling = used < self.memory_before;
        self.memory_before = used;
        self.memory_high = self.memory_high.max(used);
        if !falling && self.memory_high - used > GIVE_BACK_MIN.max(used / 8) {
            self.memory_high = used;
            self.service.send(ServiceCommand::GiveBack);
        }
    }

    /// Once for all cores: samples of the counters that have a rate, and of memory.
    fn sample_rates(&mut self) {
        let shared = &self.shared;
        if shared.startup_memory.load(Ordering::Relaxed) == 0 {
            shared.startup_memory.store(crate::alloc::used(), Ordering::Relaxed);
        }
        shared.rates().sample(self.exec.now.0, shared.counters.with_rates());
    }

    /// Adds what this core has counted to what all share.
    pub(crate) fn add_up_counters(&mut self) {
        crate::alloc::settle();
        let counters = &self.shared.counters;
        add(&counters.total_commands_processed, std::mem::take(&mut self.exec.tally.processed));
        add(&counters.total_error_replies, std::mem::take(&mut self.exec.tally.errors));
        add(&counters.total_reads_processed, std::mem::take(&mut self.exec.tally.reads));
        add(&counters.total_writes_processed, std::mem::take(&mut self.exec.tally.writes));
        for shard in self.exec.shards.iter_mut().flatten() {
            let stats = std::mem::take(&mut shard.stats);
            add(&counters.keyspace_hits, stats.hits);
            add(&counters.keyspace_misses, stats.misses);
            add(&counters.expired_keys, stats.expired);
            add(&counters.expired_fields, stats.expired_fields);
            add(&counters.evicted_keys, stats.evicted);
            self.shared.save.dirty.fetch_add(stats.dirty, Ordering::Relaxed);
        }
        self.exec.publish_load();
        self.shared.peak_memory.fetch_max(crate::alloc::used(), Ordering::Relaxed);
    }

    /// Deletes keys whose time is over, for a moment; true if more are due.
    pub(super) fn slice_of_expiry(&mut self) -> bool {
        let now = self.exec.now;
        let id = self.exec.id;
        let unlink = self.exec.config.lazyfree_lazy_expire;
        if !self.shared.active_expire.load(Ordering::Relaxed) || self.exec.gates.has(Gate::PausedWrites) {
            return false;
        }
        if now.0 < self.next_expiry_ms {
            return false;
        }
        let Some(shard) = self.exec.shards[id].as_deref_mut() else { return false };
        if shard.replica {
            return false;
        }
        self.next_expiry_ms = now.0 + EXPIRY_PERIOD_MS;
        let until = Instant::now() + EXPIRY_BUDGET;
        let logged = shard.logged;
        let effects = &mut self.exec.effects;
        let name: &[u8] = if unlink { b"UNLINK" } else { b"DEL" };
        loop {
            let more = shard.expire_due(now, EXPIRY_STEP, &mut |db, key| {
                effects.events.push(NotifyFlags::EXPIRED, "expired", db, key);
                if logged {
                    effects.begin_unit();
                    effects.push(db, [name, key].into_iter());
                    effects.end_unit();
                }
            });
            let more_fields = shard.expire_fields_due(now, EXPIRY_STEP, &mut |db, expired| {
                expired.events().for_each(|(class, name)| effects.events.push(class, name, db, expired.key));
                if logged {
                    effects.begin_unit();
                    effects.push(db, expired.deletion());
                    effects.end_unit();
                }
            });
            if !more && !more_fields {
                return false;
            }
            if Instant::now() >= until {
                self.next_expiry_ms = 0;
                return true;
            }
        }
    }

    /// Frees some of what was flushed or replaced; true if there is more.
    pub(super) fn slice_of_dropping(&mut self) -> bool {
        let service = &self.service;
        if !graveyard::is_empty()
            && !graveyard::dig(Instant::now() + DROP_BUDGET, |value| service.send(ServiceCommand::Drop(value)))
        {
            return true;
        }
        let id = self.exec.id;
        let Some(shard) = self.exec.shards[id].as_deref_mut().filter(|shard| shard.is_dropping()) else {
            return !graveyard::is_empty();
        };
        // Whoever fills and flushes over and over must not fill faster than this drops.
        let now = Instant::now();
        let budget = (now - self.last_drop) / DROP_SHARE;
        let until = now + budget.clamp(DROP_BUDGET, DROP_BUDGET_MAX);
        while shard.drop_step(DROP_STEP) && Instant::now() < until {}
        self.last_drop = Instant::now();
        shard.is_dropping() || !graveyard::is_empty()
    }

    fn drop_idle_clients(&mut self) {
        let timeout = self.exec.config.timeout;
        if timeout == 0 {
            return;
        }
        let now = self.exec.now;
        let idle: Vec<Token> = self
            .conns
            .iter()
            .filter(|(_, conn)| matches!(conn.peer, Peer::Client) && conn.stall == Stall::None && conn.closing == Closing::No)
            .filter(|(_, conn)| !conn.session.monitor)
            .filter(|(_, conn)| now.0.saturating_sub(conn.session.last_active.0) > timeout.saturating_mul(1000))
            .map(|(index, conn)| Token { index: index as u32, generation: conn.generation })
            .collect();
        for token in idle {
            self.close(token);
        }
    }

    /// The link to a primary: connect, acknowledge once a second, notice its silence.
    fn link_cron(&mut self) {
        self.connect_if_due();
        let now = self.exec.now;
        let timeout_ms = self.exec.config.repl_timeout.saturating_mul(1000);
        let Some(upstream) = self.replication.as_ref().and_then(|replication| replication.upstream.as_ref()) else { return };
        let Some(token) = upstream.token else { return };
        if now.0.saturating_sub(upstream.last_io.0) > timeout_ms {
            crate::logging::warning("MASTER timeout: no data nor PING received...");
            return self.close(token);
        }
        if now.0.saturating_sub(self.last_ack_ms) >= 1000 {
            self.last_ack_ms = now.0;
            self.send_ack(token, None);
        }
    }

    pub(super) fn on_config_changed(&mut self) {
        let config = self.exec.config.clone();
        self.exec.time_all = (0..TIMED_ALWAYS_US).contains(&config.slowlog_log_slower_than);
        if let Some(shard) = self.exec.shards[self.exec.id].as_deref_mut() {
            shard.set_policy(config.access_policy());
        }
        if let Some(replication) = &mut self.replication {
            replication.log.set_backlog_len(config.repl_backlog_size);
            crate::logging::set_level(config.log_level());
            self.shared.set_gate(Gate::MaxMemory, config.maxmemory > 0);
            self.judge_replication();
            self.judge_replicas();
            self.judge_saves();
            self.follow_append_only_config();
        }
        self.exec.evicting = true;
        self.limit_tracked_keys();
        self.exec.publish_load();
        self.set_output_limits();
        self.exec.effects.events.set_flags(config.notify_keyspace_events);
        self.slowlog.entries.truncate(config.slowlog_max_len as usize);
        self.exec.gates = self.shared.gates();
    }

    /// A connection is about to end: what hangs on it is let go of.
    pub(super) fn on_closing(&mut self, token: Token) {
        self.unwatch(token);
        self.stop_monitoring(token);
        self.end_subscriptions(token);
        self.end_tracking(token);
        let Some(conn) = self.conn(token) else { return };
        if conn.stall == Stall::Paused {
            conn.stall = Stall::None;
            self.shared.blocked_clients.fetch_sub(1, Ordering::Relaxed);
        } else if conn.stall == Stall::Blocked {
            conn.stall = Stall::None;
            if !self.abandon_wait(token) {
                let from = self.exec.id;
                self.on_log_core(move |core| core.forget_waiter(from, token));
            }
            // When it is served no more: who does not see it counted may rely on that.
            self.shared.blocked_clients.fetch_sub(1, Ordering::Release);
        }
        let Some(conn) = self.conns.get(token.index as usize) else { return };
        match &conn.peer {
            Peer::Client => {
                self.shared.connected_clients.fetch_sub(1, Ordering::Relaxed);
            }
            Peer::Replica(stream) => {
                let id = stream.id;
                let name = crate::replication::stream::name_in_logs(&conn.session);
                crate::logging::notice(&format!("Connection with replica {name} lost."));
                self.forget_replica(id);
            }
            Peer::Primary(_) => self.on_primary_lost(token),
        }
    }

    /// Moves commands that took long to the slow log.
    pub(crate) fn log_slow(&mut self) {
        let config = self.exec.config.clone();
        let max = config.slowlog_max_len as usize;
        for (Long { took_us, number }, request, token) in std::mem::take(&mut self.exec.slow) {
            let at_s = self.exec.now.0 / 1000;
            if config.latency_monitor_threshold > 0 && took_us / 1000 >= config.latency_monitor_threshold {
                self.shared.latency().note("command", Sample { at_s, took_ms: took_us / 1000 });
            }
            let Some(id) = number else { continue };
            let (addr, name) =
                self.conn(token).map(|conn| (conn.session.addr.clone(), conn.session.name.clone())).unwrap_or_default();
            let request = crate::server::secrets::without_secrets(&request).unwrap_or(request);
            let args = crate::server::slowlog::shorten(request.args());
            self.slowlog.push(SlowEntry { id, at_s, took_us, args, addr, name }, max);
        }
    }
}
