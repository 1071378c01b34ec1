//! Latency of single writes at a fixed rate: one connection, one SET at a time, due at fixed instants.
//!
//! A probe that could not be sent in time because the one before it was still unanswered counts from when it was due
//! (no coordinated omission); lateness of our own timer does not count.

use std::io::{Read, Write};
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use koltso_bench::Random;

use crate::Result;
use crate::client::{encode, open};
use crate::load::KeyForm;

/// One answered write.
#[derive(Clone, Copy, Debug)]
pub struct Probe {
    /// When it was due or sent, whichever counts.
    pub begun: Instant,
    pub latency: Duration,
}

/// What the prober writes: random values to random existing keys.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub rate_per_s: u64,
    pub keys: u64,
    pub form: KeyForm,
    pub value_len: usize,
}

/// A running prober; dropping it without [`Prober::finish`] stops it.
pub struct Prober {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<Vec<Probe>>>>,
}

impl Prober {
    pub fn start(port: u16, plan: Plan) -> Prober {
        let stop = Arc::new(AtomicBool::new(false));
        let seen = stop.clone();
        Prober { stop, thread: Some(std::thread::spawn(move || probe(port, plan, &seen))) }
    }

    /// Stops probing and returns all that was measured.
    pub fn finish(mut self) -> Result<Vec<Probe>> {
        self.stop.store(true, Ordering::Relaxed);
        let thread = self.thread.take().ok_or("prober already finished")?;
        thread.join().map_err(|_| "the prober panicked")?
    }
}

impl Drop for Prober {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Probes `port` for `length` and returns all that was measured.
pub fn probe_for(port: u16, plan: Plan, length: Duration) -> Result<Vec<Probe>> {
    let prober = Prober::start(port, plan);
    std::thread::sleep(length);
    prober.finish()
}

fn probe(port: u16, plan: Plan, stop: &AtomicBool) -> Result<Vec<Probe>> {
    prefer_this_thread();
    let mut stream = open(port)?;
    let mut random = Random::new(0x0070_726f_6265);
    let period = Duration::from_nanos(1_000_000_000 / plan.rate_per_s);
    let mut probes = Vec::new();
    let mut due = Instant::now() + period;
    let mut answered = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        let command = write_command(&plan, &mut random);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let begun = if answered > due { due } else { Instant::now() };
        stream.write_all(&command)?;
        let mut reply = [0; 5];
        stream.read_exact(&mut reply)?;
        if &reply != b"+OK\r\n" {
            return Err(format!("a probe was answered {:?}", String::from_utf8_lossy(&reply)).into());
        }
        answered = Instant::now();
        probes.push(Probe { begun, latency: answered.saturating_duration_since(begun) });
        due += period;
    }
    Ok(probes)
}

fn write_command(plan: &Plan, random: &mut Random) -> Vec<u8> {
    let (mut value, mut command) = (Vec::new(), Vec::new());
    let key = plan.form.key(random.below(plan.keys));
    random.bytes(plan.value_len, &mut value);
    encode(&[b"SET".as_slice(), key.as_bytes(), &value], &mut command);
    command
}

/// The prober shares its CPU with whoever swallows the RDB and must not measure that one's time slices: a high priority
/// gives it the larger part of the CPU, short slices of its own give it the CPU at the moment it wakes up. Without the
/// right to raise its priority it measures anyway, for all servers alike.
fn prefer_this_thread() {
    let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
    let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), -20);
    koltso::reactor::thread_hints::ask_for_short_slices();
}
