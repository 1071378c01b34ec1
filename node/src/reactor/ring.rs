//! One io_uring, behind functions that cannot be misused.
//!
//! This module and [`buffers`](super::buffers) are the only places where memory is shared with the kernel. The rules that make
//! that sound are the same for every operation:
//!
//! 1. Memory that an operation uses belongs to the ring until the completion: a send's [`Flight`] comes back with it, and the
//!    receive buffers are shared with [`BufferRing`](super::buffers::BufferRing).
//! 2. Nothing that an operation points to moves: buffers are heap memory, message headers are boxed.
//! 3. What the kernel still has when the ring goes is leaked, never freed. `Core`'s teardown sees to it that this is nothing.

use super::buffers::{BufferId, Provided};
use super::flight::Flight;
use io_uring::{IoUring, Submitter, cqueue, opcode, squeue, types};
use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::rc::Rc;
use std::time::Duration;

/// Submission entries a ring has; completions are four times as many, because multishot operations complete many times.
const SQ_ENTRIES: u32 = 1024;

/// What a completion belongs to: an operation, the slot of its owner, and the generation of that slot, so that a completion
/// that arrives after its owner is gone is recognised and dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag {
    /// Which operation.
    pub op: Op,
    /// The generation of the slot, 24 bits.
    pub generation: u32,
    /// The slot.
    pub index: u32,
}

/// The operations of a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Op {
    /// A multishot accept; the index is that of the listener.
    Accept = 1,
    /// A multishot receive of a connection.
    Recv = 2,
    /// A send of a connection.
    Send = 3,
    /// The poll on the inbox's eventfd.
    Wake = 4,
    /// A cancellation; its own completion means nothing.
    Cancel = 5,
}

impl Tag {
    /// Generations wrap at 24 bits.
    pub const GENERATION_MASK: u32 = 0x00ff_ffff;

    fn pack(self) -> u64 {
        u64::from(self.op as u8) << 56 | u64::from(self.generation & Self::GENERATION_MASK) << 32 | u64::from(self.index)
    }

    fn unpack(data: u64) -> Option<Tag> {
        let op = match (data >> 56) as u8 {
            1 => Op::Accept,
            2 => Op::Recv,
            3 => Op::Send,
            4 => Op::Wake,
            5 => Op::Cancel,
            _ => return None,
        };
        Some(Tag { op, generation: (data >> 32) as u32 & Self::GENERATION_MASK, index: data as u32 })
    }
}

/// A socket as the ring knows it: by its descriptor, or by its place in the ring's own table of files, which saves the kernel a
/// look-up and two atomic operations every time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Socket {
    /// A descriptor.
    Fd(RawFd),
    /// A place in the table.
    Installed(u32),
}

/// The most sockets that are installed in a ring's table.
const TABLE_LEN: u32 = 32 * 1024;

/// A completion.
pub struct Completion {
    /// What it belongs to.
    pub tag: Tag,
    /// The result of the operation: a count of bytes, or a negated `errno`.
    pub result: i32,
    /// Whether the multishot operation goes on.
    pub more: bool,
    /// What the kernel lets go of.
    pub given: Given,
}

/// What a completion brings back, or brings.
pub enum Given {
    /// Nothing.
    Nothing,
    /// The provided buffer that was filled.
    Received(BufferId),
    /// What was to be sent; how much of it is gone is the completion's result.
    Sent(Flight),
    /// A new connection.
    Accepted(OwnedFd),
}

/// Options of a ring.
#[derive(Clone, Copy, Debug, Default)]
pub struct RingOptions {
    /// Let a kernel thread submit, with this idle time in milliseconds.
    pub sqpoll_idle_ms: Option<u32>,
    /// Busy-poll the network device for so many microseconds before sleeping.
    pub napi_busy_poll_us: Option<u32>,
}

/// What `io_uring_enter` takes with `IORING_ENTER_EXT_ARG`.
#[repr(C)]
struct EnterArg {
    sigmask: u64,
    sigmask_len: u32,
    min_wait_us: u32,
    timespec: u64,
}

/// How long a wait insists at least on the completions of the sends before it, in microseconds.
const SENDS_WAIT_US: u32 = 50;
const ENTER_GETEVENTS: u32 = 1;
const ENTER_SQ_WAKEUP: u32 = 2;
const ENTER_EXT_ARG: u32 = 8;

