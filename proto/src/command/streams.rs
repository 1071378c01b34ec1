//! The rows of commands about streams and consumer groups. Facts only; see `super` for the columns.

use super::row::*;

const GROUP: Group = Group::Stream;

pub(super) const COMMANDS: &[CommandSpec] = &[
    command!("xack", -4, "key@0 group id..."; WRITE FAST; STREAM; [one(RW_UPDATE, 1)]; "5.0.0", "O(1)";
        "Acknowledges entries for a consumer group."),
    command!("xadd", -5, "key@0 [NOMKSTREAM^6.2.0] [trim{strategy(MAXLEN|MINID^6.2.0) [operator(equal==|approximately=~)] threshold [LIMIT count:integer^6.2.0]}] id_or_auto(auto_id=*|id) field_value{field value}...";
        WRITE DENYOOM FAST; STREAM; [one(RW_UPDATE, 1).note("Entries may be removed by trimming.")]; "5.0.0", "O(1), O(N) when trimming";
        "Appends an entry to a stream.")
    .changed("6.2.0 Takes NOMKSTREAM, MINID and LIMIT. | 7.0.0 Takes ids whose second half is left open.")
    .tips(&["nondeterministic_output"]),
    command!("xautoclaim", -6, "key@0 group consumer min-idle-time start [COUNT count:integer] [JUSTID]";
        WRITE FAST; STREAM; [one(RW_DELETE, 1)]; "6.2.0", "O(1)";
        "Takes over entries that have been pending for too long, scanning for them.")
    .changed("7.0.0 Tells which pending entries are deleted.")
    .tips(&["nondeterministic_output"]),
    command!("xclaim", -6, "key@0 group consumer min-idle-time id... [IDLE ms:integer] [TIME unix-time-milliseconds:unix-time] [RETRYCOUNT count:integer] [FORCE] [JUSTID] [LASTID id]";
        WRITE FAST; STREAM; [one(RW_UPDATE, 1)]; "5.0.0", "O(log(N))";
        "Takes over pending entries for a consumer.")
    .tips(&["nondeterministic_output"]),
    command!("xdel", -3, "key@0 id...";
        WRITE FAST; STREAM; [one(RW_DELETE, 1)]; "5.0.0", "O(1)"; "Deletes entries of a stream."),
    command!("xgroup", -2, "";;; []; "5.0.0", "that of the subcommand"; "Commands about consumer groups.").subcommands_of(XGROUP),
    command!("xinfo", -2, "";;; []; "5.0.0", "that of the subcommand"; "Commands that describe streams and their groups.")
        .subcommands_of(XINFO),
    command!("xlen", 2, "key@0";
        READONLY FAST; STREAM; [one(RO, 1)]; "5.0.0", "O(1)"; "Counts the entries of a stream."),
    command!("xpending", -3, "key@0 group [filters{[IDLE min-idle-time:integer^6.2.0] start end count:integer [consumer]}]";
        READONLY; STREAM; [one(RO_ACCESS, 1)]; "5.0.0", "O(N)";
        "Describes the entries of a group that are not acknowledged.")
    .changed("6.2.0 Takes IDLE, and ranges without their ends.")
    .tips(&["nondeterministic_output"]),
    command!("xrange", -4, "key@0 start end [COUNT count:integer]";
        READONLY; STREAM; [one(RO_ACCESS, 1)]; "5.0.0", "O(N)";
        "Returns the entries in a range of ids.")
    .changed("6.2.0 Takes ranges without their ends."),
    command!("xread", -4, "[COUNT count:integer] [BLOCK milliseconds:integer] STREAMS streams{key@0... id...}";
        READONLY BLOCKING; STREAM; [after(RO_ACCESS, "STREAMS", 1, -1, 2)]; "5.0.0", "O(N) per stream";
        "Returns new entries of streams, and may wait for them."),
    command!("xreadgroup", -7, "GROUP group_consumer{group consumer} [COUNT count:integer] [BLOCK milliseconds:integer] [NOACK] STREAMS streams{key@0... id...}";
        WRITE BLOCKING; STREAM; [after(RO_ACCESS, "STREAMS", 4, -1, 2)]; "5.0.0", "O(N) per stream";
        "Returns entries of streams to a consumer of a group, and may wait for them."),
    command!("xrevrange", -4, "key@0 end start [COUNT count:integer]";
        READONLY; STREAM; [one(RO_ACCESS, 1)]; "5.0.0", "O(N)";
        "Returns the entries in a range of ids, from its end.")
    .changed("6.2.0 Takes ranges without their ends."),
    command!("xsetid", -3, "key@0 last-id [ENTRIESADDED entries_added:integer^7.0.0] [MAXDELETEDID max_deleted_entry_id^7.0.0]";
        WRITE DENYOOM FAST; STREAM; [one(RW_UPDATE, 1)]; "5.0.0", "O(1)";
        "Sets the last id of a stream.")
    .changed("7.0.0 Takes ENTRIESADDED and MAXDELETEDID."),
    command!("xtrim", -4, "key@0 trim{strategy(MAXLEN|MINID^6.2.0) [operator(equal==|approximately=~)] threshold [LIMIT count:integer^6.2.0]}";
        WRITE; STREAM; [one(RW_DELETE, 1)]; "5.0.0", "O(N)"; "Removes the oldest entries of a stream.")
    .changed("6.2.0 Takes MINID and LIMIT.")
        .tips(&["nondeterministic_output"]),
];

