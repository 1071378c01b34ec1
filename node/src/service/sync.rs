//! Sending a snapshot to replicas: one RDB stream, any number of sockets.
//!
//! Who announced `capa eof` gets the stream as it is made, framed by a 40-byte mark. Who sent a plain `SYNC` needs the length
//! first: for those the stream goes to an unlinked temporary file at the same time, and from there to them.

use super::Surroundings;
use super::rdb_out::{RdbOut, ReplicationAux};
use crate::logging::{notice, warning};
use crate::replication::stream::ReplicaInfo;
use crate::snapshot::{Chunks, Credits};
use bytes::Bytes;
use koltso_proto::id::{DbIndex, Offset, ReplId};
use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};
use tokio_uring::net::TcpStream;

/// Read from the spool file at a time, in bytes.
const SPOOL_READ_LEN: usize = 1 << 20;

/// A replica that takes part in a transfer.
pub struct Member {
    /// Its number in the registry.
    pub id: u64,
    /// Its socket.
    pub fd: OwnedFd,
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
    /// What of them is under way.
    pub credits: Credits,
}

/// How a transfer ended.
pub struct TransferEnd {
    /// For each replica, by its number.
    pub members: Vec<(u64, MemberEnd)>,
}

/// How a transfer ended for one replica: its socket, and whether the snapshot was framed by a mark; or why it failed.
pub type MemberEnd = Result<(OwnedFd, bool), String>;

struct Target {
    id: u64,
    /// Kept aside; the stream below works on a duplicate.
    fd: OwnedFd,
    stream: TcpStream,
    eof: bool,
    /// Whether it asked with `PSYNC`, which is answered with a line of its own.
    psync: bool,
    failed: Option<String>,
}

/// Sends a snapshot and reports to the log's core.
pub async fn run(job: SyncJob, surroundings: Surroundings) {
    let started = Instant::now();
    let timeout = Duration::from_secs(surroundings.shared.config().repl_timeout.max(1));
    let aux = ReplicationAux { replid: job.replid, offset: job.offset, stream_db: job.stream_db.unwrap_or_default() };
    let mut rdb = RdbOut::new(job.version, Some(aux), job.chunks, job.credits);
    let mut ends = Vec::new();
    let mut targets = Vec::new();
    for member in job.members {
        let id = member.id;
        match target(member) {
            Ok(target) => targets.push(target),
            Err(error) => ends.push((id, Err(error.to_string()))),
        }
    }
    let mark = mark();
    greet(&mut targets, job.replid, job.offset, &mark, timeout).await;
    let mut spool = Spool::new(targets.iter().any(|target| !target.eof)).await;
    let mut sent = 0u64;
    while let Some(piece) = rdb.next(&surroundings).await {
        sent += piece.len() as u64;
        let piece = Bytes::from(piece);
        spool.write(&piece).await;
        send_to_all(&mut targets, |target| target.eof, &piece, timeout).await;
        if targets.iter().all(|target| target.failed.is_some()) {
            rdb.drain(&surroundings).await;
            break;
        }
    }
    send_to_all(&mut targets, |target| target.eof, &Bytes::copy_from_slice(&mark), timeout).await;
    spool.send(&mut targets, timeout).await;
    notice(&format!("Snapshot {} sent: {sent} bytes in {:.3} seconds", job.epoch, started.elapsed().as_secs_f64()));
    ends.extend(targets.into_iter().map(|target| {
        let outcome = match target.failed {
            None => Ok((target.fd, target.eof)),
            Some(why) => Err(why),
        };
        (target.id, outcome)
    }));
    surroundings.on_log_core(move |core| core.on_transfer_end(TransferEnd { members: ends }));
}

fn target(member: Member) -> io::Result<Target> {
    let stream = TcpStream::from_std(std::net::TcpStream::from(member.fd.try_clone()?));
    let eof = member.info.eof && !member.plain_sync;
    Ok(Target { id: member.id, fd: member.fd, stream, eof, psync: !member.plain_sync, failed: None })
}

