//! The 24 access bits of an entry: when it was last used, or how often.
//!
//! Under an LRU policy they are seconds of the clock, modulo 2^24 (194 days). Under an LFU policy they are what Redis documents:
//! 16 bits of minutes since the counter last decayed, and an 8-bit counter that grows with the logarithm of the uses.

use koltso_proto::id::UnixMs;

/// The counter that new entries start with, so that they are not evicted before they had a chance.
pub const LFU_INIT: u8 = 5;
const BITS: u32 = 0xff_ffff;

/// What the access bits mean, and how they change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessPolicy {
    /// Seconds.
    Lru,
    /// Minutes and a counter.
    Lfu {
        /// `lfu-log-factor`: how much slower the counter grows the higher it is.
        log_factor: u32,
        /// `lfu-decay-time`: minutes after which the counter loses one; 0 = never.
        decay_time_min: u32,
    },
}

impl AccessPolicy {
    /// Whether the bits count uses.
    #[inline]
    pub fn is_lfu(self) -> bool {
        matches!(self, AccessPolicy::Lfu { .. })
    }

    /// The bits of an entry that is made now.
    #[inline]
    pub fn fresh(self, now: UnixMs) -> u32 {
        match self {
            AccessPolicy::Lru => lru_clock(now),
            AccessPolicy::Lfu { .. } => lfu_bits(now, LFU_INIT),
        }
    }

    /// The bits of an entry that is used now. `random` is uniform.
    #[inline]
    pub fn used(self, bits: u32, now: UnixMs, random: impl FnOnce() -> u32) -> u32 {
        match self {
            AccessPolicy::Lru => lru_clock(now),
            AccessPolicy::Lfu { log_factor, .. } => {
                let counter = self.frequency(bits, now);
                lfu_bits(now, incremented(counter, log_factor, random()))
            }
        }
    }

    /// The counter as it is now, decayed. Meaningless under an LRU policy.
    pub fn frequency(self, bits: u32, now: UnixMs) -> u8 {
        let counter = bits as u8;
        let AccessPolicy::Lfu { decay_time_min, .. } = self else { return counter };
        let elapsed_min = u32::from(minutes(now).wrapping_sub((bits >> 8) as u16));
        let periods = elapsed_min.checked_div(decay_time_min).unwrap_or(0);
        counter.saturating_sub(periods.min(255) as u8)
    }

    /// The bits for a counter set by hand: `RESTORE … FREQ`, or an RDB file.
    pub fn with_frequency(now: UnixMs, counter: u8) -> u32 {
        lfu_bits(now, counter)
    }

    /// The bits for an idle time set by hand: `RESTORE … IDLETIME`, or an RDB file.
    pub fn with_idle(now: UnixMs, idle_s: u64) -> u32 {
        (now.0 / 1000).wrapping_sub(idle_s) as u32 & BITS
    }

    /// Seconds since the entry was last used. Meaningless under an LFU policy.
    pub fn idle_s(bits: u32, now: UnixMs) -> u64 {
        u64::from(lru_clock(now).wrapping_sub(bits) & BITS)
    }

    /// How much better an entry is to evict than another: higher goes first.
    pub(super) fn eviction_score(self, bits: u32, now: UnixMs) -> u64 {
        match self {
            AccessPolicy::Lru => AccessPolicy::idle_s(bits, now),
            AccessPolicy::Lfu { .. } => 255 - u64::from(self.frequency(bits, now)),
        }
    }
}

#[inline]
fn lru_clock(now: UnixMs) -> u32 {
    (now.0 / 1000) as u32 & BITS
}

#[inline]
fn minutes(now: UnixMs) -> u16 {
    (now.0 / 60_000) as u16
}

#[inline]
fn lfu_bits(now: UnixMs, counter: u8) -> u32 {
    u32::from(minutes(now)) << 8 | u32::from(counter)
}

/// The counter grows with probability 1 / ((counter - initial) * factor + 1).
fn incremented(counter: u8, log_factor: u32, random: u32) -> u8 {
    let base = u64::from(counter.saturating_sub(LFU_INIT));
    let odds = base * u64::from(log_factor) + 1;
    let grows = u64::from(random) * odds <= u64::from(u32::MAX);
    counter.saturating_add(u8::from(grows))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::SmallRng;
    use rand::{Rng, SeedableRng};

    const LFU: AccessPolicy = AccessPolicy::Lfu { log_factor: 10, decay_time_min: 1 };

    #[test]
    fn counters_grow_as_redis_documents() {
        // From the documentation of lfu-log-factor, factor 10: 100 hits about 10, 1000 about 18, 100 k about 142, 1 M 255.
        let mut rng = SmallRng::seed_from_u64(1);
        let mut bits = LFU.fresh(UnixMs(0));
        let mut seen = Vec::new();
        for hits in 1..=1_000_000u32 {
            bits = LFU.used(bits, UnixMs(0), || rng.next_u32());
            if [100, 1000, 100_000, 1_000_000].contains(&hits) {
                seen.push(bits as u8);
            }
        }
        assert!((7..=13).contains(&seen[0]), "{seen:?}");
        assert!((14..=24).contains(&seen[1]), "{seen:?}");
        assert!((125..=160).contains(&seen[2]), "{seen:?}");
        assert_eq!(seen[3], 255);
    }

    #[test]
    fn counters_decay_by_one_a_minute_and_never_below_zero() {
        let bits = AccessPolicy::with_frequency(UnixMs(0), 10);
        assert_eq!(LFU.frequency(bits, UnixMs(3 * 60_000)), 7);
        assert_eq!(LFU.frequency(bits, UnixMs(60 * 60_000)), 0);
        let never = AccessPolicy::Lfu { log_factor: 10, decay_time_min: 0 };
        assert_eq!(never.frequency(bits, UnixMs(60 * 60_000)), 10);
    }

    #[test]
    fn idle_time_survives_the_wrap_of_the_clock() {
        let before = UnixMs(((1 << 24) - 10) * 1000);
        let after = UnixMs(((1 << 24) + 10) * 1000);
        let bits = AccessPolicy::Lru.fresh(before);
        assert_eq!(AccessPolicy::idle_s(bits, after), 20);
        assert_eq!(AccessPolicy::idle_s(AccessPolicy::with_idle(after, 5000), after), 5000);
    }
}
