//! Scripts that have been running for longer than `busy-reply-threshold`: who may end them, and what everybody else is told.

use crate::connection::OwnedRequest;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

const BUSY_SCRIPT: &str = "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.";
const BUSY_FUNCTION: &str = "BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE.";
const UNKILLABLE: &str = "UNKILLABLE Sorry the script already executed write commands against the dataset. You can either wait the script \
     termination or kill the server in a hard way using the SHUTDOWN NOSAVE command.";

/// A script that takes too long, as all cores see it.
#[derive(Debug)]
pub struct Slow {
    /// Whether it is a function.
    pub is_function: bool,
    /// The digest of the script, or the name of the function.
    pub name: String,
    /// What its client has sent.
    pub command: OwnedRequest,
    /// When it began.
    pub started: Instant,
    /// What has become of it.
    state: AtomicU8,
}

/// It may still be ended.
const RUNNING: u8 = 0;
/// It has written, and cannot be ended any more.
const WROTE: u8 = 1;
/// It is to end, and cannot write any more.
const KILLED: u8 = 2;

impl Slow {
    /// One that begins to take too long.
    pub fn new(is_function: bool, name: String, command: OwnedRequest, started: Instant, wrote: bool) -> Self {
        Slow { is_function, name, command, started, state: AtomicU8::new(if wrote { WROTE } else { RUNNING }) }
    }

    /// Where it is running, it has come to this, and to nothing else from then on. Says whether it has.
    fn becomes(&self, state: u8) -> bool {
        let before = self.state.compare_exchange(RUNNING, state, Ordering::AcqRel, Ordering::Acquire);
        before.is_ok() || before == Err(state)
    }

    /// Before it writes: from now on it cannot be ended. Says whether it may, which it may not if it is to end.
    pub fn may_write(&self) -> bool {
        self.becomes(WROTE)
    }

    /// Whether it is to end.
    pub fn is_killed(&self) -> bool {
        self.state.load(Ordering::Acquire) == KILLED
    }
}

/// Scripts that take too long.
#[derive(Debug, Default)]
pub struct Busy(Mutex<Vec<Arc<Slow>>>);

impl Busy {
    fn all(&self) -> MutexGuard<'_, Vec<Arc<Slow>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more takes too long. `tell` is called before another can come or go.
    pub fn add(&self, slow: &Arc<Slow>, tell: impl FnOnce()) {
        let mut all = self.all();
        all.push(Arc::clone(slow));
        tell();
    }

    /// One is done. `tell` is called if none is left, before another can come.
    pub fn remove(&self, slow: &Arc<Slow>, tell: impl FnOnce()) {
        let mut all = self.all();
        all.retain(|other| !Arc::ptr_eq(other, slow));
        if all.is_empty() {
            tell();
        }
    }

    /// The one that has been running for longest.
    pub fn first(&self) -> Option<Arc<Slow>> {
        self.all().first().cloned()
    }

    /// What a command is refused with meanwhile; `None` if no script takes too long any more.
    pub fn error(&self) -> Option<&'static str> {
        self.first().map(|slow| if slow.is_function { BUSY_FUNCTION } else { BUSY_SCRIPT })
    }

    /// `SCRIPT KILL` and `FUNCTION KILL`.
    ///
    /// # Errors
    /// The text of the reply.
    pub fn kill(&self, functions: bool) -> Result<(), &'static str> {
        let all = self.all();
        if all.is_empty() {
            return Err("NOTBUSY No scripts in execution right now.");
        }
        let mut outcome = Err(if functions { BUSY_SCRIPT } else { BUSY_FUNCTION });
        for slow in all.iter() {
            let ended = if slow.is_function == functions { slow.becomes(KILLED) } else { false };
            if ended {
                outcome = Ok(());
            } else if slow.state.load(Ordering::Acquire) == WROTE {
                outcome = outcome.or(Err(UNKILLABLE));
            }
        }
        outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slow(wrote: bool) -> Arc<Slow> {
        Arc::new(Slow::new(false, "name".into(), OwnedRequest::from_words(&[b"EVAL"]), Instant::now(), wrote))
    }

    #[test]
    fn a_script_is_ended_or_writes_and_never_both() {
        let (busy, killed, writing) = (Busy::default(), slow(false), slow(false));
        busy.add(&killed, || {});
        assert!(busy.kill(true).is_err() && !killed.is_killed());
        assert!(busy.kill(false).is_ok() && busy.kill(false).is_ok());
        assert!(killed.is_killed() && !killed.may_write() && killed.is_killed());
        busy.remove(&killed, || {});
        busy.add(&writing, || {});
        assert!(writing.may_write() && writing.may_write());
        assert_eq!(busy.kill(false), Err(UNKILLABLE));
        assert_eq!(busy.kill(true), Err(UNKILLABLE));
        assert!(!writing.is_killed() && !slow(true).becomes(KILLED));
    }
}
