//! Sending keys to another server for `MIGRATE`: over a socket that the last one has left open, or a new one.
//!
//! The target's word decides: a key has arrived when it has answered `+OK` to its `RESTORE`, and not before. Nothing here knows what
//! becomes of the key at home.

use super::Surroundings;
use super::wire::{NoWire, Wire};
use crate::shard::value::{Value, rdb};
use crate::shared::{Shared, now_ms};
use bytes::Bytes;
use koltso_proto::id::UnixMs;
use koltso_proto::resp::{put_array_header, put_bulk, put_command};
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Where everybody waits for it, the time limit is for no more than so many steps together: a target that takes nearly that long over
/// each of very many would hold the node up for good.
const STEPS_WHILE_HELD_UP: u32 = 10;
/// Sent at a time, in bytes: the time limit is for each.
const SLICE_LEN: usize = 64 * 1024;
/// A line of an answer is not longer, in bytes.
const LINE_LEN_MAX: usize = 64 * 1024;
/// How long a socket that nobody uses is kept.
const IDLE_MAX: Duration = Duration::from_secs(10);
/// How many are kept.
const SOCKETS_MAX: usize = 64;

/// Where keys go, and on what terms.
#[derive(Clone, Debug)]
pub struct Target {
    /// Its host.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The user to log in as; the default one, if there is only a password.
    pub user: Option<Vec<u8>>,
    /// The password, if one is needed.
    pub password: Option<Vec<u8>>,
    /// The database there.
    pub db: i64,
    /// Whether keys that it has make way.
    pub replace: bool,
    /// How long it may take over each step.
    pub timeout: Duration,
}

/// A key that is to be sent.
#[derive(Debug)]
pub struct Departing {
    /// The key.
    pub key: Vec<u8>,
    /// Its value: a clone.
    pub value: Value,
    /// Its deadline.
    pub expire: Option<UnixMs>,
}

/// Keys to be sent to another server.
pub struct MigrateJob {
    /// Where to.
    pub target: Target,
    /// Which.
    pub keys: Vec<Departing>,
    /// Whether the node does nothing else meanwhile.
    pub holds_up: bool,
    /// Hears the outcome.
    pub done: Box<dyn FnOnce(Arrivals) + Send>,
}

/// What became of it.
#[derive(Debug)]
pub struct Arrivals {
    /// For each key, whether the target has it.
    pub taken: Vec<bool>,
    /// The error to answer with, if not all went well.
    pub error: Option<String>,
}

/// Why it was broken off, or what the target had to say.
enum Trouble {
    Connecting,
    /// `again`: whether another attempt may help, since a socket that was left open may have been closed by the other side.
    Writing {
        again: bool,
    },
    Reading {
        again: bool,
    },
    Target(String),
}

impl Trouble {
    fn text(self) -> String {
        match self {
            Trouble::Connecting => "IOERR error or timeout connecting to the client".into(),
            Trouble::Writing { .. } => "IOERR error or timeout writing to target instance".into(),
            Trouble::Reading { .. } => "IOERR error or timeout reading to target instance".into(),
            Trouble::Target(error) => format!("ERR Target instance replied with error: {error}"),
        }
    }

    fn may_try_again(&self) -> bool {
        matches!(self, Trouble::Writing { again: true } | Trouble::Reading { again: true })
    }
}

/// Sends keys, and reports.
pub async fn run(job: MigrateJob, surroundings: Surroundings, sockets: Rc<Sockets>) {
    let mut taken = vec![false; job.keys.len()];
    let limit = if job.holds_up { job.target.timeout.saturating_mul(STEPS_WHILE_HELD_UP) } else { Duration::MAX };
    let outcome = tokio::time::timeout(limit, attempts(&job, &surroundings.shared, &sockets, &mut taken)).await;
    let outcome = outcome.unwrap_or(Err(Trouble::Reading { again: false }));
    (job.done)(Arrivals { taken, error: outcome.err().map(Trouble::text) });
}

async fn attempts(job: &MigrateJob, shared: &Shared, sockets: &Rc<Sockets>, taken: &mut [bool]) -> Result<(), Trouble> {
    let outcome = attempt(job, shared, sockets, taken).await;
    match &outcome {
        Err(trouble) if trouble.may_try_again() && !taken.contains(&true) => attempt(job, shared, sockets, taken).await,
        _ => outcome,
    }
}

