//! The rows of commands about HyperLogLogs. Facts only; see `super` for the columns.

use super::row::*;

const GROUP: Group = Group::HyperLogLog;

pub(super) const COMMANDS: &[CommandSpec] = &[
    command!("pfadd", -2, "key@0 [element...]"; WRITE DENYOOM FAST; HYPERLOGLOG; [one(RW_INSERT, 1)]; "2.8.9", "O(1)";
        "Adds elements to a HyperLogLog."),
    command!("pfcount", -2, "key@0...";
        READONLY MAY_REPLICATE; HYPERLOGLOG; [many(RW_ACCESS, 1, -1, 1).note("Written to where the count is kept beside the registers.")]; "2.8.9", "O(N) in keys";
        "Estimates how many different elements HyperLogLogs have seen."),
    command!("pfdebug", 3, "subcommand key@0"; WRITE DENYOOM ADMIN; HYPERLOGLOG; [one(RW_ACCESS, 2)]; "2.8.9", "O(N)";
        "Looks inside a HyperLogLog, for tests.")
    .internal(),
    command!("pfmerge", -2, "destkey@0 sourcekey@1...";
        WRITE DENYOOM; HYPERLOGLOG; [one(RW_ACCESS_INSERT, 1), many(RO_ACCESS, 2, -1, 1)]; "2.8.9", "O(N)";
        "Merges HyperLogLogs into one."),
    command!("pfselftest", 1, ""; ADMIN; HYPERLOGLOG; []; "2.8.9", "O(1)"; "Checks the HyperLogLog code, for tests.")
        .internal(),
];
