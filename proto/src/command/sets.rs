//! The rows of commands about sets. Facts only; see `super` for the columns.

use super::row::*;

const GROUP: Group = Group::Set;

pub(super) const COMMANDS: &[CommandSpec] = &[
    command!("sadd", -3, "key@0 member...";
        WRITE DENYOOM FAST; SET; [one(RW_INSERT, 1)]; "1.0.0", "O(N)"; "Adds members to a set.")
    .changed("2.4.0 Takes several members."),
    command!("scard", 2, "key@0"; READONLY FAST; SET; [one(RO, 1)]; "1.0.0", "O(1)"; "Counts the members of a set."),
    command!("sdiff", -2, "key@0..."; READONLY; SET; [many(RO_ACCESS, 1, -1, 1)]; "1.0.0", "O(N)";
        "Returns the members of the first set that are in none of the others.")
    .tips(&["nondeterministic_output_order"]),
    command!("sdiffstore", -3, "destination@0 key@1...";
        WRITE DENYOOM; SET; [one(OW_UPDATE, 1), many(RO_ACCESS, 2, -1, 1)]; "1.0.0", "O(N)";
        "Stores the members of the first set that are in none of the others."),
    command!("sinter", -2, "key@0..."; READONLY; SET; [many(RO_ACCESS, 1, -1, 1)]; "1.0.0", "O(N*M)";
        "Returns the members that all sets have.")
    .tips(&["nondeterministic_output_order"]),
    command!("sintercard", -3, "numkeys:integer key@0... [LIMIT limit:integer]";
        READONLY; SET; [counted(RO_ACCESS, 1)]; "7.0.0", "O(N*M)";
        "Counts the members that all sets have."),
    command!("sinterstore", -3, "destination@0 key@1...";
        WRITE DENYOOM; SET; [one(RW_UPDATE, 1), many(RO_ACCESS, 2, -1, 1)]; "1.0.0", "O(N*M)";
        "Stores the members that all sets have."),
    command!("sismember", 3, "key@0 member";
        READONLY FAST; SET; [one(RO, 1)]; "1.0.0", "O(1)"; "Tells whether a set has a member."),
    command!("smembers", 2, "key@0";
        READONLY; SET; [one(RO_ACCESS, 1)]; "1.0.0", "O(N)"; "Returns all members of a set.")
    .tips(&["nondeterministic_output_order"]),
    command!("smismember", -3, "key@0 member..."; READONLY FAST; SET; [one(RO_ACCESS, 1)]; "6.2.0", "O(N)";
        "Tells for several members whether a set has them."),
    command!("smove", 4, "source@0 destination@1 member";
        WRITE FAST; SET; [one(RW_ACCESS_DELETE, 1), one(RW_INSERT, 2)]; "1.0.0", "O(1)";
        "Moves a member from one set to another."),
    command!("spop", -2, "key@0 [count:integer^3.2.0]"; WRITE FAST; SET; [one(RW_ACCESS_DELETE, 1)]; "1.0.0", "O(N)";
        "Removes members at random and returns them.")
    .changed("3.2.0 Takes a count.")
    .tips(&["nondeterministic_output"]),
    command!("srandmember", -2, "key@0 [count:integer^2.6.0]";
        READONLY; SET; [one(RO_ACCESS, 1)]; "1.0.0", "O(N)"; "Returns members at random.")
    .changed("2.6.0 Takes a count.")
    .tips(&["nondeterministic_output"]),
    command!("srem", -3, "key@0 member...";
        WRITE FAST; SET; [one(RW_DELETE, 1)]; "1.0.0", "O(N)"; "Removes members from a set.")
    .changed("2.4.0 Takes several members."),
    command!("sscan", -3, "key@0 cursor:integer [MATCH pattern:pattern] [COUNT count:integer]";
        READONLY; SET; [one(RO_ACCESS, 1)]; "2.8.0", "O(1) per call, O(N) in all";
        "Walks through the members of a set in steps.")
    .tips(&["nondeterministic_output"]),
    command!("sunion", -2, "key@0..."; READONLY; SET; [many(RO_ACCESS, 1, -1, 1)]; "1.0.0", "O(N)";
        "Returns the members that any of the sets has.")
    .tips(&["nondeterministic_output_order"]),
    command!("sunionstore", -3, "destination@0 key@1...";
        WRITE DENYOOM; SET; [one(OW_UPDATE, 1), many(RO_ACCESS, 2, -1, 1)]; "1.0.0", "O(N)";
        "Stores the members that any of the sets has."),
];