async fn attempt(job: &MigrateJob, shared: &Shared, sockets: &Rc<Sockets>, taken: &mut [bool]) -> Result<(), Trouble> {
    let target = &job.target;
    let mut socket = match sockets.take(target, shared) {
        Some(socket) => socket,
        None => Socket::connect(target, shared).await?,
    };
    let selects = socket.db != Some(target.db);
    socket.begin(target, selects).await?;
    let mut sent = Vec::new();
    for (at, departing) in job.keys.iter().enumerate() {
        if socket.send_key(departing, target).await? {
            sent.push(at);
        }
    }
    socket.flush(target.timeout).await?;
    let mut refusal = None;
    for _ in 0..usize::from(target.password.is_some()) + usize::from(selects) {
        refusal = refusal.or(socket.answer(target.timeout).await?);
    }
    // Without a login, or in another database, nothing has arrived whatever it says.
    let in_place = refusal.is_none();
    for at in sent {
        match socket.answer(target.timeout).await {
            Ok(None) => taken[at] = in_place,
            Ok(error) => refusal = refusal.or(error),
            Err(trouble) => return Err(refusal.map_or(trouble, Trouble::Target)),
        }
    }
    match refusal {
        Some(error) => {
            socket.db = None;
            sockets.put_back(target, socket, shared);
            Err(Trouble::Target(error))
        }
        None => {
            socket.db = Some(target.db);
            sockets.put_back(target, socket, shared);
            Ok(())
        }
    }
}

/// A connection to a target.
struct Socket {
    wire: Wire,
    received: Vec<u8>,
    /// Up to here it has been read.
    at: usize,
    /// What is to be sent with what follows.
    unsent: Vec<u8>,
    /// The selected database, if that is certain.
    db: Option<i64>,
    used: Instant,
}

impl Socket {
    async fn connect(target: &Target, shared: &Shared) -> Result<Self, Trouble> {
        let encryption = match shared.config().tls_cluster {
            false => None,
            true => Some(shared.tls().and_then(|setup| setup.client.clone()).ok_or(Trouble::Connecting)?),
        };
        let mut received = Vec::new();
        let connect = Wire::connect(&target.host, target.port, encryption, &mut received, target.timeout);
        let wire = connect.await.map_err(|trouble| match trouble {
            NoWire::Unreached(_) => Trouble::Connecting,
            // Redis has taken it for connected until then.
            NoWire::Refused(_) => Trouble::Writing { again: false },
        })?;
        Ok(Socket { wire, received, at: 0, unsent: Vec::new(), db: None, used: Instant::now() })
    }

    /// Logs in and selects the database, as far as that is needed.
    async fn begin(&mut self, target: &Target, selects: bool) -> Result<(), Trouble> {
        if let Some(password) = &target.password {
            let words = std::iter::once(&b"AUTH"[..]).chain(target.user.as_deref()).chain([&password[..]]);
            put_command(&mut self.unsent, &words.collect::<Vec<_>>());
        }
        if selects {
            put_command(&mut self.unsent, &["SELECT", &target.db.to_string()]);
        }
        self.flush_if_full(target.timeout).await
    }

    /// Sends one key, unless its time is over by now; says whether it was sent.
    async fn send_key(&mut self, departing: &Departing, target: &Target) -> Result<bool, Trouble> {
        let payload = payload_of(&departing.value).await;
        let ttl = match departing.expire {
            None => 0,
            Some(expire) => match expire.0.checked_sub(now_ms().0) {
                Some(ttl) => ttl.max(1),
                None => return Ok(false),
            },
        };
        put_array_header(&mut self.unsent, if target.replace { 5 } else { 4 });
        put_bulk(&mut self.unsent, b"RESTORE");
        put_bulk(&mut self.unsent, &departing.key);
        put_bulk(&mut self.unsent, itoa::Buffer::new().format(ttl).as_bytes());
        if payload.len() < SLICE_LEN {
            put_bulk(&mut self.unsent, &payload);
        } else {
            self.unsent.extend_from_slice(format!("${}\r\n", payload.len()).as_bytes());
            self.flush(target.timeout).await?;
            self.send(Bytes::from(payload), target.timeout).await?;
            self.unsent.extend_from_slice(b"\r\n");
        }
        if target.replace {
            put_bulk(&mut self.unsent, b"REPLACE");
        }
        self.flush_if_full(target.timeout).await?;
        Ok(true)
    }

