//! Section `CPU`: processor time used. The main thread is that of the log's core; there are no children.

use super::process::CpuTimes;
use super::{Facts, Report, process};

/// Writes the section.
pub fn write(report: &mut Report, facts: &Facts) {
    let main = facts.cores.iter().find_map(|core| core.thread_cpu).unwrap_or_default();
    let of = [("", process::cpu()), ("_children", CpuTimes::default()), ("_main_thread", main)];
    report.section("CPU");
    for (whose, times) in of {
        report.put(&format!("used_cpu_sys{whose}"), format_args!("{:.6}", times.system));
        report.put(&format!("used_cpu_user{whose}"), format_args!("{:.6}", times.user));
    }
}
