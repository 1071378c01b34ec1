//! Tests of whole shards: snapshots under writes, staging, eviction, expiry.

use super::entry::EntryRef;
use super::eviction::EvictionPolicy;
use super::rdb_sink::{AccessNote, EncodedSink, Part, RdbOptions};
use super::snapshot::SegmentSink;
use super::staging::StagingError;
use super::table::LoadValue;
use super::value::{List, Thresholds, Value, ValueRef};
use super::*;
use koltso_proto::rdb::writer::{put_eof, put_magic, put_select_db};
use koltso_proto::rdb::{Decoder, Item};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

const NOW: UnixMs = UnixMs(1_000_000_000_000);
const DB: DbIndex = DbIndex(0);

type Content = HashMap<(u32, Vec<u8>), (Vec<u8>, Option<UnixMs>)>;

/// Lending moves shards between threads.
#[test]
fn a_shard_can_be_sent() {
    fn sendable<T: Send>(_: T) {}
    sendable(Shard::new(ShardId(0), 2));
}

fn text(entry: EntryRef<'_>) -> Vec<u8> {
    match entry.value() {
        ValueRef::Str(text) => text.to_vec(),
        _ => b"not a string".to_vec(),
    }
}

fn content(shard: &Shard) -> Content {
    let mut content = Content::new();
    for (db, table) in shard.dbs.iter().enumerate() {
        for entry in table {
            content.insert((db as u32, entry.key().to_vec()), (text(entry), entry.expire()));
        }
    }
    content
}

/// Keeps what it is given, and checks that no key comes twice.
struct Recorder {
    db: DbIndex,
    seen: Arc<Mutex<Content>>,
    finished: Arc<Mutex<u32>>,
}

impl SegmentSink for Recorder {
    fn entry(&mut self, entry: EntryRef<'_>) {
        let before = self.seen.lock().unwrap().insert((self.db.0, entry.key().to_vec()), (text(entry), entry.expire()));
        assert!(before.is_none(), "a key came twice");
    }

    fn finish(&mut self) {
        *self.finished.lock().unwrap() += 1;
    }
}

/// One random change of anything that clients, or time, can change.
fn change(rng: &mut SmallRng, shard: &mut Shard) {
    let db = rng.random_range(0..3);
    let key = format!("key:{}", rng.random_range(0..6000)).into_bytes();
    let expire = rng.random_bool(0.2).then(|| UnixMs(NOW.0 + rng.random_range(0..1000)));
    let table = &mut shard.dbs[db];
    match rng.random_range(0..1000) {
        0..600 => table.set_string(&key, &vec![b'v'; rng.random_range(0..200)], expire, NOW),
        600..650 => {
            table.set_value(&key, Value::List(List::new()), expire, NOW);
        }
        650..800 => {
            table.delete(&key);
        }
        800..850 => {
            if let Some(entry) = table.remove(&key) {
                table.put(entry.with_key(b"renamed"), NOW);
            }
        }
        850..900 => {
            table.set_expire(&key, expire);
        }
        900..970 => {
            if let Some(mut entry) = table.find_mut(&key) {
                entry.edit_string(|text| text.push(b'+'));
            }
        }
        970..990 => {
            shard.expire_due(UnixMs(NOW.0 + rng.random_range(0..1000)), 500, &mut |_, _| {});
        }
        990..996 => {
            shard.evict_one(EvictionPolicy::AllKeysRandom, 5, rng, NOW);
        }
        996 => shard.flush(DbIndex(db as u32)),
        997 => shard.swap(DbIndex(db as u32), DbIndex(rng.random_range(0..3)), UnixMs(0)),
        998 => {
            shard.drop_step(1000);
        }
        _ => {
            shard.begin_staging();
            for n in 0..200 {
                let loaded = shard.staging_insert(DB, format!("loaded:{n}").as_bytes(), LoadValue::Str(b"l"), None, None, NOW);
                assert!(loaded.is_ok());
            }
            if rng.random() { shard.commit_staging() } else { shard.abort_staging() }
        }
    }
}