    async fn flush_if_full(&mut self, timeout: Duration) -> Result<(), Trouble> {
        if self.unsent.len() < SLICE_LEN { Ok(()) } else { self.flush(timeout).await }
    }

    async fn flush(&mut self, timeout: Duration) -> Result<(), Trouble> {
        let unsent = Bytes::from(std::mem::take(&mut self.unsent));
        self.send(unsent, timeout).await
    }

    async fn send(&mut self, mut bytes: Bytes, timeout: Duration) -> Result<(), Trouble> {
        while !bytes.is_empty() {
            let slice = bytes.split_to(bytes.len().min(SLICE_LEN));
            // Its own patience is of no use here: it does not tell what it was that failed.
            match tokio::time::timeout(timeout, self.wire.write(slice, Duration::MAX)).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return Err(Trouble::Writing { again: true }),
                Err(_) => return Err(Trouble::Writing { again: false }),
            }
        }
        Ok(())
    }

    /// The next answer: an error, or none. The time limit is for all of it, however it comes.
    async fn answer(&mut self, timeout: Duration) -> Result<Option<String>, Trouble> {
        tokio::time::timeout(timeout, self.read_answer()).await.unwrap_or(Err(Trouble::Reading { again: false }))
    }

    /// Anything but `OK` is no answer of a server that knows what it was asked for.
    async fn read_answer(&mut self) -> Result<Option<String>, Trouble> {
        loop {
            let unread = &self.received[self.at..];
            if let Some(end) = memchr::memchr(b'\n', unread) {
                let line = unread[..end].strip_suffix(b"\r").unwrap_or(&unread[..end]);
                let answer = match line {
                    [b'+', ..] => Ok(None),
                    [b'-', error @ ..] => Ok(Some(String::from_utf8_lossy(error).into_owned())),
                    _ => Err(Trouble::Reading { again: false }),
                };
                self.at += end + 1;
                return answer;
            }
            if unread.len() > LINE_LEN_MAX {
                return Err(Trouble::Reading { again: false });
            }
            self.received.drain(..self.at);
            self.at = 0;
            if self.wire.receive(&mut self.received, Duration::MAX).await.is_err() {
                return Err(Trouble::Reading { again: true });
            }
        }
    }
}

/// A value as `RESTORE` takes it; where that takes long, on a thread of its own.
async fn payload_of(value: &Value) -> Vec<u8> {
    if !value.is_slow_to_drop() {
        return rdb::dump_of(value.view());
    }
    let clone = value.clone();
    // There is none only while the runtime ends.
    tokio::task::spawn_blocking(move || rdb::dump_of(clone.view())).await.unwrap_or_default()
}

/// Sockets that are left open for the next keys. They are those of one target and one login, so that nobody goes by another's name.
#[derive(Default)]
pub struct Sockets(RefCell<HashMap<Peer, Socket>>);

type Peer = (String, u16, Option<Vec<u8>>, Option<Vec<u8>>);

fn peer(target: &Target) -> Peer {
    (target.host.clone(), target.port, target.user.clone(), target.password.clone())
}

impl Sockets {
    fn take(&self, target: &Target, shared: &Shared) -> Option<Socket> {
        let mut sockets = self.0.borrow_mut();
        let socket = sockets.remove(&peer(target));
        shared.migrate_sockets.store(sockets.len() as u64, Ordering::Relaxed);
        socket
    }

    fn put_back(&self, target: &Target, mut socket: Socket, shared: &Shared) {
        if socket.at < socket.received.len() {
            // What nobody has asked for must not be taken for the next answers.
            return;
        }
        socket.used = Instant::now();
        let mut sockets = self.0.borrow_mut();
        if sockets.len() >= SOCKETS_MAX
            && let Some(any) = sockets.keys().next().cloned()
        {
            sockets.remove(&any);
        }
        sockets.insert(peer(target), socket);
        shared.migrate_sockets.store(sockets.len() as u64, Ordering::Relaxed);
    }

    /// Closes those that nobody has used for a while, again and again.
    pub async fn close_idle(self: Rc<Self>, surroundings: Surroundings) {
        loop {
            tokio::time::sleep(IDLE_MAX / 10).await;
            let mut sockets = self.0.borrow_mut();
            if !sockets.is_empty() {
                sockets.retain(|_, socket| socket.used.elapsed() < IDLE_MAX);
                surroundings.shared.migrate_sockets.store(sockets.len() as u64, Ordering::Relaxed);
            }
        }
    }
}
