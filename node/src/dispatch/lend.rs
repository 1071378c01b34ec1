//! Borrowing shards: a command that needs several of them moves them here, runs alone, and gives them back.
//!
//! Shards are asked for in ascending order, one job at a time per core, so two cores can never wait for each other. A core
//! whose shard is away goes on with its network and keeps work for the shard until it is back. What a shard's executions
//! meant for replicas is handed to the log before the shard leaves, and what a job meant before it gives shards back: so the
//! order in which the log receives them is the order in which they happened.

use super::shard_set::ShardSet;
use crate::connection::{Stall, Token};
use crate::core::{Core, Message, StageGuard, Staged};
use crate::shard::Shard;
use crate::shared::Gate;
use std::collections::VecDeque;

/// What to do with the shards once they are here.
pub type Work = Box<dyn FnOnce(&mut Core) + Send>;

struct Job {
    wanted: ShardSet,
    held: ShardSet,
    /// Whether the next shard has been asked for and not yet arrived.
    asked: bool,
    work: Work,
}

/// What a core lends and borrows.
#[derive(Default)]
pub struct Lending {
    jobs: VecDeque<Job>,
    /// Cores that wait for this core's shard.
    requests: VecDeque<usize>,
    /// Whether this core's own shard is held for the job at the front, and must not be lent.
    reserved: bool,
    /// Whether a script is being run for too long: nobody else may use data here meanwhile.
    pub frozen: bool,
    /// Whether that has been so, and things wait that may go on after the job.
    pub thaws: bool,
    /// Whether a job is being run: what it asks for itself has to wait until its own shards are back.
    running: bool,
    /// Batches from other cores that wait for this core's shard.
    pub batches: VecDeque<Box<super::hop::Batch>>,
    /// Entries that are being loaded and wait for it.
    pub staged: VecDeque<(Staged, StageGuard)>,
    /// Connections that go on when no job is left: the stream of a primary, whose order nothing may overtake.
    pub after_jobs: Vec<Token>,
    /// Connections whose next request waits for it.
    pub stalled: Vec<Token>,
}

impl Lending {
    /// Whether nothing waits for a shard, or to run with one.
    pub fn is_idle(&self) -> bool {
        self.jobs.is_empty() && self.batches.is_empty() && self.stalled.is_empty()
    }
}

impl Core {
    /// Borrows shards and then does `work`, alone among all who use them. At once, if they are all here and idle.
    pub fn with_shards(&mut self, wanted: ShardSet, work: Work) {
        // What this core has sent towards those shards must arrive there first.
        self.flush_outbox();
        self.lending.jobs.push_back(Job { wanted, held: ShardSet::default(), asked: false, work });
        self.advance_jobs();
    }

    /// Borrows every shard.
    pub fn with_all_shards(&mut self, work: Work) {
        self.with_shards(ShardSet::all(self.exec.shards.len()), work);
    }

    /// Whether these shards are all at home here, and nobody is before who wants to use them.
    pub fn has_at_hand(&self, wanted: ShardSet) -> bool {
        let (id, lending) = (self.exec.id, &self.lending);
        wanted.single() == Some(id)
            && self.exec.shards[id].is_some()
            && !(lending.running || lending.frozen)
            && lending.jobs.is_empty()
    }

    /// Does `work` at once over what is [at hand](Self::has_at_hand), alone like a job.
    pub fn with_own_shard(&mut self, work: impl FnOnce(&mut Core)) {
        // Who was answered before it may learn that in the midst of it, if it takes long: then the log has what was done for him.
        self.flush_effects();
        self.lending.running = true;
        work(self);
        self.lending.running = false;
        self.thaw();
        self.advance_jobs();
    }

    /// Brings the job at the front as far as possible. Not from within a job: a second one would see the first half done, and
    /// lose the hold on its shards to the end of the first.
    fn advance_jobs(&mut self) {
        while !self.lending.running {
            let id = self.exec.id;
            let Some(job) = self.lending.jobs.front_mut() else { return self.resume_after_jobs() };
            let Some(next) = job.wanted.iter().find(|&shard| !job.held.contains(shard)) else {
                self.run_job();
                continue;
            };
            if next != id {
                if !job.asked {
                    job.asked = true;
                    self.send(next, Message::LendRequest { from: id });
                }
                return;
            }
            if self.exec.shards[id].is_none() {
                return;
            }
            self.lending.reserved = true;
            job.held.insert(id);
        }
    }

    fn resume_after_jobs(&mut self) {
        for token in std::mem::take(&mut self.lending.after_jobs) {
            self.unstall(token, Stall::AfterJobs);
        }
    }