#[test]
fn a_snapshot_has_every_key_once_as_it_was_at_the_cut() {
    for seed in 0..12 {
        let mut rng = SmallRng::seed_from_u64(seed);
        let mut shard = Shard::new(ShardId(0), 3);
        for _ in 0..rng.random_range(0..30_000) {
            change(&mut rng, &mut shard);
        }
        for _ in 0..3 {
            let at_cut = content(&shard);
            let (seen, finished) = (Arc::<Mutex<Content>>::default(), Arc::<Mutex<u32>>::default());
            let mut begun = 0;
            shard.begin_snapshot(|table| {
                begun += 1;
                Box::new(Recorder { db: table.db, seen: Arc::clone(&seen), finished: Arc::clone(&finished) })
            });
            while shard.snapshot_step(rng.random_range(1..128_000)) == SnapshotProgress::More {
                for _ in 0..rng.random_range(0..2000) {
                    change(&mut rng, &mut shard);
                }
            }
            assert!(!shard.is_snapshotting());
            assert_eq!(*finished.lock().unwrap(), begun);
            assert!(*seen.lock().unwrap() == at_cut, "seed {seed}");
            // An abandoned snapshot must not be in the way of the next one, nor of what is written after it.
            for _ in 0..rng.random_range(0..3) {
                let ignored = Arc::<Mutex<u32>>::default();
                shard.begin_snapshot(|table| {
                    Box::new(Recorder { db: table.db, seen: Arc::default(), finished: Arc::clone(&ignored) })
                });
                for _ in 0..rng.random_range(0..3000) {
                    change(&mut rng, &mut shard);
                }
                shard.snapshot_step(rng.random_range(1..200_000));
                if rng.random() {
                    shard.abort_snapshot();
                    for _ in 0..rng.random_range(0..100) {
                        change(&mut rng, &mut shard);
                    }
                }
            }
        }
        shard.abort_snapshot();
        while shard.drop_step(10_000) {}
    }
}

#[derive(Default)]
struct Chunks(Mutex<Vec<(DbIndex, Vec<u8>)>>, AtomicBool);

impl EncodedSink for Chunks {
    fn send(&self, db: DbIndex, bytes: Vec<u8>) {
        let mut chunks = self.0.lock().unwrap();
        // An entry that has been begun is the last, and is still to be ended.
        let at = chunks.len() - usize::from(self.1.load(Ordering::Relaxed));
        chunks.insert(at, (db, bytes));
    }

    fn send_part(&self, db: DbIndex, bytes: Vec<u8>, part: Part) {
        assert_eq!(self.1.swap(!part.is_last, Ordering::Relaxed), !part.is_first, "two entries at once");
        let mut chunks = self.0.lock().unwrap();
        match chunks.last_mut() {
            Some((own, begun)) if !part.is_first => {
                assert_eq!(*own, db);
                begun.extend(bytes);
            }
            _ => chunks.push((db, bytes)),
        }
    }
}

