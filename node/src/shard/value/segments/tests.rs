//! The segmented table against a plain map.

use super::*;
use rand::SeedableRng;
use std::collections::{HashMap, HashSet};

#[derive(Clone, Debug, PartialEq)]
struct Pair(u64, u32);

impl Item for Pair {
    fn hash(&self) -> u64 {
        hash_of(&self.0.to_le_bytes())
    }

    fn heap_bytes(&self) -> usize {
        0
    }
}

fn hash(name: u64) -> u64 {
    hash_of(&name.to_le_bytes())
}

fn filled(len: u64) -> SegmentTable<Pair> {
    let mut table = SegmentTable::new();
    for name in 0..len {
        table.insert(Pair(name, 0));
    }
    table
}

fn contents(table: &SegmentTable<Pair>) -> HashMap<u64, u32> {
    let all: HashMap<u64, u32> = table.iter().map(|pair| (pair.0, pair.1)).collect();
    assert_eq!(all.len(), table.len(), "an item is there twice, or the length is wrong");
    all
}

#[test]
fn random_operations_match_a_map_and_leave_clones_alone() {
    let mut rng = SmallRng::seed_from_u64(2);
    let mut table = SegmentTable::new();
    let mut model = HashMap::new();
    let mut kept: Option<(SegmentTable<Pair>, HashMap<u64, u32>)> = None;
    for round in 0..300_000u32 {
        let name = rng.random_range(0..100_000u64);
        if (round / 100_000) % 2 == 0 || rng.random_bool(0.2) {
            match table.find_mut(hash(name), |pair: &Pair| pair.0 == name) {
                Some(pair) => pair.1 = round,
                None => table.insert(Pair(name, round)),
            }
            model.insert(name, round);
        } else {
            assert_eq!(table.remove(hash(name), |pair| pair.0 == name).map(|pair| pair.1), model.remove(&name));
        }
        let probe = rng.random_range(0..100_000u64);
        assert_eq!(table.find(hash(probe), |pair| pair.0 == probe).map(|pair| pair.1), model.get(&probe).copied());
        if round % 29_989 == 0 {
            assert_eq!(contents(&table), model);
            if let Some((table, model)) = kept.replace((table.clone(), model.clone())) {
                assert_eq!(contents(&table), model, "a clone changed");
            }
        }
    }
    assert!(table.groups.buckets.len() > 1, "the test does not reach a second group");
}

#[test]
fn a_scan_returns_everything_that_stays_while_the_table_splits() {
    let mut table = filled(300);
    let mut seen = HashSet::new();
    let (mut cursor, mut added) = (0, 300);
    loop {
        let mut visited = 0;
        cursor = table.scan(cursor, 10, |pair| {
            seen.insert(pair.0);
            visited += 1;
        });
        assert!(visited <= 12, "{visited} items for a count of 10");
        if cursor == 0 {
            break;
        }
        if added < 60_000 {
            (added..added + 2000).for_each(|name| table.insert(Pair(name, 0)));
            added += 2000;
        }
    }
    assert!((0..300).all(|name| seen.contains(&name)));
    assert_eq!(table.scan(u64::MAX, 10, |_| ()), 0);
    let mut all = 0;
    assert_eq!(table.scan(0, usize::MAX, |_| all += 1), 0);
    assert_eq!(all, table.len());
}

#[test]
fn a_scan_of_a_deserted_table_ends() {
    let mut table = filled(50_000);
    for name in 5..50_000 {
        table.remove(hash(name), |pair| pair.0 == name);
    }
    let (mut cursor, mut seen, mut calls) = (0, 0, 0);
    loop {
        cursor = table.scan(cursor, 1, |_| seen += 1);
        calls += 1;
        if cursor == 0 {
            break;
        }
    }
    assert_eq!(seen, 5);
    assert!(calls < 100, "{calls}");
    let mut rng = SmallRng::seed_from_u64(3);
    let drawn: HashSet<u64> = (0..200).map(|_| table.random(&mut rng).unwrap().0).collect();
    assert_eq!(drawn.len(), 5);
}

#[test]
fn every_item_is_drawn_with_the_same_chance() {
    for len in [1, 10, 700, 40_000] {
        let table = filled(len);
        let mut rng = SmallRng::seed_from_u64(4);
        let draws = 200_000u64;
        // By twentieths of the names, which the hash scatters evenly.
        let mut hits = vec![0u64; 20.min(len as usize)];
        let kinds = hits.len() as u64;
        let mut by_depth: HashMap<u8, (u64, u64)> = HashMap::new();
        for segment in table.segments() {
            by_depth.entry(segment.depth).or_default().0 += segment.table.len() as u64;
        }
        for _ in 0..draws {
            let pair = table.random(&mut rng).unwrap();
            hits[(pair.0 % kinds) as usize] += 1;
            by_depth.get_mut(&table.segment(route_of(pair.hash())).depth).unwrap().1 += 1;
        }
        let near =
            |hits: u64, share: f64| (hits as f64 - draws as f64 * share).abs() < 6.0 * (draws as f64 * share).sqrt() + 1.0;
        for (kind, hits) in hits.iter().enumerate() {
            let share = (0..len).filter(|name| name % kinds == kind as u64).count() as f64 / len as f64;
            assert!(near(*hits, share), "{len}: {hits} hits of {kind}");
        }
        for (depth, (items, hits)) in by_depth {
            assert!(near(hits, items as f64 / len as f64), "{len}: {hits} hits at depth {depth} with {items} items");
        }
    }
}

#[test]
fn freeing_goes_in_steps_and_ends() {
    let mut table = filled(50_000);
    let shared = table.clone();
    let mut steps = 0;
    while !table.free_some(1000) {
        steps += 1;
    }
    assert!(table.is_empty() && shared.len() == 50_000);
    let mut alone = filled(50_000);
    while !alone.free_some(1000) {
        steps += 1;
    }
    assert!(steps >= 25, "{steps}");
}