    fn run_job(&mut self) {
        let Some(job) = self.lending.jobs.pop_front() else { return };
        // As before work over this core's own shard.
        self.flush_effects();
        self.lending.running = true;
        (job.work)(self);
        self.lending.running = false;
        self.flush_effects();
        let id = self.exec.id;
        for shard in job.held.iter().filter(|&shard| shard != id) {
            if let Some(lent) = self.exec.shards[shard].take() {
                self.send(shard, Message::ShardReturned(lent));
            }
        }
        if job.held.contains(id) {
            self.lending.reserved = false;
            self.serve_lend_requests();
        }
        self.thaw();
    }

    /// After a script that took too long: what has waited for its end goes on.
    fn thaw(&mut self) {
        if std::mem::take(&mut self.lending.thaws) && self.exec.shards[self.exec.id].is_some() {
            self.resume_shard_work();
            self.serve_lend_requests();
        }
    }

    /// Another core asks for this core's shard.
    pub fn on_lend_request(&mut self, from: usize) {
        self.lending.requests.push_back(from);
        self.serve_lend_requests();
    }

    fn serve_lend_requests(&mut self) {
        let id = self.exec.id;
        if self.lending.reserved || self.lending.frozen || self.exec.shards[id].is_none() {
            return;
        }
        if let Some(to) = self.lending.requests.pop_front() {
            self.flush_effects();
            if let Some(shard) = self.exec.shards[id].take() {
                self.send(to, Message::LendGranted(shard));
            }
        }
    }

    /// A shard that was asked for is here.
    pub fn on_lend_granted(&mut self, shard: Box<Shard>) {
        let index = usize::from(shard.id.0);
        self.exec.shards[index] = Some(shard);
        if let Some(job) = self.lending.jobs.front_mut() {
            job.asked = false;
            job.held.insert(index);
        }
        self.advance_jobs();
    }

    /// This core's own shard is back: what waited for it goes on, then it may be lent again.
    pub fn on_shard_returned(&mut self, shard: Box<Shard>) {
        let id = self.exec.id;
        self.exec.shards[id] = Some(shard);
        if self.lending.frozen {
            return;
        }
        // What has waited is judged by what this node has become meanwhile.
        self.exec.gates = self.shared.gates();
        self.resume_shard_work();
        self.advance_jobs();
        self.serve_lend_requests();
    }

    /// This core's own shard can be used again: what has waited for it goes on.
    fn resume_shard_work(&mut self) {
        while let Some((entries, guard)) = self.lending.staged.pop_front() {
            self.on_stage(entries, guard);
        }
        while let Some(batch) = self.lending.batches.pop_front() {
            self.on_batch(batch);
        }
        for token in std::mem::take(&mut self.lending.stalled) {
            self.unstall(token, Stall::ShardAway);
        }
    }

    /// Another core sends requests for this core's shard.
    pub fn on_batch(&mut self, mut batch: Box<super::hop::Batch>) {
        let to = batch.from;
        if self.lending.frozen
            && let Some(error) = self.shared.scripts.busy.error()
            && batch.refuse(error)
        {
            return self.send(to, Message::BatchDone(batch));
        }
        if self.exec.shards[self.exec.id].is_none() || self.lending.frozen {
            self.lending.batches.push_back(batch);
            return;
        }
        // Who sent it may know more of the node's role than this turn began with.
        self.exec.gates = self.shared.gates();
        let slow_before = self.exec.slow.len();
        self.exec.run_batch(&mut batch);
        if self.exec.slow.len() > slow_before {
            // The core of the client knows who it is.
            let slow = self.exec.slow.split_off(slow_before);
            let log = move |core: &mut Core| {
                core.exec.slow.extend(slow);
                core.log_slow();
            };
            self.send(to, Message::Run(Box::new(log)));
        }
        match self.exec.gates.has(Gate::MaxMemory) {
            true => self.answer_batch_with_room(batch),
            false => self.answer_batch(batch),
        }
    }

    /// Sends replies to the core that has asked for them.
    pub fn answer_batch(&mut self, mut batch: Box<super::hop::Batch>) {
        let to = batch.from;
        // What was executed reaches the log before anybody hears of it.
        self.flush_effects();
        self.flush_events();
        // And whoever asked for it may rely on it that those have been told whom it has served, and those who track keys.
        self.tell_served();
        batch.told.extend(self.tell_other_cores(to));
        self.send(to, Message::BatchDone(batch));
    }

    /// Whether nothing is being borrowed.
    pub fn has_jobs(&self) -> bool {
        self.lending.frozen || !self.lending.jobs.is_empty()
    }
}
