//! The rows of commands about the server: configuration, replication, persistence, introspection. Facts only; see `super` for the columns.

use super::row::*;

const GROUP: Group = Group::Server;

pub(super) const COMMANDS: &[CommandSpec] = &[
    command!("acl", -2, "";;; []; "6.0.0", "that of the subcommand"; "Commands about users and what they may do.")
        .subcommands_of(ACL),
    command!("bgrewriteaof", 1, ""; ADMIN NOSCRIPT NO_ASYNC_LOADING;; []; "1.0.0", "O(1)";
        "Rewrites the append-only file in the background."),
    command!("bgsave", -1, "[SCHEDULE^3.2.2]"; ADMIN NOSCRIPT NO_ASYNC_LOADING;; []; "1.0.0", "O(1)";
        "Saves the data set to disk in the background.")
    .changed("3.2.2 Takes SCHEDULE."),
    command!("command", -1, ""; LOADING STALE; CONNECTION; []; "2.8.13", "O(N)"; "Describes all commands.")
        .tips(&["nondeterministic_output_order"])
        .subcommands_of(COMMAND),
    command!("config", -2, "";;; []; "2.0.0", "that of the subcommand"; "Commands about the configuration.")
        .subcommands_of(CONFIG),
    command!("dbsize", 1, ""; READONLY FAST; KEYSPACE; []; "1.0.0", "O(1)"; "Counts the keys of the database.")
        .tips(&["request_policy:all_shards", "response_policy:agg_sum"]),
    command!("debug", -2, ""; ADMIN NOSCRIPT LOADING STALE;; []; "1.0.0", "that of the subcommand";
        "Looks inside the server, for tests.")
    .internal(),
    command!("failover", -1, "[TO target{host port:integer [FORCE]}] [ABORT] [TIMEOUT milliseconds:integer]";
        ADMIN NOSCRIPT STALE;; []; "6.2.0", "O(1)"; "Hands the role of primary over to a replica."),
    command!("flushall", -1, "[async(ASYNC^4.0.0|SYNC^6.2.0)]";
        WRITE; KEYSPACE DANGEROUS; []; "1.0.0", "O(N)"; "Deletes all keys of all databases.")
    .changed("4.0.0 Takes ASYNC. | 6.2.0 Takes SYNC.")
    .tips(&["request_policy:all_shards", "response_policy:all_succeeded"]),
    command!("flushdb", -1, "[async(ASYNC^4.0.0|SYNC^6.2.0)]";
        WRITE; KEYSPACE DANGEROUS; []; "1.0.0", "O(N)"; "Deletes all keys of the database.")
    .changed("4.0.0 Takes ASYNC. | 6.2.0 Takes SYNC.")
    .tips(&["request_policy:all_shards", "response_policy:all_succeeded"]),
    command!("info", -1, "[section...]";
        LOADING STALE; DANGEROUS; []; "1.0.0", "O(1)"; "Describes the server and its statistics.")
    .changed("7.0.0 Takes several sections.")
    .tips(&["nondeterministic_output", "request_policy:all_shards", "response_policy:special"]),
    command!("lastsave", 1, ""; LOADING STALE FAST; ADMIN DANGEROUS; []; "1.0.0", "O(1)";
        "Tells when the data set was last saved.")
    .tips(&["nondeterministic_output"]),
    command!("latency", -2, "";;; []; "2.8.13", "that of the subcommand"; "Commands about latency spikes and distributions.")
        .subcommands_of(LATENCY),
    command!("lolwut", -1, "[VERSION version:integer]";
        READONLY FAST;; []; "5.0.0", ""; "Draws something and tells the version."),
    command!("memory", -2, "";;; []; "4.0.0", "that of the subcommand"; "Commands about memory use.").subcommands_of(MEMORY),
    command!("monitor", 1, "";
        ADMIN NOSCRIPT LOADING STALE;; []; "1.0.0", ""; "Streams every command that the server runs."),
    command!("psync", -3, "replicationid offset:integer"; ADMIN NOSCRIPT NO_ASYNC_LOADING NO_MULTI;; []; "2.8.0", "";
        "Asks for the replication stream from an offset on."),
    command!("replconf", -1, ""; ADMIN NOSCRIPT LOADING STALE ALLOW_BUSY;; []; "3.0.0", "O(1)";
        "Exchanges facts between a replica and its primary.")
    .internal(),
    command!("replicaof", 3, "args(host-port{host port:integer}|no-one{NO ONE})";
        ADMIN NOSCRIPT STALE NO_ASYNC_LOADING;; []; "5.0.0", "O(1)";
        "Makes the server a replica of another, or a primary."),
    command!("role", 1, ""; NOSCRIPT LOADING STALE FAST; ADMIN DANGEROUS; []; "2.8.12", "O(1)";
        "Tells the replication role and state."),
    command!("save", 1, ""; ADMIN NOSCRIPT NO_ASYNC_LOADING NO_MULTI;; []; "1.0.0", "O(N)";
        "Saves the data set to disk, and replies when it is done."),
    command!("shutdown", -1, "[nosave_save(NOSAVE|SAVE)] [NOW^7.0.0] [FORCE^7.0.0] [ABORT^7.0.0]";
        ADMIN NOSCRIPT LOADING STALE NO_MULTI ALLOW_BUSY;; []; "1.0.0", "O(N) when saving";
        "Saves the data set if configured, and ends the server.")
    .changed("7.0.0 Takes NOW, FORCE and ABORT."),
    command!("slaveof", 3, "args(host-port{host port:integer}|no-one{NO ONE})";
        ADMIN NOSCRIPT STALE NO_ASYNC_LOADING;; []; "1.0.0", "O(1)";
        "Makes the server a replica of another, or a primary.")
    .deprecated("5.0.0", "REPLICAOF"),
    command!("slowlog", -2, "";;; []; "2.2.12", "that of the subcommand"; "Commands about the log of slow commands.")
        .subcommands_of(SLOWLOG),
    command!("swapdb", 3, "index1:integer index2:integer";
        WRITE FAST; KEYSPACE DANGEROUS; []; "4.0.0", "O(N)"; "Swaps the contents of two databases."),
    command!("sync", 1, ""; ADMIN NOSCRIPT NO_ASYNC_LOADING NO_MULTI;; []; "1.0.0", "";
        "Asks for a full copy and the replication stream after it."),
    command!("time", 1, ""; LOADING STALE FAST;; []; "2.6.0", "O(1)"; "Tells the server's time.")
        .tips(&["nondeterministic_output"]),
];

