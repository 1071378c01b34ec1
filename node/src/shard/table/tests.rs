//! Tables against a model: random operations, with everything that can go on meanwhile.

use super::*;
use crate::shard::value::{Hash, Thresholds, Type, ValueMut, ValueRef};
use koltso_proto::listpack::Element;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use std::collections::{HashMap, HashSet};

const NOW: UnixMs = UnixMs(1_000_000_000_000);

/// What the model remembers of an entry: a string, or the number of fields of a hash; and the deadline.
#[derive(Clone, Debug, PartialEq)]
enum Content {
    Str(Vec<u8>),
    Hash(usize),
}

type Model = HashMap<Vec<u8>, (Content, Option<UnixMs>)>;

fn content(entry: EntryRef<'_>) -> Content {
    match entry.value() {
        ValueRef::Str(text) => Content::Str(text.to_vec()),
        ValueRef::Hash(hash) => Content::Hash(hash.len()),
        other => panic!("{:?}", other.kind()),
    }
}

fn assert_same(table: &Table, model: &Model) {
    assert_eq!(table.len(), model.len());
    assert_eq!(table.expires(), model.values().filter(|(_, expire)| expire.is_some()).count());
    let mut seen = HashSet::new();
    for entry in table {
        assert!(seen.insert(entry.key().to_vec()), "a key is there twice");
        let (expected, expire) = &model[entry.key()];
        assert_eq!(content(entry), *expected);
        assert_eq!(entry.expire(), *expire);
    }
    assert_eq!(seen.len(), model.len());
    for (key, (expected, _)) in model {
        assert_eq!(content(table.find(key).unwrap()), *expected);
    }
}

fn random_key(rng: &mut SmallRng, keys: u32) -> Vec<u8> {
    let n = rng.random_range(0..keys);
    match n % 97 {
        0 => format!("{n}:{}", "k".repeat(n as usize % 700)).into_bytes(),
        1 => n.to_be_bytes().to_vec(),
        _ => format!("key:{n}").into_bytes(),
    }
}

fn random_text(rng: &mut SmallRng) -> Vec<u8> {
    let len = match rng.random_range(0..20) {
        0..2 => rng.random_range(0..3000),
        2..5 => rng.random_range(0..300),
        _ => rng.random_range(0..40),
    };
    (0..len).map(|_| rng.random()).collect()
}

fn random_expire(rng: &mut SmallRng) -> Option<UnixMs> {
    rng.random_bool(0.3).then(|| UnixMs(NOW.0 + rng.random_range(0..100_000)))
}

fn hash_with(fields: usize) -> Value {
    let mut hash = Hash::new();
    for i in 0..fields {
        hash.set(i.to_string().as_bytes(), b"value", &Thresholds::default());
    }
    Value::Hash(hash)
}

/// One random change, to both.
fn change(rng: &mut SmallRng, keys: u32, table: &mut Table, model: &mut Model) {
    let key = random_key(rng, keys);
    let expire = random_expire(rng);
    match rng.random_range(0..100) {
        0..50 => {
            let text = random_text(rng);
            table.set_string(&key, &text, expire, NOW);
            model.insert(key, (Content::Str(text), expire));
        }
        50..55 => {
            let fields = rng.random_range(1..50);
            table.set_value(&key, hash_with(fields), expire, NOW);
            model.insert(key, (Content::Hash(fields), expire));
        }
        55..62 => assert_eq!(table.delete(&key), model.remove(&key).is_some()),
        62..65 => {
            let removed = table.remove(&key).map(|entry| (entry.value().kind(), entry.expire()));
            let expected = model
                .remove(&key)
                .map(|(content, expire)| (if matches!(content, Content::Str(_)) { Type::String } else { Type::Hash }, expire));
            assert_eq!(removed, expected);
        }
        65..75 => {
            let there = model.get_mut(&key).map(|entry| entry.1 = expire).is_some();
            assert_eq!(table.set_expire(&key, expire), there);
        }
        75..85 => {
            let edited = table.find_mut(&key).and_then(|mut entry| entry.edit_string(|text| text.extend_from_slice(b"-more")));
            if let Some((Content::Str(text), _)) = model.get_mut(&key) {
                text.extend_from_slice(b"-more");
                assert!(edited.is_some());
                assert_eq!(table.find(&key).unwrap().encoding(), "raw");
            } else {
                assert!(edited.is_none());
            }
        }
        85..90 => {
            if let Some(entry) = table.remove(&key) {
                let mut name = key.clone();
                name.push(b'!');
                let renamed = entry.with_key(&name);
                table.put(renamed, NOW);
                let moved = model.remove(&key).unwrap();
                model.insert(name, moved);
            }
        }
        90..95 => {
            let Some(mut entry) = table.find_mut(&key) else { return };
            match (entry.value_mut(), model.get_mut(&key).map(|(content, _)| content)) {
                (ValueMut::Str(text), Some(Content::Str(expected))) => {
                    text.reverse();
                    expected.reverse();
                }
                (ValueMut::Hash(hash), Some(Content::Hash(fields))) => {
                    hash.set(fields.to_string().as_bytes(), b"another", &Thresholds::default());
                    *fields += 1;
                }
                _ => unreachable!("table and model have the same types"),
            }
        }
        _ => {
            let text = random_text(rng);
            let Some(mut entry) = table.find_mut(&key) else { return };
            entry.set_string(&text);
            assert_eq!(entry.value().kind(), Type::String);
            entry.set_expire(expire);
            model.insert(key, (Content::Str(text), expire));
        }
    }
}

