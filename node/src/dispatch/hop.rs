//! Requests for keys of another core, and their replies.
//!
//! Requests are copied into one batch per peer, which leaves once a turn as one message; the peer runs them in order and
//! sends the same batch back with the replies in it.

use super::executor::{Executor, Who};
use super::gates::{OOM, READONLY};
use super::registry::Run;
use crate::commands::Origin;
use crate::connection::Token;
use crate::logging::warning;
use crate::shared::Gate;
use crate::tracking::{Told, Tracker};
use koltso_proto::id::DbIndex;
use koltso_proto::psync::shown;
use koltso_proto::resp::{Args, Reply, Span};
use std::sync::Arc;

/// On whose behalf a request hops, and where its reply belongs.
#[derive(Clone, Copy, Debug)]
pub struct Asker {
    /// The connection.
    pub token: Token,
    /// The reply's place in it.
    pub seq: u64,
    /// The selected database.
    pub db: DbIndex,
    /// Whether the reply is to be RESP3.
    pub resp3: bool,
    /// Whether access times are left alone.
    pub no_touch: bool,
    /// Whether the client wants no reply.
    pub muted: bool,
    /// A client, or our primary.
    pub origin: Origin,
}

struct Hop {
    asker: Asker,
    command: u16,
    base: usize,
    spans_end: usize,
    /// Once it has run: where its reply ends.
    reply_end: usize,
}

/// Requests from one core to another; the same object comes back with the replies.
#[derive(Default)]
pub struct Batch {
    /// The core that asks.
    pub from: usize,
    hops: Vec<Hop>,
    bytes: Vec<u8>,
    spans: Vec<Span>,
    /// Of those clients that track keys: the place of the request, and whether what it reads is to be remembered.
    trackers: Vec<(usize, Arc<Tracker>, bool)>,
    replies: Reply,
    /// With the replies: what clients of the core that asks are to be told after them.
    pub told: Vec<Told>,
}

impl Batch {
    fn clear(&mut self) {
        self.hops.clear();
        self.bytes.clear();
        self.spans.clear();
        self.trackers.clear();
        self.replies.buf.clear();
    }

    /// Bytes that an empty batch takes.
    fn held(&self) -> usize {
        self.bytes.capacity() + self.replies.buf.capacity() + self.spans.capacity() * size_of::<Span>()
    }

    /// Answers all its requests with an error; not if one of them is of our primary. Says whether it did.
    pub fn refuse(&mut self, error: &str) -> bool {
        if self.hops.iter().any(|hop| hop.asker.origin == Origin::Primary) {
            return false;
        }
        for hop in &mut self.hops {
            self.replies.error(error);
            hop.reply_end = self.replies.buf.len();
        }
        true
    }

    /// The replies, each with the asker it belongs to.
    pub fn replies(&self) -> impl Iterator<Item = (Asker, &[u8])> {
        let mut start = 0;
        self.hops.iter().map(move |hop| {
            let reply = &self.replies.buf[start..hop.reply_end];
            start = hop.reply_end;
            (hop.asker, reply)
        })
    }
}

/// The batches that are being filled, one per peer, and empty ones for later.
#[allow(clippy::vec_box, reason = "the same boxes travel as messages")]
pub struct Outbox {
    filling: Vec<Option<Box<Batch>>>,
    empty: Vec<Box<Batch>>,
    /// Batches that have left and not come back.
    under_way: usize,
}

/// Empty batches kept for later.
const EMPTY_MAX: usize = 64;
/// A batch whose buffer has grown larger than this is not kept, in bytes.
const KEEP_LEN_MAX: usize = 1 << 20;

impl Outbox {
    /// For a node of this many cores.
    pub fn new(cores: usize) -> Self {
        Outbox { filling: (0..cores).map(|_| None).collect(), empty: Vec::new(), under_way: 0 }
    }

    /// Says that the next request for `peer` is one of a client that tracks keys, if it is.
    #[cold]
    pub fn next_is_of(&mut self, peer: usize, tracker: Option<Arc<Tracker>>, remembers: bool) {
        let Some(tracker) = tracker else { return };
        let batch = self.filling[peer].get_or_insert_with(|| self.empty.pop().unwrap_or_default());
        batch.trackers.push((batch.hops.len(), tracker, remembers));
    }

