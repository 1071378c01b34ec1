//! What the writer writes, and `DUMP` payloads.

use super::*;

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