#[test]
fn random_operations_match_a_map() {
    for (seed, keys, steps) in [(1, 50, 4000), (2, 3000, 30_000), (3, 100_000, 60_000)] {
        let mut rng = SmallRng::seed_from_u64(seed);
        let (mut table, mut model) = (Table::default(), Model::new());
        for step in 0..steps {
            change(&mut rng, keys, &mut table, &mut model);
            if step % (steps / 8) == 0 {
                assert_same(&table, &model);
            }
        }
        assert_same(&table, &model);
        for key in model.keys() {
            assert!(table.delete(key));
        }
        assert_same(&table, &Model::new());
    }
}

#[test]
fn long_values_everywhere_split_segments_by_bytes() {
    let (mut table, mut model) = (Table::default(), Model::new());
    for n in 0..1500 {
        let key = format!("key:{n}").into_bytes();
        table.set_string(&key, b"short", None, NOW);
        model.insert(key, (Content::Str(b"short".to_vec()), None));
    }
    // All entries grow in place, without any being added.
    for n in 0..1500 {
        let key = format!("key:{n}").into_bytes();
        let text = vec![b'x'; 1024];
        table.find_mut(&key).unwrap().set_string(&text);
        model.insert(key, (Content::Str(text), None));
    }
    assert_same(&table, &model);
    assert!(table.segments.iter().all(|part| part.entries.live_bytes() < 256 * 1024));
}

#[test]
fn a_scan_returns_everything_that_stays_while_the_table_grows() {
    for count in [1, 10, 1000] {
        let mut table = Table::default();
        for n in 0..5000 {
            table.set_string(format!("stays:{n}").as_bytes(), b"v", None, NOW);
        }
        let (mut cursor, mut seen, mut calls) = (0, HashSet::new(), 0u32);
        loop {
            cursor = table.scan(cursor, count, |entry| {
                seen.insert(entry.key().to_vec());
            });
            calls += 1;
            if cursor == 0 {
                break;
            }
            for n in 0..3 {
                table.set_string(format!("comes:{calls}:{n}").as_bytes(), &[b'v'; 100], None, NOW);
                table.delete(format!("comes:{}:{n}", calls / 2).as_bytes());
            }
        }
        assert!((0..5000).all(|n| seen.contains(format!("stays:{n}").as_bytes())));
        assert!(calls > 1);
    }
}

#[test]
fn a_scan_returns_about_as_many_as_asked_for() {
    let mut table = Table::default();
    for n in 0..20_000 {
        table.set_string(format!("{n}").as_bytes(), b"v", None, NOW);
    }
    let (mut cursor, mut calls, mut seen) = (0, 0, 0);
    loop {
        cursor = table.scan(cursor, 100, |_| seen += 1);
        calls += 1;
        if cursor == 0 {
            break;
        }
    }
    assert_eq!(seen, 20_000);
    assert!((100..500).contains(&calls), "{calls}");
}

