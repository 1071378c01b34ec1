//! TLS, between the bytes of a socket and those of the connection: clients of `tls-port`, and both ends of replication where
//! `tls-replication` says so.
//!
//! ```text
//!  receive buffers ──► Session::receive ──► Connection::pending      (the parser sees plain text only)
//!  Connection::output ──► Session::start, sent ──► the ring          (ciphertext of one part at a time)
//! ```
//!
//! A [`Session`] belongs to a socket and moves with it, as a [`Transport`]: between cores, to the service thread for a snapshot, and
//! back for the stream. So one owner at a time reads and writes its records, and their numbers never go apart. A connection without
//! TLS pays for all this with one look at an empty field for each receive and each send.
//!
//! The protocol is rustls's: TLS 1.2 and 1.3, without renegotiation, compression and the ciphers of old. Its cryptography comes from
//! `ring`: that needs a C compiler, as the allocator does anyway, and nothing else, where `aws-lc-rs` is several times as much to
//! compile and asks for CMake on some targets. Both are kept up by the people that rustls is kept up with.
//!
//! Nothing here does I/O but [`Transport::send_now`] and [`Session::farewell`], for a few bytes and without waiting.

mod ciphers;
mod config;
mod session;
mod store;
mod verifier;

pub use config::{Setup, setup};
pub use session::{Plain, Session};

use rustix::io::Errno;
use rustix::net::SendFlags;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

/// How long a peer may take to shake hands.
pub const HANDSHAKE_TIME_MAX: Duration = Duration::from_secs(10);

/// A socket, and how bytes pass over it.
#[derive(Debug)]
pub struct Transport {
    /// The socket.
    pub fd: OwnedFd,
    /// Its encryption, if it has one.
    pub tls: Option<Box<Session>>,
}

impl Transport {
    /// Sends a few bytes if the socket takes them now. Nothing else may be under way.
    ///
    /// # Errors
    /// What the system says, other than that the socket takes nothing now.
    pub fn send_now(&mut self, bytes: &[u8]) -> rustix::io::Result<()> {
        match &mut self.tls {
            None => send(self.fd.as_fd(), bytes).map(drop),
            Some(tls) => tls.send_now(self.fd.as_fd(), bytes),
        }
    }
}

/// Says how many bytes the socket has taken: none, if it takes none now.
fn send(socket: BorrowedFd<'_>, bytes: &[u8]) -> rustix::io::Result<usize> {
    match rustix::net::send(socket, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
        Err(Errno::AGAIN) => Ok(0),
        other => other,
    }
}

impl From<OwnedFd> for Transport {
    /// A socket that carries bytes as they are.
    fn from(fd: OwnedFd) -> Self {
        Transport { fd, tls: None }
    }
}
