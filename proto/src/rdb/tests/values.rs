//! Every encoding of every type.

use super::*;
use crate::stream::{StreamId, new_node};

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
fn streams_come_with_their_groups_and_nothing_less_than_all_of_them() {
    let mut decoder = Decoder::default();
    decoder.feed(STREAMS);
    let (mut entries, mut pending) = (0, 0);
    while let Some(item) = decoder.next_item().unwrap() {
        if let Item::Key(Entry { value: RdbValue::Stream(stream), .. }) = item {
            entries += stream.nodes.iter().map(|node| node.live).sum::<usize>();
            for group in &stream.groups {
                assert!(group.pending.iter().all(|entry| entry.owner < group.consumers.len() && entry.id <= stream.last_id));
                pending += group.pending.len();
            }
        }
    }
    assert!(entries > 0 && pending > 0, "{entries} {pending}");
}

#[test]
fn a_stream_whose_parts_contradict_each_other_is_refused() {
    let node = |ms: u64| {
        let mut bytes = blob(&StreamId::new(ms, 0).to_bytes());
        bytes.extend(blob(new_node([b"f".as_slice(), b"v"].into_iter()).as_bytes()));
        bytes
    };
    let id = |ms: u64| StreamId::new(ms, 0).to_bytes().to_vec();
    let pending = |ms: u64| [id(ms), vec![1, 0, 0, 0, 0, 0, 0, 0, 1]].concat();
    let consumer = |name: &[u8], ids: &[u64]| {
        let ids_bytes: Vec<u8> = ids.iter().flat_map(|ms| id(*ms)).collect();
        [&[name.len() as u8], name, &[0; 8], &[ids.len() as u8], &ids_bytes].concat()
    };
    let group = |ids: &[u64], consumers: &[Vec<u8>]| {
        let pending: Vec<u8> = ids.iter().flat_map(|ms| pending(*ms)).collect();
        [&[1, b'g', 2, 0, 0, ids.len() as u8][..], &pending, &[consumers.len() as u8], &consumers.concat()].concat()
    };
    let stream = |nodes: &[u64], groups: &[Vec<u8>]| {
        let nodes_bytes: Vec<u8> = nodes.iter().flat_map(|ms| node(*ms)).collect();
        let meta = [nodes.len() as u8, 9, 0, 1, 0, 0, 0, 2, groups.len() as u8];
        let body = [&[nodes.len() as u8][..], &nodes_bytes, &meta, &groups.concat()].concat();
        decode_value(kind::STREAM_2, &body, Dialect::Redis).map(|_| ()).map_err(|error| error.fault)
    };
    let sound = [group(&[1, 2], &[consumer(b"a", &[2]), consumer(b"b", &[1])])];
    assert_eq!(stream(&[1, 2], &sound), Ok(()));
    assert_eq!(stream(&[], &[]), Ok(()));
    for (nodes, groups) in [
        (&[2, 1][..], &[][..]),
        (&[1, 1], &[]),
        (&[1], &[group(&[2, 1], &[consumer(b"a", &[1, 2])])]),
        (&[1], &[group(&[1], &[])]),
        (&[1], &[group(&[1], &[consumer(b"a", &[2])])]),
        (&[1], &[group(&[1], &[consumer(b"a", &[1, 1])])]),
        (&[1], &[group(&[1], &[consumer(b"a", &[1]), consumer(b"b", &[1])])]),
        (&[1], &[group(&[], &[consumer(b"a", &[]), consumer(b"a", &[])])]),
        (&[1], &[group(&[], &[]), group(&[], &[])]),
    ] {
        assert!(stream(nodes, groups).is_err(), "{nodes:?} {groups:?}");
    }
}
