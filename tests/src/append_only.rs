//! The folder of an append-only file, of koltso or of Redis.

use std::fs;
use std::path::PathBuf;

use crate::wait::{DISK_DEADLINE, eventually_for, must};
use crate::{Client, Server};

/// Where the file is, with the default `appenddirname`.
pub fn folder(server: &Server) -> PathBuf {
    server.dir().join("appendonlydir")
}

/// The files that the manifest names, in order.
pub fn files(server: &Server) -> Vec<PathBuf> {
    let text = fs::read_to_string(folder(server).join("appendonly.aof.manifest")).unwrap();
    let read = text.lines().filter(|line| !line.contains(" type h"));
    read.map(|line| folder(server).join(line.split(' ').nth(1).unwrap())).collect()
}

/// The one that is written to.
pub fn last_file(server: &Server) -> PathBuf {
    files(server).pop().unwrap()
}

/// A small segment: four keys of database 1, two of them of a transaction.
pub const SEGMENT: &str = "*2\r\n$6\r\nSELECT\r\n$1\r\n1\r\n*3\r\n$3\r\nSET\r\n$1\r\na\r\n$2\r\n12\r\n#TS:1\r\n*1\r\n$5\r\nMULTI\r\n\
    *2\r\n$4\r\nINCR\r\n$1\r\nb\r\n*2\r\n$4\r\nINCR\r\n$1\r\nc\r\n*1\r\n$4\r\nEXEC\r\n*3\r\n$3\r\nSET\r\n$1\r\nd\r\n$1\r\n1\r\n";

/// Writes a folder of nothing but these segments, as Redis would.
pub fn write_folder(server: &Server, segments: &[&[u8]]) {
    fs::create_dir_all(folder(server)).unwrap();
    let mut manifest = String::new();
    for (nth, segment) in segments.iter().enumerate() {
        fs::write(folder(server).join(format!("{nth}.incr.aof")), segment).unwrap();
        manifest.push_str(&format!("file {nth}.incr.aof seq {} type i\n", nth + 1));
    }
    fs::write(folder(server).join("appendonly.aof.manifest"), manifest).unwrap();
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

/// Everything so far is on disk.
#[track_caller]
pub fn wait_on_disk(client: &mut Client) {
    assert_eq!(client.must(&["WAITAOF", "1", "0", "0"]).items()[0].int(), 1);
}
