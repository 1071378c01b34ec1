//! Every form of every type through the file format and back, in every version that is written.

use super::*;
use crate::shard::value::End;
use koltso_proto::rdb::Dialect;
use koltso_proto::rdb::decode_value;

/// One value of each form, small and large.
fn values() -> Vec<(&'static str, Value)> {
    let limits = Thresholds::default();
    let text = |n: usize| if n.is_multiple_of(2) { n.to_string().into_bytes() } else { format!("text {n}").into_bytes() };
    let list = |len| {
        let mut list = List::new();
        (0..len).for_each(|n| list.push(End::Tail, &text(n), &limits));
        Value::List(list)
    };
    let set = |len, spread: usize| {
        let mut set = Set::for_members(&text(spread), len, &limits);
        (0..len).for_each(|n| assert!(set.add(&text(n * 2 + spread * n % 2), &limits)));
        Value::Set(set)
    };
    let hash = |len| {
        let mut hash = Hash::new();
        (0..len).for_each(|n| assert!(hash.set(&text(n), &text(n + 1), &limits)));
        Value::Hash(hash)
    };
    let zset = |len| {
        let mut zset = Zset::default();
        (0..len).for_each(|n| {
            let score = if n == 1 { f64::INFINITY } else { (n % 7) as f64 / 3.0 };
            assert!(zset.set(&text(n), score, &limits).is_none());
        });
        Value::Zset(zset)
    };
    let long = |n: usize| vec![b'a' + (n % 26) as u8; if n % 100 == 7 { 100_000 } else { 1000 + n }];
    let mut long_list = List::new();
    (0..300).for_each(|n| long_list.push(End::Tail, &long(n), &limits));
    let mut long_hash = Hash::new();
    (0..300).for_each(|n| assert!(long_hash.set(&text(n), &long(n), &limits)));
    let mut long_zset = Zset::default();
    (0..300).for_each(|n| assert!(long_zset.set(&[&text(n), &long(n)[..]].concat(), 0.5, &limits).is_none()));
    vec![
        ("quicklist", Value::List(long_list)),
        ("hashtable", Value::Hash(long_hash)),
        ("skiplist", Value::Zset(long_zset)),
        ("string", Value::string(b"some text")),
        ("string", Value::string(b"-12345")),
        ("listpack", list(5)),
        ("quicklist", list(20_000)),
        ("intset", set(100, 0)),
        ("listpack", set(100, 1)),
        ("hashtable", set(50_000, 1)),
        ("listpack", hash(100)),
        ("hashtable", hash(50_000)),
        ("listpack", zset(100)),
        ("skiplist", zset(20_000)),
    ]
}

fn encoding(value: &Value) -> &'static str {
    match value {
        Value::List(list) => list.encoding(),
        Value::Set(set) => set.encoding(),
        Value::Hash(hash) => hash.encoding(),
        Value::Zset(zset) => zset.encoding(),
        Value::Str(_) => "string",
        Value::Stream(_) => "stream",
    }
}

/// Equal content, whatever the form or the order in a table.
fn content(value: &Value) -> Vec<String> {
    let mut content: Vec<String> = match value {
        Value::Str(text) => vec![format!("{text:?}")],
        Value::List(list) => list.iter().map(|element| format!("{:?}", element.to_vec())).collect(),
        Value::Set(set) => set.iter().map(|element| format!("{:?}", element.to_vec())).collect(),
        Value::Hash(hash) => hash.iter().map(|(field, value)| format!("{:?} {:?}", field.to_vec(), value.to_vec())).collect(),
        Value::Zset(zset) => zset.iter().map(|(member, score)| format!("{:?} {score}", member.to_vec())).collect(),
        Value::Stream(stream) => vec![format!("{stream:?}")],
    };
    if matches!(value, Value::Set(_) | Value::Hash(_)) {
        content.sort_unstable();
    }
    content
}

