//! Cutting a file off where it ceases to be good. What goes is kept in a file beside it.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// Where what a file has from `len` on is kept.
pub fn kept_path(path: &Path, len: u64) -> PathBuf {
    let mut kept = path.as_os_str().to_owned();
    kept.push(format!(".cut-at-{len}"));
    kept.into()
}

/// The same, where nothing is kept yet.
pub fn free_kept_path(path: &Path, len: u64) -> PathBuf {
    let first = kept_path(path, len);
    let numbered = |nth: u32| {
        let mut name = first.as_os_str().to_owned();
        name.push(format!(".{nth}"));
        PathBuf::from(name)
    };
    std::iter::once(first.clone()).chain((1..).map(numbered)).find(|path| !path.exists()).unwrap_or(first)
}

/// Copies what a file has from `len` on.
///
/// # Errors
/// If it cannot be read, or there is no room for it.
pub fn keep_tail(path: &Path, len: u64, kept: io::Result<File>) -> io::Result<()> {
    let (mut file, mut kept) = (File::open(path)?, kept?);
    file.seek(SeekFrom::Start(len))?;
    io::copy(&mut file, &mut kept)?;
    kept.sync_all()
}

/// Cuts a file off.
///
/// # Errors
/// If it cannot be written.
pub fn cut(path: &Path, len: u64) -> io::Result<()> {
    let file = OpenOptions::new().write(true).open(path)?;
    file.set_len(len)?;
    file.sync_all()
}

/// The same at a start: what goes is kept if there is room for it. The disk may be full, which must not keep the node from starting.
///
/// # Errors
/// As [`cut`].
pub fn truncate(path: &Path, len: u64) -> io::Result<()> {
    let _ = keep_tail(path, len, File::create(kept_path(path, len)));
    cut(path, len)
}
