//! A socket of the service thread, with or without encryption. The encryption's state is here for as long as the socket is, and
//! leaves with it.

use crate::tls::{HANDSHAKE_TIME_MAX, Session, Transport};
use bytes::{Buf, Bytes};
use rustls::ClientConfig;
use std::net::IpAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;
use tokio_uring::net::TcpStream;

/// Read from the socket at a time, in bytes.
const READ_LEN: usize = 256 * 1024;

/// Why there is no connection.
pub enum NoWire {
    /// There is no such host, or it has not answered in time.
    Unreached(String),
    /// The host does not want it, or something went wrong with it.
    Refused(String),
}

impl From<String> for NoWire {
    fn from(why: String) -> Self {
        NoWire::Refused(why)
    }
}

impl From<NoWire> for String {
    fn from((NoWire::Unreached(why) | NoWire::Refused(why)): NoWire) -> Self {
        why
    }
}

/// A connected socket.
pub struct Wire {
    /// Kept aside; the stream works on a duplicate. `None` once it has been handed on.
    fd: Option<OwnedFd>,
    tls: Option<Box<Session>>,
    stream: TcpStream,
}

impl Wire {
    /// Takes a socket over.
    ///
    /// # Errors
    /// When the process has too many open files.
    pub fn new(transport: Transport) -> Result<Self, String> {
        let Transport { fd, tls } = transport;
        let copy = fd.try_clone().map_err(|error| error.to_string())?;
        Ok(Wire { fd: Some(fd), tls, stream: TcpStream::from_std(std::net::TcpStream::from(copy)) })
    }

    /// Connects to a server, and shakes hands if that is to be encrypted. What it sends behind its handshake goes to `received`.
    ///
    /// # Errors
    /// Why there is no connection.
    pub async fn connect(
        host: &str,
        port: u16,
        encryption: Option<Arc<ClientConfig>>,
        received: &mut Vec<u8>,
        patience: Duration,
    ) -> Result<Self, NoWire> {
        let addresses = tokio::time::timeout(patience, tokio::net::lookup_host((host, port))).await;
        let addresses = addresses.map_err(|_| NoWire::Unreached(format!("cannot find {host} in time")))?;
        let mut last = NoWire::Unreached(format!("{host} has no address"));
        for address in addresses.map_err(|error| NoWire::Unreached(format!("cannot find {host}: {error}")))? {
            match tokio::time::timeout(patience, tokio::net::TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    let _ = stream.set_nodelay(true);
                    let stream = stream.into_std().map_err(|error| error.to_string())?;
                    stream.set_nonblocking(false).map_err(|error| error.to_string())?;
                    let mut wire = Wire::new(Transport::from(OwnedFd::from(stream)))?;
                    if let Some(config) = encryption {
                        let encrypt = wire.encrypt(config, address.ip(), received, patience);
                        // Who does not speak TLS may wait for us to go on.
                        let ended = tokio::time::timeout(HANDSHAKE_TIME_MAX, encrypt).await;
                        ended.map_err(|_| "TLS: it has not finished the handshake within 10 seconds".to_string())??;
                    }
                    return Ok(wire);
                }
                Ok(Err(error)) => last = NoWire::Refused(error.to_string()),
                Err(_) => last = NoWire::Unreached("no answer to the attempt to connect".to_string()),
            }
        }
        Err(last)
    }

    /// Hands the socket on. `None` if that has been done.
    pub fn into_transport(mut self) -> Option<Transport> {
        let fd = self.fd.take()?;
        Some(Transport { fd, tls: self.tls.take() })
    }

    /// Encrypts from now on, as whoever has connected to `ip`. What the peer sends behind its handshake goes to `received`.
    ///
    /// # Errors
    /// What is wrong with the peer, or with the connection.
    pub async fn encrypt(
        &mut self,
        config: Arc<ClientConfig>,
        ip: IpAddr,
        received: &mut Vec<u8>,
        patience: Duration,
    ) -> Result<(), String> {
        self.tls = Some(Session::connect(config, ip).map_err(|error| error.to_string())?);
        loop {
            self.write(Bytes::new(), patience).await?;
            if !self.tls.as_ref().is_some_and(|tls| tls.is_handshaking()) {
                return Ok(());
            }
            self.receive(received, patience).await?;
        }
    }

    /// Receives more bytes; over TLS, they may amount to nothing yet.
    ///
    /// # Errors
    /// When there will be no more.
    pub async fn receive(&mut self, received: &mut Vec<u8>, patience: Duration) -> Result<(), String> {
        const CLOSED: &str = "it closed the connection";
        let read = self.stream.read(Vec::with_capacity(READ_LEN));
        let buf = match tokio::time::timeout(patience, read).await {
            Ok((Ok(0), _)) => return Err(CLOSED.to_string()),
            Ok((Ok(n), mut buf)) => {
                buf.truncate(n);
                buf
            }
            Ok((Err(error), _)) => return Err(error.to_string()),
            Err(_) => return Err("it has been silent for longer than repl-timeout".to_string()),
        };
        let Some(tls) = &mut self.tls else {
            received.extend_from_slice(&buf);
            return Ok(());
        };
        match tls.receive(&buf, |plain| received.extend_from_slice(plain)) {
            Ok(false) => {}
            Ok(true) => return Err(CLOSED.to_string()),
            Err(error) => return Err(format!("TLS: {error}")),
        }
        if tls.has_own() { self.write(Bytes::new(), patience).await } else { Ok(()) }
    }

    /// Writes all of `bytes`.
    ///
    /// # Errors
    /// What the system says, or that the peer takes nothing.
    pub async fn write(&mut self, bytes: Bytes, patience: Duration) -> Result<(), String> {
        let mut bytes = match &mut self.tls {
            None => bytes,
            Some(tls) => Bytes::from(tls.seal(&bytes)),
        };
        while !bytes.is_empty() {
            let sent = self.write_raw(bytes.clone(), patience).await?;
            bytes.advance(sent);
        }
        Ok(())
    }

    /// Writes some of `bytes`, at least one, and says how many.
    ///
    /// # Errors
    /// As those of [`write`](Self::write).
    pub async fn write_some(&mut self, bytes: Bytes, patience: Duration) -> Result<usize, String> {
        if self.tls.is_none() {
            return self.write_raw(bytes, patience).await;
        }
        let len = bytes.len();
        self.write(bytes, patience).await.map(|()| len)
    }

    async fn write_raw(&self, bytes: Bytes, patience: Duration) -> Result<usize, String> {
        let len = bytes.len();
        match tokio::time::timeout(patience, self.stream.write(bytes).submit()).await {
            Ok((Ok(0), _)) => Err("the connection takes nothing any more".to_string()),
            Ok((Ok(sent), _)) => Ok(sent.min(len)),
            Ok((Err(error), _)) => Err(error.to_string()),
            Err(_) => Err("it has not read anything for longer than repl-timeout".to_string()),
        }
    }
}

impl Drop for Wire {
    /// What is under way would keep the connection open for as long as the peer does.
    fn drop(&mut self) {
        let Some(fd) = &self.fd else { return };
        if let Some(tls) = self.tls.as_mut().filter(|tls| tls.is_handshaking()) {
            // It learns what was wrong with its side.
            tls.farewell(fd.as_fd());
        }
        let _ = rustix::net::shutdown(fd, rustix::net::Shutdown::Both);
    }
}
