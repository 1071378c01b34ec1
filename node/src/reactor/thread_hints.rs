//! What a thread tells the scheduler about itself. Hints: where one is refused, everything works all the same.

/// Stays on one processor.
pub fn pin_to(processor: usize) {
    let mut set = rustix::thread::CpuSet::new();
    set.set(processor);
    let _ = rustix::thread::sched_setaffinity(None, &set);
}

/// Asks for short time slices, so that a core which wakes up takes the processor from bulk work at once instead of at the next
/// tick. Kernels before 6.12 know no slices of one's own, and nothing is lost where they are refused. The thread's niceness stays.
pub fn ask_for_short_slices() {
    /// The shortest slice the scheduler grants, in nanoseconds.
    const SLICE_NS: u64 = 100_000;
    // The fields of the kernel's `struct sched_attr`, of which only the slice (`sched_runtime`) is wanted.
    #[repr(C)]
    struct Attributes {
        size: u32,
        policy: u32,
        flags: u64,
        nice: i32,
        priority: u32,
        runtime: u64,
        deadline: u64,
        period: u64,
    }
    let nice = rustix::process::getpriority_process(Some(rustix::thread::gettid())).unwrap_or(0);
    let attributes = Attributes {
        size: size_of::<Attributes>() as u32,
        policy: libc::SCHED_OTHER as u32,
        flags: 0,
        nice,
        priority: 0,
        runtime: SLICE_NS,
        deadline: 0,
        period: 0,
    };
    // SAFETY: the kernel reads `size` bytes of the structure during the call and keeps nothing of it.
    unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) };
}

/// Takes what other threads leave: bulk work must not delay the cores where processors are shared.
pub fn yield_to_others() {
    // SAFETY: gettid has no preconditions, and setpriority of the calling thread touches nothing else.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, libc::gettid() as libc::id_t, 10) };
}
