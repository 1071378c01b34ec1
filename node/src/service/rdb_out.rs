//! An RDB stream out of a snapshot's chunks: header, databases, checksum.

use super::Surroundings;
use super::text::LongText;
use crate::snapshot::{Chunk, Chunks, Flow, Sent};
use bytes::Bytes;
use koltso_proto::id::{DbIndex, Offset, ReplId};
use koltso_proto::rdb::{Crc64, Lzf, writer};
use std::collections::VecDeque;
use std::sync::Arc;

/// The RDB version that brought libraries of functions.
const FUNCTIONS_SINCE: u32 = 10;

/// What stands in the header of a stream for replicas, so that they can continue it.
#[derive(Clone, Copy, Debug)]
pub struct ReplicationAux {
    /// The history.
    pub replid: ReplId,
    /// The position of the cut in it.
    pub offset: Offset,
    /// The database that is selected there.
    pub stream_db: DbIndex,
}

/// Bytes that are given out at a time, at most.
const PIECE_LEN_MAX: usize = 256 << 10;
/// Work after which others on this thread have their turn, in bytes that are summed up.
const TURN_LEN: usize = 1 << 20;

/// Some bytes of the stream.
pub struct Piece {
    /// The bytes.
    pub bytes: Bytes,
    /// Where they come from, and some before them.
    pub source: Option<Sent>,
}

/// What comes next.
enum Ready {
    Piece(Piece),
    Text(LongText),
}

/// Turns chunks into the bytes of an RDB, in pieces.
///
/// A large entry comes in parts, and nothing may stand in between: what comes meanwhile is parked until its end.
pub struct RdbOut {
    chunks: Chunks,
    surroundings: Surroundings,
    /// Shards that have not sent everything.
    left: usize,
    db: Option<DbIndex>,
    crc: Crc64,
    lzf: Option<Box<Lzf>>,
    ready: VecDeque<Ready>,
    /// The shard whose entry has begun and not ended.
    open: Option<usize>,
    /// What waits for that.
    parked: VecDeque<Chunk>,
    /// What was done since others had their turn.
    done: usize,
    finished: bool,
}

impl RdbOut {
    /// A stream of this version over these chunks; `is_base` says that it becomes the base of an append-only file.
    pub fn new(version: u32, aux: Option<ReplicationAux>, is_base: bool, chunks: Chunks, surroundings: Surroundings) -> Self {
        let mut header = Vec::new();
        writer::put_magic(&mut header, version);
        writer::put_aux(&mut header, "redis-ver", crate::info::REDIS_VERSION.as_bytes());
        writer::put_aux_int(&mut header, "redis-bits", 64);
        writer::put_aux_int(&mut header, "ctime", (crate::shared::now_ms().0 / 1000) as i64);
        writer::put_aux_int(&mut header, "used-mem", crate::alloc::used() as i64);
        if let Some(aux) = aux {
            writer::put_aux_int(&mut header, "repl-stream-db", i64::from(aux.stream_db.0));
            writer::put_aux(&mut header, "repl-id", aux.replid.as_str().as_bytes());
            writer::put_aux_int(&mut header, "repl-offset", aux.offset.0 as i64);
        }
        writer::put_aux_int(&mut header, "aof-base", i64::from(is_base));
        if version >= FUNCTIONS_SINCE {
            chunks.libraries.iter().for_each(|library| writer::put_function(&mut header, &library.code, None));
        }
        let left = chunks.flow.shards();
        let ready = VecDeque::from([Ready::Piece(Piece { bytes: header.into(), source: None })]);
        RdbOut {
            chunks,
            surroundings,
            left,
            db: None,
            crc: Crc64::new(),
            lzf: None,
            ready,
            open: None,
            parked: VecDeque::new(),
            done: 0,
            finished: false,
        }
    }

    /// What is shared with the cores.
    pub fn flow(&self) -> &Arc<Flow> {
        &self.chunks.flow
    }

    /// The next bytes; `None` after the checksum. Loses nothing if it is dropped before it is ready.
    ///
    /// # Errors
    /// Why the snapshot was given up.
    pub async fn next(&mut self) -> Result<Option<Piece>, String> {
        loop {
            if self.done >= TURN_LEN {
                self.done = 0;
                tokio::task::yield_now().await;
            }
            if let Some(piece) = self.next_ready()? {
                self.crc.update(&piece.bytes);
                self.done += piece.bytes.len();
                return Ok(Some(piece));
            }
            if !self.ready.is_empty() {
                continue;
            }
            if self.left == 0 {
                // What was given up may lack its last chunks although all shards have ended.
                if self.chunks.flow.is_given_up() {
                    return Err(self.chunks.flow.until_given_up().await.to_string());
                }
                if self.open.is_some() {
                    return Err("a core has ended in the middle of an entry".to_string());
                }
                return Ok(self.end());
            }
            let chunk = tokio::select! {
                biased;
                why = self.chunks.flow.until_given_up() => return Err(why.to_string()),
                chunk = self.chunks.queue.recv() => chunk,
            };
            match chunk {
                Some(Chunk::Done { .. }) => self.left -= 1,
                Some(chunk) => self.arrive(chunk),
                None => return Err("the cores have stopped".to_string()),
            }
        }
    }

