//! Section `Stats`: what was counted since the start, or since `CONFIG RESETSTAT`.

use super::rates::Rate;
use super::{Facts, Report};
use crate::pubsub::Kind;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

/// Fields about things that do not exist here.
const AFTER_SOCKETS: &[&str] = &[
    "slave_expires_tracked_keys",
    "active_defrag_hits",
    "active_defrag_misses",
    "active_defrag_key_hits",
    "active_defrag_key_misses",
    "total_active_defrag_time",
    "current_active_defrag_time",
];

/// Writes the section.
pub fn write(report: &mut Report, facts: &Facts) {
    let counters = &facts.shared.counters;
    let rates = facts.shared.rates();
    let count = |report: &mut Report, name: &str, counter: &AtomicU64| report.put(name, counter.load(Relaxed));
    report.section("Stats");
    count(report, "total_connections_received", &counters.total_connections_received);
    count(report, "total_commands_processed", &counters.total_commands_processed);
    report.put("instantaneous_ops_per_sec", rates.per_second(Rate::Commands));
    count(report, "total_net_input_bytes", &counters.total_net_input_bytes);
    count(report, "total_net_output_bytes", &counters.total_net_output_bytes);
    count(report, "total_net_repl_input_bytes", &counters.total_net_repl_input_bytes);
    count(report, "total_net_repl_output_bytes", &counters.total_net_repl_output_bytes);
    for (name, rate) in [
        ("instantaneous_input_kbps", Rate::Input),
        ("instantaneous_output_kbps", Rate::Output),
        ("instantaneous_input_repl_kbps", Rate::ReplInput),
        ("instantaneous_output_repl_kbps", Rate::ReplOutput),
    ] {
        report.put(name, format_args!("{:.2}", rates.kilo_per_second(rate)));
    }
    drop(rates);
    count(report, "rejected_connections", &counters.rejected_connections);
    count(report, "sync_full", &counters.sync_full);
    count(report, "sync_partial_ok", &counters.sync_partial_ok);
    count(report, "sync_partial_err", &counters.sync_partial_err);
    count(report, "expired_keys", &counters.expired_keys);
    if counters.expired_fields.load(Relaxed) > 0 {
        count(report, "expired_subkeys", &counters.expired_fields);
    }
    report.put("expired_stale_perc", "0.00");
    report.put("expired_time_cap_reached_count", 0);
    report.put("expire_cycle_cpu_milliseconds", 0);
    count(report, "evicted_keys", &counters.evicted_keys);
    count(report, "evicted_clients", &counters.evicted_clients);
    report.put("total_eviction_exceeded_time", 0);
    report.put("current_eviction_exceeded_time", 0);
    count(report, "keyspace_hits", &counters.keyspace_hits);
    count(report, "keyspace_misses", &counters.keyspace_misses);
    for (name, kind) in
        [("pubsub_channels", Kind::Channel), ("pubsub_patterns", Kind::Pattern), ("pubsubshard_channels", Kind::Shard)]
    {
        report.put(name, facts.subscribed(kind));
    }
    ["latest_fork_usec", "total_forks"].iter().for_each(|name| report.put(name, 0));
    count(report, "migrate_cached_sockets", &facts.shared.migrate_sockets);
    AFTER_SOCKETS.iter().for_each(|name| report.put(name, 0));
    count(report, "tracking_total_keys", &facts.shared.tracking.keys);
    count(report, "tracking_total_items", &facts.shared.tracking.items);
    report.put("tracking_total_prefixes", facts.shared.prefixes.len());
    count(report, "unexpected_error_replies", &counters.unexpected_error_replies);
    count(report, "total_error_replies", &counters.total_error_replies);
    report.put("dump_payload_sanitizations", 0);
    count(report, "total_reads_processed", &counters.total_reads_processed);
    count(report, "total_writes_processed", &counters.total_writes_processed);
    report.put("io_threaded_reads_processed", 0);
    report.put("io_threaded_writes_processed", 0);
    report.put("reply_buffer_shrinks", 0);
    report.put("reply_buffer_expands", 0);
    count(report, "client_query_buffer_limit_disconnections", &counters.client_query_buffer_limit_disconnections);
    count(report, "client_output_buffer_limit_disconnections", &counters.client_output_buffer_limit_disconnections);
}
