//! Sorted sets against a sorted vector, in both forms.

use super::*;
use rand::SeedableRng;
use std::collections::BTreeMap;

type Model = BTreeMap<Vec<u8>, f64>;

fn ordered(model: &Model) -> Vec<(Vec<u8>, f64)> {
    let mut all: Vec<_> = model.iter().map(|(member, score)| (member.clone(), *score)).collect();
    all.sort_by(|a, b| a.1.partial_cmp(&b.1).unwrap().then_with(|| a.0.cmp(&b.0)));
    all
}

fn owned<'a>(members: impl Iterator<Item = (Element<'a>, f64)>) -> Vec<(Vec<u8>, f64)> {
    members.map(|(member, score)| (member.to_vec(), score)).collect()
}

fn check(set: &Zset, model: &Model, rng: &mut SmallRng) {
    let all = ordered(model);
    assert_eq!(owned(set.iter()), all);
    for _ in 0..20 {
        let (rank, count) = (rng.random_range(0..=all.len()), rng.random_range(0..300));
        assert_eq!(owned(set.range(rank, count)), all.iter().skip(rank).take(count).cloned().collect::<Vec<_>>());
        let down: Vec<_> = all.iter().take(rank + 1).rev().take(count).cloned().collect();
        assert_eq!(owned(set.range_rev(rank, count)), if rank < all.len() { down } else { Vec::new() });
        assert_eq!(set.get(rank).map(|(member, score)| (member.to_vec(), score)), all.get(rank).cloned());
        if let Some((member, score)) = all.get(rank) {
            assert_eq!(set.rank(member), Some((rank, *score)));
            let before = all.iter().filter(|own| own.1 < *score).count();
            assert_eq!(set.rank_of(Bound::BeforeScore(*score)), before);
            let up_to = all.iter().filter(|own| own.1 <= *score).count();
            assert_eq!(set.rank_of(Bound::AfterScore(*score)), up_to);
        }
    }
    assert_eq!((set.rank_of(Bound::Start), set.rank_of(Bound::End)), (0, all.len()));
}

#[test]
fn random_operations_match_a_sorted_vector_in_both_forms() {
    let limits = Thresholds::default();
    for (spread, scores, expected) in [(80, 10, "listpack"), (4000, 7, "skiplist"), (4000, 100_000, "skiplist")] {
        let mut rng = SmallRng::seed_from_u64(8);
        let mut set = Zset::default();
        let mut model = Model::new();
        let mut kept: Option<(Zset, Model)> = None;
        for round in 0..24_000 {
            let n: i64 = rng.random_range(0..spread);
            let member = if n % 3 == 0 { n.to_string() } else { format!("m{:n$}", n, n = (n % 50) as usize) }.into_bytes();
            let growing = (round / 8000) % 2 == 0;
            if rng.random_bool(if growing { 0.8 } else { 0.3 }) {
                let score = f64::from(rng.random_range(-scores..scores)) / 2.0;
                assert_eq!(set.set(&member, score, &limits), model.insert(member.clone(), score));
            } else if n % 50 == 0 {
                let (rank, count) = (rng.random_range(0..=set.len()), rng.random_range(0..20));
                set.remove_range(rank, count);
                ordered(&model).iter().skip(rank).take(count).for_each(|(member, _)| {
                    model.remove(member);
                });
            } else {
                assert_eq!(set.remove(&member), model.remove(&member));
            }
            assert_eq!(set.score(&member), model.get(&member).copied());
            assert_eq!(set.len(), model.len());
            if round % 1999 == 0 {
                check(&set, &model, &mut rng);
                if let Some((set, model)) = kept.replace((set.clone(), model.clone())) {
                    assert_eq!(owned(set.iter()), ordered(&model), "a clone changed");
                }
            }
        }
        assert_eq!(set.encoding(), expected);
        let mut scanned = Model::new();
        let mut cursor = 0;
        loop {
            cursor = set.scan(cursor, 7, |member, score| {
                scanned.insert(member.to_vec(), score);
            });
            if cursor == 0 {
                break;
            }
        }
        assert_eq!(scanned, model);
        while !set.free_some(100) {}
        assert!(set.is_empty());
    }
}

