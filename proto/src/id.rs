//! Newtypes for the quantities that replication is made of, so that they cannot be mixed up.

use std::fmt;

/// A position in the replication stream, in bytes, counted as Redis counts `master_repl_offset`: the offset of the last byte
/// that was produced, so the first byte of a fresh stream has offset 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Offset(pub u64);

impl Offset {
    /// The largest offset that is taken from outside: no stream gets there, and what is added to it cannot overflow.
    const FOREIGN_MAX: u64 = 1 << 62;

    /// Reads an offset as a peer or a file gives it; `None` unless it is a number from 0 to 2^62.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let offset = u64::try_from(crate::number::parse_i64(text)?).ok()?;
        (offset <= Self::FOREIGN_MAX).then_some(Offset(offset))
    }

    /// The offset after `bytes` more bytes of the stream.
    #[must_use]
    pub fn advanced(self, bytes: u64) -> Self {
        Offset(self.0 + bytes)
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A replication id: 40 lower-case hexadecimal characters that name one history of the data set.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ReplId([u8; 40]);

impl ReplId {
    /// The id that stands for "none" in `INFO` and in `master_replid2`.
    pub const NONE: ReplId = ReplId([b'0'; 40]);

    /// Makes an id from 20 random bytes.
    pub fn from_random(random: [u8; 20]) -> Self {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let mut text = [0u8; 40];
        for (i, byte) in random.iter().enumerate() {
            text[2 * i] = HEX[usize::from(byte >> 4)];
            text[2 * i + 1] = HEX[usize::from(byte & 15)];
        }
        ReplId(text)
    }

    /// Reads an id as it stands in `PSYNC` and `+FULLRESYNC`; `None` unless it is 40 hexadecimal characters. Upper case is
    /// accepted and folded, because ids compare without case.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let mut id: [u8; 40] = text.try_into().ok()?;
        if !id.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        id.make_ascii_lowercase();
        Some(ReplId(id))
    }

    /// The 40 characters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("hexadecimal characters are ASCII")
    }
}

impl fmt::Display for ReplId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for ReplId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The index of a database, as `SELECT` takes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DbIndex(pub u32);

/// Milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixMs(pub u64);

/// The index of a shard; shard `i` is owned by core `i`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardId(pub u16);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_offset_from_outside_can_overflow_later() {
        assert_eq!(Offset::parse(b"0"), Some(Offset(0)));
        assert_eq!(Offset::parse(b"4611686018427387904"), Some(Offset(1 << 62)));
        for text in ["4611686018427387905", "9223372036854775807", "18446744073709551615", "-1", "", "1 "] {
            assert_eq!(Offset::parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn replication_ids_fold_case_and_refuse_anything_else() {
        let id = ReplId::from_random([0xab; 20]);
        assert_eq!(ReplId::parse(id.as_str().to_uppercase().as_bytes()), Some(id));
        assert_eq!(ReplId::parse(b"?"), None);
        assert_eq!(ReplId::parse(&[b'g'; 40]), None);
    }
}
