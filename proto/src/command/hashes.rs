//! The rows of commands about hashes and the expiry of their fields. Facts only; see `super` for the columns.

use super::row::*;

const GROUP: Group = Group::Hash;

pub(super) const COMMANDS: &[CommandSpec] = &[
    command!("hdel", -3, "key@0 field...";
        WRITE FAST; HASH; [one(RW_DELETE, 1)]; "2.0.0", "O(N)"; "Deletes fields of a hash.")
    .changed("2.4.0 Takes several fields."),
    command!("hexists", 3, "key@0 field";
        READONLY FAST; HASH; [one(RO, 1)]; "2.0.0", "O(1)"; "Tells whether a hash has a field."),
    command!("hexpire", -6, "key@0 seconds:integer [condition(NX|XX|GT|LT)] FIELDS fields{numfields:integer field...}";
        WRITE DENYOOM FAST; HASH; [one(RW_UPDATE, 1)]; "7.4.0", "O(N)";
        "Sets the time to live of fields in seconds."),
    command!("hexpireat", -6, "key@0 unix-time-seconds:unix-time [condition(NX|XX|GT|LT)] FIELDS fields{numfields:integer field...}";
        WRITE DENYOOM FAST; HASH; [one(RW_UPDATE, 1)]; "7.4.0", "O(N)";
        "Sets the Unix time in seconds at which fields expire."),
    command!("hexpiretime", -5, "key@0 FIELDS fields{numfields:integer field...}";
        READONLY FAST; HASH; [one(RO_ACCESS, 1)]; "7.4.0", "O(N)";
        "Tells the Unix time in seconds at which fields expire."),
    command!("hget", 3, "key@0 field";
        READONLY FAST; HASH; [one(RO_ACCESS, 1)]; "2.0.0", "O(1)"; "Returns the value of a field."),
    command!("hgetall", 2, "key@0"; READONLY; HASH; [one(RO_ACCESS, 1)]; "2.0.0", "O(N)";
        "Returns all fields and values of a hash.")
    .tips(&["nondeterministic_output_order"]),
    command!("hgetdel", -5, "key@0 FIELDS fields{numfields:integer field...}";
        WRITE FAST; HASH; [one(RW_ACCESS_DELETE, 1)]; "8.0.0", "O(N)";
        "Returns the values of fields and deletes them."),
    command!("hgetex", -5, "key@0 [expiration(EX seconds:integer|PX milliseconds:integer|EXAT unix-time-seconds:unix-time|PXAT unix-time-milliseconds:unix-time|PERSIST)] FIELDS fields{numfields:integer field...}";
        WRITE FAST; HASH; [one(RW_ACCESS_UPDATE, 1)]; "8.0.0", "O(N)";
        "Returns the values of fields and may change when they expire."),
    command!("hincrby", 4, "key@0 field increment:integer";
        WRITE DENYOOM FAST; HASH; [one(RW_ACCESS_UPDATE, 1)]; "2.0.0", "O(1)";
        "Adds an integer to the value of a field."),
    command!("hincrbyfloat", 4, "key@0 field increment:double";
        WRITE DENYOOM FAST; HASH; [one(RW_ACCESS_UPDATE, 1)]; "2.6.0", "O(1)";
        "Adds a floating-point number to the value of a field."),
    command!("hkeys", 2, "key@0"; READONLY; HASH; [one(RO_ACCESS, 1)]; "2.0.0", "O(N)"; "Lists the fields of a hash.")
        .tips(&["nondeterministic_output_order"]),
    command!("hlen", 2, "key@0"; READONLY FAST; HASH; [one(RO, 1)]; "2.0.0", "O(1)"; "Counts the fields of a hash."),
    command!("hmget", -3, "key@0 field..."; READONLY FAST; HASH; [one(RO_ACCESS, 1)]; "2.0.0", "O(N)";
        "Returns the values of several fields."),
    command!("hmset", -4, "key@0 field_value{field value}...";
        WRITE DENYOOM FAST; HASH; [one(RW_UPDATE, 1)]; "2.0.0", "O(N)";
        "Sets the values of several fields.")
    .deprecated("4.0.0", "HSET with multiple field-value pairs"),
    command!("hpersist", -5, "key@0 FIELDS fields{numfields:integer field...}";
        WRITE FAST; HASH; [one(RW_UPDATE, 1)]; "7.4.0", "O(N)";
        "Removes the expiry time of fields."),
    command!("hpexpire", -6, "key@0 milliseconds:integer [condition(NX|XX|GT|LT)] FIELDS fields{numfields:integer field...}";
        WRITE DENYOOM FAST; HASH; [one(RW_UPDATE, 1)]; "7.4.0", "O(N)";
        "Sets the time to live of fields in milliseconds."),
    command!("hpexpireat", -6, "key@0 unix-time-milliseconds:unix-time [condition(NX|XX|GT|LT)] FIELDS fields{numfields:integer field...}";
        WRITE DENYOOM FAST; HASH; [one(RW_UPDATE, 1)]; "7.4.0", "O(N)";
        "Sets the Unix time in milliseconds at which fields expire."),
    command!("hpexpiretime", -5, "key@0 FIELDS fields{numfields:integer field...}";
        READONLY FAST; HASH; [one(RO_ACCESS, 1)]; "7.4.0", "O(N)";
        "Tells the Unix time in milliseconds at which fields expire."),
    command!("hpttl", -5, "key@0 FIELDS fields{numfields:integer field...}";
        READONLY FAST; HASH; [one(RO_ACCESS, 1)]; "7.4.0", "O(N)";
        "Tells the remaining time to live of fields in milliseconds.")
    .tips(&["nondeterministic_output"]),
    command!("hrandfield", -2, "key@0 [options{count:integer [WITHVALUES]}]";
        READONLY; HASH; [one(RO_ACCESS, 1)]; "6.2.0", "O(N)";
        "Returns fields of a hash at random.")
    .tips(&["nondeterministic_output"]),
    command!("hscan", -3, "key@0 cursor:integer [MATCH pattern:pattern] [COUNT count:integer]";
        READONLY; HASH; [one(RO_ACCESS, 1)]; "2.8.0", "O(1) per call, O(N) in all";
        "Walks through the fields of a hash in steps.")
    .tips(&["nondeterministic_output"]),
    command!("hset", -4, "key@0 field_value{field value}...";
        WRITE DENYOOM FAST; HASH; [one(RW_UPDATE, 1)]; "2.0.0", "O(N)"; "Sets the values of fields.")
    .changed("4.0.0 Takes several fields with values."),
    command!("hsetex", -6, "key@0 [condition(FNX|FXX)] [expiration(EX seconds:integer|PX milliseconds:integer|EXAT unix-time-seconds:unix-time|PXAT unix-time-milliseconds:unix-time|KEEPTTL)] FIELDS fields{numfields:integer data{field value}...}";
        WRITE DENYOOM FAST; HASH; [one(RW_UPDATE, 1)]; "8.0.0", "O(N)";
        "Sets the values of fields and when they expire."),
    command!("hsetnx", 4, "key@0 field value"; WRITE DENYOOM FAST; HASH; [one(RW_INSERT, 1)]; "2.0.0", "O(1)";
        "Sets the value of a field that does not exist yet."),
    command!("hstrlen", 3, "key@0 field";
        READONLY FAST; HASH; [one(RO, 1)]; "3.2.0", "O(1)"; "Tells the length of a field's value."),
    command!("httl", -5, "key@0 FIELDS fields{numfields:integer field...}";
        READONLY FAST; HASH; [one(RO_ACCESS, 1)]; "7.4.0", "O(N)";
        "Tells the remaining time to live of fields in seconds.")
    .tips(&["nondeterministic_output"]),
    command!("hvals", 2, "key@0"; READONLY; HASH; [one(RO_ACCESS, 1)]; "2.0.0", "O(N)"; "Lists the values of a hash.")
        .tips(&["nondeterministic_output_order"]),
];
