//! New connections: each core has listening sockets of its own on the same port, and the kernel spreads clients over them.

use super::Core;
use crate::connection::{Connection, Session, Token};
use crate::reactor::ring::{Completion, Given, Op, Tag};
use crate::shared::add;
use rustix::net::{self, AddressFamily, SocketAddrAny, SocketFlags, SocketType, sockopt};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// How long accepting rests after the process has run out of descriptors.
const REST_AFTER_EMFILE: Duration = Duration::from_millis(100);

/// The listening sockets of a core.
#[derive(Default)]
pub struct Listeners {
    sockets: Vec<OwnedFd>,
    /// Which of them are armed.
    armed: Vec<bool>,
    /// When to try again those that are not.
    rest_until: Option<Instant>,
}

impl Listeners {
    /// Listens on all addresses.
    ///
    /// # Errors
    /// When an address is not to be had; the error names it.
    pub fn bind(addresses: &[SocketAddr], backlog: i32) -> io::Result<Self> {
        let mut sockets = Vec::new();
        for &address in addresses {
            sockets.push(listen(address, backlog, true).map_err(|e| io::Error::new(e.kind(), format!("{address}: {e}")))?);
        }
        let armed = vec![false; sockets.len()];
        Ok(Listeners { sockets, armed, rest_until: None })
    }

    /// Whether the kernel still accepts on one of them.
    pub(super) fn any_armed(&self) -> bool {
        self.armed.contains(&true)
    }

    /// Notes that the kernel accepts no longer on one of them.
    pub(super) fn note_ended(&mut self, index: usize) {
        self.armed[index] = false;
    }

    /// Whether nobody else listens on this address. Sockets that share a port would not notice.
    ///
    /// # Errors
    /// When somebody does, or the address is not to be had.
    pub fn probe(address: SocketAddr) -> io::Result<()> {
        listen(address, 1, false).map(drop)
    }
}

fn listen(address: SocketAddr, backlog: i32, shared: bool) -> io::Result<OwnedFd> {
    let family = if address.is_ipv6() { AddressFamily::INET6 } else { AddressFamily::INET };
    let socket = net::socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    if shared {
        sockopt::set_socket_reuseport(&socket, true)?;
    }
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, true)?;
    }
    net::bind(&socket, &address)?;
    if shared {
        net::listen(&socket, backlog)?;
    }
    Ok(socket)
}

impl Core {
    pub(super) fn arm_listeners(&mut self) {
        for index in 0..self.listeners.sockets.len() {
            if !self.listeners.armed[index] {
                self.listeners.armed[index] = true;
                let tag = Tag { op: Op::Accept, generation: 0, index: index as u32 };
                self.ring.accept(self.listeners.sockets[index].as_fd(), tag);
            }
        }
    }

    /// Tries again to accept after a rest.
    pub(super) fn rearm_listeners(&mut self) {
        if self.listeners.rest_until.is_some_and(|until| Instant::now() >= until) {
            self.listeners.rest_until = None;
            self.arm_listeners();
        }
    }

    pub(super) fn on_accept(&mut self, completion: Completion) {
        if !completion.more {
            self.listeners.armed[completion.tag.index as usize] = false;
        }
        if let Given::Accepted(fd) = completion.given {
            self.welcome(fd);
        }
        // Errors concern one would-be connection; only a lack of descriptors would repeat at once.
        if !completion.more {
            match -completion.result {
                libc::EMFILE | libc::ENFILE | libc::ENOMEM | libc::ENOBUFS => {
                    self.listeners.rest_until = Some(Instant::now() + REST_AFTER_EMFILE);
                }
                libc::ECANCELED => {}
                _ => self.arm_listeners(),
            }
        }
    }

    fn welcome(&mut self, fd: OwnedFd) {
        let peer = net::getpeername(&fd).ok().flatten();
        let local = net::getsockname(&fd).ok();
        let _ = sockopt::set_tcp_nodelay(&fd, true);
        let keepalive = self.exec.config.tcp_keepalive;
        if keepalive > 0 {
            let _ = sockopt::set_socket_keepalive(&fd, true);
            // Silence is noticed after the configured time, and taken for an end after three probes within as long again.
            let _ = sockopt::set_tcp_keepidle(&fd, Duration::from_secs(u64::from(keepalive)));
            let _ = sockopt::set_tcp_keepintvl(&fd, Duration::from_secs(u64::from(keepalive / 3).max(1)));
            let _ = sockopt::set_tcp_keepcnt(&fd, 3);
        }
        add(&self.shared.counters.total_connections_received, 1);
        if self.shared.connected_clients.load(Ordering::Relaxed) >= self.exec.config.maxclients {
            add(&self.shared.counters.rejected_connections, 1);
            let _ = rustix::io::write(&fd, b"-ERR max number of clients reached\r\n");
            return;
        }
        let loopback = socket_addr(peer.as_ref()).is_none_or(|a| is_loopback(a.ip()));
        if !loopback && self.exec.config.protected_mode && self.exec.config.requirepass.is_empty() {
            add(&self.shared.counters.rejected_connections, 1);
            let _ = rustix::io::write(&fd, PROTECTED.as_bytes());
            return;
        }
        self.shared.connected_clients.fetch_add(1, Ordering::Relaxed);
        let id = self.shared.next_client_id.fetch_add(1, Ordering::Relaxed);
        let authenticated = self.exec.config.requirepass.is_empty();
        let session = Session::new(id, text(peer.as_ref()), text(local.as_ref()), self.exec.now, authenticated);
        let token = self.adopt(fd, session);
        self.arm_recv(token);
    }

    /// Gives a socket a slot.
    pub(crate) fn adopt(&mut self, fd: OwnedFd, session: Session) -> Token {
        self.generation = (self.generation + 1) & Tag::GENERATION_MASK;
        let generation = self.generation;
        let entry = self.conns.vacant_entry();
        let index = entry.key() as u32;
        let socket = self.ring.install(index, fd.as_fd());
        entry.insert(Connection::new(fd, socket, generation, session));
        Token { index, generation }
    }
}

const PROTECTED: &str = "-DENIED Koltso is running in protected mode because protected mode is enabled and no password is set for the \
     default user. In this mode connections are only accepted from the loopback interface. To connect from other hosts, set a \
     password with 'requirepass', or disable protected mode with 'CONFIG SET protected-mode no' from the loopback interface, in \
     the configuration file, or with '--protected-mode no'.\r\n";

fn is_loopback(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_loopback(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.to_ipv4_mapped().is_some_and(|ip| ip.is_loopback()),
    }
}

fn socket_addr(address: Option<&SocketAddrAny>) -> Option<SocketAddr> {
    SocketAddr::try_from(address?.clone()).ok()
}

/// An address as `CLIENT LIST` prints it.
fn text(address: Option<&SocketAddrAny>) -> String {
    socket_addr(address).map_or_else(|| "?:0".to_string(), |address| address.to_string())
}
