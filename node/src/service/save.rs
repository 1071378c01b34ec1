//! Writing a snapshot to a file: a temporary one first, which takes the old one's place only when it is whole and on disk.

use super::Surroundings;
use super::rdb_out::{RdbOut, ReplicationAux};
use crate::logging::{notice, warning};
use crate::snapshot::{Chunks, Credits};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;
use tokio_uring::fs::File;

/// Bytes gathered before they are written.
const WRITE_LEN: usize = 1 << 20;
/// Bytes after which the file is given to the disk, so that the end has not everything left to do.
const SYNC_EVERY: u64 = 32 << 20;

/// A snapshot to be written.
pub struct SaveJob {
    /// The file.
    pub path: PathBuf,
    /// Where the replication stream stood, if that means anything.
    pub aux: Option<ReplicationAux>,
    /// The RDB version.
    pub version: u32,
    /// Its chunks.
    pub chunks: Chunks,
    /// What of them is under way.
    pub credits: Credits,
    /// Told how it went, in bytes or why not.
    pub done: Box<dyn FnOnce(Result<u64, String>) + Send>,
}

/// Writes a snapshot.
pub async fn run(job: SaveJob, surroundings: Surroundings) {
    let started = Instant::now();
    let mut rdb = RdbOut::new(job.version, job.aux, job.chunks, job.credits);
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
            rdb.drain(&surroundings).await;
            warning(&format!("Error saving DB on disk at {}: {error}", job.path.display()));
            (job.done)(Err(error.to_string()));
        }
    }
}

async fn write(path: &Path, rdb: &mut RdbOut, surroundings: &Surroundings) -> io::Result<u64> {
    let file = std::fs::OpenOptions::new().write(true).create_new(true).open(path)?;
    let file = File::from_std(file);
    let mut at = 0u64;
    let mut synced = 0u64;
    let mut gathered = Vec::with_capacity(WRITE_LEN);
    while let Some(piece) = rdb.next(surroundings).await {
        gathered.extend_from_slice(&piece);
        if gathered.len() >= WRITE_LEN {
            let len = gathered.len() as u64;
            let (result, buf) = file.write_all_at(gathered, at).await;
            result?;
            at += len;
            gathered = buf;
            gathered.clear();
        }
        if at - synced >= SYNC_EVERY {
            synced = at;
            file.sync_data().await?;
        }
    }
    let (result, _) = file.write_all_at(gathered, at).await;
    result?;
    file.sync_all().await?;
    file.close().await?;
    Ok(std::fs::metadata(path)?.len())
}

async fn put_in_place(temporary: &Path, path: &Path) -> io::Result<()> {
    std::fs::rename(temporary, path)?;
    // The rename itself must survive a crash too.
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = File::open(folder).await?;
    folder.sync_all().await?;
    folder.close().await
}
