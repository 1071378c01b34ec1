//! A small blocking RESP2 client: enough to set servers up and to ask them questions.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use crate::Result;

/// No answer within this time means the server hangs: every wait here is bounded.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// More than any answer that is asked for here.
const BULK_LEN_MAX: usize = 64 << 20;

/// A reply, as far as it is looked at here.
#[derive(Debug, PartialEq)]
pub enum Reply {
    Text(Vec<u8>),
    Int(i64),
    Nil,
    Array(Vec<Reply>),
}

pub struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    pub fn connect(port: u16) -> Result<Client> {
        Ok(Client { stream: BufReader::new(open(port)?) })
    }

    /// Sends one command and returns its reply; an error reply is an `Err`.
    pub fn command(&mut self, words: &[&str]) -> Result<Reply> {
        let mut out = Vec::new();
        encode(words, &mut out);
        self.stream.get_mut().write_all(&out)?;
        self.reply().map_err(|e| format!("{}: {e}", words.join(" ")).into())
    }

    /// Like [`Client::command`] for replies that are text.
    pub fn text(&mut self, words: &[&str]) -> Result<String> {
        match self.command(words)? {
            Reply::Text(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
            other => Err(format!("{}: unexpected reply {other:?}", words.join(" ")).into()),
        }
    }

    pub fn int(&mut self, words: &[&str]) -> Result<i64> {
        match self.command(words)? {
            Reply::Int(n) => Ok(n),
            other => Err(format!("{}: unexpected reply {other:?}", words.join(" ")).into()),
        }
    }

    /// One field of INFO, or `None` where the server does not have it.
    pub fn info(&mut self, section: &str, field: &str) -> Result<Option<String>> {
        let text = self.text(&["INFO", section])?;
        Ok(text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':')).map(|v| v.trim().to_owned()))
    }

    fn reply(&mut self) -> Result<Reply> {
        let line = self.line()?;
        let (&kind, rest) = line.split_first().ok_or("empty reply line")?;
        let rest = String::from_utf8_lossy(rest);
        match kind {
            b'+' => Ok(Reply::Text(rest.into_owned().into_bytes())),
            b'-' => Err(rest.into_owned().into()),
            b':' => Ok(Reply::Int(rest.parse()?)),
            b'$' | b'*' if rest.starts_with('-') => Ok(Reply::Nil),
            b'$' => self.bulk(rest.parse()?),
            b'*' => (0..rest.parse::<u32>()?).map(|_| self.reply()).collect::<Result<_>>().map(Reply::Array),
            _ => Err(format!("reply of unknown kind {:?}", kind as char).into()),
        }
    }

    fn bulk(&mut self, len: usize) -> Result<Reply> {
        if len > BULK_LEN_MAX {
            return Err(format!("bulk reply of {len} bytes").into());
        }
        let mut bytes = vec![0; len + 2];
        self.stream.read_exact(&mut bytes)?;
        bytes.truncate(len);
        Ok(Reply::Text(bytes))
    }

    fn line(&mut self) -> Result<Vec<u8>> {
        let mut line = Vec::new();
        self.stream.by_ref().take(64 * 1024).read_until(b'\n', &mut line)?;
        if line.last() != Some(&b'\n') {
            return Err("connection closed".into());
        }
        line.truncate(line.len().saturating_sub(2));
        Ok(line)
    }
}

/// A connection to a server on this machine, without Nagle's delay and with bounded waits.
pub fn open(port: u16) -> Result<TcpStream> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
    stream.set_write_timeout(Some(ANSWER_TIMEOUT))?;
    Ok(stream)
}

/// Appends one command as a RESP array.
pub fn encode<W: AsRef<[u8]>>(words: &[W], out: &mut Vec<u8>) {
    let _ = write!(out, "*{}\r\n", words.len());
    for word in words {
        let word = word.as_ref();
        let _ = write!(out, "${}\r\n", word.len());
        out.extend_from_slice(word);
        out.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn commands_are_arrays_of_bulks() {
        let mut out = Vec::new();
        encode(&["SET", "k", ""], &mut out);
        assert_eq!(out, b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$0\r\n\r\n");
    }

    #[test]
    fn replies_of_every_kind_are_read() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let mut client = Client::connect(listener.local_addr().unwrap().port()).unwrap();
        let (mut peer, _) = listener.accept().unwrap();
        peer.write_all(b"*4\r\n+a\r\n:-3\r\n$2\r\n\r\n\r\n$-1\r\n-ERR no\r\n").unwrap();
        let text = |s: &str| Reply::Text(s.as_bytes().to_vec());
        assert_eq!(client.reply().unwrap(), Reply::Array(vec![text("a"), Reply::Int(-3), text("\r\n"), Reply::Nil]));
        assert_eq!(client.reply().unwrap_err().to_string(), "ERR no");
        drop(peer);
        assert_eq!(client.reply().unwrap_err().to_string(), "connection closed");
    }
}
