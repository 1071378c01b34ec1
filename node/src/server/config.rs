//! CONFIG GET, SET, REWRITE, RESETSTAT.
//!
//! A change is in force on every core before it is answered. What else follows from it, cores do when they notice
//! (`Core::on_config_changed`); what cannot be changed while the node runs is refused here.

use super::container::{self, Subcommands};
use super::listening::{self, Plan};
use crate::config::{Config, PrimaryAddress};
use crate::connection::{OwnedRequest, Token};
use crate::core::Core;
use crate::dispatch::registry::ServerHandler;
use crate::logging::{notice, warning};
use crate::tls::{self, Setup};
use koltso_proto::resp::Reply;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

pub const HANDLERS: &[(&str, ServerHandler)] = &[("config", config)];

const SUBCOMMANDS: Subcommands = &[("get", get), ("set", set), ("rewrite", rewrite), ("resetstat", reset_stat)];

const HELP: &[&str] = &[
    "GET <pattern> [<pattern> ...]",
    "    The parameters whose names match, with their values.",
    "SET <parameter> <value> [<parameter> <value> ...]",
    "    Change these parameters, all or none.",
    "RESETSTAT",
    "    Reset the counters that INFO shows.",
    "REWRITE",
    "    Write the running configuration back to its file.",
];

fn config(core: &mut Core, token: Token, request: &OwnedRequest) {
    container::run(core, token, request, SUBCOMMANDS, HELP);
}

fn get(core: &mut Core, token: Token, request: &OwnedRequest) {
    let patterns: Vec<&[u8]> = request.args().from(2).collect();
    let found = core.shared.config().get(&patterns);
    core.reply(token, |reply| {
        reply.map(found.len());
        for (name, value) in &found {
            // A name that was asked for as such is shown in the letters of the asker.
            let asked = patterns.iter().find(|pattern| pattern.eq_ignore_ascii_case(name.as_bytes()));
            reply.bulk(asked.unwrap_or(&name.as_bytes()));
            reply.bulk(value);
        }
    });
}

fn set(core: &mut Core, token: Token, request: &OwnedRequest) {
    let args = request.args();
    if !args.len().is_multiple_of(2) {
        return core.refuse(token, "ERR syntax error");
    }
    let words: Vec<&[u8]> = args.from(2).collect();
    let pairs: Vec<(&[u8], &[u8])> = words.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect();
    let local = core.conn(token).is_some_and(|conn| conn.session.by_unix || is_local(&conn.session.addr));
    let (listening, cores) = (core.listeners.endpoints(), core.peers.len());
    let changed: Result<(Vec<&str>, Option<Plan>), String> = core.shared.change_config(|config| {
        let changed = config.set_many(&pairs, local)?;
        let tls = tls_for(config, &pairs)?;
        let plan = listening::plan(config, &changed, &listening, cores)?;
        if let Some(setup) = tls {
            core.shared.set_tls(setup);
        }
        Ok((changed, plan))
    });
    let (changed, plan) = match changed {
        Ok(changed) => changed,
        Err(error) => return core.refuse(token, &error),
    };
    for name in changed.iter().filter(|name| !Config::is_secret(name.as_bytes())) {
        let value = core.shared.config().get(&[name]).into_iter().next().map(|(_, value)| value).unwrap_or_default();
        notice(&format!("CONFIG SET {name} {}", String::from_utf8_lossy(&value)));
    }
    if changed.contains(&"requirepass") {
        let password = core.shared.config().requirepass.clone();
        let _: Result<(), ()> = core.shared.change_users(|users| {
            users.set_default_password(password.as_bytes());
            Ok(())
        });
    }
    let take_over = move |core: &mut Core| {
        core.look_at_shared();
        plan.iter().for_each(|plan| plan.carry_out(core));
        core.look_at_users(0);
    };
    // Within a transaction, the commands that follow find it in force here.
    take_over(core);
    core.gather(token, take_over, |_, _, reply| reply.ok());
}

