//! A send of many pieces: the list that the kernel reads, and the bytes it lists, in one owner.

use bytes::Bytes;

/// Pieces of the log under way to a replica, with the message header that lists them.
pub struct Pieces {
    bytes: Vec<Bytes>,
    list: Vec<libc::iovec>,
    header: libc::msghdr,
    first: usize,
    /// Bytes still to be sent.
    pub left: usize,
}

impl Pieces {
    /// Lists the pieces; boxed, because the header must not move while the kernel reads it.
    pub fn new(bytes: Vec<Bytes>) -> Box<Self> {
        let list = bytes.iter().map(|b| libc::iovec { iov_base: b.as_ptr().cast_mut().cast(), iov_len: b.len() }).collect();
        let left = bytes.iter().map(Bytes::len).sum();
        // SAFETY: all-zero is a valid, empty msghdr.
        let header = unsafe { std::mem::zeroed() };
        Box::new(Pieces { bytes, list, header, first: 0, left })
    }

    /// The header for what is left.
    pub fn header(&mut self) -> *const libc::msghdr {
        let rest = &mut self.list[self.first..];
        self.header.msg_iov = rest.as_mut_ptr();
        self.header.msg_iovlen = rest.len() as _;
        &raw const self.header
    }

    /// Notes that `n` more bytes are gone.
    pub fn advance(&mut self, mut n: usize) {
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
        debug_assert!(self.first <= self.bytes.len());
    }
}
