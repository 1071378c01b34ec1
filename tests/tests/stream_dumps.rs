//! Streams by `DUMP` and `RESTORE` between koltso and a real server: entries, groups and what is pending arrive as they were.

use koltso_tests::{Client, Kind, Seed, Server, Value, plan, with_cores};

/// Stream commands before the dumps are taken.
const PLAN_LEN: usize = 3000;
const PIPELINE_LEN: usize = 50;

fn run_plan(seed: &mut Seed, client: &mut Client) {
    let about_streams = std::iter::repeat_with(|| plan::command(seed)).filter(|args| args[0].starts_with(b"X"));
    let commands: Vec<Vec<Vec<u8>>> = about_streams.take(PLAN_LEN).collect();
    commands.chunks(PIPELINE_LEN).for_each(|commands| drop(client.pipeline(commands)));
}

/// All that can be asked about a stream.
fn picture(client: &mut Client, key: &[u8]) -> Vec<Value> {
    let full: &[&[u8]] = &[b"XINFO", b"STREAM", key, b"FULL", b"COUNT", b"0"];
    let mut picture = vec![client.must(full), client.must(&[b"DEBUG".as_slice(), b"DIGEST-VALUE", key])];
    for group in client.must(&[b"XINFO".as_slice(), b"GROUPS", key]).items() {
        picture.push(client.must(&[b"XPENDING".as_slice(), key, group.items()[1].bytes()]));
        picture.push(group);
    }
    picture
}

fn check(seed: &mut Seed, from: Kind, to: Kind) {
    println!("--- from {from:?} to {to:?}");
    let (source, target) = (Server::start(from), Server::start(to));
    let (mut source, mut target) = (source.client(), target.client());
    run_plan(seed, &mut source);
    let mut groups = 0;
    let keys = source.must(&["KEYS", "*"]).items();
    for key in &keys {
        let dump = source.must(&[b"DUMP".as_slice(), key.bytes()]);
        target.must(&[b"RESTORE".as_slice(), key.bytes(), b"0", dump.bytes()]).ok();
        let (wanted, got) = (picture(&mut source, key.bytes()), picture(&mut target, key.bytes()));
        groups += wanted.len() - 2;
        assert_eq!(got, wanted, "{key:?}");
    }
    assert!(keys.len() > 3 && groups > 3, "{} streams, {groups} facts about groups", keys.len());
    // Back again, and on: what was restored is good for more than being looked at.
    run_plan(seed, &mut target);
    source.must(&["FLUSHALL"]);
    for key in target.must(&["KEYS", "*"]).items() {
        let dump = target.must(&[b"DUMP".as_slice(), key.bytes()]);
        source.must(&[b"RESTORE".as_slice(), key.bytes(), b"0", dump.bytes()]).ok();
        assert_eq!(picture(&mut source, key.bytes()), picture(&mut target, key.bytes()), "{key:?}");
    }
}

#[test]
fn dumps_keep_all_of_a_stream_from_koltso_to_redis_and_back() {
    let mut seed = Seed::fresh("stream_dumps_out");
    with_cores(|kind| check(&mut seed, kind, Kind::Redis));
}

#[test]
fn dumps_keep_all_of_a_stream_from_redis_to_koltso_and_back() {
    let mut seed = Seed::fresh("stream_dumps_in");
    with_cores(|kind| check(&mut seed, Kind::Redis, kind));
}

/// Each consumer once took a walk over those before it: a hundred thousand would take minutes.
#[test]
fn a_group_of_a_hundred_thousand_consumers_is_dumped_in_no_time() {
    const CONSUMERS: usize = 100_000;
    let (source, target) = (Server::start(Kind::Koltso { cores: 1 }), Server::start(Kind::Redis));
    let server = &source;
    let (mut source, mut target) = (source.client(), target.client());
    source.must(&["XADD", "s", "1-1", "f", "v"]);
    source.must(&["XGROUP", "CREATE", "s", "g", "0"]).ok();
    let name = |nth: usize| format!("consumer {nth}");
    let create = |nth| ["XGROUP".to_string(), "CREATECONSUMER".into(), "s".into(), "g".into(), name(nth)].to_vec();
    let delete = |nth| ["XGROUP".to_string(), "DELCONSUMER".into(), "s".into(), "g".into(), name(nth)].to_vec();
    let all: Vec<usize> = (0..CONSUMERS).collect();
    // Those that are deleted leave places that are found again.
    for run in [&create as &dyn Fn(usize) -> Vec<String>, &delete, &create] {
        for some in all.chunks(1000) {
            source.pipeline(&some.iter().map(|nth| run(*nth)).collect::<Vec<_>>());
        }
    }
    let begin = server.processor_time();
    let dump = source.must(&["DUMP", "s"]);
    let took = server.processor_time() - begin;
    target.must(&[b"RESTORE".as_slice(), b"s", b"0", dump.bytes()]).ok();
    assert_eq!(target.must(&["XINFO", "GROUPS", "s"]).items()[0].items()[3].int(), CONSUMERS as i64);
    assert!(took.as_secs() < 2, "{took:?}");
    source.must(&["DEBUG", "RELOAD"]).ok();
    assert_eq!(source.must(&["XINFO", "GROUPS", "s"]), target.must(&["XINFO", "GROUPS", "s"]));
}

/// A group may be set to have read the most entries that there can be, and reads on from there: a Redis counts on to negative
/// numbers, which none of its replicas takes; we know no number any more.
#[test]
fn a_count_of_entries_read_beyond_the_largest_number_is_kept_as_it_comes_and_never_made() {
    for (from, counted) in [(Kind::Redis, ":-9223372036854775807"), (Kind::Koltso { cores: 1 }, "$-1")] {
        let (source, target) = (Server::start(from), Server::start(Kind::Koltso { cores: 1 }));
        let (mut source, mut target) = (source.client(), target.client());
        let largest = i64::MAX.to_string();
        (1..=3).for_each(|id| drop(source.must(&["XADD", "s", &format!("{id}-1"), "f", "v"])));
        source.must(&["XGROUP", "CREATE", "s", "g", "0", "ENTRIESREAD", &largest]);
        source.must(&["XREADGROUP", "GROUP", "g", "c", "COUNT", "2", "STREAMS", "s", ">"]);
        let dump = source.must(&["DUMP", "s"]);
        target.must(&[b"RESTORE".as_slice(), b"s", b"0", dump.bytes()]).ok();
        let wanted = picture(&mut source, b"s");
        assert!(format!("{wanted:?}").contains(&format!("\"entries-read\", {counted}")), "{wanted:?}");
        assert_eq!(picture(&mut target, b"s"), wanted, "from {from:?}");
        target.must(&["XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", ">"]);
        assert!(!format!("{:?}", picture(&mut target, b"s")).contains("entries-read\", :-"), "from {from:?}");
    }
}
