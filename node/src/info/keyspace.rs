//! Section `Keyspace`: how full the databases are.

use super::{Facts, Report};

/// Writes the section.
pub fn write(report: &mut Report, facts: &Facts) {
    report.section("Keyspace");
    for (index, db) in facts.databases() {
        report.put(&format!("db{}", index.0), format_args!("keys={},expires={},avg_ttl={}", db.keys, db.expires, db.avg_ttl));
    }
}
