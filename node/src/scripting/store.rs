//! The scripts that are cached and the libraries that are loaded, for all cores.
//!
//! A core looks here when it meets a script for the first time, or when a counter says that something has changed; what it has
//! compiled is its own. Scripts are no part of the data set: not in snapshots, not in the log.
//!
//! Scripts that have only been run (`EVAL`) are kept as Redis has it since 7.4: the [`EVALUATED_MAX`] that were used last. What was
//! loaded (`SCRIPT LOAD`) stays until the cache is flushed.

use super::busy::Busy;
use super::flags::Flags;
use super::library::Libraries;
use sha1::{Digest, Sha1};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

/// The SHA-1 of a script's source, in lower-case hexadecimal digits: its name.
pub type Sha = [u8; 40];

/// The name of a script with this source.
pub fn sha_of(body: &[u8]) -> Sha {
    let mut sha = [0; 40];
    for (byte, digits) in Sha1::digest(body).iter().zip(sha.chunks_exact_mut(2)) {
        digits[0] = b"0123456789abcdef"[usize::from(byte >> 4)];
        digits[1] = b"0123456789abcdef"[usize::from(byte & 15)];
    }
    sha
}

/// So many scripts are kept that have been run and not loaded.
pub const EVALUATED_MAX: usize = 500;

/// A cached script.
#[derive(Debug)]
pub struct Script {
    /// Its name.
    pub sha: Sha,
    /// Its source, with the first line that says what it is.
    pub body: Vec<u8>,
    /// How long that line is; the interpreter must not see it.
    pub head_len: usize,
    /// What that line says.
    pub flags: Flags,
    /// Which use of any script was the last of this one.
    used: AtomicU64,
    /// Whether it was loaded, and stays.
    loaded: AtomicBool,
    /// Whether it had to make room, and is not known any more.
    evicted: AtomicBool,
}

impl Script {
    /// One that is not kept yet.
    pub fn new(sha: Sha, body: &[u8], flags: Flags, head_len: usize) -> Self {
        let (used, loaded, evicted) = Default::default();
        Script { sha, body: body.to_vec(), head_len, flags, used, loaded, evicted }
    }

    /// Whether it is not known any more.
    pub fn is_evicted(&self) -> bool {
        self.evicted.load(Ordering::Acquire)
    }
}

/// The cached scripts.
#[derive(Debug, Default)]
struct Cache {
    by_sha: HashMap<Sha, Arc<Script>>,
    /// How many of them were not loaded.
    evaluated: usize,
}

impl Cache {
    fn keep(&mut self, script: &Arc<Script>) -> Arc<Script> {
        if let Some(there) = self.by_sha.get(&script.sha) {
            // Two cores have met it at once: the other goes on with its own, and says there when it uses it.
            return Arc::clone(there);
        }
        self.by_sha.insert(script.sha, Arc::clone(script));
        self.evaluated += 1;
        if self.evaluated > EVALUATED_MAX {
            let evaluated = self.by_sha.values().filter(|script| !script.loaded.load(Ordering::Relaxed));
            if let Some(oldest) = evaluated.min_by_key(|script| script.used.load(Ordering::Relaxed)).cloned() {
                oldest.evicted.store(true, Ordering::Release);
                self.by_sha.remove(&oldest.sha);
                self.evaluated -= 1;
            }
        }
        Arc::clone(script)
    }
}

/// What all cores share of scripts and functions.
pub struct Store {
    scripts: RwLock<Cache>,
    /// Counts uses of scripts that may be evicted.
    uses: AtomicU64,
    /// Counts flushes of the cache: what a core has compiled before is to be forgotten.
    flushes: AtomicU64,
    libraries: RwLock<Arc<Libraries>>,
    /// By core, what its interpreters use, in bytes: for scripts, for functions.
    memory: Vec<[AtomicUsize; 2]>,
    /// Whether scripts may run any command (`DEBUG SET-DISABLE-DENY-SCRIPTS`).
    pub allow_all: AtomicBool,
    /// The script that has been running for too long, if there is one.
    pub busy: Busy,
}

impl Store {
    /// That of a node with so many cores, which has none.
    pub fn new(cores: usize) -> Self {
        Store {
            scripts: RwLock::default(),
            uses: AtomicU64::new(0),
            flushes: AtomicU64::new(0),
            libraries: RwLock::default(),
            memory: (0..cores).map(|_| Default::default()).collect(),
            allow_all: AtomicBool::new(false),
            busy: Busy::default(),
        }
    }

    /// How often the cache was flushed.
    pub fn flushes(&self) -> u64 {
        self.flushes.load(Ordering::Acquire)
    }

    /// The script of this name.
    pub fn find(&self, sha: &Sha) -> Option<Arc<Script>> {
        self.scripts.read().unwrap_or_else(PoisonError::into_inner).by_sha.get(sha).cloned()
    }

