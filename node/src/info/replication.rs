//! Section `Replication`: role, link, replicas, history. Sentinel and redis-cli read it; the order of fields is Redis's.

use super::Report;
use crate::config::Config;
use crate::core::Core;
use crate::replication::Replication;
use crate::replication::failover::Failover;
use crate::replication::link::{LinkState, Upstream};
use crate::replication::log::Log;
use crate::replication::stream::{Replica, ReplicaState};
use koltso_proto::id::{Offset, UnixMs};
use std::sync::atomic::Ordering::Relaxed;

/// The section, on the log's core.
pub fn of(core: &Core, replication: &Replication) -> Report {
    let (read, applied) = core.stream_offsets();
    let mut report = Report::default();
    write(&mut report, replication, Position { read, applied }, &core.exec.config, core.exec.now);
    log_on_disk(&mut report, replication, core.shared.aof.log_first.load(Relaxed));
    time_away(&mut report, replication, &core.exec.config);
    report
}

/// How far the stream of our primary has come.
#[derive(Clone, Copy, Debug)]
struct Position {
    /// Read.
    read: Offset,
    /// Applied.
    applied: Offset,
}

fn write(report: &mut Report, replication: &Replication, position: Position, config: &Config, now: UnixMs) {
    report.section("Replication");
    report.put("role", if replication.upstream.is_some() { "slave" } else { "master" });
    if let Some(upstream) = &replication.upstream {
        link(report, upstream, position, config, now);
    }
    report.put("connected_slaves", replication.replicas.len());
    if config.min_replicas_to_write > 0 && config.min_replicas_max_lag > 0 {
        report.put("min_slaves_good_slaves", replication.good_replicas(now, config.min_replicas_max_lag));
    }
    for (index, replica) in replication.replicas.iter().enumerate() {
        report.put(&format!("slave{index}"), line_of(replica, &replication.log, now));
    }
    let (log, ids) = (&replication.log, &replication.ids);
    report.put("master_failover_state", replication.failover.as_ref().map_or("no-failover", Failover::state_name));
    report.put("master_replid", ids.current);
    report.put("master_replid2", ids.previous);
    report.put("master_repl_offset", log.end());
    report.put("second_repl_offset", ids.second_offset);
    report.put_flag("repl_backlog_active", log.is_active());
    report.put("repl_backlog_size", log.backlog_len());
    report.put("repl_backlog_first_byte_offset", if log.is_active() { log.first_byte_offset() } else { Offset(0) });
    report.put("repl_backlog_histlen", if log.is_active() { log.history_len() } else { 0 });
}

/// What of the log can be sent from files, where there are any.
fn log_on_disk(report: &mut Report, replication: &Replication, first: u64) {
    if replication.disk.is_some() && first > 0 {
        report.put("repl_log_first_byte_offset", first);
        report.put("repl_log_histlen", (replication.log.end().0 + 1).saturating_sub(first));
    }
}

/// How fast the log grows, and for how long a replica may be away at that rate and still find what it lacks: what is certain to be
/// kept. -1 = for ever, as nothing is written.
fn time_away(report: &mut Report, replication: &Replication, config: &Config) {
    let kept = match replication.disk {
        Some(_) => replication.log.backlog_len().max(config.repl_log_size),
        None => replication.log.backlog_len(),
    };
    let rate = replication.log.pace.bytes_per_second();
    report.put("repl_log_bytes_per_second", rate);
    report.put("repl_away_seconds_max", kept.checked_div(rate).map_or(-1, |seconds| seconds as i64));
}

fn link(report: &mut Report, upstream: &Upstream, position: Position, config: &Config, now: UnixMs) {
    let seconds_since = |then: UnixMs| (now.0.saturating_sub(then.0) / 1000) as i64;
    let is_up = upstream.is_connected();
    let is_syncing = upstream.state == LinkState::Sync;
    report.put("master_host", &upstream.host);
    report.put("master_port", upstream.port);
    report.put("master_link_status", if is_up { "up" } else { "down" });
    report.put("master_last_io_seconds_ago", if is_up { seconds_since(upstream.last_io) } else { -1 });
    report.put_flag("master_sync_in_progress", is_syncing);
    report.put("slave_read_repl_offset", position.read);
    report.put("slave_repl_offset", position.applied);
    if is_syncing {
        let [total, read, last_io] = [&upstream.progress.total, &upstream.progress.read, &upstream.progress.last_io_ms]
            .map(|progress| progress.load(Relaxed));
        report.put("master_sync_total_bytes", total);
        report.put("master_sync_read_bytes", read);
        report.put("master_sync_left_bytes", total as i64 - read as i64);
        report.put("master_sync_perc", format_args!("{:.2}", super::memory::percent(read, total)));
        report.put("master_sync_last_io_seconds_ago", seconds_since(UnixMs(last_io)));
    }
    if !is_up {
        report.put("master_link_down_since_seconds", seconds_since(upstream.down_since));
    }
    report.put("slave_priority", config.replica_priority);
    report.put_flag("slave_read_only", config.replica_read_only);
    report.put_flag("replica_announced", config.replica_announced);
}

fn line_of(replica: &Replica, log: &Log, now: UnixMs) -> String {
    let lag_s = if replica.state == ReplicaState::Online { now.0.saturating_sub(replica.acked_at.0) / 1000 } else { 0 };
    let (ip, port, state) = (replica.shown_ip(), replica.port(), replica.state.name());
    // What follows is ours: where it reads the stream from, how much of it was not sent yet, and how old that is.
    let source = if replica.is_on_disk() { "disk" } else { "memory" };
    let (lag_bytes, lag_ms) = match replica.state {
        ReplicaState::Online => (log.end().0.saturating_sub(replica.sent().0), log.pace.behind_ms(replica.sent(), now)),
        _ => (0, 0),
    };
    let ours = format!("source={source},lag_bytes={lag_bytes},lag_ms={lag_ms}");
    format!("ip={ip},port={port},state={state},offset={},lag={lag_s},{ours}", replica.acked)
}

#[cfg(test)]
mod tests;
