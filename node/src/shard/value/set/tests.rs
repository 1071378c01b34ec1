//! Sets against a plain set, in all three forms.

use super::*;
use rand::SeedableRng;
use std::collections::BTreeSet;

fn members(set: &Set) -> BTreeSet<Vec<u8>> {
    let members: BTreeSet<Vec<u8>> = set.iter().map(|element| element.to_vec()).collect();
    assert_eq!(members.len(), set.len(), "a member is there twice, or the length is wrong");
    members
}

#[test]
fn random_operations_match_a_set_in_every_form() {
    let limits = Thresholds::default();
    for (kind, spread, expected) in [(0, 400, "intset"), (1, 100, "listpack"), (1, 1000, "hashtable"), (0, 3000, "hashtable")] {
        let mut rng = SmallRng::seed_from_u64(6);
        let mut set = Set::default();
        let mut model = BTreeSet::new();
        for _ in 0..8000 {
            let n: i64 = rng.random_range(0..spread);
            let member =
                if kind == 0 || n % 3 == 0 { (n * n * n - 50).to_string() } else { format!("member {n}") }.into_bytes();
            if rng.random_bool(0.6) {
                assert_eq!(set.add(&member, &limits), model.insert(member.clone()));
            } else {
                assert_eq!(set.remove(&member), model.remove(&member));
            }
            assert_eq!(set.contains(&member), model.contains(&member));
            assert_eq!(set.len(), model.len());
        }
        assert_eq!(members(&set), model);
        assert_eq!(set.encoding(), expected);
        let drawn: BTreeSet<Vec<u8>> = (0..40_000).map(|_| set.random(&mut rng).unwrap().to_vec()).collect();
        assert!(drawn.is_subset(&model) && drawn.len() * 100 >= model.len() * 99);
        let mut scanned = BTreeSet::new();
        let mut cursor = 0;
        loop {
            cursor = set.scan(cursor, 7, |element| {
                scanned.insert(element.to_vec());
            });
            if cursor == 0 {
                break;
            }
        }
        assert_eq!(scanned, model);
    }
}

#[test]
fn the_encoding_changes_at_the_limits_of_redis() {
    let limits = Thresholds::default();
    let with = |members: &[&str]| {
        let mut set = Set::for_members(members[0].as_bytes(), members.len(), &limits);
        members.iter().for_each(|member| {
            set.add(member.as_bytes(), &limits);
        });
        set.encoding()
    };
    assert_eq!(with(&["1", "2"]), "intset");
    assert_eq!(with(&["1", "01"]), "listpack");
    assert_eq!(with(&["a", "1"]), "listpack");
    assert_eq!(with(&["a", &"x".repeat(64)]), "listpack");
    assert_eq!(with(&["a", &"x".repeat(65)]), "hashtable");
    assert_eq!(with(&["1", &"x".repeat(65)]), "hashtable");

    let mut ints = Set::default();
    (0..512).for_each(|n: i64| assert!(ints.add(n.to_string().as_bytes(), &limits)));
    assert_eq!(ints.encoding(), "intset");
    assert!(ints.add(b"512", &limits));
    assert_eq!((ints.encoding(), ints.len()), ("hashtable", 513));

    let mut texts = Set::for_members(b"a", 1, &limits);
    (0..128).for_each(|n| assert!(texts.add(format!("m{n}").as_bytes(), &limits)));
    assert_eq!(texts.encoding(), "listpack");
    assert!(!texts.add(b"m5", &limits));
    assert_eq!(texts.encoding(), "listpack");
    assert!(texts.add(b"m128", &limits));
    assert_eq!((texts.encoding(), texts.len()), ("hashtable", 129));

    let mut ints = Set::default();
    (0..128).for_each(|n: i64| assert!(ints.add(n.to_string().as_bytes(), &limits)));
    assert!(ints.add(b"a", &limits));
    assert_eq!((ints.encoding(), ints.len()), ("hashtable", 129));
}

#[test]
fn the_first_write_to_what_a_clone_shares_copies_no_long_members() {
    let limits = Thresholds::default();
    let mut set = Set::default();
    let member = |n: usize| format!("{n:20000}").into_bytes();
    (0..300).for_each(|n| assert!(set.add(&member(n), &limits)));
    let places = |set: &Set| -> Vec<(Vec<u8>, *const u8)> {
        let Set::Table(table) = set else { panic!("a small set") };
        let mut places: Vec<_> = table.iter().map(|member| (member.bytes().to_vec(), member.bytes().as_ptr())).collect();
        places.sort();
        places
    };
    let clone = set.clone();
    assert!(set.remove(&member(300 - 1)));
    let mut before = places(&clone);
    before.retain(|(name, _)| *name != member(300 - 1));
    assert_eq!(before, places(&set));
}
