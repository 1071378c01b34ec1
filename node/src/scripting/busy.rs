//! Scripts that have been running for longer than `busy-reply-threshold`: who may end them, and what everybody else is told.

use crate::connection::OwnedRequest;
use std::sync::atomic::{AtomicBool, Ordering};
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
    /// Whether it has written anything: then it cannot be ended.
    pub wrote: AtomicBool,
    /// Set when it is to end.
    pub killed: AtomicBool,
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
            if slow.wrote.load(Ordering::Acquire) {
                outcome = outcome.or(Err(UNKILLABLE));
            } else if slow.is_function == functions {
                slow.killed.store(true, Ordering::Release);
                outcome = Ok(());
            }
        }
        outcome
    }
}
