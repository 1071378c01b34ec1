//! Servers as child processes: started on a free port in a folder of their own, asked until they answer, killed by
//! process id when dropped.
//!
//! Must not touch a process that it did not start.

use std::fs;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rustix::net;
use rustix::process::{Pid, Signal, kill_process};

use crate::wait::{eventually_for, must};
use crate::{Client, Info, stutter};

/// Debug builds on a loaded machine, and a restart may load a file first.
const START_DEADLINE: Duration = Duration::from_secs(60);
/// After a signal that ends the process.
const EXIT_DEADLINE: Duration = Duration::from_secs(40);

/// What to start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The server under test with so many cores.
    Koltso {
        /// `--cores`
        cores: usize,
    },
    /// redis-server from PATH.
    Redis,
}

impl Kind {
    /// True if a koltso process will run: false under `KOLTSO_SELFCHECK=redis`.
    pub fn is_koltso(self) -> bool {
        matches!(self, Kind::Koltso { .. }) && !selfcheck()
    }

    fn command(self) -> Command {
        attended(if self.is_koltso() { koltso_binary() } else { redis_binary("redis-server") })
    }
}

/// A process that is to end with the thread that starts it, even where that is killed and drops nothing: so servers must be started in
/// the test's own thread.
pub fn attended(binary: PathBuf) -> Command {
    match in_path("setpriv") {
        Some(setpriv) => {
            let mut command = Command::new(setpriv);
            command.args(["--pdeathsig", "KILL"]).arg(binary);
            command
        }
        None => Command::new(binary),
    }
}

/// True if redis-server stands in for koltso.
pub fn selfcheck() -> bool {
    std::env::var("KOLTSO_SELFCHECK").is_ok_and(|value| value == "redis")
}

/// The binary under test: `KOLTSO_BIN`, or `koltso` in the profile folder that this test executable lies under.
pub fn koltso_binary() -> PathBuf {
    if let Ok(path) = std::env::var("KOLTSO_BIN") {
        return path.into();
    }
    let test = std::env::current_exe().expect("path of the test executable");
    // Tests lie in target/<profile>/deps, the tools of this crate a folder above.
    let beside = test.ancestors().skip(1).take(2).map(|folder| folder.join("koltso")).find(|binary| binary.exists());
    beside.unwrap_or_else(|| panic!("koltso is missing beside {}: cargo build -p koltso", test.display()))
}

/// A tool of the Debian packages redis-server and redis-tools. Panics with the remedy if it is not installed.
pub fn redis_binary(name: &str) -> PathBuf {
    let remedy = "apt-get install --no-install-recommends redis-server redis-tools";
    in_path(name).unwrap_or_else(|| panic!("{name} is not installed: {remedy}"))
}

fn in_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// How a server is to be started.
pub struct Builder {
    kind: Kind,
    config: String,
    args: Vec<String>,
    port: u16,
}

impl Builder {
    /// One directive for the configuration file. The value is written as it is: quote it where the file needs quotes.
    pub fn set(mut self, name: &str, value: impl std::fmt::Display) -> Builder {
        self.config.push_str(&format!("{name} {value}\n"));
        self
    }

    /// `replicaof` this machine's `port`.
    pub fn replica_of(self, port: u16) -> Builder {
        self.set("replicaof", format!("127.0.0.1 {port}"))
    }

    /// Text for the end of the configuration file.
    pub fn text(mut self, text: &str) -> Builder {
        self.config.push_str(text);
        self
    }

    /// Arguments after the configuration file.
    pub fn args(mut self, args: &[&str]) -> Builder {
        self.args.extend(args.iter().map(|arg| arg.to_string()));
        self
    }

    /// Starts it and waits until it answers. Panics with the end of its log if it does not.
    #[track_caller]
    pub fn start(self) -> Server {
        let mut server = self.spawn();
        server.wait_ready();
        server
    }

    /// Starts it without waiting.
    pub fn spawn(self) -> Server {
        let dir = fresh_dir(self.port);
        let mut server = Server { kind: self.kind, port: self.port, dir, config: self.config, args: self.args, child: None };
        server.launch();
        server
    }
}

/// A running (or killed) server.
pub struct Server {
    kind: Kind,
    port: u16,
    dir: PathBuf,
    config: String,
    args: Vec<String>,
    child: Option<Child>,
}

impl Server {
    /// A server with the harness's defaults, see [`Server::with`].
    #[track_caller]
    pub fn start(kind: Kind) -> Server {
        Server::with(kind).start()
    }

