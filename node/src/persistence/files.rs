//! The folder of the append-only file: where its files are, and how they come into place so that a crash at any moment leaves the
//! old state or the new one.

use super::manifest::Manifest;
use crate::config::Config;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use tokio_uring::fs::File;

/// The folder, and what the names of its files begin with.
#[derive(Clone, Debug)]
pub struct Home {
    /// `appenddirname`, in `dir`.
    pub folder: PathBuf,
    /// `appendfilename`.
    pub stem: Vec<u8>,
}

impl Home {
    /// As it is configured.
    pub fn of(config: &Config) -> Self {
        let folder = config.dir.join(config.appenddirname.as_path().unwrap_or("appendonlydir".as_ref()));
        Home { folder, stem: config.appendfilename.as_bytes().to_vec() }
    }

    /// Where a file of this name is.
    pub fn path(&self, name: &[u8]) -> PathBuf {
        self.folder.join(OsStr::from_bytes(name))
    }

    /// Where the manifest is.
    pub fn manifest_path(&self) -> PathBuf {
        self.path(&[&self.stem[..], b".manifest"].concat())
    }

    /// Where the one file is that Redis wrote before it had a manifest.
    pub fn old_path(&self, config: &Config) -> PathBuf {
        config.dir.join(OsStr::from_bytes(&self.stem))
    }

    /// Where the base of a rewrite is written.
    pub fn temporary_base(&self, number: u64) -> PathBuf {
        self.folder.join(format!("temp-rewriteaof-{}-{number}.rdb", std::process::id()))
    }

    /// Removes what a rewrite has left behind that ended with its process, at the start: the folder has one owner at a time.
    pub fn remove_leftovers(&self) {
        for entry in std::fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            if is_leftover(entry.file_name().as_bytes()) {
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }

    /// Reads the manifest; `None` if there is none.
    ///
    /// # Errors
    /// When it cannot be read, or lies.
    pub fn read_manifest(&self) -> Result<Option<Manifest>, String> {
        let path = self.manifest_path();
        match std::fs::read(&path) {
            Ok(text) => Manifest::parse(&text).map(Some).map_err(|why| format!("{}: {why}", path.display())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(format!("{}: {error}", path.display())),
        }
    }

    /// Makes the folder if it is missing.
    ///
    /// # Errors
    /// What the system says.
    pub async fn make_folder(&self) -> io::Result<()> {
        match std::fs::create_dir(&self.folder) {
            Ok(()) => sync_folder(self.folder.parent().unwrap_or(Path::new("."))).await,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Puts a manifest in the place of the one that is there.
    ///
    /// # Errors
    /// What the system says; then the old one is in force.
    pub async fn put_manifest(&self, manifest: &Manifest) -> io::Result<()> {
        let temporary = self.path(&[b"temp-", &self.stem[..], b".manifest"].concat());
        let file = File::create(&temporary).await?;
        let (result, _) = file.write_all_at(manifest.text(), 0).await;
        result?;
        file.sync_all().await?;
        file.close().await?;
        std::fs::rename(&temporary, self.manifest_path())
    }

    /// Has the names in the folder survive a crash.
    ///
    /// # Errors
    /// What the system says.
    pub async fn sync(&self) -> io::Result<()> {
        sync_folder(&self.folder).await
    }

    /// The bytes of a file; 0 if it is not there.
    pub fn len_of(&self, name: &[u8]) -> u64 {
        std::fs::metadata(self.path(name)).map_or(0, |metadata| metadata.len())
    }
}

/// Whether it is named as [`Home::temporary_base`] does, or as the file that a snapshot is written to before. Redis's names have one
/// number.
fn is_leftover(name: &[u8]) -> bool {
    let Some(name) = name.strip_prefix(b"temp-").and_then(|name| name.strip_suffix(b".rdb")) else { return false };
    let numbers: Vec<&[u8]> = name.strip_prefix(b"rewriteaof-").unwrap_or(name).split(|&byte| byte == b'-').collect();
    numbers.len() == 2 && numbers.iter().all(|number| !number.is_empty() && number.iter().all(u8::is_ascii_digit))
}

async fn sync_folder(folder: &Path) -> io::Result<()> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let folder = File::open(folder).await?;
    folder.sync_all().await?;
    folder.close().await
}
