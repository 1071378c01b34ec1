//! A message as its readers are sent it, encoded once for all of them.

use crate::connection::Output;
use bytes::Bytes;
use koltso_proto::resp::Reply;

/// From this length on, in bytes, a message is shared by the outputs of all who get it; a shorter one is copied into each, which
/// costs less than another piece to send.
const SHARE_LEN_MIN: usize = 2048;

/// A message, encoded for readers of RESP2 and of RESP3: the two differ in their first byte alone.
#[derive(Debug, Default)]
pub struct Frame {
    /// All of it, or what stands before `body`.
    head: Vec<u8>,
    body: Bytes,
}

impl Frame {
    /// Encodes a message: these words, and the text behind them, which has its line end
    /// already.
    pub fn fill(&mut self, words: &[&[u8]], message: &Bytes) {
        let mut head = Reply { buf: std::mem::take(&mut self.head), resp3: true };
        head.buf.clear();
        head.push(words.len() + 1);
        words.iter().for_each(|word| head.bulk(word));
        head.bulk_head(message.len() - 2);
        self.body = Bytes::new();
        if message.len() < SHARE_LEN_MIN {
            head.raw(message);
        } else {
            self.body = message.clone();
        }
        self.head = head.buf;
    }

    /// Appends it to what a connection has to send.
    #[inline]
    pub fn put(&self, output: &mut Output) {
        let at = output.reply.buf.len();
        output.reply.buf.extend_from_slice(&self.head);
        if !output.reply.resp3 {
            output.reply.buf[at] = b'*';
        }
        if !self.body.is_empty() {
            output.share(self.body.clone());
        }
    }

    /// A copy, for a reader that gets it later.
    pub fn to_vec(&self, resp3: bool) -> Vec<u8> {
        let mut bytes = [&self.head[..], &self.body[..]].concat();
        bytes[0] = if resp3 { b'>' } else { b'*' };
        bytes
    }
}
