//! Reading an RDB file that arrives in pieces of any size.
//!
//! ```text
//! loop {
//!     while let Some(item) = decoder.next_item()? { … }      borrows from the decoder
//!     if decoder.is_done() { break }
//!     decoder.feed(more)                                     or spare() and commit()
//! }
//! decoder.remaining()                                        what came behind the file
//! ```
//!
//! The decoder holds the bytes of the entry under way and no more. `extent.rs` says when an entry is complete, without
//! doing any work twice; only then it is decoded, out of one contiguous piece. It knows nothing of keyspaces or databases.

use super::consts::{MAGIC_LEN, VERSION_CHECKSUM, kind, opcode};
use super::crc::Crc64;
use super::cursor::Cursor;
use super::decode;
use super::error::{Fault, RdbError};
use super::extent::{Extent, opcode_shape, value_shape};
use super::item::{Checksum, Item, Limits, Prefix, is_key, is_prefix, read_item};
use super::magic::{Dialect, parse_magic};
use crate::id::UnixMs;

/// A buffer grown beyond this by a big entry is given back afterwards.
const BUFFER_KEPT_MAX: usize = 4 << 20;

/// Where the decoder is in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Magic,
    /// Between entries.
    Between,
    /// Inside the entry that begins at `start`; `extent` searches its end.
    Inside,
    /// Behind the end mark, before the checksum.
    Checksum,
    Done,
}

/// See the module's description.
pub struct Decoder {
    limits: Limits,
    state: State,
    buffer: Vec<u8>,
    /// Bytes of `buffer` that hold something: `start..end` is still to be read.
    start: usize,
    end: usize,
    /// Where `buffer` begins in the file.
    base: u64,
    extent: Extent,
    crc: Crc64,
    /// Bytes of `buffer` that the checksum has seen.
    crc_to: usize,
    version: u32,
    dialect: Dialect,
    prefix: Prefix,
    empty_keys: u64,
    failed: Option<RdbError>,
}

/// A complete entry, as a range of the buffer.
struct Found {
    at: usize,
    end: usize,
    byte: u8,
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new(Limits::default())
    }
}

impl Decoder {
    pub fn new(limits: Limits) -> Self {
        Decoder {
            limits,
            state: State::Magic,
            buffer: Vec::new(),
            start: 0,
            end: 0,
            base: 0,
            extent: Extent::default(),
            crc: Crc64::new(),
            crc_to: 0,
            version: 0,
            dialect: Dialect::Redis,
            prefix: Prefix::default(),
            empty_keys: 0,
            failed: None,
        }
    }

