//! Fills servers with keys: pipelined writes over one connection, and the same in lockstep with the server's CPU time read
//! after every batch.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::ops::Range;
use std::time::{Duration, Instant};

use koltso_bench::Random;

use crate::client::{encode, open};
use crate::proc::CpuMeter;
use crate::{Result, client::Client};

/// Bytes of commands per write while filling.
const CHUNK_LEN: usize = 128 * 1024;

/// How key number `n` is spelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyForm {
    /// As redis-benchmark -r spells them: `key:` and twelve digits.
    Benchmark,
    /// Fifteen bytes: `k` and fourteen digits.
    Fifteen,
    /// As redis-benchmark's, with another word in front.
    Named(&'static str),
}

impl KeyForm {
    pub fn key(self, n: u64) -> String {
        match self {
            KeyForm::Benchmark => format!("key:{n:012}"),
            KeyForm::Fifteen => format!("k{n:014}"),
            KeyForm::Named(word) => format!("{word}:{n:012}"),
        }
    }
}

/// Values of one kind and size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// Random bytes: nothing compresses them, and no server takes them for a number.
    Random(usize),
    /// Random decimal digits, the first of them not 0: servers may keep these as an integer.
    Digits(usize),
    /// A hash of five fields of six bytes with values of ten.
    Hash,
    /// A sorted set of five members of ten bytes.
    SortedSet,
    /// One of a hundred.
    LongSortedSet,
    /// A list of a hundred elements of ten bytes.
    List,
}

impl Value {
    /// The command that makes one, and how many elements it gets; a SET where it has none.
    fn elements(self) -> (&'static str, usize) {
        match self {
            Value::Random(_) | Value::Digits(_) => ("SET", 0),
            Value::Hash => ("HSET", 5),
            Value::SortedSet => ("ZADD", 5),
            Value::LongSortedSet => ("ZADD", 100),
            Value::List => ("RPUSH", 100),
        }
    }

    /// What a server answers to that.
    fn reply(self) -> Vec<u8> {
        match self.elements() {
            (_, 0) => b"+OK\r\n".to_vec(),
            (_, count) => format!(":{count}\r\n").into_bytes(),
        }
    }

    /// The words behind the key.
    fn words(self, random: &mut Random) -> Vec<Vec<u8>> {
        let ten = |random: &mut Random| {
            let mut bytes = Vec::new();
            Value::Random(10).append(random, &mut bytes);
            bytes
        };
        let numbers = 0..self.elements().1;
        match self {
            Value::Random(_) | Value::Digits(_) => {
                let mut value = Vec::new();
                self.append(random, &mut value);
                vec![value]
            }
            Value::Hash => numbers.flat_map(|n| [format!("field{n}").into_bytes(), ten(random)]).collect(),
            // Scores of their own, so that an order has to be kept.
            Value::SortedSet | Value::LongSortedSet => {
                numbers.flat_map(|_| [random.below(1_000_000).to_string().into_bytes(), ten(random)]).collect()
            }
            Value::List => numbers.map(|_| ten(random)).collect(),
        }
    }

    fn append(self, random: &mut Random, out: &mut Vec<u8>) {
        match self {
            Value::Random(len) => random.bytes(len, out),
            Value::Digits(len) => out.extend((0..len).map(|at| b'0' + if at == 0 { 1 } else { random.below(10) as u8 })),
            Value::Hash | Value::SortedSet | Value::LongSortedSet | Value::List => {}
        }
    }
}

/// What the key space holds: values of one kind, perhaps with a far-away expiry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    pub value: Value,
    pub expires: bool,
}

impl Shape {
    /// Random values that never expire.
    pub fn random(len: usize) -> Shape {
        Shape { value: Value::Random(len), expires: false }
    }
}

impl std::fmt::Display for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.value {
            Value::Random(len) => write!(f, "{len}-byte value")?,
            Value::Digits(len) => write!(f, "{len}-digit number")?,
            Value::Hash => f.write_str("hash of 5 fields of 6 + 10 bytes")?,
            Value::SortedSet => f.write_str("sorted set of 5 members of 10 bytes")?,
            Value::LongSortedSet => f.write_str("sorted set of 100 members of 10 bytes")?,
            Value::List => f.write_str("list of 100 elements of 10 bytes")?,
        }
        f.write_str(if self.expires { " with TTL" } else { "" })
    }
}

/// Keys to set: their numbers, their spelling, their values.
#[derive(Clone, Debug)]
pub struct Load {
    pub keys: Range<u64>,
    pub form: KeyForm,
    pub shape: Shape,
}

