//! A few thousand inputs to each fuzz target, always the same ones. `cargo run -p koltso-tests --release --bin fuzz -- all`
//! goes on from there.

use std::time::Duration;

use koltso_tests::fuzz::{TARGETS, Until, fuzz};

#[test]
fn hostile_bytes_break_no_parser() {
    for target in TARGETS {
        let until = Until { iterations: 8000, time: Duration::from_secs(600) };
        let outcome = fuzz(target, 2, until);
        if let Some((input, why)) = outcome.failure {
            panic!("{} at input {}: {why}\n{}", target.name, outcome.iterations, input.escape_ascii());
        }
        assert_eq!(outcome.iterations, until.iterations);
        assert!(outcome.corpus > 10, "{}: nothing but the samples was of interest", target.name);
    }
}
