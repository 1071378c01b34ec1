//! Replicas that lack what has left memory and is in the files of the log: they are handed to the [service
//! thread](crate::persistence::catch_up), and come back when what they lack is in memory.
//!
//! A replica that lags by more than its output buffer may hold is let go of: nothing is kept in memory for it any more. If it reads
//! again and what it lacks is gone by then, it goes the same way.

use super::Replication;
use super::stream::{Parked, Replica, ReplicaState, SyncRequest};
use crate::connection::{Connection, Session, Token};
use crate::core::Core;
use crate::logging::notice;
use crate::persistence::catch_up::{CatchUpJob, CaughtUp, Reading};
use crate::persistence::writer;
use crate::service::ServiceCommand;
use crate::tls::Transport;
use bytes::Bytes;
use koltso_proto::id::Offset;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Release};
use tokio::sync::oneshot;

/// A replica's way through the files.
pub struct FromDisk {
    /// How far it has come.
    pub reading: Arc<Reading>,
    /// What it has asked for, if it has not been answered before.
    asks: Option<SyncRequest>,
    /// When this is dropped, the service thread lets go of it.
    _wanted: oneshot::Sender<()>,
}

impl Replica {
    /// Everything up to here has been sent, wherever it came from.
    pub fn sent(&self) -> Offset {
        self.from_disk.as_ref().map_or(self.cursor, |from_disk| from_disk.reading.at())
    }

    /// From here on the log has to stay in memory for it.
    pub fn pins(&self) -> Option<Offset> {
        match &self.from_disk {
            Some(from_disk) => from_disk.reading.meet(),
            None => (self.state != ReplicaState::WaitBgsave && !self.let_go).then_some(self.cursor),
        }
    }

    /// Whether it reads from disk, or will when it reads again.
    pub fn is_on_disk(&self) -> bool {
        self.from_disk.is_some() || self.let_go
    }
}

impl Core {
    /// On the log's core: whether what follows on `at` is in files, and the disk to be relied on.
    pub(super) fn disk_has(&self, at: Offset) -> bool {
        if self.shared.aof.is_failing() {
            return false;
        }
        let first = self.shared.aof.log_first.load(Acquire);
        let has =
            self.replication.as_ref().is_some_and(|replication| replication.disk.is_some() && at <= replication.log.end());
        has && first > 0 && at.0 >= first - 1
    }

    /// A replica that has just asked goes on from what is in files; if it is there, as it is found out only now.
    pub(super) fn continue_from_disk(
        &mut self,
        transport: Transport,
        session: Session,
        leftover: Vec<u8>,
        request: SyncRequest,
    ) {
        let SyncRequest::Psync { offset, .. } = request else { return };
        let at = Offset(offset.saturating_sub(1).max(0) as u64);
        let mut replica = self.new_replica(&session);
        replica.state = ReplicaState::Online;
        replica.cursor = at;
        replica.leftover = leftover;
        let id = replica.id;
        let psync2 = session.replica.psync2;
        replica.parked = Parked::Away(Box::new(session));
        let Some(replication) = &mut self.replication else { return };
        let current = replication.ids.current;
        replica.resumes_at = Some(replication.log.end());
        replication.replicas.push(replica);
        replication.alone_since = None;
        let line = if psync2 { format!("+CONTINUE {current}\r\n") } else { "+CONTINUE\r\n".to_string() };
        self.read_from_disk(id, transport, Some((request, line.into())));
    }

    fn read_from_disk(&mut self, id: u64, transport: Transport, greeting: Option<(SyncRequest, Bytes)>) {
        let Some(replication) = &mut self.replication else { return };
        let Some(lineage) = replication.disk.as_ref().map(|disk| disk.lineage) else { return self.forget_replica(id) };
        let Some(replica) = replication.replica(id) else { return };
        let reading = Arc::new(Reading::new(replica.cursor));
        if let Some(until) = replica.until {
            reading.end_at(until);
        }
        let (wanted, unwanted) = oneshot::channel();
        let (asks, greeting) = greeting.unzip();
        replica.from_disk = Some(FromDisk { reading: Arc::clone(&reading), asks, _wanted: wanted });
        replica.let_go = false;
        self.need_on_disk();
        self.service.send(ServiceCommand::CatchUp(CatchUpJob { id, transport, lineage, reading, greeting, unwanted }));
    }