/// An io_uring that belongs to the thread that made it.
pub struct Ring {
    submitter: ManuallyDrop<Submitter<'static>>,
    sq: ManuallyDrop<squeue::SubmissionQueue<'static>>,
    cq: ManuallyDrop<cqueue::CompletionQueue<'static>>,
    /// What the three above borrow from.
    ring: *mut IoUring,
    sqpoll: bool,
    /// Whether the kernel can wait for several completions for a bounded time (6.12).
    min_wait: bool,
    /// How many sockets can be installed.
    table_len: u32,
    /// Sends pushed since the last `enter`.
    sends: u32,
    /// What is being sent, at the index of its tag.
    flights: Vec<Option<Flight>>,
    /// Receives whose last completion is still to come.
    receives: u32,
    /// The buffers they receive into.
    provided: Option<Rc<Provided>>,
    _not_send: std::marker::PhantomData<*mut ()>,
}

impl Ring {
    /// Makes a ring for this thread.
    ///
    /// # Errors
    /// What the kernel refuses; [`refusal`](super::refusal::explain) turns it into cause and remedy.
    pub fn new(options: RingOptions) -> io::Result<Self> {
        let ring = Self::build(options)?;
        let min_wait = ring.params().is_feature_min_timeout();
        let ring = Box::into_raw(Box::new(ring));
        // SAFETY: the box is freed only in `drop`, after the three borrowers are gone.
        let (mut submitter, sq, cq) = unsafe { (*ring).split() };
        if options.sqpoll_idle_ms.is_none() {
            // Saves the look-up of the descriptor at every enter; not essential.
            let _ = submitter.register_ring_fd();
        }
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(u64::from(TABLE_LEN));
        let wanted = TABLE_LEN.min(u32::try_from(limit).unwrap_or(TABLE_LEN));
        // Without a table, descriptors do as well.
        let table_len = submitter.register_files_sparse(wanted).map_or(0, |()| wanted);
        if let Some(busy_us) = options.napi_busy_poll_us {
            let mut napi = types::Napi::new().set_busy_poll_timeout(busy_us).set_prefer_busy_poll(true);
            submitter.register_napi(&mut napi)?;
        }
        Ok(Ring {
            submitter: ManuallyDrop::new(submitter),
            sq: ManuallyDrop::new(sq),
            cq: ManuallyDrop::new(cq),
            ring,
            sqpoll: options.sqpoll_idle_ms.is_some(),
            min_wait,
            table_len,
            sends: 0,
            flights: Vec::new(),
            receives: 0,
            provided: None,
            _not_send: std::marker::PhantomData,
        })
    }

    /// From the best set-up down: kernels before 6.6 lack NO_SQARRAY; SQPOLL excludes DEFER_TASKRUN.
    fn build(options: RingOptions) -> io::Result<IoUring> {
        let common = |builder: &mut io_uring::Builder| {
            builder.setup_clamp().setup_cqsize(SQ_ENTRIES * 4).setup_submit_all().setup_single_issuer();
        };
        let mut last = None;
        for rung in 0..3 {
            let mut builder = IoUring::builder();
            common(&mut builder);
            match (options.sqpoll_idle_ms, rung) {
                (Some(idle), _) => {
                    builder.setup_sqpoll(idle);
                }
                (None, 0) => {
                    builder.setup_defer_taskrun().setup_taskrun_flag().setup_no_sqarray();
                }
                (None, 1) => {
                    builder.setup_defer_taskrun().setup_taskrun_flag();
                }
                (None, _) => {
                    builder.setup_coop_taskrun().setup_taskrun_flag();
                }
            }
            match builder.build(SQ_ENTRIES) {
                Err(error) if error.raw_os_error() == Some(libc::EINVAL) => last = Some(error),
                other => return other,
            }
        }
        Err(last.unwrap_or_else(|| io::Error::from_raw_os_error(libc::EINVAL)))
    }

    /// Registers receive buffers, and keeps them for as long as the kernel may fill them.
    pub(super) fn provide(&mut self, group: u16, buffers: &Rc<Provided>) -> io::Result<()> {
        let (entries, count) = buffers.entries();
        // SAFETY: the mapping is page-aligned, has room for `count` entries, and outlives the ring.
        unsafe { self.submitter.register_buf_ring_with_flags(entries, count, group, 0)? };
        self.provided = Some(Rc::clone(buffers));
        Ok(())
    }

    fn push(&mut self, entry: squeue::Entry, tag: Tag) {
        let entry = entry.user_data(tag.pack());
        // SAFETY: only the typed functions below make entries, and the memory these use is the ring's (rule 1).
        while unsafe { self.sq.push(&entry) }.is_err() {
            self.enter(0, None);
        }
    }

