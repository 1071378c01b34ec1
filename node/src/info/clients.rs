//! Section `Clients`: who is connected.

use super::{Facts, Report};
use std::sync::atomic::Ordering::Relaxed;

/// Writes the section.
pub fn write(report: &mut Report, facts: &Facts) {
    let clients = facts.clients();
    report.section("Clients");
    report.put("connected_clients", facts.shared.connected_clients.load(Relaxed));
    report.put("cluster_connections", 0);
    report.put("maxclients", facts.config.maxclients);
    report.put("client_recent_max_input_buffer", clients.input_max);
    report.put("client_recent_max_output_buffer", clients.output_max);
    report.put("blocked_clients", facts.shared.blocked_clients.load(Relaxed));
    report.put("tracking_clients", facts.shared.tracking.clients.load(Relaxed));
    report.put("clients_in_timeout_table", facts.cores.iter().map(|core| core.timed_waits).sum::<usize>());
}
