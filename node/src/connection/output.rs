//! What a connection has to send: one buffer that fills while another is in flight.

use crate::reactor::flight::Flight;
use koltso_proto::resp::Reply;

/// A buffer larger than this is given back to the allocator once it has been sent, in bytes.
const KEEP_LEN_MAX: usize = 64 * 1024;

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
    spare: Vec<u8>,
}

impl Output {
    /// Whether a send is under way.
    pub fn is_sending(&self) -> bool {
        self.in_flight != InFlight::Nothing
    }

    /// Bytes that wait or are under way.
    pub fn len(&self) -> usize {
        self.reply.buf.len()
            + match self.in_flight {
                InFlight::Nothing => 0,
                InFlight::Replies(left) | InFlight::Pieces(left) => left,
            }
    }

    /// Whether there is nothing to send.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The replies written so far, to be put under way. `None` if there are none, or a send is under way already.
    pub fn start_replies(&mut self) -> Option<Flight> {
        if self.is_sending() || self.reply.buf.is_empty() {
            return None;
        }
        let buf = std::mem::replace(&mut self.reply.buf, std::mem::take(&mut self.spare));
        self.in_flight = InFlight::Replies(buf.len());
        Some(Flight::buffer(buf))
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
}
