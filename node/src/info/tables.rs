//! Sections `Commandstats` and `Errorstats`: counts by command and by error code, summed up over the cores.

use super::{Facts, Report};
use std::collections::BTreeMap;

/// Writes the section about commands.
pub fn commands(report: &mut Report, facts: &Facts) {
    report.section("Commandstats");
    let mut sums: BTreeMap<&str, u64> = BTreeMap::new();
    for (name, calls) in facts.cores.iter().flat_map(|core| &core.calls) {
        *sums.entry(name).or_default() += calls;
    }
    for (name, calls) in sums {
        // Run times are not taken: looking at the clock for every command would cost more than most commands do.
        let counts = format_args!("calls={calls},usec=0,usec_per_call=0.00,rejected_calls=0,failed_calls=0");
        report.put(&format!("cmdstat_{name}"), counts);
    }
}

/// Writes the section about errors.
pub fn errors(report: &mut Report, facts: &Facts) {
    report.section("Errorstats");
    let mut sums: BTreeMap<&str, u64> = BTreeMap::new();
    for (code, count) in facts.cores.iter().flat_map(|core| &core.errors) {
        *sums.entry(code).or_default() += count;
    }
    for (code, count) in sums {
        report.put(&format!("errorstat_{code}"), format_args!("count={count}"));
    }
}
