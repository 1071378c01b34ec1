//! A small blocking client for RESP2 and RESP3, with raw access to both directions of the wire.
//!
//! It must not hide anything: no reconnects, no retries, and pushes are kept, not dropped.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use crate::{Info, Value};

/// No single reply of a healthy server takes this long in any test.
pub const REPLY_TIMEOUT: Duration = Duration::from_secs(60);
/// Replies are trusted, but a broken length should fail the test and not the machine.
const LEN_MAX: usize = 1 << 30;

/// One connection.
pub struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
    start: usize,
    /// RESP3 pushes that arrived between replies, in order.
    pub pushes: Vec<Value>,
}

impl Client {
    /// Connects to a port on this machine.
    pub fn connect(port: u16) -> io::Result<Client> {
        let stream = TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), Duration::from_secs(5))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(REPLY_TIMEOUT))?;
        stream.set_write_timeout(Some(REPLY_TIMEOUT))?;
        Ok(Client { stream, buffer: Vec::new(), start: 0, pushes: Vec::new() })
    }

    /// Replaces the read timeout.
    pub fn set_timeout(&self, timeout: Duration) {
        self.stream.set_read_timeout(Some(timeout)).expect("a positive timeout");
    }

    /// The socket itself.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Sends one command and returns its reply, error replies included. Panics if the connection fails.
    #[track_caller]
    pub fn cmd<A: AsRef<[u8]>>(&mut self, args: &[A]) -> Value {
        match self.try_cmd(args) {
            Ok(value) => value,
            Err(e) => panic!("connection failed at {}: {e}", show(args)),
        }
    }

    /// As [`Client::cmd`] but panics on an error reply as well.
    #[track_caller]
    pub fn must<A: AsRef<[u8]>>(&mut self, args: &[A]) -> Value {
        let value = self.cmd(args);
        assert!(!value.is_error(), "{} was answered {value:?}", show(args));
        value
    }

    /// Sends one command and returns its reply.
    pub fn try_cmd<A: AsRef<[u8]>>(&mut self, args: &[A]) -> io::Result<Value> {
        self.send_raw(&encode(args))?;
        self.read()
    }

    /// Sends all commands, then reads all replies. The commands go out from a second thread, since a server may
    /// rightly stop reading from a client that does not read its replies.
    #[track_caller]
    pub fn pipeline<A: AsRef<[u8]>>(&mut self, commands: &[Vec<A>]) -> Vec<Value> {
        let wire: Vec<u8> = commands.iter().flat_map(|args| encode(args)).collect();
        self.pipeline_raw(&wire, commands.len())
    }

    /// Sends `wire` from a second thread and reads `replies` replies meanwhile.
    #[track_caller]
    pub fn pipeline_raw(&mut self, wire: &[u8], replies: usize) -> Vec<Value> {
        let mut writer = self.stream.try_clone().expect("clone the socket");
        std::thread::scope(|scope| {
            let sending = scope.spawn(move || writer.write_all(wire));
            let values = (0..replies).map(|i| match self.read() {
                Ok(value) => value,
                Err(e) => panic!("reply {i} of {replies}: {e}"),
            });
            let values = values.collect();
            sending.join().expect("sender").expect("send the pipeline");
            values
        })
    }

    /// Sends bytes as they are.
    pub fn send_raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Reads the next reply; pushes met on the way are put aside.
    pub fn read(&mut self) -> io::Result<Value> {
        loop {
            match self.read_any()? {
                push @ Value::Push(_) => self.pushes.push(push),
                value => return Ok(value),
            }
        }
    }

    /// Reads the next reply or push.
    pub fn read_any(&mut self) -> io::Result<Value> {
        let line = self.line()?;
        let Some((kind, rest)) = line.split_first() else { return Err(invalid("an empty line")) };
        let text = || String::from_utf8_lossy(rest).into_owned();
        Ok(match kind {
            b'+' => Value::Simple(text()),
            b'-' => Value::Error(text()),
            b':' => Value::Int(number(rest)?),
            b'_' => Value::Null,
            b',' => Value::Double(text()),
            b'#' => Value::Bool(rest == b"t"),
            b'(' => Value::BigNumber(text()),
            b'$' if rest == b"-1" => Value::NullBulk,
            b'*' if rest == b"-1" => Value::NullArray,
            b'$' => Value::Bulk(self.body(length(rest)?)?),
            b'=' => Value::Verbatim(self.body(length(rest)?)?),
            b'*' => Value::Array(self.many(length(rest)?)?),
            b'~' => Value::Set(self.many(length(rest)?)?),
            b'>' => Value::Push(self.many(length(rest)?)?),
            b'%' => {
                let flat = self.many(length(rest)? * 2)?;
                Value::Map(flat.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect())
            }
            _ => return Err(invalid(&format!("a reply that begins with \"{}\"", line.escape_ascii()))),
        })
    }

    /// Reads a line without its CRLF.
    pub fn line(&mut self) -> io::Result<Vec<u8>> {
        let mut seen = self.start;
        loop {
            if let Some(at) = self.buffer[seen..].iter().position(|b| *b == b'\n') {
                let end = seen + at;
                let line = self.buffer[self.start..end].strip_suffix(b"\r").unwrap_or(&self.buffer[self.start..end]).to_vec();
                self.start = end + 1;
                return Ok(line);
            }
            let unread = self.buffer.len() - self.start;
            self.fill()?;
            seen = self.start + unread;
        }
    }

    /// Reads exactly `len` raw bytes, with no line end after them.
    pub fn exact(&mut self, len: usize) -> io::Result<Vec<u8>> {
        while self.buffer.len() - self.start < len {
            self.fill()?;
        }
        let bytes = self.buffer[self.start..self.start + len].to_vec();
        self.start += len;
        Ok(bytes)
    }

    /// Everything up to the first place that is `mark`, which is read too.
    pub fn until(&mut self, mark: &[u8]) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        loop {
            let seen = bytes.len();
            bytes.extend_from_slice(&self.buffer[self.start..]);
            self.start = self.buffer.len();
            // The mark may have begun in what was read before.
            let from = seen.saturating_sub(mark.len());
            if let Some(at) = bytes[from..].windows(mark.len()).position(|window| window == mark) {
                let rest = bytes.split_off(from + at + mark.len());
                self.start = self.buffer.len() - rest.len();
                bytes.truncate(from + at);
                return Ok(bytes);
            }
            self.fill()?;
        }
    }

    /// Everything the server sends until it closes the connection (or resets it).
    pub fn until_closed(&mut self) -> io::Result<Vec<u8>> {
        loop {
            match self.fill() {
                Ok(()) => {}
                Err(e) if matches!(e.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset) => {
                    return Ok(std::mem::take(&mut self.buffer).split_off(std::mem::take(&mut self.start)));
                }
                Err(e) => return Err(e),
            }
        }
    }

    /// True if something has arrived that has not been read yet. Does not wait.
    pub fn has_input(&self) -> bool {
        if self.start < self.buffer.len() {
            return true;
        }
        self.stream.set_nonblocking(true).expect("a socket that does not block");
        let seen = self.stream.peek(&mut [0]);
        self.stream.set_nonblocking(false).expect("a socket that blocks");
        !matches!(seen, Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted))
    }

    /// INFO, all sections or one.
    #[track_caller]
    pub fn info(&mut self, section: &str) -> Info {
        Info::parse(&self.must(&["INFO", section]).text())
    }

    /// Waits until the server has so many clients, with this one. It sees a connection end some time after the other side has
    /// dropped it, those by which the harness has asked whether the server answers among them.
    #[track_caller]
    pub fn wait_connected(&mut self, count: i64) {
        crate::eventually(&format!("{count} clients are connected"), || {
            let info = self.info("clients");
            crate::wait::must(info.int("connected_clients") == count, || format!("{info:?}"))
        });
    }

    fn many(&mut self, count: usize) -> io::Result<Vec<Value>> {
        (0..count).map(|_| self.read_any()).collect()
    }

    fn body(&mut self, len: usize) -> io::Result<Vec<u8>> {
        let bytes = self.exact(len)?;
        match self.exact(2)?.as_slice() {
            b"\r\n" => Ok(bytes),
            other => Err(invalid(&format!("a bulk that ends with \"{}\"", other.escape_ascii()))),
        }
    }

    fn fill(&mut self) -> io::Result<()> {
        if self.start > 1 << 20 || self.start == self.buffer.len() {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        let mut chunk = [0; 65536];
        loop {
            return match self.stream.read(&mut chunk) {
                Ok(0) => Err(io::Error::new(ErrorKind::UnexpectedEof, "the server closed the connection")),
                Ok(n) => {
                    self.buffer.extend_from_slice(&chunk[..n]);
                    Ok(())
                }
                // A read that has a time limit is not taken up again when the process was stopped and goes on.
                Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                Err(e) => Err(e),
            };
        }
    }
}

/// A command as a RESP array of bulks.
pub fn encode<A: AsRef<[u8]>>(args: &[A]) -> Vec<u8> {
    let mut wire = format!("*{}\r\n", args.len()).into_bytes();
    for arg in args {
        let arg = arg.as_ref();
        wire.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
        wire.extend_from_slice(arg);
        wire.extend_from_slice(b"\r\n");
    }
    wire
}

/// A command for messages: arguments escaped and shortened.
pub fn show<A: AsRef<[u8]>>(args: &[A]) -> String {
    let one = |arg: &A| format!("{:?}", Value::Bulk(arg.as_ref().to_vec()));
    args.iter().map(one).collect::<Vec<_>>().join(" ")
}

fn number(text: &[u8]) -> io::Result<i64> {
    let parsed = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    parsed.ok_or_else(|| invalid(&format!("not a number: \"{}\"", text.escape_ascii())))
}

fn length(text: &[u8]) -> io::Result<usize> {
    let length = usize::try_from(number(text)?).ok().filter(|len| *len <= LEN_MAX);
    length.ok_or_else(|| invalid(&format!("not a length: \"{}\"", text.escape_ascii())))
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, format!("the server sent {what}"))
}