    /// The beginnings of a server: no save points, DEBUG allowed, no delay before a diskless sync.
    pub fn with(kind: Kind) -> Builder {
        let port = free_port();
        let config = format!(
            "port {port}\nbind 127.0.0.1\ndaemonize no\nsave \"\"\nappendonly no\nenable-debug-command yes\n\
             repl-diskless-sync yes\nrepl-diskless-sync-delay 0\nloglevel notice\n"
        );
        Builder { kind, config, args: Vec::new(), port }
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its kind.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Its folder: `dir`, configuration file and log.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Its process id.
    #[track_caller]
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("the server runs").id()
    }

    /// A new connection. Panics if it is refused.
    #[track_caller]
    pub fn client(&self) -> Client {
        Client::connect(self.port).unwrap_or_else(|e| panic!("connect to port {}: {e}\n{}", self.port, self.log_tail()))
    }

    /// INFO through a connection of its own.
    #[track_caller]
    pub fn info(&self) -> Info {
        self.client().info("everything")
    }

    /// Everything it has logged so far, over restarts too.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.log_path()).unwrap_or_default()).into_owned()
    }

    /// Waits until the log holds `needle`.
    #[track_caller]
    pub fn wait_log(&self, needle: &str) {
        crate::eventually(&format!("the log says {needle:?}"), || must(self.log().contains(needle), || self.log_tail()));
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.pid() as i32).expect("a process id");
        kill_process(pid, signal).expect("signal the server");
    }

    /// SIGSTOP: the process is frozen, its sockets stay open. Threads stop one after another; this waits for all of them.
    pub fn freeze(&self) {
        stutter::freeze(self.pid());
        let tasks = format!("/proc/{}/task", self.pid());
        crate::eventually("every thread has stopped", || {
            let stats =
                fs::read_dir(&tasks).expect("the process").flatten().map(|task| fs::read_to_string(task.path().join("stat")));
            // The state stands behind the name, which stands in brackets.
            let runs = |stat: &String| stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('T'));
            must(!stats.flatten().any(|stat| runs(&stat)), || self.log_tail())
        });
    }

    /// SIGCONT after [`Server::freeze`].
    pub fn thaw(&self) {
        stutter::thaw(self.pid());
    }

    /// kill -9, and waits for the end.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().ok();
            child.wait().ok();
            stutter::forget(child.id());
        }
    }

    /// How it ended, if it did by itself.
    pub fn exited(&mut self) -> Option<ExitStatus> {
        self.child.as_mut().and_then(|child| child.try_wait().ok().flatten())
    }

    /// SIGTERM, and waits for the end. Panics if it does not end.
    #[track_caller]
    pub fn terminate(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.wait_exit()
    }

    /// Waits for the process to end by itself.
    #[track_caller]
    pub fn wait_exit(&mut self) -> ExitStatus {
        let mut child = self.child.take().expect("the server runs");
        let status = eventually_for(EXIT_DEADLINE, "the server ends", || match child.try_wait() {
            Ok(Some(status)) => Ok(status),
            Ok(None) => Err(tail(&self.log())),
            Err(e) => Err(e.to_string()),
        });
        assert_ne!(status.signal(), Some(6), "the server aborted\n{}", self.log_tail());
        status
    }

    /// Starts it again on the same port and folder, after [`Server::kill`] or [`Server::terminate`].
    #[track_caller]
    pub fn restart(&mut self) {
        self.kill();
        self.launch();
        self.wait_ready();
    }

    /// As [`Server::restart`], with the configuration file as the server itself has rewritten it.
    #[track_caller]
    pub fn restart_as_it_is(&mut self) {
        self.kill();
        self.spawn();
        self.wait_ready();
    }

    /// Starts it again where it is expected to refuse, and returns how it ended.
    #[track_caller]
    pub fn relaunch_to_fail(&mut self) -> ExitStatus {
        self.kill();
        self.launch();
        self.wait_exit()
    }

    /// Adds configuration text, to be read at the next restart.
    pub fn configure(&mut self, text: &str) {
        self.config.push_str(text);
        self.config.push('\n');
    }

    /// True while the process has not ended.
    pub fn is_running(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// Waits until it answers PING and says that it is the process that was started.
    #[track_caller]
    pub fn wait_ready(&mut self) {
        eventually_for(START_DEADLINE, "the server answers PING", || {
            let child = self.child.as_mut().ok_or("not started")?;
            if let Ok(Some(status)) = child.try_wait() {
                panic!("the server ended at its start ({status})\n{}", tail(&self.log()));
            }
            let pid = child.id();
            self.answers(pid).map_err(|e| format!("{e}\n{}", self.log_tail()))
        });
    }

    /// Resident memory in bytes.
    pub fn resident(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0");
        line.split_whitespace().next().and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) * 1024
    }

    /// Processor time that it has used so far: what something costs it, whatever else the machine does meanwhile.
    pub fn processor_time(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap_or_default();
        // The name stands in brackets and may hold anything; the times are the 14th and the 15th field, in hundredths of a second.
        let fields = stat.rsplit_once(") ").map_or("", |(_, rest)| rest).split(' ').skip(11).take(2);
        Duration::from_millis(fields.filter_map(|field| field.parse::<u64>().ok()).sum::<u64>() * 10)
    }

    /// How many files and sockets it has open.
    pub fn open_files(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.pid())).map(Iterator::count).unwrap_or(0)
    }

    /// The last lines of its log.
    pub fn log_tail(&self) -> String {
        format!("log of port {}:\n{}", self.port, tail(&self.log()))
    }

    fn answers(&self, pid: u32) -> Result<(), String> {
        let mut client = Client::connect(self.port).map_err(|e| e.to_string())?;
        client.set_timeout(Duration::from_secs(2));
        let reply = client.try_cmd(&["PING"]).map_err(|e| e.to_string())?;
        // With a password, any answer but "still loading" proves that it is up.
        must(!reply.is_error() || reply.error().starts_with("NOAUTH"), || format!("PING: {reply:?}"))?;
        if let Ok(crate::Value::Bulk(text)) = client.try_cmd(&["INFO", "server"])
            && let Some(other) = Info::parse(&String::from_utf8_lossy(&text)).find("process_id")
        {
            assert_eq!(other, pid.to_string(), "another server answers on port {}", self.port);
        }
        Ok(())
    }

    fn launch(&mut self) {
        let config = self.dir.join("server.conf");
        fs::write(&config, format!("{}dir {}\n", self.config, self.dir.display())).expect("write the configuration file");
        self.spawn();
    }

    fn spawn(&mut self) {
        let log = fs::File::options().create(true).append(true).open(self.log_path()).expect("open the log file");
        let mut command = self.kind.command();
        command.arg(self.dir.join("server.conf"));
        if let Kind::Koltso { cores } = self.kind
            && self.kind.is_koltso()
        {
            command.args(["--cores", &cores.to_string()]);
        }
        command.args(&self.args).current_dir(&self.dir).stdin(Stdio::null());
        command.stdout(log.try_clone().expect("clone the log file")).stderr(log);
        self.child = Some(command.spawn().unwrap_or_else(|e| panic!("start {command:?}: {e}")));
    }

    fn log_path(&self) -> PathBuf {
        self.dir.join("server.log")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{:?}, {}", self.kind, self.log_tail());
        }
        self.kill();
        fs::remove_dir_all(&self.dir).ok();
    }
}