const XGROUP: &[CommandSpec] = &[
    command!("xgroup|create", -5, "key@0 groupname id(id|new_id=$) [MKSTREAM] [ENTRIESREAD entries_read:integer]";
        WRITE DENYOOM; STREAM; [one(RW_INSERT, 2)]; "5.0.0", "O(1)";
        "Creates a consumer group.")
    .changed("7.0.0 Takes ENTRIESREAD."),
    command!("xgroup|createconsumer", 5, "key@0 groupname consumername";
        WRITE DENYOOM; STREAM; [one(RW_INSERT, 2)]; "6.2.0", "O(1)";
        "Creates a consumer in a group."),
    command!("xgroup|delconsumer", 5, "key@0 groupname consumername";
        WRITE; STREAM; [one(RW_DELETE, 2)]; "5.0.0", "O(1)";
        "Deletes a consumer of a group."),
    command!("xgroup|destroy", 4, "key@0 groupname";
        WRITE; STREAM; [one(RW_DELETE, 2)]; "5.0.0", "O(N)"; "Deletes a consumer group."),
    command!("xgroup|help", 2, ""; LOADING STALE; STREAM; []; "5.0.0", "O(1)"; "Lists the XGROUP subcommands."),
    command!("xgroup|setid", -5, "key@0 groupname id(id|new_id=$) [ENTRIESREAD entries_read:integer]";
        WRITE; STREAM; [one(RW_UPDATE, 2)]; "5.0.0", "O(1)";
        "Sets the last delivered id of a group.")
    .changed("7.0.0 Takes ENTRIESREAD."),
];

const XINFO: &[CommandSpec] = &[
    command!("xinfo|consumers", 4, "key@0 groupname"; READONLY; STREAM; [one(RO_ACCESS, 2)]; "5.0.0", "O(1)";
        "Describes the consumers of a group.")
    .tips(&["nondeterministic_output"]),
    command!("xinfo|groups", 3, "key@0"; READONLY; STREAM; [one(RO_ACCESS, 2)]; "5.0.0", "O(1)";
        "Describes the groups of a stream.")
    .changed("7.0.0 Shows entries-read and lag."),
    command!("xinfo|help", 2, ""; LOADING STALE; STREAM; []; "5.0.0", "O(1)"; "Lists the XINFO subcommands."),
    command!("xinfo|stream", -3, "key@0 [FULL full{[COUNT count:integer]}]";
        READONLY; STREAM; [one(RO_ACCESS, 2)]; "5.0.0", "O(1)"; "Describes a stream.")
    .changed(
        "6.0.0 Takes FULL. | 7.0.0 Shows max-deleted-entry-id, entries-added, recorded-first-entry-id, entries-read and lag.",
    ),
];
