//! The replica's side of the protocol by hand, for what a real replica would hide: the framing of the transfer, what is
//! sent when, and the stream's bytes.

use std::io;
use std::time::Duration;

use crate::{Client, Server, Value};

/// Length of the mark of an `$EOF:` transfer.
const MARK_LEN: usize = 40;

/// An RDB transfer as it was framed.
pub struct Transfer {
    /// The file's bytes.
    pub rdb: Vec<u8>,
    /// True for `$EOF:`, false for `$len`.
    pub eof: bool,
}

/// What PSYNC was answered.
#[derive(Debug, PartialEq, Eq)]
pub enum Psync {
    /// Id and offset of the snapshot.
    Full(String, i64),
    /// The id, if the server names one.
    Continue(Option<String>),
    /// Any other line.
    Other(String),
}

/// A connection that plays replica.
pub struct RawReplica {
    /// The connection, for reading the stream.
    pub client: Client,
}

impl RawReplica {
    /// Connects and says PING and REPLCONF, with `capa psync2` and, if wanted, `capa eof`.
    pub fn connect(server: &Server, eof: bool) -> RawReplica {
        let mut client = server.client();
        client.must(&["PING"]);
        client.must(&["REPLCONF", "listening-port", "1"]).ok();
        let capa: &[&str] = if eof { &["REPLCONF", "capa", "eof", "capa", "psync2"] } else { &["REPLCONF", "capa", "psync2"] };
        client.must(capa).ok();
        RawReplica { client }
    }

    /// Sends PSYNC; `None` asks for a full copy, otherwise the id and the first offset wanted.
    pub fn psync(&mut self, from: Option<(&str, i64)>) -> Psync {
        let (id, offset) = from.map_or(("?".to_string(), -1), |(id, offset)| (id.to_string(), offset));
        self.client.send_raw(&crate::client::encode(&["PSYNC", &id, &offset.to_string()])).expect("send PSYNC");
        let line = self.header().expect("an answer to PSYNC");
        let words: Vec<&str> = line.split(' ').collect();
        match words.as_slice() {
            ["+FULLRESYNC", id, offset] => Psync::Full(id.to_string(), offset.parse().expect("an offset")),
            ["+CONTINUE"] => Psync::Continue(None),
            ["+CONTINUE", id] => Psync::Continue(Some(id.to_string())),
            _ => Psync::Other(line),
        }
    }

    /// Reads the transfer that follows.
    pub fn transfer(&mut self) -> io::Result<Transfer> {
        let header = self.header()?;
        if let Some(mark) = header.strip_prefix("$EOF:") {
            assert_eq!(mark.len(), MARK_LEN, "{header}");
            let rdb = self.client.until(mark.as_bytes())?;
            return Ok(Transfer { rdb, eof: true });
        }
        let len = header.strip_prefix('$').and_then(|len| len.parse().ok());
        let len = len.unwrap_or_else(|| panic!("a transfer does not begin with {header:?}"));
        Ok(Transfer { rdb: self.client.exact(len)?, eof: false })
    }

    /// Acknowledges an offset. Never answered.
    pub fn ack(&mut self, offset: i64) {
        self.client.send_raw(&crate::client::encode(&["REPLCONF", "ACK", &offset.to_string()])).expect("send an ACK");
    }

    /// The next command of the stream that is not PING or REPLCONF.
    pub fn command(&mut self) -> io::Result<Vec<String>> {
        loop {
            let words: Vec<String> = self.client.read_any()?.items().iter().map(Value::text).collect();
            if !["PING", "REPLCONF"].iter().any(|skip| words[0].eq_ignore_ascii_case(skip)) {
                return Ok(words);
            }
        }
    }

    /// True if nothing arrives within `span`.
    pub fn is_silent_for(&mut self, span: Duration) -> bool {
        self.client.set_timeout(span);
        let got = self.client.exact(1);
        self.client.set_timeout(crate::client::REPLY_TIMEOUT);
        matches!(got, Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut))
    }

    /// A line, past the newlines that keep the link alive.
    fn header(&mut self) -> io::Result<String> {
        loop {
            let line = self.client.line()?;
            if !line.is_empty() {
                return Ok(String::from_utf8_lossy(&line).into_owned());
            }
        }
    }
}
