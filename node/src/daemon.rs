//! `daemonize yes`: the node goes on without the terminal that it was started from.
//!
//! It starts itself again, with the same arguments and in a session of its own, before there is a thread or a ring that a fork
//! would tear apart.

use std::ffi::OsString;
use std::process::{Command, Stdio};

/// Set for the process that was started so.
const MARK: &str = "KOLTSO_DAEMON";

/// Whether this is the process that stays.
pub fn is_detached() -> bool {
    std::env::var_os(MARK).is_some()
}

/// In the process that stays: leaves the session of the terminal.
pub fn leave_session() {
    // It fails where there is nothing to leave.
    let _ = rustix::process::setsid();
}

/// Starts the process that stays; `args` are those of this one.
///
/// # Errors
/// Why it cannot be started.
pub fn start(args: &[OsString]) -> Result<(), String> {
    if args.iter().any(|arg| arg == "-") {
        return Err("'daemonize yes' needs a configuration that can be read twice, and standard input cannot".to_string());
    }
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut command = Command::new(own);
    command.args(args).env(MARK, "1").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().map(drop).map_err(|error| format!("cannot start again in the background: {error}"))
}
