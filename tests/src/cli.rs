//! redis-cli, redis-benchmark and redis-check-rdb, run to their end with a deadline and captured.

use std::io::Read;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::server::redis_binary;
use crate::wait::eventually_for;

/// Longer than any call in the tests should take.
const RUN_DEADLINE: Duration = Duration::from_secs(60);

/// What a tool printed and how it ended.
#[derive(Debug)]
pub struct Output {
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
    /// The exit status.
    pub status: ExitStatus,
}

/// Runs `redis-cli -p port args…` and returns its standard output. Panics if it fails.
#[track_caller]
pub fn redis_cli(port: u16, args: &[&str]) -> String {
    let output = run("redis-cli", &[&["-p", &port.to_string()], args].concat());
    assert!(output.status.success(), "redis-cli {args:?}: {output:?}");
    output.out
}

/// Runs a redis tool to its end.
#[track_caller]
pub fn run(tool: &str, args: &[&str]) -> Output {
    Tool::start(tool, args).finish(RUN_DEADLINE)
}

/// Runs a redis tool and ends it after `span`: for `--stat`, `monitor` and the like, which never end by themselves.
#[track_caller]
pub fn run_for(span: Duration, tool: &str, args: &[&str]) -> Output {
    // What is killed does not flush: it has to write line by line.
    let mut tool = Tool::start("stdbuf", &[&["-oL", tool], args].concat());
    std::thread::sleep(span);
    tool.kill();
    tool.finish(RUN_DEADLINE)
}

/// A running tool whose output is read meanwhile.
pub struct Tool {
    child: Child,
    out: Option<JoinHandle<String>>,
    err: Option<JoinHandle<String>>,
}

impl Tool {
    /// Starts it, with no standard input.
    #[track_caller]
    pub fn start(tool: &str, args: &[&str]) -> Tool {
        let mut command = Command::new(redis_binary(tool));
        command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|e| panic!("start {tool}: {e}"));
        let out = collect(child.stdout.take().expect("a pipe"));
        let err = collect(child.stderr.take().expect("a pipe"));
        Tool { child, out: Some(out), err: Some(err) }
    }

    /// Ends it.
    pub fn kill(&mut self) {
        self.child.kill().ok();
    }

    /// Waits for its end, and panics if that does not come in time.
    #[track_caller]
    pub fn finish(mut self, deadline: Duration) -> Output {
        let status = eventually_for(deadline, "the tool ends", || match self.child.try_wait() {
            Ok(Some(status)) => Ok(status),
            Ok(None) => Err("it still runs".to_string()),
            Err(e) => Err(e.to_string()),
        });
        let text = |handle: Option<JoinHandle<String>>| handle.expect("not yet taken").join().expect("reader");
        Output { out: text(self.out.take()), err: text(self.err.take()), status }
    }
}

impl Drop for Tool {
    fn drop(&mut self) {
        self.kill();
        self.child.wait().ok();
    }
}

fn collect(mut from: impl Read + Send + 'static) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        from.read_to_end(&mut bytes).ok();
        String::from_utf8_lossy(&bytes).into_owned()
    })
}
