//! A connection: bytes that came in and are not yet a request, replies that are not yet sent, and who the peer is.
//!
//! Nothing here does I/O: the reactor moves the bytes.

mod memory;
mod output;
mod pending;
mod sealed;
mod session;

pub use memory::ClientMemory;
pub use output::{InFlight, Output};
pub use pending::Pending;
pub use session::{OwnedRequest, ReplyMode, Session, Transaction, WatchedKey};

use crate::reactor::ring::Socket;
use crate::replication::link::PrimaryStream;
use crate::replication::stream::{ReplicaStream, SyncRequest};
use crate::tls::{self, Transport};
use crate::waiting::Waiter;
use koltso_proto::id::UnixMs;
use koltso_proto::resp::RequestParser;
use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// Bytes of a connection that wait to be looked at, after which no more are received for a while: a peer that sends on and on
/// without reading is held back by TCP. Generous, because many a client sends all of a pipeline before it reads a reply.
pub const PENDING_LEN_PAUSE: usize = 64 << 20;
/// Commands of a primary's stream that other cores have yet to answer, after which no more are received for a while.
const AWAITED_PAUSE: usize = 64 << 10;

/// Which connection, and that it is still the same one: slots are used again, generations are not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Token {
    /// The slot.
    pub index: u32,
    /// Its generation.
    pub generation: u32,
}

/// Whom a connection leads to.
pub enum Peer {
    /// A client.
    Client,
    /// A replica that receives the stream.
    Replica(Box<ReplicaStream>),
    /// Our primary, whose stream this is.
    Primary(Box<PrimaryStream>),
}

/// Why a connection's further requests have to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stall {
    /// They need not.
    None,
    /// A request of it waits for shards to be lent.
    Lend,
    /// Earlier requests of it are being answered by other cores.
    InOrder,
    /// It is a primary's stream, and shards are being borrowed for something else.
    AfterJobs,
    /// This core's shard is lent to another core.
    ShardAway,
    /// It does not read its replies.
    Output,
    /// Clients are paused (`CLIENT PAUSE`).
    Paused,
    /// A blocking command: `WAIT`, or one that waits for keys.
    Blocked,
    /// It is about to leave this core: a replica on its way to the log.
    Leaving,
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Closing {
    /// Not yet.
    No,
    /// When what is waiting to be sent has been.
    AfterReplies,
    /// At once; operations in flight are being cancelled.
    Now,
}

/// A reply's place in the order of replies, while another core works on it.
pub struct Awaited {
    /// Identifies the place to the core that answers.
    pub seq: u64,
    /// The reply, once it is here, and local replies that follow it.
    pub reply: Option<Vec<u8>>,
}

/// A connection of this core.
pub struct Connection {
    /// The socket.
    pub fd: OwnedFd,
    /// What encrypts what passes over it.
    pub tls: Option<Box<tls::Session>>,
    /// The socket as the ring knows it.
    pub socket: Socket,
    /// Which use of its slot this is.
    pub generation: u32,
    /// The request that is being read.
    pub parser: RequestParser,
    /// Bytes received and not yet consumed, from the first byte of the current request on.
    pub pending: Pending,
    /// What is to be sent.
    pub output: Output,
    /// Replies that cannot be sent yet because an earlier one is still awaited.
    pub awaited: VecDeque<Awaited>,
    /// The bytes of those that are here and wait behind one that is not.
    awaited_len: usize,
    /// The next place's number.
    pub next_seq: u64,
    /// Places from this one on await no more than counts of receivers: what comes next need not wait for them.
    receipts_from: u64,
    /// Who the client is and what it has set.
    pub session: Session,
    /// Whom it leads to.
    pub peer: Peer,
    /// Why it waits.
    pub stall: Stall,
    /// Whether it ends.
    pub closing: Closing,
    /// Whether a multishot receive is armed, or its last completion still to come.
    pub recv_armed: bool,
    /// Since when more than the soft limit has waited to be sent.
    pub over_soft_since: Option<UnixMs>,
    /// Whether nothing more is received until what has been is worked off.
    pub recv_paused: bool,
    /// Whether requests of it are left for the next turn.
    pub unfinished: bool,
    /// Whether it is on the list of those that have something to send.
    pub dirty: bool,
    /// The request that waits for them (`Stall::InOrder`).
    pub deferred: Option<OwnedRequest>,
    /// The keys it waits for, and until when, in milliseconds since the epoch.
    pub waiting: Option<(Arc<Waiter>, Option<u64>)>,
    /// What it asks of the log's core, when it is leaving for it.
    pub leaving: Option<SyncRequest>,
    /// The peer has sent all it will.
    pub peer_done: bool,
}

impl Connection {
    /// A fresh connection.
    pub fn new(transport: Transport, socket: Socket, generation: u32, session: Session) -> Self {
        Connection {
            fd: transport.fd,
            tls: transport.tls,
            socket,
            generation,
            parser: RequestParser::new(),
            pending: Pending::default(),
            output: Output::default(),
            awaited: VecDeque::new(),
            awaited_len: 0,
            next_seq: 0,
            receipts_from: 0,
            session,
            peer: Peer::Client,
            stall: Stall::None,
            closing: Closing::No,
            recv_armed: false,
            over_soft_since: None,
            recv_paused: false,
            unfinished: false,
            dirty: false,
            deferred: None,
            waiting: None,
            leaving: None,
            peer_done: false,
        }
    }

