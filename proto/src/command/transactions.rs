//! The rows of commands about transactions. Facts only; see `super` for the columns.

use super::row::*;

const GROUP: Group = Group::Transactions;

pub(super) const COMMANDS: &[CommandSpec] = &[
    command!("discard", 1, ""; NOSCRIPT LOADING STALE FAST ALLOW_BUSY; TRANSACTION; []; "2.0.0", "O(N)";
        "Forgets the commands queued since MULTI."),
    command!("exec", 1, "";
        NOSCRIPT LOADING STALE SKIP_SLOWLOG; TRANSACTION; []; "1.2.0", "that of the queued commands";
        "Runs the commands queued since MULTI, all at once."),
    command!("multi", 1, ""; NOSCRIPT LOADING STALE FAST ALLOW_BUSY; TRANSACTION; []; "1.2.0", "O(1)";
        "Starts queueing commands for EXEC."),
    command!("unwatch", 1, ""; NOSCRIPT LOADING STALE FAST ALLOW_BUSY; TRANSACTION; []; "2.2.0", "O(1)";
        "Forgets the watched keys."),
    command!("watch", -2, "key@0...";
        NOSCRIPT LOADING STALE FAST ALLOW_BUSY; TRANSACTION; [many(RO, 1, -1, 1)]; "2.2.0", "O(1)";
        "Makes the next EXEC depend on keys staying as they are."),
];
