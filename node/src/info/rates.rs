//! Rates of the last moments, from counters that are looked at now and then: the `instantaneous_…` fields.

/// How many samples a rate is the mean of.
const SAMPLES: usize = 16;

/// What has a rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rate {
    /// Commands.
    Commands,
    /// Bytes received.
    Input,
    /// Bytes sent.
    Output,
    /// Bytes received from our primary.
    ReplInput,
    /// Bytes sent to replicas.
    ReplOutput,
}

/// How many rates there are.
pub const RATES: usize = 5;

/// The samples of all rates.
#[derive(Debug, Default)]
pub struct Rates {
    /// When the last sample was taken, in milliseconds, and the counters then.
    last: Option<(u64, [u64; RATES])>,
    samples: [[u64; SAMPLES]; RATES],
    at: usize,
}

impl Rates {
    /// Takes a sample of the counters, in the order of [`Rate`].
    pub fn sample(&mut self, now_ms: u64, counters: [u64; RATES]) {
        let Some((then_ms, before)) = self.last.replace((now_ms, counters)) else { return };
        let elapsed_ms = now_ms.saturating_sub(then_ms).max(1);
        for rate in 0..RATES {
            // Counters that went back were reset.
            let fresh = counters[rate].saturating_sub(before[rate]);
            self.samples[rate][self.at] = fresh.saturating_mul(1000) / elapsed_ms;
        }
        self.at = (self.at + 1) % SAMPLES;
    }

    /// Forgets all samples.
    pub fn reset(&mut self) {
        *self = Rates::default();
    }

    /// The mean of the last samples, per second.
    pub fn per_second(&self, rate: Rate) -> u64 {
        self.samples[rate as usize].iter().sum::<u64>() / SAMPLES as u64
    }

    /// The same in units of 1024.
    pub fn kilo_per_second(&self, rate: Rate) -> f64 {
        self.per_second(rate) as f64 / 1024.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_rate_is_found_and_a_reset_is_no_peak() {
        let mut rates = Rates::default();
        for i in 0..=16 {
            rates.sample(100 * i, [50 * i, 0, 0, 0, 10_240 * i]);
        }
        assert_eq!(rates.per_second(Rate::Commands), 500);
        assert!((rates.kilo_per_second(Rate::ReplOutput) - 100.0).abs() < f64::EPSILON);
        rates.sample(1700, [0; RATES]);
        assert!(rates.per_second(Rate::Commands) < 500);
        // A clock that stands still or goes back divides by nothing.
        rates.sample(1600, [7; RATES]);
    }
}
