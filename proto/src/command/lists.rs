//! The rows of commands about lists. Facts only; see `super` for the columns.

use super::row::*;

const GROUP: Group = Group::List;

pub(super) const COMMANDS: &[CommandSpec] = &[
    command!("blmove", 6, "source@0 destination@1 wherefrom(LEFT|RIGHT) whereto(LEFT|RIGHT) timeout:double";
        WRITE DENYOOM NOSCRIPT BLOCKING; LIST; [one(RW_ACCESS_DELETE, 1), one(RW_INSERT, 2)]; "6.2.0", "O(1)";
        "Moves an element from one list to another, waiting for one."),
    command!("blmpop", -5, "timeout:double numkeys:integer key@0... where(LEFT|RIGHT) [COUNT count:integer]";
        WRITE BLOCKING; LIST; [counted(RW_ACCESS_DELETE, 2)]; "7.0.0", "O(N+M)";
        "Pops elements from the first list that has any, waiting for one."),
    command!("blpop", -3, "key@0... timeout:double";
        WRITE NOSCRIPT BLOCKING; LIST; [many(RW_ACCESS_DELETE, 1, -2, 1)]; "2.0.0", "O(N)";
        "Pops the first element of the first list that has any, waiting for one.")
    .changed("6.0.0 Takes fractions of a second."),
    command!("brpop", -3, "key@0... timeout:double";
        WRITE NOSCRIPT BLOCKING; LIST; [many(RW_ACCESS_DELETE, 1, -2, 1)]; "2.0.0", "O(N)";
        "Pops the last element of the first list that has any, waiting for one.")
    .changed("6.0.0 Takes fractions of a second."),
    command!("brpoplpush", 4, "source@0 destination@1 timeout:double";
        WRITE DENYOOM NOSCRIPT BLOCKING; LIST; [one(RW_ACCESS_DELETE, 1), one(RW_INSERT, 2)]; "2.2.0", "O(1)";
        "Moves the last element of a list to the front of another, waiting for one.")
    .changed("6.0.0 Takes fractions of a second.")
    .deprecated("6.2.0", "BLMOVE with RIGHT and LEFT"),
    command!("lindex", 3, "key@0 index:integer";
        READONLY; LIST; [one(RO_ACCESS, 1)]; "1.0.0", "O(N)"; "Returns the element at an index."),
    command!("linsert", 5, "key@0 where(BEFORE|AFTER) pivot element";
        WRITE DENYOOM; LIST; [one(RW_INSERT, 1)]; "2.2.0", "O(N)";
        "Inserts an element before or after another."),
    command!("llen", 2, "key@0"; READONLY FAST; LIST; [one(RO, 1)]; "1.0.0", "O(1)"; "Tells the length of a list."),
    command!("lmove", 5, "source@0 destination@1 wherefrom(LEFT|RIGHT) whereto(LEFT|RIGHT)";
        WRITE DENYOOM; LIST; [one(RW_ACCESS_DELETE, 1), one(RW_INSERT, 2)]; "6.2.0", "O(1)";
        "Moves an element from one list to another."),
    command!("lmpop", -4, "numkeys:integer key@0... where(LEFT|RIGHT) [COUNT count:integer]";
        WRITE; LIST; [counted(RW_ACCESS_DELETE, 1)]; "7.0.0", "O(N+M)";
        "Pops elements from the first list that has any."),
    command!("lpop", -2, "key@0 [count:integer^6.2.0]"; WRITE FAST; LIST; [one(RW_ACCESS_DELETE, 1)]; "1.0.0", "O(N)";
        "Pops elements from the front of a list.")
    .changed("6.2.0 Takes a count."),
    command!("lpos", -3, "key@0 element [RANK rank:integer] [COUNT num-matches:integer] [MAXLEN len:integer]";
        READONLY; LIST; [one(RO_ACCESS, 1)]; "6.0.6", "O(N)"; "Finds the index of matching elements."),
    command!("lpush", -3, "key@0 element..."; WRITE DENYOOM FAST; LIST; [one(RW_INSERT, 1)]; "1.0.0", "O(N)";
        "Adds elements to the front of a list.")
    .changed("2.4.0 Takes several elements."),
    command!("lpushx", -3, "key@0 element..."; WRITE DENYOOM FAST; LIST; [one(RW_INSERT, 1)]; "2.2.0", "O(N)";
        "Adds elements to the front of a list that exists.")
    .changed("4.0.0 Takes several elements."),
    command!("lrange", 4, "key@0 start:integer stop:integer";
        READONLY; LIST; [one(RO_ACCESS, 1)]; "1.0.0", "O(S+N)"; "Returns a range of elements."),
    command!("lrem", 4, "key@0 count:integer element"; WRITE; LIST; [one(RW_DELETE, 1)]; "1.0.0", "O(N+M)";
        "Removes elements that equal the given one."),
    command!("lset", 4, "key@0 index:integer element";
        WRITE DENYOOM; LIST; [one(RW_UPDATE, 1)]; "1.0.0", "O(N)"; "Replaces the element at an index."),
    command!("ltrim", 4, "key@0 start:integer stop:integer";
        WRITE; LIST; [one(RW_DELETE, 1)]; "1.0.0", "O(N)"; "Keeps only a range of a list."),
    command!("rpop", -2, "key@0 [count:integer^6.2.0]"; WRITE FAST; LIST; [one(RW_ACCESS_DELETE, 1)]; "1.0.0", "O(N)";
        "Pops elements from the end of a list.")
    .changed("6.2.0 Takes a count."),
    command!("rpoplpush", 3, "source@0 destination@1";
        WRITE DENYOOM; LIST; [one(RW_ACCESS_DELETE, 1), one(RW_INSERT, 2)]; "1.2.0", "O(1)";
        "Moves the last element of a list to the front of another.")
    .deprecated("6.2.0", "LMOVE with RIGHT and LEFT"),
    command!("rpush", -3, "key@0 element..."; WRITE DENYOOM FAST; LIST; [one(RW_INSERT, 1)]; "1.0.0", "O(N)";
        "Adds elements to the end of a list.")
    .changed("2.4.0 Takes several elements."),
    command!("rpushx", -3, "key@0 element..."; WRITE DENYOOM FAST; LIST; [one(RW_INSERT, 1)]; "2.2.0", "O(N)";
        "Adds elements to the end of a list that exists.")
    .changed("4.0.0 Takes several elements."),
];
