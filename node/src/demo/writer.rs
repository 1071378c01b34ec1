//! Something to replicate: data to begin with, and a client that never stops writing.

use super::client::Client;
use koltso_proto::resp::put_command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Commands in one round trip of filling.
const FILL_PIPELINE: u64 = 1000;
/// Commands in one round trip of the writer.
const WRITE_PIPELINE: u64 = 50;
/// The writer's rest between round trips: it is to be seen at work, not to fill the machine.
const REST: Duration = Duration::from_millis(1);

/// Writes `keys` keys, most of them strings.
pub fn fill(port: u16, keys: u64) -> Result<(), String> {
    let mut client = Client::connect(port)?;
    for from in (0..keys).step_by(FILL_PIPELINE as usize) {
        let until = keys.min(from + FILL_PIPELINE);
        let mut wire = Vec::new();
        for n in from..until {
            put_key(&mut wire, n);
        }
        client.pipeline(&wire, (until - from) as usize)?;
    }
    Ok(())
}

/// A command that makes key `n`.
fn put_key(wire: &mut Vec<u8>, n: u64) {
    let value = format!("value {n} {}", "x".repeat((n % 64) as usize));
    let number = n.to_string();
    match n % 20 {
        0 => put_command(wire, &["RPUSH", &format!("list:{n}"), &number, "b", &value]),
        1 => put_command(wire, &["HSET", &format!("hash:{n}"), "name", &value, "number", &number]),
        2 => put_command(wire, &["SADD", &format!("set:{n}"), &number, "red", "green"]),
        3 => put_command(wire, &["ZADD", &format!("zset:{n}"), &number, "one", "2.5", "two"]),
        4 => put_command(wire, &["SET", &format!("session:{n}"), &value, "EX", "86400"]),
        _ => put_command(wire, &["SET", &format!("key:{n}"), &value]),
    }
}

/// A command that changes something among some thousands of keys.
fn put_change(wire: &mut Vec<u8>, n: u64) {
    let spot = (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) % 5000;
    let number = n.to_string();
    match n % 8 {
        0 => put_command(wire, &["INCR", &format!("counter:{}", spot % 100)]),
        1 => put_command(wire, &["LPUSH", &format!("recent:{}", spot % 50), &number]),
        2 => put_command(wire, &["HINCRBY", &format!("totals:{}", spot % 200), &number[number.len() - 1..], "1"]),
        3 => put_command(wire, &["ZADD", "ranking", &number, &format!("player:{spot}")]),
        4 => put_command(wire, &["SADD", &format!("seen:{}", spot % 20), &spot.to_string()]),
        5 => put_command(wire, &["MSET", &format!("left:{spot}"), &number, &format!("right:{spot}"), &number]),
        6 => put_command(wire, &["DEL", &format!("new:{}", spot / 2)]),
        _ => put_command(wire, &["SET", &format!("new:{spot}"), &number, "PX", "86400000"]),
    }
}

/// What the writer has done since it was last looked at.
#[derive(Clone, Copy, Default)]
pub struct Seen {
    /// Commands.
    pub commands: u64,
    /// Round trips.
    pub rounds: u64,
    /// The longest of them.
    pub slowest: Duration,
}

#[derive(Default)]
struct State {
    over: AtomicBool,
    total: AtomicU64,
    seen: Mutex<Seen>,
}

/// A client that writes until it is stopped.
pub struct Writer {
    state: Arc<State>,
    thread: JoinHandle<Result<(), String>>,
}

impl Writer {
    /// Starts one.
    pub fn start(port: u16) -> Result<Self, String> {
        let mut client = Client::connect(port)?;
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        let thread = std::thread::spawn(move || {
            let mut n = 0;
            let mut wire = Vec::new();
            while !shared.over.load(Ordering::Relaxed) {
                wire.clear();
                (n..n + WRITE_PIPELINE).for_each(|n| put_change(&mut wire, n));
                n += WRITE_PIPELINE;
                let start = Instant::now();
                client.pipeline(&wire, WRITE_PIPELINE as usize)?;
                let took = start.elapsed();
                let mut seen = shared.seen.lock().unwrap_or_else(PoisonError::into_inner);
                seen.commands += WRITE_PIPELINE;
                seen.rounds += 1;
                seen.slowest = seen.slowest.max(took);
                drop(seen);
                shared.total.fetch_add(WRITE_PIPELINE, Ordering::Relaxed);
                std::thread::sleep(REST);
            }
            Ok(())
        });
        Ok(Writer { state, thread })
    }

    /// What it has done since the last look.
    pub fn look(&self) -> Seen {
        std::mem::take(&mut *self.state.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Stops it; how many commands it wrote in all.
    pub fn stop(self) -> Result<u64, String> {
        self.state.over.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| "the writer has panicked".to_string())??;
        Ok(self.state.total.load(Ordering::Relaxed))
    }
}
