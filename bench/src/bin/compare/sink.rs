//! A replica that keeps nothing: asks for a full resync, swallows the RDB and then the stream, and acknowledges.
//!
//! It stands for an attached replica that is never the bottleneck, and its offset proves that every byte came. The
//! handshake and framing are those that every replica since Redis 4.0 uses (PSYNC, `$EOF:` or `$length`).

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::Result;
use crate::client::{encode, open};

const MARK_LEN: usize = 40;
const ACK_PERIOD: Duration = Duration::from_secs(1);
const BUFFER_LEN: usize = 1 << 20;

/// The course of one full synchronisation as the replica sees it.
#[derive(Clone, Copy, Debug)]
pub struct SyncTimes {
    /// PSYNC sent.
    pub asked: Instant,
    /// +FULLRESYNC received: the point in time of the copy is about here.
    pub answered: Instant,
    /// Last byte of the RDB received.
    pub complete: Instant,
    pub rdb_bytes: u64,
}

#[derive(Default)]
struct Shared {
    /// Bytes of the stream that have come, counted from the primary's offset; valid once `times` is there.
    offset: AtomicU64,
    times: Mutex<Option<SyncTimes>>,
    /// Why the thread ended, unless it was asked to.
    failure: Mutex<Option<String>>,
}

/// An attached sink; dropping it closes the link.
pub struct Sink {
    shared: Arc<Shared>,
    stream: TcpStream,
    thread: Option<JoinHandle<()>>,
}

impl Sink {
    /// Connects and starts synchronising in the background.
    pub fn attach(port: u16) -> Result<Sink> {
        let stream = open(port)?;
        let shared = Arc::new(Shared::default());
        let thread = {
            let (shared, stream) = (shared.clone(), stream.try_clone()?);
            std::thread::spawn(move || {
                if let Err(e) = replicate(stream, &shared) {
                    *shared.failure.lock().unwrap_or_else(|p| p.into_inner()) = Some(e.to_string());
                }
            })
        };
        Ok(Sink { shared, stream, thread: Some(thread) })
    }

