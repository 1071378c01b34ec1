//! The reader against files of a real Redis 7.0.15, against the writer, and against damage.
//!
//! The files are in `fixtures/`. The digests are what `DEBUG DIGEST` printed on the server that wrote the file.

use super::consts::{kind, opcode};
use super::writer::*;
use super::*;
use crate::id::{DbIndex, UnixMs};
use crate::intset::Intset;
use crate::listpack::{Element, Listpack};
use crate::ziplist;
use survey::{Survey, survey};

macro_rules! fixture {
    ($name:literal) => {
        include_bytes!(concat!("../../fixtures/redis-7.0-", $name, ".rdb")).as_slice()
    };
}

const PACKED: &[u8] = fixture!("packed");
const PLAIN: &[u8] = fixture!("plain");
const LFU: &[u8] = fixture!("lfu-no-checksum");
const LRU: &[u8] = fixture!("lru");
const STREAMS: &[u8] = fixture!("streams");
const EMPTY: &[u8] = fixture!("empty");
const FIXTURES: [&[u8]; 6] = [PACKED, PLAIN, LFU, LRU, STREAMS, EMPTY];

fn read(file: &[u8]) -> Result<Survey, RdbError> {
    survey(file, usize::MAX, Limits::default())
}

/// Every item of a file as text, and what its end was.
fn items(file: &[u8], piece: usize) -> Vec<String> {
    let mut decoder = Decoder::default();
    let mut items = Vec::new();
    for bytes in file.chunks(piece) {
        decoder.feed(bytes);
        loop {
            match decoder.next_item() {
                Ok(Some(item)) => items.push(format!("{item:?}")),
                Ok(None) => break,
                Err(error) => {
                    items.push(error.to_string());
                    return items;
                }
            }
        }
    }
    items
}

/// The value of `key` in database 0 of a file.
fn value_of(file: &[u8], key: &str, check: impl FnOnce(Entry<'_>)) {
    let mut decoder = Decoder::default();
    decoder.feed(file);
    while let Some(item) = decoder.next_item().unwrap() {
        if let Item::Key(entry) = item
            && entry.key.to_vec() == key.as_bytes()
        {
            return check(entry);
        }
    }
    panic!("no {key}");
}

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

#[test]
fn a_file_cut_anywhere_is_incomplete_and_never_an_error() {
    for file in FIXTURES {
        for cut in 0..file.len() {
            let survey = read(&file[..cut]).unwrap_or_else(|error| panic!("cut at {cut}: {error}"));
            assert_eq!(survey.checksum, None, "cut at {cut}");
        }
    }
}

#[test]
fn missing_never_asks_for_more_than_completes_the_next_step() {
    // Bringing exactly what is asked for must reach the end of the file and not go beyond.
    for file in FIXTURES {
        let mut decoder = Decoder::default();
        let mut at = 0;
        while !decoder.is_done() {
            while decoder.next_item().unwrap().is_some() {}
            let missing = decoder.missing();
            assert!(missing > 0 || decoder.is_done());
            decoder.feed(&file[at..at + missing]);
            at += missing;
        }
        assert_eq!(at, file.len());
    }
}

/// A small generator, so that failures repeat.
struct Lcg(u64);

impl Lcg {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }
}

#[test]
fn damaged_files_are_refused_or_read_but_never_harm() {
    let mut random = Lcg(42);
    let unchecked = Limits { verify_checksum: false, ..Limits::default() };
    let (mut refused, mut read) = (0, 0);
    for round in 0..6000 {
        let mut file = FIXTURES[round % FIXTURES.len()].to_vec();
        for _ in 0..=random.below(3) {
            let at = random.below(file.len());
            match random.below(4) {
                0 => file[at] ^= 1 << random.below(8),
                1 => file[at] = [0, 0x3F, 0x7F, 0x80, 0x81, 0xC3, 0xFE, 0xFF][random.below(8)],
                2 => drop(file.splice(at..at, [random.below(256) as u8])),
                _ => drop(file.remove(at)),
            }
        }
        let piece = 1 + random.below(300);
        match survey(&file, piece, unchecked) {
            Ok(_) => read += 1,
            Err(error) => {
                refused += 1;
                assert!(error.at <= file.len() as u64, "{error}");
            }
        }
    }
    assert!(refused > 1000 && read > 1000, "{refused} {read}");
}

