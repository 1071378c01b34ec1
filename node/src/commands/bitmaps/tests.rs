//! Tests of the bitmap commands.

use crate::commands::testing::{Node, check, with_one_and_three_shards};

#[test]
fn bits_are_counted_from_the_left_and_a_string_grows_to_hold_them() {
    check(&[
        ("SETBIT b 7 1", ":0", "SETBIT b 7 1"),
        ("GET b", "\"\\x01\"", ""),
        ("SETBIT b 7 1", ":1", ""),
        ("SETBIT b 7 0", ":1", "SETBIT b 7 0"),
        ("SETBIT b 20 0", ":0", "SETBIT b 20 0"),
        ("STRLEN b", ":3", ""),
        ("GETBIT b 100", ":0", ""),
        ("GETBIT none 0", ":0", ""),
        ("SETBIT b 4294967296 1", "-ERR bit offset is not an integer or out of range", ""),
        ("SETBIT b -1 1", "-ERR bit offset is not an integer or out of range", ""),
        ("GETBIT b x", "-ERR bit offset is not an integer or out of range", ""),
        ("SETBIT b 1 2", "-ERR bit is not an integer or out of range", ""),
        ("SETBIT b 1 x", "-ERR bit is not an integer or out of range", ""),
        ("OBJECT ENCODING b", "\"raw\"", ""),
    ]);
}

#[test]
fn ranges_are_in_bytes_or_bits() {
    check(&[
        ("SET s foobar", "OK", "SET s foobar"),
        ("BITCOUNT s", ":26", ""),
        ("BITCOUNT s 0 0", ":4", ""),
        ("BITCOUNT s 5 30 BIT", ":17", ""),
        ("BITCOUNT s -2 -3 nosuch", ":0", ""),
        ("BITCOUNT s 1 -3 nosuch", "-ERR syntax error", ""),
        ("BITCOUNT s 1", "-ERR syntax error", ""),
        ("BITCOUNT none 1", ":0", ""),
        ("BITPOS s 1", ":1", ""),
        ("BITPOS s 0 2", ":16", ""),
        ("BITPOS s 1 3 10 BIT", ":5", ""),
        ("BITPOS s 2", "-ERR The bit argument must be 1 or 0.", ""),
        ("BITPOS none 0", ":0", ""),
        ("BITPOS none 1", ":-1", ""),
        ("SETBIT ones 0 1", ":0", "SETBIT ones 0 1"),
        ("BITOP NOT ones none", ":0", "BITOP NOT ones none"),
        ("EXISTS ones", ":0", ""),
        ("BITFIELD ones SET i8 0 -1 SET i8 8 -1", "[:0 :0]", "BITFIELD ones SET i8 0 -1 SET i8 8 -1"),
        ("BITPOS ones 0", ":16", ""),
        ("BITPOS ones 0 1", ":16", ""),
        ("BITPOS ones 0 0 -1", ":-1", ""),
        ("BITPOS ones 0 2", ":-1", ""),
    ]);
}

#[test]
fn strings_of_several_shards_are_combined() {
    check(&[
        ("MSET a abc b AB", "OK", "MSET a abc b AB"),
        ("BITOP AND d a b", ":3", "BITOP AND d a b"),
        ("GET d", "\"AB\\x00\"", ""),
        ("BITOP or d a b none", ":3", "BITOP or d a b none"),
        ("GET d", "\"abc\"", ""),
        ("BITOP XOR d a b", ":3", "BITOP XOR d a b"),
        ("GET d", "\"  c\"", ""),
        ("BITOP AND d a none", ":3", "BITOP AND d a none"),
        ("GET d", "\"\\x00\\x00\\x00\"", ""),
        ("BITOP NOT d a b", "-ERR BITOP NOT must be called with a single source key.", ""),
        ("BITOP NAND d a b", "-ERR syntax error", ""),
    ]);
}

#[test]
fn fields_overflow_as_asked() {
    check(&[
        ("BITFIELD f SET u8 0 255 GET i8 0", "[:0 :-1]", "BITFIELD f SET u8 0 255 GET i8 0"),
        ("BITFIELD f INCRBY u8 0 10", "[:9]", "BITFIELD f INCRBY u8 0 10"),
        ("BITFIELD f OVERFLOW SAT INCRBY u8 0 1000", "[:255]", "BITFIELD f OVERFLOW SAT INCRBY u8 0 1000"),
        ("BITFIELD f OVERFLOW FAIL INCRBY u8 0 1", "[nil]", ""),
        ("BITFIELD f OVERFLOW SAT SET u4 0 -1", "[:15]", ""),
        ("BITFIELD f SET i64 #1 -9223372036854775808", "[:0]", "BITFIELD f SET i64 #1 -9223372036854775808"),
        ("BITFIELD f INCRBY i64 #1 -1", "[:9223372036854775807]", "BITFIELD f INCRBY i64 #1 -1"),
        ("BITFIELD_RO f GET u63 64 GET u1 10000", "[:4611686018427387903 :0]", ""),
        ("BITFIELD_RO f SET u8 0 1", "-ERR BITFIELD_RO only supports the GET subcommand", ""),
        ("BITFIELD f", "[]", ""),
        ("BITFIELD none OVERFLOW FAIL SET u1 0 2", "[nil]", "BITFIELD none OVERFLOW FAIL SET u1 0 2"),
        ("STRLEN none", ":1", ""),
        ("BITFIELD f GET u64 0", BAD_TYPE, ""),
        ("BITFIELD f GET i0 0", BAD_TYPE, ""),
        ("BITFIELD f GET x8 0", BAD_TYPE, ""),
        ("BITFIELD f OVERFLOW nosuch", "-ERR Invalid OVERFLOW type specified", ""),
        ("BITFIELD f GET u8 #-1", "-ERR bit offset is not an integer or out of range", ""),
        ("BITFIELD f SET u8 0 x", "-ERR value is not an integer or out of range", ""),
        ("BITFIELD f SET u8 0", "-ERR syntax error", ""),
    ]);
}

const BAD_TYPE: &str = "-ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.";

#[test]
fn only_strings_have_bits() {
    with_one_and_three_shards(|node: &mut Node| {
        node.prepare(&["RPUSH l x"]);
        for line in
            ["SETBIT l 0 1", "GETBIT l 0", "BITCOUNT l", "BITPOS l 0", "BITOP OR d l", "BITFIELD l", "BITFIELD l SET u8 0 1"]
        {
            node.check(&[(line, "-WRONGTYPE Operation against a key holding the wrong kind of value", "")]);
        }
    });
}
