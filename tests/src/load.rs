//! Bounded background writers with a mixed load, and the ledger of what was acknowledged.
//!
//! Shared keys (`s:N`, `l:N`, …) are written by all writers and are for O1. Keys of one writer (`ctr:`, `app:`) carry
//! the ledger: counters and appends that must neither lose nor gain anything (O3, O4).

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::{Client, Seed, Server, Value};

/// Whatever a test forgets, a writer ends after this long.
const SPAN_MAX: Duration = Duration::from_secs(600);
/// Width of one append token, so a lost or doubled one shifts nothing.
const TOKEN_LEN: usize = 8;

/// What to write.
#[derive(Clone)]
pub struct Spec {
    /// The server's port.
    pub port: u16,
    /// How many connections write.
    pub writers: u64,
    /// The number of the first of them: loads whose numbers differ share no key of the ledger.
    pub first_writer: u64,
    /// How many shared keys of each type there are per database.
    pub keys: u64,
    /// The databases.
    pub dbs: Vec<u32>,
    /// Pause after each command.
    pub pace: Duration,
    /// A writer ends after so many commands.
    pub commands_max: u64,
    /// Include FLUSHDB and SWAPDB now and then.
    pub flushes: bool,
}

impl Spec {
    /// Three writers, 60 keys of each type, three databases, as fast as possible.
    pub fn of(server: &Server) -> Spec {
        Spec {
            port: server.port(),
            writers: 3,
            first_writer: 0,
            keys: 60,
            dbs: vec![0, 1, 9],
            pace: Duration::ZERO,
            commands_max: u64::MAX,
            flushes: false,
        }
    }
}

/// Acknowledged and sent counts per ledger key, both kinds in database 0.
#[derive(Default, Debug)]
pub struct Ledger {
    /// Counter → (acknowledged, sent).
    pub counters: BTreeMap<String, (u64, u64)>,
    /// Append key → (acknowledged, sent).
    pub appends: BTreeMap<String, (u64, u64)>,
    /// Commands acknowledged in all.
    pub commands: u64,
    /// Error replies with their number, but for those that a random plan brings about (WRONGTYPE, no such key).
    pub errors: BTreeMap<String, u64>,
}

/// Writers at work.
pub struct Load {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
    writers: Vec<JoinHandle<Ledger>>,
}

impl Load {
    /// Starts the writers.
    pub fn start(spec: Spec, seed: &Seed) -> Load {
        let stop = Arc::new(AtomicBool::new(false));
        let done = Arc::new(AtomicU64::new(0));
        let writer = |id| {
            let (spec, seed, stop, done) = (spec.clone(), seed.part(id), stop.clone(), done.clone());
            std::thread::spawn(move || Writer { id, spec, seed, stop, done, ledger: Ledger::default() }.run())
        };
        let writers = (spec.first_writer..spec.first_writer + spec.writers).map(writer).collect();
        Load { stop, done, writers }
    }

    /// Commands acknowledged so far.
    pub fn commands(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// Waits until so many more commands are acknowledged.
    #[track_caller]
    pub fn wait_more(&self, count: u64) {
        let from = self.commands();
        crate::eventually("the load goes on", || {
            let now = self.commands();
            crate::wait::must(now >= from + count, || format!("{} of {count} commands", now - from))
        });
    }

    /// Waits until so many commands are acknowledged in all: for writers that end by themselves.
    #[track_caller]
    pub fn wait_total(&self, count: u64) {
        crate::eventually("the load goes on", || {
            let now = self.commands();
            crate::wait::must(now >= count, || format!("{now} of {count} commands"))
        });
    }

    /// Ends the writers and merges their ledgers.
    #[track_caller]
    pub fn stop(mut self) -> Ledger {
        self.stop.store(true, Ordering::SeqCst);
        let mut all = Ledger::default();
        for writer in std::mem::take(&mut self.writers) {
            let one = writer.join().expect("a writer");
            all.counters.extend(one.counters);
            all.appends.extend(one.appends);
            all.commands += one.commands;
            for (text, count) in one.errors {
                *all.errors.entry(text).or_default() += count;
            }
        }
        println!("load: {} commands, errors {:?}", all.commands, all.errors);
        all
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        for writer in self.writers.drain(..) {
            writer.join().ok();
        }
    }
}

impl Ledger {
    /// Checks O3 and O4 against a server: nothing acknowledged is lost, nothing is there that was not sent, appends are
    /// a prefix in order. Only right for a server that has everything (no WAIT needed: it was caught up).
    #[track_caller]
    pub fn assert_kept(&self, server: &Server) {
        self.assert_counts(server, |found, acknowledged, sent| acknowledged <= found && found <= sent);
    }

