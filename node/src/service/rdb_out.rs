//! An RDB stream out of a snapshot's chunks: header, databases, checksum.

use crate::snapshot::{Chunk, Chunks, Flow, Sent};
use bytes::Bytes;
use koltso_proto::id::{DbIndex, Offset, ReplId};
use koltso_proto::rdb::{Crc64, Lzf, writer};
use std::collections::VecDeque;
use std::sync::Arc;

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

/// Some bytes of the stream.
pub struct Piece {
    /// The bytes.
    pub bytes: Bytes,
    /// Where they come from, and some before them.
    pub source: Option<Sent>,
}

/// Turns chunks into the bytes of an RDB, in pieces.
pub struct RdbOut {
    chunks: Chunks,
    /// Shards that have not sent everything.
    left: usize,
    db: Option<DbIndex>,
    crc: Crc64,
    lzf: Option<Box<Lzf>>,
    /// What comes next.
    ready: VecDeque<Piece>,
    finished: bool,
}

impl RdbOut {
    /// A stream of this version over these chunks.
    pub fn new(version: u32, aux: Option<ReplicationAux>, chunks: Chunks) -> Self {
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
        writer::put_aux_int(&mut header, "aof-base", 0);
        let left = chunks.flow.shards();
        let ready = VecDeque::from([Piece { bytes: header.into(), source: None }]);
        RdbOut { chunks, left, db: None, crc: Crc64::new(), lzf: None, ready, finished: false }
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
            if let Some(piece) = self.ready.pop_front() {
                self.crc.update(&piece.bytes);
                return Ok(Some(piece));
            }
            if self.left == 0 {
                // What was given up may lack its last chunks although all shards have ended.
                if self.chunks.flow.is_given_up() {
                    return Err(self.chunks.flow.until_given_up().await.to_string());
                }
                return Ok(self.end());
            }
            let chunk = tokio::select! {
                biased;
                why = self.chunks.flow.until_given_up() => return Err(why.to_string()),
                chunk = self.chunks.queue.recv() => chunk,
            };
            match chunk {
                Some(Chunk::Entries { db, parts, sent }) => self.take(db, parts, sent),
                Some(Chunk::Text { db, mut head, text, sent }) => {
                    let lzf = self.lzf.get_or_insert_with(|| Box::new(Lzf::new()));
                    writer::put_string(&mut head, &text, Some(lzf));
                    self.take(db, vec![head.into()], sent);
                }
                Some(Chunk::Done { .. }) => self.left -= 1,
                None => return Err("the cores have stopped".to_string()),
            }
        }
    }

    fn take(&mut self, db: DbIndex, parts: Vec<Bytes>, sent: Sent) {
        self.chunks.flow.received(&sent);
        if self.db != Some(db) {
            self.db = Some(db);
            let mut selected = Vec::with_capacity(8);
            writer::put_select_db(&mut selected, db);
            self.ready.push_back(Piece { bytes: selected.into(), source: None });
        }
        self.ready.extend(parts.into_iter().map(|bytes| Piece { bytes, source: None }));
        // The count of all goes with the last.
        if let Some(last) = self.ready.back_mut() {
            last.source = Some(sent);
        }
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
