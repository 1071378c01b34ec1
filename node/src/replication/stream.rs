//! A replica of this node: what it has said of itself, how far it has come, and how it moves between cores.

use super::Replication;
use super::from_disk::FromDisk;
use crate::connection::{Session, Token};
use crate::persistence::{Disk, Status};
use crate::tls::Transport;
use koltso_proto::id::{Offset, ReplId, UnixMs};
use std::sync::atomic::Ordering::Relaxed;

/// What a replica has said of itself with `REPLCONF`.
#[derive(Clone, Debug, Default)]
pub struct ReplicaInfo {
    /// `listening-port`; 0 = not said.
    pub port: u16,
    /// `ip-address`; empty = the peer's address.
    pub ip: String,
    /// `capa eof`: it can read an RDB whose length is not known beforehand.
    pub eof: bool,
    /// `capa psync2`: it can follow a change of the replication id.
    pub psync2: bool,
    /// `capa rdb-channel-repl`: it is a Redis 8 or later.
    pub rdb_channel: bool,
    /// `capa koltso-field-deadlines`: it is a Koltso that knows of hash fields that expire.
    pub field_deadlines: bool,
    /// `rdb-only 1`: it wants the data and will never want the stream.
    pub rdb_only: bool,
    /// `version`: it is a Valkey, and this is its version.
    pub version: Option<(u32, u32, u32)>,
}

/// The stream's side of a connection to a replica.
pub struct ReplicaStream {
    /// The replica's number in the registry of [`Replication`](super::Replication).
    pub id: u64,
}

/// What a would-be replica asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncRequest {
    /// `SYNC`: the old form; a full copy whose length is known.
    Sync,
    /// `PSYNC replid offset`: to go on at `offset` of that history.
    Psync {
        /// The history; `None` = `?`, none in particular.
        replid: Option<ReplId>,
        /// The first byte that it lacks.
        offset: i64,
        /// `FAILOVER`: it is our primary, and this node is to take over from it first.
        takes_over: bool,
    },
}

/// A connection on its way to the log's core, to become a replica.
pub struct Handoff {
    /// The socket.
    pub transport: Transport,
    /// Who it is.
    pub session: Session,
    /// Bytes received behind the request.
    pub leftover: Vec<u8>,
    /// The request.
    pub request: SyncRequest,
}

/// How far a replica has come, with INFO's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplicaState {
    /// It waits for a snapshot's cut.
    WaitBgsave,
    /// The snapshot is on its way.
    SendBulk,
    /// It receives the stream.
    Online,
}

impl ReplicaState {
    /// INFO's name.
    pub fn name(self) -> &'static str {
        match self {
            ReplicaState::WaitBgsave => "wait_bgsave",
            ReplicaState::SendBulk => "send_bulk",
            ReplicaState::Online => "online",
        }
    }
}

/// A replica in the registry.
pub struct Replica {
    /// Its number.
    pub id: u64,
    /// How far it has come.
    pub state: ReplicaState,
    /// What it has said of itself.
    pub info: ReplicaInfo,
    /// Its address.
    pub ip: String,
    /// The client id of its connection.
    pub client_id: u64,
    /// Everything up to here has been sent.
    pub cursor: Offset,
    /// Everything up to here it has.
    pub acked: Offset,
    /// Everything up to here it has on disk, as far as it has said.
    pub on_disk: Offset,
    /// When it last said so.
    pub acked_at: UnixMs,
    /// Its connection on the log's core, while it has one.
    pub token: Option<Token>,
    /// Its socket and session, while it waits for a cut; the session alone during a transfer.
    pub parked: Parked,
    /// After an `$EOF` transfer nothing is sent before the first acknowledgement: a replica that loads from disk recognises
    /// the end of the transfer only as the last bytes received.
    pub hold_until_ack: bool,
    /// Whether it sent `SYNC`, and wants `$<len>`.
    pub plain_sync: bool,
    /// Since when it has been above the soft limit of its output buffer.
    pub soft_limit_since: Option<UnixMs>,
    /// The log's end when it came back; until it has reached that, it catches up.
    pub resumes_at: Option<Offset>,
    /// Whether it lags so far that nothing stays in memory for it; what it lacks is on disk.
    pub let_go: bool,
    /// Its way through the files, while it is sent what is there.
    pub from_disk: Option<FromDisk>,
    /// What it had sent that was not read to its end when its socket left.
    pub leftover: Vec<u8>,
    /// The history that it knows ends there: it is sent no more than that, and then disconnected.
    pub until: Option<Offset>,
}

/// Where the socket of a replica is that has no connection on the log's core.
#[derive(Default)]
pub enum Parked {
    /// Nowhere: it has a connection.
    #[default]
    No,
    /// Here, waiting for a cut.
    Waiting(Transport, Box<Session>),
    /// With the service thread, which sends the snapshot.
    Away(Box<Session>),
}

impl Replica {
    /// Its name in logs, as that of [`name_in_logs`].
    pub fn name(&self) -> String {
        name(&self.info, &self.ip)
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.info.port
    }

    /// The address that INFO shows.
    pub fn shown_ip(&self) -> &str {
        if self.info.ip.is_empty() { &self.ip } else { &self.info.ip }
    }
}

impl Replication {
    /// How far replicas are sent the log. Where replies wait for the disk, replicas do as well: who has what a crash takes back
    /// could not go on from there, and had shown to its clients what never happened. They do not wait for a disk that takes nothing,
    /// and not for ours if the history is that of another.
    pub(super) fn stream_end(&self, aof: &Status) -> Offset {
        let waits = aof.holds.load(Relaxed) && !aof.is_failing() && self.upstream.is_none();
        let settled = self.disk.as_ref().filter(|_| waits).and_then(Disk::settled);
        settled.map_or(self.log.end(), |settled| settled.min(self.log.end()))
    }
}

/// The address of a peer, without its port.
pub fn ip_of(addr: &str) -> &str {
    addr.rsplit_once(':').map_or("?", |(ip, _)| ip).trim_matches(['[', ']'])
}

/// A replica as logs name it: by the address and the port at which it listens, not those of its connection.
pub fn name_in_logs(session: &Session) -> String {
    name(&session.replica, ip_of(&session.addr))
}

fn name(info: &ReplicaInfo, ip: &str) -> String {
    let ip = if info.ip.is_empty() { ip } else { &info.ip };
    match info.port {
        0 => format!("{ip}:<unknown-replica-port>"),
        port => format!("{ip}:{port}"),
    }
}
