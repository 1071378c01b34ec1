//! Section `Server`: what runs here, and since when.

use super::{Facts, REDIS_VERSION, Report, process};
use crate::shared::now_us;

/// Writes the section.
pub fn write(report: &mut Report, facts: &Facts) {
    let (shared, config) = (&facts.shared, &facts.config);
    let uptime_s = facts.now.0.saturating_sub(shared.started.0) / 1000;
    let path = |path: Option<std::path::PathBuf>| path.map(|path| path.display().to_string()).unwrap_or_default();
    report.section("Server");
    report.put("redis_version", REDIS_VERSION);
    report.put("redis_git_sha1", "00000000");
    report.put("redis_git_dirty", 0);
    report.put("redis_build_id", 0);
    report.put("redis_mode", "standalone");
    report.put("os", process::system());
    report.put("arch_bits", usize::BITS);
    report.put("monotonic_clock", "POSIX clock_gettime");
    report.put("multiplexing_api", "io_uring");
    report.put("atomicvar_api", "rust-std");
    report.put("gcc_version", "0.0.0");
    report.put("process_id", std::process::id());
    report.put("process_supervised", "no");
    report.put("run_id", &shared.run_id);
    report.put("tcp_port", config.shown_port());
    report.put("server_time_usec", now_us());
    report.put("uptime_in_seconds", uptime_s);
    report.put("uptime_in_days", uptime_s / 86_400);
    report.put("hz", config.hz);
    report.put("configured_hz", config.hz);
    report.put("lru_clock", (facts.now.0 / 1000) & 0xff_ffff);
    report.put("executable", path(std::env::current_exe().ok()));
    report.put("config_file", path(config.config_file.clone()));
    report.put("io_threads_active", 0);
    let bind: String = config.bind.iter().map(|address| format!("bind={address},")).collect();
    let ports = [("tcp", config.port), ("tls", config.tls_port)];
    for (nth, (name, port)) in ports.into_iter().filter(|(_, port)| *port != 0).enumerate() {
        report.put(&format!("listener{nth}"), format!("name={name},{bind}port={port}"));
    }
    let shutdown_at_ms = shared.shutdown_at_ms.load(std::sync::atomic::Ordering::Relaxed);
    if shutdown_at_ms > 0 {
        report.put("shutdown_in_milliseconds", shutdown_at_ms.saturating_sub(facts.now.0));
    }
    report.put("server_name", "koltso");
    report.put("koltso_version", env!("CARGO_PKG_VERSION"));
    report.put("cores", shared.cores);
}
