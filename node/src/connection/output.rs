//! What a connection has to send: one buffer that fills while another is in flight.

use crate::persistence::Ticket;
use crate::reactor::flight::Flight;
use crate::tls::Plain;
use bytes::Bytes;
use koltso_proto::resp::Reply;
use std::collections::VecDeque;

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
    held: Option<Box<Held>>,
}

/// Replies that wait until what they stand for is on disk. They are all among the pieces.
#[derive(Default)]
struct Held {
    /// What so many pieces wait for, in order.
    marks: VecDeque<(Ticket, usize)>,
    /// How many pieces these are.
    count: usize,
    /// How many before them are not held any more.
    free: usize,
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

    /// Holds what has been written so far until `ticket` is on disk. True if nothing was held before.
    #[cold]
    pub fn hold(&mut self, ticket: Ticket) -> bool {
        let before = std::mem::take(&mut self.reply.buf);
        if !before.is_empty() {
            self.shared_len += before.len();
            self.shared.push(Bytes::from(before));
        }
        let held = self.held.get_or_insert_default();
        let fresh = self.shared.len() - held.count - held.free;
        if fresh == 0 {
            if held.marks.is_empty() {
                self.held = None;
            }
            return false;
        }
        held.marks.push_back((ticket, fresh));
        held.count += fresh;
        held.marks.len() == 1
    }

    /// Whether something is held.
    #[inline]
    pub fn is_held(&self) -> bool {
        self.held.is_some()
    }

    /// Lets go of what waits for no more than what is on disk by now; of everything, if nothing is to be waited for any more. Says
    /// whether something is still held.
    #[cold]
    pub fn release(&mut self, settled: Option<Ticket>) -> bool {
        let Some(held) = &mut self.held else { return false };
        while let Some((ticket, count)) = held.marks.pop_front() {
            if settled.is_some_and(|settled| !ticket.is_within(settled)) {
                held.marks.push_front((ticket, count));
                return true;
            }
            held.count -= count;
            held.free += count;
        }
        self.held = None;
        false
    }

    /// The replies written so far, which are counted as under way from now on. `None` if there are none.
    pub fn take(&mut self) -> Option<Plain> {
        if self.held.is_some() {
            return self.take_free();
        }
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

    /// What is not held of them.
    #[cold]
    fn take_free(&mut self) -> Option<Plain> {
        let held = self.held.as_mut()?;
        let count = held.free.min(PIECES_MAX);
        if count == 0 {
            return None;
        }
        held.free -= count;
        let rest = self.shared.split_off(count);
        let pieces = std::mem::replace(&mut self.shared, rest);
        self.shared_len = self.shared.iter().map(Bytes::len).sum();
        self.in_flight = InFlight::Replies(pieces.iter().map(Bytes::len).sum());
        Some(Plain::Pieces(pieces))
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
    fn what_is_held_leaves_in_order_when_it_may() {
        let ticket = |queued| Ticket { queued, own: 0 };
        let mut output = Output::default();
        let mut sent = Vec::new();
        let send = |output: &mut Output, sent: &mut Vec<u8>| {
            while let Some(plain) = output.take() {
                match plain {
                    Plain::Buffer(bytes) => sent.extend_from_slice(&bytes),
                    Plain::Pieces(pieces) => pieces.iter().for_each(|piece| sent.extend_from_slice(piece)),
                }
                output.in_flight = InFlight::Nothing;
            }
        };
        output.reply.raw(b"a");
        assert!(output.hold(ticket(1)));
        output.reply.raw(b"b");
        output.share(Bytes::from_static(b"c"));
        assert!(!output.hold(ticket(2)) && !output.hold(ticket(2)));
        output.reply.raw(b"d");
        send(&mut output, &mut sent);
        assert_eq!(sent, b"");
        assert!(output.release(Some(ticket(1))));
        send(&mut output, &mut sent);
        assert_eq!(sent, b"a");
        assert!(!output.release(Some(ticket(3))) && !output.is_held());
        send(&mut output, &mut sent);
        assert_eq!(sent, b"abcd");
        output.reply.raw(b"e");
        assert!(output.hold(ticket(9)));
        assert!(!output.release(None));
        send(&mut output, &mut sent);
        assert_eq!((&sent[..], output.len()), (&b"abcde"[..], 0));
    }

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
