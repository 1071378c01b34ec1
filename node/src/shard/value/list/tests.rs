//! Lists against a plain deque, in both forms and across the change of form.

use super::*;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

fn texts<'a>(elements: impl Iterator<Item = Element<'a>>) -> Vec<Vec<u8>> {
    elements.map(|element| element.to_vec()).collect()
}

/// Short strings, integers, and now and then something longer than a node.
fn element(rng: &mut SmallRng) -> Vec<u8> {
    match rng.random_range(0..20) {
        0..8 => rng.random_range(0..10).to_string().into_bytes(),
        8..19 => format!("text {}", rng.random_range(0..10)).into_bytes(),
        _ => vec![b'x'; rng.random_range(100..700)],
    }
}

#[test]
fn random_operations_match_a_deque_and_leave_clones_alone() {
    for list_node_size in [-2, -1, 3, 20] {
        let limits = Thresholds { list_node_size, ..Thresholds::default() };
        let mut rng = SmallRng::seed_from_u64(5);
        let mut list = List::new();
        let mut model: Vec<Vec<u8>> = Vec::new();
        let mut kept: Option<(List, Vec<Vec<u8>>)> = None;
        let mut seen_encodings = (false, false);
        for round in 0..6000 {
            let growing = (round / 1500) % 2 == 0;
            let end = if rng.random_bool(0.5) { End::Head } else { End::Tail };
            let item = element(&mut rng);
            let len = model.len();
            match rng.random_range(0..100) {
                0..60 if growing || len == 0 => {
                    list.push(end, &item, &limits);
                    model.insert(if end == End::Head { 0 } else { len }, item);
                }
                0..60 => {
                    let popped = model.remove(if end == End::Head { 0 } else { len - 1 });
                    assert_eq!(list.peek(end).map(|element| element.to_vec()), Some(popped));
                    list.pop(end);
                    list.shrink_if_possible(&limits);
                }
                60..75 => {
                    let position = rng.random_range(0..=len);
                    list.insert(position, &item, &limits);
                    model.insert(position, item);
                }
                75..85 => {
                    let position = rng.random_range(0..=len);
                    assert_eq!(list.set(position, &item, &limits), position < len);
                    if position < len {
                        model[position] = item;
                    }
                }
                85..90 => {
                    let position = rng.random_range(0..=len);
                    let count = rng.random_range(0..if growing { 3 } else { 60 });
                    list.remove_range(position, count);
                    model.drain(position..(position + count).min(len));
                    list.shrink_if_possible(&limits);
                }
                90..93 => {
                    let max = rng.random_range(1..4);
                    let removed = list.remove_equal(&item, end, max);
                    let mut expected = 0;
                    while expected < max {
                        let found = match end {
                            End::Head => model.iter().position(|own| *own == item),
                            End::Tail => model.iter().rposition(|own| *own == item),
                        };
                        let Some(position) = found else { break };
                        model.remove(position);
                        expected += 1;
                    }
                    assert_eq!(removed, expected);
                    list.shrink_if_possible(&limits);
                }
                _ => {
                    let position = rng.random_range(0..=len);
                    let count = rng.random_range(0..50);
                    let expected: Vec<_> = model.iter().skip(position).take(count).cloned().collect();
                    assert_eq!(texts(list.range(position, count)), expected);
                    let mut expected: Vec<_> = model.iter().take(position + 1).rev().take(count).cloned().collect();
                    if position == len {
                        expected.clear();
                    }
                    assert_eq!(texts(list.range_rev(position, count)), expected);
                    assert_eq!(list.get(position).map(|element| element.to_vec()), model.get(position).cloned());
                }
            }
            assert_eq!(list.len(), model.len());
            match list {
                List::Packed(_) => seen_encodings.0 = true,
                List::Nodes(_) => seen_encodings.1 = true,
            }
            if round % 250 == 0 {
                assert_eq!(texts(list.iter()), model);
                if let Some((list, model)) = kept.replace((list.clone(), model.clone())) {
                    assert_eq!(texts(list.iter()), model, "a clone changed");
                }
            }
        }
        assert_eq!(seen_encodings, (true, true), "at {list_node_size}");
        let mut rebuilt = List::new();
        list.packs(0).for_each(|pack| rebuilt.push_pack(pack.clone(), &limits));
        assert_eq!(texts(rebuilt.iter()), model);
        while !list.free_some(10) {}
        assert!(list.is_empty());
    }
}

#[test]
fn the_encoding_changes_at_the_limits_of_redis() {
    let limits = Thresholds::default();
    let mut list = List::new();
    let mut pushed = 0;
    while list.encoding() == "listpack" {
        list.push(End::Tail, &[b'x'; 100], &limits);
        pushed += 1;
    }
    // 7 bytes of frame and 103 per element: 79 of them and the text of one more are above 8192.
    assert_eq!(pushed, 80);
    while list.encoding() == "quicklist" {
        list.pop(End::Head);
        list.shrink_if_possible(&limits);
        pushed -= 1;
    }
    assert!(pushed <= 39, "{pushed}");
    assert!(!list.is_empty());
}

#[test]
fn pushing_to_one_end_leaves_full_nodes() {
    let limits = Thresholds::default();
    for end in [End::Head, End::Tail] {
        let mut list = List::new();
        (0..100_000).for_each(|n: u32| list.push(end, format!("element {n}").as_bytes(), &limits));
        let full = list.packs(0).filter(|pack| pack.byte_len() > 8000).count();
        assert!(full + 2 >= list.packs(0).count(), "{full} of {}", list.packs(0).count());
    }
}
