//! One encrypted connection: records in, plain text out, and the other way.
//!
//! Its memory is bounded: rustls keeps no more than one message that has not come whole, and what is to be sent is encrypted part by
//! part, each when the one before it is gone.

use super::Setup;
use bytes::Bytes;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, Connection, Error, ServerConnection};
use std::io::{BufRead, Write};
use std::net::IpAddr;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

/// Plain text that is encrypted at a time, in bytes: a few records, some tens of microseconds.
const PART_LEN: usize = 128 * 1024;
/// A buffer larger than this is given back to the allocator when nothing is left to be sent, in bytes.
const KEEP_LEN_MAX: usize = 64 * 1024;
/// What rustls is taken to hold for a connection, in bytes.
const OVERHEAD_LEN: usize = 4096;

/// What is to be sent, as it was written.
#[derive(Debug)]
pub enum Plain {
    /// One buffer.
    Buffer(Vec<u8>),
    /// Pieces that others share.
    Pieces(Vec<Bytes>),
}

impl Plain {
    fn len(&self) -> usize {
        match self {
            Plain::Buffer(bytes) => bytes.len(),
            Plain::Pieces(pieces) => pieces.iter().map(Bytes::len).sum(),
        }
    }

    /// The `nth` of its pieces.
    fn piece(&self, nth: usize) -> Option<&[u8]> {
        match self {
            Plain::Buffer(bytes) => (nth == 0).then_some(bytes.as_slice()),
            Plain::Pieces(pieces) => pieces.get(nth).map(|bytes| &bytes[..]),
        }
    }
}

/// One encrypted connection.
#[derive(Debug)]
pub struct Session {
    tls: Connection,
    plain: Plain,
    /// How many bytes of `plain` the peer has been sent.
    gone: usize,
    /// How many more are encrypted and under way.
    part: usize,
    /// Where encryption goes on: in which piece, and where in that.
    piece: usize,
    at: usize,
    /// Encrypted, and not taken by the socket at once.
    unsent: Vec<u8>,
    /// A buffer for the next part.
    spare: Vec<u8>,
}

