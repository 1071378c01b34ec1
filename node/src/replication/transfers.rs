//! Full synchronisations: the cut, who reads the snapshot that begins there, and what becomes of each reader.

use super::stream::{Parked, ReplicaState};
use super::{Replication, Transfer, random_id};
use crate::core::Core;
use crate::logging::notice;
use crate::service::{Member, MemberEnd, Order, ServiceCommand, SyncJob};
use crate::tls::Transport;
use koltso_proto::id::{Offset, ReplId, UnixMs};
use std::sync::atomic::Ordering::Relaxed;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

impl Core {
    /// Takes a cut for the replicas that wait, unless a snapshot is being taken: then they wait for its end. They also wait for others
    /// to come, as long as `repl-diskless-sync-delay` says, or until as many as `repl-diskless-sync-max-replicas` have come.
    pub fn begin_cut(&mut self) {
        let (now, config) = (self.exec.now, &self.exec.config);
        let Some(replication) = &mut self.replication else { return };
        let waiting = || replication.replicas.iter().filter(|replica| replica.state == ReplicaState::WaitBgsave);
        let Some(since) = waiting().map(|replica| replica.acked_at).min() else { return };
        let delay_ms = config.repl_diskless_sync_delay.saturating_mul(1000);
        let enough = config.repl_diskless_sync_max_replicas;
        let due = now.0.saturating_sub(since.0) >= delay_ms || (enough > 0 && waiting().count() as u64 >= enough);
        if !due || replication.cutting || self.shutdown.is_some() || !self.claim_snapshot() {
            return;
        }
        let Some(replication) = &mut self.replication else { return };
        replication.cutting = true;
        self.with_all_shards(Box::new(Core::cut_for_replicas));
    }

    /// The cut: every shard is here, so the log's end and the data are the same moment.
    fn cut_for_replicas(&mut self) {
        self.flush_effects();
        let Some(replication) = &mut self.replication else { return };
        replication.cutting = false;
        if replication.replicas.iter().all(|replica| replica.state != ReplicaState::WaitBgsave) {
            // Who waited is gone.
            return self.release_snapshot();
        }
        let is_replica = replication.upstream.is_some();
        if !replication.log.is_active() {
            // Until now nothing was counted, so our offsets name nothing that anybody could have.
            if !is_replica {
                replication.ids.current = random_id();
                replication.ids.previous = ReplId::NONE;
                replication.ids.second_offset = -1;
            }
            replication.log.activate();
        }
        let stream_db = if is_replica { replication.log.selected() } else { None };
        if !is_replica {
            replication.log.forget_selected();
        }
        replication.epoch += 1;
        replication.alone_since = None;
        let epoch = replication.epoch;
        let offset = replication.log.end();
        let (members, orders) = replication.begin_transfer(epoch, offset, self.exec.now);
        notice(&format!(
            "Starting snapshot {epoch} at offset {offset} for SYNC with target: replicas sockets ({} of them)",
            members.len()
        ));
        let replid = replication.ids.current;
        for shard in self.exec.shards.iter_mut().flatten() {
            shard.logged = !is_replica;
        }
        let version = self.version_for(members.iter().map(|member| &member.info));
        let chunks = self.begin_snapshot(version, false);
        let job = SyncJob { epoch, replid, offset, stream_db, version, members, chunks, orders };
        self.service.send(ServiceCommand::Sync(job));
    }

    /// The service thread is done with one of the readers of a snapshot.
    pub fn on_member_end(&mut self, id: u64, end: MemberEnd) {
        match end {
            Ok((transport, eof)) => self.replica_has_snapshot(id, transport, eof),
            Err(why) => {
                let known = self.replication.as_mut().and_then(|replication| Some(replication.replica(id)?.name()));
                if let Some(name) = known {
                    notice(&format!("Connection with replica {name} lost during the transfer: {why}"));
                    self.forget_replica(id);
                }
            }
        }
    }

    /// The snapshot for replicas has been taken, or given up: the next one may begin.
    pub fn on_snapshot_taken(&mut self) {
        self.release_snapshot();
        self.begin_cut();
        self.advance_shutdown();
    }

    /// The last reader of a snapshot is gone.
    pub fn on_transfer_end(&mut self, epoch: u64) {
        if let Some(replication) = &mut self.replication {
            replication.transfers.retain(|transfer| transfer.epoch != epoch);
        }
    }

    /// Ends every transfer at once.
    pub fn give_up_transfers(&mut self, why: &str) {
        let Some(replication) = &self.replication else { return };
        for transfer in &replication.transfers {
            let _ = transfer.orders.send(Order::GiveUp(why.to_string()));
        }
    }

    /// If somebody waits for the next snapshot, does not let the readers of this one keep it from being taken for long: what they
    /// are behind goes to a temporary file.
    pub(super) fn hurry_transfers(&mut self) {
        /// How long the pace of the readers is kept, in milliseconds.
        const PATIENCE_MS: u64 = 2000;
        let now = self.exec.now;
        let Some(replication) = &self.replication else { return };
        let waiting = replication.replicas.iter().any(|replica| replica.state == ReplicaState::WaitBgsave);
        if self.taking.is_none() || !(waiting || self.shared.save.wanted.load(Relaxed)) {
            return;
        }
        for transfer in &replication.transfers {
            if now.0.saturating_sub(transfer.since.0) > PATIENCE_MS {
                let _ = transfer.orders.send(Order::Hurry);
            }
        }
    }

    fn replica_has_snapshot(&mut self, id: u64, transport: Transport, eof: bool) {
        let now = self.exec.now;
        let Some(replica) = self.replication.as_mut().and_then(|replication| replication.replica(id)) else { return };
        let Parked::Away(session) = std::mem::take(&mut replica.parked) else { return };
        if replica.info.rdb_only {
            notice(&format!("Replica {} has what it asked for (rdb-only)", replica.name()));
            drop(transport);
            return self.forget_replica(id);
        }
        replica.acked_at = now;
        replica.hold_until_ack = eof;
        if !eof {
            replica.state = ReplicaState::Online;
            notice(&format!("Synchronization with replica {} succeeded", replica.name()));
        }
        let token = self.adopt(transport, *session);
        if let Some(replica) = self.replication.as_mut().and_then(|replication| replication.replica(id)) {
            replica.token = Some(token);
        }
        self.conns[token.index as usize].stream_to(id);
        self.arm_recv(token);
    }
}

impl Replication {
    /// Everybody who waits joins the transfer that begins at `offset`.
    fn begin_transfer(&mut self, epoch: u64, offset: Offset, now: UnixMs) -> (Vec<Member>, UnboundedReceiver<Order>) {
        let (orders, receiver) = unbounded_channel();
        self.transfers.push(Transfer { epoch, since: now, orders });
        let mut members = Vec::new();
        for replica in self.replicas.iter_mut().filter(|replica| replica.state == ReplicaState::WaitBgsave) {
            if let Parked::Waiting(transport, session) = std::mem::take(&mut replica.parked) {
                replica.state = ReplicaState::SendBulk;
                replica.cursor = offset;
                replica.parked = Parked::Away(session);
                members.push(Member { id: replica.id, transport, info: replica.info.clone(), plain_sync: replica.plain_sync });
            }
        }
        (members, receiver)
    }
}
