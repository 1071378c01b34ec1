//! The rows of commands about streams and consumer groups. Facts only; see `super` for the columns.

use super::row::*;

const GROUP: Group = Group::Stream;

pub(super) const COMMANDS: &[CommandSpec] = &[
    command!("xack", -4; WRITE FAST; STREAM; [one(RW_UPDATE, 1)]; "5.0.0", "O(1)";
        "Acknowledges entries for a consumer group."),
    command!("xadd", -5; WRITE DENYOOM FAST; STREAM; [one(RW_UPDATE, 1)]; "5.0.0", "O(1), O(N) when trimming";
        "Appends an entry to a stream.")
    .tips(&["nondeterministic_output"]),
    command!("xautoclaim", -6; WRITE FAST; STREAM; [one(RW_DELETE, 1)]; "6.2.0", "O(1)";
        "Takes over entries that have been pending for too long, scanning for them.")
    .tips(&["nondeterministic_output"]),
    command!("xclaim", -6; WRITE FAST; STREAM; [one(RW_UPDATE, 1)]; "5.0.0", "O(log(N))";
        "Takes over pending entries for a consumer.")
    .tips(&["nondeterministic_output"]),
    command!("xdel", -3; WRITE FAST; STREAM; [one(RW_DELETE, 1)]; "5.0.0", "O(1)"; "Deletes entries of a stream."),
    command!("xgroup", -2;;; []; "5.0.0", "that of the subcommand"; "Commands about consumer groups.").subcommands_of(XGROUP),
    command!("xinfo", -2;;; []; "5.0.0", "that of the subcommand"; "Commands that describe streams and their groups.")
        .subcommands_of(XINFO),
    command!("xlen", 2; READONLY FAST; STREAM; [one(RO, 1)]; "5.0.0", "O(1)"; "Counts the entries of a stream."),
    command!("xpending", -3; READONLY; STREAM; [one(RO_ACCESS, 1)]; "5.0.0", "O(N)";
        "Describes the entries of a group that are not acknowledged.")
    .tips(&["nondeterministic_output"]),
    command!("xrange", -4; READONLY; STREAM; [one(RO_ACCESS, 1)]; "5.0.0", "O(N)";
        "Returns the entries in a range of ids."),
    command!("xread", -4; READONLY BLOCKING; STREAM; [after(RO_ACCESS, "STREAMS", 1, -1, 2)]; "5.0.0", "O(N) per stream";
        "Returns new entries of streams, and may wait for them."),
    command!("xreadgroup", -7; WRITE BLOCKING; STREAM; [after(RO_ACCESS, "STREAMS", 4, -1, 2)]; "5.0.0", "O(N) per stream";
        "Returns entries of streams to a consumer of a group, and may wait for them."),
    command!("xrevrange", -4; READONLY; STREAM; [one(RO_ACCESS, 1)]; "5.0.0", "O(N)";
        "Returns the entries in a range of ids, from its end."),
    command!("xsetid", -3; WRITE DENYOOM FAST; STREAM; [one(RW_UPDATE, 1)]; "5.0.0", "O(1)";
        "Sets the last id of a stream."),
    command!("xtrim", -4; WRITE; STREAM; [one(RW_DELETE, 1)]; "5.0.0", "O(N)"; "Removes the oldest entries of a stream.")
        .tips(&["nondeterministic_output"]),
];

const XGROUP: &[CommandSpec] = &[
    command!("xgroup|create", -5; WRITE DENYOOM; STREAM; [one(RW_INSERT, 2)]; "5.0.0", "O(1)";
        "Creates a consumer group."),
    command!("xgroup|createconsumer", 5; WRITE DENYOOM; STREAM; [one(RW_INSERT, 2)]; "6.2.0", "O(1)";
        "Creates a consumer in a group."),
    command!("xgroup|delconsumer", 5; WRITE; STREAM; [one(RW_DELETE, 2)]; "5.0.0", "O(1)";
        "Deletes a consumer of a group."),
    command!("xgroup|destroy", 4; WRITE; STREAM; [one(RW_DELETE, 2)]; "5.0.0", "O(N)"; "Deletes a consumer group."),
    command!("xgroup|help", 2; LOADING STALE; STREAM; []; "5.0.0", "O(1)"; "Lists the XGROUP subcommands."),
    command!("xgroup|setid", -5; WRITE; STREAM; [one(RW_UPDATE, 2)]; "5.0.0", "O(1)";
        "Sets the last delivered id of a group."),
];

const XINFO: &[CommandSpec] = &[
    command!("xinfo|consumers", 4; READONLY; STREAM; [one(RO_ACCESS, 2)]; "5.0.0", "O(1)";
        "Describes the consumers of a group.")
    .tips(&["nondeterministic_output"]),
    command!("xinfo|groups", 3; READONLY; STREAM; [one(RO_ACCESS, 2)]; "5.0.0", "O(1)";
        "Describes the groups of a stream."),
    command!("xinfo|help", 2; LOADING STALE; STREAM; []; "5.0.0", "O(1)"; "Lists the XINFO subcommands."),
    command!("xinfo|stream", -3; READONLY; STREAM; [one(RO_ACCESS, 2)]; "5.0.0", "O(1)"; "Describes a stream."),
];
