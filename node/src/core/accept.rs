//! New connections: each core has listening sockets of its own on the same port, and the kernel spreads clients over them.

use super::Core;
use crate::connection::{Connection, Session, Token};
use crate::reactor::ring::{Completion, Given, Op, Tag};
use crate::shared::add;
use crate::tls::Transport;
use rustix::net::{self, AddressFamily, SocketAddrAny, SocketAddrUnix, SocketFlags, SocketType, sockopt};
use std::fs::Permissions;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// How long accepting rests after the process has run out of descriptors.
const REST_AFTER_EMFILE: Duration = Duration::from_millis(100);

/// An address to listen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The address.
    pub address: SocketAddr,
    /// Whether those that come by it have to shake hands.
    pub tls: bool,
}

/// The listening sockets of a core.
#[derive(Default)]
pub struct Listeners {
    /// By the index that their completions bear.
    slots: Vec<Option<Listener>>,
    /// When to try again those that are not armed.
    rest_until: Option<Instant>,
}

struct Listener {
    fd: OwnedFd,
    place: Place,
    /// Whether the kernel accepts on it.
    armed: bool,
    /// Whether it is closed as soon as the kernel does not.
    leaving: bool,
}

/// Where a socket listens.
enum Place {
    Tcp(Endpoint),
    /// The path as it was configured.
    Unix(String),
}

impl Listeners {
    /// Listens on all addresses.
    ///
    /// # Errors
    /// When an address is not to be had; the error names it.
    pub fn bind(endpoints: &[Endpoint], backlog: i32) -> io::Result<Self> {
        let mut listeners = Listeners::default();
        for &endpoint in endpoints {
            let address = endpoint.address;
            let fd = listen(address, backlog, true).map_err(|e| io::Error::new(e.kind(), format!("{address}: {e}")))?;
            listeners.add(fd, Place::Tcp(endpoint));
        }
        Ok(listeners)
    }

    /// Listens on a Unix socket, too: one that all cores share, and the kernel wakes one of them for each connection.
    pub fn add_unix(&mut self, socket: OwnedFd, path: String) {
        self.add(socket, Place::Unix(path));
    }

    fn add(&mut self, fd: OwnedFd, place: Place) {
        let listener = Some(Listener { fd, place, armed: false, leaving: false });
        match self.slots.iter_mut().find(|slot| slot.is_none()) {
            Some(slot) => *slot = listener,
            None => self.slots.push(listener),
        }
    }

    /// The addresses it listens on.
    pub fn endpoints(&self) -> Vec<Endpoint> {
        let staying = self.slots.iter().flatten().filter(|listener| !listener.leaving);
        staying.filter_map(|listener| if let Place::Tcp(endpoint) = listener.place { Some(endpoint) } else { None }).collect()
    }

    /// Whether the kernel still accepts on one of them.
    pub(super) fn any_armed(&self) -> bool {
        self.slots.iter().flatten().any(|listener| listener.armed)
    }

    /// Notes that the kernel accepts no longer on one of them.
    pub(super) fn note_ended(&mut self, index: usize) {
        let Some(slot) = self.slots.get_mut(index) else { return };
        if let Some(listener) = slot {
            listener.armed = false;
            if listener.leaving {
                *slot = None;
            }
        }
    }

    /// Whether nobody else listens on this address. Sockets that share a port would not notice.
    ///
    /// # Errors
    /// When somebody does, or the address is not to be had.
    pub fn probe(address: SocketAddr) -> io::Result<()> {
        listen(address, 1, false).map(drop)
    }
}

