//! An RDB stream out of a snapshot's chunks: header, databases, checksum.

use super::Surroundings;
use crate::snapshot::{Chunk, Chunks, Credits};
use koltso_proto::id::{DbIndex, Offset, ReplId};
use koltso_proto::rdb::{Crc64, writer};

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

/// Turns chunks into the bytes of an RDB, in pieces.
pub struct RdbOut {
    chunks: Chunks,
    credits: Credits,
    left: usize,
    db: Option<DbIndex>,
    crc: Crc64,
    header: Option<Vec<u8>>,
    finished: bool,
}

impl RdbOut {
    /// A stream of this version over the chunks of that many shards.
    pub fn new(version: u32, aux: Option<ReplicationAux>, chunks: Chunks, credits: Credits) -> Self {
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
        let left = credits.len();
        RdbOut { chunks, credits, left, db: None, crc: Crc64::new(), header: Some(header), finished: false }
    }

    /// The next bytes; `None` after the checksum.
    pub async fn next(&mut self, surroundings: &Surroundings) -> Option<Vec<u8>> {
        if let Some(header) = self.header.take() {
            self.crc.update(&header);
            return Some(header);
        }
        while self.left > 0 {
            match self.chunks.recv().await {
                Some(Chunk::Entries { shard, db, bytes }) => {
                    if self.credits[shard].consumed(bytes.len()) {
                        surroundings.wake(shard);
                    }
                    let mut out = bytes;
                    if self.db != Some(db) {
                        self.db = Some(db);
                        let mut selected = Vec::with_capacity(out.len() + 8);
                        writer::put_select_db(&mut selected, db);
                        selected.extend_from_slice(&out);
                        out = selected;
                    }
                    self.crc.update(&out);
                    return Some(out);
                }
                Some(Chunk::Done { .. }) => self.left -= 1,
                None => self.left = 0,
            }
        }
        if self.finished {
            return None;
        }
        self.finished = true;
        let mut end = Vec::new();
        writer::put_eof(&mut end);
        self.crc.update(&end);
        writer::put_checksum(&mut end, self.crc.value());
        Some(end)
    }

    /// Consumes what is left, so that the cores can finish their walk.
    pub async fn drain(&mut self, surroundings: &Surroundings) {
        while self.next(surroundings).await.is_some() {}
    }
}
