//! Whole files of a real server, in pieces of any size.

use super::*;

#[test]
fn files_of_a_real_server_have_its_digest() {
    let packed = read(PACKED).unwrap();
    assert_eq!(packed.digest.to_string(), "8eea0ea8cb5f9b1d913ff3757ea205ab4768946f");
    assert_eq!((packed.version, packed.keys, packed.expires, packed.checksum), (10, 22, 1, Some(Checksum::Good)));
    assert_eq!(read(PLAIN).unwrap().digest.to_string(), "8da9b7cca3ddac38767c3e42be42c493a70dbc12");
    let lfu = read(LFU).unwrap();
    assert_eq!(lfu.digest.to_string(), "8b041731557a8277ef5a1a8469f3c560e8f38da2");
    assert_eq!(lfu.checksum, Some(Checksum::Absent));
    assert_eq!(read(LRU).unwrap().digest.to_string(), "264ccf65edec66bccfa7cc659414ccca432057d2");
    let streams = read(STREAMS).unwrap();
    assert_eq!((streams.keys, streams.streams, streams.functions), (2, 2, 1));
    let empty = read(EMPTY).unwrap();
    assert_eq!((empty.keys, empty.digest, empty.behind), (0, crate::digest::Digest::new(), 0));
}

#[test]
fn a_file_of_old_encodings_has_the_digest_that_a_real_server_computes() {
    let old = read(OLD).unwrap();
    assert_eq!((old.version, old.keys), (8, 9));
    assert_eq!(old.digest.to_string(), "7e74c9437da35189ed3d66e5310e46c417e49e03");
}

#[test]
fn packed_values_stay_packed_and_plain_ones_are_elements() {
    let both = |key: &str, packed: fn(&RdbValue) -> bool, plain: fn(&RdbValue) -> bool| {
        value_of(PACKED, key, |entry| assert!(packed(&entry.value), "{entry:?}"));
        value_of(PLAIN, key, |entry| assert!(plain(&entry.value), "{entry:?}"));
    };
    both(
        "biggerhash",
        |value| matches!(value, RdbValue::Hash(RdbHash::Packed(pack)) if pack.len() == 80),
        |value| matches!(value, RdbValue::Hash(RdbHash::Pairs(pairs)) if pairs.len() == 40),
    );
    both(
        "zset",
        |value| matches!(value, RdbValue::Zset(RdbZset::Packed(pack)) if pack.len() == 18),
        |value| matches!(value, RdbValue::Zset(RdbZset::Pairs(pairs)) if pairs.len() == 9),
    );
    both(
        "ints16",
        |value| *value == RdbValue::Set(RdbSet::Ints(Intset::from_iter([-5, 1, 2, 3]))),
        |value| matches!(value, RdbValue::Set(RdbSet::Members(members)) if members.len() == 4),
    );
    both(
        "longlist",
        |value| matches!(value, RdbValue::List(nodes) if nodes.len() == 1),
        |value| matches!(value, RdbValue::List(nodes) if nodes.len() == 30),
    );
    value_of(PACKED, "int32", |entry| assert_eq!(entry.value, RdbValue::Str(Text::Int(-2_147_483_648))));
    value_of(PACKED, "nearint", |entry| assert_eq!(entry.value, RdbValue::Str(Text::Raw(b"007"))));
    value_of(PACKED, "long", |entry| assert!(matches!(entry.value, RdbValue::Str(Text::Inflated(_)))));
    value_of(PLAIN, "long", |entry| assert!(matches!(entry.value, RdbValue::Str(Text::Raw(_)))));
    value_of(PACKED, "ttl", |entry| assert_eq!(entry.expire, Some(UnixMs(4_102_444_800_123))));
    value_of(LFU, "k", |entry| assert_eq!((entry.freq, entry.idle_s), (Some(5), None)));
    value_of(LRU, "k", |entry| assert_eq!((entry.freq, entry.idle_s), (None, Some(0))));
    value_of(LFU, "plain", |entry| {
        let RdbValue::List(nodes) = entry.value else { panic!() };
        assert!(matches!(&nodes[..], [ListNode::Plain(_), ListNode::Packed(_), ListNode::Plain(_)]));
    });
}

#[test]
fn our_listpacks_are_byte_for_byte_those_of_the_server() {
    value_of(PACKED, "biggerhash", |entry| {
        let RdbValue::Hash(RdbHash::Packed(theirs)) = entry.value else { panic!() };
        let mut ours = Listpack::new();
        for i in 0..40 {
            ours.push_back(format!("field{i}").as_bytes());
            ours.push_back((i * i).to_string().as_bytes());
        }
        assert_eq!(ours.as_bytes(), theirs.as_bytes());
    });
    value_of(PACKED, "list", |entry| {
        let RdbValue::List(nodes) = entry.value else { panic!() };
        let [ListNode::Packed(theirs)] = &nodes[..] else { panic!() };
        let ours: Vec<Vec<u8>> = theirs.iter().map(|(_, element)| element.to_vec()).collect();
        assert_eq!(Listpack::from_iter(ours.iter().map(Vec::as_slice)).as_bytes(), theirs.as_bytes());
    });
}

#[test]
fn aux_fields_and_databases_are_reported_in_order() {
    let items = items(PACKED, usize::MAX);
    assert!(items[0].starts_with("Aux"), "{}", items[0]);
    let at = |text: &str| items.iter().position(|item| item.starts_with(text)).unwrap();
    assert_eq!(items[at("SelectDb")], "SelectDb(DbIndex(0))");
    assert_eq!(items[at("ResizeDb")], "ResizeDb { keys: 21, expires: 1 }");
    assert!(items.contains(&"SelectDb(DbIndex(9))".to_string()));
    assert_eq!(items.last().unwrap(), "End(Good)");
}

#[test]
fn pieces_of_any_size_give_the_same_items() {
    for file in FIXTURES {
        let whole = items(file, usize::MAX);
        for piece in [1, 2, 3, 7, 64, 1000] {
            assert_eq!(items(file, piece), whole, "pieces of {piece}");
        }
    }
}

#[test]
fn reading_straight_into_the_buffer_is_the_same_as_feeding() {
    let mut decoder = Decoder::default();
    let mut rest = PLAIN;
    let mut keys = 0;
    while !decoder.is_done() {
        let want = decoder.missing().clamp(1, 50);
        let room = decoder.spare(want);
        let len = room.len().min(rest.len()).min(17);
        room[..len].copy_from_slice(&rest[..len]);
        rest = &rest[len..];
        decoder.commit(len);
        while let Some(item) = decoder.next_item().unwrap() {
            keys += u64::from(matches!(item, Item::Key(_)));
        }
    }
    assert_eq!(keys, 22);
    assert_eq!(decoder.position(), PLAIN.len() as u64);
}

#[test]
fn what_follows_the_file_is_left_alone() {
    let mut decoder = Decoder::default();
    decoder.feed(EMPTY);
    decoder.feed(b"*1\r\n$4\r\nPING\r\n");
    while !decoder.is_done() {
        decoder.next_item().unwrap().unwrap();
    }
    assert_eq!(decoder.next_item(), Ok(None));
    assert_eq!(decoder.remaining(), b"*1\r\n$4\r\nPING\r\n");
    assert_eq!(decoder.missing(), 0);
}
