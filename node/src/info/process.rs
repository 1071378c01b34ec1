//! What the kernel says of this process, from `/proc`. What cannot be read counts as zero.

use std::fs;

/// Processor time, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CpuTimes {
    /// In the kernel.
    pub system: f64,
    /// Elsewhere.
    pub user: f64,
}

/// Ticks of `/proc/*/stat` per second: the same on every architecture of today.
const TICKS_PER_S: f64 = 100.0;

/// Processor time of all threads together.
pub fn cpu() -> CpuTimes {
    parse_stat(&fs::read_to_string("/proc/self/stat").unwrap_or_default()).unwrap_or_default()
}

/// Processor time of the calling thread.
pub fn thread_cpu() -> Option<CpuTimes> {
    parse_stat(&fs::read_to_string("/proc/thread-self/stat").ok()?)
}

/// The 14th and 15th field; what precedes them is behind the last parenthesis, since a thread's name can hold any.
fn parse_stat(text: &str) -> Option<CpuTimes> {
    let mut fields = text.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let mut next = || Some(fields.next()?.parse::<u64>().ok()? as f64 / TICKS_PER_S);
    Some(CpuTimes { user: next()?, system: next()? })
}

/// Resident bytes.
pub fn resident() -> u64 {
    kilobytes(&fs::read_to_string("/proc/self/status").unwrap_or_default(), "VmRSS:")
}

/// Bytes of memory that the machine has.
pub fn machine_memory() -> u64 {
    kilobytes(&fs::read_to_string("/proc/meminfo").unwrap_or_default(), "MemTotal:")
}

/// The amount behind `name` at the beginning of a line, in bytes.
fn kilobytes(text: &str, name: &str) -> u64 {
    let amount = text.lines().find_map(|line| line.strip_prefix(name)?.split_ascii_whitespace().next()?.parse::<u64>().ok());
    amount.unwrap_or(0).saturating_mul(1024)
}

/// Name, release and machine of the system, as `uname` puts them.
pub fn system() -> String {
    let read = |name: &str| {
        let text = fs::read_to_string(format!("/proc/sys/kernel/{name}")).unwrap_or_default();
        text.trim().to_string()
    };
    format!("{} {} {}", read("ostype"), read("osrelease"), std::env::consts::ARCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_named_like_the_format_is_read_all_the_same() {
        let stat = "12 (co) re (0) S 1 2 3 4 5 6 7 8 9 10 250 75 0 0 20 0 1 0 5";
        assert_eq!(parse_stat(stat), Some(CpuTimes { user: 2.5, system: 0.75 }));
        assert_eq!(parse_stat("12 (short) S 1"), None);
        assert_eq!(parse_stat(""), None);
    }

    #[test]
    fn amounts_are_read_by_name() {
        assert_eq!(kilobytes("VmSize:\t  99 kB\nVmRSS:\t  12 kB\n", "VmRSS:"), 12 << 10);
        assert_eq!(kilobytes("VmRSS: x", "VmRSS:"), 0);
        assert!(resident() > 0 && machine_memory() > resident());
    }
}