#[test]
fn any_changed_byte_breaks_the_checksum_or_the_format() {
    for at in 0..PACKED.len() {
        let mut file = PACKED.to_vec();
        file[at] ^= 0x10;
        // A longer length may swallow the end mark; then the file is merely incomplete.
        assert!(
            read(&file).map_or(true, |survey| survey.checksum.is_none() || survey.checksum == Some(Checksum::Absent)),
            "{at}"
        );
    }
}

/// A file of version 10 with one key.
fn file_with(kind: u8, body: &[u8]) -> Vec<u8> {
    file_of(10, kind, body)
}

fn file_of(version: u32, kind: u8, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put_magic(&mut out, version);
    put_key_header(&mut out, kind, None, b"key", None);
    out.extend_from_slice(body);
    put_eof(&mut out);
    let crc = crc64(&out);
    put_checksum(&mut out, crc);
    out
}

/// What a value decodes to, or why not; the same through a file and through a payload.
fn decoded(kind: u8, body: &[u8]) -> Result<RdbValue<'static>, Fault> {
    let file = file_with(kind, body);
    let from_payload = decode_value(kind, body, Dialect::Redis);
    let mut decoder = Decoder::default();
    decoder.feed(&file);
    match decoder.next_item() {
        Ok(Some(Item::Key(entry))) => assert_eq!(Ok(&entry.value), from_payload.as_ref()),
        Ok(Some(Item::End(_))) => assert_eq!(from_payload.as_ref().unwrap_err().fault, Fault::Empty),
        // A file waits for bytes that a payload lacks.
        Ok(other) => assert!(other.is_none() && from_payload.as_ref().unwrap_err().fault == Fault::Truncated, "{other:?}"),
        Err(error) => assert_eq!(error.fault, from_payload.clone().unwrap_err().fault),
    }
    from_payload.map(owned).map_err(|error| error.fault)
}

fn owned(value: RdbValue<'_>) -> RdbValue<'static> {
    match value {
        RdbValue::Str(text) => RdbValue::Str(text.into_owned()),
        RdbValue::List(nodes) => RdbValue::List(
            nodes
                .into_iter()
                .map(|node| match node {
                    ListNode::Packed(pack) => ListNode::Packed(pack),
                    ListNode::Plain(text) => ListNode::Plain(text.into_owned()),
                })
                .collect(),
        ),
        RdbValue::Set(RdbSet::Ints(set)) => RdbValue::Set(RdbSet::Ints(set)),
        RdbValue::Set(RdbSet::Packed(pack)) => RdbValue::Set(RdbSet::Packed(pack)),
        RdbValue::Set(RdbSet::Members(members)) => {
            RdbValue::Set(RdbSet::Members(members.into_iter().map(Text::into_owned).collect()))
        }
        RdbValue::Hash(RdbHash::Packed(pack)) => RdbValue::Hash(RdbHash::Packed(pack)),
        RdbValue::Hash(RdbHash::Pairs(pairs)) => {
            RdbValue::Hash(RdbHash::Pairs(pairs.into_iter().map(|(f, v)| (f.into_owned(), v.into_owned())).collect()))
        }
        RdbValue::Zset(RdbZset::Packed(pack)) => RdbValue::Zset(RdbZset::Packed(pack)),
        RdbValue::Zset(RdbZset::Pairs(pairs)) => {
            RdbValue::Zset(RdbZset::Pairs(pairs.into_iter().map(|(m, s)| (m.into_owned(), s)).collect()))
        }
        RdbValue::HashWithTtl(fields) => RdbValue::HashWithTtl(
            fields
                .into_iter()
                .map(|f| TtlField { field: f.field.into_owned(), value: f.value.into_owned(), expire: f.expire })
                .collect(),
        ),
        RdbValue::Stream(_) => panic!("no stream here"),
    }
}

fn blob(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put_blob(&mut out, bytes, None);
    out
}

fn strings(count: u64, texts: &[&str]) -> Vec<u8> {
    let mut out = Vec::new();
    put_len(&mut out, count);
    for text in texts {
        put_string(&mut out, text.as_bytes(), None);
    }
    out
}

fn text(text: &str) -> Text<'static> {
    crate::number::parse_i64(text.as_bytes()).map_or_else(|| Text::Inflated(text.as_bytes().into()), Text::Int)
}

