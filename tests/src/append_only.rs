//! The folder of an append-only file, of koltso or of Redis.

use std::fs;
use std::path::PathBuf;

use crate::wait::{DISK_DEADLINE, eventually_for, must};
use crate::{Client, Server};

/// Where the file is, with the default `appenddirname`.
pub fn folder(server: &Server) -> PathBuf {
    server.dir().join("appendonlydir")
}

/// Starts `server`, which has an append-only file as well, again on a copy of the folder of another.
#[track_caller]
pub fn on_copy_of(mut server: Server, of: &Server) -> Server {
    server.kill();
    fs::remove_dir_all(folder(&server)).unwrap();
    fs::create_dir(folder(&server)).unwrap();
    for file in fs::read_dir(folder(of)).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), folder(&server).join(file.file_name())).unwrap();
    }
    server.restart();
    server
}

/// Waits until nothing is rewritten, or about to be.
#[track_caller]
pub fn wait_no_rewrite(client: &mut Client) {
    eventually_for(DISK_DEADLINE, "the rewrite ends", || {
        let info = client.info("persistence");
        let done = info.int("aof_rewrite_in_progress") == 0 && info.int("aof_rewrite_scheduled") == 0;
        must(done, || format!("{info:?}"))
    });
}