    /// Puts a socket into the table at `place`, if there is such a place. It stays open until [`uninstall`](Self::uninstall).
    pub fn install(&mut self, place: u32, fd: BorrowedFd<'_>) -> Socket {
        let fd = fd.as_raw_fd();
        if place < self.table_len && self.submitter.register_files_update(place, &[fd]).is_ok() {
            Socket::Installed(place)
        } else {
            Socket::Fd(fd)
        }
    }

    /// Takes a socket out of the table. Nothing of it may be in flight.
    pub fn uninstall(&mut self, socket: Socket) {
        if let Socket::Installed(place) = socket {
            let _ = self.submitter.register_files_update(place, &[-1]);
        }
    }

    /// Accepts connections until cancelled. The descriptors arrive close-on-exec.
    pub fn accept(&mut self, listener: BorrowedFd<'_>, tag: Tag) {
        let op = opcode::AcceptMulti::new(types::Fd(listener.as_raw_fd())).flags(libc::SOCK_CLOEXEC);
        self.push(op.build(), tag);
    }

    /// Receives into buffers of `group` until the peer is done or the buffers are.
    pub fn recv(&mut self, socket: Socket, group: u16, tag: Tag) {
        let op = match socket {
            Socket::Fd(fd) => opcode::RecvMulti::new(types::Fd(fd), group),
            Socket::Installed(place) => opcode::RecvMulti::new(types::Fixed(place), group),
        };
        self.push(op.build(), Tag { op: Op::Recv, ..tag });
        self.receives += 1;
    }

    /// Sends what is left of `flight`, which comes back with the completion. One send at a time for an index, so that the bytes
    /// stay in order.
    ///
    /// # Panics
    /// When a send with this index is under way.
    pub fn send(&mut self, socket: Socket, flight: Flight, tag: Tag) {
        let place = tag.index as usize;
        if place >= self.flights.len() {
            self.flights.resize_with(place + 1, || None);
        }
        let slot = &mut self.flights[place];
        assert!(slot.is_none(), "one send at a time for an index");
        let entry = match slot.insert(flight) {
            Flight::Buffer { bytes, sent } => send_bytes(socket, bytes.get(*sent..).unwrap_or_default()),
            Flight::Pieces(pieces) => send_message(socket, pieces.header()),
        };
        self.push(entry, Tag { op: Op::Send, ..tag });
        self.sends += 1;
    }

    /// Completes whenever `fd` becomes readable, until cancelled.
    pub fn poll_readable(&mut self, fd: BorrowedFd<'_>, tag: Tag) {
        self.push(opcode::PollAdd::new(types::Fd(fd.as_raw_fd()), libc::POLLIN as u32).multi(true).build(), tag);
    }

    /// Cancels the operation with this tag.
    pub fn cancel(&mut self, which: Tag) {
        let tag = Tag { op: Op::Cancel, generation: 0, index: 0 };
        self.push(opcode::AsyncCancel::new(which.pack()).build(), tag);
    }

    /// Cancels everything in flight on a socket.
    pub fn cancel_socket(&mut self, socket: Socket) {
        let tag = Tag { op: Op::Cancel, generation: 0, index: 0 };
        let how = match socket {
            Socket::Fd(fd) => types::CancelBuilder::fd(types::Fd(fd)),
            Socket::Installed(place) => types::CancelBuilder::fd(types::Fixed(place)),
        };
        self.push(opcode::AsyncCancel2::new(how.all()).build(), tag);
    }

    /// Cancels everything.
    pub fn cancel_all(&mut self) {
        let tag = Tag { op: Op::Cancel, generation: 0, index: 0 };
        self.push(opcode::AsyncCancel2::new(types::CancelBuilder::any().all()).build(), tag);
    }

    /// Hands everything that was pushed to the kernel, runs what it has to do for us, and waits for something new, but no
    /// longer than `timeout`. One system call.
    ///
    /// A send nearly always completes at once, and its completion alone is no reason to come back. So we wait for `want`
    /// completions more than there were sends. The kernel insists on them for `insist_us` microseconds, and then comes back with
    /// the first; where it cannot do that (before 6.12), it comes back with the first anyway.
    pub fn wait(&mut self, want: u32, insist_us: u32, timeout: Duration) {
        if self.min_wait {
            let sends = std::mem::take(&mut self.sends);
            let insist_us = match (want, sends) {
                (1, 0) => 0,
                (1, _) => SENDS_WAIT_US,
                _ => insist_us,
            };
            self.enter_for(sends + want, insist_us, Some(timeout));
        } else {
            self.enter_for(1, 0, Some(timeout));
        }
    }

