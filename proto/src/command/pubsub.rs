//! The rows of commands about channels and messages. Facts only; see `super` for the columns.

use super::row::*;

const GROUP: Group = Group::PubSub;

pub(super) const COMMANDS: &[CommandSpec] = &[
    command!("psubscribe", -2, "pattern{pattern:pattern}..."; PUBSUB NOSCRIPT LOADING STALE;; []; "2.0.0", "O(N)";
        "Subscribes to the channels that match patterns."),
    command!("publish", 3, "channel message"; PUBSUB LOADING STALE FAST MAY_REPLICATE;; []; "2.0.0", "O(N+M)";
        "Sends a message to a channel."),
    command!("pubsub", -2, "";;; []; "2.8.0", "that of the subcommand"; "Commands about subscriptions.").subcommands_of(PUBSUB),
    command!("punsubscribe", -1, "[pattern:pattern...]"; PUBSUB NOSCRIPT LOADING STALE;; []; "2.0.0", "O(N+M)";
        "Ends subscriptions to patterns."),
    command!("spublish", 3, "shardchannel message";
        PUBSUB LOADING STALE FAST MAY_REPLICATE;; [one(NOT_KEY, 1)]; "7.0.0", "O(N)";
        "Sends a message to a shard channel."),
    command!("ssubscribe", -2, "shardchannel...";
        PUBSUB NOSCRIPT LOADING STALE;; [many(NOT_KEY, 1, -1, 1)]; "7.0.0", "O(N)";
        "Subscribes to shard channels."),
    command!("subscribe", -2, "channel...";
        PUBSUB NOSCRIPT LOADING STALE;; []; "2.0.0", "O(N)"; "Subscribes to channels."),
    command!("sunsubscribe", -1, "[shardchannel...]";
        PUBSUB NOSCRIPT LOADING STALE;; [many(NOT_KEY, 1, -1, 1)]; "7.0.0", "O(N)";
        "Ends subscriptions to shard channels."),
    command!("unsubscribe", -1, "[channel...]";
        PUBSUB NOSCRIPT LOADING STALE;; []; "2.0.0", "O(N)"; "Ends subscriptions to channels."),
];

const PUBSUB: &[CommandSpec] = &[
    command!("pubsub|channels", -2, "[pattern:pattern]"; PUBSUB LOADING STALE;; []; "2.8.0", "O(N)";
        "Lists the channels that have subscribers."),
    command!("pubsub|help", 2, ""; LOADING STALE;; []; "6.2.0", "O(1)"; "Lists the PUBSUB subcommands."),
    command!("pubsub|numpat", 2, ""; PUBSUB LOADING STALE;; []; "2.8.0", "O(1)";
        "Counts the patterns that are subscribed to."),
    command!("pubsub|numsub", -2, "[channel...]";
        PUBSUB LOADING STALE;; []; "2.8.0", "O(N)"; "Counts the subscribers of channels."),
    command!("pubsub|shardchannels", -2, "[pattern:pattern]"; PUBSUB LOADING STALE;; []; "7.0.0", "O(N)";
        "Lists the shard channels that have subscribers."),
    command!("pubsub|shardnumsub", -2, "[shardchannel...]"; PUBSUB LOADING STALE;; []; "7.0.0", "O(N)";
        "Counts the subscribers of shard channels."),
];