fn pack(elements: &[&str]) -> Listpack {
    Listpack::from_iter(elements.iter().map(|element| element.as_bytes()))
}

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

fn raw(text: &str) -> Text<'static> {
    Text::Inflated(text.as_bytes().into())
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

#[test]
fn duplicates_are_refused_in_every_encoding() {
    let twice = ["a", "1", "a", "2"];
    for kind in [kind::HASH_LISTPACK, kind::ZSET_LISTPACK, kind::SET_LISTPACK] {
        assert_eq!(decoded(kind, &blob(pack(&twice).as_bytes())), Err(Fault::Duplicate), "{kind}");
    }
    let list = ziplist::build(&[Element::Str(b"a"), Element::Int(1), Element::Str(b"a"), Element::Int(2)]);
    assert_eq!(decoded(kind::HASH_ZIPLIST, &blob(&list)), Err(Fault::Duplicate));
    assert_eq!(decoded(kind::ZSET_ZIPLIST, &blob(&list)), Err(Fault::Duplicate));
    assert_eq!(decoded(kind::HASH_ZIPMAP, &blob(b"\x02\x01f\x01\x007\x01f\x01\x008\xFF")), Err(Fault::Duplicate));
    assert_eq!(decoded(kind::SET, &strings(2, &["a", "a"])), Err(Fault::Duplicate));
    // The same text as an integer and as a string.
    assert_eq!(decoded(kind::SET, b"\x02\x017\xC0\x07"), Err(Fault::Duplicate));
    assert_eq!(decoded(kind::HASH, &strings(2, &twice)), Err(Fault::Duplicate));
    assert_eq!(decoded(kind::ZSET, b"\x02\x01a\x011\x01a\x012"), Err(Fault::Duplicate));
    assert!(decoded(kind::SET_INTSET, &blob(&[2, 0, 0, 0, 2, 0, 0, 0, 1, 0, 1, 0])).is_err());
}

#[test]
fn equal_tiny_members_are_refused_long_before_their_end() {
    // Were the vector built first, this would take many times the size of what was sent.
    let mut body = Vec::new();
    put_len(&mut body, 3_000_000);
    body.resize(body.len() + 3_000_000, 0);
    let error = decode_value(kind::SET, &body, Dialect::Redis).unwrap_err();
    assert_eq!(error.fault, Fault::Duplicate);
    assert!(error.at < 100_000);
}

#[test]
fn scores_that_are_no_numbers_are_refused() {
    assert!(matches!(decoded(kind::ZSET, b"\x01\x01m\xFD"), Err(Fault::Corrupt(_))));
    assert!(matches!(decoded(kind::ZSET, b"\x01\x01m\x03nan"), Err(Fault::Corrupt(_))));
    assert!(matches!(decoded(kind::ZSET_2, &[&[1, 1, b'm'], &f64::NAN.to_le_bytes()[..]].concat()), Err(Fault::Corrupt(_))));
    for score in ["nan", "-nan", "x", ""] {
        assert!(
            matches!(decoded(kind::ZSET_LISTPACK, &blob(pack(&["m", score]).as_bytes())), Err(Fault::Corrupt(_))),
            "{score}"
        );
    }
}

