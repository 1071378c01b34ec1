//! Tests of streams against a model that is a sorted vector.

use super::*;
use crate::shard::value::rdb::{BodyWriter, from_rdb, kind_of, put_body};
use crate::shard::value::{Thresholds, Value};
use koltso_proto::rdb::{Dialect, decode_value};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

const LIMITS: NodeLimits = NodeLimits { bytes: 200, entries: 7 };

type Model = Vec<(StreamId, Vec<Vec<u8>>)>;

fn content<'a>(entries: impl Iterator<Item = Entry<'a>>) -> Model {
    let fields = |entry: &Entry<'_>| entry.fields().flat_map(|(name, value)| [name.to_vec(), value.to_vec()]).collect();
    entries.map(|entry| (entry.id, fields(&entry))).collect()
}

fn some_fields(rng: &mut SmallRng) -> Vec<Vec<u8>> {
    let names: &[&str] = [&["a", "b"][..], &["a"], &["b", "a"]][rng.random_range(0..3)];
    let value = |rng: &mut SmallRng| match rng.random_range(0..4) {
        0 => rng.random_range(-70_000..70_000i64).to_string().into_bytes(),
        1 => vec![b'x'; rng.random_range(0..300)],
        _ => b"value".to_vec(),
    };
    names.iter().flat_map(|name| [name.as_bytes().to_vec(), value(rng)]).collect()
}

#[test]
fn it_agrees_with_a_sorted_vector() {
    for seed in 0..4 {
        let mut rng = SmallRng::seed_from_u64(seed);
        let (mut stream, mut model) = (Stream::default(), Model::new());
        for _ in 0..6_000 {
            step(&mut stream, &mut model, &mut rng);
            assert_eq!(stream.len(), model.len());
            let of = |entry: Option<&(StreamId, _)>| entry.map_or(StreamId::MIN, |entry| entry.0);
            assert_eq!((stream.first_id(), stream.newest_id()), (of(model.first()), of(model.last())));
        }
        check_ranges(&stream, &model, &mut rng);
        let shared = stream.clone();
        while !stream.free_some(50) {}
        assert_eq!(content(shared.range(StreamId::MIN, StreamId::MAX)), model);
    }
}

fn step(stream: &mut Stream, model: &mut Model, rng: &mut SmallRng) {
    let some_id = |rng: &mut SmallRng| {
        let at = rng.random_range(0..model.len() + 1);
        model.get(at).map_or(StreamId::new(rng.random_range(0..100), 0), |entry| entry.0)
    };
    match rng.random_range(0..100) {
        0..60 => {
            let fields = some_fields(rng);
            let ms = stream.last_id.ms + rng.random_range(0..3);
            let id = if ms == stream.last_id.ms { stream.last_id.next().unwrap() } else { StreamId::new(ms, 0) };
            stream.append(id, fields.iter().map(Vec::as_slice), LIMITS);
            model.push((id, fields));
        }
        60..94 => {
            let id = some_id(rng);
            let at = model.iter().position(|entry| entry.0 == id);
            assert_eq!(stream.delete(id), at.is_some());
            at.map(|at| model.remove(at));
        }
        94..96 => {
            let max = model.len().saturating_sub(rng.random_range(0..12));
            assert_eq!(stream.trim(Trim::MaxLen(max), false, 0), model.len() - max);
            model.drain(..model.len() - max);
        }
        96..98 => {
            let id = model.get(rng.random_range(0..12)).map_or(StreamId::MIN, |entry| entry.0);
            let gone = model.partition_point(|entry| entry.0 < id);
            assert_eq!(stream.trim(Trim::MinId(id), false, 0), gone);
            model.drain(..gone);
        }
        _ => {
            let max = model.len() / 2;
            let gone = stream.trim(Trim::MaxLen(max), true, 20);
            assert!(gone <= 20 && model.len() - gone >= max);
            model.drain(..gone);
        }
    }
}

fn check_ranges(stream: &Stream, model: &Model, rng: &mut SmallRng) {
    for _ in 0..200 {
        let mut id = || StreamId::new(rng.random_range(0..stream.last_id.ms + 2), rng.random_range(0..3));
        let (start, end) = (id(), id());
        let mut expected: Model = model.iter().filter(|entry| start <= entry.0 && entry.0 <= end).cloned().collect();
        assert_eq!(content(stream.range(start, end)), expected, "{start:?} to {end:?}");
        expected.reverse();
        assert_eq!(content(stream.range_rev(start, end)), expected, "{end:?} to {start:?}");
        assert_eq!(stream.get(start).is_some(), model.iter().any(|entry| entry.0 == start));
    }
}

#[test]
fn entries_that_are_gone_may_have_any_ids_once_the_last_id_was_set_back() {
    let mut stream = Stream::default();
    let fields = || [b"f".as_slice(), b"v"].into_iter();
    for ms in [1, 50, 51] {
        stream.append(StreamId::new(ms, 0), fields(), LIMITS);
    }
    assert!(stream.delete(StreamId::new(50, 0)) && stream.delete(StreamId::new(51, 0)));
    stream.last_id = StreamId::new(1, 0);
    for ms in [2, 50] {
        stream.append(StreamId::new(ms, 0), fields(), LIMITS);
    }
    let ids = |ids: Model| ids.into_iter().map(|entry| entry.0.ms).collect::<Vec<_>>();
    assert_eq!(ids(content(stream.range(StreamId::new(1, 1), StreamId::new(40, 0)))), [2]);
    assert_eq!(ids(content(stream.range_rev(StreamId::MIN, StreamId::new(49, 0)))), [2, 1]);
    assert!(stream.get(StreamId::new(50, 0)).is_some() && stream.get(StreamId::new(51, 0)).is_none());
    assert_eq!(picture(&written_and_read(&stream, 10)), picture(&stream));
    assert!(stream.delete(StreamId::new(50, 0)) && stream.delete(StreamId::new(2, 0)));
    assert_eq!(stream.newest_id(), StreamId::new(1, 0));
}