const ACL: &[CommandSpec] = &[
    command!("acl|cat", -2, "[categoryname]"; NOSCRIPT LOADING STALE;; []; "6.0.0", "O(1)";
        "Lists the command categories, or the commands of one."),
    command!("acl|deluser", -3, "username..."; ADMIN NOSCRIPT LOADING STALE;; []; "6.0.0", "O(1)";
        "Deletes users and closes their connections."),
    command!("acl|dryrun", -4, "username command [arg...]"; ADMIN NOSCRIPT LOADING STALE;; []; "7.0.0", "O(1)";
        "Tells whether a user could run a command."),
    command!("acl|genpass", -2, "[bits:integer]";
        NOSCRIPT LOADING STALE;; []; "6.0.0", "O(1)"; "Makes a password from strong randomness."),
    command!("acl|getuser", 3, "username";
        ADMIN NOSCRIPT LOADING STALE;; []; "6.0.0", "O(N)"; "Describes the rules of a user.")
    .changed("6.2.0 Shows the patterns for channels. | 7.0.0 Shows selectors, and patterns as rules in one string."),
    command!("acl|help", 2, ""; LOADING STALE;; []; "6.0.0", "O(1)"; "Lists the ACL subcommands."),
    command!("acl|list", 2, ""; ADMIN NOSCRIPT LOADING STALE;; []; "6.0.0", "O(N)";
        "Lists the users in the form of an ACL file."),
    command!("acl|load", 2, ""; ADMIN NOSCRIPT LOADING STALE;; []; "6.0.0", "O(N)";
        "Reads the users from the ACL file again."),
    command!("acl|log", -2, "[operation(count:integer|RESET)]";
        ADMIN NOSCRIPT LOADING STALE;; []; "6.0.0", "O(N)"; "Lists recent denials, or forgets them."),
    command!("acl|save", 2, "";
        ADMIN NOSCRIPT LOADING STALE;; []; "6.0.0", "O(N)"; "Writes the users to the ACL file."),
    command!("acl|setuser", -3, "username [rule...]"; ADMIN NOSCRIPT LOADING STALE;; []; "6.0.0", "O(N)";
        "Creates a user or changes its rules.")
    .changed("6.2.0 Takes patterns for channels. | 7.0.0 Takes selectors, and keys that may only be read or written."),
    command!("acl|users", 2, ""; ADMIN NOSCRIPT LOADING STALE;; []; "6.0.0", "O(N)"; "Lists the names of the users."),
    command!("acl|whoami", 2, ""; NOSCRIPT LOADING STALE;; []; "6.0.0", "O(1)"; "Names the user of this connection."),
];

