//! Writing a snapshot to a file: a temporary one first, which takes the old one's place only when it is whole and on disk.

use super::Surroundings;
use super::rdb_out::{Piece, RdbOut, ReplicationAux};
use crate::logging::{notice, warning};
use crate::snapshot::Chunks;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Instant;
use tokio::task::JoinHandle;
use tokio_uring::fs::File;

/// Bytes gathered before they are written.
const WRITE_LEN: usize = 1 << 20;
/// Bytes after which the file is given to the disk, so that the end has not everything left to do. Writing goes on meanwhile.
const SYNC_EVERY: u64 = 32 << 20;

/// A snapshot to be written.
pub struct SaveJob {
    /// The file.
    pub path: PathBuf,
    /// Where the replication stream stood, if that means anything.
    pub aux: Option<ReplicationAux>,
    /// The RDB version.
    pub version: u32,
    /// Whether it becomes the base of the append-only file.
    pub is_base: bool,
    /// Its chunks.
    pub chunks: Chunks,
    /// Told how it went, in bytes or why not.
    pub done: Box<dyn FnOnce(Result<u64, String>) + Send>,
}

/// Writes a snapshot.
pub async fn run(job: SaveJob, surroundings: Surroundings) {
    let started = Instant::now();
    let mut rdb = RdbOut::new(job.version, job.aux, job.is_base, job.chunks, surroundings.clone());
    if job.is_base
        && let Some(folder) = job.path.parent()
    {
        // If that fails, what follows does.
        let _ = std::fs::create_dir(folder);
    }
    let temporary = job.path.with_file_name(format!("temp-{}-{}.rdb", std::process::id(), rand::random::<u32>()));
    let outcome = match write(&temporary, &mut rdb, &surroundings).await {
        Ok(len) => put_in_place(&temporary, &job.path).await.map(|()| len),
        Err(error) => Err(error),
    };
    match outcome {
        Ok(len) => {
            notice(&format!("DB saved on disk: {len} bytes in {:.3} seconds", started.elapsed().as_secs_f64()));
            (job.done)(Ok(len));
        }
        Err(error) => {
            let _ = std::fs::remove_file(&temporary);
            surroundings.give_up(rdb.flow(), "its file could not be written");
            warning(&format!("Error saving DB on disk at {}: {error}", job.path.display()));
            (job.done)(Err(error.to_string()));
        }
    }
}

async fn write(path: &Path, rdb: &mut RdbOut, surroundings: &Surroundings) -> io::Result<u64> {
    let file = std::fs::OpenOptions::new().write(true).create_new(true).open(path)?;
    let file = Rc::new(File::from_std(file));
    let mut at = 0u64;
    let mut disk = Disk { file: Rc::clone(&file), synced: 0, syncing: None };
    let mut gathered = Vec::with_capacity(WRITE_LEN);
    while let Some(Piece { bytes, source }) = rdb.next().await.map_err(io::Error::other)? {
        gathered.extend_from_slice(&bytes);
        if let Some(source) = source
            && rdb.flow().consumed(source.shard, source.len)
        {
            surroundings.wake(source.shard);
        }
        if gathered.len() >= WRITE_LEN {
            let len = gathered.len() as u64;
            let (result, buf) = file.write_all_at(gathered, at).await;
            result?;
            at += len;
            gathered = buf;
            gathered.clear();
        }
        disk.sync_if_due(at).await?;
    }
    let (result, _) = file.write_all_at(gathered, at).await;
    result?;
    disk.settle().await?;
    file.sync_all().await?;
    Ok(std::fs::metadata(path)?.len())
}

/// Gives a file to the disk beside writing it.
struct Disk {
    file: Rc<File>,
    /// The length that was given last, or is being.
    synced: u64,
    syncing: Option<JoinHandle<io::Result<()>>>,
}

impl Disk {
    async fn sync_if_due(&mut self, len: u64) -> io::Result<()> {
        if len - self.synced >= SYNC_EVERY && self.syncing.as_ref().is_none_or(JoinHandle::is_finished) {
            self.settle().await?;
            self.synced = len;
            let file = Rc::clone(&self.file);
            self.syncing = Some(tokio_uring::spawn(async move { file.sync_data().await }));
        }
        Ok(())
    }

    /// Waits for what is under way.
    async fn settle(&mut self) -> io::Result<()> {
        match self.syncing.take() {
            Some(syncing) => syncing.await.map_err(io::Error::other)?,
            None => Ok(()),
        }
    }
}

async fn put_in_place(temporary: &Path, path: &Path) -> io::Result<()> {
    std::fs::rename(temporary, path)?;
    // The rename itself must survive a crash too.
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = File::open(folder).await?;
    folder.sync_all().await?;
    folder.close().await
}
