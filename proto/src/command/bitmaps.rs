//! The rows of commands about strings seen as bits. Facts only; see `super` for the columns.

use super::row::*;

const GROUP: Group = Group::Bitmap;

pub(super) const COMMANDS: &[CommandSpec] = &[
    command!("bitcount", -2; READONLY; BITMAP; [one(RO_ACCESS, 1)]; "2.6.0", "O(N)";
        "Counts the bits that are set in a string or in a range of it."),
    command!("bitfield", -2; WRITE DENYOOM; BITMAP; [one(RW_ACCESS_UPDATE, 1).variable()]; "3.2.0", "O(1)";
        "Reads, sets or increments integers of any width inside a string.")
    .special(Special::Bitfield),
    command!("bitfield_ro", -2; READONLY FAST; BITMAP; [one(RO_ACCESS, 1)]; "6.0.0", "O(1)";
        "Reads integers of any width inside a string."),
    command!("bitop", -4; WRITE DENYOOM; BITMAP; [one(OW_UPDATE, 2), many(RO_ACCESS, 3, -1, 1)]; "2.6.0", "O(N)";
        "Combines strings bit by bit and stores the result."),
    command!("bitpos", -3; READONLY; BITMAP; [one(RO_ACCESS, 1)]; "2.8.7", "O(N)";
        "Finds the first bit of the given value in a string."),
    command!("getbit", 3; READONLY FAST; BITMAP; [one(RO_ACCESS, 1)]; "2.2.0", "O(1)"; "Reads one bit of a string."),
    command!("setbit", 4; WRITE DENYOOM; BITMAP; [one(RW_ACCESS_UPDATE, 1)]; "2.2.0", "O(1)";
        "Sets or clears one bit of a string and returns the old one."),
];
