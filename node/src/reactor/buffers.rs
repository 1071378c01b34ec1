//! The ring of receive buffers that one core provides to the kernel.
//!
//! An idle connection holds no buffer: the kernel takes one from here when bytes arrive, and gets it back when they have been
//! read. Ownership is by buffer id: between a completion that names an id and [`BufferRing::give_back`] of it the bytes are
//! ours, otherwise they are the kernel's. [`Filled`] is that ownership as a value.

use super::ring::Ring;
use io_uring::types::BufRingEntry;
use std::io;
use std::ptr::NonNull;
use std::rc::Rc;
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

/// A buffer that a completion has named: it is ours, and is to be [taken](BufferRing::take).
#[must_use = "a buffer that is not taken is lost"]
#[derive(Debug)]
pub struct BufferId(u16);

impl BufferId {
    /// For the ring alone, once for each completion that names a buffer.
    pub(super) fn named(id: u16) -> Self {
        BufferId(id)
    }
}

/// The memory that is shared with the kernel: the entries by which buffers are provided, and the buffers.
pub(super) struct Provided {
    entries: Mapping,
    _memory: Mapping,
}

impl Provided {
    /// Where the entries are, and how many.
    pub(super) fn entries(&self) -> (u64, u16) {
        (self.entries.base.as_ptr() as u64, BUFFERS)
    }
}

/// The buffers and the ring by which they are provided.
pub struct BufferRing {
    /// The ring has it as well, for as long as the kernel may write there.
    _provided: Rc<Provided>,
    entries: NonNull<BufRingEntry>,
    memory: NonNull<u8>,
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
        // SAFETY: the mapping is ours, and both the buffers and the ring that knew of it are gone (`Provided` is shared by them).
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.len) };
    }
}

impl BufferRing {
    /// Maps the buffers and provides all of them to the ring.
    ///
    /// # Errors
    /// When memory or the registration is refused.
    pub fn new(ring: &mut Ring) -> io::Result<Self> {
        let entries = Mapping::new(usize::from(BUFFERS) * size_of::<BufRingEntry>())?;
        let memory = Mapping::new(usize::from(BUFFERS) * BUFFER_LEN)?;
        let (entries_base, memory_base) = (entries.base.cast(), memory.base);
        let provided = Rc::new(Provided { entries, _memory: memory });
        ring.provide(GROUP, &provided)?;
        let mut buffers = BufferRing { _provided: provided, entries: entries_base, memory: memory_base, tail: 0, provided: 0 };
        for id in 0..BUFFERS {
            buffers.provide(id);
        }
        buffers.publish();
        Ok(buffers)
    }

    /// Takes a buffer over from a completion that named it and received `len` bytes.
    pub fn take(&mut self, id: BufferId, len: usize) -> Filled {
        let BufferId(id) = id;
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
        unsafe { std::slice::from_raw_parts(self.memory.as_ptr().add(start), filled.len) }
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
        let entry = unsafe { &mut *self.entries.as_ptr().add(slot) };
        entry.set_addr(self.memory.as_ptr() as u64 + u64::from(id) * BUFFER_LEN as u64);
        entry.set_len(BUFFER_LEN as u32);
        entry.set_bid(id);
        self.tail = self.tail.wrapping_add(1);
        self.provided += 1;
    }

    /// Makes the buffers given back so far visible to the kernel: one store.
    pub fn publish(&mut self) {
        // SAFETY: the tail lies in the first entry of the mapping, is aligned, and the kernel only reads it.
        unsafe {
            let tail = BufRingEntry::tail(self.entries.as_ptr()).cast_mut().cast::<AtomicU16>();
            (*tail).store(self.tail, Ordering::Release);
        }
    }
}