impl Load {
    /// Sets all keys, which must be new, as fast as the server takes them, and checks that it has so many more.
    pub fn run(&self, port: u16) -> Result<()> {
        let before = Client::connect(port)?.int(&["DBSIZE"])?;
        let stream = open(port)?;
        let count = self.keys.end - self.keys.start;
        std::thread::scope(|scope| -> Result<()> {
            let writer = scope.spawn(|| self.write_all(&stream));
            let read = read_replies(&stream, &self.shape.value.reply(), count);
            if read.is_err() {
                // Or the writer might wait for the rest of its timeout.
                let _ = stream.shutdown(std::net::Shutdown::Both);
            }
            let written = writer.join().map_err(|_| "loader panicked")?;
            read.and(written)
        })?;
        let size = Client::connect(port)?.int(&["DBSIZE"])?;
        if size - before != count as i64 {
            return Err(format!("DBSIZE is {size} after loading {count} keys, and was {before}").into());
        }
        Ok(())
    }

    fn write_all(&self, mut stream: &TcpStream) -> Result<()> {
        let mut random = Random::new(self.keys.start);
        let mut chunk = Vec::with_capacity(CHUNK_LEN + 1024);
        for n in self.keys.clone() {
            self.encode_write(n, &mut random, &mut chunk);
            if chunk.len() >= CHUNK_LEN {
                stream.write_all(&chunk)?;
                chunk.clear();
            }
        }
        Ok(stream.write_all(&chunk)?)
    }

    fn encode_write(&self, n: u64, random: &mut Random, out: &mut Vec<u8>) {
        let (command, _) = self.shape.value.elements();
        let mut words = vec![command.into(), self.form.key(n).into_bytes()];
        words.extend(self.shape.value.words(random));
        if self.shape.expires {
            // Thirty days and more, no two quite alike.
            words.extend([b"EX".to_vec(), (30 * 86_400 + n % 100_000).to_string().into_bytes()]);
        }
        encode(&words, out);
    }

    /// Sets all keys in batches, each sent when the last is answered. Between batches the server sleeps, so that its CPU
    /// time per batch can be read exactly: noise from other processes lengthens a batch but does not cost the server CPU.
    pub fn run_in_batches(&self, port: u16, pid: u32, batch_len: u64, limit: Duration) -> Result<Vec<Batch>> {
        let stream = open(port)?;
        let meter = CpuMeter::open(pid)?;
        let begun = Instant::now();
        let mut random = Random::new(self.keys.start);
        let mut batches = Vec::with_capacity(((self.keys.end - self.keys.start) / batch_len) as usize + 1);
        let mut commands = Vec::new();
        let mut next = self.keys.start;
        while next < self.keys.end {
            if begun.elapsed() > limit {
                return Err(format!("only {next} keys were inserted in {limit:?}").into());
            }
            let end = (next + batch_len).min(self.keys.end);
            commands.clear();
            (next..end).for_each(|n| self.encode_write(n, &mut random, &mut commands));
            let cpu_before_ns = meter.read_ns()?;
            let sent = Instant::now();
            (&stream).write_all(&commands)?;
            read_replies(&stream, &self.shape.value.reply(), end - next)?;
            let wall = sent.elapsed();
            batches.push(Batch { cpu_ns: meter.read_ns()?.saturating_sub(cpu_before_ns), wall });
            next = end;
        }
        Ok(batches)
    }
}

/// What one batch of SETs cost.
#[derive(Clone, Copy, Debug)]
pub struct Batch {
    /// Server CPU time. Its way to sleep after the reply may still be missing here and in the next batch instead.
    pub cpu_ns: u64,
    /// From sending to the last reply.
    pub wall: Duration,
}

/// Reads `count` replies, all of which must be `reply`.
fn read_replies(mut stream: &TcpStream, reply: &[u8], count: u64) -> Result<()> {
    let mut left = count * reply.len() as u64;
    let mut buffer = vec![0; 64 * 1024];
    let mut phase = 0;
    while left > 0 {
        let want = buffer.len().min(left as usize);
        let len = stream.read(&mut buffer[..want])?;
        if len == 0 {
            return Err("the server closed the loading connection".into());
        }
        for (at, &byte) in buffer[..len].iter().enumerate() {
            if byte != reply[phase] {
                return Err(
                    format!("a write was answered {:?}", String::from_utf8_lossy(&buffer[at..len.min(at + 100)])).into()
                );
            }
            phase = (phase + 1) % reply.len();
        }
        left -= len as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_the_stated_lengths() {
        assert_eq!(KeyForm::Fifteen.key(1_999_999).len(), 15);
        assert_eq!(KeyForm::Benchmark.key(7), "key:000000000007");
    }
}
