//! How fast a core walks: with all it has while it serves nobody, and with rests while it does. All that the pace depends on stands
//! here.
//!
//! The rests are for more than the clients of this core. A processor that a core shares with the service thread is handed from one
//! to the other at once only when the one that is to have it wakes up: a core that never sleeps is interrupted by the scheduler's
//! tick instead, and for as long as until the next one, which is milliseconds.

use std::time::{Duration, Instant};

/// How long one slice of walking may take while nobody is being served.
const SLICE: Duration = Duration::from_micros(100);
/// The same while somebody is: a request that comes during the slice waits for its end.
const SLICE_SERVING: Duration = Duration::from_micros(25);
/// How many times as long as a slice the rest behind it is, while somebody is being served.
const REST: u32 = 2;
/// What is walked between two looks at the clock: bytes, and what [`ENTRY_COST`](crate::shard::snapshot::ENTRY_COST) and its like say.
/// A slice may take longer by one such step.
pub const STEP_COST: usize = 16 << 10;
/// While values that writes have taken away keep more than this alive, a core walks as if it served nobody; in bytes.
pub const PRESSED_LEN: usize = 32 << 20;
/// Encoded bytes that all cores together may have under way before they stop walking.
pub const WALKED_LEN_MAX: usize = 8 << 20;
/// What each core may have under way of that at least, in bytes; few chunks.
pub const SHARE_LEN_MIN: usize = 512 << 10;
/// How much of what writes have put off a core may have waiting for the service thread while its walk waits for readers, in bytes.
pub const CATCH_UP_LEN: usize = 4 << 20;
/// Bytes that may wait for the service thread, which takes them as fast as it can: encoded ones, and values that writes have taken
/// away. Beyond this the snapshot is given up; where the data set is larger than twice this, beyond half of what that takes.
pub const QUEUED_LEN_MAX: usize = 256 << 20;
/// How much may wait, if this much memory is in use at the cut; see [`QUEUED_LEN_MAX`].
pub fn queued_len_max(in_use: usize) -> usize {
    QUEUED_LEN_MAX.max(in_use / 2)
}

/// The pace of one core.
#[derive(Debug, Default)]
pub struct Pace {
    resting_until: Option<Instant>,
}

impl Pace {
    /// Whether it is time to walk, and until when, at `now`.
    pub fn slice(&mut self, now: Instant, serving: bool) -> Option<Instant> {
        if self.resting_until.is_some_and(|until| serving && now < until) {
            return None;
        }
        self.resting_until = None;
        Some(now + if serving { SLICE_SERVING } else { SLICE })
    }

    /// A slice that began at `began` is over at `now`, with more to walk. Says whether to walk on at once.
    pub fn rest(&mut self, began: Instant, now: Instant, serving: bool) -> bool {
        self.resting_until = serving.then(|| now + (now - began) * REST);
        !serving
    }

    /// When the rest is over, if this is one.
    pub fn resting_until(&self) -> Option<Instant> {
        self.resting_until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn walks_on_at_once_only_while_nobody_is_served() {
        let (mut pace, began) = (Pace::default(), Instant::now());
        let at = |us| began + Duration::from_micros(us);
        assert_eq!(pace.slice(began, false), Some(at(100)));
        assert!(pace.rest(began, at(100), false));
        assert_eq!((pace.resting_until(), pace.slice(at(100), true)), (None, Some(at(125))));
        assert!(!pace.rest(at(100), at(130), true));
        assert_eq!((pace.resting_until(), pace.slice(at(189), true)), (Some(at(190)), None));
        assert_eq!(pace.slice(at(189), false), Some(at(289)), "a rest is over when the clients are gone");
        assert!(!pace.rest(at(189), at(199), true));
        assert_eq!(pace.slice(at(219), true), Some(at(244)));
        assert_eq!(pace.resting_until(), None);
    }
}
