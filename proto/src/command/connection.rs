//! The rows of commands about connections. Facts only; see `super` for the columns.

use super::row::*;

const GROUP: Group = Group::Connection;

pub(super) const COMMANDS: &[CommandSpec] = &[
    command!("auth", -2; NOSCRIPT LOADING STALE FAST NO_AUTH ALLOW_BUSY; CONNECTION; []; "1.0.0", "O(N)";
        "Logs the connection in with a password, or as a user."),
    command!("client", -2;;; []; "2.4.0", "that of the subcommand"; "Commands about client connections.")
        .subcommands_of(CLIENT),
    command!("echo", 2; LOADING STALE FAST; CONNECTION; []; "1.0.0", "O(1)"; "Returns its argument."),
    command!("hello", -1; NOSCRIPT LOADING STALE FAST NO_AUTH ALLOW_BUSY; CONNECTION; []; "6.0.0", "O(1)";
        "Chooses the protocol version and optionally logs in and names the connection."),
    command!("ping", -1; FAST; CONNECTION; []; "1.0.0", "O(1)"; "Answers PONG or its argument: a sign of life.")
        .tips(&["request_policy:all_shards", "response_policy:all_succeeded"]),
    command!("quit", -1; NOSCRIPT LOADING STALE FAST NO_AUTH ALLOW_BUSY; CONNECTION; []; "1.0.0", "O(1)";
        "Closes the connection after the reply."),
    command!("reset", 1; NOSCRIPT LOADING STALE FAST NO_AUTH ALLOW_BUSY; CONNECTION; []; "6.2.0", "O(1)";
        "Puts the connection back into the state of a new one."),
    command!("select", 2; LOADING STALE FAST; CONNECTION; []; "1.0.0", "O(1)";
        "Chooses the database for this connection."),
];

const CLIENT: &[CommandSpec] = &[
    command!("client|caching", 3; NOSCRIPT LOADING STALE; CONNECTION; []; "6.0.0", "O(1)";
        "Says whether the next command's keys are tracked, in the opt-in and opt-out modes."),
    command!("client|getname", 2; NOSCRIPT LOADING STALE; CONNECTION; []; "2.6.9", "O(1)";
        "Tells the name of this connection."),
    command!("client|getredir", 2; NOSCRIPT LOADING STALE; CONNECTION; []; "6.0.0", "O(1)";
        "Tells which client receives this connection's invalidation messages."),
    command!("client|help", 2; LOADING STALE; CONNECTION; []; "5.0.0", "O(1)"; "Lists the CLIENT subcommands."),
    command!("client|id", 2; NOSCRIPT LOADING STALE; CONNECTION; []; "5.0.0", "O(1)";
        "Tells the unique id of this connection."),
    command!("client|info", 2; NOSCRIPT LOADING STALE; CONNECTION; []; "6.2.0", "O(1)"; "Describes this connection.")
        .tips(&["nondeterministic_output"]),
    command!("client|kill", -3; ADMIN NOSCRIPT LOADING STALE; CONNECTION; []; "2.4.0", "O(N)";
        "Closes the connections that match a filter."),
    command!("client|list", -2; ADMIN NOSCRIPT LOADING STALE; CONNECTION; []; "2.4.0", "O(N)";
        "Describes all open connections.")
    .tips(&["nondeterministic_output"]),
    command!("client|no-evict", 3; ADMIN NOSCRIPT LOADING STALE; CONNECTION; []; "7.0.0", "O(1)";
        "Exempts this connection from eviction of clients, or ends that."),
    command!("client|no-touch", 3; NOSCRIPT LOADING STALE; CONNECTION; []; "7.2.0", "O(1)";
        "Keeps this connection's commands from refreshing the idle time of keys."),
    command!("client|pause", -3; ADMIN NOSCRIPT LOADING STALE; CONNECTION; []; "2.9.50", "O(1)";
        "Holds back the commands of clients for a while."),
    command!("client|reply", 3; NOSCRIPT LOADING STALE; CONNECTION; []; "3.2.0", "O(1)";
        "Turns replies on this connection on or off."),
    command!("client|setinfo", 4; NOSCRIPT LOADING STALE; CONNECTION; []; "7.2.0", "O(1)";
        "Records the name or version of the client library in use.")
    .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"]),
    command!("client|setname", 3; NOSCRIPT LOADING STALE; CONNECTION; []; "2.6.9", "O(1)"; "Names this connection."),
    command!("client|tracking", -3; NOSCRIPT LOADING STALE; CONNECTION; []; "6.0.0", "O(1)";
        "Turns invalidation messages for keys that this connection has read on or off."),
    command!("client|trackinginfo", 2; NOSCRIPT LOADING STALE; CONNECTION; []; "6.2.0", "O(1)";
        "Describes how key tracking is set up on this connection."),
    command!("client|unblock", -3; ADMIN NOSCRIPT LOADING STALE; CONNECTION; []; "5.0.0", "O(log(N))";
        "Wakes a client that waits in a blocking command."),
    command!("client|unpause", 2; ADMIN NOSCRIPT LOADING STALE; CONNECTION; []; "6.2.0", "O(N)";
        "Lets paused clients go on."),
];
