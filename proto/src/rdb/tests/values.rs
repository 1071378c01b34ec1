//! Every encoding of every type.

use super::*;

#[test]
fn plain_encodings_are_read() {
    assert_eq!(decoded(kind::SET, &strings(2, &["a", "7"])), Ok(RdbValue::Set(RdbSet::Members(vec![raw("a"), text("7")]))));
    assert_eq!(decoded(kind::HASH, &strings(1, &["f", "v"])), Ok(RdbValue::Hash(RdbHash::Pairs(vec![(raw("f"), raw("v"))]))));
    assert_eq!(decoded(kind::LIST, &strings(2, &["a", "7"])), Ok(RdbValue::List(vec![ListNode::Packed(pack(&["a", "7"]))])));
    let zset = RdbValue::Zset(RdbZset::Pairs(vec![(raw("m"), 1.5)]));
    assert_eq!(decoded(kind::ZSET, b"\x01\x01m\x031.5"), Ok(zset.clone()));
    assert_eq!(decoded(kind::ZSET_2, b"\x01\x01m\x00\x00\x00\x00\x00\x00\xF8\x3F"), Ok(zset));
    let infinite = RdbValue::Zset(RdbZset::Pairs(vec![(raw("a"), f64::INFINITY), (raw("b"), f64::NEG_INFINITY)]));
    assert_eq!(decoded(kind::ZSET, b"\x02\x01a\xFE\x01b\xFF"), Ok(infinite));
}

#[test]
fn long_plain_lists_become_nodes_of_a_sensible_size() {
    let elements: Vec<String> = (0..5000).map(|i| format!("element {i}")).chain(["x".repeat(50_000), "last".into()]).collect();
    let texts: Vec<&str> = elements.iter().map(String::as_str).collect();
    let Ok(RdbValue::List(nodes)) = decoded(kind::LIST, &strings(5002, &texts)) else { panic!() };
    let mut all = Vec::new();
    for node in &nodes {
        let ListNode::Packed(pack) = node else { panic!() };
        assert!(pack.byte_len() < 9000 || pack.len() == 1);
        all.extend(pack.iter().map(|(_, element)| element.to_vec()));
    }
    assert!(all.iter().map(Vec::as_slice).eq(texts.iter().map(|text| text.as_bytes())));
    assert!(nodes.len() > 5);
}

#[test]
fn packed_encodings_of_old_servers_become_listpacks() {
    let list = blob(&ziplist::build(&[Element::Str(b"f"), Element::Int(7)]));
    let expected = pack(&["f", "7"]);
    assert_eq!(decoded(kind::HASH_ZIPLIST, &list), Ok(RdbValue::Hash(RdbHash::Packed(expected.clone()))));
    assert_eq!(decoded(kind::ZSET_ZIPLIST, &list), Ok(RdbValue::Zset(RdbZset::Packed(expected.clone()))));
    assert_eq!(decoded(kind::LIST_ZIPLIST, &list), Ok(RdbValue::List(vec![ListNode::Packed(expected.clone())])));
    let zipmap = blob(b"\x01\x01f\x01\x007\xFF");
    assert_eq!(decoded(kind::HASH_ZIPMAP, &zipmap), Ok(RdbValue::Hash(RdbHash::Packed(expected.clone()))));
    let mut quicklist = vec![2];
    quicklist.extend_from_slice(&list);
    quicklist.extend_from_slice(&blob(&ziplist::build(&[])));
    assert_eq!(decoded(kind::LIST_QUICKLIST, &quicklist), Ok(RdbValue::List(vec![ListNode::Packed(expected)])));
}

#[test]
fn listpack_encodings_are_taken_over_as_they_are() {
    let elements = pack(&["a", "1", "b", "2.5"]);
    let body = blob(elements.as_bytes());
    assert_eq!(decoded(kind::HASH_LISTPACK, &body), Ok(RdbValue::Hash(RdbHash::Packed(elements.clone()))));
    assert_eq!(decoded(kind::ZSET_LISTPACK, &body), Ok(RdbValue::Zset(RdbZset::Packed(elements.clone()))));
    assert_eq!(decoded(kind::SET_LISTPACK, &body), Ok(RdbValue::Set(RdbSet::Packed(elements.clone()))));
    let mut list = vec![3, 2];
    list.extend_from_slice(&body);
    list.extend_from_slice(b"\x01\x03big\x02");
    list.extend_from_slice(&body);
    let nodes = vec![ListNode::Packed(elements.clone()), ListNode::Plain(raw("big")), ListNode::Packed(elements)];
    assert_eq!(decoded(kind::LIST_QUICKLIST_2, &list), Ok(RdbValue::List(nodes)));
}

#[test]
fn a_packed_sorted_set_out_of_order_is_handed_out_as_pairs() {
    for (elements, packed) in [
        (&["a", "1", "b", "1"], true),
        (&["b", "1", "a", "1"], false),
        (&["a", "2", "b", "1"], false),
        (&["a", "-inf", "b", "-1e300"], true),
    ] {
        let value = decoded(kind::ZSET_LISTPACK, &blob(pack(elements).as_bytes())).unwrap();
        assert_eq!(matches!(value, RdbValue::Zset(RdbZset::Packed(_))), packed, "{elements:?}");
    }
}

#[test]
fn hashes_with_field_deadlines_are_read_in_all_three_forms() {
    let fields = |first: Text<'static>, second: Text<'static>| {
        Ok(RdbValue::HashWithTtl(vec![
            TtlField { field: first, value: raw("v"), expire: None },
            TtlField { field: second, value: raw("w"), expire: Some(UnixMs(1005)) },
        ]))
    };
    let earliest = 1000u64.to_le_bytes();
    let metadata = [&earliest[..], b"\x02\x00\x01f\x01v\x06\x01g\x01w"].concat();
    assert_eq!(decoded(kind::HASH_METADATA, &metadata), fields(raw("f"), raw("g")));
    let listpack = [&earliest[..], &blob(pack(&["f", "v", "0", "g", "w", "1005"]).as_bytes())].concat();
    assert_eq!(decoded(kind::HASH_LISTPACK_EX, &listpack), fields(raw("f"), raw("g")));

    let valkey = [b"\x02\x01f\x01v".as_slice(), &[0xFF; 8], b"\x01g\x01w", &1005u64.to_le_bytes()].concat();
    let value = decode_value(kind::HASH_2_VALKEY, &valkey, Dialect::Valkey).map(owned).map_err(|error| error.fault);
    assert_eq!(value, fields(raw("f"), raw("g")));
    assert_eq!(read(&file_of(80, kind::HASH_2_VALKEY, &valkey)).unwrap().keys, 1);
    assert!(matches!(decoded(kind::HASH_2_VALKEY, &valkey), Err(Fault::Unsupported(_))));
}

#[test]
fn streams_are_kept_as_they_stand() {
    let mut decoder = Decoder::default();
    decoder.feed(STREAMS);
    let mut seen = 0;
    while let Some(item) = decoder.next_item().unwrap() {
        if let Item::Key(Entry { value: RdbValue::Stream(stream), .. }) = item {
            assert_eq!(stream.kind, kind::STREAM_2);
            let again = decode_value(stream.kind, stream.raw, Dialect::Redis);
            assert_eq!(again, Ok(RdbValue::Stream(stream)));
            for cut in 0..stream.raw.len() {
                assert_eq!(decode_value(stream.kind, &stream.raw[..cut], Dialect::Redis).unwrap_err().fault, Fault::Truncated);
            }
            seen += 1;
        }
    }
    assert_eq!(seen, 2);
}
