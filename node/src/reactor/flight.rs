//! What a send carries. While it is under way its bytes belong to the [`Ring`](super::ring::Ring), which gives them back with
//! the completion: whoever sends can neither change nor free what the kernel is still reading.

use bytes::Bytes;

/// Bytes to be sent, or under way.
pub enum Flight {
    /// A buffer.
    Buffer {
        /// The bytes.
        bytes: Vec<u8>,
        /// How many of them are gone.
        sent: usize,
    },
    /// Pieces of memory that others share.
    Pieces(Box<Pieces>),
}

impl Flight {
    /// A whole buffer.
    pub fn buffer(bytes: Vec<u8>) -> Self {
        Flight::Buffer { bytes, sent: 0 }
    }

    /// Pieces, in this order.
    pub fn pieces(pieces: Vec<Bytes>) -> Self {
        Flight::Pieces(Pieces::new(pieces))
    }

    /// Bytes still to be sent.
    pub fn left(&self) -> usize {
        match self {
            Flight::Buffer { bytes, sent } => bytes.len().saturating_sub(*sent),
            Flight::Pieces(pieces) => pieces.left,
        }
    }

    /// Notes that `n` more bytes are gone.
    pub fn advance(&mut self, n: usize) {
        match self {
            Flight::Buffer { sent, .. } => *sent += n,
            Flight::Pieces(pieces) => pieces.advance(n),
        }
    }
}

/// A list of pieces as the kernel reads it, and what it lists.
pub struct Pieces {
    /// Keeps alive what `list` points to.
    _bytes: Vec<Bytes>,
    list: Vec<libc::iovec>,
    header: libc::msghdr,
    first: usize,
    left: usize,
}

impl Pieces {
    /// Boxed, because the header must not move while the kernel reads it.
    fn new(bytes: Vec<Bytes>) -> Box<Self> {
        let list = bytes.iter().map(|b| libc::iovec { iov_base: b.as_ptr().cast_mut().cast(), iov_len: b.len() }).collect();
        let left = bytes.iter().map(Bytes::len).sum();
        // SAFETY: all-zero is a valid, empty msghdr.
        let header = unsafe { std::mem::zeroed() };
        Box::new(Pieces { _bytes: bytes, list, header, first: 0, left })
    }

    /// The header for what is left. It stays valid for as long as the box does and nothing is called on it.
    pub(super) fn header(&mut self) -> *const libc::msghdr {
        let rest = &mut self.list[self.first..];
        self.header.msg_iov = rest.as_mut_ptr();
        self.header.msg_iovlen = rest.len() as _;
        &raw const self.header
    }

    fn advance(&mut self, mut n: usize) {
        self.left = self.left.saturating_sub(n);
        while n > 0 && self.first < self.list.len() {
            let piece = &mut self.list[self.first];
            if n < piece.iov_len {
                piece.iov_base = piece.iov_base.cast::<u8>().wrapping_add(n).cast();
                piece.iov_len -= n;
                return;
            }
            n -= piece.iov_len;
            self.first += 1;
        }
    }
}