/// What TLS needs under a configuration in which these have just been set, also to what they were: files may be others by now.
/// `None` if it needs what it has.
fn tls_for(config: &Config, pairs: &[(&[u8], &[u8])]) -> Result<Option<Option<Arc<Setup>>>, String> {
    let is_tls = |name: &&[u8]| name.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"tls-"));
    let Some(name) = pairs.iter().map(|(name, _)| *name).find(is_tls) else { return Ok(None) };
    tls::setup(config).map(Some).map_err(|why| {
        warning(&why);
        let name = String::from_utf8_lossy(name).to_ascii_lowercase();
        format!(
            "ERR CONFIG SET failed (possibly related to argument '{name}') - Unable to update TLS configuration. Check server logs."
        )
    })
}

/// Whether an address, as `CLIENT LIST` shows it, is one of this machine's own.
pub fn is_local(addr: &str) -> bool {
    match addr.parse::<SocketAddr>() {
        Ok(addr) => addr.ip().to_canonical().is_loopback(),
        // A path: a Unix socket.
        Err(_) => addr.starts_with('/'),
    }
}

/// The file is written by a thread of its own: a core must not wait for a disk. It is written as the configuration is when
/// earlier commands of the same client have had their effect on the log's core, `REPLICAOF` above all.
fn rewrite(core: &mut Core, token: Token, _: &OwnedRequest) {
    if core.exec.config.config_file.is_none() {
        return core.refuse(token, "ERR The server is running without a config file");
    }
    let Some(promise) = core.promise(token) else { return };
    core.on_log_core(move |core| {
        let mut config = (*core.shared.config()).clone();
        config.users = match config.aclfile.is_empty() {
            true => core.shared.users().declarations(&config),
            false => Vec::new(),
        };
        let write = move || {
            let outcome = rewrite_file(&config);
            match &outcome {
                Ok(()) => notice("CONFIG REWRITE executed with success."),
                Err(why) => warning(&format!("CONFIG REWRITE failed: {why}")),
            }
            promise.keep(move |_, reply| match outcome {
                Ok(()) => reply.ok(),
                Err(why) => reply.error(format!("ERR Rewriting config file: {why}")),
            });
        };
        run_aside(write);
    });
}

/// Does something on a thread of its own.
pub fn run_aside(work: impl FnOnce() + Send + 'static) {
    if let Err(error) = std::thread::Builder::new().name("writer".to_string()).spawn(work) {
        warning(&format!("Cannot start a thread to write a file: {error}"));
    }
}

fn rewrite_file(config: &Config) -> Result<(), String> {
    let Some(path) = &config.config_file else { return Err("there is no configuration file".to_string()) };
    config.rewrite(path).map_err(|error| error.to_string())
}

fn reset_stat(core: &mut Core, token: Token, _: &OwnedRequest) {
    // This command is the first that is counted anew: it is counted when it has been run.
    core.gather(token, Core::forget_counts, move |core, _, reply: &mut Reply| {
        core.shared.counters.reset();
        core.shared.save.saves.store(0, Ordering::Relaxed);
        core.shared.aof.rewrites.store(0, Ordering::Relaxed);
        core.shared.rates().reset();
        reply.ok();
    });
}

impl Core {
    fn forget_counts(&mut self) {
        // Only what is added up does not come back.
        self.add_up_counters();
        self.exec.tally.reset();
        crate::shard::graveyard::forget_count();
    }

    /// `REPLICAOF` is a change of the configuration, too: `CONFIG GET` shows it and `CONFIG REWRITE` keeps it.
    pub(crate) fn note_primary(&self, primary: Option<(&str, u16)>) {
        let primary = primary.map(|(host, port)| PrimaryAddress { host: host.into(), port });
        if self.shared.config().replicaof == primary {
            return;
        }
        let _: Result<(), ()> = self.shared.change_config(|config| {
            config.replicaof = primary;
            Ok(())
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_this_machine_are_local() {
        for addr in ["127.0.0.1:5", "127.9.9.9:5", "[::1]:5", "[::ffff:127.0.0.1]:5", "/run/koltso.sock:0"] {
            assert!(is_local(addr), "{addr}");
        }
        for addr in ["10.0.0.1:5", "[::2]:5", "", "127.0.0.1"] {
            assert!(!is_local(addr), "{addr}");
        }
    }
}
