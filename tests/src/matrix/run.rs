//! Runs trials and tells how each ended. A trial that panics is one that has lost something.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::Seed;

use super::{Row, Trial};

/// How a trial ended.
#[derive(Debug)]
pub enum Verdict {
    /// Everything held.
    Survived,
    /// Why it did not.
    Lost(String),
    /// Why it could not be made.
    Skipped(String),
}

/// One trial of a row with a seed of its own.
pub fn attempt(row: &Row, seed: u64, short: bool) -> Verdict {
    println!("row {}: {}, seed {seed}", row.number, row.fault);
    // Rows that are given the same number must not make the same choices.
    let mut trial = Trial { seed: Seed::new(seed).part(row.number.into()), short };
    match catch_unwind(AssertUnwindSafe(|| (row.trial)(&mut trial))) {
        Ok(Ok(())) => Verdict::Survived,
        Ok(Err(skip)) => Verdict::Skipped(skip.0),
        Err(panic) => Verdict::Lost(words(panic.as_ref())),
    }
}

fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| text.to_string())).unwrap_or_else(|| "a panic".to_string())
}
