//! RDB files and `DUMP` payloads: what real servers send as a full synchronisation, save, and restore from.
//!
//! ```text
//! file    := magic entry* 0xFF checksum
//! magic   := "REDIS" <4 digits: version> | "VALKEY" <3 digits>
//! entry   := 0xFA string string                      AUX: name, value (repl-id, repl-offset, redis-ver, …)
//!          | 0xFE len                                SELECTDB: keys that follow are in this database
//!          | 0xFB len len                            RESIZEDB: keys, keys with a deadline (a hint)
//!          | 0xF5 string                             FUNCTION2: one library's source
//!          | 0xF7 len len len (opcode value)* 0      MODULE_AUX
//!          | 0xF4 len len len                        SLOT_INFO: slot, keys, keys with a deadline (a hint)
//!          | prefix* type string value               a key
//! prefix  := 0xFC <u64 LE ms> | 0xFD <u32 LE s>      deadline, Unix time
//!          | 0xF8 len | 0xF9 <u8>                    idle seconds | access frequency
//! type    := one byte, see consts::kind
//!
//! len     := 00xxxxxx                                6 bits
//!          | 01xxxxxx xxxxxxxx                       14 bits, high byte first
//!          | 10000000 <u32 BE>
//!          | 10000001 <u64 BE>
//! string  := len bytes
//!          | 11000000 <i8> | 11000001 <i16 LE> | 11000010 <i32 LE>     the decimal text of an integer
//!          | 11000011 len len bytes                  LZF: compressed size, size
//!
//! checksum := <u64 LE: CRC-64 of everything before>  from version 5; 0 = none
//!
//! dump    := type value <u16 LE: version> <u64 LE: CRC-64 of everything before>
//! ```
//!
//! | module | what it does |
//! |---|---|
//! | [`consts`] | opcodes, types, versions |
//! | [`writer`] | appends pieces of the format to a byte vector |
//! | [`reader`] | takes a file in pieces of any size and gives items back |
//! | [`value`] | values as the reader hands them out |
//! | [`dump`] | `DUMP` and `RESTORE` payloads |
//! | [`functions`] | the same of libraries |
//! | [`survey`] | says what is in a file |
//! | [`crc`], [`lzf`] | the checksum, the compression |
//!
//! Whatever is read counts as hostile: every size is checked against bytes that are there before anything is allocated, and
//! every packed encoding is checked throughout before it is handed out. No I/O here: callers bring and fetch bytes.

pub mod consts;
pub mod crc;
mod cursor;
mod decode;
pub mod dump;
mod error;
mod extent;
pub mod functions;
mod item;
pub mod lzf;
mod magic;
pub mod reader;
mod stream;
pub mod survey;
mod unique;
pub mod value;
pub mod writer;
mod zipmap;

pub use crc::{Crc64, crc64};
pub use dump::{Dump, DumpError, decode_value, finish_dump, open_dump};
pub use error::{Fault, RdbError};
pub use item::{Checksum, Entry, Item, Limits, STRING_BYTES_MAX};
pub use lzf::Lzf;
pub use magic::Dialect;
pub use reader::Decoder;
pub use value::{
    ListNode, RdbConsumer, RdbGroup, RdbHash, RdbPending, RdbSet, RdbStream, RdbStreamNode, RdbValue, RdbZset, Text, TtlField,
};

#[cfg(test)]
mod tests;
