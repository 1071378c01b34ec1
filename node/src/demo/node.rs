//! A node as a child process, in a folder of its own.

use super::client::Client;
use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The longest that a start may take.
const START_MAX: Duration = Duration::from_secs(10);

/// A node that runs until this is dropped.
pub struct Node {
    /// Where it listens.
    pub port: u16,
    child: Child,
    dir: PathBuf,
}

impl Node {
    /// Starts this same binary on a free port, and waits until it answers.
    pub fn start(name: &str, args: &[&str]) -> Result<Self, String> {
        let failed = |error: std::io::Error| format!("starting the {name}: {error}");
        let binary = std::env::current_exe().map_err(failed)?;
        let port = free_port().map_err(failed)?;
        let dir = std::env::temp_dir().join(format!("koltso-demo-{}-{name}", std::process::id()));
        fs::create_dir_all(&dir).map_err(failed)?;
        let log = File::create(dir.join("log")).map_err(failed)?;
        let errors = log.try_clone().map_err(failed)?;
        let child = Command::new(binary)
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--enable-debug-command", "local"])
            .arg("--dir")
            .arg(&dir)
            .args(args)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .spawn()
            .map_err(failed)?;
        let mut node = Node { port, child, dir };
        node.wait(name)?;
        Ok(node)
    }

    fn wait(&mut self, name: &str) -> Result<(), String> {
        let deadline = Instant::now() + START_MAX;
        loop {
            if Client::connect(self.port).and_then(|mut client| client.text(&["PING"])).is_ok() {
                return Ok(());
            }
            let ended = self.child.try_wait().ok().flatten();
            if ended.is_some() || Instant::now() > deadline {
                let log = fs::read_to_string(self.dir.join("log")).unwrap_or_default();
                return Err(format!("the {name} did not start. It says:\n{}", log.trim_end()));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.dir);
    }
}

fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
