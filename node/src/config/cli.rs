//! The surface of the command line: help and version. Directives are free-form and read in `load`, as redis-server does.

use clap::{Arg, Command};

use super::ConfigError;

/// The text for a command line that only asks for help or the version.
pub(super) fn answer(args: &[Vec<u8>]) -> Option<ConfigError> {
    match args {
        [only] if matches!(only.as_slice(), b"-h" | b"--help") => {
            Some(ConfigError::Asked(surface().render_long_help().to_string()))
        }
        [only] if matches!(only.as_slice(), b"-v" | b"--version") => {
            Some(ConfigError::Asked(format!("Koltso {} (speaks as Redis 7.2)\n", env!("CARGO_PKG_VERSION"))))
        }
        [only] if only.starts_with(b"-") && !only.starts_with(b"--") && only != b"-" => {
            let what = String::from_utf8_lossy(only);
            Some(ConfigError::Usage(format!("Unknown option '{what}'. Directives are written --name value; --help shows how.")))
        }
        _ => None,
    }
}

/// The command line as clap knows it, for its help.
fn surface() -> Command {
    Command::new("koltso")
        .version(env!("CARGO_PKG_VERSION"))
        .about("A Redis-compatible, thread-per-core replication node on io_uring.")
        .override_usage("koltso [FILE] [-] [--DIRECTIVE VALUE…]…\n       koltso demo\n       koltso check PATH\n       koltso restore FOLDER --until MOMENT --to TARGET")
        .arg(Arg::new("FILE").help("A redis.conf file to start from; `-` is standard input"))
        .arg(
            Arg::new("DIRECTIVE")
                .long("DIRECTIVE")
                .num_args(1..)
                .value_name("VALUE")
                .help("Any directive of redis.conf, by its new or its old name; it counts over the file"),
        )
        .after_help(
            "Koltso's own directives:\n  \
             --cores N                core threads; one per processor by default\n  \
             --coalesce-us N          microseconds a core waits for several busy clients at once (50)
  \
             --spin-us N              microseconds a core looks for work before it sleeps\n  \
             --napi-busy-poll-us N    microseconds a core polls its network device\n  \
             --sqpoll yes|no          let the kernel poll the submission queues\n  \
             --repl-log-size BYTES    stream kept on disk for replicas that come back\n\n\
             koltso demo shows a primary and a replica at work: a full copy, a cut link, a resumed stream.\n\
             koltso check says what is wrong with an append-only file or an RDB, and how much of it is good.\n\
             koltso restore rebuilds the data set of an earlier moment from an append-only file.\n\n\
             Examples:\n  \
             koltso\n  \
             koltso /etc/redis/redis.conf --port 6380\n  \
             koltso --port 6380 --replicaof \"127.0.0.1 6379\"\n  \
             echo 'maxmemory 1gb' | koltso -",
        )
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_surface_is_sound() {
        super::surface().debug_assert();
    }
}
