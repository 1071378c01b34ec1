//! An append-only file becomes an RDB: a node of its own reads it, in a folder that nobody else sees, and saves it.
//!
//! It is the binary itself, as a child process that listens on a socket in that folder and nowhere else.

use std::fs::{self, DirBuilder, File};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How often is looked whether it has read everything.
const LOOK_EVERY: Duration = Duration::from_millis(20);
const FOLDER: &str = "appendonlydir";
const SOCKET: &str = "socket";
const LOG: &str = "log";

/// Makes `to` of the append-only file that `write` puts into the folder which it is told.
///
/// # Errors
/// What went wrong; then there is no `to`.
pub fn rdb<E: From<String>>(to: &Path, write: impl FnOnce(&Path) -> Result<(), E>) -> Result<(), E> {
    let failed = |error: std::io::Error| E::from(format!("{}: {error}", to.display()));
    // Beside the target, where there is room for it, if anywhere.
    let parent = to.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let dir = parent.join(format!("temp-restore-{}", std::process::id()));
    DirBuilder::new().mode(0o700).create(&dir).map_err(failed)?;
    let outcome = write(&dir.join(FOLDER))
        .and_then(|()| save(&dir).map_err(E::from))
        // Unlike a rename, it takes nothing's place.
        .and_then(|()| fs::hard_link(dir.join("dump.rdb"), to).map_err(failed));
    let _ = fs::remove_dir_all(&dir);
    outcome
}

/// Has a node save what is in the folder.
fn save(dir: &Path) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("starting a node that reads the append-only file: {error}");
    let binary = std::env::current_exe().map_err(failed)?;
    let log = File::create(dir.join(LOG)).map_err(failed)?;
    // The socket's path may not be longer than a hundred bytes: it is relative, here as in `ask`.
    let child = Command::new(binary)
        .args(["--port", "0", "--unixsocket", SOCKET, "--cores", "1", "--save", "", "--dir", ".", "--dbfilename", "dump.rdb"])
        .args(["--appendonly", "yes", "--appenddirname", FOLDER, "--auto-aof-rewrite-percentage", "0"])
        .current_dir(dir)
        .stdin(Stdio::null())
        .stderr(log.try_clone().map_err(failed)?)
        .stdout(log)
        .spawn()
        .map_err(failed)?;
    let mut child = Running(child);
    let outcome = loop {
        match ask(child.0.id()) {
            Some(reply) if reply.starts_with("+OK") => break Ok(()),
            Some(reply) if !reply.starts_with("-LOADING") => break Err(reply),
            // It does not listen yet, or reads still.
            _ => {}
        }
        if child.0.try_wait().ok().flatten().is_some() {
            break Err("it has ended".to_string());
        }
        std::thread::sleep(LOOK_EVERY);
    };
    drop(child);
    let log = || fs::read_to_string(dir.join(LOG)).unwrap_or_default();
    outcome.map_err(|why| format!("the node that reads the append-only file does not save it: {why}\n{}", log().trim_end()))
}

/// Asks it to save; `None` if it does not answer.
fn ask(id: u32) -> Option<String> {
    let mut stream = UnixStream::connect(format!("/proc/{id}/cwd/{SOCKET}")).ok()?;
    stream.write_all(b"SAVE\r\n").ok()?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).ok()?;
    Some(line).filter(|line| !line.is_empty())
}

/// A process that ends with this.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
