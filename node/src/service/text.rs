//! A long string on its way into a file, compressed block by block, so that nobody on this thread waits for all of it.
//!
//! Blocks are compressed each by itself; behind one another they are a compressed form of the whole. Its length stands in front, so
//! all blocks are compressed twice, unless there is only one: to learn that length, and to write them. That takes no memory.

use super::rdb_out::Piece;
use crate::snapshot::Sent;
use bytes::Bytes;
use koltso_proto::rdb::Lzf;
use koltso_proto::rdb::writer::{put_compressed_head, put_len};
use std::sync::Arc;

/// Bytes that are compressed at a time.
const BLOCK_LEN: usize = 128 << 10;
/// What compressing a byte costs, in bytes that are summed up instead.
const COMPRESSED_COST: usize = 8;
/// What does not get shorter by so many bytes is left as it is.
const SAVES_MIN: usize = 4;

/// A string, and how far it is.
pub struct LongText {
    text: Arc<Vec<u8>>,
    sent: Option<Sent>,
    stage: Stage,
    /// Where the next block begins.
    at: usize,
    /// The length of what is compressed so far.
    packed_len: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Measuring,
    /// To so many bytes.
    Packing(usize),
    /// It does not get shorter.
    Copying,
    Done,
}

impl LongText {
    /// A string that is to be compressed if that makes it shorter. What comes before it has been written.
    pub fn new(text: Arc<Vec<u8>>, sent: Sent) -> Self {
        LongText { text, sent: Some(sent), stage: Stage::Measuring, at: 0, packed_len: 0 }
    }

    /// Whether everything has been given out.
    pub fn is_done(&self) -> bool {
        self.stage == Stage::Done
    }

    /// What the next block costs, in bytes that are summed up instead.
    pub fn cost(&self) -> usize {
        COMPRESSED_COST * (self.text.len() - self.at).min(BLOCK_LEN)
    }

    /// Goes on by a block; gives out the next bytes if that makes any.
    ///
    /// # Errors
    /// The compressor did not do the same thing twice.
    pub fn next(&mut self, lzf: &mut Lzf) -> Result<Option<Piece>, String> {
        match self.stage {
            Stage::Measuring => Ok(self.measure(lzf)),
            Stage::Packing(len) => self.pack(len, lzf).map(Some),
            Stage::Copying => Ok(Some(self.copy())),
            Stage::Done => Ok(None),
        }
    }

    fn compress_block(&mut self, lzf: &mut Lzf) -> Vec<u8> {
        let block = &self.text[self.at..self.text.len().min(self.at + BLOCK_LEN)];
        let mut out = Vec::with_capacity(block.len() + block.len() / 16 + 16);
        // Nothing gets longer than this.
        let limit = out.capacity();
        lzf.compress(block, &mut out, limit);
        self.at += block.len();
        self.packed_len += out.len();
        out
    }

    fn measure(&mut self, lzf: &mut Lzf) -> Option<Piece> {
        let block = self.compress_block(lzf);
        let len = self.text.len();
        let mut head = Vec::with_capacity(20);
        if self.packed_len + SAVES_MIN > len {
            put_len(&mut head, len as u64);
            self.go_to(Stage::Copying);
        } else if self.at == len {
            put_compressed_head(&mut head, self.packed_len as u64, len as u64);
            if block.len() == self.packed_len {
                // The only block need not be compressed again.
                head.extend_from_slice(&block);
                return Some(self.piece(head.into(), true));
            }
            self.go_to(Stage::Packing(self.packed_len));
        } else {
            return None;
        }
        Some(Piece { bytes: head.into(), source: None })
    }

    fn pack(&mut self, len: usize, lzf: &mut Lzf) -> Result<Piece, String> {
        let bytes = Bytes::from(self.compress_block(lzf));
        let is_whole = self.at == self.text.len();
        if (self.packed_len == len) != is_whole || self.packed_len > len {
            return Err("a string was compressed to another length than before".to_string());
        }
        Ok(self.piece(bytes, is_whole))
    }

    fn copy(&mut self) -> Piece {
        let end = self.text.len().min(self.at + BLOCK_LEN);
        let bytes = Bytes::copy_from_slice(&self.text[self.at..end]);
        self.at = end;
        self.piece(bytes, end == self.text.len())
    }

    /// The next bytes; where they come from goes with the last.
    fn piece(&mut self, bytes: Bytes, is_last: bool) -> Piece {
        if is_last {
            self.stage = Stage::Done;
        }
        Piece { bytes, source: self.sent.take_if(|_| is_last) }
    }

    fn go_to(&mut self, stage: Stage) {
        (self.stage, self.at, self.packed_len) = (stage, 0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::{Flow, Load};
    use koltso_proto::rdb::{Decoder, Item, Text};

    /// The string in the file that these pieces make.
    fn written(text: &[u8]) -> (Vec<u8>, usize) {
        let flow = Flow::new(1, 1 << 20, Arc::default());
        let mut long = LongText::new(Arc::new(text.to_vec()), flow.sent(0, Load { len: 1, own: 0, weight: 0 }));
        let (mut lzf, mut file, mut steps) = (Lzf::new(), Vec::new(), 0);
        koltso_proto::rdb::writer::put_magic(&mut file, 10);
        koltso_proto::rdb::writer::put_key_header(&mut file, 0, None, b"key", None);
        let head_len = file.len();
        while !long.is_done() {
            steps += 1;
            let piece = long.next(&mut lzf).unwrap();
            // Where it comes from goes with the last.
            assert!(piece.as_ref().is_none_or(|piece| piece.source.is_some() == long.is_done()));
            file.extend(piece.iter().flat_map(|piece| &piece.bytes));
        }
        assert!(steps > text.len() / BLOCK_LEN);
        let len = file.len() - head_len;
        koltso_proto::rdb::writer::put_eof(&mut file);
        file.extend_from_slice(&[0; 8]);
        let mut decoder = Decoder::default();
        decoder.feed(&file);
        while let Some(item) = decoder.next_item().unwrap() {
            if let Item::Key(entry) = item {
                let koltso_proto::rdb::RdbValue::Str(text) = entry.value else { panic!("a string") };
                return (Text::into_vec(text), len);
            }
        }
        panic!("no key")
    }

    #[test]
    fn a_string_of_many_blocks_comes_back_compressed_if_it_can_be() {
        let repeats: Vec<u8> = (0..200_000).flat_map(|n| format!("line {}\n", n % 1000).into_bytes()).collect();
        let mut state = 1u64;
        let noise: Vec<u8> = (0..1_000_000)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state >> 56) as u8
            })
            .collect();
        let mixed = [&repeats[..300_000], &noise, &repeats].concat();
        for (text, packed_max) in [(&repeats, repeats.len() / 2), (&noise, noise.len() + 5), (&mixed, mixed.len() * 3 / 4)] {
            let (back, len) = written(text);
            assert!(back == *text);
            assert!(len <= packed_max, "{len} of {}", text.len());
        }
        assert_eq!(written(&noise).1, noise.len() + 5);
        assert!(written(&repeats[..30_000]).1 < 15_000);
    }
}
