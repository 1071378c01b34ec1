//! Fields that are due are taken out, and what is kept about them does not pile up.

use super::*;
use crate::shard::value::{Hash, Thresholds};

fn hash(deadlines: &[u64]) -> Value {
    let limits = Thresholds::default();
    let mut hash = Hash::new();
    hash.set(b"lasting", b"v", &limits);
    for (nth, deadline) in deadlines.iter().enumerate() {
        let field = format!("f{nth}").into_bytes();
        hash.set(&field, b"v", &limits);
        hash.set_deadline(&field, *deadline, &limits);
    }
    Value::Hash(hash)
}

fn fields_of(table: &Table, key: &[u8]) -> usize {
    let Some(ValueRef::Hash(hash)) = table.find(key).map(|entry| entry.value()) else { return 0 };
    hash.len()
}

#[test]
fn fields_go_in_the_order_of_their_deadlines_and_the_key_with_the_last() {
    let mut table = Table::default();
    table.set_value(b"a", hash(&[10, 20, 30]), None, UnixMs(1));
    table.set_value(b"b", hash(&[15]), None, UnixMs(1));
    let mut gone = Vec::new();
    for now in [9, 10, 19, 20, 40] {
        table.expire_fields_due(UnixMs(now), 100, &mut |expired| {
            gone.push((now, expired.key.to_vec(), expired.fields.len(), expired.emptied));
        });
    }
    let (a, b) = (b"a".to_vec(), b"b".to_vec());
    assert_eq!(gone, [(10, a.clone(), 1, false), (19, b, 1, false), (20, a.clone(), 1, false), (40, a, 1, false)]);
    assert_eq!((fields_of(&table, b"a"), table.has_field_deadlines()), (1, false));
    let Some(mut entry) = table.find_mut(b"a") else { panic!("it is there") };
    let ValueMut::Hash(only) = entry.value_mut() else { panic!("a hash") };
    only.set_deadline(b"lasting", 50, &Thresholds::default());
    table.note_field_deadline(b"a");
    table.expire_fields_due(UnixMs(50), 100, &mut |expired| assert!(expired.emptied));
    assert!(table.find(b"a").is_none());
}

#[test]
fn a_large_hash_is_emptied_in_bounded_steps() {
    let mut table = Table::default();
    table.set_value(b"k", hash(&vec![5; 1000]), None, UnixMs(1));
    let mut steps = 0;
    while table.expire_fields_due(UnixMs(6), 1, &mut |expired| assert!(expired.fields.len() <= FIELDS_STEP)) {
        steps += 1;
    }
    assert_eq!((steps, fields_of(&table, b"k")), (1000 / FIELDS_STEP, 1));
}

#[test]
fn what_has_gone_is_forgotten_long_before_its_time() {
    let mut table = Table::default();
    for nth in 0..10_000u64 {
        let key = nth.to_string().into_bytes();
        table.set_value(&key, hash(&[1_000_000 + nth]), None, UnixMs(1));
        assert!(table.delete(&key));
        assert!(table.field_deadlines.due.len() < 100);
    }
}

#[test]
fn a_hash_without_deadlines_is_as_small_as_before() {
    assert_eq!(size_of::<Hash>(), size_of::<koltso_proto::listpack::Listpack>());
}
