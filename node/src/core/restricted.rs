//! What a core still does while a script of it runs for too long: it answers everybody that it is busy, and takes in what could end
//! the script. Nothing that touches data happens until the script is done.

use super::{Core, INBOX_BUDGET, Message};
use crate::connection::{Stall, Token};

impl Core {
    /// A script of this client takes too long: from now on requests for data wait, or are refused.
    pub(crate) fn begin_restricted(&mut self, token: Token) {
        self.lending.frozen = true;
        self.held_open = Some((token, false));
    }

    /// Whether a connection stays until its script is done, which runs in the name of its user: it is closed then.
    pub(super) fn is_held_open(&mut self, token: Token) -> bool {
        match &mut self.held_open {
            Some((held, closes)) if *held == token => {
                *closes = true;
                true
            }
            _ => false,
        }
    }

    /// On every core, when a script somewhere takes too long: who waits for a shard that it has is refused like everybody else, and does
    /// not wait for its end.
    pub(crate) fn refuse_waiting(&mut self) {
        self.exec.gates = self.shared.gates();
        let Some(error) = self.shared.scripts.busy.error() else { return };
        for mut batch in std::mem::take(&mut self.lending.batches) {
            if batch.refuse(error) {
                self.send(batch.from, Message::BatchDone(batch));
            } else {
                self.lending.batches.push_back(batch);
            }
        }
        for token in std::mem::take(&mut self.lending.stalled) {
            self.unstall(token, Stall::ShardAway);
        }
    }

    /// The script is done. What has waited for data goes on when the script's shards have been given back.
    pub(crate) fn end_restricted(&mut self) {
        self.lending.frozen = false;
        self.lending.thaws = true;
        if let Some((token, true)) = self.held_open.take() {
            self.close(token);
        }
    }

    /// A turn in the midst of a script. The time stands still for the script, so it does here.
    pub(crate) fn restricted_turn(&mut self) {
        self.exec.gates = self.shared.gates();
        while let Some(completion) = self.ring.next_completion() {
            self.on_completion(completion);
        }
        for _ in 0..INBOX_BUDGET {
            let Some(message) = self.inbox.pop() else { break };
            self.on_message(message);
        }
        self.flush_posts();
        self.flush_streams();
        self.flush_run();
        self.flush_dirty();
        self.rearm_starved();
        self.buffers.publish();
        self.ring.enter(0, None);
    }
}
