//! The binary `koltso`: arguments in, a node out.

#![forbid(unsafe_code)]

use koltso::alloc::Counting;
use koltso::config::{Config, ConfigError};
use koltso::daemon;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() -> ExitCode {
    let args: Vec<_> = std::env::args_os().skip(1).collect();
    if args.first().is_some_and(|first| first == "demo") {
        let rest: Vec<_> = args[1..].iter().map(|arg| arg.to_string_lossy().into_owned()).collect();
        return if koltso::demo::run(&rest) { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    if args.first().is_some_and(|first| first == "check") {
        return koltso::persistence::check::run(&args[1..]);
    }
    if args.first().is_some_and(|first| first == "restore") {
        return koltso::persistence::restore::run(&args[1..]);
    }
    let config = match Config::from_args(&args) {
        Ok(config) => config,
        Err(ConfigError::Asked(text)) => {
            print!("{text}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(error.exit_code());
        }
    };
    if config.daemonize && !daemon::is_detached() {
        return match daemon::start(&args) {
            Ok(()) => ExitCode::SUCCESS,
            Err(why) => {
                eprintln!("koltso: {why}");
                ExitCode::FAILURE
            }
        };
    }
    if config.daemonize {
        daemon::leave_session();
    }
    match koltso::node::run(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("koltso: {why}");
            ExitCode::FAILURE
        }
    }
}
