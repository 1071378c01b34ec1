//! How many completions are worth waking for.
//!
//! Waking for each request as it arrives costs more than the request where many clients ask at once: the caches are cold every
//! time. So while many peers are active, a core sleeps until several of them have sent something, as network cards do with their
//! interrupts (`coalesce-us`). A third of those that were active a moment ago: as long as the others keep the processors busy
//! meanwhile, nobody waits in vain. With few active peers a core wakes for the first.

use koltso_proto::id::UnixMs;

/// One of so many active peers is waited for.
const SHARE: u32 = 3;
/// No more are waited for than this.
const WANT_MAX: u32 = 16;
/// Activity this long ago, in milliseconds, says nothing about now.
const STALE_MS: u64 = 4;

/// The peers that are active.
#[derive(Debug, Default)]
pub struct Coalesce {
    /// The millisecond that is being counted.
    window: UnixMs,
    /// Peers that have sent something in it.
    seen: u32,
    /// The same of the last one.
    active: u32,
}

impl Coalesce {
    /// A turn begins.
    #[inline]
    pub fn begin_turn(&mut self, now: UnixMs) {
        if now != self.window {
            self.active = if now.0.wrapping_sub(self.window.0) <= STALE_MS { self.seen } else { 0 };
            self.seen = 0;
            self.window = now;
        }
    }

    /// A peer has sent something, for the first time in this millisecond.
    #[inline]
    pub fn note_active(&mut self) {
        self.seen += 1;
    }

    /// Whether any peer has sent something just now, or a moment ago.
    #[inline]
    pub fn is_anybody_active(&self) -> bool {
        self.seen + self.active > 0
    }

    /// How many peers to wait for: at least one.
    #[inline]
    pub fn want(&self) -> u32 {
        (self.active / SHARE).clamp(1, WANT_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(peers: u32, later_ms: u64) -> u32 {
        let mut coalesce = Coalesce::default();
        coalesce.begin_turn(UnixMs(1000));
        for _ in 0..peers {
            coalesce.note_active();
        }
        coalesce.begin_turn(UnixMs(1000 + later_ms));
        coalesce.want()
    }

    #[test]
    fn only_many_active_peers_are_worth_waiting_for() {
        assert_eq!([0, 1, 5, 6, 24, 1000].map(|peers| after(peers, 1)), [1, 1, 1, 2, 8, 16]);
    }

    #[test]
    fn activity_is_soon_forgotten() {
        assert_eq!([1, 4, 5].map(|later_ms| after(40, later_ms)), [13, 13, 1]);
    }
}