#[test]
fn members_of_equal_scores_are_ordered_by_their_bytes() {
    let limits = Thresholds::default();
    for filler in [0, 1000] {
        let mut set = Zset::default();
        (0..filler).for_each(|n| {
            set.set(format!("~{n:05}").as_bytes(), 0.0, &limits);
        });
        for member in ["b", "10", "9", "", "ab", "-1", "a"] {
            set.set(member.as_bytes(), 0.0, &limits);
        }
        let first: Vec<Vec<u8>> = set.range(0, 7).map(|(member, _)| member.to_vec()).collect();
        assert_eq!(first, ["", "-1", "10", "9", "a", "ab", "b"].map(|member| member.as_bytes().to_vec()));
        assert_eq!(set.rank_of(Bound::BeforeText(b"9")), 3);
        assert_eq!(set.rank_of(Bound::AfterText(b"9")), 4);
        assert_eq!(set.rank_of(Bound::AfterText(b"aa")), 5);
    }
}

#[test]
fn infinite_and_odd_scores_survive_the_packed_form() {
    let limits = Thresholds::default();
    let mut set = Zset::default();
    let scores = [f64::NEG_INFINITY, -1e300, -0.1, 0.0, 5e-324, 0.1 + 0.2, 3.0, 1e17, 9_007_199_254_740_993.0, f64::INFINITY];
    for (n, score) in scores.iter().enumerate() {
        set.set(format!("m{n}").as_bytes(), *score, &limits);
    }
    assert_eq!(set.encoding(), "listpack");
    for (n, score) in scores.iter().enumerate() {
        assert_eq!(set.score(format!("m{n}").as_bytes()), Some(*score));
    }
}

#[test]
fn long_members_share_no_chunk_with_too_many_others() {
    let limits = Thresholds::default();
    let mut set = Zset::default();
    let mut model = Model::new();
    let mut rng = SmallRng::seed_from_u64(9);
    for round in 0..300 {
        let member = vec![b'a' + (round % 26) as u8; rng.random_range(1..40_000)];
        assert_eq!(set.set(&member, f64::from(round % 5), &limits), model.insert(member, f64::from(round % 5)));
    }
    check(&set, &model, &mut rng);
}

#[test]
fn the_encoding_changes_at_the_limits_of_redis() {
    let limits = Thresholds::default();
    let mut set = Zset::default();
    (0..128).for_each(|n: i64| assert_eq!(set.set(n.to_string().as_bytes(), 1.0, &limits), None));
    set.set(b"5", 2.0, &limits);
    assert_eq!(set.encoding(), "listpack");
    set.set(b"128", 2.0, &limits);
    assert_eq!((set.encoding(), set.len()), ("skiplist", 129));
    set.remove(b"128");
    set.shrink_if_possible(3, &limits);
    assert_eq!((set.encoding(), set.len()), ("listpack", 128));
    set.set(&[b'x'; 65], 2.0, &limits);
    assert_eq!(set.encoding(), "skiplist");
    let unordered = Listpack::from_iter([&b"b"[..], b"2", b"a", b"1"]);
    assert_eq!(owned(Zset::from_packed(unordered, &limits).iter()), [(b"a".to_vec(), 1.0), (b"b".to_vec(), 2.0)]);
}

#[test]
fn a_new_score_in_what_a_clone_shares_copies_no_other_long_members() {
    let limits = Thresholds::default();
    let mut zset = Zset::default();
    let member = |n: usize| format!("{n:20000}").into_bytes();
    (0..300).for_each(|n| assert!(zset.set(&member(n), n as f64, &limits).is_none()));
    let clone = zset.clone();
    let all = zset.unshared_bytes();
    zset.set(&member(7), 1000.5, &limits);
    let alone = zset.unshared_bytes();
    assert!(alone < 1_000_000, "{alone} of {all}");
    assert_eq!((clone.score(&member(7)), zset.score(&member(7))), (Some(7.0), Some(1000.5)));
}
