//! Sortings: by what, in which order, and what replicas are told.

use crate::commands::testing::check;

#[test]
fn elements_are_sorted_by_themselves_or_by_what_other_keys_hold() {
    check(&[
        ("RPUSH l 3 1 2", ":3", "RPUSH l 3 1 2"),
        ("SORT l", "[\"1\" \"2\" \"3\"]", ""),
        ("SORT l DESC LIMIT 1 1", "[\"2\"]", ""),
        ("SORT l BY nosort DESC", "[\"2\" \"1\" \"3\"]", ""),
        ("MSET w_1 30 w_2 10 w_3 20", "OK", "MSET w_1 30 w_2 10 w_3 20"),
        ("HSET h_1 name one", ":1", "HSET h_1 name one"),
        ("SORT l BY w_*", "[\"2\" \"3\" \"1\"]", ""),
        ("SORT_RO l GET # GET w_* GET h_*->name", "[\"1\" \"30\" \"one\" \"2\" \"10\" nil \"3\" \"20\" nil]", ""),
        ("SORT l BY w_* STORE d", ":3", "MULTI; DEL d; RPUSH d 2 3 1; EXEC"),
        ("SORT none STORE d", ":0", "DEL d"),
        ("SADD s b a", ":2", "SADD s b a"),
        ("SORT s", "-ERR One or more scores can't be converted into double", ""),
        ("SORT s ALPHA DESC", "[\"b\" \"a\"]", ""),
        ("SORT s BY nosort STORE d", ":2", "MULTI; DEL d; RPUSH d a b; EXEC"),
        ("SORT_RO s STORE d", "-ERR syntax error", ""),
        ("SORT s LIMIT 1 x", "-ERR value is not an integer or out of range", ""),
        ("SORT w_1", "-WRONGTYPE Operation against a key holding the wrong kind of value", ""),
    ]);
}