/// 40 random characters that the data will not hold by chance.
fn mark() -> [u8; 40] {
    let mut mark = [0; 40];
    mark.copy_from_slice(crate::replication::random_id().as_str().as_bytes());
    mark
}

async fn greet(targets: &mut [Target], replid: ReplId, offset: Offset, mark: &[u8; 40], timeout: Duration) {
    let mark = String::from_utf8_lossy(mark);
    let full = Bytes::from(format!("+FULLRESYNC {replid} {offset}\r\n"));
    // A plain SYNC has no header line of its own; a replica without `capa eof` may still have sent PSYNC, which has.
    send_to_all(targets, |target| target.psync, &full, timeout).await;
    send_to_all(targets, |target| target.eof, &Bytes::from(format!("$EOF:{mark}\r\n")), timeout).await;
}

async fn send_to_all(targets: &mut [Target], which: impl Fn(&Target) -> bool, piece: &Bytes, timeout: Duration) {
    for target in targets.iter_mut().filter(|target| target.failed.is_none() && which(target)) {
        target.send(piece.clone(), timeout).await;
    }
}

impl Target {
    async fn send(&mut self, piece: Bytes, timeout: Duration) {
        match tokio::time::timeout(timeout, self.stream.write_all(piece)).await {
            Ok((Ok(()), _)) => {}
            Ok((Err(error), _)) => self.failed = Some(error.to_string()),
            Err(_) => self.failed = Some("it has not read anything for longer than repl-timeout".to_string()),
        }
    }
}

/// The stream in a temporary file, for those who need to know its length first.
struct Spool {
    file: Option<tokio_uring::fs::File>,
    len: u64,
    failed: Option<String>,
}

impl Spool {
    async fn new(wanted: bool) -> Self {
        let mut spool = Spool { file: None, len: 0, failed: None };
        if wanted {
            match tempfile() {
                Ok(file) => spool.file = Some(tokio_uring::fs::File::from_std(file)),
                Err(error) => spool.fail(&error),
            }
        }
        spool
    }

    fn fail(&mut self, error: &io::Error) {
        warning(&format!("Cannot keep a snapshot for a plain SYNC: {error}"));
        self.failed = Some(error.to_string());
        self.file = None;
    }

    async fn write(&mut self, piece: &Bytes) {
        if let Some(file) = &self.file {
            let (result, _) = file.write_all_at(piece.clone(), self.len).await;
            self.len += piece.len() as u64;
            if let Err(error) = result {
                self.fail(&error);
            }
        }
    }

    async fn send(&mut self, targets: &mut [Target], timeout: Duration) {
        for target in targets.iter_mut().filter(|target| !target.eof && target.failed.is_none()) {
            let Some(file) = &self.file else {
                target.failed = Some(self.failed.clone().unwrap_or_default());
                continue;
            };
            target.send(Bytes::from(format!("${}\r\n", self.len)), timeout).await;
            let mut at = 0;
            while at < self.len && target.failed.is_none() {
                let want = SPOOL_READ_LEN.min((self.len - at) as usize);
                let (result, mut buf) = file.read_at(Vec::with_capacity(want), at).await;
                match result {
                    Ok(n) if n > 0 => {
                        buf.truncate(n);
                        at += n as u64;
                        target.send(Bytes::from(buf), timeout).await;
                    }
                    Ok(_) => target.failed = Some("the temporary file is shorter than what was written to it".to_string()),
                    Err(error) => target.failed = Some(error.to_string()),
                }
            }
        }
    }
}

/// A file that has no name, in the working directory: its space is given back with its last descriptor.
fn tempfile() -> io::Result<std::fs::File> {
    let name = format!("temp-sync-{}-{}.rdb", std::process::id(), rand::random::<u32>());
    let file = std::fs::OpenOptions::new().read(true).write(true).create_new(true).open(&name)?;
    std::fs::remove_file(&name)?;
    Ok(file)
}