impl Session {
    /// The session of somebody who has connected to us.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn accept(setup: &Setup) -> Result<Box<Self>, Error> {
        Ok(Session::new(ServerConnection::new(Arc::clone(&setup.server))?.into()))
    }

    /// The session of a connection that we have made, to `ip`.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn connect(config: Arc<ClientConfig>, ip: IpAddr) -> Result<Box<Self>, Error> {
        Ok(Session::new(ClientConnection::new(config, ServerName::from(ip))?.into()))
    }

    fn new(mut tls: Connection) -> Box<Self> {
        // It is given parts, and all of a part.
        tls.set_buffer_limit(None);
        Box::new(Session {
            tls,
            plain: Plain::Buffer(Vec::new()),
            gone: 0,
            part: 0,
            piece: 0,
            at: 0,
            unsent: Vec::new(),
            spare: Vec::new(),
        })
    }

    /// Whether it is not yet known who the peer is.
    pub fn is_handshaking(&self) -> bool {
        self.tls.is_handshaking()
    }

    /// What it takes of memory beside itself, in bytes.
    pub fn held(&self) -> usize {
        size_of::<Session>() + OVERHEAD_LEN + self.spare.capacity()
    }

    /// Reads what was received; `each` gets the plain text, in pieces. True if the peer has said that there will be no more.
    ///
    /// # Errors
    /// What is wrong with it. There is an alert to be sent then, and nothing else is possible any more.
    pub fn receive(&mut self, mut bytes: &[u8], mut each: impl FnMut(&[u8])) -> Result<bool, Error> {
        let mut has_closed = false;
        while !bytes.is_empty() {
            match self.tls.read_tls(&mut bytes) {
                // What comes behind the end is nobody's.
                Ok(0) => break,
                Ok(_) => {}
                Err(error) => return Err(Error::General(error.to_string())),
            }
            has_closed |= self.tls.process_new_packets()?.peer_has_closed();
            let mut reader = self.tls.reader();
            while let Ok(plain @ [_, ..]) = reader.fill_buf() {
                each(plain);
                let len = plain.len();
                reader.consume(len);
            }
        }
        Ok(has_closed)
    }

    // ---- for connections of a core ----------------------------------------------------------------------------------

    /// Takes over what is to be sent; what it was given before must be gone.
    pub fn put(&mut self, plain: Plain) {
        debug_assert_eq!(self.left(), 0);
        (self.plain, self.gone, self.part, self.piece, self.at) = (plain, 0, 0, 0, 0);
    }

    /// Whether it has something of its own to say.
    pub fn has_own(&self) -> bool {
        self.tls.wants_write() || !self.unsent.is_empty()
    }

    /// Plain text that the peer has not been sent, in bytes.
    pub fn left(&self) -> usize {
        self.plain.len() - self.gone
    }

    /// Encrypts the next part; empty if there is nothing to be sent.
    pub fn next_part(&mut self) -> Vec<u8> {
        let mut buffer = std::mem::take(&mut self.spare);
        buffer.clear();
        buffer.append(&mut self.unsent);
        while self.part < PART_LEN {
            let Some(piece) = self.plain.piece(self.piece) else { break };
            let end = piece.len().min(self.at + PART_LEN - self.part);
            // Without a limit, and into memory, all of it is taken.
            let _ = self.tls.writer().write_all(&piece[self.at..end]);
            self.part += end - self.at;
            (self.piece, self.at) = if end == piece.len() { (self.piece + 1, 0) } else { (self.piece, end) };
        }
        self.take_records(&mut buffer);
        buffer
    }

    /// The part that was encrypted last, into `buffer`, is gone; says how much plain text it was, in bytes.
    pub fn part_sent(&mut self, buffer: Vec<u8>) -> usize {
        self.gone += self.part;
        if self.left() > 0 || buffer.capacity() <= KEEP_LEN_MAX {
            self.spare = buffer;
        }
        std::mem::take(&mut self.part)
    }

    /// The buffer that was sent, to be used again.
    pub fn take_buffer(&mut self) -> Vec<u8> {
        self.gone = 0;
        match std::mem::replace(&mut self.plain, Plain::Buffer(Vec::new())) {
            Plain::Buffer(bytes) => bytes,
            Plain::Pieces(_) => Vec::new(),
        }
    }

    // ---- for others -------------------------------------------------------------------------------------------------

    /// Encrypts all of `plain`; what the session itself has to say comes first.
    pub fn seal(&mut self, plain: &[u8]) -> Vec<u8> {
        let mut buffer = std::mem::take(&mut self.unsent);
        let _ = self.tls.writer().write_all(plain);
        self.take_records(&mut buffer);
        buffer
    }

    /// Sends a few bytes if the socket takes them now. What it does not take of them is sent before anything else; until then no
    /// others are.
    ///
    /// # Errors
    /// What the system says, other than that the socket takes nothing now.
    pub fn send_now(&mut self, socket: BorrowedFd<'_>, plain: &[u8]) -> rustix::io::Result<()> {
        if self.unsent.is_empty() {
            self.unsent = self.seal(plain);
        }
        let sent = super::send(socket, &self.unsent)?;
        self.unsent.drain(..sent);
        Ok(())
    }

    /// Tells the peer that there will be no more, or what was wrong, as far as the socket takes that now. Nothing of the session may
    /// be under way.
    pub fn farewell(&mut self, socket: BorrowedFd<'_>) {
        self.tls.send_close_notify();
        let _ = self.send_now(socket, b"");
    }

    fn take_records(&mut self, buffer: &mut Vec<u8>) {
        while self.tls.wants_write() {
            if self.tls.write_tls(buffer).is_err() {
                return;
            }
        }
    }
}