    /// Waits for the whole RDB.
    pub fn wait_synced(&self, limit: Duration) -> Result<SyncTimes> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(times) = *self.shared.times.lock().unwrap_or_else(|p| p.into_inner()) {
                return Ok(times);
            }
            self.check()?;
            if Instant::now() > deadline {
                return Err(format!("no full sync within {limit:?}").into());
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// The offset up to which the stream has come.
    pub fn offset(&self) -> u64 {
        self.shared.offset.load(Ordering::Acquire)
    }

    /// An error if the link has broken.
    pub fn check(&self) -> Result<()> {
        match &*self.shared.failure.lock().unwrap_or_else(|p| p.into_inner()) {
            Some(failure) => Err(format!("the replica sink: {failure}").into()),
            None => Ok(()),
        }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Both);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn replicate(stream: TcpStream, shared: &Shared) -> Result<()> {
    let mut link = Link { reader: BufReader::with_capacity(BUFFER_LEN, stream) };
    for words in [&["PING"][..], &["REPLCONF", "listening-port", "0"], &["REPLCONF", "capa", "eof", "capa", "psync2"]] {
        link.send(words)?;
        let answer = link.line()?;
        if !answer.starts_with('+') {
            return Err(format!("{} was answered {answer}", words[0]).into());
        }
    }
    let asked = Instant::now();
    link.send(&["PSYNC", "?", "-1"])?;
    let offset = full_resync_offset(&link.line()?)?;
    let answered = Instant::now();
    let rdb_bytes = link.swallow_rdb()?;
    let complete = Instant::now();
    shared.offset.store(offset, Ordering::Release);
    *shared.times.lock().unwrap_or_else(|p| p.into_inner()) = Some(SyncTimes { asked, answered, complete, rdb_bytes });
    link.follow(offset, &shared.offset)
}

/// The offset of `+FULLRESYNC <replid> <offset>`.
fn full_resync_offset(line: &str) -> Result<u64> {
    let mut words = line.split(' ');
    match (words.next(), words.next(), words.next().and_then(|o| o.parse().ok())) {
        (Some("+FULLRESYNC"), Some(_), Some(offset)) => Ok(offset),
        _ => Err(format!("PSYNC was answered {line}").into()),
    }
}

struct Link {
    reader: BufReader<TcpStream>,
}

impl Link {
    fn send(&mut self, words: &[&str]) -> Result<()> {
        let mut out = Vec::new();
        encode(words, &mut out);
        Ok(self.reader.get_mut().write_all(&out)?)
    }

    /// The next line that is not one of the empty keepalive lines sent while a snapshot is being prepared.
    fn line(&mut self) -> Result<String> {
        loop {
            let mut line = Vec::new();
            self.reader.by_ref().take(1024).read_until(b'\n', &mut line)?;
            if line.last() != Some(&b'\n') {
                return Err("the primary closed the connection during the handshake".into());
            }
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            if !text.is_empty() {
                return Ok(text);
            }
        }
    }

    /// Reads the RDB in either framing and returns its length.
    fn swallow_rdb(&mut self) -> Result<u64> {
        let header = self.line()?;
        if let Some(mark) = header.strip_prefix("$EOF:") {
            return self.swallow_until(mark.as_bytes());
        }
        let len = header.strip_prefix('$').and_then(|n| n.parse().ok()).ok_or_else(|| format!("RDB header {header}"))?;
        let mut left: u64 = len;
        while left > 0 {
            let got = self.chunk()?.len().min(left as usize);
            self.reader.consume(got);
            left -= got as u64;
        }
        Ok(len)
    }

    /// Nothing follows the mark before our first ACK, so it is recognised as the last bytes received.
    fn swallow_until(&mut self, mark: &[u8]) -> Result<u64> {
        if mark.len() != MARK_LEN {
            return Err("an end mark that is not 40 bytes long".into());
        }
        let mut last = Vec::with_capacity(2 * MARK_LEN);
        let mut total = 0;
        while last != mark {
            let chunk = self.chunk()?;
            let len = chunk.len();
            last.extend_from_slice(&chunk[len.saturating_sub(MARK_LEN)..]);
            last.drain(..last.len().saturating_sub(MARK_LEN));
            self.reader.consume(len);
            total += len as u64;
        }
        Ok(total - MARK_LEN as u64)
    }

    fn chunk(&mut self) -> Result<&[u8]> {
        let chunk = self.reader.fill_buf()?;
        if chunk.is_empty() { Err("the primary closed the connection during the sync".into()) } else { Ok(chunk) }
    }

    /// Counts the stream and acknowledges it once a second until the link ends.
    fn follow(&mut self, mut offset: u64, seen: &AtomicU64) -> Result<()> {
        self.reader.get_ref().set_read_timeout(Some(ACK_PERIOD / 4))?;
        let mut acked: Option<Instant> = None;
        loop {
            if acked.is_none_or(|at| at.elapsed() >= ACK_PERIOD) {
                self.send(&["REPLCONF", "ACK", &offset.to_string()])?;
                acked = Some(Instant::now());
            }
            let len = match self.reader.fill_buf() {
                Ok([]) => return Err("the primary closed the link".into()),
                Ok(bytes) => bytes.len(),
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted) => 0,
                Err(e) => return Err(e.into()),
            };
            self.reader.consume(len);
            offset += len as u64;
            seen.store(offset, Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, TcpListener};

    /// A primary that says `script` after the four handshake commands, in pieces of `piece` bytes.
    fn primary(script: Vec<u8>, piece: usize) -> u16 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            let (mut peer, _) = listener.accept().unwrap();
            peer.set_nodelay(true).unwrap();
            peer.write_all(b"+PONG\r\n+OK\r\n+OK\r\n").unwrap();
            for part in script.chunks(piece) {
                peer.write_all(part).unwrap();
            }
            // The link stays up until the sink is dropped.
            let _ = peer.read_to_end(&mut Vec::new());
        });
        port
    }

    #[test]
    fn both_framings_are_measured_to_the_byte() {
        let mark = "m".repeat(MARK_LEN);
        for piece in [1, 7, 4096] {
            let script = format!("\n+FULLRESYNC id 100\r\n\n$EOF:{mark}\r\nREDIS-payload{mark}");
            let sink = Sink::attach(primary(script.into_bytes(), piece)).unwrap();
            assert_eq!(sink.wait_synced(Duration::from_secs(10)).unwrap().rdb_bytes, 13);
            assert_eq!(sink.offset(), 100);

            let sink = Sink::attach(primary(b"+FULLRESYNC id 100\r\n$5\r\nREDISstream".to_vec(), piece)).unwrap();
            assert_eq!(sink.wait_synced(Duration::from_secs(10)).unwrap().rdb_bytes, 5);
            let deadline = Instant::now() + Duration::from_secs(10);
            while sink.offset() < 106 && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(1));
            }
            assert_eq!(sink.offset(), 106);
        }
    }

    #[test]
    fn a_refused_psync_is_an_error() {
        let sink = Sink::attach(primary(b"-NOMASTERLINK no\r\n".to_vec(), 64)).unwrap();
        let failure = sink.wait_synced(Duration::from_secs(10)).unwrap_err().to_string();
        assert!(failure.contains("-NOMASTERLINK"), "{failure}");
    }
}
