//! Linking to a primary: the handshake, and the snapshot if one is needed.
//!
//! Everything the primary says is checked as if it were hostile; what it says wrongly ends the attempt with a clear line in
//! the log, and the data that is served stays as it is.

use super::Surroundings;
use super::load::Reader;
use super::wire::Wire;
use crate::core::Core;
use crate::logging::notice;
use crate::replication::link::{LinkState, Linked, Progress};
use crate::shared::now_ms;
use bytes::Bytes;
use koltso_proto::id::{DbIndex, Offset, ReplId};
use koltso_proto::psync::{self, Answer, Framing, shown};
use koltso_proto::resp::put_command;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// A primary to be linked to.
pub struct LinkJob {
    /// Which attempt this is.
    pub generation: u64,
    /// Its host.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// What to ask for: to go on at this offset of this history.
    pub ask: Option<(ReplId, Offset)>,
    /// Whether it is one of our replicas, which is to take over as the primary.
    pub takes_over: bool,
    /// Where to report the progress of a snapshot.
    pub progress: Arc<Progress>,
    /// Resolves when nobody wants this link any more.
    pub given_up: tokio::sync::oneshot::Receiver<()>,
}

/// Links to a primary and reports to the log's core.
pub async fn run(mut job: LinkJob, surroundings: Surroundings) {
    let generation = job.generation;
    let (unused, never) = tokio::sync::oneshot::channel();
    let given_up = std::mem::replace(&mut job.given_up, never);
    let outcome = tokio::select! {
        outcome = link(&job, &surroundings) => outcome,
        _ = given_up => return,
    };
    drop(unused);
    match outcome {
        Ok(()) => {}
        Err(Failure::Link(why)) => surroundings.on_log_core(move |core| core.on_link_failed(generation, &why)),
        Err(Failure::Load(why)) => surroundings.on_log_core(move |core| core.on_link_load_failed(generation, &why)),
    }
}

enum Failure {
    /// Before any data was staged.
    Link(String),
    /// While data was being staged.
    Load(String),
}

impl From<String> for Failure {
    fn from(why: String) -> Self {
        Failure::Link(why)
    }
}

async fn link(job: &LinkJob, surroundings: &Surroundings) -> Result<(), Failure> {
    let config = surroundings.shared.config();
    let mut peer = Peer::connect(job, surroundings, Duration::from_secs(config.repl_timeout.max(1))).await?;
    let generation = job.generation;
    surroundings.on_log_core(move |core| core.on_link_state(generation, LinkState::Handshake));
    shake_hands(&mut peer, &config).await?;
    let (replid, offset) = match job.ask {
        Some((replid, next)) => (replid.to_string(), next.to_string()),
        None => ("?".to_string(), "-1".to_string()),
    };
    if let Some((replid, next)) = job.ask {
        notice(&format!("Trying a partial resynchronization (request {replid}:{next})."));
    }
    let mut request = vec!["PSYNC", &replid, &offset];
    if job.takes_over {
        request.push("FAILOVER");
    }
    let answer = peer.ask(&request).await?;
    if job.takes_over && answer.starts_with(b"-") {
        let is_primary = memchr::memmem::find(&answer, b"can't be sent to a master").is_some();
        surroundings.on_log_core(move |core| core.on_link_refused(generation, is_primary));
    }
    match psync::answer(&answer).map_err(|malformed| malformed.to_string())? {
        Answer::Continue(renamed) => {
            let Some((current, next)) = job.ask else {
                return Err("it continues a history that was not asked for".to_string().into());
            };
            let linked = peer.linked(renamed.unwrap_or(current), Offset(next.0 - 1), None)?;
            surroundings.on_log_core(move |core| core.on_link_continues(generation, linked));
            Ok(())
        }
        Answer::FullResync(replid, offset) => {
            notice(&format!("Full resync from master: {replid}:{offset}"));
            read_snapshot(job, surroundings, peer, replid, offset).await
        }
        Answer::NotNow => Err(format!("it cannot serve a replica at the moment: {}", shown(&answer)).into()),
        Answer::Refused => Err(format!("it does not know PSYNC, or refuses it: {}", shown(&answer)).into()),
    }
}

async fn shake_hands(peer: &mut Peer, config: &crate::config::Config) -> Result<(), String> {
    let pong = peer.ask(&["PING"]).await?;
    let polite = ["+", "-NOAUTH", "-NOPERM", "-ERR operation not permitted"];
    if !polite.iter().any(|start| pong.starts_with(start.as_bytes())) {
        return Err(format!("it answers PING with {}", shown(&pong)));
    }
    if !config.masterauth.is_empty() {
        let mut auth = vec![&b"AUTH"[..], config.masteruser.as_bytes(), config.masterauth.as_bytes()];
        auth.retain(|part| !part.is_empty());
        let answer = peer.ask(&auth).await?;
        if answer.starts_with(b"-") {
            return Err(format!("Unable to AUTH to MASTER: {}", shown(&answer)));
        }
    }
    // Servers that do not know an option of REPLCONF may refuse it; none of them is essential.
    peer.ask(&["REPLCONF", "listening-port", &config.announced_port().to_string()]).await?;
    if !config.replica_announce_ip.is_empty() {
        peer.ask(&[&b"REPLCONF"[..], b"ip-address", config.replica_announce_ip.as_bytes()]).await?;
    }
    peer.ask(&["REPLCONF", "capa", "eof", "capa", "psync2", "capa", "koltso-field-deadlines"]).await?;
    Ok(())
}