    /// From now on it leads to this replica: it receives the stream, so nothing may be answered in between.
    pub fn stream_to(&mut self, replica: u64) {
        self.peer = Peer::Replica(Box::new(ReplicaStream { id: replica }));
        self.session.reply_mode = ReplyMode::Stream;
    }

    /// Reserves the next place in the order of replies for an answer from elsewhere.
    pub fn await_reply(&mut self) -> u64 {
        let seq = self.await_receipt();
        self.receipts_from = self.next_seq;
        seq
    }

    /// As [`await_reply`](Self::await_reply), for an answer that says how many have received a message.
    pub fn await_receipt(&mut self) -> u64 {
        let seq = self.next_seq;
        self.next_seq += 1;
        self.awaited.push_back(Awaited { seq, reply: None });
        seq
    }

    /// Whether everything it has asked of other cores has happened, but for the delivery of messages.
    pub fn awaits_receipts_alone(&self) -> bool {
        self.awaited.front().is_none_or(|first| first.seq >= self.receipts_from)
    }

    /// Appends bytes that are no reply but may have to wait behind some.
    pub fn queue_message(&mut self, bytes: &[u8]) {
        let mark = self.output.reply.buf.len();
        self.output.reply.raw(bytes);
        self.queue_behind_awaited(mark);
    }

    /// Puts an awaited reply into its place; what has become sendable moves to the output.
    pub fn fulfil(&mut self, seq: u64, reply: &[u8]) {
        let Some(front) = self.awaited.front() else { return };
        // Places are numbered without a gap.
        let place = seq.wrapping_sub(front.seq) as usize;
        if place > 0 {
            if let Some(awaited) = self.awaited.get_mut(place) {
                awaited.reply = Some(reply.to_vec());
                self.awaited_len += reply.len();
            }
            return;
        }
        self.output.reply.raw(reply);
        self.awaited.pop_front();
        while let Some(Awaited { reply: Some(_), .. }) = self.awaited.front() {
            let next = self.awaited.pop_front().and_then(|a| a.reply).unwrap_or_default();
            self.awaited_len -= next.len();
            self.output.reply.raw(&next);
        }
    }

    /// Whether it ends once everything is answered that the peer has asked for, and need not wait for.
    pub fn ends_after_replies(&self) -> bool {
        let done = matches!(self.stall, Stall::None | Stall::Blocked | Stall::Paused);
        self.closing == Closing::AfterReplies || (self.peer_done && done && !self.unfinished)
    }

    /// Whether replies can be written straight to the output.
    #[inline]
    pub fn in_order(&self) -> bool {
        self.awaited.is_empty()
    }

    /// Moves what was written to the output since `mark` behind the replies that are still awaited.
    pub fn queue_behind_awaited(&mut self, mark: usize) {
        if self.awaited.is_empty() {
            return;
        }
        let written = &self.output.reply.buf[mark..];
        self.awaited_len += written.len();
        if let Some(Awaited { reply: Some(reply), .. }) = self.awaited.back_mut() {
            reply.extend_from_slice(written);
        } else {
            let reply = Some(written.to_vec());
            self.awaited.push_back(Awaited { seq: self.next_seq, reply });
            self.next_seq += 1;
        }
        self.output.reply.buf.truncate(mark);
    }

    /// Whether the request that is being looked at is one whose reply is left out. For requests that are run where they lie: the
    /// mode is moved on when they are done.
    #[inline]
    pub fn is_next_muted(&self) -> bool {
        let mode = self.session.reply_mode;
        mode != ReplyMode::On && mode.next().mutes()
    }

    /// Sees to a reply that was written to the output from `mark` on: it may not be wanted, or not have its turn yet.
    #[inline(always)]
    pub fn settle_reply(&mut self, mark: usize) {
        if self.is_next_muted() {
            self.output.reply.buf.truncate(mark);
        }
        if !self.in_order() {
            self.queue_behind_awaited(mark);
        }
    }

    /// Replies that cannot be sent at once: behind one that is not here, or behind those under way. In bytes.
    #[inline]
    pub fn replies_len(&self) -> usize {
        self.output.waiting_len() + self.awaited_len
    }

    /// Replies that wait behind one that is not here, in bytes.
    pub fn replies_awaiting(&self) -> usize {
        self.awaited_len
    }

    /// Everything that waits to be sent or is under way, in bytes.
    pub fn unsent_len(&self) -> usize {
        self.output.len() + self.awaited_len
    }

    /// Whether so much has been received, or asked of other cores, that the peer has to be slowed down.
    pub fn is_full(&self) -> bool {
        match self.peer {
            Peer::Client | Peer::Replica(_) => {
                (self.stall != Stall::None || self.unfinished) && self.pending.len() >= PENDING_LEN_PAUSE
            }
            Peer::Primary(_) => self.pending.len() >= PENDING_LEN_PAUSE || self.awaited.len() >= AWAITED_PAUSE,
        }
    }

    /// Whether an operation of the kernel may still use this connection.
    pub fn in_use_by_kernel(&self) -> bool {
        self.recv_armed || self.output.is_sending()
    }
}
