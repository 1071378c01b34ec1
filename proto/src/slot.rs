//! From a key to its slot, and from a slot to the shard that owns it.
//!
//! The slot is Redis Cluster's: CRC-16/XMODEM of the key's hashtag, modulo 16384, so that keys which clients tie together with
//! `{…}` live on one core. Must not know how many cores there are, nor who owns what: callers hand the number of shards in.

use std::ops::Range;

use crate::id::ShardId;

/// How many slots there are.
pub const SLOTS: u16 = 16384;

/// `TABLES[k][b]` is the checksum of byte `b` followed by `k` zero bytes, so eight bytes cost eight independent loads.
static TABLES: [[u16; 256]; 8] = tables();

const fn tables() -> [[u16; 256]; 8] {
    let mut tables = [[0u16; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = (byte as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 };
            bit += 1;
        }
        tables[0][byte] = crc;
        byte += 1;
    }
    let mut zeros = 1;
    while zeros < 8 {
        let mut byte = 0;
        while byte < 256 {
            let crc = tables[zeros - 1][byte];
            tables[zeros][byte] = (crc << 8) ^ tables[0][(crc >> 8) as usize];
            byte += 1;
        }
        zeros += 1;
    }
    tables
}

/// CRC-16/XMODEM: polynomial 0x1021, initial value 0, not reflected.
pub fn crc16(bytes: &[u8]) -> u16 {
    let (blocks, tail) = bytes.as_chunks::<8>();
    let mut crc = 0u16;
    for block in blocks {
        let [high, low] = crc.to_be_bytes();
        crc = TABLES[7][usize::from(block[0] ^ high)] ^ TABLES[6][usize::from(block[1] ^ low)];
        for (k, byte) in block[2..].iter().enumerate() {
            crc ^= TABLES[5 - k][usize::from(*byte)];
        }
    }
    for byte in tail {
        crc = (crc << 8) ^ TABLES[0][usize::from((crc >> 8) as u8 ^ byte)];
    }
    crc
}

/// The part of a key that decides its slot: what stands between the first `{` and the next `}`, unless that is empty or one of
/// them is missing; then the whole key.
pub fn hashtag(key: &[u8]) -> &[u8] {
    let Some(open) = memchr::memchr(b'{', key) else { return key };
    let inside = &key[open + 1..];
    match memchr::memchr(b'}', inside) {
        None | Some(0) => key,
        Some(close) => &inside[..close],
    }
}

/// The slot of a key, 0 to 16383.
pub fn slot_of(key: &[u8]) -> u16 {
    crc16(hashtag(key)) & (SLOTS - 1)
}

/// The shard that owns `slot` when there are `shards` of them: shards own contiguous ranges of (nearly) equal size.
pub fn shard_of(slot: u16, shards: u16) -> ShardId {
    ShardId(((u32::from(slot & (SLOTS - 1)) * u32::from(shards)) >> 14) as u16)
}

/// The slots that `shard` owns when there are `shards` of them: the inverse of [`shard_of`].
pub fn slots_of(shard: ShardId, shards: u16) -> Range<u16> {
    let first = |shard: u32| (shard * u32::from(SLOTS)).div_ceil(u32::from(shards).max(1)).min(u32::from(SLOTS)) as u16;
    first(u32::from(shard.0))..first(u32::from(shard.0) + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crc16_has_the_published_check_value_at_every_length() {
        assert_eq!(crc16(b"123456789"), 0x31c3);
        assert_eq!(crc16(b""), 0);
        let text: Vec<u8> = (0..67u8).map(|i| i.wrapping_mul(89)).collect();
        for len in 0..text.len() {
            let mut plain = 0u16;
            for byte in &text[..len] {
                plain ^= u16::from(*byte) << 8;
                for _ in 0..8 {
                    plain = if plain & 0x8000 == 0 { plain << 1 } else { (plain << 1) ^ 0x1021 };
                }
            }
            assert_eq!(crc16(&text[..len]), plain, "{len} bytes");
        }
    }

    #[test]
    fn slots_are_those_of_redis_cluster() {
        // As `CLUSTER KEYSLOT` of a real server answers.
        assert_eq!(slot_of(b"foo"), 12182);
        assert_eq!(slot_of(b"{user1000}.following"), slot_of(b"{user1000}.followers"));
        assert_eq!(slot_of(b"somekey"), 11058);
        assert_eq!(slot_of(b"foo{hash_tag}"), 2515);
    }

    #[test]
    fn odd_hashtags_fall_back_to_the_whole_key() {
        assert_eq!(hashtag(b"foo{}{bar}"), b"foo{}{bar}");
        assert_eq!(hashtag(b"foo{{bar}}zap"), b"{bar");
        assert_eq!(hashtag(b"foo{bar}{zap}"), b"bar");
        assert_eq!(hashtag(b"foo{bar"), b"foo{bar");
        assert_eq!(hashtag(b"foo}bar{x}"), b"x");
    }

    #[test]
    fn every_slot_has_exactly_one_shard_and_the_ranges_say_the_same() {
        for shards in [1u16, 2, 3, 4, 7, 16, 64, 1000, 16384] {
            let mut next = 0u16;
            for shard in 0..shards {
                let range = slots_of(ShardId(shard), shards);
                assert_eq!(range.start, next);
                next = range.end;
                assert!(range.clone().all(|slot| shard_of(slot, shards) == ShardId(shard)));
            }
            assert_eq!(next, SLOTS);
        }
    }
}
