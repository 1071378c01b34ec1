//! The scripts that are cached and the libraries that are loaded, for all cores.
//!
//! A core looks here when it meets a script for the first time, or when a counter says that something has changed; what it has
//! compiled is its own. Scripts are never evicted. They are no part of the data set: not in snapshots, not in the log.

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
}

/// What all cores share of scripts and functions.
pub struct Store {
    scripts: RwLock<HashMap<Sha, Arc<Script>>>,
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
        self.scripts.read().unwrap_or_else(PoisonError::into_inner).get(sha).cloned()
    }

    /// Keeps a script.
    pub fn keep(&self, script: &Arc<Script>) {
        self.scripts.write().unwrap_or_else(PoisonError::into_inner).insert(script.sha, Arc::clone(script));
    }

    /// Forgets all scripts.
    pub fn flush(&self) {
        let mut scripts = self.scripts.write().unwrap_or_else(PoisonError::into_inner);
        self.flushes.fetch_add(1, Ordering::AcqRel);
        scripts.clear();
    }

    /// How many scripts there are, and the bytes of their sources.
    pub fn scripts(&self) -> (usize, usize) {
        let scripts = self.scripts.read().unwrap_or_else(PoisonError::into_inner);
        (scripts.len(), scripts.values().map(|script| script.body.len() + size_of::<Script>() + size_of::<Sha>()).sum())
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
