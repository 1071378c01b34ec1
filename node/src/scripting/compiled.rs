//! The scripts that an interpreter has compiled, to be found by name and by source: whoever sends the source each time shall not have
//! it digested each time.

use super::store::{Script, Sha};
use hashbrown::HashTable;
use mlua::Function;
use std::sync::Arc;

/// So many more than there were are taken in before those that were evicted meanwhile are looked for.
const SWEEP_PERIOD: usize = 250;

/// A compiled script, and what it was compiled from.
#[derive(Clone)]
pub struct Compiled {
    /// The function.
    pub function: Function,
    /// Its source.
    pub script: Arc<Script>,
}

/// The compiled scripts of an interpreter.
#[derive(Default)]
pub struct CompiledScripts {
    hasher: ahash::RandomState,
    by_sha: HashTable<Compiled>,
    by_body: HashTable<Compiled>,
    /// When there are so many, those that were evicted go.
    sweep_at: usize,
}

impl CompiledScripts {
    /// The script of this name, unless it was evicted.
    pub fn by_sha(&self, sha: &Sha) -> Option<&Compiled> {
        let found = self.by_sha.find(self.hasher.hash_one(&sha[..]), |known| known.script.sha == *sha);
        found.filter(|known| !known.script.is_evicted())
    }

    /// The script with this source, unless it was evicted.
    pub fn by_body(&self, body: &[u8]) -> Option<&Compiled> {
        let found = self.by_body.find(self.hasher.hash_one(body), |known| known.script.body == body);
        found.filter(|known| !known.script.is_evicted())
    }

    /// Keeps one.
    pub fn insert(&mut self, compiled: Compiled) {
        self.forget(&compiled.script);
        if self.by_sha.len() >= self.sweep_at {
            self.by_sha.retain(|known| !known.script.is_evicted());
            self.by_body.retain(|known| !known.script.is_evicted());
            self.sweep_at = self.by_sha.len() + SWEEP_PERIOD;
        }
        let hasher = &self.hasher;
        let (of_sha, of_body) =
            (|it: &Compiled| hasher.hash_one(&it.script.sha[..]), |it: &Compiled| hasher.hash_one(&it.script.body[..]));
        self.by_sha.insert_unique(of_sha(&compiled), compiled.clone(), of_sha);
        self.by_body.insert_unique(of_body(&compiled), compiled, of_body);
    }

    /// Forgets the one with the name of this script.
    pub fn forget(&mut self, script: &Script) {
        let hash = self.hasher.hash_one(&script.sha[..]);
        if let Ok(known) = self.by_sha.find_entry(hash, |known| known.script.sha == script.sha) {
            known.remove();
        }
        let hash = self.hasher.hash_one(&script.body[..]);
        if let Ok(known) = self.by_body.find_entry(hash, |known| known.script.body == script.body) {
            known.remove();
        }
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.by_sha.clear();
        self.by_body.clear();
    }
}
