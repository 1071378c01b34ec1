//! Every number of the RDB format that has a name.

/// Types of values: the byte in front of a key.
pub mod kind {
    pub const STRING: u8 = 0;
    /// `len` elements.
    pub const LIST: u8 = 1;
    /// `len` members.
    pub const SET: u8 = 2;
    /// `len` pairs of member and score as text.
    pub const ZSET: u8 = 3;
    /// `len` pairs of field and value.
    pub const HASH: u8 = 4;
    /// `len` pairs of member and score as a double, 8 bytes LE.
    pub const ZSET_2: u8 = 5;
    /// Module value of a pre-release: cannot even be skipped.
    pub const MODULE_PRE_GA: u8 = 6;
    pub const MODULE_2: u8 = 7;
    pub const HASH_ZIPMAP: u8 = 9;
    pub const LIST_ZIPLIST: u8 = 10;
    pub const SET_INTSET: u8 = 11;
    pub const ZSET_ZIPLIST: u8 = 12;
    pub const HASH_ZIPLIST: u8 = 13;
    /// `len` ziplists.
    pub const LIST_QUICKLIST: u8 = 14;
    pub const STREAM: u8 = 15;
    pub const HASH_LISTPACK: u8 = 16;
    pub const ZSET_LISTPACK: u8 = 17;
    /// `len` pairs of container and string.
    pub const LIST_QUICKLIST_2: u8 = 18;
    pub const STREAM_2: u8 = 19;
    pub const SET_LISTPACK: u8 = 20;
    pub const STREAM_3: u8 = 21;
    /// Under the VALKEY magic: `len` triples of field, value and deadline (8 bytes LE, -1 = none). Under the REDIS magic a
    /// pre-release format.
    pub const HASH_2_VALKEY: u8 = 22;
    pub const HASH_LISTPACK_EX_PRE_GA: u8 = 23;
    /// Earliest deadline (8 bytes), then `len` triples of relative deadline (0 = none), field and value.
    pub const HASH_METADATA: u8 = 24;
    /// Earliest deadline (8 bytes), then a listpack of triples of field, value and deadline (0 = none).
    pub const HASH_LISTPACK_EX: u8 = 25;
}

/// Bytes that stand where a type could stand.
pub mod opcode {
    /// Valkey: state of a slot import. Redis 8.6: metadata of a key. Neither can be skipped without loss.
    pub const SLOT_IMPORT_OR_KEY_META: u8 = 243;
    pub const SLOT_INFO: u8 = 244;
    pub const FUNCTION2: u8 = 245;
    pub const FUNCTION_PRE_GA: u8 = 246;
    pub const MODULE_AUX: u8 = 247;
    pub const IDLE: u8 = 248;
    pub const FREQ: u8 = 249;
    pub const AUX: u8 = 250;
    pub const RESIZEDB: u8 = 251;
    pub const EXPIRE_MS: u8 = 252;
    pub const EXPIRE: u8 = 253;
    pub const SELECTDB: u8 = 254;
    pub const EOF: u8 = 255;
}

/// Containers of a [`kind::LIST_QUICKLIST_2`] node.
pub mod container {
    /// One element by itself, too big for a listpack.
    pub const PLAIN: u64 = 1;
    pub const PACKED: u64 = 2;
}

/// What the top two bits of a length byte say, and the special forms behind `11`.
pub(super) mod lead {
    pub const BITS_14: u8 = 0x40;
    pub const BITS_32: u8 = 0x80;
    pub const BITS_64: u8 = 0x81;
    pub const INT8: u8 = 0xC0;
    pub const INT16: u8 = 0xC1;
    pub const INT32: u8 = 0xC2;
    pub const LZF: u8 = 0xC3;
}

/// Values of a module, each announced by one of these.
pub mod module_opcode {
    pub const EOF: u64 = 0;
    pub const SINT: u64 = 1;
    pub const UINT: u64 = 2;
    pub const FLOAT: u64 = 3;
    pub const DOUBLE: u64 = 4;
    pub const STRING: u64 = 5;
}

/// Version of Redis 5.0 to 6.2: no functions, no listpacks outside streams.
pub const VERSION_REDIS_5: u32 = 9;
/// Version of Redis 7.0: listpack hashes, sorted sets and lists; functions; STREAM_2. What we write unless asked otherwise.
pub const VERSION_REDIS_7_0: u32 = 10;
/// Version of Redis 7.2 and Valkey 7.2 to 8.1: listpack sets, STREAM_3.
pub const VERSION_REDIS_7_2: u32 = 11;
/// Version of Redis 7.4 to 8.4: deadlines of hash fields. The newest under the REDIS magic that is read.
pub const VERSION_REDIS_7_4: u32 = 12;
/// Version of Valkey 9, under its own magic.
pub const VERSION_VALKEY_9: u32 = 80;
/// The first version that ends in a checksum.
pub const VERSION_CHECKSUM: u32 = 5;

/// Bytes of the magic with its version.
pub const MAGIC_LEN: usize = 9;

/// Whether a file of `version` may hold values of type `kind`; a writer falls back to a plainer type where not.
pub fn version_has(version: u32, kind: u8) -> bool {
    match kind {
        kind::HASH_LISTPACK | kind::ZSET_LISTPACK | kind::LIST_QUICKLIST_2 | kind::STREAM_2 => version >= VERSION_REDIS_7_0,
        kind::SET_LISTPACK | kind::STREAM_3 => version >= VERSION_REDIS_7_2,
        kind::HASH_METADATA | kind::HASH_LISTPACK_EX => version == VERSION_REDIS_7_4,
        kind::HASH_2_VALKEY => version == VERSION_VALKEY_9,
        _ => true,
    }
}