#[test]
fn an_encoded_snapshot_is_read_back_with_large_values_as_they_were_at_the_cut() {
    let mut shard = Shard::new(ShardId(0), 3);
    let mut list = List::new();
    for n in 0..3000 {
        list.push(value::End::Tail, format!("element {n}").as_bytes(), &Thresholds::default());
    }
    for n in 0..3000 {
        shard.dbs[0].set_string(format!("key:{n}").as_bytes(), &[b'v'; 100], None, NOW);
    }
    shard.dbs[2].set_value(b"list", Value::List(list.clone()), Some(NOW), NOW);
    shard.dbs[2].set_string(b"long", &[b'l'; 100_000], None, NOW);
    let options = RdbOptions { version: 10, access: AccessNote::Idle(UnixMs(NOW.0 + 7000)), compress: false };
    let chunks = Arc::<Chunks>::default();
    let target: Arc<dyn EncodedSink> = chunks.clone();
    let at_cut = shard.begin_rdb_snapshot(options, &target);
    assert_eq!(
        at_cut.iter().map(|table| (table.db.0, table.keys, table.expires)).collect::<Vec<_>>(),
        [(0, 3000, 0), (2, 2, 1)]
    );
    // Both are changed before the walk comes to them: the first write hands their segment over.
    shard.dbs[2].find_mut(b"long").unwrap().edit_string(|text| text.clear());
    let mut entry = shard.dbs[2].find_mut(b"list").unwrap();
    let value::ValueMut::List(changed) = entry.value_mut() else { panic!("a list") };
    changed.push(value::End::Tail, b"too late", &Thresholds::default());
    let mut steps = 0;
    while shard.snapshot_step(10_000) == SnapshotProgress::More {
        steps += 1;
    }
    assert!(steps > 8, "{steps}");
    let mut file = Vec::new();
    put_magic(&mut file, options.version);
    for (db, bytes) in chunks.0.lock().unwrap().iter() {
        put_select_db(&mut file, *db);
        file.extend_from_slice(bytes);
    }
    put_eof(&mut file);
    file.extend_from_slice(&[0; 8]);
    let (mut keys, mut db) = (0, DB);
    let mut decoder = Decoder::default();
    decoder.feed(&file);
    while let Some(item) = decoder.next_item().expect("the file is well-formed") {
        match item {
            Item::SelectDb(selected) => db = selected,
            Item::Key(entry) => {
                keys += 1;
                assert_eq!(entry.idle_s, Some(7));
                let value = value::rdb::from_rdb(entry.value, &Thresholds::default());
                match (db.0, &*entry.key.into_vec(), value.view()) {
                    (2, b"list", ValueRef::List(read)) => assert!(read.iter().eq(list.iter())),
                    (2, b"long", ValueRef::Str(read)) => assert_eq!(read.len(), 100_000),
                    (0, _, ValueRef::Str(read)) => assert_eq!(read, [b'v'; 100]),
                    other => panic!("{other:?}"),
                }
            }
            _ => {}
        }
    }
    assert_eq!(keys, 3002);
}

#[test]
fn a_failed_load_leaves_the_old_data() {
    let mut shard = Shard::new(ShardId(0), 2);
    shard.dbs[0].set_string(b"old", b"1", None, NOW);
    shard.begin_staging();
    let insert =
        |shard: &mut Shard, db, key: &[u8]| shard.staging_insert(DbIndex(db), key, LoadValue::Str(b"2"), None, None, NOW);
    assert_eq!(insert(&mut shard, 1, b"new"), Ok(()));
    assert_eq!(insert(&mut shard, 0, b"new"), Ok(()));
    assert_eq!(insert(&mut shard, 0, b"new"), Err(StagingError::DuplicateKey));
    assert_eq!(insert(&mut shard, 2, b"new"), Err(StagingError::NoSuchDb));
    assert_eq!(shard.staged_len(), 2);
    shard.abort_staging();
    assert!(shard.dbs[0].find(b"old").is_some() && shard.dbs[0].find(b"new").is_none());
    shard.begin_staging();
    assert_eq!(insert(&mut shard, 0, b"new"), Ok(()));
    shard.commit_staging();
    assert!(shard.dbs[0].find(b"old").is_none() && shard.dbs[0].find(b"new").is_some());
}

#[test]
fn eviction_takes_what_the_policy_says() {
    let mut rng = SmallRng::seed_from_u64(1);
    let mut shard = Shard::new(ShardId(0), 2);
    for n in 0..2000u64 {
        let expire = (n % 10 == 0).then_some(UnixMs(NOW.0 + 1_000_000 - n * 10));
        shard.dbs[n as usize % 2].set_string(format!("{n:04}").as_bytes(), b"v", expire, UnixMs(NOW.0 + n * 1000));
    }
    let number = |key: &[u8]| std::str::from_utf8(key).unwrap().parse::<u64>().unwrap();
    let mut evict = |policy, shard: &mut Shard| {
        shard.evict_one(policy, 5, &mut rng, UnixMs(NOW.0 + 3_000_000)).map(|(_, key)| number(&key))
    };
    assert_eq!(evict(EvictionPolicy::NoEviction, &mut shard), None);
    // The deadlines fall as the numbers rise, so they go exactly in this order.
    let by_deadline: Vec<_> = (0..3).map(|_| evict(EvictionPolicy::VolatileTtl, &mut shard).unwrap()).collect();
    assert_eq!(by_deadline, [1990, 1980, 1970]);
    let oldest: Vec<_> = (0..300).map(|_| evict(EvictionPolicy::AllKeysLru, &mut shard).unwrap()).collect();
    let mean = oldest.iter().sum::<u64>() / 300;
    assert!(mean < 400, "{mean}");
    for _ in 0..50 {
        assert_eq!(evict(EvictionPolicy::VolatileRandom, &mut shard).unwrap() % 10, 0);
    }
    while let Some(key) = evict(EvictionPolicy::VolatileLru, &mut shard) {
        assert_eq!(key % 10, 0);
    }
    assert_eq!(shard.dbs[0].expires() + shard.dbs[1].expires(), 0);
    let left = shard.dbs[0].len() + shard.dbs[1].len();
    for _ in 0..left {
        assert!(evict(EvictionPolicy::AllKeysRandom, &mut shard).is_some());
    }
    assert_eq!(evict(EvictionPolicy::AllKeysRandom, &mut shard), None);
    assert_eq!(shard.stats.evicted, 2000);
}

