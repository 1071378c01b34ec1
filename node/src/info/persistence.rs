//! Section `Persistence`: saves, and loading. A snapshot to replicas counts as a background save, as in Redis.

use super::{Facts, Report};
use crate::shared::Gate;
use std::sync::atomic::Ordering::{Acquire, Relaxed};

/// Writes the section.
pub fn write(report: &mut Report, facts: &Facts) {
    let (save, snapshot) = (&facts.shared.save, &facts.shared.snapshot);
    let aof = &facts.shared.aof;
    // In this order: what is due becomes what is under way.
    let due = aof.scheduled.load(Acquire) || aof.wanted.load(Acquire);
    let rewriting = aof.rewriting.load(Acquire);
    // Before what is told of the last one, which stands when these say that it is over.
    let saving = save.running.load(Acquire);
    let in_progress = saving || (facts.shared.snapshot_running.load(Acquire) && !rewriting);
    let since = save.started_s.load(Relaxed);
    let running_s = if saving && since > 0 { (facts.now.0 / 1000).saturating_sub(since) as i64 } else { -1 };
    report.section("Persistence");
    report.put_flag("loading", facts.shared.gates().has(Gate::Loading));
    report.put_flag("async_loading", facts.log().is_syncing);
    // What a snapshot costs: what is encoded and waits to be sent or written, and what it keeps of values that writes have
    // changed or taken away.
    report.put("current_cow_peak", if in_progress { snapshot.memory_peak.load(Relaxed) } else { 0 });
    report.put("current_cow_size", snapshot.memory());
    report.put("current_cow_size_age", 0);
    report.put("current_fork_perc", "0.00");
    report.put("current_save_keys_processed", 0);
    report.put("current_save_keys_total", 0);
    report.put("rdb_changes_since_last_save", save.dirty.load(Relaxed));
    report.put_flag("rdb_bgsave_in_progress", in_progress);
    report.put("rdb_last_save_time", save.last_save_s.load(Relaxed));
    report.put("rdb_last_bgsave_status", if save.last_ok.load(Relaxed) { "ok" } else { "err" });
    report.put("rdb_last_bgsave_time_sec", save.last_duration_s.load(Relaxed));
    report.put("rdb_current_bgsave_time_sec", running_s);
    report.put("rdb_saves", save.saves.load(Relaxed));
    report.put("rdb_last_cow_size", snapshot.memory_peak.load(Relaxed));
    report.put("rdb_last_load_keys_expired", save.last_expired.load(Relaxed));
    report.put("rdb_last_load_keys_loaded", save.last_loaded.load(Relaxed));
    let enabled = aof.enabled.load(Relaxed);
    let rewrite_s = (facts.now.0 / 1000).saturating_sub(aof.rewrite_since_s.load(Relaxed)) as i64;
    report.put_flag("aof_enabled", enabled);
    report.put_flag("aof_rewrite_in_progress", rewriting);
    report.put_flag("aof_rewrite_scheduled", aof.scheduled.load(Relaxed) || (due && !rewriting));
    report.put("aof_last_rewrite_time_sec", aof.rewrite_took_s1.load(Relaxed) - 1);
    report.put("aof_current_rewrite_time_sec", if rewriting { rewrite_s } else { -1 });
    report.put("aof_last_bgrewrite_status", if aof.failures.load(Relaxed) == 0 { "ok" } else { "err" });
    report.put("aof_rewrites", aof.rewrites.load(Relaxed));
    report.put("aof_rewrites_consecutive_failures", aof.failures.load(Relaxed));
    report.put("aof_last_write_status", if aof.error().is_none() { "ok" } else { "err" });
    report.put("aof_last_cow_size", 0);
    report.put("module_fork_in_progress", 0);
    report.put("module_fork_last_cow_size", 0);
    if enabled {
        report.put("aof_current_size", aof.current_len.load(Relaxed));
        report.put("aof_base_size", aof.base_len.load(Relaxed));
        report.put("aof_pending_rewrite", 0);
        report.put("aof_buffer_length", aof.waiting_len.load(Relaxed));
        report.put("aof_pending_bio_fsync", 0);
        report.put("aof_delayed_fsync", 0);
    }
    report.put("snapshot_spooled_bytes", snapshot.disk.load(Relaxed));
    report.put("snapshots_given_up", snapshot.given_up.load(Relaxed));
}