    /// Checks only that nothing was invented and the order holds: for a server that may lag or have lost its tail.
    #[track_caller]
    pub fn assert_prefix(&self, server: &Server) {
        self.assert_counts(server, |found, _, sent| found <= sent);
    }

    #[track_caller]
    fn assert_counts(&self, server: &Server, right: impl Fn(u64, u64, u64) -> bool) {
        let mut client = server.client();
        for (key, (acknowledged, sent)) in &self.counters {
            let found = match client.must(&["GET", key]) {
                Value::NullBulk => 0,
                value => value.text().parse().expect("a counter"),
            };
            assert!(right(found, *acknowledged, *sent), "{key}: found {found}, acknowledged {acknowledged}, sent {sent}");
        }
        for (key, (acknowledged, sent)) in &self.appends {
            let text = match client.must(&["GET", key]) {
                Value::NullBulk => String::new(),
                value => value.text(),
            };
            let tokens: Vec<&[u8]> = text.as_bytes().chunks(TOKEN_LEN).collect();
            let found = tokens.len() as u64;
            assert!(right(found, *acknowledged, *sent), "{key}: found {found}, acknowledged {acknowledged}, sent {sent}");
            for (n, token) in tokens.iter().enumerate() {
                assert_eq!(*token, format!("{n:0TOKEN_LEN$}").as_bytes(), "{key}: token {n} is out of order");
            }
        }
    }
}

struct Writer {
    id: u64,
    spec: Spec,
    seed: Seed,
    stop: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
    ledger: Ledger,
}

impl Writer {
    fn run(mut self) -> Ledger {
        let end = Instant::now() + SPAN_MAX;
        while !self.over(end) {
            // A server that is killed or restarted under load is part of some tests; the ledger knows what was in flight.
            if self.connected(end).is_err() {
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        self.ledger
    }

    fn over(&self, end: Instant) -> bool {
        self.stop.load(Ordering::SeqCst) || self.ledger.commands >= self.spec.commands_max || Instant::now() > end
    }

    fn connected(&mut self, end: Instant) -> io::Result<()> {
        let mut client = Client::connect(self.spec.port)?;
        client.set_timeout(Duration::from_secs(60));
        let mut current = 0;
        while !self.over(end) {
            let db = *self.seed.pick(&self.spec.dbs);
            let ledger = self.seed.one_in(8);
            let wanted = if ledger { 0 } else { db };
            if wanted != current {
                client.try_cmd(&["SELECT", &wanted.to_string()])?;
                current = wanted;
            }
            if ledger {
                self.ledgered(&mut client)?
            } else {
                self.shared(&mut client)?
            }
            if !self.spec.pace.is_zero() {
                std::thread::sleep(self.spec.pace);
            }
        }
        Ok(())
    }

    /// One counter or append whose acknowledgement is kept.
    fn ledgered(&mut self, client: &mut Client) -> io::Result<()> {
        if self.seed.one_in(2) {
            let key = format!("ctr:{}:{}", self.id, self.seed.below(5));
            self.ledger.counters.entry(key.clone()).or_default().1 += 1;
            if self.one(client, &["INCR".into(), key.clone()])? {
                self.ledger.counters.entry(key).or_default().0 += 1;
            }
        } else {
            let key = format!("app:{}", self.id);
            let entry = self.ledger.appends.entry(key.clone()).or_default();
            // After a broken connection the fate of the token in flight is unknown, and the order test would not hold.
            if entry.0 != entry.1 {
                return Ok(());
            }
            entry.1 += 1;
            let token = format!("{:0TOKEN_LEN$}", entry.0);
            if self.one(client, &["APPEND".into(), key.clone(), token])? {
                self.ledger.appends.entry(key).or_default().0 += 1;
            }
        }
        Ok(())
    }

    fn shared(&mut self, client: &mut Client) -> io::Result<()> {
        if self.seed.one_in(12) {
            let commands = 1 + self.seed.below(5);
            self.one(client, &["MULTI".into()])?;
            for _ in 0..commands {
                let command = command(&mut self.seed, &self.spec);
                self.one(client, &command)?;
            }
            self.one(client, &["EXEC".into()])?;
            return Ok(());
        }
        let command = command(&mut self.seed, &self.spec);
        self.one(client, &command).map(|_| ())
    }

    /// True if it was acknowledged without an error.
    fn one(&mut self, client: &mut Client, args: &[String]) -> io::Result<bool> {
        let reply = client.try_cmd(args)?;
        self.ledger.commands += 1;
        self.done.fetch_add(1, Ordering::Relaxed);
        if let Value::Error(text) = &reply
            && !text.starts_with("WRONGTYPE")
            && !text.starts_with("ERR no such key")
            && !text.starts_with("ERR source and destination objects are the same")
        {
            *self.ledger.errors.entry(text.clone()).or_default() += 1;
        }
        Ok(!reply.is_error())
    }
}

/// One write of the mixed load: strings, counters, deadlines, collections, several keys at once.
fn command(seed: &mut Seed, spec: &Spec) -> Vec<String> {
    let keys = spec.keys;
    let key = |kind: &str, seed: &mut Seed| format!("{kind}:{}", seed.below(keys));
    let small = |seed: &mut Seed| format!("v{}", seed.below(1_000_000));
    let words = |words: &[&str]| words.iter().map(|word| word.to_string()).collect::<Vec<_>>();
    if spec.flushes && seed.one_in(2000) {
        return if seed.one_in(2) { words(&["FLUSHDB"]) } else { words(&["SWAPDB", "1", "9"]) };
    }
    match seed.below(30) {
        0..=3 => words(&["SET", &key("s", seed), &"x".repeat(seed.below(400) as usize)]),
        4 => words(&["SET", &key("s", seed), &small(seed), "PX", &(1 + seed.below(300)).to_string()]),
        5 => words(&["SET", &key("s", seed), &small(seed), "EX", "100000"]),
        6 => words(&["APPEND", &key("s", seed), &small(seed)]),
        7 => words(&["INCRBY", &key("n", seed), &seed.below(1000).to_string()]),
        8 => words(&["INCRBYFLOAT", &key("f", seed), "0.25"]),
        9 => words(&["EXPIRE", &key("s", seed), &seed.below(100_000).to_string()]),
        10 => words(&["PERSIST", &key("s", seed)]),
        11 => words(&["GETEX", &key("s", seed), "EX", "5000"]),
        12 => words(&["MSET", &key("s", seed), &small(seed), &key("s", seed), &small(seed), &key("s", seed), &small(seed)]),
        13 => words(&["DEL", &key("s", seed), &key("l", seed), &key("h", seed)]),
        14 => words(&["RENAME", &key("s", seed), &key("s", seed)]),
        15 => words(&["RENAME", &key("l", seed), &key("l", seed)]),
        16 => words(&["COPY", &key("h", seed), &key("h", seed), "REPLACE"]),
        17 => words(&["UNLINK", &key("S", seed), &key("z", seed)]),
        18 | 19 => words(&["LPUSH", &key("l", seed), &small(seed), &small(seed)]),
        20 => words(&["RPUSH", &key("l", seed), &small(seed)]),
        21 => words(&["LPOP", &key("l", seed)]),
        22 => words(&["RPOP", &key("l", seed), "2"]),
        23 => words(&["HSET", &key("h", seed), &small(seed), &small(seed), "field", &small(seed)]),
        24 => words(&["HDEL", &key("h", seed), "field"]),
        25 => words(&["SADD", &key("S", seed), &small(seed), &seed.below(100).to_string()]),
        26 => words(&["SPOP", &key("S", seed)]),
        27 => words(&["SREM", &key("S", seed), &seed.below(100).to_string()]),
        28 => words(&["ZADD", &key("z", seed), &seed.below(100).to_string(), &small(seed)]),
        _ => words(&["ZINCRBY", &key("z", seed), "1.5", &format!("m{}", seed.below(20))]),
    }
}