#[test]
fn frequently_used_keys_are_evicted_last() {
    let mut rng = SmallRng::seed_from_u64(2);
    let mut shard = Shard::new(ShardId(0), 1);
    shard.set_policy(AccessPolicy::Lfu { log_factor: 10, decay_time_min: 1 });
    for n in 0..1000u32 {
        shard.dbs[0].set_string(&n.to_be_bytes(), b"v", None, NOW);
    }
    for _ in 0..200 {
        for n in 0..100u32 {
            let spot = shard.dbs[0].locate(&n.to_be_bytes()).unwrap();
            shard.dbs[0].touch(spot, NOW);
        }
    }
    for _ in 0..700 {
        shard.evict_one(EvictionPolicy::AllKeysLfu, 5, &mut rng, NOW);
    }
    let kept = (0..100u32).filter(|n| shard.dbs[0].find(&n.to_be_bytes()).is_some()).count();
    assert!(kept >= 98, "{kept}");
}

#[test]
fn flushing_and_swapping_tell_the_watchers_of_keys_that_were_there() {
    let mut shard = Shard::new(ShardId(0), 3);
    shard.dbs[0].set_string(b"x", b"1", None, NOW);
    let flags: Vec<_> = (0..3).map(|_| Arc::new(watch::WatchFlag::default())).collect();
    shard.watch.watch(DbIndex(0), b"x", false, &flags[0]);
    shard.watch.watch(DbIndex(0), b"absent", false, &flags[1]);
    shard.watch.watch(DbIndex(1), b"x", false, &flags[2]);
    shard.swap(DbIndex(0), DbIndex(1), UnixMs(0));
    assert_eq!([0, 1, 2].map(|i: usize| flags[i].is_raised()), [true, false, true]);
    shard.flush(DbIndex(1));
    assert!(shard.dbs[1].is_empty());
    assert!(!flags[1].is_raised());
}

#[test]
fn what_leaves_a_shard_and_stays_with_a_snapshot_is_counted_until_it_is_encoded() {
    let mut shard = Shard::new(ShardId(0), 2);
    for key in [b"deleted", b"changed"] {
        let mut set = value::Set::default();
        for n in 0..100_000 {
            set.add(format!("a member of some length, number {n}").as_bytes(), &Thresholds::default());
        }
        shard.dbs[0].set_value(key, Value::Set(set), None, NOW);
    }
    let options = RdbOptions { version: 10, access: AccessNote::None, compress: false };
    let target: Arc<dyn EncodedSink> = Arc::<Chunks>::default();
    shard.begin_rdb_snapshot(options, &target);
    let mut entry = shard.dbs[0].find_mut(b"changed").unwrap();
    let value::ValueMut::Set(set) = entry.value_mut() else { panic!("a set") };
    set.add(b"one more", &Thresholds::default());
    assert!(shard.snapshot_held(8) < 500_000, "nearly all of it is still there: {}", shard.snapshot_held(8));
    shard.dbs[0].delete(b"deleted");
    while !graveyard::dig(std::time::Instant::now() + std::time::Duration::from_millis(1), drop) {}
    let held = shard.snapshot_held(8);
    assert!((4_000_000..16_000_000).contains(&held), "{held}");
    assert!(shard.snapshot_backlog() > 4_000_000);
    while shard.snapshot_step(10_000) == SnapshotProgress::More {}
    assert_eq!((shard.snapshot_held(8), shard.snapshot_backlog()), (0, 0));
}