const COMMAND: &[CommandSpec] = &[
    command!("command|count", 2, ""; LOADING STALE; CONNECTION; []; "2.8.13", "O(1)"; "Counts the commands."),
    command!("command|docs", -2, "[command-name...]";
        LOADING STALE; CONNECTION; []; "7.0.0", "O(N)"; "Documents commands.")
    .tips(&["nondeterministic_output_order"]),
    command!("command|getkeys", -4, ""; LOADING STALE; CONNECTION; []; "2.8.13", "O(N)";
        "Extracts the keys of a full command line."),
    command!("command|getkeysandflags", -4, ""; LOADING STALE; CONNECTION; []; "7.0.0", "O(N)";
        "Extracts the keys of a full command line with how they are used."),
    command!("command|help", 2, ""; LOADING STALE; CONNECTION; []; "5.0.0", "O(1)"; "Lists the COMMAND subcommands."),
    command!("command|info", -2, "[command-name...]";
        LOADING STALE; CONNECTION; []; "2.8.13", "O(N)"; "Describes commands.")
    .changed("7.0.0 Answers about all commands if none is named.")
    .tips(&["nondeterministic_output_order"]),
    command!("command|list", -2, "[FILTERBY filterby(MODULE module-name|ACLCAT category|PATTERN pattern:pattern)]";
        LOADING STALE; CONNECTION; []; "7.0.0", "O(N)"; "Lists the names of commands.")
    .tips(&["nondeterministic_output_order"]),
];

const CONFIG: &[CommandSpec] = &[
    command!("config|get", -3, "parameter{parameter}..."; ADMIN NOSCRIPT LOADING STALE;; []; "2.0.0", "O(N)";
        "Returns the configuration parameters that match patterns.")
    .changed("7.0.0 Takes several patterns."),
    command!("config|help", 2, ""; LOADING STALE;; []; "5.0.0", "O(1)"; "Lists the CONFIG subcommands."),
    command!("config|resetstat", 2, ""; ADMIN NOSCRIPT LOADING STALE;; []; "2.0.0", "O(1)";
        "Resets the statistics that INFO shows."),
    command!("config|rewrite", 2, ""; ADMIN NOSCRIPT LOADING STALE;; []; "2.8.0", "O(1)";
        "Writes the running configuration back to its file."),
    command!("config|set", -4, "parameter_value{parameter value}...";
        ADMIN NOSCRIPT LOADING STALE;; []; "2.0.0", "O(N)";
        "Changes configuration parameters, all or none.")
    .changed("7.0.0 Takes several parameters.")
    .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"]),
];

