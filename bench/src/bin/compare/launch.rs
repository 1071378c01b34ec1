//! CPU pinning, and starting children so that they are pinned from their first instruction and die with us.
//!
//! Both need work between fork and exec, which safe Rust cannot do there. So this executable starts itself in a small
//! launcher mode that pins itself, asks for SIGKILL when the parent dies, and then becomes the wanted program.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use rustix::process::{Signal, set_parent_process_death_signal};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::{Error, Result};

/// First argument of the launcher mode; then a CPU list (`0,1`), the program, its arguments.
const LAUNCH: &str = "__launch";

/// A command that will run `program` on `cpus` only. Must be spawned by a thread that lives as long as the child should.
pub fn pinned(program: &Path, cpus: &[usize]) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    let list: Vec<String> = cpus.iter().map(usize::to_string).collect();
    command.arg(LAUNCH).arg(list.join(",")).arg(program);
    Ok(command)
}

/// In launcher mode becomes the wanted program and returns only if that failed; otherwise `None` at once.
pub fn run_if_asked() -> Option<Error> {
    let mut args = std::env::args_os().skip(1);
    if args.next()?.to_str() != Some(LAUNCH) {
        return None;
    }
    Some(launch(args).err().unwrap_or_else(|| "launcher: nothing to start".into()))
}

fn launch(mut args: impl Iterator<Item = OsString>) -> Result<()> {
    let list = args.next().ok_or("launcher: no CPU list")?;
    let cpus: Vec<usize> =
        list.to_str().unwrap_or_default().split(',').map(str::parse).collect::<std::result::Result<_, _>>()?;
    let program = args.next().ok_or("launcher: no program")?;
    pin_self(&cpus)?;
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let failed = Command::new(&program).args(args).exec();
    Err(format!("cannot start {}: {failed}", Path::new(&program).display()).into())
}

/// Pins the calling thread, and with it every thread and child that it starts from now on.
pub fn pin_self(cpus: &[usize]) -> Result<()> {
    let mut set = CpuSet::new();
    for &cpu in cpus.iter().filter(|&&cpu| cpu < CpuSet::MAX_CPU) {
        set.set(cpu);
    }
    sched_setaffinity(None, &set).map_err(|e| format!("cannot pin to CPUs {cpus:?}: {e}").into())
}

/// The CPUs this process may use, ascending.
pub fn allowed_cpus() -> Result<Vec<usize>> {
    let set = sched_getaffinity(None)?;
    Ok((0..CpuSet::MAX_CPU).filter(|&cpu| set.is_set(cpu)).collect())
}
