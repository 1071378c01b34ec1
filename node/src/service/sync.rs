//! Sending a snapshot to replicas: one RDB stream, any number of sockets.
//!
//! Who announced `capa eof` gets the stream as it is made, framed by a 40-byte mark. Who sent a plain `SYNC` needs the length
//! first, and gets everything when it is known. Each is served by a task of its own, from a [window](super::window) over the
//! stream, and ends by itself: none waits for another.

use super::Surroundings;
use super::rdb_out::{RdbOut, ReplicationAux};
use super::window::Window;
use super::wire::Wire;
use crate::logging::notice;
use crate::replication::stream::ReplicaInfo;
use crate::snapshot::Chunks;
use crate::tls::Transport;
use bytes::Bytes;
use koltso_proto::id::{DbIndex, Offset, ReplId};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::UnboundedReceiver;

/// How often a replica that waits for the length hears from us.
const KEEPALIVE_PERIOD: Duration = Duration::from_secs(1);

/// A replica that takes part in a transfer.
pub struct Member {
    /// Its number in the registry.
    pub id: u64,
    /// Its socket.
    pub transport: Transport,
    /// What it has said of itself.
    pub info: ReplicaInfo,
    /// Whether it sent `SYNC`.
    pub plain_sync: bool,
}

/// A snapshot to be sent.
pub struct SyncJob {
    /// Which snapshot.
    pub epoch: u64,
    /// The history.
    pub replid: ReplId,
    /// The cut's position in it.
    pub offset: Offset,
    /// The database that the stream has selected there.
    pub stream_db: Option<DbIndex>,
    /// The RDB version.
    pub version: u32,
    /// Who gets it.
    pub members: Vec<Member>,
    /// Its chunks.
    pub chunks: Chunks,
    /// What the log's core wants of the transfer while it is under way.
    pub orders: UnboundedReceiver<Order>,
}

/// What the log's core wants of a transfer.
#[derive(Debug)]
pub enum Order {
    /// One replica is to be cut off.
    Drop(u64, String),
    /// Somebody waits for the next snapshot: this one is to be taken without waiting for its readers.
    Hurry,
    /// The transfer is to end at once.
    GiveUp(String),
}

/// How a transfer ended for one replica: its socket, and whether the snapshot was framed by a mark; or why it failed.
pub type MemberEnd = Result<(Transport, bool), String>;

/// Sends a snapshot, and reports to the log's core: each replica's end, that the snapshot has been taken, and that all is over.
pub async fn run(job: SyncJob, surroundings: Surroundings) {
    let epoch = job.epoch;
    let aux = ReplicationAux { replid: job.replid, offset: job.offset, stream_db: job.stream_db.unwrap_or_default() };
    let window = Rc::new(Window::new(&job.chunks.flow, &surroundings));
    let rdb = RdbOut::new(job.version, Some(aux), false, job.chunks, surroundings.clone());
    let full = Bytes::from(format!("+FULLRESYNC {} {}\r\n", job.replid, job.offset));
    for member in job.members {
        window.join(member.id, !member.wants_eof());
        let feed = Feed { window: Rc::clone(&window), surroundings: surroundings.clone(), full: full.clone() };
        tokio_uring::spawn(feed.serve(member));
    }
    bring(epoch, rdb, job.orders, &window, &surroundings).await;
    surroundings.on_log_core(move |core| core.on_transfer_end(epoch));
}

