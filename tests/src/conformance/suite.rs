//! The unpacked suite: which units there are, and a run of one of them against a port.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::conformance::Outcome;
use crate::server::{free_port, fresh_dir, koltso_binary, redis_binary};
use crate::{Kind, Server};

/// The suite looks for a port of its own among so many below `--baseport`.
const PORTS_BELOW: u16 = 32;
/// Without a word from a test for so long, the suite gives up by itself.
const SILENCE: Duration = Duration::from_secs(60);
/// And what does not end even so is killed.
const UNIT_DEADLINE: Duration = Duration::from_secs(240);

/// What the suite's helpers insist on before any test can say something, and what they are told instead.
const ADAPTED: [(&str, &str); 1] = [
    // Small lists are listpacks as from Redis 7.2. A third of the tests of lists begin with their encoding.
    (
        "    set val [r object encoding $key]\n",
        "    set val [r object encoding $key]\n    if {$enc eq {quicklist} && $val eq {listpack}} {set enc listpack}\n",
    ),
];

/// Units that write the configuration of their servers, or have several: the suite starts them itself.
const STARTS_SERVERS: [&str; 3] = ["unit/acl", "unit/acl-v2", "unit/dump"];

/// A copy of the suite that one unit at a time runs in.
pub struct Suite {
    dir: PathBuf,
}

impl Suite {
    /// A folder that looks to the suite like its own source tree, with the installed tools where it expects those that it
    /// would have built. `source` stays as it is.
    pub fn new(source: &Path, tag: &str) -> io::Result<Suite> {
        use std::os::unix::fs::symlink;
        let suite = Suite { dir: fresh_dir(format!("conformance-{tag}")) };
        let dir = &suite.dir;
        fs::create_dir_all(dir.join("tests/tmp"))?;
        fs::create_dir(dir.join("src"))?;
        symlink(source.join("runtest"), dir.join("runtest"))?;
        for entry in fs::read_dir(source.join("tests"))? {
            let entry = entry?;
            if entry.file_name() != "tmp" && entry.file_name() != "support" {
                symlink(entry.path(), dir.join("tests").join(entry.file_name()))?;
            }
        }
        suite.adapt(source)?;
        for tool in ["redis-cli", "redis-benchmark", "redis-server", "redis-check-rdb", "redis-check-aof"] {
            symlink(redis_binary(tool), dir.join("src").join(tool))?;
        }
        Ok(suite)
    }

    /// Copies the suite's helpers, with what [`ADAPTED`] says.
    fn adapt(&self, source: &Path) -> io::Result<()> {
        let support = self.dir.join("tests/support");
        fs::create_dir(&support)?;
        for entry in fs::read_dir(source.join("tests/support"))? {
            let entry = entry?;
            let text = ADAPTED.iter().fold(fs::read_to_string(entry.path())?, |text, (from, to)| text.replace(from, to));
            fs::write(support.join(entry.file_name()), text)?;
        }
        Ok(())
    }

    /// What the suite starts where it wants a server of its own.
    fn put_server(&self, script: &str) -> io::Result<()> {
        let path = self.dir.join("src/redis-server");
        fs::remove_file(&path)?;
        fs::write(&path, script)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))
    }

    /// The names of all units.
    pub fn units(&self) -> io::Result<Vec<String>> {
        let output = Command::new("./runtest").arg("--list-tests").current_dir(&self.dir).output()?;
        let units: Vec<String> = String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect();
        let whole = output.status.success() && units.len() > 1;
        whole.then_some(units).ok_or_else(|| io::Error::other(format!("runtest --list-tests: {output:?}")))
    }

    /// Runs a unit against a server, but for the tests with these names. What it printed comes with it.
    pub fn run<'a>(
        &self,
        unit: &str,
        left_out: impl Iterator<Item = &'a str>,
        server: &Server,
    ) -> io::Result<(Outcome, String)> {
        let printed = self.dir.join("output");
        let base = free_port() + PORTS_BELOW;
        let mut command = Command::new("./runtest");
        if STARTS_SERVERS.contains(&unit) {
            self.put_server(&start_script(server.kind()))?;
            command.args(["--clients", "1"]);
        } else {
            command.args(["--host", "127.0.0.1", "--port", &server.port().to_string(), "--singledb"]);
        }
        command.args(["--tags", "-slow", "--durable", "--single", unit, "--baseport", &base.to_string()]);
        left_out.into_iter().for_each(|name| _ = command.args(["--skiptest", name]));
        command.args(["--timeout", &SILENCE.as_secs().to_string()]);
        let output = fs::File::create(&printed)?;
        command.stdin(Stdio::null()).stderr(output.try_clone()?).stdout(output);
        // The suite starts processes of its own; they form a group that can be ended.
        command.current_dir(&self.dir).process_group(0);
        let in_time = wait(command.spawn()?)?;
        if STARTS_SERVERS.contains(&unit) {
            self.put_server(&start_script(Kind::Redis))?;
        }
        let text = String::from_utf8_lossy(&fs::read(&printed)?).into_owned();
        let mut outcome = Outcome::parse(&text);
        if !in_time {
            outcome.fail(format!("not at its end within {UNIT_DEADLINE:?}"));
        } else if !outcome.done {
            let lines: Vec<&str> = text.lines().rev().take(10).collect();
            let last: Vec<&str> = lines.into_iter().rev().collect();
            outcome.fail(format!("the unit did not come to its end:\n{}", last.join("\n")));
        }
        Ok((outcome, text))
    }
}

/// A shell script that starts a server, and says in Redis's words what the suite waits for: its process id once it listens, or that
/// somebody else has its port, after which the suite tries another.
fn start_script(kind: Kind) -> String {
    match kind {
        Kind::Koltso { cores } if kind.is_koltso() => format!(
            r#"#!/bin/bash
exec '{}' "$@" --cores {cores} > >(while IFS= read -r line; do
  printf '%s\n' "$line"
  case $line in
    *'Ready to accept connections'*) echo " PID: $$" ;;
    *'listening socket'*) echo 'Failed listening on port' ;;
  esac
done) 2>&1
"#,
            koltso_binary().display()
        ),
        _ => format!("#!/bin/sh\necho \" PID: $$\"\nexec '{}' \"$@\"\n", redis_binary("redis-server").display()),
    }
}

impl Drop for Suite {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.dir).ok();
    }
}

/// True if the process ended by itself. What is left of its group is ended in any case.
fn wait(mut child: Child) -> io::Result<bool> {
    let deadline = Instant::now() + UNIT_DEADLINE;
    let in_time = loop {
        if child.try_wait()?.is_some() {
            break true;
        }
        if Instant::now() >= deadline {
            break false;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    if let Some(group) = Pid::from_raw(child.id() as i32) {
        kill_process_group(group, Signal::KILL).ok();
    }
    child.wait()?;
    Ok(in_time)
}
