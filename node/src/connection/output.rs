//! What a connection has to send: one buffer that fills while another is in flight.

use crate::reactor::flight::Flight;
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

    /// Whether there is nothing to send.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
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
        if self.is_sending() || self.waiting_len() == 0 {
            return None;
        }
        if self.shared_len > 0 {
            return Some(self.start_pieces());
        }
        let buf = std::mem::replace(&mut self.reply.buf, std::mem::take(&mut self.spare));
        self.in_flight = InFlight::Replies(buf.len());
        Some(Flight::buffer(buf))
    }

    #[cold]
    fn start_pieces(&mut self) -> Flight {
        let mut pieces = std::mem::take(&mut self.shared);
        if pieces.len() > PIECES_MAX {
            self.shared = pieces.split_off(PIECES_MAX);
        } else if !self.reply.buf.is_empty() {
            pieces.push(Bytes::from(std::mem::take(&mut self.reply.buf)));
        }
        self.shared_len = self.shared.iter().map(Bytes::len).sum();
        let flight = Flight::pieces(pieces);
        self.in_flight = InFlight::Replies(flight.left());
        flight
    }

    /// Takes back what has been sent whole.
    pub fn landed(&mut self, flight: Flight) {
        self.in_flight = InFlight::Nothing;
        if let Flight::Buffer { mut bytes, .. } = flight
            && bytes.capacity() <= KEEP_LEN_MAX
        {
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
            output.landed(flight);
        }
        assert_eq!(sent, expected.len());
    }
}