#[test]
fn flushed_databases_are_dropped_bit_by_bit_however_many_they_are() {
    let mut shard = Shard::new(ShardId(0), 16);
    for db in 0..16 {
        for n in 0..4000 {
            shard.dbs[db].set_string(format!("key:{n}").as_bytes(), &[b'v'; 100], None, NOW);
        }
    }
    let before = shard.heap_bytes();
    (0..16).for_each(|db| shard.flush(DbIndex(db)));
    assert!(shard.heap_bytes() > before * 9 / 10, "most of it was dropped at once");
    let steps = (1..).find(|_| !shard.drop_step(500)).unwrap();
    assert!(steps >= 16 * 4000 / 2000, "{steps}");
    assert!(shard.heap_bytes() < before / 10);
}

#[test]
fn what_a_snapshot_was_given_is_dropped_bit_by_bit_when_it_is_given_up() {
    let mut shard = Shard::new(ShardId(0), 1);
    for key in 0..300 {
        let mut set = value::Set::default();
        for n in 0..600 {
            set.add(format!("member {n}").as_bytes(), &Thresholds::default());
        }
        shard.dbs[0].set_value(format!("{key}").as_bytes(), Value::Set(set), None, NOW);
    }
    let options = RdbOptions { version: 10, access: AccessNote::None, compress: false };
    let target: Arc<dyn EncodedSink> = Arc::<Chunks>::default();
    shard.begin_rdb_snapshot(options, &target);
    (0..300).for_each(|key| assert!(shard.dbs[0].delete(format!("{key}").as_bytes())));
    let dig = || graveyard::dig(std::time::Instant::now() + std::time::Duration::from_secs(10), drop);
    assert!(dig());
    shard.abort_snapshot();
    assert!(!shard.is_snapshotting() && shard.is_dropping());
    let steps = (1..).find(|_| !shard.drop_step(20)).unwrap();
    assert_eq!(steps, 15);
    assert!(!graveyard::is_empty(), "they were dropped at once");
    assert!(dig());
}

fn large_set(members: usize) -> Value {
    let mut set = value::Set::default();
    for n in 0..members {
        set.add(format!("member {n}").as_bytes(), &Thresholds::default());
    }
    Value::Set(set)
}

/// What an encoded snapshot is made of, read back: keys, and the lengths of their values.
fn read_back(chunks: &Chunks) -> HashMap<(u32, Vec<u8>), usize> {
    let mut file = Vec::new();
    put_magic(&mut file, 10);
    for (db, bytes) in chunks.0.lock().unwrap().iter() {
        put_select_db(&mut file, *db);
        file.extend_from_slice(bytes);
    }
    put_eof(&mut file);
    file.extend_from_slice(&[0; 8]);
    let (mut found, mut db) = (HashMap::new(), DB);
    let mut decoder = Decoder::default();
    decoder.feed(&file);
    while let Some(item) = decoder.next_item().expect("the file is well-formed") {
        match item {
            Item::SelectDb(selected) => db = selected,
            Item::Key(entry) => {
                let value = value::rdb::from_rdb(entry.value, &Thresholds::default());
                let before = found.insert((db.0, entry.key.into_vec()), len_of(value.view()));
                assert!(before.is_none(), "a key came twice");
            }
            _ => {}
        }
    }
    found
}

fn len_of(value: ValueRef<'_>) -> usize {
    match value {
        ValueRef::Str(text) => text.len(),
        ValueRef::Set(set) => set.len(),
        _ => 0,
    }
}

