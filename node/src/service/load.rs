//! Loading an RDB file at start, or for `DEBUG RELOAD`.

use super::Surroundings;
use super::stage::Stage;
use crate::shared::now_ms;
use koltso_proto::id::{DbIndex, Offset, ReplId};
use koltso_proto::number::parse_i64;
use koltso_proto::rdb::{Decoder, Item, Limits};
use std::path::PathBuf;
use tokio_uring::fs::File;

/// Read from the file at a time, in bytes.
const READ_LEN: usize = 1 << 20;

/// A file to be loaded into the shards' staging areas.
pub struct LoadJob {
    /// The file.
    pub path: PathBuf,
    /// Whether keys that have expired are dropped, as a primary does.
    pub drop_expired: bool,
    /// Whether the checksum is compared.
    pub verify_checksum: bool,
    /// Told when all is staged, or why it is not.
    pub done: Box<dyn FnOnce(Result<Loaded, String>) + Send>,
}

/// What a file said besides its keys.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// Keys, without those whose time was over.
    pub keys: u64,
    /// Keys whose time was over.
    pub expired: u64,
    /// The history the data belongs to, the position in it, and the database selected there.
    pub history: Option<(ReplId, Offset, DbIndex)>,
    /// The sources of libraries of functions.
    pub libraries: Vec<Vec<u8>>,
}

/// Loads a file.
pub async fn run(job: LoadJob, surroundings: Surroundings) {
    let LoadJob { path, drop_expired, verify_checksum, done } = job;
    let outcome = load(&path, drop_expired, verify_checksum, &surroundings).await;
    done(outcome.map_err(|why| format!("{}: {why}", path.display())));
}

async fn load(path: &PathBuf, drop_expired: bool, verify: bool, surroundings: &Surroundings) -> Result<Loaded, String> {
    let file = File::open(path).await.map_err(|error| error.to_string())?;
    let mut reader = Reader::new(surroundings, drop_expired, verify);
    let mut at = 0u64;
    let mut buf = Vec::with_capacity(READ_LEN);
    loop {
        let (result, bytes) = file.read_at(buf, at).await;
        buf = bytes;
        let n = result.map_err(|error| error.to_string())?;
        if n == 0 {
            break;
        }
        at += n as u64;
        reader.decoder.feed(&buf[..n]);
        reader.take_items().await?;
        if reader.decoder.is_done() {
            break;
        }
        buf.clear();
    }
    let _ = file.close().await;
    if !reader.decoder.is_done() {
        return Err(format!("the file ends after {at} bytes, in the middle of its data"));
    }
    reader.finish().await
}

/// Decodes an RDB and stages its keys.
pub struct Reader {
    /// The decoder; feed it, then [`take_items`](Self::take_items).
    pub decoder: Decoder,
    surroundings: Surroundings,
    stage: Stage,
    db: DbIndex,
    databases: u64,
    drop_expired: bool,
    loaded: Loaded,
    kept_expired: u64,
    repl_id: Option<ReplId>,
    repl_offset: Option<Offset>,
    stream_db: DbIndex,
}

impl Reader {
    /// A reader at the start of an RDB.
    pub fn new(surroundings: &Surroundings, drop_expired: bool, verify_checksum: bool) -> Self {
        let config = surroundings.shared.config();
        let limits = Limits { verify_checksum, ..Limits::default() };
        Reader {
            decoder: Decoder::new(limits),
            surroundings: surroundings.clone(),
            stage: Stage::new(surroundings, config.thresholds),
            db: DbIndex(0),
            databases: config.databases as u64,
            drop_expired,
            loaded: Loaded::default(),
            kept_expired: 0,
            repl_id: None,
            repl_offset: None,
            stream_db: DbIndex(0),
        }
    }

    /// Stages every key that has been fed whole.
    ///
    /// # Errors
    /// What is wrong with the data.
    pub async fn take_items(&mut self) -> Result<(), String> {
        loop {
            let mut full = None;
            match self.decoder.next_item().map_err(|error| error.to_string())? {
                None | Some(Item::End(_)) => return Ok(()),
                Some(Item::SelectDb(db)) => {
                    if u64::from(db.0) >= self.databases {
                        return Err(format!(
                            "it has a database {}, and this node only {}; see `databases`",
                            db.0, self.databases
                        ));
                    }
                    self.db = db;
                }
                Some(Item::Key(key)) => {
                    let expired = self.drop_expired && key.expire.is_some_and(|deadline| deadline <= now_ms());
                    self.loaded.expired += u64::from(expired);
                    // Where a history goes on, replicas have to be told that a key is gone: then it goes as any other does.
                    if !expired || self.repl_id.is_some() {
                        self.kept_expired += u64::from(expired);
                        full = self.stage.push(self.db, key);
                    }
                }
                Some(Item::Aux { name, value }) => match &*name {
                    b"repl-id" => self.repl_id = ReplId::parse(&value),
                    b"repl-offset" => self.repl_offset = Offset::parse(&value),
                    b"repl-stream-db" => {
                        let db = parse_i64(&value).and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
                        self.stream_db = DbIndex(db);
                    }
                    _ => {}
                },
                Some(Item::Function(source)) => self.loaded.libraries.push(source.into_owned()),
                Some(_) => {}
            }
            if let Some(core) = full {
                self.stage.send(core).await;
            }
        }
    }

    /// Waits until everything is staged.
    ///
    /// # Errors
    /// When a core could not take an entry in: a key that is there twice.
    pub async fn finish(mut self) -> Result<Loaded, String> {
        self.stage.finish().await;
        if let Some(error) = self.surroundings.shared.take_stage_error() {
            return Err(error);
        }
        self.loaded.keys = self.stage.entries - self.kept_expired;
        self.loaded.history = self.repl_id.zip(self.repl_offset).map(|(id, offset)| (id, offset, self.stream_db));
        Ok(self.loaded)
    }

    /// The database that the stream has selected at the cut.
    pub fn stream_db(&self) -> DbIndex {
        if u64::from(self.stream_db.0) < self.databases { self.stream_db } else { DbIndex(0) }
    }
}
