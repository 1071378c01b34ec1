//! Writers whose data obey laws at every single moment, so that any point-in-time picture of them can be judged by itself: tokens that
//! move between lists, pairs written together, keys that are renamed, queues of consecutive numbers, and all of it flushed and laid
//! out anew in one transaction.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use crate::{Client, Seed, Server, Value, eventually, wait};

const LISTS: u64 = 7;
const TOKENS: u64 = 40;
const WRITERS: u64 = 3;
const NAMES: u64 = 6;

/// Writers at work. Dropping them ends them.
pub struct Moving {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
    writers: Vec<JoinHandle<()>>,
}

impl Moving {
    /// Lays out the data and starts the writers. With `flushes` they flush everything now and then.
    #[track_caller]
    pub fn start(server: &Server, flushes: bool, seed: &Seed) -> Moving {
        let mut client = server.client();
        for reply in client.pipeline(&layout()) {
            assert!(!reply.is_error(), "{reply:?}");
        }
        let stop = Arc::new(AtomicBool::new(false));
        let done = Arc::new(AtomicU64::new(0));
        let writer = |id| {
            let mut writer = Writer {
                id,
                port: server.port(),
                flushes,
                seed: seed.part(id),
                stop: stop.clone(),
                done: done.clone(),
                pushed: 0,
            };
            std::thread::spawn(move || _ = writer.run())
        };
        let writers = (0..WRITERS).map(writer).collect();
        Moving { stop, done, writers }
    }

    /// Waits for so many more writes.
    #[track_caller]
    pub fn wait_more(&self, count: u64) {
        let from = self.done.load(Ordering::Relaxed);
        eventually("the writers go on", || {
            let done = self.done.load(Ordering::Relaxed) - from;
            wait::must(done >= count, || format!("{done} of {count}"))
        });
    }

    /// Ends the writers.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for Moving {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        for writer in self.writers.drain(..) {
            writer.join().ok();
        }
    }
}

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_string).collect()
}

/// What there is at the beginning and after each flush.
fn layout() -> Vec<Vec<String>> {
    let mut commands = Vec::new();
    for token in 0..TOKENS {
        commands.push(words(&format!("RPUSH ring:{} {token}", token % LISTS)));
    }
    for id in 0..WRITERS {
        commands.push(words(&format!("SET name:{id}:0 here")));
        commands.push(words(&format!("MSET left:{id} 0 right:{id} 0")));
    }
    commands
}

/// The laws, read in one transaction. `may_be_empty`: before a replica has its first copy. Errors are told as such.
pub fn check(client: &mut Client, may_be_empty: bool) -> Result<(), String> {
    let mut commands = vec![words("MULTI")];
    commands.extend((0..LISTS).map(|list| words(&format!("LRANGE ring:{list} 0 -1"))));
    for id in 0..WRITERS {
        commands.push(words(&format!("MGET left:{id} right:{id}")));
        let names: Vec<String> = (0..NAMES).map(|name| format!("name:{id}:{name}")).collect();
        commands.push(words(&format!("EXISTS {}", names.join(" "))));
        commands.push(words(&format!("LRANGE queue:{id} 0 -1")));
    }
    commands.push(words("EXEC"));
    let replies = client.pipeline(&commands);
    let Some(Value::Array(replies)) = replies.last() else { return Err(format!("not answered: {:?}", replies.last())) };
    let texts = |value: &Value| value.items().iter().map(|item| format!("{item:?}")).collect::<Vec<_>>();
    let (rings, others) = replies.split_at(LISTS as usize);
    let mut tokens: Vec<String> = rings.iter().flat_map(texts).collect();
    tokens.sort();
    let found = tokens.len() as u64;
    tokens.dedup();
    let empty = found == 0 && may_be_empty;
    assert!(empty || found == TOKENS && tokens.len() as u64 == TOKENS, "{found} tokens, {} different: {rings:?}", tokens.len());
    for (id, part) in others.chunks(3).enumerate() {
        let pair = part[0].items();
        assert!(pair[0] == pair[1], "writer {id}: half of a transaction: {pair:?}");
        assert!(empty || part[1].int() == 1, "writer {id}: its key is there {} times", part[1].int());
        let queue: Vec<u64> = part[2].items().iter().map(|item| item.text().parse().expect("a number")).collect();
        assert!(queue.windows(2).all(|two| two[0] + 1 == two[1]), "writer {id}: its queue is {queue:?}");
    }
    Ok(())
}

/// The laws on a server that answers.
#[track_caller]
pub fn assert_lawful(server: &Server) {
    check(&mut server.client(), false).expect("an answer");
}

struct Writer {
    id: u64,
    port: u16,
    flushes: bool,
    seed: Seed,
    stop: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
    pushed: u64,
}

impl Writer {
    fn run(&mut self) -> io::Result<()> {
        let mut client = Client::connect(self.port)?;
        while !self.stop.load(Ordering::SeqCst) {
            for command in self.commands() {
                client.try_cmd(&command)?;
            }
            self.done.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    fn commands(&mut self) -> Vec<Vec<String>> {
        let (id, seed) = (self.id, &mut self.seed);
        let one = |text: String| vec![words(&text)];
        if self.flushes && seed.one_in(1000) {
            let how: &&str = seed.pick(&["FLUSHALL", "FLUSHDB", "FLUSHALL ASYNC"]);
            let flush = words(how);
            return [vec![words("MULTI"), flush], layout(), vec![words("EXEC")]].concat();
        }
        match seed.below(10) {
            0..=2 => {
                let ends = ["LEFT", "RIGHT"];
                let (from, to) = (seed.below(LISTS), seed.below(LISTS));
                one(format!("LMOVE ring:{from} ring:{to} {} {}", seed.pick(&ends), seed.pick(&ends)))
            }
            3 => vec![words("MULTI"), words(&format!("INCR left:{id}")), words(&format!("INCR right:{id}")), words("EXEC")],
            4 => {
                let value = seed.below(1_000_000);
                one(format!("MSET left:{id} {value} right:{id} {value}"))
            }
            5 => one(format!("RENAME name:{id}:{} name:{id}:{}", seed.below(NAMES), seed.below(NAMES))),
            6 | 7 => {
                self.pushed += 1;
                one(format!("RPUSH queue:{id} {}", self.pushed))
            }
            8 => one(format!("LPOP queue:{id}")),
            _ => one(format!("SET passing:{} {} PX {}", seed.below(50), seed.below(1000), 1 + seed.below(300))),
        }
    }
}
