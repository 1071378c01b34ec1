//! The rows of commands about strings. Facts only; see `super` for the columns.

use super::row::*;

const GROUP: Group = Group::String;

pub(super) const COMMANDS: &[CommandSpec] = &[
    command!("append", 3, "key@0 value";
        WRITE DENYOOM FAST; STRING; [one(RW_INSERT, 1)]; "2.0.0", "O(1)"; "Appends to a string."),
    command!("decr", 2, "key@0"; WRITE DENYOOM FAST; STRING; [one(RW_ACCESS_UPDATE, 1)]; "1.0.0", "O(1)";
        "Subtracts one from an integer."),
    command!("decrby", 3, "key@0 decrement:integer";
        WRITE DENYOOM FAST; STRING; [one(RW_ACCESS_UPDATE, 1)]; "1.0.0", "O(1)";
        "Subtracts from an integer."),
    command!("get", 2, "key@0";
        READONLY FAST; STRING; [one(RO_ACCESS, 1)]; "1.0.0", "O(1)"; "Returns the value of a string."),
    command!("getdel", 2, "key@0"; WRITE FAST; STRING; [one(RW_ACCESS_DELETE, 1)]; "6.2.0", "O(1)";
        "Returns the value of a string and deletes the key."),
    command!("getex", -2, "key@0 [expiration(EX seconds:integer|PX milliseconds:integer|EXAT unix-time-seconds:unix-time|PXAT unix-time-milliseconds:unix-time|PERSIST)]";
        WRITE FAST; STRING; [one(RW_ACCESS_UPDATE, 1).note("Changed in when it expires.")]; "6.2.0", "O(1)";
        "Returns the value of a string and may change when it expires."),
    command!("getrange", 4, "key@0 start:integer end:integer";
        READONLY; STRING; [one(RO_ACCESS, 1)]; "2.4.0", "O(N)"; "Returns a part of a string."),
    command!("getset", 3, "key@0 value"; WRITE DENYOOM FAST; STRING; [one(RW_ACCESS_UPDATE, 1)]; "1.0.0", "O(1)";
        "Sets a string and returns its old value.")
    .deprecated("6.2.0", "SET with GET"),
    command!("incr", 2, "key@0"; WRITE DENYOOM FAST; STRING; [one(RW_ACCESS_UPDATE, 1)]; "1.0.0", "O(1)";
        "Adds one to an integer."),
    command!("incrby", 3, "key@0 increment:integer";
        WRITE DENYOOM FAST; STRING; [one(RW_ACCESS_UPDATE, 1)]; "1.0.0", "O(1)"; "Adds to an integer."),
    command!("incrbyfloat", 3, "key@0 increment:double";
        WRITE DENYOOM FAST; STRING; [one(RW_ACCESS_UPDATE, 1)]; "2.6.0", "O(1)";
        "Adds to a floating-point number."),
    command!("lcs", -3, "key1@0 key2@0 [LEN] [IDX] [MINMATCHLEN len:integer] [WITHMATCHLEN]";
        READONLY; STRING; [many(RO_ACCESS, 1, 1, 1)]; "7.0.0", "O(N*M)";
        "Finds the longest common subsequence of two strings."),
    command!("mget", -2, "key@0..."; READONLY FAST; STRING; [many(RO_ACCESS, 1, -1, 1)]; "1.0.0", "O(N)";
        "Returns the values of several strings.")
    .tips(&["request_policy:multi_shard"]),
    command!("mset", -3, "key_value{key@0 value}...";
        WRITE DENYOOM; STRING; [many(OW_UPDATE, 1, -1, 2)]; "1.0.1", "O(N)";
        "Sets several strings at once.")
    .tips(&["request_policy:multi_shard", "response_policy:all_succeeded"]),
    command!("msetnx", -3, "key_value{key@0 value}...";
        WRITE DENYOOM; STRING; [many(OW_INSERT, 1, -1, 2)]; "1.0.1", "O(N)";
        "Sets several strings at once, if none of the keys exists.")
    .tips(&["request_policy:multi_shard", "response_policy:agg_min"]),
    command!("psetex", 4, "key@0 milliseconds:integer value";
        WRITE DENYOOM; STRING; [one(OW_UPDATE, 1)]; "2.6.0", "O(1)";
        "Sets a string with a time to live in milliseconds."),
    command!("set", -3, "key@0 value [condition(NX|XX)^2.6.12] [GET^6.2.0] [expiration(EX seconds:integer^2.6.12|PX milliseconds:integer^2.6.12|EXAT unix-time-seconds:unix-time^6.2.0|PXAT unix-time-milliseconds:unix-time^6.2.0|KEEPTTL^6.0.0)]";
        WRITE DENYOOM; STRING; [one(RW_ACCESS_UPDATE, 1).variable().note("Only read with GET.")]; "1.0.0", "O(1)";
        "Sets a string, with conditions and a time to live if wanted.")
    .changed("2.6.12 Takes EX, PX, NX and XX. | 6.0.0 Takes KEEPTTL. | 6.2.0 Takes GET, EXAT and PXAT. | 7.0.0 Takes NX together with GET.")
    .special(Special::Set),
    command!("setex", 4, "key@0 seconds:integer value"; WRITE DENYOOM; STRING; [one(OW_UPDATE, 1)]; "2.0.0", "O(1)";
        "Sets a string with a time to live in seconds."),
    command!("setnx", 3, "key@0 value"; WRITE DENYOOM FAST; STRING; [one(OW_INSERT, 1)]; "1.0.0", "O(1)";
        "Sets a string if the key does not exist."),
    command!("setrange", 4, "key@0 offset:integer value";
        WRITE DENYOOM; STRING; [one(RW_UPDATE, 1)]; "2.2.0", "O(M) in the value";
        "Overwrites a part of a string."),
    command!("strlen", 2, "key@0";
        READONLY FAST; STRING; [one(RO, 1)]; "2.2.0", "O(1)"; "Tells the length of a string."),
    command!("substr", 4, "key@0 start:integer end:integer";
        READONLY; STRING; [one(RO_ACCESS, 1)]; "1.0.0", "O(N)"; "Returns a part of a string.")
        .deprecated("2.0.0", "GETRANGE"),
];