    /// A reader is close to the end of the files: what is in memory now stays until it has come so far.
    pub fn arrange_meeting(&mut self, id: u64) {
        let Some(replication) = &mut self.replication else { return };
        let first = replication.log.before_first();
        let Some(from_disk) = replication.replica(id).and_then(|replica| replica.from_disk.as_mut()) else { return };
        // Who has come into what is in memory already needs no more than what follows.
        from_disk.reading.meet_at(first.max(from_disk.reading.at()));
    }

    /// A replica has come from the service thread.
    pub fn on_caught_up(&mut self, id: u64, end: CaughtUp) {
        let now = self.exec.now;
        let Some(replication) = &mut self.replication else { return };
        let held = replication.log.before_first()..=replication.log.end();
        // Who is not known any more is not wanted: the socket goes.
        let Some(replica) = replication.replica(id) else { return };
        let name = replica.name();
        match end {
            CaughtUp::Back(transport) => {
                replica.cursor = replica.sent();
                if replica.until.is_some_and(|until| replica.cursor >= until) {
                    return self.forget_replica(id);
                }
                if !held.contains(&replica.cursor) {
                    return self.read_from_disk(id, transport, None);
                }
                let Parked::Away(session) = std::mem::take(&mut replica.parked) else { return };
                replica.from_disk = None;
                replica.acked_at = now;
                let leftover = std::mem::take(&mut replica.leftover);
                notice(&format!("Replica {name} has got what was on disk, up to offset {}", replica.cursor));
                let token = self.adopt(transport, *session);
                if let Some(replica) = self.replication.as_mut().and_then(|replication| replication.replica(id)) {
                    replica.token = Some(token);
                }
                self.conns[token.index as usize].stream_to(id);
                self.feed(token, leftover);
            }
            CaughtUp::NotThere(transport) => {
                let asks = replica.from_disk.take().and_then(|from_disk| from_disk.asks);
                let parked = std::mem::take(&mut replica.parked);
                self.forget_replica(id);
                notice(&format!("What replica {name} lacks is not on disk"));
                if let (Some(request), Parked::Away(session)) = (asks, parked) {
                    self.copy_to(transport, *session, request);
                }
            }
            CaughtUp::Lost(why) => {
                notice(&format!("Connection with replica {name} lost while it was sent the log from disk: {why}"));
                self.forget_replica(id);
            }
        }
        self.need_on_disk();
    }

    /// A replica reads again that has been let go of, and what it lacks is not in memory: it goes to the service thread, as soon as
    /// the kernel has let go of its socket.
    pub(super) fn move_to_disk(&mut self, token: Token) {
        let Some(replica) = self.replication.as_mut().and_then(|replication| replication.at(token)) else { return };
        let (at, name) = (replica.cursor, replica.name());
        if self.disk_has(at) {
            notice(&format!("Replica {name} is sent the log from disk, from offset {} on", at.advanced(1)));
            return self.leave_for_disk(token);
        }
        notice(&format!("Disconnecting replica {name}: what it lacks is not in memory, and not on disk"));
        self.close(token);
    }

    /// It has left this core's ring.
    pub(crate) fn on_left_for_disk(&mut self, id: u64, conn: Connection) {
        let transport = Transport { fd: conn.fd, tls: conn.tls };
        let Some(replica) = self.replication.as_mut().and_then(|replication| replication.replica(id)) else { return };
        replica.token = None;
        replica.leftover = conn.pending.into_vec();
        replica.parked = Parked::Away(Box::new(conn.session));
        self.read_from_disk(id, transport, None);
    }

    /// Tells the writer which files have to stay.
    pub(super) fn need_on_disk(&mut self) {
        let Some(replication) = &self.replication else { return };
        let needed =
            replication.replicas.iter().filter(|replica| replica.is_on_disk()).map(|replica| replica.sent().0 + 1).min();
        let before = self.shared.aof.needed_first.swap(needed.unwrap_or(0), Release);
        if replication.disk.is_some() && before > 0 && needed.is_none_or(|needed| needed > before) {
            self.ask_writer(writer::Order::Sweep);
        }
    }
}

impl Replication {
    fn at(&mut self, token: Token) -> Option<&mut Replica> {
        self.replicas.iter_mut().find(|replica| replica.token == Some(token))
    }
}
