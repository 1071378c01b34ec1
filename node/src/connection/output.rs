//! What a connection has to send: one buffer that fills while another is in flight.

use crate::reactor::flight::Flight;
use crate::tls::Plain;
use bytes::Bytes;
use koltso_proto::resp::Reply;

/// A buffer larger than this is given back to the allocator once it has been sent, in bytes.
const KEEP_LEN_MAX: usize = 64 * 1024;
/// The most pieces in one send: what the kernel takes.
const PIECES_MAX: usize = 1024;

/// What the kernel is sending. The bytes themselves are with the ring until then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InFlight {
    /// Nothing.
    #[default]
    Nothing,
    /// Replies, so many bytes of them.
    Replies(usize),
    /// Pieces of the log, so many bytes of them.
    Pieces(usize),
}

/// The sending half of a connection.
#[derive(Default)]
pub struct Output {
    /// Replies that are being written.
    pub reply: Reply,
    /// What the kernel is sending; at most one send per socket, so that bytes stay in order.
    pub in_flight: InFlight,
    /// What comes before `reply` and is not one buffer: replies, and between them bytes that several connections are sent.
    shared: Vec<Bytes>,
    shared_len: usize,
    spare: Vec<u8>,
}

impl Output {
    /// Whether a send is under way.
    pub fn is_sending(&self) -> bool {
        self.in_flight != InFlight::Nothing
    }

    /// Bytes that wait and are not under way.
    #[inline]
    pub fn waiting_len(&self) -> usize {
        self.reply.buf.len() + self.shared_len
    }

    /// Bytes that wait or are under way.
    pub fn len(&self) -> usize {
        self.waiting_len()
            + match self.in_flight {
                InFlight::Nothing => 0,
                InFlight::Replies(left) | InFlight::Pieces(left) => left,
            }
    }

    /// Memory that it takes, in bytes: what the kernel is sending, what waits, and room for more.
    pub fn held(&self) -> usize {
        self.len() - self.reply.buf.len() + self.reply.buf.capacity() + self.spare.capacity()
    }

    /// Whether there is nothing to send, and nothing under way: what encryption adds has no length here.
    pub fn is_empty(&self) -> bool {
        self.len() == 0 && !self.is_sending()
    }

    /// Appends bytes that others are sent as well, without a copy.
    pub fn share(&mut self, bytes: Bytes) {
        let before = std::mem::take(&mut self.reply.buf);
        self.shared_len += before.len() + bytes.len();
        if !before.is_empty() {
            self.shared.push(Bytes::from(before));
        }
        self.shared.push(bytes);
    }

    /// The replies written so far, to be put under way. `None` if there are none, or a send is under way already.
    pub fn start_replies(&mut self) -> Option<Flight> {
        if self.is_sending() {
            return None;
        }
        self.take().map(|plain| match plain {
            Plain::Buffer(bytes) => Flight::buffer(bytes),
            Plain::Pieces(pieces) => Flight::pieces(pieces),
        })
    }

    /// The replies written so far, which are counted as under way from now on. `None` if there are none.
    pub fn take(&mut self) -> Option<Plain> {
        if self.shared_len > 0 {
            return Some(self.take_pieces());
        }
        if self.reply.buf.is_empty() {
            return None;
        }
        let buf = std::mem::replace(&mut self.reply.buf, std::mem::take(&mut self.spare));
        self.in_flight = InFlight::Replies(buf.len());
        Some(Plain::Buffer(buf))
    }

    #[cold]
    fn take_pieces(&mut self) -> Plain {
        let mut pieces = std::mem::take(&mut self.shared);
        if pieces.len() > PIECES_MAX {
            self.shared = pieces.split_off(PIECES_MAX);
        } else if !self.reply.buf.is_empty() {
            pieces.push(Bytes::from(std::mem::take(&mut self.reply.buf)));
        }
        self.shared_len = self.shared.iter().map(Bytes::len).sum();
        self.in_flight = InFlight::Replies(pieces.iter().map(Bytes::len).sum());
        Plain::Pieces(pieces)
    }

    /// Takes note of how much of a flight is gone. What is left of it is to be put under way again.
    #[inline]
    pub fn sent(&mut self, flight: Flight) -> Option<Flight> {
        match flight.left() {
            0 => {
                self.in_flight = InFlight::Nothing;
                if let Flight::Buffer { bytes, .. } = flight {
                    self.recycle(bytes);
                }
                None
            }
            left => {
                self.note_left(left);
                Some(flight)
            }
        }
    }

    /// So many bytes of what is under way are left.
    pub fn note_left(&mut self, left: usize) {
        self.in_flight = match self.in_flight {
            InFlight::Pieces(_) => InFlight::Pieces(left),
            InFlight::Replies(_) | InFlight::Nothing => InFlight::Replies(left),
        };
    }

    /// Takes a buffer back whose bytes are gone.
    pub fn recycle(&mut self, mut bytes: Vec<u8>) {
        if bytes.capacity() <= KEEP_LEN_MAX {
            bytes.clear();
            self.spare = bytes;
        }
    }

    /// The bytes that wait.
    #[cfg(test)]
    pub fn waiting(&self) -> Vec<u8> {
        self.shared.iter().flat_map(|bytes| bytes.iter()).chain(&self.reply.buf).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_pieces_than_one_send_takes_go_in_order() {
        let mut output = Output::default();
        let mut expected = Vec::new();
        for i in 0..1500u32 {
            let text = format!("{i} ").into_bytes();
            output.reply.raw(&text);
            expected.extend_from_slice(&text);
            output.share(Bytes::from_static(b"shared "));
            expected.extend_from_slice(b"shared ");
        }
        output.reply.raw(b"end");
        expected.extend_from_slice(b"end");
        assert_eq!((output.len(), output.waiting_len()), (expected.len(), expected.len()));
        let mut sent = 0;
        while let Some(mut flight) = output.start_replies() {
            assert_eq!(output.len(), expected.len() - sent);
            assert!(output.start_replies().is_none());
            sent += flight.left();
            flight.advance(flight.left());
            assert!(output.sent(flight).is_none());
        }
        assert_eq!(sent, expected.len());
    }
}
