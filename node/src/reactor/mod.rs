//! The reactor: one io_uring a core, its receive buffers, and the inbox by which other threads reach it.
//!
//! All `unsafe` towards the kernel is in here, behind functions that cannot be misused. Nothing here knows of RESP, shards or
//! replication.

pub mod buffers;
pub mod inbox;
pub mod pieces;
pub mod refusal;
pub mod ring;
pub mod thread_hints;
