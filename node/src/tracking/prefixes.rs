//! Prefixes of keys that clients want to know about (`CLIENT TRACKING ON BCAST`).

use crate::dispatch::shard_set::ShardSet;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The prefixes that anybody is interested in, each with the cores of those clients.
pub type Prefixes = Vec<(Box<[u8]>, ShardSet)>;

/// The prefixes of all cores. Shards have copies, which are renewed when one is added, before that is confirmed.
#[derive(Debug, Default)]
pub struct AllPrefixes(Mutex<Counts>);

/// How many clients are interested in each prefix, by core.
type Counts = BTreeMap<Box<[u8]>, BTreeMap<usize, usize>>;

impl AllPrefixes {
    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A client of this core is interested in a prefix.
    pub fn add(&self, core: usize, prefix: &[u8]) {
        *self.lock().entry(prefix.into()).or_default().entry(core).or_default() += 1;
    }

    /// It is so no longer.
    pub fn remove(&self, core: usize, prefix: &[u8]) {
        let mut all = self.lock();
        let Some(cores) = all.get_mut(prefix) else { return };
        if let Some(count) = cores.get_mut(&core) {
            *count -= 1;
            if *count == 0 {
                cores.remove(&core);
            }
        }
        if cores.is_empty() {
            all.remove(prefix);
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// A copy for a shard; `None` if there is none.
    pub fn copy(&self) -> Option<Arc<Prefixes>> {
        let all = self.lock();
        let set = |cores: &BTreeMap<usize, usize>| {
            let mut set = ShardSet::default();
            cores.keys().for_each(|&core| set.insert(core));
            set
        };
        (!all.is_empty()).then(|| Arc::new(all.iter().map(|(prefix, cores)| (prefix.clone(), set(cores))).collect()))
    }
}
