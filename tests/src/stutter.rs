//! Stops random processes of this one's tree for some tens of milliseconds, all the time: what a busy machine does to them now and
//! then, and what shows races.
//!
//! It must not touch what others have started, nor continue what a test has [frozen](crate::Server::freeze) on purpose.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::Seed;

/// Between two stops.
const REST_MS: std::ops::Range<u64> = 10..80;
/// How long one is.
const STOP_MS: std::ops::Range<u64> = 10..150;

/// Processes that a test has frozen: they are left alone.
static HELD: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

/// Sends SIGSTOP to a process of the test's and sees to it that it is not continued before [`thaw`].
pub fn freeze(pid: u32) {
    let mut held = HELD.lock().expect("lock");
    held.insert(pid);
    signal(pid, Signal::STOP);
}

/// SIGCONT after [`freeze`].
pub fn thaw(pid: u32) {
    let mut held = HELD.lock().expect("lock");
    held.remove(&pid);
    signal(pid, Signal::CONT);
}

/// A process that has ended is frozen no longer.
pub fn forget(pid: u32) {
    HELD.lock().expect("lock").remove(&pid);
}

/// Stops and continues processes until it is dropped.
pub struct Stutter {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Stutter {
    /// Begins.
    pub fn start(seed: Seed) -> Stutter {
        let over = Arc::new(AtomicBool::new(false));
        let thread = std::thread::spawn({
            let over = over.clone();
            move || run(seed, &over)
        });
        Stutter { over, thread: Some(thread) }
    }
}

impl Drop for Stutter {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

fn run(mut seed: Seed, over: &AtomicBool) {
    let sleep = |seed: &mut Seed, span: &std::ops::Range<u64>| {
        std::thread::sleep(Duration::from_millis(span.start + seed.below(span.end - span.start)));
    };
    while !over.load(Ordering::SeqCst) {
        sleep(&mut seed, &REST_MS);
        let running = descendants(std::process::id());
        if running.is_empty() {
            continue;
        }
        let pid = *seed.pick(&running);
        if !unless_held(pid, Signal::STOP) {
            continue;
        }
        sleep(&mut seed, &STOP_MS);
        unless_held(pid, Signal::CONT);
    }
}

fn unless_held(pid: u32, what: Signal) -> bool {
    let held = HELD.lock().expect("lock");
    !held.contains(&pid) && signal(pid, what)
}

fn signal(pid: u32, what: Signal) -> bool {
    Pid::from_raw(pid as i32).is_some_and(|pid| kill_process(pid, what).is_ok())
}

/// The processes below `root` that run or sleep.
fn descendants(root: u32) -> Vec<u32> {
    let mut children: BTreeMap<u32, Vec<(u32, bool)>> = BTreeMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        // State and parent stand behind the name, which stands in brackets.
        let mut fields = stat.rsplit_once(") ").map_or("", |(_, rest)| rest).split(' ');
        let runs = matches!(fields.next(), Some("R" | "S" | "D"));
        let Some(parent) = fields.next().and_then(|parent| parent.parse().ok()) else { continue };
        children.entry(parent).or_default().push((pid, runs));
    }
    let mut found = Vec::new();
    let mut todo = vec![root];
    while let Some(parent) = todo.pop() {
        for (pid, runs) in children.remove(&parent).unwrap_or_default() {
            todo.push(pid);
            found.extend(runs.then_some(pid));
        }
    }
    found.sort_unstable();
    found
}
