//! Sections `Commandstats`, `Latencystats` and `Errorstats`: what is counted by command and by error code, summed up over the
//! cores. [`tally`](crate::dispatch::tally) says what of it is exact.

use super::{Facts, Report};
use crate::dispatch::tally::CommandTally;
use std::collections::BTreeMap;

/// What all cores have counted, by command.
pub fn summed<'a>(tallies: impl Iterator<Item = &'a (&'static str, CommandTally)>) -> BTreeMap<&'static str, CommandTally> {
    let mut sums: BTreeMap<&str, CommandTally> = BTreeMap::new();
    tallies.for_each(|(name, tally)| sums.entry(name).or_default().add(tally));
    sums
}

/// Writes the section about commands.
pub fn commands(report: &mut Report, facts: &Facts) {
    report.section("Commandstats");
    for (name, tally) in summed(facts.cores.iter().flat_map(|core| &core.commands)) {
        let CommandTally { calls, rejected, failed, time_ns, .. } = tally;
        let (usec, per_call) = (time_ns / 1000, time_ns as f64 / 1000.0 / calls.max(1) as f64);
        let counts = format_args!(
            "calls={calls},usec={usec},usec_per_call={per_call:.2},rejected_calls={rejected},failed_calls={failed}"
        );
        report.put(&format!("cmdstat_{name}"), counts);
    }
}

/// Writes the section about running times: for each percentile that is configured, a time that so many calls do not exceed.
pub fn latencies(report: &mut Report, facts: &Facts) {
    report.section("Latencystats");
    if !facts.config.latency_tracking {
        return;
    }
    for (name, tally) in summed(facts.cores.iter().flat_map(|core| &core.commands)) {
        let spread = tally.cumulated();
        let at = |percentile: f64| {
            let rank = (percentile / 100.0 * tally.calls as f64).ceil() as u64;
            let reached = spread.iter().find(|(_, count)| *count >= rank.max(1)).or(spread.last());
            reached.map_or(0, |(us, _)| *us)
        };
        let percentiles = &facts.config.latency_tracking_info_percentiles;
        let text: Vec<String> = percentiles.iter().map(|&percentile| format!("p{percentile}={}.000", at(percentile))).collect();
        if !spread.is_empty() && !text.is_empty() {
            report.put(&format!("latency_percentiles_usec_{name}"), text.join(","));
        }
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
