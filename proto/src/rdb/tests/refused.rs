//! What must be refused or passed over, and how it is said.

use super::*;

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
