//! Waiting for a condition with a deadline. Tests must not sleep where they can ask.

use std::time::{Duration, Instant};

/// Long enough for a reconnect (one attempt a second) and a machine whose disk or processors are busy elsewhere for a while,
/// short enough to end a hopeless test; and shorter than the minute that is the default of `repl-timeout`.
pub const DEADLINE: Duration = Duration::from_secs(45);

/// For what waits for the disk: when others write as well, one sync may take many seconds, and a rewrite of the append-only file is
/// some nine of them.
pub const DISK_DEADLINE: Duration = Duration::from_secs(90);

const POLL_EVERY: Duration = Duration::from_millis(10);

/// Asks `check` until it is `Ok`. Panics with `what` and the last `Err` after [`DEADLINE`].
#[track_caller]
pub fn eventually<T>(what: &str, check: impl FnMut() -> Result<T, String>) -> T {
    eventually_for(DEADLINE, what, check)
}

/// As [`eventually`], with a deadline of its own.
#[track_caller]
pub fn eventually_for<T>(deadline: Duration, what: &str, mut check: impl FnMut() -> Result<T, String>) -> T {
    let end = Instant::now() + deadline;
    loop {
        match check() {
            Ok(value) => return value,
            Err(why) if Instant::now() >= end => panic!("not within {deadline:?}: {what}\n{why}"),
            Err(_) => std::thread::sleep(POLL_EVERY),
        }
    }
}

/// `Ok` if `condition` holds, else `Err` with the text that `why` makes: for use inside [`eventually`].
pub fn must(condition: bool, why: impl FnOnce() -> String) -> Result<(), String> {
    if condition { Ok(()) } else { Err(why()) }
}