fn written_and_read(stream: &Stream, version: u32) -> Stream {
    let value = Value::Stream(Box::new(stream.clone()));
    let mut body = Vec::new();
    put_body(&mut body, value.view(), version, None);
    let read = decode_value(kind_of(value.view(), version), &body, Dialect::Redis).unwrap();
    let Value::Stream(again) = from_rdb(read, &Thresholds::default()) else { panic!() };
    *again
}

fn with_groups() -> Stream {
    let mut rng = SmallRng::seed_from_u64(9);
    let mut stream = Stream::default();
    for ms in 1..400 {
        let fields = some_fields(&mut rng);
        stream.append(StreamId::new(ms, 0), fields.iter().map(Vec::as_slice), LIMITS);
    }
    stream.delete(StreamId::new(200, 0));
    for name in ["g", "empty", "7"] {
        let mut group = Group::new(StreamId::new(300, 0), (name != "empty").then_some(5));
        if name == "g" {
            for ms in 1..300 {
                let (owner, _) = group.find_or_create(format!("consumer {}", ms % 7).as_bytes(), 1000);
                group.assign(StreamId::new(ms, 0), Pending { time_ms: 77 + ms as i64, count: ms, owner });
            }
            group.find_or_create(b"idle", 2000);
        }
        assert!(stream.add_group(name.as_bytes(), group));
    }
    stream
}

/// All of a stream as text.
fn picture(stream: &Stream) -> String {
    let mut text = format!(
        "{:?} {:?} {:?} {}",
        content(stream.range(StreamId::MIN, StreamId::MAX)),
        stream.last_id,
        stream.max_deleted,
        stream.entries_added
    );
    for (name, group) in stream.groups() {
        text += &format!("\n{} {:?} {:?}", name.escape_ascii(), group.last_id, group.entries_read);
        for (id, pending) in group.pending().from_position(0) {
            let owner = group.name_of(pending.owner).escape_ascii();
            text += &format!("\n {id:?} {} {} {owner}", pending.time_ms, pending.count);
        }
        for consumer in group.consumers() {
            let ids: Vec<_> = consumer.pending().from_position(0).map(|(id, ())| id).collect();
            text += &format!("\n {} {} {ids:?}", consumer.name().escape_ascii(), consumer.seen_ms);
        }
    }
    text
}

#[test]
fn files_keep_all_of_a_stream_however_it_is_cut_into_pieces() {
    let stream = with_groups();
    for version in [10, 11] {
        let value = Value::Stream(Box::new(stream.clone()));
        let mut whole = Vec::new();
        put_body(&mut whole, value.view(), version, None);
        for budget in [1usize, 200, 3000, 6_000_000] {
            let (mut pieces, mut writer) = (Vec::new(), BodyWriter::new(version));
            while !writer.put_some(&mut pieces, value.view(), &mut budget.clone(), None) {}
            assert!(pieces == whole, "version {version}, pieces of {budget}");
        }
        assert_eq!(picture(&written_and_read(&stream, version)), picture(&stream));
    }
}

#[test]
fn a_consumer_takes_what_is_pending_with_it_along() {
    let mut stream = with_groups();
    let group = stream.group_mut(b"g").unwrap();
    let before = group.pending().len();
    let taken = group.delete_consumer(b"consumer 3").unwrap();
    assert_eq!(group.pending().len(), before - taken);
    assert_eq!(group.delete_consumer(b"consumer 3"), None);
    let (id, created) = group.find_or_create(b"another", 0);
    assert!(created);
    let moved = group.pending().ends().unwrap().0;
    let old_owner = group.pending().get(moved).unwrap().owner;
    let had = group.consumer(old_owner).unwrap().pending().len();
    group.assign(moved, Pending { time_ms: 0, count: 1, owner: id });
    assert_eq!(group.consumer(old_owner).unwrap().pending().len(), had - 1);
    assert_eq!(group.consumer(id).unwrap().pending().len(), 1);
    assert!(group.release(moved).is_some() && group.release(moved).is_none());
    assert!(group.consumer(id).unwrap().pending().is_empty());
}

#[test]
fn the_radix_tree_is_counted_as_redis_would_build_it() {
    let nodes = |ids: &[[u8; 16]]| radix_nodes(ids, 0);
    let id = |ms: u64, seq: u64| StreamId::new(ms, seq).to_bytes();
    assert_eq!(nodes(&[id(1, 1)]), 2);
    assert_eq!(nodes(&[id(1, 1), id(1, 2)]), 4);
    assert_eq!(nodes(&[id(1, 1), id(2, 1)]), 6);
    assert_eq!(nodes(&[id(0, 1), id(1 << 56, 1)]), 5);
}
