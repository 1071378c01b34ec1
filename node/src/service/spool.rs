//! Bytes put aside in a temporary file, in the working directory. It has no name: its space is given back with its last descriptor,
//! even if the process is killed.

use crate::snapshot::{Gauges, OnDisk};
use bytes::Bytes;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use tokio_uring::fs::File;

/// A stretch of a stream in a file.
pub struct Spool {
    file: Rc<File>,
    /// The place in the stream where the file begins.
    base: u64,
    len: u64,
    on_disk: OnDisk,
}

/// A place in the file, to read or to write there.
pub struct Place {
    file: Rc<File>,
    at: u64,
}

impl Spool {
    /// An empty file for what comes at `base` in the stream.
    ///
    /// # Errors
    /// What the system says.
    pub fn new(base: u64, gauges: &Arc<Gauges>) -> io::Result<Self> {
        let name = format!("temp-sync-{}-{}.rdb", std::process::id(), rand::random::<u32>());
        let file = std::fs::OpenOptions::new().read(true).write(true).create_new(true).open(&name)?;
        std::fs::remove_file(&name)?;
        Ok(Spool { file: Rc::new(File::from_std(file)), base, len: 0, on_disk: OnDisk::new(gauges) })
    }

    /// A way to write what comes next; [`wrote`](Self::wrote) must be told.
    pub fn writer(&self) -> Place {
        Place { file: Rc::clone(&self.file), at: self.len }
    }

    /// As many bytes more are in the file.
    pub fn wrote(&mut self, len: u64) {
        self.len += len;
        self.on_disk.grow(len);
    }

    /// A way to read from a place in the stream on.
    pub fn reader(&self, at: u64) -> Place {
        Place { file: Rc::clone(&self.file), at: at.saturating_sub(self.base) }
    }
}

impl Place {
    /// Writes all of these bytes.
    ///
    /// # Errors
    /// What the system says, such as that the disk is full.
    pub async fn write(self, bytes: Bytes) -> io::Result<()> {
        self.file.write_all_at(bytes, self.at).await.0
    }

    /// Reads up to `len` bytes.
    ///
    /// # Errors
    /// What the system says; or that the file is shorter than what was written to it.
    pub async fn read(self, len: usize) -> io::Result<Bytes> {
        let (result, mut buf) = self.file.read_at(Vec::with_capacity(len), self.at).await;
        let got = result?;
        if got == 0 {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the temporary file is shorter than what was written to it",
            ));
        }
        buf.truncate(got);
        Ok(Bytes::from(buf))
    }
}