/// Makes a Unix socket and listens on it. A socket that was left there is removed before.
///
/// # Errors
/// What the system says.
pub fn listen_unix(path: &Path, mode: u32, backlog: i32) -> io::Result<OwnedFd> {
    if std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket()) {
        let _ = std::fs::remove_file(path);
    }
    let socket = net::socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    net::bind(&socket, &SocketAddrUnix::new(path)?)?;
    if mode != 0 {
        std::fs::set_permissions(path, Permissions::from_mode(mode))?;
    }
    net::listen(&socket, backlog)?;
    Ok(socket)
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
        for (index, listener) in self.listeners.slots.iter_mut().enumerate() {
            if let Some(listener) = listener.as_mut().filter(|listener| !listener.armed && !listener.leaving) {
                listener.armed = true;
                let tag = Tag { op: Op::Accept, generation: 0, index: index as u32 };
                self.ring.accept(listener.fd.as_fd(), tag);
            }
        }
    }

    /// Listens on these addresses and no others; `fresh` has those on which it has not until now.
    pub(crate) fn listen_on(&mut self, wanted: &[Endpoint], fresh: Listeners) {
        for (index, slot) in self.listeners.slots.iter_mut().enumerate() {
            let Some(listener) = slot else { continue };
            match listener.place {
                Place::Tcp(endpoint) if !wanted.contains(&endpoint) => {}
                _ => continue,
            }
            if listener.armed {
                listener.leaving = true;
                self.ring.cancel(Tag { op: Op::Accept, generation: 0, index: index as u32 });
            } else {
                *slot = None;
            }
        }
        fresh.slots.into_iter().flatten().for_each(|listener| self.listeners.add(listener.fd, listener.place));
        self.arm_listeners();
    }

    /// Tries again to accept after a rest.
    pub(super) fn rearm_listeners(&mut self) {
        if self.listeners.rest_until.is_some_and(|until| Instant::now() >= until) {
            self.listeners.rest_until = None;
            self.arm_listeners();
        }
    }

    pub(super) fn on_accept(&mut self, completion: Completion) {
        let index = completion.tag.index as usize;
        if let Given::Accepted(fd) = completion.given {
            let (path, tls) = match self.listeners.slots.get(index) {
                Some(Some(Listener { place: Place::Unix(path), .. })) => (Some(path.clone()), false),
                Some(Some(Listener { place: Place::Tcp(endpoint), .. })) => (None, endpoint.tls),
                _ => (None, false),
            };
            self.welcome(fd, path, tls);
        }
        if !completion.more {
            self.listeners.note_ended(index);
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

    /// Lets a connection in; `path` is that of the Unix socket it comes by, `tls` says whether it has to shake hands.
    fn welcome(&mut self, fd: OwnedFd, path: Option<String>, tls: bool) {
        let peer = net::getpeername(&fd).ok().flatten();
        let local = net::getsockname(&fd).ok();
        let keepalive = self.exec.config.tcp_keepalive;
        if path.is_none() {
            let _ = sockopt::set_tcp_nodelay(&fd, true);
        }
        if keepalive > 0 && path.is_none() {
            let _ = sockopt::set_socket_keepalive(&fd, true);
            // Silence is noticed after the configured time, and taken for an end after three probes within as long again.
            let _ = sockopt::set_tcp_keepidle(&fd, Duration::from_secs(u64::from(keepalive)));
            let _ = sockopt::set_tcp_keepintvl(&fd, Duration::from_secs(u64::from(keepalive / 3).max(1)));
            let _ = sockopt::set_tcp_keepcnt(&fd, 3);
        }
        add(&self.shared.counters.total_connections_received, 1);
        if !self.take_place() {
            add(&self.shared.counters.rejected_connections, 1);
            return refuse(&fd, tls, "-ERR max number of clients reached\r\n");
        }
        // Over TLS, nothing can be said before the handshake.
        if !tls && !socket_addr(peer.as_ref()).is_none_or(|address| self.may_come_from(address)) {
            self.shared.connected_clients.fetch_sub(1, Ordering::Relaxed);
            add(&self.shared.counters.rejected_connections, 1);
            return refuse(&fd, tls, PROTECTED);
        }
        let (addr, laddr) = match &path {
            Some(path) => (format!("{path}:0"), format!("{path}:0")),
            None => (text(peer.as_ref()), text(local.as_ref())),
        };
        let mut transport = Transport::from(fd);
        if tls {
            let Some(session) = self.begin_handshake(&addr) else {
                self.shared.connected_clients.fetch_sub(1, Ordering::Relaxed);
                return;
            };
            transport.tls = Some(session);
        }
        let id = self.shared.next_client_id.fetch_add(1, Ordering::Relaxed);
        let mut session = Session::new(id, addr, laddr, self.exec.now, &self.users);
        session.by_unix = path.is_some();
        let token = self.adopt(transport, session);
        if tls {
            self.expect_handshake(token);
        }
        self.arm_recv(token);
    }

    /// Counts a client in, unless there are as many as may be. In one step: other cores let clients in at the same time.
    fn take_place(&self) -> bool {
        let max = self.exec.config.maxclients;
        let one_more = |count| (count < max).then_some(count + 1);
        self.shared.connected_clients.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).is_ok()
    }

    /// Whether a client from there is let in, where nobody needs a password.
    fn may_come_from(&self, address: SocketAddr) -> bool {
        let is_protected = self.exec.config.protected_mode && self.users.default_user().nopass;
        !is_protected || is_loopback(address.ip())
    }

    /// A client has shaken hands; true if it has to go all the same, and is told why.
    pub(super) fn turns_away(&mut self, token: Token) -> bool {
        let Some(conn) = self.conn(token) else { return true };
        let address: Result<SocketAddr, _> = conn.session.addr.parse();
        if address.map_or(true, |address| self.may_come_from(address)) {
            return false;
        }
        add(&self.shared.counters.rejected_connections, 1);
        if let Some(conn) = self.conn(token) {
            conn.output.reply.raw(PROTECTED.as_bytes());
        }
        self.close_after_replies(token);
        true
    }

    /// Gives a socket a slot.
    pub(crate) fn adopt(&mut self, transport: Transport, mut session: Session) -> Token {
        // It may have been on its way while its user changed.
        session.follow(&self.users);
        self.generation = (self.generation + 1) & Tag::GENERATION_MASK;
        let generation = self.generation;
        let entry = self.conns.vacant_entry();
        let index = entry.key() as u32;
        let socket = self.ring.install(index, transport.fd.as_fd());
        entry.insert(Connection::new(transport, socket, generation, session));
        Token { index, generation }
    }
}

/// Says why somebody is not let in. Before a handshake nothing can be said.
fn refuse(fd: &OwnedFd, tls: bool, why: &str) {
    if !tls {
        let _ = rustix::io::write(fd, why.as_bytes());
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