    /// Adds a request for `peer`.
    pub fn push(&mut self, peer: usize, asker: Asker, command: u16, args: Args<'_>) {
        let batch = self.filling[peer].get_or_insert_with(|| self.empty.pop().unwrap_or_default());
        let base = batch.bytes.len();
        for arg in args.from(0) {
            batch.spans.push(Span::new(batch.bytes.len() - base, arg.len()));
            batch.bytes.extend_from_slice(arg);
        }
        batch.hops.push(Hop { asker, command, base, spans_end: batch.spans.len(), reply_end: 0 });
    }

    /// The batches that are ready to leave, with the core each is for.
    pub fn drain(&mut self) -> impl Iterator<Item = (usize, Box<Batch>)> {
        let under_way = &mut self.under_way;
        self.filling.iter_mut().enumerate().filter_map(|(peer, batch)| {
            let batch = batch.take()?;
            *under_way += 1;
            Some((peer, batch))
        })
    }

    /// Whether requests are with other cores.
    pub fn is_under_way(&self) -> bool {
        self.under_way > 0
    }

    /// Keeps a batch that has come back and done its work.
    pub fn recycle(&mut self, mut batch: Box<Batch>) {
        self.under_way -= 1;
        if self.empty.len() < EMPTY_MAX && batch.held() <= KEEP_LEN_MAX {
            batch.clear();
            self.empty.push(batch);
        }
    }
}

impl Executor {
    /// Runs the requests of a batch over this core's shard, which must be here, and writes the replies into it.
    pub fn run_batch(&mut self, batch: &mut Batch) {
        let mut spans_start = 0;
        let mut trackers = std::mem::take(&mut batch.trackers).into_iter().peekable();
        for i in 0..batch.hops.len() {
            let tracker = trackers.next_if(|(hop, ..)| *hop == i);
            let Hop { asker, command, base, spans_end, .. } = batch.hops[i];
            let args = Args::new(&batch.bytes[base..], &batch.spans[spans_start..spans_end]);
            spans_start = spans_end;
            batch.replies.resp3 = asker.resp3;
            let who = Who { db: asker.db, no_touch: asker.no_touch, origin: asker.origin };
            let index = usize::from(command);
            let command = self.registry.by_index(command);
            let by_client = command.filter(|_| asker.origin == Origin::Client);
            // Since it was judged, this node may have become a replica.
            let read_only = self.gates.has(Gate::ReadOnly) && by_client.is_some_and(|command| command.write);
            let refusal = match by_client {
                Some(_) if read_only => Some(READONLY),
                Some(command) if self.lacks_room(command) => Some(OOM),
                _ => None,
            };
            let start = batch.replies.buf.len();
            match command.map(|command| (command.run, command.timed)) {
                _ if refusal.is_some() => {
                    let error = refusal.unwrap_or_default();
                    batch.replies.error(error);
                    self.tally.note_error(error.as_bytes());
                    self.tally.note_rejected(index);
                }
                Some((Run::Keys(handler) | Run::AllKeys(handler), timed)) => {
                    let replies = &mut batch.replies;
                    if let Some((_, tracker, _)) = &tracker {
                        self.tracker = Some(Arc::clone(tracker));
                    }
                    let took_us = self.counted(index, timed, |exec| exec.execute(handler, who, replies, args));
                    if let Some((_, tracker, remembers)) = tracker {
                        self.tracker = None;
                        if remembers && let Some(command) = command {
                            self.remember(command.spec, args, &tracker);
                        }
                    }
                    if asker.origin == Origin::Client {
                        self.note_if_slow(took_us, asker.token, args);
                        self.tally.note_reply(index, &batch.replies.buf[start..]);
                    }
                }
                _ => batch.replies.error("ERR internal: a command about no key cannot hop"),
            }
            if asker.origin == Origin::Primary {
                report_failure(&batch.replies.buf[start..], args);
                batch.replies.buf.truncate(start);
            }
            batch.hops[i].reply_end = batch.replies.buf.len();
        }
    }
}

/// Logs an error that a command of our primary was answered with: it means that the two differ.
pub fn report_failure(reply: &[u8], args: Args<'_>) {
    if reply.first() == Some(&b'-') {
        let error = String::from_utf8_lossy(reply);
        // Not more than the command and its key: the log is no place for data.
        let command = args.from(0).take(2).map(shown).collect::<Vec<_>>().join(" ");
        let error = error.trim();
        warning(&format!("== CRITICAL == This replica answers a command of its master with an error: {error} to {command}"));
    }
}
