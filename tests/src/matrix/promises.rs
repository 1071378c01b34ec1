//! Writes that WAIT has promised to be with all replicas (O2), of several kinds: single keys, counters, lists in order, and pairs of
//! keys on different cores that are written together.
//!
//! Only what WAIT *returned* counts as promised. What was sent and not promised may be there or not, but nothing may be there twice,
//! out of order, or by half.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::{Client, Seed, Server, Value};

/// Whatever a trial forgets, a writer ends after this long.
const SPAN_MAX: Duration = Duration::from_secs(300);
/// How long one WAIT may wait, in milliseconds. If it ends before, nothing is promised.
const WAIT_MS: &str = "2000";

/// How many writes of one kind were sent, and how many of them are promised: always the first ones.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    promised: u64,
    sent: u64,
}

/// What one writer has written and was promised.
#[derive(Debug)]
pub struct Kept {
    tag: String,
    keys: Count,
    counter: Count,
    list: Count,
    pair: Count,
}

/// Writers at work.
pub struct Promises {
    stop: Arc<AtomicBool>,
    promised: Arc<AtomicU64>,
    writers: Vec<JoinHandle<Kept>>,
}

impl Promises {
    /// Starts `writers` writers at a primary with `replicas` replicas. `tag` sets their keys apart from those of other rounds.
    pub fn start(primary: &Server, replicas: usize, writers: usize, tag: &str, seed: &Seed) -> Promises {
        let stop = Arc::new(AtomicBool::new(false));
        let promised = Arc::new(AtomicU64::new(0));
        let writers = (0..writers).map(|id| {
            let kept = Kept {
                tag: format!("promise:{tag}:{id}"),
                keys: Count::default(),
                counter: Count::default(),
                list: Count::default(),
                pair: Count::default(),
            };
            let writer = Writer {
                port: primary.port(),
                replicas: replicas.to_string(),
                seed: seed.part(1000 + id as u64),
                stop: stop.clone(),
                promised: promised.clone(),
                kept,
            };
            std::thread::spawn(move || writer.run())
        });
        Promises { stop: stop.clone(), promised: promised.clone(), writers: writers.collect() }
    }

    /// Waits until so many writes have been promised in all.
    #[track_caller]
    pub fn wait_promised(&self, count: u64) {
        crate::eventually("WAIT promises", || {
            let promised = self.promised.load(Ordering::Relaxed);
            crate::wait::must(promised >= count, || format!("{promised} of {count}"))
        });
    }

    /// Ends the writers, those whose server is gone too, and returns what they know.
    pub fn stop(mut self) -> Vec<Kept> {
        self.stop.store(true, Ordering::SeqCst);
        let kept: Vec<Kept> = self.writers.drain(..).map(|writer| writer.join().expect("a writer")).collect();
        println!("    {} writes promised", self.promised.load(Ordering::Relaxed));
        kept
    }
}

impl Drop for Promises {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        for writer in self.writers.drain(..) {
            writer.join().ok();
        }
    }
}

/// O2 for all of them.
#[track_caller]
pub fn assert_kept(kept: &[Kept], server: &Server) {
    let mut client = server.client();
    kept.iter().for_each(|kept| kept.assert_on(&mut client));
}

impl Kept {
    fn key(&self, kind: &str) -> String {
        format!("{}:{kind}", self.tag)
    }

    #[track_caller]
    fn assert_on(&self, client: &mut Client) {
        for n in 0..self.keys.promised {
            let key = self.key(&format!("key:{n}"));
            let value = client.must(&["GET", &key]);
            assert!(value == Value::Bulk(n.to_string().into_bytes()), "{key} was promised, and is {value:?}: {self:?}");
        }
        let mut number = |kind: &str| match client.must(&["GET", &self.key(kind)]) {
            Value::NullBulk => 0,
            value => value.text().parse::<u64>().expect("a number"),
        };
        let (counter, left, right) = (number("counter"), number("left"), number("right"));
        assert!(self.counter.promised <= counter && counter <= self.counter.sent, "counter {counter}: {self:?}");
        assert_eq!(left, right, "half of what was written together: {self:?}");
        assert!(self.pair.promised <= left && left <= self.pair.sent, "pair {left}: {self:?}");
        let list = client.must(&["LRANGE", &self.key("list"), "0", "-1"]).items();
        let len = list.len() as u64;
        assert!(self.list.promised <= len && len <= self.list.sent, "list of {len}: {self:?}");
        for (n, element) in list.iter().enumerate() {
            assert_eq!(element.text(), n.to_string(), "out of order: {self:?}");
        }
    }
}

struct Writer {
    port: u16,
    replicas: String,
    seed: Seed,
    stop: Arc<AtomicBool>,
    promised: Arc<AtomicU64>,
    kept: Kept,
}

impl Writer {
    fn run(mut self) -> Kept {
        // One connection: what it has sent when it breaks is in flight for ever.
        self.write().ok();
        self.kept
    }

    fn write(&mut self) -> io::Result<()> {
        let mut client = Client::connect(self.port)?;
        let end = Instant::now() + SPAN_MAX;
        while !self.stop.load(Ordering::SeqCst) && Instant::now() < end {
            for _ in 0..1 + self.seed.below(4) {
                if !self.one(&mut client)? {
                    return Ok(());
                }
            }
            let reached = client.try_cmd(&["WAIT", &self.replicas, WAIT_MS])?;
            if !matches!(reached, Value::Int(reached) if reached >= self.replicas.parse().unwrap_or(i64::MAX)) {
                continue;
            }
            let kept = &mut self.kept;
            for count in [&mut kept.keys, &mut kept.counter, &mut kept.list, &mut kept.pair] {
                self.promised.fetch_add(count.sent - count.promised, Ordering::Relaxed);
                count.promised = count.sent;
            }
        }
        Ok(())
    }

    /// One write. False if it was refused: the server is no primary any more.
    fn one(&mut self, client: &mut Client) -> io::Result<bool> {
        let kept = &mut self.kept;
        let n = |count: &mut Count| {
            count.sent += 1;
            (count.sent - 1).to_string()
        };
        let reply = match self.seed.below(5) {
            0 => {
                let n = n(&mut kept.keys);
                client.try_cmd(&["SET", &kept.key(&format!("key:{n}")), &n])?
            }
            1 => {
                n(&mut kept.counter);
                client.try_cmd(&["INCR", &kept.key("counter")])?
            }
            2 => {
                let n = n(&mut kept.list);
                client.try_cmd(&["RPUSH", &kept.key("list"), &n])?
            }
            3 => {
                n(&mut kept.pair);
                let n = kept.pair.sent.to_string();
                client.try_cmd(&["MSET", &kept.key("left"), &n, &kept.key("right"), &n])?
            }
            _ => {
                n(&mut kept.pair);
                client.try_cmd(&["MULTI"])?;
                client.try_cmd(&["INCR", &kept.key("left")])?;
                client.try_cmd(&["INCR", &kept.key("right")])?;
                client.try_cmd(&["EXEC"])?
            }
        };
        Ok(!reply.is_error())
    }
}