    /// Notes that a script is used.
    pub fn note_use(&self, script: &Script) {
        if !script.loaded.load(Ordering::Relaxed) {
            script.used.store(self.uses.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
        }
    }

    /// Keeps a script, in the place of the one that was not used for longest if there are too many: the one that is kept, which is
    /// another if it was there already.
    pub fn keep(&self, script: &Arc<Script>) -> Arc<Script> {
        self.note_use(script);
        let kept = self.scripts.write().unwrap_or_else(PoisonError::into_inner).keep(script);
        if !Arc::ptr_eq(&kept, script) {
            self.note_use(&kept);
        }
        kept
    }

    /// Keeps a script that is there until the cache is flushed. Says whether it is there.
    pub fn note_loaded(&self, sha: &Sha) -> bool {
        let mut scripts = self.scripts.write().unwrap_or_else(PoisonError::into_inner);
        let Some(script) = scripts.by_sha.get(sha) else { return false };
        if !script.loaded.swap(true, Ordering::Relaxed) {
            scripts.evaluated -= 1;
        }
        true
    }

    /// Forgets all scripts.
    pub fn flush(&self) {
        let mut scripts = self.scripts.write().unwrap_or_else(PoisonError::into_inner);
        self.flushes.fetch_add(1, Ordering::AcqRel);
        *scripts = Cache::default();
    }

    /// How many scripts there are, and the bytes of their sources.
    pub fn scripts(&self) -> (usize, usize) {
        let scripts = self.scripts.read().unwrap_or_else(PoisonError::into_inner);
        (
            scripts.by_sha.len(),
            scripts.by_sha.values().map(|script| script.body.len() + size_of::<Script>() + size_of::<Sha>()).sum(),
        )
    }

    /// The libraries as they are now.
    pub fn libraries(&self) -> Arc<Libraries> {
        Arc::clone(&self.libraries.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts other libraries in place of those that are loaded. To be called while every shard is held: libraries are a part of the
    /// data set.
    pub fn set_libraries(&self, libraries: Libraries) {
        *self.libraries.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(libraries);
    }

    /// Notes what the interpreters of a core use.
    pub fn note_memory(&self, core: usize, used: [usize; 2]) {
        for (place, used) in self.memory[core].iter().zip(used) {
            place.store(used, Ordering::Relaxed);
        }
    }

    /// What the interpreters of all cores use, in bytes: for scripts, for functions.
    pub fn memory(&self) -> [usize; 2] {
        [0, 1].map(|which| self.memory.iter().map(|core| core[which].load(Ordering::Relaxed)).sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(nth: usize) -> Arc<Script> {
        let body = format!("return {nth}");
        Arc::new(Script::new(sha_of(body.as_bytes()), body.as_bytes(), Flags::COMPAT, 0))
    }

    #[test]
    fn scripts_that_were_only_run_make_room_for_others() {
        let store = Store::new(1);
        let (first, loaded) = (script(0), script(1));
        store.keep(&first);
        store.keep(&loaded);
        assert!(store.note_loaded(&loaded.sha));
        for nth in 2..=EVALUATED_MAX {
            store.keep(&script(nth));
        }
        assert_eq!(store.scripts().0, EVALUATED_MAX + 1);
        store.note_use(&first);
        store.keep(&script(EVALUATED_MAX + 1));
        assert_eq!(store.scripts().0, EVALUATED_MAX + 1);
        let is_there = |script: &Script| store.find(&script.sha).is_some();
        assert!(is_there(&first) && is_there(&loaded) && !is_there(&script(2)) && is_there(&script(3)));
        assert!(!first.is_evicted());
    }

    #[test]
    fn a_script_that_two_cores_meet_at_once_is_one() {
        let store = Store::new(2);
        let first = store.keep(&script(0));
        assert!(Arc::ptr_eq(&first, &store.keep(&script(0))));
        assert!(store.note_loaded(&first.sha));
        (1..=EVALUATED_MAX + 1).for_each(|nth| _ = store.keep(&script(nth)));
        assert!(Arc::ptr_eq(&first, &store.keep(&script(0))) && !first.is_evicted());
        assert_eq!(store.scripts().0, EVALUATED_MAX + 1);
    }

    #[test]
    fn a_script_that_was_evicted_is_kept_anew() {
        let store = Store::new(1);
        let old = script(0);
        store.keep(&old);
        (1..=EVALUATED_MAX).for_each(|nth| _ = store.keep(&script(nth)));
        assert!(old.is_evicted() && store.find(&old.sha).is_none());
        store.keep(&script(0));
        assert!(store.find(&old.sha).is_some_and(|script| !script.is_evicted()));
    }
}
