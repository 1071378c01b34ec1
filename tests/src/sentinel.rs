//! The real Sentinel as a process.

use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::Duration;

use crate::server::{attended, free_port, fresh_dir, redis_binary};
use crate::{Client, eventually};

/// A whole failover: to notice takes three seconds, so that a busy machine is not taken for a dead one; then there are steps of a
/// second each, and a returning primary is told after ten. A Sentinel that was itself kept from looking at its clock rests for thirty,
/// and a second try takes twenty.
pub const FAILOVER: Duration = Duration::from_secs(120);

/// A Sentinel that watches one group, which it calls `mine`.
pub struct Sentinel {
    process: Child,
    port: u16,
    dir: PathBuf,
}

impl Sentinel {
    /// Watches the primary at a port of this machine. So many Sentinels have to agree that it is gone.
    pub fn watch(primary: u16, quorum: usize) -> Sentinel {
        let port = free_port();
        let dir = fresh_dir(format!("sentinel-{port}"));
        let config = format!(
            "port {port}\ndir {}\nsentinel monitor mine 127.0.0.1 {primary} {quorum}\n\
             sentinel down-after-milliseconds mine 3000\nsentinel failover-timeout mine 10000\n",
            dir.display()
        );
        let file = dir.join("sentinel.conf");
        std::fs::write(&file, config).expect("write the configuration file");
        let mut command = attended(redis_binary("redis-server"));
        command.arg(&file).arg("--sentinel").stdout(Stdio::null()).stderr(Stdio::null());
        let process = command.spawn().expect("start a sentinel");
        Sentinel { process, port, dir }
    }

    /// A connection to it.
    #[track_caller]
    pub fn client(&self) -> Client {
        eventually("the sentinel answers", || Client::connect(self.port).map_err(|error| error.to_string()))
    }

    /// What it says of the primary under a name.
    #[track_caller]
    pub fn field(&self, name: &str) -> String {
        let words = self.client().must(&["SENTINEL", "MASTER", "mine"]).items();
        words.iter().skip_while(|word| word.text() != name).nth(1).map(|word| word.text()).unwrap_or_default()
    }

    /// The port of the primary that it watches: only after a failover is at its end another one.
    #[track_caller]
    pub fn primary(&self) -> String {
        self.field("port")
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
        std::fs::remove_dir_all(&self.dir).ok();
    }
}
