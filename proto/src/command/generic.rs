//! The rows of commands about keys of any type. Facts only; see `super` for the columns.

use super::row::*;

const GROUP: Group = Group::Generic;

pub(super) const COMMANDS: &[CommandSpec] = &[
    command!("copy", -3, "source@0 destination@1 [DB destination-db:integer] [REPLACE]";
        WRITE DENYOOM; KEYSPACE; [one(RO_ACCESS, 1), one(OW_UPDATE, 2)]; "6.2.0", "O(N)";
        "Copies a value to another key."),
    command!("del", -2, "key@0...";
        WRITE; KEYSPACE; [many(RM_DELETE, 1, -1, 1)]; "1.0.0", "O(N) in elements"; "Deletes keys.")
    .tips(&["request_policy:multi_shard", "response_policy:agg_sum"]),
    command!("dump", 2, "key@0";
        READONLY; KEYSPACE; [one(RO_ACCESS, 1)]; "2.6.0", "O(N*M)"; "Serializes the value of a key.")
    .tips(&["nondeterministic_output"]),
    command!("exists", -2, "key@0..."; READONLY FAST; KEYSPACE; [many(RO, 1, -1, 1)]; "1.0.0", "O(N)";
        "Counts how many of the given keys exist.")
    .changed("3.0.3 Takes several keys.")
    .tips(&["request_policy:multi_shard", "response_policy:agg_sum"]),
    command!("expire", -3, "key@0 seconds:integer [condition(NX|XX|GT|LT)^7.0.0]";
        WRITE FAST; KEYSPACE; [one(RW_UPDATE, 1)]; "1.0.0", "O(1)";
        "Sets a key's time to live in seconds.")
    .changed("7.0.0 Takes NX, XX, GT and LT."),
    command!("expireat", -3, "key@0 unix-time-seconds:unix-time [condition(NX|XX|GT|LT)^7.0.0]";
        WRITE FAST; KEYSPACE; [one(RW_UPDATE, 1)]; "1.2.0", "O(1)";
        "Sets the Unix time in seconds at which a key expires.")
    .changed("7.0.0 Takes NX, XX, GT and LT."),
    command!("expiretime", 2, "key@0"; READONLY FAST; KEYSPACE; [one(RO_ACCESS, 1)]; "7.0.0", "O(1)";
        "Tells the Unix time in seconds at which a key expires."),
    command!("keys", 2, "pattern:pattern";
        READONLY; KEYSPACE DANGEROUS; []; "1.0.0", "O(N)"; "Lists all keys that match a pattern.")
    .tips(&["request_policy:all_shards", "nondeterministic_output_order"]),
    command!("migrate", -6, "host port:integer key_or_empty_string(key@0|empty_string='') destination-db:integer timeout:integer [COPY^3.0.0] [REPLACE^3.0.0] [authentication([AUTH password^4.0.7]|[AUTH2 username_password{username password}^6.0.0])] [KEYS key@1...^3.0.6]";
        WRITE; KEYSPACE DANGEROUS; [one(RW_ACCESS_DELETE, 3), after(RW_ACCESS_DELETE, "KEYS", -2, -1, 0).incomplete()]; "2.6.0", "O(N)";
        "Moves keys to another server.")
    .changed("3.0.0 Takes COPY and REPLACE. | 3.0.6 Takes KEYS. | 4.0.7 Takes AUTH. | 6.0.0 Takes AUTH2.")
    .tips(&["nondeterministic_output"])
    .special(Special::Migrate),
    command!("move", 3, "key@0 db:integer"; WRITE FAST; KEYSPACE; [one(RW_ACCESS_UPDATE, 1)]; "1.0.0", "O(1)";
        "Moves a key to another database."),
    command!("object", -2, "";;; []; "2.2.3", "that of the subcommand"; "Commands that look at how a value is kept.")
    .subcommands_of(OBJECT),
    command!("persist", 2, "key@0";
        WRITE FAST; KEYSPACE; [one(RW_UPDATE, 1)]; "2.2.0", "O(1)"; "Removes a key's expiry time."),
    command!("pexpire", -3, "key@0 milliseconds:integer [condition(NX|XX|GT|LT)^7.0.0]";
        WRITE FAST; KEYSPACE; [one(RW_UPDATE, 1)]; "2.6.0", "O(1)";
        "Sets a key's time to live in milliseconds.")
    .changed("7.0.0 Takes NX, XX, GT and LT."),
    command!("pexpireat", -3, "key@0 unix-time-milliseconds:unix-time [condition(NX|XX|GT|LT)^7.0.0]";
        WRITE FAST; KEYSPACE; [one(RW_UPDATE, 1)]; "2.6.0", "O(1)";
        "Sets the Unix time in milliseconds at which a key expires.")
    .changed("7.0.0 Takes NX, XX, GT and LT."),
    command!("pexpiretime", 2, "key@0"; READONLY FAST; KEYSPACE; [one(RO_ACCESS, 1)]; "7.0.0", "O(1)";
        "Tells the Unix time in milliseconds at which a key expires."),
    command!("pttl", 2, "key@0"; READONLY FAST; KEYSPACE; [one(RO_ACCESS, 1)]; "2.6.0", "O(1)";
        "Tells a key's remaining time to live in milliseconds.")
    .changed("2.8.0 Answers -2 where there is no key.")
    .tips(&["nondeterministic_output"]),
    command!("randomkey", 1, ""; READONLY; KEYSPACE; []; "1.0.0", "O(1)"; "Returns one key at random.")
    .tips(&["request_policy:all_shards", "nondeterministic_output"]),
    command!("rename", 3, "key@0 newkey@1";
        WRITE; KEYSPACE; [one(RW_ACCESS_DELETE, 1), one(OW_UPDATE, 2)]; "1.0.0", "O(1)";
        "Renames a key, replacing any that has the new name."),
    command!("renamenx", 3, "key@0 newkey@1";
        WRITE FAST; KEYSPACE; [one(RW_ACCESS_DELETE, 1), one(OW_INSERT, 2)]; "1.0.0", "O(1)";
        "Renames a key unless the new name is taken.")
    .changed("3.2.0 A key may be given its own name."),
    command!("restore", -4, "key@0 ttl:integer serialized-value [REPLACE^3.0.0] [ABSTTL^5.0.0] [IDLETIME seconds:integer^5.0.0] [FREQ frequency:integer^5.0.0]";
        WRITE DENYOOM; KEYSPACE DANGEROUS; [one(OW_UPDATE, 1)]; "2.6.0", "O(N*M), sorted sets O(N*M*log(N))";
        "Creates a key from a serialized value.")
    .changed("3.0.0 Takes REPLACE. | 5.0.0 Takes ABSTTL. | 5.0.0 Takes IDLETIME and FREQ."),
    command!("scan", -2, "cursor:integer [MATCH pattern:pattern] [COUNT count:integer] [TYPE type^6.0.0]";
        READONLY; KEYSPACE; []; "2.8.0", "O(1) per call, O(N) in all";
        "Walks through the keys of the database in steps.")
    .changed("6.0.0 Takes TYPE.")
    .tips(&["nondeterministic_output", "request_policy:special"]),
    command!("sort", -2, "key@0 [BY pattern@1:pattern] [LIMIT offset_count{offset:integer count:integer}] [GET pattern@1:pattern...+] [order(ASC|DESC)] [sorting=ALPHA] [STORE destination@2]";
        WRITE DENYOOM; SET SORTEDSET LIST DANGEROUS; [one(RO_ACCESS, 1), unknown(RO_ACCESS).note("Those that BY and GET reach: their names depend on the elements."), unknown(OW_UPDATE).note("That of STORE, which may stand anywhere among the options.")]; "1.0.0", "O(N+M*log(M))";
        "Sorts the elements of a list, set or sorted set, and may store the result.")
    .special(Special::Sort),
    command!("sort_ro", -2, "key@0 [BY pattern@1:pattern] [LIMIT offset_count{offset:integer count:integer}] [GET pattern@1:pattern...+] [order(ASC|DESC)] [sorting=ALPHA]";
        READONLY; SET SORTEDSET LIST DANGEROUS; [one(RO_ACCESS, 1), unknown(RO_ACCESS).note("Those that BY and GET reach: their names depend on the elements.")]; "7.0.0", "O(N+M*log(M))";
        "Sorts the elements of a list, set or sorted set.")
    .special(Special::Sort),
    command!("touch", -2, "key@0..."; READONLY FAST; KEYSPACE; [many(RO, 1, -1, 1)]; "3.2.1", "O(N)";
        "Refreshes the access time of keys and counts those that exist.")
    .tips(&["request_policy:multi_shard", "response_policy:agg_sum"]),
    command!("ttl", 2, "key@0"; READONLY FAST; KEYSPACE; [one(RO_ACCESS, 1)]; "1.0.0", "O(1)";
        "Tells a key's remaining time to live in seconds.")
    .changed("2.8.0 Answers -2 where there is no key.")
    .tips(&["nondeterministic_output"]),
    command!("type", 2, "key@0";
        READONLY FAST; KEYSPACE; [one(RO, 1)]; "1.0.0", "O(1)"; "Names the type of a key's value."),
    command!("unlink", -2, "key@0...";
        WRITE FAST; KEYSPACE; [many(RM_DELETE, 1, -1, 1)]; "4.0.0", "O(1) per key, O(N) later";
        "Deletes keys now and frees their memory later.")
    .tips(&["request_policy:multi_shard", "response_policy:agg_sum"]),
    command!("wait", 3, "numreplicas:integer timeout:integer"; NOSCRIPT; CONNECTION; []; "3.0.0", "O(1)";
        "Waits until replicas have acknowledged this connection's writes.")
    .tips(&["request_policy:all_shards", "response_policy:agg_min"]),
    command!("waitaof", 4, "numlocal:integer numreplicas:integer timeout:integer";
        NOSCRIPT; CONNECTION; []; "7.2.0", "O(1)";
        "Waits until this connection's writes are on disk, here and on replicas.")
    .tips(&["request_policy:all_shards", "response_policy:agg_min"]),
];

const OBJECT: &[CommandSpec] = &[
    command!("object|encoding", 3, "key@0";
        READONLY; KEYSPACE; [one(RO, 2)]; "2.2.3", "O(1)"; "Names the encoding of a value.")
    .tips(&["nondeterministic_output"]),
    command!("object|freq", 3, "key@0"; READONLY; KEYSPACE; [one(RO, 2)]; "4.0.0", "O(1)";
        "Tells the access frequency counter of a key.")
    .tips(&["nondeterministic_output"]),
    command!("object|help", 2, ""; LOADING STALE; KEYSPACE; []; "6.2.0", "O(1)"; "Lists the OBJECT subcommands."),
    command!("object|idletime", 3, "key@0"; READONLY; KEYSPACE; [one(RO, 2)]; "2.2.3", "O(1)";
        "Tells for how many seconds a key has not been used.")
    .tips(&["nondeterministic_output"]),
    command!("object|refcount", 3, "key@0"; READONLY; KEYSPACE; [one(RO, 2)]; "2.2.3", "O(1)";
        "Tells how many references a value has.")
    .tips(&["nondeterministic_output"]),
];
