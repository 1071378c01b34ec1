//! Taking leave of our replicas, when the history they follow ends: at once, or when each has all of it.

use super::Replication;
use super::stream::ReplicaState;
use crate::connection::{Closing, Connection, Token};
use crate::core::Core;
use crate::logging::notice;
use slab::Slab;

impl Core {
    /// Disconnects every replica; they come back and ask anew.
    pub fn drop_replicas(&mut self, why: &str) {
        let Some(replication) = &mut self.replication else { return };
        let replicas: Vec<_> = replication.replicas.iter().map(|replica| (replica.id, replica.token)).collect();
        if !replicas.is_empty() {
            notice(&format!("Disconnecting {} replicas: {why}", replicas.len()));
        }
        for (id, token) in replicas {
            match token {
                Some(token) => self.close(token),
                None => self.forget_replica(id),
            }
        }
    }

    /// The history that our replicas know ends here, and goes on under another id, which they learn when they ask anew. Each is
    /// disconnected as soon as it has everything up to here: one that is being sent a snapshot, too, which it would otherwise need
    /// again. Who waits for a cut has not been told an id.
    pub fn part_with_replicas(&mut self, why: &str) {
        let Some(replication) = &mut self.replication else { return };
        let end = replication.log.end();
        let mut count = 0;
        for replica in replication.replicas.iter_mut().filter(|replica| replica.state != ReplicaState::WaitBgsave) {
            replica.until = replica.until.or(Some(end));
            if let Some(from_disk) = &replica.from_disk {
                from_disk.reading.end_at(end);
            }
            count += 1;
        }
        if count > 0 {
            notice(&format!("Disconnecting {count} replicas when they have offset {end}: {why}"));
        }
    }

    /// Disconnects the replicas that have all they are to get.
    pub(super) fn close_parted(&mut self) {
        let Some(replication) = &self.replication else { return };
        for token in replication.parted(&self.conns) {
            self.close(token);
        }
    }
}

impl Replication {
    fn parted(&self, conns: &Slab<Connection>) -> Vec<Token> {
        let is_idle = |token: &Token| {
            let conn = conns.get(token.index as usize);
            conn.is_some_and(|conn| {
                conn.closing == Closing::No && !conn.output.is_sending() && conn.output.reply.buf.is_empty()
            })
        };
        let done = self.replicas.iter().filter(|replica| replica.until.is_some_and(|until| replica.cursor >= until));
        done.filter_map(|replica| replica.token).filter(is_idle).collect()
    }
}
