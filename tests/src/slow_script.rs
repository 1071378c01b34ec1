//! Scripts that are certain to be seen while they run, and end by themselves then.
//!
//! A script cannot be told to end without being killed, as nobody else is served while it is slow: so it looks at the clock, and
//! if the test was kept from looking at it for as long, it is asked to run for longer.

use std::time::Duration;

use crate::Client;
use crate::client::encode;

/// How long it runs, one try after another; in milliseconds.
const SPANS: [u64; 4] = [400, 1500, 5000, 20_000];
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Has `runner` send a script that begins as `prelude` says, spins for a while, and ends as `end` says; returns when `seen` is `Ok`
/// of it, while its answer is still to come. `command` is EVAL or EVAL_RO.
#[track_caller]
pub fn run(runner: &mut Client, command: &str, end: &str, seen: impl FnMut() -> Result<(), String>) {
    run_after(runner, command, "", end, seen)
}

/// As [`run`], with something to do before it spins.
#[track_caller]
pub fn run_after(runner: &mut Client, command: &str, begin: &str, end: &str, mut seen: impl FnMut() -> Result<(), String>) {
    let mut why = String::new();
    for span in SPANS {
        let script = format!(
            "{begin} local t = redis.call('time') local till = t[1] * 1000 + t[2] / 1000 + {span} \
             repeat t = redis.call('time') until t[1] * 1000 + t[2] / 1000 > till {end}"
        );
        runner.send_raw(&encode(&[command, &script, "0"])).expect("send the script");
        while !runner.has_input() {
            match seen() {
                Ok(()) => return,
                Err(error) => why = error,
            }
            std::thread::sleep(LOOK_EVERY);
        }
        runner.read().expect("an answer");
    }
    panic!("a script of {} ms was not seen at work: {why}", SPANS[SPANS.len() - 1]);
}
