//! What /proc says about a server: CPU time, resident memory, children.
//!
//! CPU time comes from schedstat (nanoseconds per living thread); it is exact once the server sleeps, at most one tick old
//! while it runs. io_uring workers and SQPOLL threads are threads of the process, so their time counts too. What the
//! kernel does for the server in interrupts is nobody's, for every server alike.

use std::fs;

use crate::Result;

const NS_PER_S: u64 = 1_000_000_000;

/// CPU time used by all threads of `pid` since its start, in nanoseconds.
pub fn cpu_ns(pid: u32) -> Result<u64> {
    let mut sum = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        // A thread may end between the listing and the reading; its time is in the process's tick count below.
        if let Ok(text) = fs::read_to_string(task?.path().join("schedstat")) {
            sum += first_number(&text);
        }
    }
    Ok(sum.max(stat_ticks_ns(pid)?.0))
}

/// CPU time of `pid` and of those of its children that have ended and were waited for (a fork's snapshot), nanoseconds.
pub fn cpu_with_children_ns(pid: u32) -> Result<u64> {
    Ok(cpu_ns(pid)? + stat_ticks_ns(pid)?.1)
}

/// User plus system time of the process, and of its waited-for children, from the clock ticks of /proc/PID/stat.
fn stat_ticks_ns(pid: u32) -> Result<(u64, u64)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The second field is the name in parentheses and may contain anything; the rest is plain. proc(5): utime is field 14.
    let rest = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let field = |n: usize| rest.split(' ').nth(n - 3).and_then(|f| f.parse::<u64>().ok()).unwrap_or(0);
    let tick_ns = NS_PER_S / rustix::param::clock_ticks_per_second().max(1);
    Ok(((field(14) + field(15)) * tick_ns, (field(16) + field(17)) * tick_ns))
}

/// Resident bytes now.
pub fn rss_bytes(pid: u32) -> Result<u64> {
    status_kb(pid, "VmRSS:").map(|kb| kb * 1024)
}

/// The highest resident bytes since the start or the last [`reset_peak`].
pub fn peak_rss_bytes(pid: u32) -> Result<u64> {
    status_kb(pid, "VmHWM:").map(|kb| kb * 1024)
}

/// Lets [`peak_rss_bytes`] start again from what is resident now.
pub fn reset_peak(pid: u32) -> Result<()> {
    Ok(fs::write(format!("/proc/{pid}/clear_refs"), "5")?)
}

/// Proportional resident bytes of `pid` and its children together: pages shared after a fork count once. `None` without
/// children, where the kernel's own high-water mark is exact and cheaper.
pub fn family_pss_bytes(pid: u32) -> Result<Option<u64>> {
    let children = children(pid)?;
    if children.is_empty() {
        return Ok(None);
    }
    let mut sum = pss_bytes(pid)?;
    // A child that ends while it is being read has given its memory back.
    sum += children.iter().filter_map(|&child| pss_bytes(child).ok()).sum::<u64>();
    Ok(Some(sum))
}

fn pss_bytes(pid: u32) -> Result<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    Ok(labelled_kb(&text, "Pss:").unwrap_or(0) * 1024)
}

fn children(pid: u32) -> Result<Vec<u32>> {
    let mut found = Vec::new();
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let text = fs::read_to_string(task?.path().join("children")).unwrap_or_default();
        found.extend(text.split_whitespace().filter_map(|id| id.parse::<u32>().ok()));
    }
    Ok(found)
}

fn status_kb(pid: u32, label: &str) -> Result<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status"))?;
    labelled_kb(&text, label).ok_or_else(|| format!("/proc/{pid}/status has no {label}").into())
}

fn labelled_kb(text: &str, label: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(label)).map(first_number)
}

fn first_number(text: &str) -> u64 {
    text.split_whitespace().next().and_then(|n| n.parse().ok()).unwrap_or(0)
}

/// Reads the CPU time of one process many times over, cheaply: the files of its present threads stay open.
pub struct CpuMeter {
    threads: Vec<fs::File>,
}

impl CpuMeter {
    /// Knows the threads that `pid` has now; those started later are not counted.
    pub fn open(pid: u32) -> Result<CpuMeter> {
        let mut threads = Vec::new();
        for task in fs::read_dir(format!("/proc/{pid}/task"))? {
            threads.push(fs::File::open(task?.path().join("schedstat"))?);
        }
        Ok(CpuMeter { threads })
    }

    /// CPU time of those threads in nanoseconds.
    pub fn read_ns(&self) -> Result<u64> {
        use std::os::unix::fs::FileExt;
        let mut sum = 0;
        for thread in &self.threads {
            let mut text = [0u8; 64];
            let len = thread.read_at(&mut text, 0)?;
            sum += first_number(&String::from_utf8_lossy(&text[..len]));
        }
        Ok(sum)
    }
}

/// Memory that could be used without swapping, in bytes; 0 if the kernel does not say.
pub fn available_bytes() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    labelled_kb(&text, "MemAvailable:").unwrap_or(0) * 1024
}

/// The processor's name and the kernel's release.
pub fn machine() -> (String, String) {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo.lines().find_map(|l| l.strip_prefix("model name")).and_then(|l| l.split_once(':'));
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    (model.map_or("unknown CPU", |(_, name)| name.trim()).to_owned(), kernel.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_figures_are_plausible() {
        let pid = std::process::id();
        let before = cpu_ns(pid).unwrap();
        // For as long as it takes: the machine may give its time to others, and threads of other tests take theirs out of the
        // sum when they end.
        let begun = std::time::Instant::now();
        while cpu_ns(pid).unwrap() <= before {
            assert!(begun.elapsed().as_secs() < 60, "no more than {before} ns all the time");
        }
        assert!(rss_bytes(pid).unwrap() > 100_000 && peak_rss_bytes(pid).unwrap() > 100_000);
    }

    #[test]
    fn labels_are_found_at_line_starts_only() {
        assert_eq!(labelled_kb("Rss: 1 kB\nPss:   7 kB\nPss_Anon: 9 kB\n", "Pss:"), Some(7));
        assert_eq!(labelled_kb("Rss: 1 kB\n", "Pss:"), None);
    }
}
