//! The rows of commands about keys of any type. Facts only; see `super` for the columns.

use super::row::*;

const GROUP: Group = Group::Generic;

pub(super) const COMMANDS: &[CommandSpec] = &[
    command!("copy", -3; WRITE DENYOOM; KEYSPACE; [one(RO_ACCESS, 1), one(OW_UPDATE, 2)]; "6.2.0", "O(N)";
        "Copies a value to another key."),
    command!("del", -2; WRITE; KEYSPACE; [many(RM_DELETE, 1, -1, 1)]; "1.0.0", "O(N) in elements"; "Deletes keys.")
    .tips(&["request_policy:multi_shard", "response_policy:agg_sum"]),
    command!("dump", 2; READONLY; KEYSPACE; [one(RO_ACCESS, 1)]; "2.6.0", "O(N*M)"; "Serializes the value of a key.")
    .tips(&["nondeterministic_output"]),
    command!("exists", -2; READONLY FAST; KEYSPACE; [many(RO, 1, -1, 1)]; "1.0.0", "O(N)";
        "Counts how many of the given keys exist.")
    .tips(&["request_policy:multi_shard", "response_policy:agg_sum"]),
    command!("expire", -3; WRITE FAST; KEYSPACE; [one(RW_UPDATE, 1)]; "1.0.0", "O(1)";
        "Sets a key's time to live in seconds."),
    command!("expireat", -3; WRITE FAST; KEYSPACE; [one(RW_UPDATE, 1)]; "1.2.0", "O(1)";
        "Sets the Unix time in seconds at which a key expires."),
    command!("expiretime", 2; READONLY FAST; KEYSPACE; [one(RO_ACCESS, 1)]; "7.0.0", "O(1)";
        "Tells the Unix time in seconds at which a key expires."),
    command!("keys", 2; READONLY; KEYSPACE DANGEROUS; []; "1.0.0", "O(N)"; "Lists all keys that match a pattern.")
    .tips(&["request_policy:all_shards", "nondeterministic_output_order"]),
    command!("migrate", -6; WRITE; KEYSPACE DANGEROUS; [one(RW_ACCESS_DELETE, 3), after(RW_ACCESS_DELETE, "KEYS", -2, -1, 0).incomplete()]; "2.6.0", "O(N)";
        "Moves keys to another server.")
    .tips(&["nondeterministic_output"])
    .special(Special::Migrate),
    command!("move", 3; WRITE FAST; KEYSPACE; [one(RW_ACCESS_UPDATE, 1)]; "1.0.0", "O(1)";
        "Moves a key to another database."),
    command!("object", -2;;; []; "2.2.3", "that of the subcommand"; "Commands that look at how a value is kept.")
    .subcommands_of(OBJECT),
    command!("persist", 2; WRITE FAST; KEYSPACE; [one(RW_UPDATE, 1)]; "2.2.0", "O(1)"; "Removes a key's expiry time."),
    command!("pexpire", -3; WRITE FAST; KEYSPACE; [one(RW_UPDATE, 1)]; "2.6.0", "O(1)";
        "Sets a key's time to live in milliseconds."),
    command!("pexpireat", -3; WRITE FAST; KEYSPACE; [one(RW_UPDATE, 1)]; "2.6.0", "O(1)";
        "Sets the Unix time in milliseconds at which a key expires."),
    command!("pexpiretime", 2; READONLY FAST; KEYSPACE; [one(RO_ACCESS, 1)]; "7.0.0", "O(1)";
        "Tells the Unix time in milliseconds at which a key expires."),
    command!("pttl", 2; READONLY FAST; KEYSPACE; [one(RO_ACCESS, 1)]; "2.6.0", "O(1)";
        "Tells a key's remaining time to live in milliseconds.")
    .tips(&["nondeterministic_output"]),
    command!("randomkey", 1; READONLY; KEYSPACE; []; "1.0.0", "O(1)"; "Returns one key at random.")
    .tips(&["request_policy:all_shards", "nondeterministic_output"]),
    command!("rename", 3; WRITE; KEYSPACE; [one(RW_ACCESS_DELETE, 1), one(OW_UPDATE, 2)]; "1.0.0", "O(1)";
        "Renames a key, replacing any that has the new name."),
    command!("renamenx", 3; WRITE FAST; KEYSPACE; [one(RW_ACCESS_DELETE, 1), one(OW_INSERT, 2)]; "1.0.0", "O(1)";
        "Renames a key unless the new name is taken."),
    command!("restore", -4; WRITE DENYOOM; KEYSPACE DANGEROUS; [one(OW_UPDATE, 1)]; "2.6.0", "O(N*M), sorted sets O(N*M*log(N))";
        "Creates a key from a serialized value."),
    command!("scan", -2; READONLY; KEYSPACE; []; "2.8.0", "O(1) per call, O(N) in all";
        "Walks through the keys of the database in steps.")
    .tips(&["nondeterministic_output", "request_policy:special"]),
    command!("sort", -2; WRITE DENYOOM; SET SORTEDSET LIST DANGEROUS; [one(RO_ACCESS, 1), unknown(RO_ACCESS), unknown(OW_UPDATE)]; "1.0.0", "O(N+M*log(M))";
        "Sorts the elements of a list, set or sorted set, and may store the result.")
    .special(Special::Sort),
    command!("sort_ro", -2; READONLY; SET SORTEDSET LIST DANGEROUS; [one(RO_ACCESS, 1), unknown(RO_ACCESS)]; "7.0.0", "O(N+M*log(M))";
        "Sorts the elements of a list, set or sorted set.")
    .special(Special::Sort),
    command!("touch", -2; READONLY FAST; KEYSPACE; [many(RO, 1, -1, 1)]; "3.2.1", "O(N)";
        "Refreshes the access time of keys and counts those that exist.")
    .tips(&["request_policy:multi_shard", "response_policy:agg_sum"]),
    command!("ttl", 2; READONLY FAST; KEYSPACE; [one(RO_ACCESS, 1)]; "1.0.0", "O(1)";
        "Tells a key's remaining time to live in seconds.")
    .tips(&["nondeterministic_output"]),
    command!("type", 2; READONLY FAST; KEYSPACE; [one(RO, 1)]; "1.0.0", "O(1)"; "Names the type of a key's value."),
    command!("unlink", -2; WRITE FAST; KEYSPACE; [many(RM_DELETE, 1, -1, 1)]; "4.0.0", "O(1) per key, O(N) later";
        "Deletes keys now and frees their memory later.")
    .tips(&["request_policy:multi_shard", "response_policy:agg_sum"]),
    command!("wait", 3; NOSCRIPT; CONNECTION; []; "3.0.0", "O(1)";
        "Waits until replicas have acknowledged this connection's writes.")
    .tips(&["request_policy:all_shards", "response_policy:agg_min"]),
    command!("waitaof", 4; NOSCRIPT; CONNECTION; []; "7.2.0", "O(1)";
        "Waits until this connection's writes are on disk, here and on replicas.")
    .tips(&["request_policy:all_shards", "response_policy:agg_min"]),
];

const OBJECT: &[CommandSpec] = &[
    command!("object|encoding", 3; READONLY; KEYSPACE; [one(RO, 2)]; "2.2.3", "O(1)"; "Names the encoding of a value.")
        .tips(&["nondeterministic_output"]),
    command!("object|freq", 3; READONLY; KEYSPACE; [one(RO, 2)]; "4.0.0", "O(1)";
        "Tells the access frequency counter of a key.")
    .tips(&["nondeterministic_output"]),
    command!("object|help", 2; LOADING STALE; KEYSPACE; []; "6.2.0", "O(1)"; "Lists the OBJECT subcommands."),
    command!("object|idletime", 3; READONLY; KEYSPACE; [one(RO, 2)]; "2.2.3", "O(1)";
        "Tells for how many seconds a key has not been used.")
    .tips(&["nondeterministic_output"]),
    command!("object|refcount", 3; READONLY; KEYSPACE; [one(RO, 2)]; "2.2.3", "O(1)";
        "Tells how many references a value has.")
    .tips(&["nondeterministic_output"]),
];
