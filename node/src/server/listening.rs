//! CONFIG SET of `port`, `tls-port` and `bind`: the node listens elsewhere, or goes on where it was.

use crate::config::Config;
use crate::core::{Core, Endpoint, Listeners};
use crate::logging::warning;
use std::sync::{Mutex, PoisonError};

/// Where to listen from now on.
pub struct Plan {
    wanted: Vec<Endpoint>,
    /// For each core, its sockets on the addresses that are new.
    fresh: Vec<Mutex<Option<Listeners>>>,
}

/// What is to be done for a configuration in which these directives have changed; `listening` is where the node listens now.
///
/// # Errors
/// The error reply, when an address is not to be had. Nothing has changed then.
pub fn plan(config: &Config, changed: &[&str], listening: &[Endpoint], cores: usize) -> Result<Option<Plan>, String> {
    let port = ["port", "tls-port"].into_iter().find(|name| changed.contains(name));
    let (name, why) = if let Some(name) = port {
        (name, "Unable to listen on this port. Check server logs.")
    } else if changed.contains(&"bind") {
        ("bind", "Failed to bind to specified addresses.")
    } else {
        return Ok(None);
    };
    bind(config, listening, cores).map(Some).map_err(|error| {
        warning(&format!("Failed to listen on {error}"));
        format!("ERR CONFIG SET failed (possibly related to argument '{name}') - {why}")
    })
}

fn bind(config: &Config, listening: &[Endpoint], cores: usize) -> Result<Plan, String> {
    let wanted = crate::node::endpoints(config)?;
    let is_ours = |port: u16| listening.iter().any(|endpoint| endpoint.address.port() == port);
    let fresh: Vec<Endpoint> = wanted.iter().copied().filter(|endpoint| !listening.contains(endpoint)).collect();
    for address in fresh.iter().map(|endpoint| endpoint.address).filter(|address| !is_ours(address.port())) {
        Listeners::probe(address).map_err(|error| format!("{address}: {error}"))?;
    }
    let sockets = || Listeners::bind(&fresh, config.tcp_backlog as i32).map(|sockets| Mutex::new(Some(sockets)));
    let fresh = (0..cores).map(|_| sockets()).collect::<Result<_, _>>().map_err(|error| error.to_string())?;
    Ok(Plan { wanted, fresh })
}

impl Plan {
    /// On each core: does its part of it, once.
    pub fn carry_out(&self, core: &mut Core) {
        let fresh = self.fresh[core.exec.id].lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(fresh) = fresh {
            core.listen_on(&self.wanted, fresh);
        }
    }
}
