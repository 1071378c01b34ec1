//! The rows of commands about connections. Facts only; see `super` for the columns.

use super::row::*;

const GROUP: Group = Group::Connection;

pub(super) const COMMANDS: &[CommandSpec] = &[
    command!("auth", -2, "[username^6.0.0] password";
        NOSCRIPT LOADING STALE FAST NO_AUTH ALLOW_BUSY; CONNECTION; []; "1.0.0", "O(N)";
        "Logs the connection in with a password, or as a user.")
    .changed("6.0.0 Takes a user name."),
    command!("client", -2, "";;; []; "2.4.0", "that of the subcommand"; "Commands about client connections.")
        .subcommands_of(CLIENT),
    command!("echo", 2, "message"; LOADING STALE FAST; CONNECTION; []; "1.0.0", "O(1)"; "Returns its argument."),
    command!("hello", -1, "[arguments{protover:integer [AUTH username_password{username password}] [SETNAME clientname]}]";
        NOSCRIPT LOADING STALE FAST NO_AUTH ALLOW_BUSY; CONNECTION; []; "6.0.0", "O(1)";
        "Chooses the protocol version and optionally logs in and names the connection.")
    .changed("6.2.0 Describes the connection if no version is given."),
    command!("ping", -1, "[message]";
        FAST; CONNECTION; []; "1.0.0", "O(1)"; "Answers PONG or its argument: a sign of life.")
    .tips(&["request_policy:all_shards", "response_policy:all_succeeded"]),
    command!("quit", -1, ""; NOSCRIPT LOADING STALE FAST NO_AUTH ALLOW_BUSY; CONNECTION; []; "1.0.0", "O(1)";
        "Closes the connection after the reply."),
    command!("reset", 1, ""; NOSCRIPT LOADING STALE FAST NO_AUTH ALLOW_BUSY; CONNECTION; []; "6.2.0", "O(1)";
        "Puts the connection back into the state of a new one."),
    command!("select", 2, "index:integer"; LOADING STALE FAST; CONNECTION; []; "1.0.0", "O(1)";
        "Chooses the database for this connection."),
];

const CLIENT: &[CommandSpec] = &[
    command!("client|caching", 3, "mode(YES|NO)"; NOSCRIPT LOADING STALE; CONNECTION; []; "6.0.0", "O(1)";
        "Says whether the next command's keys are tracked, in the opt-in and opt-out modes."),
    command!("client|getname", 2, ""; NOSCRIPT LOADING STALE; CONNECTION; []; "2.6.9", "O(1)";
        "Tells the name of this connection."),
    command!("client|getredir", 2, ""; NOSCRIPT LOADING STALE; CONNECTION; []; "6.0.0", "O(1)";
        "Tells which client receives this connection's invalidation messages."),
    command!("client|help", 2, ""; LOADING STALE; CONNECTION; []; "5.0.0", "O(1)"; "Lists the CLIENT subcommands."),
    command!("client|id", 2, ""; NOSCRIPT LOADING STALE; CONNECTION; []; "5.0.0", "O(1)";
        "Tells the unique id of this connection."),
    command!("client|info", 2, "";
        NOSCRIPT LOADING STALE; CONNECTION; []; "6.2.0", "O(1)"; "Describes this connection.")
        .tips(&["nondeterministic_output"]),
    command!("client|kill", -3, "filter(ip:port!2.8.12|new-format([ID client-id:integer^2.8.12]|[TYPE normal_master_slave_pubsub(NORMAL|MASTER^3.2.0|SLAVE|REPLICA^5.0.0|PUBSUB)^2.8.12]|[USER username]|[ADDR ip:port]|[LADDR ip:port^6.2.0]|[SKIPME yes/no])...)";
        ADMIN NOSCRIPT LOADING STALE; CONNECTION; []; "2.4.0", "O(N)";
        "Closes the connections that match a filter.")
    .changed("2.8.12 Takes named filters. | 2.8.12 Takes ID. | 3.2.0 Takes TYPE master. | 5.0.0 Takes TYPE replica, the name that took the place of slave. | 6.2.0 Takes LADDR."),
    command!("client|list", -2, "[TYPE normal_master_replica_pubsub(NORMAL|MASTER|REPLICA|PUBSUB)^5.0.0] [ID id{client-id:integer...}^6.2.0]";
        ADMIN NOSCRIPT LOADING STALE; CONNECTION; []; "2.4.0", "O(N)";
        "Describes all open connections.")
    .changed("2.8.12 Shows id. | 5.0.0 Takes TYPE. | 6.0.0 Shows user. | 6.2.0 Takes ID; shows argv-mem, tot-mem, laddr and redir. | 7.0.0 Shows resp, multi-mem, rbs and rbp. | 7.0.3 Shows ssub.")
    .tips(&["nondeterministic_output"]),
    command!("client|no-evict", 3, "enabled(ON|OFF)"; ADMIN NOSCRIPT LOADING STALE; CONNECTION; []; "7.0.0", "O(1)";
        "Exempts this connection from eviction of clients, or ends that."),
    command!("client|no-touch", 3, "enabled(ON|OFF)"; NOSCRIPT LOADING STALE; CONNECTION; []; "7.2.0", "O(1)";
        "Keeps this connection's commands from refreshing the idle time of keys."),
    command!("client|pause", -3, "timeout:integer [mode(WRITE|ALL)^6.2.0]";
        ADMIN NOSCRIPT LOADING STALE; CONNECTION; []; "2.9.50", "O(1)";
        "Holds back the commands of clients for a while.")
    .changed("6.2.0 Takes a mode: WRITE or ALL."),
    command!("client|reply", 3, "on_off_skip(ON|OFF|SKIP)"; NOSCRIPT LOADING STALE; CONNECTION; []; "3.2.0", "O(1)";
        "Turns replies on this connection on or off."),
    command!("client|setinfo", 4, "attr(LIB-NAME libname|LIB-VER libver)";
        NOSCRIPT LOADING STALE; CONNECTION; []; "7.2.0", "O(1)";
        "Records the name or version of the client library in use.")
    .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"]),
    command!("client|setname", 3, "connection-name";
        NOSCRIPT LOADING STALE; CONNECTION; []; "2.6.9", "O(1)"; "Names this connection."),
    command!("client|tracking", -3, "status(ON|OFF) [REDIRECT client-id:integer] [PREFIX prefix...+] [BCAST] [OPTIN] [OPTOUT] [NOLOOP]";
        NOSCRIPT LOADING STALE; CONNECTION; []; "6.0.0", "O(1)";
        "Turns invalidation messages for keys that this connection has read on or off."),
    command!("client|trackinginfo", 2, ""; NOSCRIPT LOADING STALE; CONNECTION; []; "6.2.0", "O(1)";
        "Describes how key tracking is set up on this connection."),
    command!("client|unblock", -3, "client-id:integer [timeout_error(TIMEOUT|ERROR)]";
        ADMIN NOSCRIPT LOADING STALE; CONNECTION; []; "5.0.0", "O(log(N))";
        "Wakes a client that waits in a blocking command."),
    command!("client|unpause", 2, ""; ADMIN NOSCRIPT LOADING STALE; CONNECTION; []; "6.2.0", "O(N)";
        "Lets paused clients go on."),
];