#[test]
fn an_encoded_snapshot_is_the_cut_whatever_is_done_to_large_values_meanwhile() {
    for seed in 0..6 {
        let mut rng = SmallRng::seed_from_u64(seed);
        let mut shard = Shard::new(ShardId(0), 3);
        let change = |rng: &mut SmallRng, shard: &mut Shard| {
            let key = format!("key:{}", rng.random_range(0..300)).into_bytes();
            let db = rng.random_range(0..3);
            let table = &mut shard.dbs[db];
            match rng.random_range(0..100) {
                0..20 => table.set_value(&key, large_set(rng.random_range(500..5000)), None, NOW),
                20..40 => table.set_string(&key, &vec![b's'; rng.random_range(1..100_000)], None, NOW),
                40..60 => {
                    table.delete(&key);
                }
                60..95 => {
                    if let Some(mut entry) = table.find_mut(&key)
                        && let value::ValueMut::Set(set) = entry.value_mut()
                    {
                        set.add(&rng.random::<[u8; 9]>(), &Thresholds::default());
                    }
                }
                95..97 => shard.swap(DbIndex(db as u32), DbIndex(rng.random_range(0..3)), NOW),
                97 => shard.flush(DbIndex(db as u32)),
                _ => {
                    shard.drop_step(100);
                }
            }
        };
        (0..400).for_each(|_| change(&mut rng, &mut shard));
        let tables = shard.dbs.iter().enumerate();
        let at_cut: HashMap<_, _> = tables
            .flat_map(|(db, table)| table.iter().map(move |entry| ((db as u32, entry.key().to_vec()), len_of(entry.value()))))
            .collect();
        let chunks = Arc::<Chunks>::default();
        let target: Arc<dyn EncodedSink> = chunks.clone();
        let options = RdbOptions { version: 10, access: AccessNote::None, compress: seed % 2 == 0 };
        shard.begin_rdb_snapshot(options, &target);
        let mut more = true;
        while more {
            let budget = rng.random_range(1..100_000);
            if rng.random_bool(0.3) {
                shard.snapshot_go_on(budget);
            } else {
                more = shard.snapshot_step(budget) == SnapshotProgress::More;
            }
            (0..rng.random_range(0..4)).for_each(|_| change(&mut rng, &mut shard));
            shard.snapshot_held(rng.random_range(0..4));
        }
        assert!(!shard.is_snapshotting());
        assert_eq!((shard.snapshot_held(1), shard.snapshot_backlog()), (0, 0));
        assert!(read_back(&chunks) == at_cut, "seed {seed}");
    }
}

#[test]
fn no_step_of_a_walk_encodes_much_more_than_its_budget() {
    let mut shard = Shard::new(ShardId(0), 1);
    // All in one segment, none of many elements.
    for key in 0..100 {
        let mut hash = value::Hash::new();
        for n in 0..200 {
            hash.set(format!("field {n}").as_bytes(), &[b'v'; 1000], &Thresholds::default());
        }
        shard.dbs[0].set_value(format!("hash:{key}").as_bytes(), Value::Hash(hash), None, NOW);
        shard.dbs[0].set_string(format!("text:{key}").as_bytes(), &[b't'; 16_000], None, NOW);
    }
    shard.dbs[0].set_value(b"set", large_set(200_000), None, NOW);
    let mut long = value::Hash::new();
    (0..3).for_each(|n| {
        long.set(&[n], &vec![b'l'; 3_000_000], &Thresholds::default());
    });
    shard.dbs[0].set_value(b"long", Value::Hash(long), None, NOW);
    let chunks = Arc::<Chunks>::default();
    let target: Arc<dyn EncodedSink> = chunks.clone();
    shard.begin_rdb_snapshot(RdbOptions { version: 10, access: AccessNote::None, compress: false }, &target);
    let sum = || chunks.0.lock().unwrap().iter().map(|(_, bytes)| bytes.len()).sum::<usize>();
    let (mut before, mut most, mut steps) = (0, 0, 0);
    while shard.snapshot_step(16 << 10) == SnapshotProgress::More {
        steps += 1;
        most = most.max(sum() - before);
        before = sum();
    }
    // What is given away at a time is more than a step: whole chunks.
    assert!(most < 512 << 10, "{most} bytes at once");
    assert!(sum() > 30_000_000 && steps > 1000, "{} bytes in {steps} steps", sum());
    assert_eq!(read_back(&chunks).len(), 202);
}
