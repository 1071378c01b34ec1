//! The fault matrix in its short form: a trial or two of each row, with fresh seeds. `soak` runs the same trials for hours.
//!
//! Row 11 is in `links` here, row 13 in `sentinel`, row 2 in `differential`, row 6 in `fuzz_short` and `hostile_primary`; row 17
//! is not there yet.

use koltso_tests::Seed;
use koltso_tests::matrix::row;
use koltso_tests::matrix::run::{Verdict, attempt};

/// So many trials of a row.
fn try_row(number: u32, trials: u64) {
    let seed = Seed::fresh(&format!("row {number}")).number();
    for trial in 0..trials {
        match attempt(row(number).expect("a row"), seed.wrapping_add(trial), true) {
            Verdict::Survived => {}
            Verdict::Skipped(why) => println!("skipped: {why}"),
            Verdict::Lost(why) => panic!("row {number}, seed {}: {why}", seed.wrapping_add(trial)),
        }
    }
}

#[test]
fn row_1_a_load_is_held() {
    try_row(1, 1);
}

#[test]
fn row_3_the_primary_is_killed_and_any_replica_promoted() {
    try_row(3, 2);
}

#[test]
fn row_4_a_kill_inside_a_snapshot() {
    try_row(4, 1);
}

#[test]
fn row_5_torn_files() {
    try_row(5, 1);
}

#[test]
fn row_7_links_cut_at_any_byte() {
    try_row(7, 2);
}

#[test]
fn row_8_edges_of_the_backlog() {
    try_row(8, 2);
}

#[test]
fn row_9_partitions() {
    try_row(9, 1);
}

#[test]
fn row_10_slow_replicas() {
    try_row(10, 1);
}

#[test]
fn row_12_a_full_disk() {
    try_row(12, 1);
}

#[test]
fn row_14_chains_laid_anew() {
    try_row(14, 2);
}

#[test]
fn row_15_snapshots_under_writes() {
    try_row(15, 2);
}

#[test]
fn row_16_deadlines_across_restarts() {
    try_row(16, 1);
}