    /// Brings the next bytes of the file. Pieces of some hundred kilobytes are best.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.compact(bytes.len());
        self.buffer.truncate(self.end);
        self.buffer.extend_from_slice(bytes);
        self.end = self.buffer.len();
    }

    /// Room of at least `len` bytes for the next bytes of the file, for reading into directly; then [`Decoder::commit`].
    pub fn spare(&mut self, len: usize) -> &mut [u8] {
        self.compact(len);
        if self.buffer.len() - self.end < len {
            self.buffer.resize(self.end + len, 0);
        }
        &mut self.buffer[self.end..]
    }

    /// Says that `len` bytes of the room from [`Decoder::spare`] now hold the next bytes of the file.
    pub fn commit(&mut self, len: usize) {
        self.end = (self.end + len).min(self.buffer.len());
    }

    /// The next item, or `None` if it is not complete or the file is at its end ([`Decoder::is_done`]). After an error, the same
    /// error again.
    pub fn next_item(&mut self) -> Result<Option<Item<'_>>, RdbError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let found = match self.find_item() {
            Ok(Some(found)) => found,
            Ok(None) if self.state == State::Checksum && self.end - self.start >= self.checksum_len() => {
                return self.finish().map(|checksum| Some(Item::End(checksum))).map_err(|fault| self.fail(0, fault));
            }
            Ok(None) => return Ok(None),
            Err(fault) => return Err(self.fail(self.inside(), fault)),
        };
        let prefix = if is_key(found.byte) { std::mem::take(&mut self.prefix) } else { Prefix::default() };
        let mut cursor = Cursor::new(&self.buffer[found.at + 1..found.end], self.limits.string_bytes_max);
        match read_item(&mut cursor, found.byte, self.dialect, prefix) {
            Ok(item) => Ok(Some(item)),
            Err(fault) => {
                let error = RdbError { at: self.base + (found.at + 1 + cursor.pos()) as u64, fault };
                self.failed = Some(error.clone());
                Err(error)
            }
        }
    }

    /// Whether the file has been read to its end.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Bytes that were fed and not yet read. Once done: what came behind the file.
    pub fn remaining(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Bytes of the file that have been read.
    pub fn position(&self) -> u64 {
        self.base + self.start as u64
    }

    /// How many more bytes are needed, at least, before [`Decoder::next_item`] can say anything new. At least 1; 0 once done.
    pub fn missing(&self) -> usize {
        let need = match self.state {
            State::Magic => MAGIC_LEN,
            State::Between => 1,
            State::Inside => self.extent.need(),
            State::Checksum => self.checksum_len(),
            State::Done => return 0,
        };
        need.saturating_sub(self.end - self.start).max(1)
    }

    /// The file's version; 0 before the magic has been read.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// How many keys have been passed over because they had no elements.
    pub fn empty_keys(&self) -> u64 {
        self.empty_keys
    }

    /// Remembers and returns an error `inside` bytes into the entry under way.
    fn fail(&mut self, inside: usize, fault: Fault) -> RdbError {
        let error = RdbError { at: self.position() + inside as u64, fault };
        self.failed = Some(error.clone());
        error
    }

    /// How far into the entry under way the bytes have been understood.
    fn inside(&self) -> usize {
        if self.state == State::Inside { self.extent.pos() } else { 0 }
    }

    /// Forgets what has been read, after the checksum has seen it. `coming` bytes are about to be added.
    fn compact(&mut self, coming: usize) {
        if self.start == 0 {
            return;
        }
        self.sum_to(self.start);
        let left = self.end - self.start;
        let kept_max = BUFFER_KEPT_MAX.max(coming.saturating_mul(4));
        if self.buffer.capacity() > kept_max && left < kept_max / 4 {
            self.buffer = self.buffer[self.start..self.end].to_vec();
        } else {
            self.buffer.copy_within(self.start..self.end, 0);
        }
        self.base += self.start as u64;
        (self.start, self.end, self.crc_to) = (0, left, 0);
    }

    /// Brings the checksum up to `to`. It runs over big pieces, because it is dear per call.
    fn sum_to(&mut self, to: usize) {
        if self.limits.verify_checksum && self.state != State::Done && self.crc_to < to {
            self.crc.update(&self.buffer[self.crc_to..to]);
            self.crc_to = to;
        }
    }

    /// Moves on to the next entry that is worth an item. Prefixes of keys and keys without elements are dealt with here.
    fn find_item(&mut self) -> Result<Option<Found>, Fault> {
        while let Some(found) = self.find_entry()? {
            if is_prefix(found.byte) {
                self.take_prefix(&found)?;
            } else if is_key(found.byte) && self.is_empty_key(&found)? {
                self.prefix = Prefix::default();
                self.empty_keys += 1;
            } else {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Moves on to the next complete entry.
    fn find_entry(&mut self) -> Result<Option<Found>, Fault> {
        loop {
            let bytes = &self.buffer[self.start..self.end];
            match self.state {
                State::Magic => {
                    let Some((version, dialect)) = parse_magic(bytes)? else { return Ok(None) };
                    (self.version, self.dialect) = (version, dialect);
                    self.start += MAGIC_LEN;
                    self.state = State::Between;
                }
                State::Between => {
                    let Some(&byte) = bytes.first() else { return Ok(None) };
                    self.begin_entry(byte)?;
                }
                State::Inside => {
                    let Some(len) = self.extent.find(bytes, self.limits.string_bytes_max)? else { return Ok(None) };
                    let found = Found { at: self.start, end: self.start + len, byte: bytes[0] };
                    self.start = found.end;
                    self.state = State::Between;
                    return Ok(Some(found));
                }
                State::Checksum | State::Done => return Ok(None),
            }
        }
    }

    /// Looks at the byte that says what kind of entry begins here.
    fn begin_entry(&mut self, byte: u8) -> Result<(), Fault> {
        if byte == opcode::EOF {
            if self.prefix != Prefix::default() {
                return Err(Fault::Corrupt("the end of the file where a key was announced"));
            }
            self.start += 1;
            self.state = State::Checksum;
            return Ok(());
        }
        match opcode_shape(byte) {
            Some(shapes) => self.extent.begin(1, shapes),
            None => self.extent.begin_key(1, value_shape(byte, self.dialect)?),
        }
        self.state = State::Inside;
        Ok(())
    }

    fn checksum_len(&self) -> usize {
        if self.version < VERSION_CHECKSUM { 0 } else { 8 }
    }

    /// The end: compares the checksum.
    fn finish(&mut self) -> Result<Checksum, Fault> {
        let result = match self.buffer[self.start..self.end].first_chunk() {
            _ if self.checksum_len() == 0 => Checksum::Absent,
            None | Some(&[0, 0, 0, 0, 0, 0, 0, 0]) => Checksum::Absent,
            Some(_) if !self.limits.verify_checksum => Checksum::Skipped,
            Some(stored) => {
                let stored = u64::from_le_bytes(*stored);
                self.sum_to(self.start);
                let computed = self.crc.value();
                if computed != stored {
                    return Err(Fault::Checksum { stored, computed });
                }
                Checksum::Good
            }
        };
        self.start += self.checksum_len();
        self.state = State::Done;
        Ok(result)
    }

    /// Keeps what applies to the key that follows.
    fn take_prefix(&mut self, found: &Found) -> Result<(), Fault> {
        let mut cursor = Cursor::new(&self.buffer[found.at + 1..found.end], self.limits.string_bytes_max);
        match found.byte {
            opcode::EXPIRE_MS => {
                // A time before the epoch is as past as the epoch itself.
                let at_ms = i64::from_le_bytes(cursor.array()?).max(0);
                self.prefix.expire = Some(UnixMs(at_ms.cast_unsigned()));
            }
            opcode::EXPIRE => {
                let at_s = i32::from_le_bytes(cursor.array()?).max(0);
                self.prefix.expire = Some(UnixMs(u64::from(at_s.cast_unsigned()) * 1000));
            }
            opcode::IDLE => self.prefix.idle_s = Some(cursor.len()?),
            _ => self.prefix.freq = Some(cursor.array::<1>()?[0]),
        }
        Ok(())
    }

    fn is_empty_key(&self, found: &Found) -> Result<bool, Fault> {
        if found.byte == kind::STRING {
            return Ok(false);
        }
        let mut cursor = Cursor::new(&self.buffer[found.at + 1..found.end], self.limits.string_bytes_max);
        cursor.text()?;
        Ok(decode::is_empty(cursor.rest(), found.byte))
    }
}
