//! The rows of commands about strings. Facts only; see `super` for the columns.

use super::row::*;

const GROUP: Group = Group::String;

pub(super) const COMMANDS: &[CommandSpec] = &[
    command!("append", 3; WRITE DENYOOM FAST; STRING; [one(RW_INSERT, 1)]; "2.0.0", "O(1)"; "Appends to a string."),
    command!("decr", 2; WRITE DENYOOM FAST; STRING; [one(RW_ACCESS_UPDATE, 1)]; "1.0.0", "O(1)";
        "Subtracts one from an integer."),
    command!("decrby", 3; WRITE DENYOOM FAST; STRING; [one(RW_ACCESS_UPDATE, 1)]; "1.0.0", "O(1)";
        "Subtracts from an integer."),
    command!("get", 2; READONLY FAST; STRING; [one(RO_ACCESS, 1)]; "1.0.0", "O(1)"; "Returns the value of a string."),
    command!("getdel", 2; WRITE FAST; STRING; [one(RW_ACCESS_DELETE, 1)]; "6.2.0", "O(1)";
        "Returns the value of a string and deletes the key."),
    command!("getex", -2; WRITE FAST; STRING; [one(RW_ACCESS_UPDATE, 1)]; "6.2.0", "O(1)";
        "Returns the value of a string and may change when it expires."),
    command!("getrange", 4; READONLY; STRING; [one(RO_ACCESS, 1)]; "2.4.0", "O(N)"; "Returns a part of a string."),
    command!("getset", 3; WRITE DENYOOM FAST; STRING; [one(RW_ACCESS_UPDATE, 1)]; "1.0.0", "O(1)";
        "Sets a string and returns its old value.")
    .deprecated("6.2.0", "SET with GET"),
    command!("incr", 2; WRITE DENYOOM FAST; STRING; [one(RW_ACCESS_UPDATE, 1)]; "1.0.0", "O(1)";
        "Adds one to an integer."),
    command!("incrby", 3; WRITE DENYOOM FAST; STRING; [one(RW_ACCESS_UPDATE, 1)]; "1.0.0", "O(1)"; "Adds to an integer."),
    command!("incrbyfloat", 3; WRITE DENYOOM FAST; STRING; [one(RW_ACCESS_UPDATE, 1)]; "2.6.0", "O(1)";
        "Adds to a floating-point number."),
    command!("lcs", -3; READONLY; STRING; [many(RO_ACCESS, 1, 1, 1)]; "7.0.0", "O(N*M)";
        "Finds the longest common subsequence of two strings."),
    command!("mget", -2; READONLY FAST; STRING; [many(RO_ACCESS, 1, -1, 1)]; "1.0.0", "O(N)";
        "Returns the values of several strings.")
    .tips(&["request_policy:multi_shard"]),
    command!("mset", -3; WRITE DENYOOM; STRING; [many(OW_UPDATE, 1, -1, 2)]; "1.0.1", "O(N)";
        "Sets several strings at once.")
    .tips(&["request_policy:multi_shard", "response_policy:all_succeeded"]),
    command!("msetnx", -3; WRITE DENYOOM; STRING; [many(OW_INSERT, 1, -1, 2)]; "1.0.1", "O(N)";
        "Sets several strings at once, if none of the keys exists.")
    .tips(&["request_policy:multi_shard", "response_policy:agg_min"]),
    command!("psetex", 4; WRITE DENYOOM; STRING; [one(OW_UPDATE, 1)]; "2.6.0", "O(1)";
        "Sets a string with a time to live in milliseconds."),
    command!("set", -3; WRITE DENYOOM; STRING; [one(RW_ACCESS_UPDATE, 1).variable()]; "1.0.0", "O(1)";
        "Sets a string, with conditions and a time to live if wanted.")
    .special(Special::Set),
    command!("setex", 4; WRITE DENYOOM; STRING; [one(OW_UPDATE, 1)]; "2.0.0", "O(1)";
        "Sets a string with a time to live in seconds."),
    command!("setnx", 3; WRITE DENYOOM FAST; STRING; [one(OW_INSERT, 1)]; "1.0.0", "O(1)";
        "Sets a string if the key does not exist."),
    command!("setrange", 4; WRITE DENYOOM; STRING; [one(RW_UPDATE, 1)]; "2.2.0", "O(M) in the value";
        "Overwrites a part of a string."),
    command!("strlen", 2; READONLY FAST; STRING; [one(RO, 1)]; "2.2.0", "O(1)"; "Tells the length of a string."),
    command!("substr", 4; READONLY; STRING; [one(RO_ACCESS, 1)]; "1.0.0", "O(N)"; "Returns a part of a string.")
        .deprecated("2.0.0", "GETRANGE"),
];
