//! The ring of receive buffers that one core provides to the kernel.
//!
//! An idle connection holds no buffer: the kernel takes one from here when bytes arrive, and gets it back when they have been
//! read. Ownership is by buffer id: between a completion that names an id and [`BufferRing::give_back`] of it the bytes are
//! ours, otherwise they are the kernel's. [`Filled`] is that ownership as a value.

use super::ring::Ring;
use io_uring::types::BufRingEntry;
use std::io;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU16, Ordering};

/// Buffers a core has; a power of two.
pub const BUFFERS: u16 = 256;
/// The size of a buffer, in bytes: a pipeline of a hundred small commands fits.
pub const BUFFER_LEN: usize = 16 * 1024;
/// The id of the one group of buffers of a ring.
pub const GROUP: u16 = 0;

/// A buffer that the kernel has filled, until it is given back.
#[must_use = "a buffer that is not given back is lost"]
#[derive(Debug)]
pub struct Filled {
    id: u16,
    len: usize,
}

/// The buffers and the ring by which they are provided.
pub struct BufferRing {
    entries: Mapping,
    memory: Mapping,
    tail: u16,
    /// How many buffers are with the kernel.
    provided: u16,
}

struct Mapping {
    base: NonNull<u8>,
    len: usize,
}

impl Mapping {
    fn new(len: usize) -> io::Result<Self> {
        // SAFETY: an anonymous mapping at an address of the kernel's choice touches no memory of ours.
        let base = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                len,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let base = NonNull::new(base.cast()).expect("mmap never returns null without MAP_FIXED");
        Ok(Mapping { base, len })
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and the ring that knew of it is gone (`Core` drops its ring first).
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.len) };
    }
}

impl BufferRing {
    /// Maps the buffers and provides all of them to the ring.
    ///
    /// # Errors
    /// When memory or the registration is refused.
    pub fn new(ring: &Ring) -> io::Result<Self> {
        let entries = Mapping::new(usize::from(BUFFERS) * size_of::<BufRingEntry>())?;
        let memory = Mapping::new(usize::from(BUFFERS) * BUFFER_LEN)?;
        // SAFETY: the mapping is page-aligned, large enough for `BUFFERS` entries, and outlives the ring.
        unsafe { ring.submitter().register_buf_ring_with_flags(entries.base.as_ptr() as u64, BUFFERS, GROUP, 0)? };
        let mut buffers = BufferRing { entries, memory, tail: 0, provided: 0 };
        for id in 0..BUFFERS {
            buffers.provide(id);
        }
        buffers.publish();
        Ok(buffers)
    }

    /// Takes a buffer over from a completion that named `id` and received `len` bytes.
    pub fn take(&mut self, id: u16, len: usize) -> Filled {
        assert!(id < BUFFERS && len <= BUFFER_LEN, "the kernel names only buffers it was given");
        self.provided -= 1;
        Filled { id, len }
    }

    /// The bytes that were received.
    #[inline]
    pub fn bytes<'a>(&'a self, filled: &'a Filled) -> &'a [u8] {
        let start = usize::from(filled.id) * BUFFER_LEN;
        // SAFETY: `Filled` exists only for buffers the kernel has handed over and not got back, so nobody writes there, and
        // `take` has checked that id and length lie inside the mapping.
        unsafe { std::slice::from_raw_parts(self.memory.base.as_ptr().add(start), filled.len) }
    }

    /// Gives a buffer back; the kernel sees it after [`publish`](Self::publish).
    pub fn give_back(&mut self, filled: Filled) {
        self.provide(filled.id);
    }

    /// How many buffers the kernel can still fill.
    pub fn provided(&self) -> u16 {
        self.provided
    }

    fn provide(&mut self, id: u16) {
        let slot = usize::from(self.tail & (BUFFERS - 1));
        // SAFETY: the slot lies inside the mapping; the kernel reads only slots before the published tail.
        let entry = unsafe { &mut *self.entries.base.as_ptr().cast::<BufRingEntry>().add(slot) };
        entry.set_addr(self.memory.base.as_ptr() as u64 + u64::from(id) * BUFFER_LEN as u64);
        entry.set_len(BUFFER_LEN as u32);
        entry.set_bid(id);
        self.tail = self.tail.wrapping_add(1);
        self.provided += 1;
    }

    /// Makes the buffers given back so far visible to the kernel: one store.
    pub fn publish(&mut self) {
        // SAFETY: the tail lies in the first entry of the mapping, is aligned, and the kernel only reads it.
        unsafe {
            let tail = BufRingEntry::tail(self.entries.base.as_ptr().cast()).cast_mut().cast::<AtomicU16>();
            (*tail).store(self.tail, Ordering::Release);
        }
    }
}
