//! redis-cli, redis-benchmark and redis-check-rdb, run to their end with a deadline and captured.

use std::io::{ErrorKind, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::server::redis_binary;
use crate::wait::{eventually_for, must};

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

/// Runs a redis tool until what it has printed is `enough`, and ends it.
#[track_caller]
pub fn run_until(tool: &str, args: &[&str], enough: impl Fn(&str) -> bool) -> Output {
    let mut tool = Tool::start("stdbuf", &[&["-oL", tool], args].concat());
    tool.wait_printed(enough);
    tool.kill();
    tool.finish(RUN_DEADLINE)
}

/// A running tool whose output is read meanwhile.
pub struct Tool {
    child: Child,
    out: Stream,
    err: Stream,
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
        Tool { child, out, err }
    }

    /// Waits until what it has printed is `enough`.
    #[track_caller]
    pub fn wait_printed(&self, enough: impl Fn(&str) -> bool) {
        eventually_for(RUN_DEADLINE, "the tool has printed enough", || {
            let printed = self.out.text();
            must(enough(&printed), || printed.clone())
        });
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
        Output { out: self.out.whole(), err: self.err.whole(), status }
    }
}

impl Drop for Tool {
    fn drop(&mut self) {
        self.kill();
        self.child.wait().ok();
    }
}

/// What is read from a pipe, by a thread.
struct Stream {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
}

impl Stream {
    /// What has come so far.
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().expect("lock")).into_owned()
    }

    /// Everything, up to the end.
    fn whole(&mut self) -> String {
        if let Some(reader) = self.reader.take() {
            reader.join().expect("reader");
        }
        self.text()
    }
}

fn collect(mut from: impl Read + Send + 'static) -> Stream {
    let bytes = Arc::new(Mutex::new(Vec::new()));
    let reader = std::thread::spawn({
        let bytes = bytes.clone();
        move || {
            let mut chunk = [0; 65536];
            loop {
                match from.read(&mut chunk) {
                    Ok(0) => return,
                    Ok(n) => bytes.lock().expect("lock").extend_from_slice(&chunk[..n]),
                    Err(e) if e.kind() == ErrorKind::Interrupted => {}
                    Err(_) => return,
                }
            }
        }
    });
    Stream { bytes, reader: Some(reader) }
}
