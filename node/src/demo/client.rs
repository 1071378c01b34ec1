//! A small blocking client: enough RESP2 to ask questions and to write in pipelines.

use koltso_proto::resp::put_command;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

/// No reply takes longer.
const REPLY_MAX: Duration = Duration::from_secs(20);

/// One connection.
pub struct Client {
    reader: BufReader<TcpStream>,
}

impl Client {
    /// Connects to a node on this machine.
    pub fn connect(port: u16) -> Result<Self, String> {
        let connect = || {
            let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(REPLY_MAX))?;
            stream.set_write_timeout(Some(REPLY_MAX))?;
            Ok(stream)
        };
        let stream = connect().map_err(|error: std::io::Error| format!("connecting to port {port}: {error}"))?;
        Ok(Client { reader: BufReader::new(stream) })
    }

    /// Sends requests, and reads that many replies. An error among them is an error.
    pub fn pipeline(&mut self, wire: &[u8], replies: usize) -> Result<(), String> {
        self.send(wire)?;
        (0..replies).try_for_each(|_| self.reply().map(drop))
    }

    /// The reply to one command as text.
    pub fn text(&mut self, args: &[&str]) -> Result<String, String> {
        let mut wire = Vec::new();
        put_command(&mut wire, args);
        self.send(&wire)?;
        self.reply()
    }

    /// The reply to one command as a number.
    pub fn int(&mut self, args: &[&str]) -> Result<u64, String> {
        let text = self.text(args)?;
        text.parse().map_err(|_| format!("{} was answered with '{text}'", args[0]))
    }

    /// A field of INFO; empty if it is not there.
    pub fn info(&mut self, section: &str, field: &str) -> Result<String, String> {
        let text = self.text(&["INFO", section])?;
        let mut fields = text.lines().filter_map(|line| line.split_once(':'));
        Ok(fields.find(|(name, _)| *name == field).map(|(_, value)| value.trim().to_string()).unwrap_or_default())
    }

    fn send(&mut self, wire: &[u8]) -> Result<(), String> {
        self.reader.get_mut().write_all(wire).map_err(|error| format!("a node does not take a request: {error}"))
    }

    /// One reply; of an array, all its elements in a row.
    fn reply(&mut self) -> Result<String, String> {
        let lost = |error: std::io::Error| format!("a node does not answer: {error}");
        let mut line = String::new();
        self.reader.read_line(&mut line).map_err(lost)?;
        let (kind, rest) = line.trim_end().split_at_checked(1).ok_or("a node has closed the connection")?;
        let len = || rest.parse::<i64>().map_err(|_| format!("a node sent '{rest}' for a length"));
        match kind {
            "+" | ":" => Ok(rest.to_string()),
            "-" => Err(format!("a node answered with an error: {rest}")),
            "$" => {
                let Ok(len) = usize::try_from(len()?) else { return Ok(String::new()) };
                let mut body = vec![0; len + 2];
                self.reader.read_exact(&mut body).map_err(lost)?;
                Ok(String::from_utf8_lossy(&body[..len]).into_owned())
            }
            "*" => (0..len()?).map(|_| self.reply()).collect(),
            other => Err(format!("a node sent a reply that begins with '{other}'")),
        }
    }
}
