//! Section `Memory`, and the figures behind it, which `MEMORY STATS` shows too.

use super::{Facts, Report, human, process};
use crate::config::Choice;
use std::sync::atomic::Ordering::Relaxed;

/// Memory, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct MemoryFacts {
    /// Taken from the allocator.
    pub used: u64,
    /// Resident.
    pub resident: u64,
    /// The most that was ever taken.
    pub peak: u64,
    /// Taken when the node had just started.
    pub startup: u64,
    /// For replicas that come back.
    pub backlog: u64,
    /// For the streams of replicas, the backlog included.
    pub replication: u64,
    /// Of connections to replicas, with what the log keeps for them alone, and what snapshots hold.
    pub replicas: u64,
    /// Of other clients.
    pub clients: u64,
    /// What `maxmemory` does not count.
    pub spared: u64,
}

impl MemoryFacts {
    /// The figures as they are now.
    pub fn of(facts: &Facts) -> Self {
        let used = crate::alloc::used();
        let (log, clients) = (facts.log(), facts.clients());
        let snapshot = facts.shared.snapshot.memory();
        MemoryFacts {
            used,
            resident: process::resident(),
            peak: facts.shared.peak_memory.load(Relaxed).max(used),
            startup: facts.shared.startup_memory.load(Relaxed).min(used),
            backlog: if log.is_active { log.backlog } else { 0 },
            replication: log.held,
            replicas: clients.replicas + log.held.saturating_sub(log.backlog) + snapshot,
            spared: facts.shared.pressure.not_counted.load(Relaxed) + snapshot,
            clients: clients.normal,
        }
    }

    /// What is not data.
    pub fn overhead(&self) -> u64 {
        (self.startup + self.backlog + self.replicas + self.clients).min(self.used)
    }

    /// What is.
    pub fn dataset(&self) -> u64 {
        self.used - self.overhead()
    }

    /// The share of the data in what was taken since the start, in percent.
    pub fn dataset_percent(&self) -> f64 {
        percent(self.dataset(), self.used - self.startup)
    }

    /// Resident bytes for each that is used.
    pub fn fragmentation(&self) -> f64 {
        ratio(self.resident, self.used)
    }
}

/// `part` of `whole` in percent; 0 of nothing.
pub fn percent(part: u64, whole: u64) -> f64 {
    100.0 * ratio(part, whole)
}

/// `a / b`; 0 if that is nothing.
pub fn ratio(a: u64, b: u64) -> f64 {
    if b == 0 { 0.0 } else { a as f64 / b as f64 }
}

/// Writes the section.
pub fn write(report: &mut Report, facts: &Facts) {
    let memory = MemoryFacts::of(facts);
    report.section("Memory");
    report.put_bytes("used_memory", memory.used);
    report.put_bytes("used_memory_rss", memory.resident);
    report.put_bytes("used_memory_peak", memory.peak);
    report.put("used_memory_peak_perc", format_args!("{:.2}%", percent(memory.used, memory.peak)));
    report.put("used_memory_overhead", memory.overhead());
    report.put("used_memory_startup", memory.startup);
    report.put("used_memory_dataset", memory.dataset());
    report.put("used_memory_dataset_perc", format_args!("{:.2}%", memory.dataset_percent()));
    // The allocator is not asked: what it has taken from the system is what is resident.
    report.put("allocator_allocated", memory.used);
    report.put("allocator_active", memory.resident);
    report.put("allocator_resident", memory.resident);
    report.put_bytes("total_system_memory", process::machine_memory());
    scripts(report, facts);
    report.put("maxmemory", facts.config.maxmemory);
    report.put("maxmemory_human", human(facts.config.maxmemory));
    report.put("maxmemory_policy", facts.config.maxmemory_policy.word());
    report.put("allocator_frag_ratio", format_args!("{:.2}", memory.fragmentation()));
    report.put("allocator_frag_bytes", memory.resident.saturating_sub(memory.used));
    report.put("allocator_rss_ratio", "1.00");
    report.put("allocator_rss_bytes", 0);
    report.put("rss_overhead_ratio", "1.00");
    report.put("rss_overhead_bytes", 0);
    report.put("mem_fragmentation_ratio", format_args!("{:.2}", memory.fragmentation()));
    report.put("mem_fragmentation_bytes", memory.resident as i64 - memory.used as i64);
    report.put("mem_not_counted_for_evict", memory.spared);
    report.put("mem_replication_backlog", memory.backlog);
    report.put("mem_total_replication_buffers", memory.replication);
    report.put("mem_clients_slaves", memory.replicas);
    report.put("mem_clients_normal", memory.clients);
    report.put("mem_cluster_links", 0);
    report.put("mem_aof_buffer", 0);
    report.put("mem_allocator", "mimalloc");
    report.put("active_defrag_running", 0);
    let (pending, freed) =
        facts.cores.iter().fold((0, 0), |sum, core| (sum.0 + core.lazily_freed.0, sum.1 + core.lazily_freed.1));
    report.put("lazyfree_pending_objects", pending);
    report.put("lazyfreed_objects", freed);
}

fn scripts(report: &mut Report, facts: &Facts) {
    let store = &facts.shared.scripts;
    let [eval, functions] = store.memory().map(|bytes| bytes as u64);
    let (scripts, sources) = store.scripts();
    let libraries = store.libraries();
    let code = libraries.len_bytes() as u64;
    report.put("used_memory_lua", eval);
    report.put("used_memory_vm_eval", eval);
    report.put("used_memory_lua_human", human(eval));
    report.put("used_memory_scripts_eval", sources);
    report.put("number_of_cached_scripts", scripts);
    report.put("number_of_functions", libraries.functions_count());
    report.put("number_of_libraries", libraries.iter().len());
    report.put("used_memory_vm_functions", functions);
    report.put_bytes("used_memory_vm_total", eval + functions);
    report.put("used_memory_functions", code);
    report.put_bytes("used_memory_scripts", sources as u64 + code);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_that_were_taken_at_different_moments_never_underflow() {
        let odd = MemoryFacts { used: 100, startup: 100, backlog: 500, replicas: 7, clients: 9, ..Default::default() };
        assert_eq!((odd.overhead(), odd.dataset()), (100, 0));
        assert_eq!((odd.dataset_percent(), odd.fragmentation()), (0.0, 0.0));
    }
}