#[test]
fn every_form_comes_back_as_it_was() {
    let limits = Thresholds::default();
    for (form, value) in values() {
        assert_eq!(encoding(&value), form);
        for version in [9, 10, 11, 12, 80] {
            let kind = kind_of(value.view(), version);
            assert!(version_has(version, kind), "{form}: type {kind} in version {version}");
            for lzf in [None, Some(&mut Lzf::new())] {
                let mut body = Vec::new();
                put_body(&mut body, value.view(), version, lzf);
                let decoded = decode_value(kind, &body, Dialect::Redis).unwrap();
                let back = from_rdb(decoded, &limits);
                assert_eq!(encoding(&back), form, "version {version}");
                assert!(content(&back) == content(&value), "{form} in version {version}");
            }
        }
    }
}

#[test]
fn writing_in_pieces_writes_the_same() {
    for (form, value) in values() {
        for version in [9, 10] {
            let mut whole = Vec::new();
            put_body(&mut whole, value.view(), version, None);
            let mut pieces = Vec::new();
            let mut writer = BodyWriter::new(version);
            let (mut calls, mut before) = (1, 0);
            let mut longest = 0;
            while !writer.put_some(&mut pieces, value.view(), &mut 10_000, None) {
                calls += 1;
                longest = longest.max(pieces.len() - before);
                before = pieces.len();
            }
            assert!(whole == pieces, "{form} in version {version}");
            // What is written for old readers is not cut up within a node of a list.
            assert!(longest < 50_000 || version < 10, "{form}: {longest} bytes at once");
            assert!(calls > 9 || matches!(form, "string" | "listpack" | "intset"), "{form}: {calls} calls");
        }
    }
}

#[test]
fn foreign_forms_become_those_of_our_limits() {
    let small = Thresholds {
        hash_packed_entries: 3,
        zset_packed_entries: 3,
        set_packed_entries: 3,
        set_intset_entries: 3,
        list_node_size: 3,
        ..Thresholds::default()
    };
    for (form, value) in values() {
        let mut body = Vec::new();
        put_body(&mut body, value.view(), 11, None);
        let back = from_rdb(decode_value(kind_of(value.view(), 11), &body, Dialect::Redis).unwrap(), &small);
        assert!(content(&back) == content(&value), "{form}");
        assert!(!matches!(encoding(&back), "listpack" | "intset"), "{form} is still {}", encoding(&back));
        if let Value::List(list) = back {
            assert!(list.packs(0).all(|pack| pack.len() <= 3));
        }
    }
}

#[test]
fn deadlines_of_fields_are_kept_by_the_versions_that_know_them() {
    let limits = Thresholds::default();
    for fields in [3u64, 2000] {
        let mut hash = Hash::new();
        for nth in 0..fields {
            let name = format!("field {nth}").into_bytes();
            hash.set(&name, b"v", &limits);
            if nth % 3 != 0 {
                hash.set_deadline(&name, 5_000_000_000_000 + nth * 7, &limits);
            }
        }
        let value = Value::Hash(hash);
        for (version, dialect, kept) in [(12, Dialect::Redis, true), (80, Dialect::Valkey, true), (10, Dialect::Redis, false)] {
            let (mut whole, mut pieces) = (Vec::new(), Vec::new());
            put_body(&mut whole, value.view(), version, None);
            let mut writer = BodyWriter::new(version);
            while !writer.put_some(&mut pieces, value.view(), &mut 3000, None) {}
            assert!(whole == pieces, "version {version}");
            let read = decode_value(kind_of(value.view(), version), &whole, dialect).unwrap();
            let Value::Hash(again) = from_rdb(read, &limits) else { panic!("a hash") };
            assert_eq!(again.len() as u64, fields);
            for nth in 0..fields {
                let expected = (kept && nth % 3 != 0).then_some(5_000_000_000_000 + nth * 7);
                assert_eq!(again.deadline(format!("field {nth}").as_bytes()), expected, "version {version}");
            }
        }
    }
}