/// Brings the stream, for as long as anybody reads it.
async fn bring(
    epoch: u64,
    mut rdb: RdbOut,
    mut orders: UnboundedReceiver<Order>,
    window: &Window,
    surroundings: &Surroundings,
) {
    let started = Instant::now();
    let mut sent = 0u64;
    let (mut taking, mut commanded) = (true, true);
    let flow = Arc::clone(rdb.flow());
    while !window.is_deserted() {
        let is_full = taking && window.is_full();
        tokio::select! {
            () = window.make_room(), if is_full => {}
            // Otherwise the stream tells.
            why = flow.until_given_up(), if is_full => {
                notice(&format!("Snapshot {epoch} given up: {why}"));
                window.expel_all(why);
                break;
            }
            piece = rdb.next(), if taking && !is_full => match piece {
                Ok(Some(piece)) => {
                    sent += piece.bytes.len() as u64;
                    window.push(piece);
                }
                Ok(None) => {
                    taking = false;
                    window.complete();
                    let seconds = started.elapsed().as_secs_f64();
                    notice(&format!("Snapshot {epoch} taken: {sent} bytes in {seconds:.3} seconds"));
                    surroundings.on_log_core(move |core| core.on_snapshot_taken());
                }
                Err(why) => {
                    notice(&format!("Snapshot {epoch} given up: {why}"));
                    window.expel_all(&why);
                    break;
                }
            },
            order = orders.recv(), if commanded => match order {
                Some(Order::Drop(id, why)) => window.expel(id, &why),
                Some(Order::Hurry) => window.hurry(),
                Some(Order::GiveUp(why)) => window.expel_all(&why),
                None => {
                    commanded = false;
                    window.expel_all("the node stops");
                }
            },
            () = window.reader_left() => {}
        }
    }
    if taking {
        surroundings.give_up(rdb.flow(), "no replica is left that wants it");
        surroundings.on_log_core(move |core| core.on_snapshot_taken());
    }
    while !window.is_deserted() {
        window.reader_left().await;
    }
}

impl Member {
    /// Whether it takes a snapshot without being told its length first. `redis-cli --rdb` does, and asks with a plain `SYNC`.
    fn wants_eof(&self) -> bool {
        self.info.eof
    }
}

/// 40 random characters that the data will not hold by chance.
fn mark() -> Bytes {
    Bytes::copy_from_slice(crate::replication::random_id().as_str().as_bytes())
}

/// Serves one replica.
struct Feed {
    window: Rc<Window>,
    surroundings: Surroundings,
    /// What a `PSYNC` is answered. A plain `SYNC` has no such line; a replica without `capa eof` may still have sent `PSYNC`.
    full: Bytes,
}

impl Feed {
    async fn serve(self, member: Member) {
        let wants_eof = member.wants_eof();
        let Member { id, transport, plain_sync, .. } = member;
        let end: MemberEnd = match Wire::new(transport) {
            Ok(mut wire) => {
                let outcome = tokio::select! {
                    outcome = self.send_all(&mut wire, id, wants_eof, plain_sync) => outcome,
                    why = self.window.expelled(id) => Err(why),
                };
                outcome.and_then(|()| wire.into_transport().map(|it| (it, wants_eof)).ok_or_else(|| "it is gone".to_string()))
            }
            Err(why) => Err(why),
        };
        self.surroundings.on_log_core(move |core| core.on_member_end(id, end));
        self.window.leave(id);
    }

    async fn send_all(&self, wire: &mut Wire, id: u64, wants_eof: bool, plain_sync: bool) -> Result<(), String> {
        if !plain_sync {
            wire.write(self.full.clone(), self.patience()).await?;
        }
        if !wants_eof {
            let len = self.wait_for_len(wire).await?;
            wire.write(Bytes::from(format!("${len}\r\n")), self.patience()).await?;
            return self.send_window(wire, id).await;
        }
        let mark = mark();
        wire.write(Bytes::from([b"$EOF:", &mark[..], b"\r\n"].concat()), self.patience()).await?;
        self.send_window(wire, id).await?;
        wire.write(mark, self.patience()).await
    }

    /// Waits until everything is there. The replica hears from us meanwhile: an empty line means nothing.
    async fn wait_for_len(&self, wire: &mut Wire) -> Result<u64, String> {
        loop {
            match tokio::time::timeout(KEEPALIVE_PERIOD, self.window.len()).await {
                Ok(len) => return Ok(len),
                Err(_) => wire.write(Bytes::from_static(b"\n"), self.patience()).await?,
            }
        }
    }

    async fn send_window(&self, wire: &mut Wire, id: u64) -> Result<(), String> {
        while let Some(mut bytes) = self.window.read(id).await? {
            while !bytes.is_empty() {
                let sent = wire.write_some(bytes.clone(), self.patience()).await?;
                self.window.advance(id, sent);
                bytes = bytes.split_off(sent);
            }
        }
        Ok(())
    }

    /// How long a replica may read nothing.
    fn patience(&self) -> Duration {
        Duration::from_secs(self.surroundings.shared.config().repl_timeout.max(1))
    }
}
