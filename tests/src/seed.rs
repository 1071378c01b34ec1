//! A printed, repeatable source of randomness. No test may use another one.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// A seeded generator with the few draws that the tests need.
pub struct Seed {
    rng: StdRng,
    seed: u64,
}

impl Seed {
    /// A fresh seed, or the one in `KOLTSO_SEED`. It is printed, so a failing test shows it.
    pub fn fresh(test: &str) -> Seed {
        let seed = match std::env::var("KOLTSO_SEED") {
            Ok(text) => text.parse().expect("KOLTSO_SEED is a decimal number"),
            Err(_) => rand::random::<u32>() as u64,
        };
        println!("{test}: KOLTSO_SEED={seed}");
        Seed::new(seed)
    }

    /// The generator that belongs to `seed`, without printing.
    pub fn new(seed: u64) -> Seed {
        Seed { rng: StdRng::seed_from_u64(seed), seed }
    }

    /// The number it began with.
    pub fn number(&self) -> u64 {
        self.seed
    }

    /// A generator for a part of the test (a writer, a round), independent of how much this one has drawn.
    pub fn part(&self, n: u64) -> Seed {
        Seed::new(self.seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(n + 1))
    }

    /// A number below `n`, which must not be 0.
    pub fn below(&mut self, n: u64) -> u64 {
        self.rng.random_range(0..n)
    }

    /// True once in `n` draws.
    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// One of `choices`.
    pub fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len() as u64) as usize]
    }

    /// `n` random bytes, all values possible.
    pub fn bytes(&mut self, n: usize) -> Vec<u8> {
        let mut bytes = vec![0; n];
        self.rng.fill(&mut bytes[..]);
        bytes
    }
}
