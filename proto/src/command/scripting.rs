//! The rows of commands about scripts and functions. Facts only; see `super` for the columns.

use super::row::*;

const GROUP: Group = Group::Scripting;

pub(super) const COMMANDS: &[CommandSpec] = &[
    command!("eval", -3, "script numkeys:integer [key@0...] [arg...]";
        NOSCRIPT STALE SKIP_MONITOR NO_MANDATORY_KEYS MAY_REPLICATE; SCRIPTING; [counted(RW_ACCESS_UPDATE, 2).note("What is done with them is up to the script.")]; "2.6.0", "that of the script";
        "Runs a script."),
    command!("eval_ro", -3, "script numkeys:integer [key@0...] [arg...]";
        READONLY NOSCRIPT STALE SKIP_MONITOR NO_MANDATORY_KEYS; SCRIPTING; [counted(RO_ACCESS, 2).note("What is read of them is up to the script.")]; "7.0.0", "that of the script";
        "Runs a script that may only read."),
    command!("evalsha", -3, "sha1 numkeys:integer [key@0...] [arg...]";
        NOSCRIPT STALE SKIP_MONITOR NO_MANDATORY_KEYS MAY_REPLICATE; SCRIPTING; [counted(RW_ACCESS_UPDATE, 2)]; "2.6.0", "that of the script";
        "Runs a cached script by its digest."),
    command!("evalsha_ro", -3, "sha1 numkeys:integer [key@0...] [arg...]";
        READONLY NOSCRIPT STALE SKIP_MONITOR NO_MANDATORY_KEYS; SCRIPTING; [counted(RO_ACCESS, 2)]; "7.0.0", "that of the script";
        "Runs a cached script by its digest; it may only read."),
    command!("fcall", -3, "function numkeys:integer [key@0...] [arg...]";
        NOSCRIPT STALE SKIP_MONITOR NO_MANDATORY_KEYS MAY_REPLICATE; SCRIPTING; [counted(RW_ACCESS_UPDATE, 2).note("What is done with them is up to the script.")]; "7.0.0", "that of the function";
        "Calls a function."),
    command!("fcall_ro", -3, "function numkeys:integer [key@0...] [arg...]";
        READONLY NOSCRIPT STALE SKIP_MONITOR NO_MANDATORY_KEYS; SCRIPTING; [counted(RO_ACCESS, 2).note("What is read of them is up to the script.")]; "7.0.0", "that of the function";
        "Calls a function that may only read."),
    command!("function", -2, "";;; []; "7.0.0", "that of the subcommand"; "Commands about functions and their libraries.")
        .subcommands_of(FUNCTION),
    command!("script", -2, "";;; []; "2.6.0", "that of the subcommand"; "Commands about cached scripts.")
        .subcommands_of(SCRIPT),
];

const FUNCTION: &[CommandSpec] = &[
    command!("function|delete", 3, "library-name"; WRITE NOSCRIPT; SCRIPTING; []; "7.0.0", "O(1)";
        "Deletes a library with its functions.")
    .tips(&["request_policy:all_shards", "response_policy:all_succeeded"]),
    command!("function|dump", 2, ""; NOSCRIPT; SCRIPTING; []; "7.0.0", "O(N)"; "Serializes all libraries."),
    command!("function|flush", -2, "[async(ASYNC|SYNC)]";
        WRITE NOSCRIPT; SCRIPTING; []; "7.0.0", "O(N)"; "Deletes all libraries.")
    .tips(&["request_policy:all_shards", "response_policy:all_succeeded"]),
    command!("function|help", 2, ""; LOADING STALE; SCRIPTING; []; "7.0.0", "O(1)"; "Lists the FUNCTION subcommands."),
    command!("function|kill", 2, ""; NOSCRIPT ALLOW_BUSY; SCRIPTING; []; "7.0.0", "O(1)";
        "Stops the function that is running.")
    .tips(&["request_policy:all_shards", "response_policy:one_succeeded"]),
    command!("function|list", -2, "[LIBRARYNAME library-name-pattern] [WITHCODE]";
        NOSCRIPT; SCRIPTING; []; "7.0.0", "O(N)"; "Describes the libraries.")
    .tips(&["nondeterministic_output_order"]),
    command!("function|load", -3, "[REPLACE] function-code"; WRITE DENYOOM NOSCRIPT; SCRIPTING; []; "7.0.0", "O(1)";
        "Creates a library from its source.")
    .tips(&["request_policy:all_shards", "response_policy:all_succeeded"]),
    command!("function|restore", -3, "serialized-value [policy(FLUSH|APPEND|REPLACE)]";
        WRITE DENYOOM NOSCRIPT; SCRIPTING; []; "7.0.0", "O(N)";
        "Creates libraries from a serialized form.")
    .tips(&["request_policy:all_shards", "response_policy:all_succeeded"]),
    command!("function|stats", 2, ""; NOSCRIPT ALLOW_BUSY; SCRIPTING; []; "7.0.0", "O(1)";
        "Describes the function that is running and the engines.")
    .tips(&["nondeterministic_output", "request_policy:all_shards", "response_policy:special"]),
];

const SCRIPT: &[CommandSpec] = &[
    command!("script|debug", 3, "mode(YES|SYNC|NO)";
        NOSCRIPT; SCRIPTING; []; "3.2.0", "O(1)"; "Chooses how the next scripts are debugged."),
    command!("script|exists", -3, "sha1..."; NOSCRIPT; SCRIPTING; []; "2.6.0", "O(N)";
        "Tells which digests belong to cached scripts.")
    .tips(&["request_policy:all_shards", "response_policy:agg_logical_and"]),
    command!("script|flush", -2, "[async(ASYNC|SYNC)^6.2.0]";
        NOSCRIPT; SCRIPTING; []; "2.6.0", "O(N)"; "Forgets all cached scripts.")
    .changed("6.2.0 Takes ASYNC and SYNC.")
    .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"]),
    command!("script|help", 2, ""; LOADING STALE; SCRIPTING; []; "5.0.0", "O(1)"; "Lists the SCRIPT subcommands."),
    command!("script|kill", 2, "";
        NOSCRIPT ALLOW_BUSY; SCRIPTING; []; "2.6.0", "O(1)"; "Stops the script that is running.")
    .tips(&["request_policy:all_shards", "response_policy:one_succeeded"]),
    command!("script|load", 3, "script";
        NOSCRIPT STALE; SCRIPTING; []; "2.6.0", "O(N)"; "Caches a script and returns its digest.")
    .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"]),
];
