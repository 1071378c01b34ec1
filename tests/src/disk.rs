//! A small disk, to be filled up.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::server::{free_port, fresh_dir};

/// A small file system that is unmounted when dropped.
pub struct SmallDisk(pub PathBuf);

impl SmallDisk {
    /// None where mounting is not permitted.
    pub fn mount(kilobytes: usize) -> Option<SmallDisk> {
        let dir = fresh_dir(format!("disk-{}", free_port()));
        let size = format!("size={kilobytes}k");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(&dir).output();
        match mounted {
            Ok(output) if output.status.success() => Some(SmallDisk(dir)),
            other => {
                println!("skipped: a tmpfs cannot be mounted here: {other:?}");
                fs::remove_dir_all(dir).ok();
                None
            }
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        Command::new("umount").arg("-l").arg(&self.0).output().ok();
        fs::remove_dir_all(&self.0).ok();
    }
}