#[test]
fn packed_pairs_must_come_out_even() {
    for kind in [kind::HASH_LISTPACK, kind::ZSET_LISTPACK] {
        assert!(matches!(decoded(kind, &blob(pack(&["a", "1", "b"]).as_bytes())), Err(Fault::Corrupt(_))));
    }
    let ex = [&[0; 8][..], &blob(pack(&["a", "1", "0", "b"]).as_bytes())].concat();
    assert!(matches!(decoded(kind::HASH_LISTPACK_EX, &ex), Err(Fault::Corrupt(_))));
}

#[test]
fn collections_without_elements_are_passed_over_in_files_and_refused_in_payloads() {
    let listpack = blob(Listpack::new().as_bytes());
    let empty_ziplist = blob(&ziplist::build(&[]));
    let bodies: Vec<(u8, Vec<u8>)> = [kind::LIST, kind::SET, kind::ZSET, kind::HASH, kind::ZSET_2, kind::LIST_QUICKLIST]
        .map(|kind| (kind, vec![0]))
        .into_iter()
        .chain([kind::HASH_LISTPACK, kind::ZSET_LISTPACK, kind::SET_LISTPACK].map(|kind| (kind, listpack.clone())))
        .chain([kind::HASH_ZIPLIST, kind::ZSET_ZIPLIST, kind::LIST_ZIPLIST].map(|kind| (kind, empty_ziplist.clone())))
        .chain([
            (kind::SET_INTSET, blob(Intset::new().as_bytes())),
            (kind::HASH_ZIPMAP, blob(&[0, 0xFF])),
            (kind::LIST_QUICKLIST, [&[2], &empty_ziplist[..], &empty_ziplist].concat()),
            (kind::LIST_QUICKLIST_2, [&[2, 2], &listpack[..], &[2], &listpack].concat()),
            (kind::HASH_METADATA, vec![0; 9]),
            (kind::HASH_LISTPACK_EX, [&[0; 8], &listpack[..]].concat()),
        ])
        .collect();
    for (kind, body) in bodies {
        assert_eq!(decode_value(kind, &body, Dialect::Redis).unwrap_err().fault, Fault::Empty, "{kind}");
        let survey = read(&file_with(kind, &body)).unwrap();
        assert_eq!((survey.keys, survey.empty_keys, survey.checksum), (0, 1, Some(Checksum::Good)), "{kind}");
    }
    // An empty string is a value.
    assert_eq!(decoded(kind::STRING, &[0]), Ok(RdbValue::Str(raw(""))));
}

#[test]
fn a_deadline_does_not_leak_from_an_empty_key_to_the_next() {
    let mut file = Vec::new();
    put_magic(&mut file, 10);
    put_key_header(&mut file, kind::SET, Some(UnixMs(5)), b"empty", None);
    put_len(&mut file, 0);
    put_key_header(&mut file, kind::STRING, None, b"key", None);
    put_string(&mut file, b"value", None);
    value_of(&file, "key", |entry| assert_eq!(entry.expire, None));
}

#[test]
fn sizes_beyond_the_limit_are_refused_before_the_bytes_come() {
    let mut huge = Vec::new();
    put_magic(&mut huge, 10);
    put_key_header(&mut huge, kind::STRING, None, b"key", None);
    put_len(&mut huge, STRING_BYTES_MAX + 1);
    assert!(matches!(read(&huge).unwrap_err().fault, Fault::StringTooLong { .. }));
    // Compressed: a few bytes that claim to become very many.
    assert_eq!(decoded(kind::STRING, b"\xC3\x02\x80\x10\x00\x00\x00\x00\x61"), Err(Fault::Corrupt("bad LZF data")));
    // A collection that claims more elements than there are bytes.
    for (kind, body) in [(kind::SET, [0x81; 9].as_slice()), (kind::HASH, &[0x80, 0xFF, 0xFF, 0xFF, 0xFF, 1, b'a'])] {
        assert_eq!(decode_value(kind, body, Dialect::Redis).unwrap_err().fault, Fault::Truncated);
    }
}