    /// Some of what is ready; `None` if nothing is, or if what comes first needs more work.
    fn next_ready(&mut self) -> Result<Option<Piece>, String> {
        match self.ready.front_mut() {
            Some(Ready::Piece(piece)) if piece.bytes.len() > PIECE_LEN_MAX => {
                Ok(Some(Piece { bytes: piece.bytes.split_to(PIECE_LEN_MAX), source: None }))
            }
            Some(Ready::Text(text)) => {
                let lzf = self.lzf.get_or_insert_with(|| Box::new(Lzf::new()));
                self.done += text.cost();
                let piece = text.next(lzf)?;
                if text.is_done() {
                    self.ready.pop_front();
                }
                Ok(piece)
            }
            Some(Ready::Piece(_)) => match self.ready.pop_front() {
                Some(Ready::Piece(piece)) => Ok(Some(piece)),
                _ => Ok(None),
            },
            None => Ok(None),
        }
    }

    /// A chunk comes from the queue.
    fn arrive(&mut self, chunk: Chunk) {
        if let Some(open) = self.open
            && !continues(&chunk, open)
        {
            if chunk.sent().is_some_and(|sent| self.chunks.flow.park(sent)) {
                self.surroundings.wake(open);
            }
            return self.parked.push_back(chunk);
        }
        self.take(chunk);
        // Among what has waited may be the beginning of another large entry, and what has to wait for its end.
        while self.open.is_none() && !self.parked.is_empty() {
            for chunk in std::mem::take(&mut self.parked) {
                if self.open.is_some_and(|open| !continues(&chunk, open)) {
                    self.parked.push_back(chunk);
                    continue;
                }
                if let Some(sent) = chunk.sent() {
                    self.chunks.flow.unpark(sent);
                }
                self.take(chunk);
            }
        }
    }

    /// A chunk is what comes next in the stream.
    fn take(&mut self, chunk: Chunk) {
        let (shard, db) = match &chunk {
            Chunk::Entries { db, sent, .. } | Chunk::Part { db, sent, .. } | Chunk::Text { db, sent, .. } => {
                if self.chunks.flow.received(sent) {
                    self.surroundings.wake(sent.shard);
                }
                (sent.shard, *db)
            }
            Chunk::Done { .. } => return,
        };
        if self.db != Some(db) {
            self.db = Some(db);
            let mut selected = Vec::with_capacity(8);
            writer::put_select_db(&mut selected, db);
            self.put(selected.into(), None);
        }
        match chunk {
            Chunk::Entries { parts, sent, .. } => {
                parts.into_iter().for_each(|bytes| self.put(bytes, None));
                // The count of all goes with the last.
                if let Some(Ready::Piece(last)) = self.ready.back_mut() {
                    last.source = Some(sent);
                }
            }
            Chunk::Part { bytes, part, sent, .. } => {
                self.put(bytes, Some(sent));
                let open = (!part.is_last).then_some(shard);
                if self.open != open {
                    self.open = open;
                    if self.chunks.flow.set_open(open) {
                        self.surroundings.wake(shard);
                    }
                }
            }
            Chunk::Text { head, text, sent, .. } => {
                self.put(head.into(), None);
                self.ready.push_back(Ready::Text(LongText::new(text, sent)));
            }
            Chunk::Done { .. } => {}
        }
    }

    fn put(&mut self, bytes: Bytes, source: Option<Sent>) {
        self.ready.push_back(Ready::Piece(Piece { bytes, source }));
    }

    fn end(&mut self) -> Option<Piece> {
        if self.finished {
            return None;
        }
        self.finished = true;
        let mut end = Vec::new();
        writer::put_eof(&mut end);
        self.crc.update(&end);
        writer::put_checksum(&mut end, self.crc.value());
        Some(Piece { bytes: end.into(), source: None })
    }
}

/// Whether a chunk is the next part of the entry that has begun on this shard.
fn continues(chunk: &Chunk, open: usize) -> bool {
    matches!(chunk, Chunk::Part { part, sent, .. } if sent.shard == open && !part.is_first)
}