    /// Hands everything that was pushed to the kernel and runs what it has to do for us. Waits for `want` completions or the
    /// time-out, whichever is first. One system call.
    pub fn enter(&mut self, want: u32, timeout: Option<Duration>) {
        self.sends = 0;
        self.enter_for(want, 0, timeout);
    }

    fn enter_for(&mut self, want: u32, min_wait_us: u32, timeout: Option<Duration>) {
        self.sq.sync();
        let submit = self.sq.len() as u32;
        let mut flags = ENTER_GETEVENTS | ENTER_EXT_ARG;
        if self.sqpoll && self.sq.need_wakeup() {
            flags |= ENTER_SQ_WAKEUP;
        }
        let timespec = timeout.map(|t| types::Timespec::new().sec(t.as_secs()).nsec(t.subsec_nanos()));
        let arg = EnterArg {
            sigmask: 0,
            sigmask_len: 0,
            min_wait_us,
            timespec: timespec.as_ref().map_or(0, |t| std::ptr::from_ref(t) as u64),
        };
        // SAFETY: `arg` and `timespec` live until the call returns; the kernel keeps no pointer to them.
        // Time-outs, signals and a full completion queue all mean the same here: look at what has completed.
        let _ = unsafe { self.submitter.enter(submit, want, flags, Some(&arg)) };
        self.sq.sync();
    }

    /// Whether completions are visible, or would become so by entering; costs no system call.
    pub fn has_work(&mut self) -> bool {
        self.cq.sync();
        !self.cq.is_empty() || self.sq.taskrun()
    }

    /// The next completion.
    #[inline]
    pub fn next_completion(&mut self) -> Option<Completion> {
        loop {
            let entry = match self.cq.next() {
                Some(entry) => entry,
                None => {
                    self.cq.sync();
                    self.cq.next()?
                }
            };
            let flags = entry.flags();
            if let Some(tag) = Tag::unpack(entry.user_data()) {
                let (result, more) = (entry.result(), cqueue::more(flags));
                let given = match tag.op {
                    Op::Send => {
                        self.flights.get_mut(tag.index as usize).and_then(Option::take).map_or(Given::Nothing, Given::Sent)
                    }
                    Op::Recv => {
                        self.receives -= u32::from(!more);
                        cqueue::buffer_select(flags).map_or(Given::Nothing, |id| Given::Received(BufferId::named(id)))
                    }
                    // SAFETY: the kernel has just made this descriptor for us, and nobody else knows of it.
                    Op::Accept if result >= 0 => Given::Accepted(unsafe { OwnedFd::from_raw_fd(result) }),
                    Op::Accept | Op::Wake | Op::Cancel => Given::Nothing,
                };
                return Some(Completion { tag, result, more, given });
            }
        }
    }
}

fn send_bytes(socket: Socket, bytes: &[u8]) -> squeue::Entry {
    let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let op = match socket {
        Socket::Fd(fd) => opcode::Send::new(types::Fd(fd), bytes.as_ptr(), len),
        Socket::Installed(place) => opcode::Send::new(types::Fixed(place), bytes.as_ptr(), len),
    };
    op.flags(libc::MSG_NOSIGNAL | libc::MSG_WAITALL).build()
}

fn send_message(socket: Socket, message: *const libc::msghdr) -> squeue::Entry {
    let op = match socket {
        Socket::Fd(fd) => opcode::SendMsg::new(types::Fd(fd), message),
        Socket::Installed(place) => opcode::SendMsg::new(types::Fixed(place), message),
    };
    op.flags((libc::MSG_NOSIGNAL | libc::MSG_WAITALL) as u32).build()
}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: each is dropped once, the ring after what borrows from it, and none is used again.
        unsafe {
            ManuallyDrop::drop(&mut self.cq);
            ManuallyDrop::drop(&mut self.sq);
            ManuallyDrop::drop(&mut self.submitter);
            drop(Box::from_raw(self.ring));
        }
        // The kernel tidies up after a ring in its own time.
        std::mem::take(&mut self.flights).into_iter().flatten().for_each(std::mem::forget);
        if self.receives > 0 {
            std::mem::forget(self.provided.take());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_survive_the_kernel() {
        for op in [Op::Accept, Op::Recv, Op::Send, Op::Wake, Op::Cancel] {
            let tag = Tag { op, generation: 0x00ab_cdef, index: u32::MAX };
            assert_eq!(Tag::unpack(tag.pack()), Some(tag));
        }
        assert_eq!(Tag::unpack(0), None);
    }
}