#[test]
fn what_cannot_be_taken_over_is_named() {
    // "ReJSON-RL" version 3, as a module's id.
    let id = b"ReJSON-RL".iter().fold(0u64, |id, c| {
        let characters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        id << 6 | characters.iter().position(|other| other == c).unwrap() as u64
    }) << 10
        | 3;
    let mut module = Vec::new();
    put_len(&mut module, id);
    assert_eq!(decoded(kind::MODULE_2, &module), Err(Fault::Module("ReJSON-RL".into())));
    let error = read(&file_with(kind::MODULE_2, &module)).unwrap_err();
    assert!(error.to_string().contains("ReJSON-RL"), "{error}");

    // Outside of keys a module's data can be passed over: an integer, a double, a string, the end.
    let mut aux = b"REDIS0010\xF7".to_vec();
    put_len(&mut aux, id);
    aux.extend_from_slice(b"\x02\x01\x02\x05\x04\0\0\0\0\0\0\0\0\x05\x03abc\x00\xFF\0\0\0\0\0\0\0\0");
    assert_eq!(items(&aux, 1), [r#"ModuleAux { module: "ReJSON-RL" }"#, "End(Absent)"]);

    for (byte, text) in
        [(8, "unknown value type or opcode 8"), (23, "pre-releases"), (243, "slot imports"), (246, "pre-releases")]
    {
        let error = read(&[b"REDIS0010".as_slice(), &[byte]].concat()).unwrap_err();
        assert!(error.to_string().contains(text), "{error}");
        assert_eq!(error.at, 9);
    }
}

#[test]
fn old_files_have_no_checksum_and_deadlines_in_seconds() {
    let file = b"REDIS0004\xFE\x00\xFD\x10\x00\x00\x00\x00\x01k\x01v\xFF";
    value_of(file, "k", |entry| assert_eq!(entry.expire, Some(UnixMs(16_000))));
    assert_eq!(read(file).unwrap().checksum, Some(Checksum::Absent));
}

#[test]
fn a_prefix_without_a_key_is_refused() {
    assert!(matches!(read(b"REDIS0010\xF9\x05\xFF\0\0\0\0\0\0\0\0").unwrap_err().fault, Fault::Corrupt(_)));
}

#[test]
fn an_error_is_repeated() {
    let mut decoder = Decoder::default();
    decoder.feed(b"HTTP/1.1 ");
    let error = decoder.next_item().unwrap_err();
    assert_eq!(error.fault, Fault::Magic);
    decoder.feed(EMPTY);
    assert_eq!(decoder.next_item(), Err(error));
}

/// Writes one key of every kind that we write, in a file of `version`.
fn written(version: u32, mut lzf: Option<&mut Lzf>) -> Vec<u8> {
    let mut out = Vec::new();
    put_magic(&mut out, version);
    put_aux(&mut out, "redis-ver", b"7.0.15");
    put_aux_int(&mut out, "redis-bits", 64);
    put_select_db(&mut out, DbIndex(0));
    put_resize_db(&mut out, 9, 1);
    let long = "word ".repeat(100);
    let pairs = pack(&["a", "1", "b", "2"]);
    put_key_header(&mut out, kind::STRING, Some(UnixMs(4_102_444_800_000)), b"string", None);
    put_string(&mut out, long.as_bytes(), lzf.as_deref_mut());
    put_key_header(&mut out, kind::LIST, None, b"list", None);
    put_len(&mut out, 4);
    put_elements(&mut out, pairs.view(), None);
    put_key_header(&mut out, kind::SET_INTSET, None, b"ints", None);
    put_blob(&mut out, Intset::from_iter([1, 70_000]).as_bytes(), None);
    put_key_header(&mut out, kind::SET, None, b"set", None);
    put_len(&mut out, 2);
    put_string(&mut out, b"x", None);
    put_string(&mut out, long.as_bytes(), lzf.as_deref_mut());
    put_key_header(&mut out, kind::HASH, None, b"hash", None);
    put_len(&mut out, 2);
    put_elements(&mut out, pairs.view(), None);
    put_key_header(&mut out, kind::ZSET_2, None, b"zset", None);
    put_len(&mut out, 2);
    for (member, score) in [("m", 1.5), ("low", f64::NEG_INFINITY)] {
        put_string(&mut out, member.as_bytes(), None);
        put_double(&mut out, score);
    }
    if consts::version_has(version, kind::HASH_LISTPACK) {
        put_function(&mut out, b"#!lua name=l\nredis.register_function('f', function() return 1 end)", lzf.as_deref_mut());
        for (kind, name) in [(kind::HASH_LISTPACK, "packed hash"), (kind::ZSET_LISTPACK, "packed zset")] {
            put_freq(&mut out, 7);
            put_key_header(&mut out, kind, None, name.as_bytes(), None);
            put_blob(&mut out, pairs.as_bytes(), lzf.as_deref_mut());
        }
        put_select_db(&mut out, DbIndex(3));
        put_idle(&mut out, 100);
        put_key_header(&mut out, kind::LIST_QUICKLIST_2, None, b"quicklist", None);
        put_len(&mut out, 2);
        put_packed_node(&mut out, pairs.view(), lzf.as_deref_mut());
        put_plain_node(&mut out, long.as_bytes(), lzf);
    }
    put_eof(&mut out);
    let crc = crc64(&out);
    put_checksum(&mut out, crc);
    out
}

#[test]
fn what_the_writer_writes_the_reader_reads() {
    let plain = read(&written(10, None)).unwrap();
    assert_eq!((plain.keys, plain.expires, plain.functions, plain.checksum), (9, 1, 1, Some(Checksum::Good)));
    let mut lzf = Lzf::new();
    let compressed = written(10, Some(&mut lzf));
    assert_eq!(read(&compressed).unwrap(), plain);
    assert!(compressed.len() < written(10, None).len() * 2 / 3);
    assert_eq!(read(&written(9, Some(&mut lzf))).unwrap().keys, 6);
    let mut valkey = plain.clone();
    valkey.version = 80;
    assert_eq!(read(&written(80, None)).unwrap(), valkey);
}

#[test]
fn payloads_come_back_and_damaged_ones_do_not() {
    let mut payload = vec![kind::STRING];
    put_string(&mut payload, b"10", None);
    finish_dump(&mut payload);
    // As printed by DUMP on a Redis 7.0.15 for the value "10".
    assert_eq!(payload, b"\x00\xc0\n\n\x00n\x9fWE\x0e\xaec\xbb");
    let dump = open_dump(&payload).unwrap();
    assert_eq!((dump.kind, dump.version), (kind::STRING, 10));
    assert_eq!(dump.decode(), Ok(RdbValue::Str(Text::Int(10))));
    for at in 0..payload.len() {
        let mut bad = payload.clone();
        bad[at] ^= 1;
        assert!(open_dump(&bad).is_err(), "{at}");
        assert!(open_dump(&payload[..at]).is_err(), "{at}");
    }
    let trailing = decode_value(kind::STRING, b"\x01ab", Dialect::Redis);
    assert_eq!(trailing, Err(RdbError { at: 2, fault: Fault::Trailing }));
    assert_eq!(decode_value(opcode::EOF, b"", Dialect::Redis).unwrap_err().fault, Fault::UnknownType(255));

    let mut newer = payload[..3].to_vec();
    dump::finish_dump_as(&mut newer, 13);
    assert_eq!(open_dump(&newer), Err(DumpError::Version(13)));
}

#[test]
fn entries_that_arrive_in_tiny_pieces_cost_no_more_than_their_size() {
    // Quadratic work would make this take minutes.
    let mut body = Vec::new();
    put_len(&mut body, 200_000);
    for i in 0..200_000 {
        put_string(&mut body, format!("member {i}").as_bytes(), None);
    }
    let file = file_with(kind::SET, &body);
    let begin = std::time::Instant::now();
    assert_eq!(survey(&file, 16, Limits::default()).unwrap().keys, 1);
    assert!(begin.elapsed().as_secs() < 20, "{:?}", begin.elapsed());
}
