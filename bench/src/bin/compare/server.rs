//! Server processes: what a binary is, starting one on its CPUs with its own directory and port, and surely ending it.

use std::fs::{self, File};
use std::io::Read;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::client::Client;
use crate::{Result, launch};

const START_TIMEOUT: Duration = Duration::from_secs(20);
const VERSION_TIMEOUT: Duration = Duration::from_secs(5);
const DIRECTORY_PREFIX: &str = "koltso-compare-";

/// Whose command line and habits a binary has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Koltso,
    /// redis-server or valkey-server
    Redis,
}

/// A server binary under the name it has in the report.
#[derive(Clone, Debug)]
pub struct Program {
    pub name: String,
    pub path: PathBuf,
    pub kind: Kind,
    pub version: String,
}

impl Program {
    /// Asks the binary for its version, which also tells what it is.
    pub fn identify(name: &str, path: &Path) -> Result<Program> {
        let text = version_text(path).map_err(|e| format!("{} --version: {e}", path.display()))?;
        let kind = if text.to_ascii_lowercase().starts_with("koltso") { Kind::Koltso } else { Kind::Redis };
        let mut words = text.split_whitespace();
        let version = words.clone().find_map(|w| w.strip_prefix("v=")).or_else(|| words.nth(1)).unwrap_or("?");
        // Symbolic links stay: Debian's redis-server goes by the name it is called.
        let path = if path.components().count() > 1 { std::path::absolute(path)? } else { path.to_owned() };
        Ok(Program { name: name.to_owned(), path, kind, version: version.to_owned() })
    }
}

/// What `--version` prints. A program that starts to serve instead is ended.
fn version_text(path: &Path) -> Result<String> {
    let mut command = Command::new(path);
    command.arg("--version").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn()?;
    let deadline = Instant::now() + VERSION_TIMEOUT;
    while child.try_wait()?.is_none() {
        if Instant::now() > deadline {
            child.kill()?;
            child.wait()?;
            return Err(format!("does not end within {VERSION_TIMEOUT:?}").into());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let mut text = String::new();
    child.stdout.take().ok_or("no output")?.read_to_string(&mut text)?;
    Ok(text.trim().to_owned())
}

/// A running server. Dropping it kills the process and removes its directory.
pub struct Server {
    child: Child,
    port: u16,
    directory: PathBuf,
}

impl Server {
    /// Starts `program` on `cpus` with its default configuration, except that nothing is saved. `cores` is koltso's.
    pub fn start(program: &Program, cpus: &[usize], cores: usize) -> Result<Server> {
        let directory = fresh_directory()?;
        let port = free_port()?;
        let log = File::create(directory.join("log"))?;
        let mut command = launch::pinned(&program.path, cpus)?;
        command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir"]);
        command.arg(&directory);
        if program.kind == Kind::Koltso {
            command.args(["--cores", &cores.to_string()]);
        }
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let mut server = Server { child: command.spawn()?, port, directory };
        server.wait_ready().map_err(|e| format!("{} does not start: {e}", program.name))?;
        Ok(server)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn client(&self) -> Result<Client> {
        Client::connect(self.port)
    }

    /// Halts the process (SIGSTOP), so that it takes nothing from the one being measured.
    pub fn pause(&self) -> Result<()> {
        self.signal(Signal::STOP)
    }

    /// Lets the process go on and waits until it answers.
    pub fn resume(&self) -> Result<()> {
        self.signal(Signal::CONT)?;
        self.client()?.command(&["PING"])?;
        // Timers that came due meanwhile fire now, not in the measurement.
        std::thread::sleep(Duration::from_millis(100));
        Ok(())
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let pid = Pid::from_raw(self.child.id().cast_signed()).ok_or("process 0")?;
        Ok(kill_process(pid, signal)?)
    }

    fn wait_ready(&mut self) -> Result<()> {
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Err(format!("{status}; it said:\n{}", self.log_tail()).into());
            }
            match Client::connect(self.port).and_then(|mut client| client.text(&["PING"])) {
                Ok(answer) if answer == "PONG" => return Ok(()),
                _ if Instant::now() > deadline => {
                    return Err(format!("no PONG within {START_TIMEOUT:?}; it said:\n{}", self.log_tail()).into());
                }
                _ => std::thread::sleep(Duration::from_millis(10)),
            }
        }
    }

    /// The end of what the server has logged.
    pub fn log_tail(&self) -> String {
        let text = fs::read(self.directory.join("log")).unwrap_or_default();
        String::from_utf8_lossy(&text[text.len().saturating_sub(1500)..]).into_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// Removes directories of earlier runs that were killed before they could.
pub fn remove_stale_directories() {
    let Ok(entries) = fs::read_dir(std::env::temp_dir()) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let owner = name.to_str().and_then(|n| n.strip_prefix(DIRECTORY_PREFIX)).and_then(|n| n.split('-').next());
        if owner.is_some_and(|pid| pid.parse::<u32>().is_ok() && !Path::new("/proc").join(pid).exists()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn fresh_directory() -> Result<PathBuf> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("{DIRECTORY_PREFIX}{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let path = std::env::temp_dir().join(name);
    fs::create_dir(&path)?;
    Ok(path)
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
