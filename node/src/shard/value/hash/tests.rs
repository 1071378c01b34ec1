//! Hashes against a plain map, in both forms.

use super::*;
use rand::SeedableRng;
use std::collections::BTreeMap;

fn pairs(hash: &Hash) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let pairs: BTreeMap<_, _> = hash.iter().map(|(field, value)| (field.to_vec(), value.to_vec())).collect();
    assert_eq!(pairs.len(), hash.len(), "a field is there twice, or the length is wrong");
    pairs
}

#[test]
fn random_operations_match_a_map_in_both_forms() {
    let limits = Thresholds::default();
    for (spread, expected) in [(100, "listpack"), (2000, "hashtable")] {
        let mut rng = SmallRng::seed_from_u64(7);
        let mut hash = Hash::new();
        let mut model = BTreeMap::new();
        for round in 0..12_000 {
            let n: i64 = rng.random_range(0..spread);
            let field = if n % 3 == 0 { n.to_string() } else { format!("{:n$}", n, n = (n % 60) as usize) }.into_bytes();
            if rng.random_bool(0.6) {
                let value = if n % 2 == 0 { round.to_string().into_bytes() } else { vec![b'v'; rng.random_range(0..60)] };
                assert_eq!(hash.set(&field, &value, &limits), model.insert(field.clone(), value).is_none());
            } else {
                assert_eq!(hash.remove(&field), model.remove(&field).is_some());
            }
            assert_eq!(hash.get(&field).map(|value| value.to_vec()), model.get(&field).cloned());
            assert_eq!(hash.len(), model.len());
        }
        assert_eq!(pairs(&hash), model);
        assert_eq!(hash.encoding(), expected);
        let clone = hash.clone();
        for _ in 0..40_000 {
            let (field, value) = hash.random(&mut rng).unwrap();
            assert_eq!(model.get(&field.to_vec()), Some(&value.to_vec()));
        }
        model.keys().for_each(|field| assert!(hash.remove(field)));
        assert!(hash.is_empty());
        assert_eq!(pairs(&clone), model);
    }
}

#[test]
fn long_fields_and_values_keep_their_border() {
    let limits = Thresholds::default();
    let mut hash = Hash::new();
    for len in [0, 1, 63, 64, 65, 127, 128, 129, 16_383, 16_384, 100_000] {
        let field = vec![b'f'; len];
        assert!(hash.set(&field, b"v", &limits), "{len}");
        assert!(!hash.set(&field, &field, &limits));
        assert_eq!(hash.get(&field).unwrap().to_vec(), field);
    }
}

#[test]
fn the_encoding_changes_at_the_limits_of_redis() {
    let limits = Thresholds::default();
    let mut hash = Hash::new();
    (0..128).for_each(|n: i64| assert!(hash.set(n.to_string().as_bytes(), &[b'v'; 64], &limits)));
    assert_eq!(hash.encoding(), "listpack");
    assert!(hash.set(b"128", b"v", &limits));
    assert_eq!((hash.encoding(), hash.len()), ("hashtable", 129));
    let mut hash = Hash::new();
    hash.set(b"f", &[b'v'; 65], &limits);
    assert_eq!(hash.encoding(), "hashtable");
}

#[test]
fn the_first_write_to_what_a_clone_shares_copies_no_long_fields_or_values() {
    let limits = Thresholds::default();
    let mut hash = Hash::new();
    let field = |n: usize| [n.to_string().into_bytes(), vec![b'f'; if n.is_multiple_of(2) { 0 } else { 20_000 }]].concat();
    (0..300).for_each(|n| assert!(hash.set(&field(n), &vec![b'v'; 20_000], &limits)));
    let places = |hash: &Hash| -> BTreeMap<Vec<u8>, *const u8> {
        let Hash::Table(table) = hash else { panic!("a small hash") };
        table.iter().map(|pair| (pair.field().to_vec(), pair.split().1.as_ptr())).collect()
    };
    let clone = hash.clone();
    assert!(!hash.set(&field(7), b"another", &limits));
    let (before, after) = (places(&clone), places(&hash));
    let moved: Vec<_> = before.iter().filter(|(field, place)| after[*field] != **place).map(|(field, _)| field).collect();
    assert_eq!(moved, [&field(7)]);
    assert_eq!(clone.get(&field(7)).map(|value| value.to_vec()), Some(vec![b'v'; 20_000]));
    // What is shared is not counted twice.
    let alone = hash.unshared_bytes();
    assert!(alone < 100_000, "{alone}");
    drop(clone);
    let alone = hash.unshared_bytes();
    assert!(alone > 300 * 20_000, "{alone}");
}