#[test]
fn random_keys_are_drawn_evenly() {
    let mut rng = SmallRng::seed_from_u64(7);
    let mut table = Table::default();
    for n in 0..2000u32 {
        table.set_string(&n.to_be_bytes(), b"v", None, NOW);
    }
    let mut drawn = HashMap::<Vec<u8>, u32>::new();
    for _ in 0..40_000 {
        *drawn.entry(table.random(&mut rng).unwrap().key().to_vec()).or_default() += 1;
    }
    assert_eq!(drawn.len(), 2000);
    assert!(drawn.values().all(|&times| (2..60).contains(&times)));
    for n in 1..2000u32 {
        table.delete(&n.to_be_bytes());
    }
    assert_eq!(table.random(&mut rng).unwrap().key(), 0u32.to_be_bytes());
    table.delete(&0u32.to_be_bytes());
    assert!(table.random(&mut rng).is_none());
}

#[test]
fn expiry_deletes_what_is_due_and_nothing_else() {
    let mut rng = SmallRng::seed_from_u64(4);
    let (mut table, mut model) = (Table::default(), Model::new());
    for step in 0..40u64 {
        for _ in 0..500 {
            change(&mut rng, 5000, &mut table, &mut model);
        }
        let now = UnixMs(NOW.0 + step * 3000);
        let mut reported = HashSet::new();
        while table.expire_due(now, 100, &mut |key| assert!(reported.insert(key.to_vec()))).more {}
        // Deadlines are rounded up a little before they are looked at.
        let due = |at: u64| model.iter().filter(move |(_, (_, expire))| expire.is_some_and(|expire| expire.0 <= at));
        assert!(due(now.0 - 8).all(|(key, _)| reported.contains(key)));
        assert!(reported.iter().all(|key| model[key].1.is_some_and(|expire| expire <= now)));
        model.retain(|key, _| !reported.contains(key));
        assert_same(&table, &model);
    }
}

#[test]
fn access_bits_survive_moves() {
    let mut table = Table::default();
    for n in 0..3000u32 {
        table.set_string(&n.to_be_bytes(), b"v", None, UnixMs(u64::from(n) * 1000));
    }
    for n in 0..3000u32 {
        assert_eq!(table.find(&n.to_be_bytes()).unwrap().access(), n);
        table.set_expire(&n.to_be_bytes(), Some(NOW));
        assert_eq!(table.find(&n.to_be_bytes()).unwrap().access(), n);
        let spot = table.locate(&n.to_be_bytes()).unwrap();
        table.touch(spot, UnixMs(5_000_000));
        assert_eq!(table.find(&n.to_be_bytes()).unwrap().access(), 5000);
    }
}

#[test]
#[should_panic(expected = "after its segment changed")]
fn a_stale_spot_is_refused() {
    let mut table = Table::default();
    table.set_string(b"a", b"1", None, NOW);
    let spot = table.locate(b"a").unwrap();
    table.delete(b"a");
    table.at(spot);
}

#[test]
fn encodings_are_what_object_encoding_says() {
    let mut table = Table::default();
    for (text, encoding) in [
        (&b"123"[..], "int"),
        (b"-9223372036854775808", "int"),
        (b"9223372036854775808", "embstr"),
        (b"007", "embstr"),
        (b"", "embstr"),
        (&[b'x'; 44], "embstr"),
        (&[b'x'; 45], "raw"),
        (&[b'x'; 5000], "raw"),
    ] {
        table.set_string(b"k", text, None, NOW);
        assert_eq!(table.find(b"k").unwrap().encoding(), encoding);
    }
    table.set_string(b"k", b"12", None, NOW);
    table.find_mut(b"k").unwrap().edit_string(|text| text.push(b'3'));
    assert_eq!(table.find(b"k").unwrap().encoding(), "raw");
    table.set_string(b"k", b"123", None, NOW);
    assert_eq!(table.find(b"k").unwrap().encoding(), "int");
}

#[test]
fn a_large_table_is_dropped_in_steps() {
    let mut table = Table::default();
    for n in 0..20_000u32 {
        table.set_string(&n.to_be_bytes(), &[0; 2000], None, NOW);
    }
    let mut old = table.take();
    let mut steps = 1;
    while old.drop_some(1000) {
        steps += 1;
    }
    assert!((8..30).contains(&steps), "{steps}");
    assert!(table.is_empty());
}

#[test]
fn values_of_hashes_can_be_read_back() {
    let mut table = Table::default();
    table.set_value(b"h", hash_with(3), None, NOW);
    let entry = table.find(b"h").unwrap();
    let ValueRef::Hash(hash) = entry.value() else { panic!("a hash") };
    assert_eq!(hash.get(b"1"), Some(Element::Str(b"value")));
    assert!(entry.heap_bytes() > 20);
}