/// A port outside the range that outgoing connections use, so that none of those can take it between this call and the
/// server's bind. Each call in a process gives another one.
pub fn free_port() -> u16 {
    bind_free_port().1
}

/// A listener on a port as [`free_port`] gives it.
pub fn listen_on_free_port() -> (TcpListener, u16) {
    loop {
        let (socket, port) = bind_free_port();
        if net::listen(&socket, 128).is_ok() {
            return (TcpListener::from(socket), port);
        }
    }
}

/// A socket bound to a port that nobody listens on. It does not listen either: a process that another thread starts at this
/// moment holds a copy of it until its exec, and only a copy that listens would keep the port from whoever it is for.
fn bind_free_port() -> (OwnedFd, u16) {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    const FIRST: u32 = 10_000;
    const COUNT: u32 = 22_000;
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = (FIRST + (std::process::id().wrapping_mul(61).wrapping_add(step)) % COUNT) as u16;
        let socket = net::socket_with(net::AddressFamily::INET, net::SocketType::STREAM, net::SocketFlags::CLOEXEC, None);
        let socket = socket.expect("a socket");
        net::sockopt::set_socket_reuseaddr(&socket, true).expect("SO_REUSEADDR");
        if net::bind(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)).is_ok() {
            return (socket, port);
        }
    }
    panic!("no free port");
}

/// An empty folder below the system's temporary folder; `tag` makes its name unique in this process.
pub fn fresh_dir(tag: impl std::fmt::Display) -> PathBuf {
    let dir = std::env::temp_dir().join(format!("koltso-test-{}-{tag}", std::process::id()));
    fs::remove_dir_all(&dir).ok();
    fs::create_dir_all(&dir).expect("make a temporary folder");
    dir
}

fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}
