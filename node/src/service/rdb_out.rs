//! An RDB stream out of a snapshot's chunks: header, databases, checksum.

use crate::snapshot::{Chunk, Chunks, Flow, Held};
use koltso_proto::id::{DbIndex, Offset, ReplId};
use koltso_proto::rdb::{Crc64, writer};
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
    pub bytes: Vec<u8>,
    /// Where they come from.
    pub source: Option<Source>,
}

/// Where bytes of the stream come from. Whoever puts them where they belong says so to the [`Flow`].
pub struct Source {
    /// The shard.
    pub shard: usize,
    /// How many it has sent.
    pub len: usize,
    /// Counts them as long as they are in memory.
    pub held: Held,
}

/// Turns chunks into the bytes of an RDB, in pieces.
pub struct RdbOut {
    chunks: Chunks,
    /// Shards that have not sent everything.
    left: usize,
    db: Option<DbIndex>,
    crc: Crc64,
    header: Option<Vec<u8>>,
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
        RdbOut { chunks, left, db: None, crc: Crc64::new(), header: Some(header), finished: false }
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
        if let Some(header) = self.header.take() {
            return Ok(Some(self.own(header)));
        }
        while self.left > 0 {
            let chunk = tokio::select! {
                biased;
                why = self.chunks.flow.until_given_up() => return Err(why.to_string()),
                chunk = self.chunks.queue.recv() => chunk,
            };
            match chunk {
                Some(Chunk::Entries { shard, db, bytes, held }) => return Ok(Some(self.entries(shard, db, bytes, held))),
                Some(Chunk::Done { .. }) => self.left -= 1,
                None => return Err("the cores have stopped".to_string()),
            }
        }
        if self.finished {
            return Ok(None);
        }
        self.finished = true;
        let mut end = Vec::new();
        writer::put_eof(&mut end);
        self.crc.update(&end);
        writer::put_checksum(&mut end, self.crc.value());
        Ok(Some(Piece { bytes: end, source: None }))
    }

    fn own(&mut self, bytes: Vec<u8>) -> Piece {
        self.crc.update(&bytes);
        Piece { bytes, source: None }
    }

    fn entries(&mut self, shard: usize, db: DbIndex, bytes: Vec<u8>, held: Held) -> Piece {
        let len = bytes.len();
        self.chunks.flow.received(len);
        let mut out = bytes;
        if self.db != Some(db) {
            self.db = Some(db);
            let mut selected = Vec::with_capacity(out.len() + 8);
            writer::put_select_db(&mut selected, db);
            selected.extend_from_slice(&out);
            out = selected;
        }
        self.crc.update(&out);
        Piece { bytes: out, source: Some(Source { shard, len, held }) }
    }
}
