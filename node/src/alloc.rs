//! The allocator, and how much of it is in use.
//!
//! mimalloc does the work; around it every thread counts the bytes it has taken and given back, and adds them to the total now
//! and then, so that `maxmemory` and `INFO memory` cost no shared write per allocation.

use mimalloc::MiMalloc;
use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;
use std::sync::atomic::{AtomicI64, Ordering};

/// A thread adds its count to the total when it has drifted by this many bytes.
const DRIFT_MAX: i64 = 64 * 1024;

static TOTAL: AtomicI64 = AtomicI64::new(0);

thread_local! {
    static DRIFT: Cell<i64> = const { Cell::new(0) };
}

/// mimalloc with a count.
pub struct Counting;

#[inline]
fn count(bytes: i64) {
    // A thread that is ending has no count any more; its last few bytes are then added directly.
    let counted = DRIFT.try_with(|drift| {
        let sum = drift.get() + bytes;
        if sum.abs() < DRIFT_MAX {
            drift.set(sum);
        } else {
            drift.set(0);
            TOTAL.fetch_add(sum, Ordering::Relaxed);
        }
    });
    if counted.is_err() {
        TOTAL.fetch_add(bytes, Ordering::Relaxed);
    }
}

// SAFETY: every call is passed on to mimalloc unchanged; counting touches no memory of the caller's.
unsafe impl GlobalAlloc for Counting {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as i64);
        // SAFETY: the caller's promises are passed on.
        unsafe { MiMalloc.alloc(layout) }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as i64);
        // SAFETY: the caller's promises are passed on.
        unsafe { MiMalloc.alloc_zeroed(layout) }
    }

    #[inline]
    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        count(-(layout.size() as i64));
        // SAFETY: the caller's promises are passed on.
        unsafe { MiMalloc.dealloc(ptr, layout) }
    }

    #[inline]
    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count(new_size as i64 - layout.size() as i64);
        // SAFETY: the caller's promises are passed on.
        unsafe { MiMalloc.realloc(ptr, layout, new_size) }
    }
}

/// Gives what is free back to the kernel: pages that any thread has freed, and what this thread keeps for later. Takes time in
/// proportion to that, which is why cores leave it to the service thread. The allocator by itself does it only when it is next
/// asked for pages, so a node that is idle after a large deletion would stay as large as it was.
pub fn give_back() {
    unsafe extern "C" {
        fn mi_collect(force: bool);
    }
    // SAFETY: this function of mimalloc may be called by any thread at any time, and has no preconditions.
    unsafe { mi_collect(true) }
}

/// Adds the calling thread's count to the total, so that little use shows as well.
pub fn settle() {
    let drift = DRIFT.try_with(|drift| drift.replace(0)).unwrap_or(0);
    if drift != 0 {
        TOTAL.fetch_add(drift, Ordering::Relaxed);
    }
}

/// Bytes in use by the whole process, to within 64 KiB per thread.
pub fn used() -> u64 {
    TOTAL.load(Ordering::Relaxed).max(0) as u64
}
