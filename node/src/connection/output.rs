//! What a connection has to send: one buffer that fills while another is in flight.

use crate::reactor::pieces::Pieces;
use koltso_proto::resp::Reply;

/// A buffer larger than this is given back to the allocator once it has been sent, in bytes.
const KEEP_LEN_MAX: usize = 64 * 1024;

/// What the kernel is sending. It owns the bytes: they are freed only after the completion has been seen.
#[derive(Default)]
pub enum InFlight {
    /// Nothing.
    #[default]
    Nothing,
    /// Replies, `sent` bytes of which are gone.
    Replies {
        /// The bytes.
        buf: Vec<u8>,
        /// How many of them are gone.
        sent: usize,
    },
    /// Pieces of the log.
    Pieces(Box<Pieces>),
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
        !matches!(self.in_flight, InFlight::Nothing)
    }

    /// Bytes that wait or are under way.
    pub fn len(&self) -> usize {
        self.reply.buf.len()
            + match &self.in_flight {
                InFlight::Nothing => 0,
                InFlight::Replies { buf, sent } => buf.len() - sent,
                InFlight::Pieces(pieces) => pieces.left,
            }
    }

    /// Whether there is nothing to send.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Puts the replies written so far under way. `None` if there are none, or a send is under way already.
    pub fn start_replies(&mut self) -> Option<(*const u8, usize)> {
        if self.is_sending() || self.reply.buf.is_empty() {
            return None;
        }
        let buf = std::mem::replace(&mut self.reply.buf, std::mem::take(&mut self.spare));
        let start = (buf.as_ptr(), buf.len());
        self.in_flight = InFlight::Replies { buf, sent: 0 };
        Some(start)
    }

    /// Notes that `n` bytes of the replies in flight are gone; what is left of them, if anything.
    pub fn replies_sent(&mut self, n: usize) -> Option<(*const u8, usize)> {
        let InFlight::Replies { buf, sent } = &mut self.in_flight else { return None };
        *sent += n;
        if *sent < buf.len() {
            return Some((buf[*sent..].as_ptr(), buf.len() - *sent));
        }
        let mut buf = std::mem::take(buf);
        self.in_flight = InFlight::Nothing;
        if buf.capacity() <= KEEP_LEN_MAX {
            buf.clear();
            self.spare = buf;
        }
        None
    }
}
