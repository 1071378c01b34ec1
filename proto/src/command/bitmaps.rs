//! The rows of commands about strings seen as bits. Facts only; see `super` for the columns.

use super::row::*;

const GROUP: Group = Group::Bitmap;

pub(super) const COMMANDS: &[CommandSpec] = &[
    command!("bitcount", -2, "key@0 [index{start:integer end:integer [index_unit(BYTE|BIT)^7.0.0]}]";
        READONLY; BITMAP; [one(RO_ACCESS, 1)]; "2.6.0", "O(N)";
        "Counts the bits that are set in a string or in a range of it.")
    .changed("7.0.0 Takes BYTE and BIT."),
    command!("bitfield", -2, "key@0 [operation(GET encoding_offset{encoding offset:integer}|write{[OVERFLOW wrap_sat_fail(WRAP|SAT|FAIL)] write_operation(SET encoding_offset_value{encoding offset:integer value:integer}|INCRBY encoding_offset_increment{encoding offset:integer increment:integer})})...]";
        WRITE DENYOOM; BITMAP; [one(RW_ACCESS_UPDATE, 1).variable().note("Read, changed, or both, as the operations are.")]; "3.2.0", "O(1)";
        "Reads, sets or increments integers of any width inside a string.")
    .special(Special::Bitfield),
    command!("bitfield_ro", -2, "key@0 [GET encoding_offset{encoding offset:integer}...+]";
        READONLY FAST; BITMAP; [one(RO_ACCESS, 1)]; "6.0.0", "O(1)";
        "Reads integers of any width inside a string."),
    command!("bitop", -4, "operation destkey@0 key@1...";
        WRITE DENYOOM; BITMAP; [one(OW_UPDATE, 2), many(RO_ACCESS, 3, -1, 1)]; "2.6.0", "O(N)";
        "Combines strings bit by bit and stores the result."),
    command!("bitpos", -3, "key@0 bit:integer [index{start:integer [end_index{end:integer [index_unit(BYTE|BIT)^7.0.0]}]}]";
        READONLY; BITMAP; [one(RO_ACCESS, 1)]; "2.8.7", "O(N)";
        "Finds the first bit of the given value in a string.")
    .changed("7.0.0 Takes BYTE and BIT."),
    command!("getbit", 3, "key@0 offset:integer";
        READONLY FAST; BITMAP; [one(RO_ACCESS, 1)]; "2.2.0", "O(1)"; "Reads one bit of a string."),
    command!("setbit", 4, "key@0 offset:integer value:integer";
        WRITE DENYOOM; BITMAP; [one(RW_ACCESS_UPDATE, 1)]; "2.2.0", "O(1)";
        "Sets or clears one bit of a string and returns the old one."),
];
