//! Commands whose keys lie on several cores: seen by others whole or not at all.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use koltso_tests::{Seed, Server, Value, with_cores};

/// How long each race runs.
const SPAN: Duration = Duration::from_millis(1200);
/// How often each takes part at least, which [`SPAN`] is too short for on a machine that is busy with something else.
const ROUNDS_MIN: u64 = 11;
/// Spread over all shards of any small number of cores.
const KEYS: [&str; 6] = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta"];

/// Runs writers and readers beside them until [`SPAN`] is over and each has had its [`ROUNDS_MIN`] rounds; each is called again and
/// again with its own seed.
fn race(server: &Server, seed: &Seed, writers: &[&(dyn Fn(&mut Racer) + Sync)], readers: &[&(dyn Fn(&mut Racer) + Sync)]) {
    let over = AtomicBool::new(false);
    let behind = AtomicUsize::new(writers.len() + readers.len());
    let end = Instant::now() + SPAN;
    std::thread::scope(|scope| {
        for (n, body) in writers.iter().chain(readers).enumerate() {
            let (over, behind) = (&over, &behind);
            let mut racer = Racer { client: server.client(), seed: seed.part(n as u64), rounds: 0 };
            scope.spawn(move || {
                while !over.load(Ordering::Relaxed) && (Instant::now() < end || behind.load(Ordering::Relaxed) > 0) {
                    let failed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| body(&mut racer))).is_err();
                    if failed {
                        over.store(true, Ordering::Relaxed);
                        panic!("racer {n} failed in round {}", racer.rounds);
                    }
                    racer.rounds += 1;
                    if racer.rounds == ROUNDS_MIN {
                        behind.fetch_sub(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
}

struct Racer {
    client: koltso_tests::Client,
    seed: Seed,
    rounds: u64,
}

impl Racer {
    /// EXEC's replies to `commands`.
    fn transaction(&mut self, commands: &[&[&str]]) -> Value {
        self.client.must(&["MULTI"]).ok();
        for command in commands {
            self.client.must(command);
        }
        self.client.must(&["EXEC"])
    }
}

fn mset(racer: &mut Racer) {
    let value = racer.seed.below(1_000_000).to_string();
    let mut command = vec!["MSET"];
    KEYS.iter().for_each(|key| command.extend([*key, &value]));
    racer.client.must(&command).ok();
}

fn assert_uniform(values: &[Value]) {
    assert!(values.iter().all(|value| *value == values[0]), "half of a write was seen: {values:?}");
}

fn mget_is_uniform(racer: &mut Racer) {
    assert_uniform(&racer.client.must(&[&["MGET"], &KEYS[..]].concat()).items());
}

fn transaction_is_uniform(racer: &mut Racer) {
    let gets: Vec<[&str; 2]> = KEYS.iter().map(|key| ["GET", key]).collect();
    let gets: Vec<&[&str]> = gets.iter().map(|get| get.as_slice()).collect();
    assert_uniform(&racer.transaction(&gets).items());
}

#[test]
fn mset_and_del_are_seen_whole() {
    let seed = Seed::fresh("mset_del");
    with_cores(|kind| {
        let server = Server::start(kind);
        let del = |racer: &mut Racer| {
            let gone = racer.client.must(&[&["DEL"], &KEYS[..]].concat()).int();
            assert!(gone == 0 || gone == KEYS.len() as i64, "{gone} of them were there");
        };
        let exists = |racer: &mut Racer| {
            let there = racer.client.must(&[&["EXISTS"], &KEYS[..]].concat()).int();
            assert!(there == 0 || there == KEYS.len() as i64, "{there} of them are there");
        };
        race(&server, &seed, &[&mset, &mset, &del], &[&mget_is_uniform, &transaction_is_uniform, &exists]);
    });
}

#[test]
fn transactions_are_seen_whole() {
    let seed = Seed::fresh("transactions");
    with_cores(|kind| {
        let server = Server::start(kind);
        let write = |racer: &mut Racer| {
            let value = racer.seed.below(1_000_000).to_string();
            let mut keys = KEYS;
            // In any order: shards are asked for in the same one all the same.
            keys.rotate_left(racer.seed.below(6) as usize);
            let sets: Vec<[&str; 3]> = keys.iter().map(|key| ["SET", key, &value]).collect();
            let sets: Vec<&[&str]> = sets.iter().map(|set| set.as_slice()).collect();
            racer.transaction(&sets).items().iter().for_each(Value::ok);
        };
        race(&server, &seed, &[&write, &write, &mset], &[&mget_is_uniform, &transaction_is_uniform]);
    });
}

#[test]
fn msetnx_of_two_racers_succeeds_for_one() {
    let seed = Seed::fresh("msetnx");
    with_cores(|kind| {
        let server = Server::start(kind);
        let claim = |racer: &mut Racer| {
            let me = racer.seed.below(1 << 40).to_string();
            let mut command = vec!["MSETNX"];
            KEYS.iter().for_each(|key| command.extend([*key, &me]));
            if racer.client.must(&command).int() == 1 {
                let values = racer.client.must(&[&["MGET"], &KEYS[..]].concat()).items();
                assert!(values.iter().all(|value| value.text() == me), "claimed by two: {values:?}");
                racer.client.must(&[&["DEL"], &KEYS[..]].concat());
            }
        };
        race(&server, &seed, &[&claim, &claim, &claim], &[]);
    });
}

#[test]
fn a_renamed_key_is_always_somewhere() {
    let seed = Seed::fresh("rename");
    with_cores(|kind| {
        let server = Server::start(kind);
        server.client().must(&["RPUSH", KEYS[0], "a", "b", "c"]);
        let wander = |racer: &mut Racer| {
            let (from, to) = (*racer.seed.pick(&KEYS), *racer.seed.pick(&KEYS));
            racer.client.cmd(&["RENAME", from, to]);
        };
        let found = |racer: &mut Racer| {
            assert_eq!(racer.client.must(&[&["EXISTS"], &KEYS[..]].concat()).int(), 1);
        };
        race(&server, &seed, &[&wander, &wander], &[&found]);
        assert_eq!(server.client().must(&["DBSIZE"]).int(), 1);
    });
}

#[test]
fn watched_increments_on_two_shards_lose_nothing() {
    let seed = Seed::fresh("watch");
    with_cores(|kind| {
        let server = Server::start(kind);
        let done = std::sync::atomic::AtomicI64::new(0);
        let raise = |racer: &mut Racer| {
            let [one, other] = [KEYS[0], KEYS[3]];
            racer.client.must(&["WATCH", one, other]).ok();
            let read = |value: Value| if value.is_null() { 0 } else { value.text().parse::<i64>().unwrap() };
            let (a, b) = (read(racer.client.must(&["GET", one])), read(racer.client.must(&["GET", other])));
            let (a, b) = ((a + 1).to_string(), (b + 1).to_string());
            if !racer.transaction(&[&["SET", one, &a], &["SET", other, &b]]).is_null() {
                done.fetch_add(1, Ordering::Relaxed);
            }
        };
        race(&server, &seed, &[&raise, &raise, &raise], &[]);
        let done = done.load(Ordering::Relaxed);
        assert!(done > 10);
        for key in [KEYS[0], KEYS[3]] {
            assert_eq!(server.client().must(&["GET", key]).text(), done.to_string());
        }
    });
}

#[test]
fn flushall_under_load_leaves_no_half() {
    let seed = Seed::fresh("flushall");
    with_cores(|kind| {
        let server = Server::start(kind);
        let flush = |racer: &mut Racer| {
            racer.client.must(&["FLUSHALL"]).ok();
            std::thread::sleep(Duration::from_millis(2));
        };
        let swap = |racer: &mut Racer| {
            racer.client.must(&["SWAPDB", "0", "1"]).ok();
        };
        let size = |racer: &mut Racer| {
            let size = racer.client.must(&["DBSIZE"]).int();
            assert!(size == 0 || size == KEYS.len() as i64, "{size} keys");
        };
        race(&server, &seed, &[&mset, &mset, &flush, &swap], &[&mget_is_uniform, &transaction_is_uniform, &size]);
    });
}

#[test]
fn commands_of_one_connection_keep_their_order_across_shards() {
    let mut seed = Seed::fresh("one_connection");
    with_cores(|kind| {
        let server = Server::start(kind);
        let mut client = server.client();
        // Each batch reads its own writes, on whatever core they are.
        for _ in 0..100 {
            let mut commands = Vec::new();
            let mut wanted = Vec::new();
            for i in 0..100 {
                let key = *seed.pick(&KEYS);
                let value = seed.below(1000).to_string();
                match i % 4 {
                    0 => commands.push(vec!["MSET".into(), key.to_string(), value.clone(), "other".into(), value.clone()]),
                    _ => commands.push(vec!["SET".into(), key.to_string(), value.clone()]),
                }
                wanted.push("OK".to_string());
                commands.push(vec!["GET".into(), key.to_string()]);
                wanted.push(value);
            }
            let got: Vec<String> = client.pipeline(&commands).iter().map(Value::text).collect();
            assert_eq!(got, wanted);
        }
    });
}