async fn read_snapshot(
    job: &LinkJob,
    surroundings: &Surroundings,
    mut peer: Peer,
    replid: ReplId,
    offset: Offset,
) -> Result<(), Failure> {
    let generation = job.generation;
    let framing = psync::framing(&peer.line().await?).map_err(|malformed| malformed.to_string())?;
    let (proceed, go) = tokio::sync::oneshot::channel();
    surroundings.on_log_core(move |core| core.on_link_loading(generation, proceed));
    go.await.map_err(|_| "given up for another primary".to_string())?;
    notice(&match framing {
        Framing::Length(len) => format!("MASTER <-> REPLICA sync: receiving {len} bytes from master to parser"),
        Framing::Mark(_) => "MASTER <-> REPLICA sync: receiving streamed RDB from master with EOF to parser".to_string(),
    });
    notice("MASTER <-> REPLICA sync: Loading DB in memory");
    let started = Instant::now();
    let progress = &job.progress;
    progress.read.store(0, Ordering::Relaxed);
    progress.total.store(if let Framing::Length(len) = framing { len } else { 0 }, Ordering::Relaxed);
    let mut reader = Reader::new(surroundings, false, true);
    let len = peer.read_rdb(&mut reader, &framing, progress).await.map_err(Failure::Load)?;
    let stream_db = reader.stream_db();
    let loaded = reader.finish().await.map_err(Failure::Load)?;
    notice(&format!(
        "MASTER <-> REPLICA sync: {} keys, {len} bytes received and loaded in {:.3} seconds",
        loaded.keys,
        started.elapsed().as_secs_f64()
    ));
    let mut linked = peer.linked(replid, offset, Some(stream_db)).map_err(Failure::Load)?;
    linked.libraries = loaded.libraries;
    surroundings.on_log_core(move |core: &mut Core| core.on_link_loaded(generation, linked));
    Ok(())
}

/// The primary's end.
struct Peer {
    wire: Wire,
    received: Vec<u8>,
    at: usize,
    timeout: Duration,
    last_newline: Instant,
}

impl Peer {
    async fn connect(job: &LinkJob, surroundings: &Surroundings, timeout: Duration) -> Result<Self, String> {
        let encryption = match surroundings.shared.config().tls_replication {
            false => None,
            true => {
                let setup = surroundings.shared.tls().and_then(|setup| setup.client.clone());
                Some(setup.ok_or("tls-replication is on, and TLS is not configured")?)
            }
        };
        let mut received = Vec::new();
        let wire = Wire::connect(&job.host, job.port, encryption, &mut received, timeout).await?;
        Ok(Peer { wire, received, at: 0, timeout, last_newline: Instant::now() })
    }

    /// Receives more bytes.
    async fn receive(&mut self) -> Result<(), String> {
        if self.at > 0 {
            self.received.drain(..self.at);
            self.at = 0;
        }
        self.wire.receive(&mut self.received, self.timeout).await
    }

    async fn send(&mut self, bytes: Vec<u8>) -> Result<(), String> {
        self.wire.write(Bytes::from(bytes), self.timeout).await
    }

    /// The next line that is not empty: a primary that is busy sends empty ones to keep the link alive.
    async fn line(&mut self) -> Result<Vec<u8>, String> {
        loop {
            let (line, len) = psync::next_line(&self.received[self.at..]).map_err(|malformed| malformed.to_string())?;
            let line = line.map(<[u8]>::to_vec);
            self.at += len;
            if let Some(line) = line {
                return Ok(line);
            }
            self.receive().await?;
        }
    }

    async fn ask<A: AsRef<[u8]>>(&mut self, command: &[A]) -> Result<Vec<u8>, String> {
        let mut request = Vec::new();
        put_command(&mut request, command);
        self.send(request).await?;
        self.line().await
    }

    /// Reads a snapshot to its end; returns its length.
    async fn read_rdb(&mut self, reader: &mut Reader, framing: &Framing, progress: &Progress) -> Result<u64, String> {
        loop {
            let fed = self.received.len() - self.at;
            reader.decoder.feed(&self.received[self.at..]);
            self.at = self.received.len();
            progress.read.fetch_add(fed as u64, Ordering::Relaxed);
            progress.last_io_ms.store(now_ms().0, Ordering::Relaxed);
            reader.take_items().await?;
            if reader.decoder.is_done() {
                break;
            }
            if let Framing::Length(len) = framing
                && progress.read.load(Ordering::Relaxed) >= *len
            {
                return Err("its snapshot ends in the middle of its data".to_string());
            }
            self.keep_alive().await?;
            self.receive().await?;
        }
        // What the decoder did not need belongs to the mark and the stream.
        let len = reader.decoder.position();
        self.received = reader.decoder.remaining().to_vec();
        self.at = 0;
        match framing {
            Framing::Length(announced) if *announced == len => Ok(len),
            Framing::Length(announced) => Err(format!("its snapshot has {len} bytes, but it announced {announced}")),
            Framing::Mark(mark) => {
                while self.received.len() < mark.len() {
                    self.receive().await?;
                }
                if &self.received[..mark.len()] != mark {
                    return Err("its snapshot is not followed by the mark it announced".to_string());
                }
                self.at = mark.len();
                Ok(len)
            }
        }
    }

    /// Tells the primary once a second that we are still reading.
    async fn keep_alive(&mut self) -> Result<(), String> {
        if self.last_newline.elapsed() < Duration::from_secs(1) {
            return Ok(());
        }
        self.last_newline = Instant::now();
        self.send(b"\n".to_vec()).await
    }

    /// The socket and what came with it, for the log's core.
    fn linked(mut self, replid: ReplId, offset: Offset, stream_db: Option<DbIndex>) -> Result<Linked, String> {
        let leftover = self.received.split_off(self.at);
        let transport = self.wire.into_transport().ok_or("the connection is gone")?;
        Ok(Linked { transport, leftover, replid, offset, stream_db, libraries: Vec::new() })
    }
}