const LATENCY: &[CommandSpec] = &[
    command!("latency|doctor", 2, ""; ADMIN NOSCRIPT LOADING STALE;; []; "2.8.13", "O(1)";
        "Explains the recorded latency spikes in words.")
    .tips(&["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"]),
    command!("latency|graph", 3, "event"; ADMIN NOSCRIPT LOADING STALE;; []; "2.8.13", "O(1)";
        "Draws the latency spikes of an event.")
    .tips(&["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"]),
    command!("latency|help", 2, ""; LOADING STALE;; []; "2.8.13", "O(1)"; "Lists the LATENCY subcommands."),
    command!("latency|histogram", -2, "[command...]"; ADMIN NOSCRIPT LOADING STALE;; []; "7.0.0", "O(N)";
        "Returns how long commands took, as distributions.")
    .tips(&["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"]),
    command!("latency|history", 3, "event"; ADMIN NOSCRIPT LOADING STALE;; []; "2.8.13", "O(1)";
        "Lists the latency spikes of an event.")
    .tips(&["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"]),
    command!("latency|latest", 2, ""; ADMIN NOSCRIPT LOADING STALE;; []; "2.8.13", "O(1)";
        "Lists the latest latency spike of every event.")
    .tips(&["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"]),
    command!("latency|reset", -2, "[event...]"; ADMIN NOSCRIPT LOADING STALE;; []; "2.8.13", "O(1)";
        "Forgets the latency spikes of events.")
    .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"]),
];

const MEMORY: &[CommandSpec] = &[
    command!("memory|doctor", 2, "";;; []; "4.0.0", "O(1)"; "Explains the use of memory in words.").tips(&[
        "nondeterministic_output",
        "request_policy:all_shards",
        "response_policy:special",
    ]),
    command!("memory|help", 2, ""; LOADING STALE;; []; "4.0.0", "O(1)"; "Lists the MEMORY subcommands."),
    command!("memory|malloc-stats", 2, "";;; []; "4.0.0", "O(1)"; "Returns the allocator's own statistics.").tips(&[
        "nondeterministic_output",
        "request_policy:all_shards",
        "response_policy:special",
    ]),
    command!("memory|purge", 2, "";;; []; "4.0.0", "O(N)"; "Asks the allocator to return free memory.")
        .tips(&["request_policy:all_shards", "response_policy:all_succeeded"]),
    command!("memory|stats", 2, "";;; []; "4.0.0", "O(1)"; "Returns where memory goes.").tips(&[
        "nondeterministic_output",
        "request_policy:all_shards",
        "response_policy:special",
    ]),
    command!("memory|usage", -3, "key@0 [SAMPLES count:integer]"; READONLY;; [one(RO, 2)]; "4.0.0", "O(N)";
        "Estimates the bytes that a key and its value take."),
];

const SLOWLOG: &[CommandSpec] =
    &[
        command!("slowlog|get", -2, "[count:integer]"; ADMIN LOADING STALE;; []; "2.2.12", "O(N)";
        "Returns the newest entries of the slow log.")
        .changed("4.0.0 Tells the client's address and name.")
        .tips(&["request_policy:all_nodes", "nondeterministic_output"]),
        command!("slowlog|help", 2, ""; LOADING STALE;; []; "6.2.0", "O(1)"; "Lists the SLOWLOG subcommands."),
        command!("slowlog|len", 2, ""; ADMIN LOADING STALE;; []; "2.2.12", "O(1)"; "Counts the entries of the slow log.")
            .tips(&["request_policy:all_nodes", "response_policy:agg_sum", "nondeterministic_output"]),
        command!("slowlog|reset", 2, ""; ADMIN LOADING STALE;; []; "2.2.12", "O(N)"; "Empties the slow log.")
            .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"]),
    ];
