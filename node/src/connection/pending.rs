//! Bytes that were received and not yet read.

use std::ops::Deref;

/// A buffer larger than this is given back to the allocator once it is empty, in bytes.
const KEEP_LEN_MAX: usize = 64 * 1024;

/// Bytes received and not yet consumed. Taking from the front costs nothing but a move of what is left each time more than
/// half has been taken, so that a long pipeline which is read in small steps is moved once, not once a step.
#[derive(Debug, Default)]
pub struct Pending {
    buf: Vec<u8>,
    start: usize,
}

impl Pending {
    /// Appends bytes.
    pub fn extend_from_slice(&mut self, bytes: &[u8]) {
        self.buf.extend_from_slice(bytes);
    }

    /// Drops the first `n` bytes, and the memory of a large buffer that has become empty.
    pub fn consume(&mut self, n: usize) {
        self.start += n;
        debug_assert!(self.start <= self.buf.len());
        if self.start >= self.buf.len() {
            self.start = 0;
            self.buf.clear();
            if self.buf.capacity() > KEEP_LEN_MAX {
                self.buf = Vec::new();
            }
        } else if self.start > self.buf.len() / 2 {
            self.buf.drain(..self.start);
            self.start = 0;
        }
    }

    /// What it has taken from the allocator, in bytes.
    pub fn capacity(&self) -> usize {
        self.buf.capacity()
    }

    /// The bytes alone.
    pub fn into_vec(mut self) -> Vec<u8> {
        self.buf.drain(..self.start);
        self.buf
    }
}

impl Deref for Pending {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.buf[self.start..]
    }
}

impl From<Vec<u8>> for Pending {
    fn from(buf: Vec<u8>) -> Self {
        Pending { buf, start: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_out_as_they_went_in_whatever_the_steps() {
        let mut pending = Pending::default();
        let (mut given, mut taken) = (0u32, 0u32);
        for step in 1..2000u32 {
            for _ in 0..step % 7 {
                pending.extend_from_slice(&given.to_be_bytes());
                given += 1;
            }
            for _ in 0..(step % 5).min(given - taken) {
                assert_eq!(pending[..4], taken.to_be_bytes());
                pending.consume(4);
                taken += 1;
            }
            assert_eq!(pending.len(), (given - taken) as usize * 4);
        }
        assert!(taken > 1000 && pending.buf.len() <= pending.len() * 2);
        let rest = pending.len();
        assert_eq!(pending.into_vec().len(), rest);
    }

    #[test]
    fn a_large_buffer_is_given_back_once_it_is_empty() {
        let mut pending = Pending::from(vec![0; 1 << 20]);
        pending.consume(1 << 20);
        assert_eq!(pending.capacity(), 0);
    }
}
