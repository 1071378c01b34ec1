//! Tests of the stream commands: what they answer, and what replicas are told.

use crate::commands::testing::{Node, check, with_one_and_three_shards};

#[test]
fn replicas_are_told_the_id_that_was_found() {
    check(&[
        ("XADD s 5-1 f v", "\"5-1\"", "XADD s 5-1 f v"),
        ("XADD s * f v", "\"1000000000000-0\"", "XADD s 1000000000000-0 f v"),
        ("XADD s * f v", "\"1000000000000-1\"", "XADD s 1000000000000-1 f v"),
        ("XADD s NOMKSTREAM 1000000000000-* f v", "\"1000000000000-2\"", "XADD s NOMKSTREAM 1000000000000-2 f v"),
        ("XADD s 5-1 f v", "-ERR The ID specified in XADD is equal or smaller than the target stream top item", ""),
        ("XADD s 0-0 f v", "-ERR The ID specified in XADD must be greater than 0-0", ""),
        ("XADD s x f v", "-ERR Invalid stream ID specified as stream command argument", ""),
        ("XADD s 5-2 f", "-ERR wrong number of arguments for 'xadd' command", ""),
        ("XADD none NOMKSTREAM 1-1 f v", "nil", ""),
        ("XADD zero 0-* f v", "\"0-1\"", "XADD zero 0-1 f v"),
        (
            "XADD s 18446744073709551615-18446744073709551615 f v",
            "\"18446744073709551615-18446744073709551615\"",
            "XADD s 18446744073709551615-18446744073709551615 f v",
        ),
        ("XADD s * f v", "-ERR The stream has exhausted the last possible ID, unable to add more items", ""),
    ]);
}

#[test]
fn an_approximate_trim_is_told_as_what_it_left() {
    with_one_and_three_shards(|node| {
        node.config.stream_node_max_entries = 2;
        for ms in 1..=5 {
            node.prepare(&[&format!("XADD s {ms}-0 f v")]);
        }
        node.check(&[
            ("XADD s MAXLEN ~ 3 6-0 f v", "\"6-0\"", "XADD s MAXLEN = 4 6-0 f v"),
            ("XTRIM s MAXLEN ~ 3", ":0", ""),
            ("XTRIM s MINID ~ 5-1 LIMIT 10", ":2", "XTRIM s MINID = 5-0"),
            ("XADD s MAXLEN 1 7-* f v", "\"7-0\"", "XADD s MAXLEN 1 7-0 f v"),
            ("XTRIM s MAXLEN 0", ":1", "XTRIM s MAXLEN 0"),
            ("EXISTS s", ":1", ""),
            ("XTRIM s MAXLEN 0 LIMIT 1", "-ERR syntax error, LIMIT cannot be used without the special ~ option", ""),
            ("XTRIM s LIMIT 1", "-ERR syntax error, LIMIT cannot be used without specifying a trimming strategy", ""),
            ("XTRIM s MAXLEN 1 MINID 1", "-ERR syntax error, MAXLEN and MINID options at the same time are not compatible", ""),
        ]);
        // A primary sends what it was sent itself.
        node.be_replica();
        node.check_replies(&[("XADD s MAXLEN = 1 LIMIT 5 8-0 f v", "\"8-0\"")]);
    });
}

#[test]
fn deliveries_are_told_as_claims() {
    let claim = |id: &str| format!("XCLAIM s g alice 0 {id} TIME 1000000000000 RETRYCOUNT 1 FORCE JUSTID LASTID {id}");
    let both = format!("{}; {}; XGROUP SETID s g 2-0 ENTRIESREAD 2", claim("1-0"), claim("2-0"));
    check(&[
        ("XADD s 1-0 f v", "\"1-0\"", "XADD s 1-0 f v"),
        ("XADD s 2-0 f v", "\"2-0\"", "XADD s 2-0 f v"),
        ("XGROUP CREATE s g 0", "OK", "XGROUP CREATE s g 0"),
        (
            "XREADGROUP GROUP g alice STREAMS s >",
            "[[\"s\" [[\"1-0\" [\"f\" \"v\"]] [\"2-0\" [\"f\" \"v\"]]]]]",
            &format!("MULTI; {both}; EXEC"),
        ),
        ("XREADGROUP GROUP g alice STREAMS s >", "nil", ""),
        ("XREADGROUP GROUP g bob STREAMS s 0", "[[\"s\" []]]", "XGROUP CREATECONSUMER s g bob"),
        ("XREADGROUP GROUP g bob STREAMS s 0", "[[\"s\" []]]", ""),
        ("XPENDING s g", "[:2 \"1-0\" \"2-0\" [[\"alice\" \"2\"]]]", ""),
        ("XACK s g 1-0 1-0 9-9", ":1", "XACK s g 1-0 1-0 9-9"),
        (
            "XCLAIM s g bob 0 2-0 JUSTID",
            "[\"2-0\"]",
            "XCLAIM s g bob 0 2-0 TIME 1000000000000 RETRYCOUNT 1 FORCE JUSTID LASTID 2-0",
        ),
        ("XADD s 3-0 f v", "\"3-0\"", "XADD s 3-0 f v"),
        (
            "XREADGROUP GROUP g carol NOACK STREAMS s >",
            "[[\"s\" [[\"3-0\" [\"f\" \"v\"]]]]]",
            "MULTI; XGROUP CREATECONSUMER s g carol; XGROUP SETID s g 3-0 ENTRIESREAD 3; EXEC",
        ),
        ("XDEL s 2-0", ":1", "XDEL s 2-0"),
        (
            "XAUTOCLAIM s g bob 0 -",
            "[\"0-0\" [] [\"2-0\"]]",
            "XCLAIM s g bob 0 2-0 TIME 1000000000000 RETRYCOUNT 1 FORCE JUSTID LASTID 3-0",
        ),
        ("XPENDING s g", "[:0 nil nil nil]", ""),
        ("XGROUP DELCONSUMER s g bob", ":0", "XGROUP DELCONSUMER s g bob"),
        ("XGROUP DELCONSUMER s g bob", ":0", ""),
        ("XGROUP DESTROY s g", ":1", "XGROUP DESTROY s g"),
        (
            "XREADGROUP GROUP g bob STREAMS s >",
            "-NOGROUP No such key 's' or consumer group 'g' in XREADGROUP with GROUP option",
            "",
        ),
    ]);
}

#[test]
fn groups_do_not_touch_watchers_but_entries_do() {
    let mut node = Node::new(1);
    node.prepare(&["XADD s 1-0 f v"]);
    let dirty = |node: &mut Node, line: &str| {
        let flag = std::sync::Arc::default();
        let shard = node.shards[0].as_mut().unwrap();
        shard.watch.watch(node.db, b"s", false, &flag);
        node.prepare(&[line]);
        let touched = flag.is_raised();
        node.shards[0].as_mut().unwrap().watch.unwatch(node.db, b"s", &flag);
        touched
    };
    assert!(!dirty(&mut node, "XGROUP CREATE s g 0"));
    assert!(!dirty(&mut node, "XREADGROUP GROUP g a STREAMS s >"));
    assert!(!dirty(&mut node, "XACK s g 1-0"));
    assert!(dirty(&mut node, "XADD s 2-0 f v"));
    assert!(dirty(&mut node, "XDEL s 2-0"));
}
