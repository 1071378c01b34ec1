//! Room for writes, where other cores have to make it: see [`crate::dispatch::pressure`].
//!
//! A core that has nothing more that may go asks each of the others in turn to evict. Until they have, it keeps back what it has
//! to answer: so clients write no faster than room can be made, and who is answered has been told, right behind the reply, what
//! of the keys it tracks had to go for it.

use super::{Core, Message};
use crate::dispatch::hop::Batch;
use crate::dispatch::shard_set::ShardSet;
use crate::shared::Gate;
use crate::tracking::Told;

/// Requests of other cores that were executed, and are answered when others have made room.
#[derive(Default)]
#[allow(clippy::vec_box, reason = "the same boxes travel as messages")]
pub(super) struct Relief(Option<Vec<Box<Batch>>>);

impl Relief {
    /// Whether replies are kept back.
    pub(super) fn is_under_way(&self) -> bool {
        self.0.is_some()
    }
}

impl Core {
    /// Evicts if there was more to evict than was possible at once, and has other cores evict; true if there is more.
    pub(super) fn slice_of_eviction(&mut self) -> bool {
        if !self.exec.gates.has(Gate::MaxMemory) {
            return false;
        }
        let more = self.exec.go_on_evicting();
        self.exec.publish_load();
        self.ask_for_relief();
        more
    }

    /// Answers requests of another core, as soon as there is room for what they have taken.
    pub(crate) fn answer_batch_with_room(&mut self, batch: Box<Batch>) {
        if self.exec.has_taken {
            self.exec.go_on_evicting();
            self.exec.publish_load();
            self.exec.serve_if_ready();
            self.ask_for_relief();
        }
        match &mut self.relief.0 {
            Some(kept) => kept.push(batch),
            None => self.answer_batch(batch),
        }
    }

    /// Has other cores evict, if it has turned out that they must.
    fn ask_for_relief(&mut self) {
        let mut asked = std::mem::take(&mut self.exec.relief);
        let home = self.exec.id;
        if asked.contains(home) {
            // The shard was away.
            self.exec.evicting = true;
            asked.remove(home);
        }
        if asked.is_empty() || self.relief.is_under_way() {
            return;
        }
        self.relief.0 = Some(Vec::new());
        let evict = move |core: &mut Core| (core.exec.id != home).then(|| core.evict_for_another()).flatten();
        self.ask_cores(false, evict, |core, told| core.end_relief(told.into_iter().flatten().collect()));
    }

    /// Evicts because another core has asked for that; returns what is to be told of it.
    fn evict_for_another(&mut self) -> Option<Told> {
        if self.lending.frozen {
            return None;
        }
        self.tell_served();
        self.tell_those_who_track();
        self.exec.has_taken = true;
        self.exec.go_on_evicting();
        self.exec.publish_load();
        // The question goes on to those who have more.
        self.exec.relief = ShardSet::default();
        self.exec.serve_if_ready();
        self.flush_effects();
        self.flush_events();
        self.take_told()
    }

    /// The others have made room, or cannot.
    fn end_relief(&mut self, told: Vec<Told>) {
        let Some(mut kept) = self.relief.0.take() else { return };
        let (home, count) = (self.exec.id, self.peers.len());
        for told in told {
            for core in told.cores(count).iter() {
                match kept.iter_mut().find(|batch| batch.from == core) {
                    Some(batch) => batch.told.push(told.clone()),
                    None if core == home => self.on_told(&told),
                    None => self.send(core, Message::Told(told.clone())),
                }
            }
        }
        kept.into_iter().for_each(|batch| self.answer_batch(batch));
        // Now: a client that sends without a pause may have more room made before this turn is over, and nobody would be answered.
        self.flush_effects();
        self.tell_those_who_track();
        self.flush_dirty();
    }
}
