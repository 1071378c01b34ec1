//! The reactor: one io_uring a core, its receive buffers, and the inbox by which other threads reach it.
//!
//! All `unsafe` towards the kernel is in here, behind functions that cannot be misused. Nothing here knows of RESP, shards or
//! replication.

#[allow(unsafe_code)]
pub mod buffers;
pub mod coalesce;
#[allow(unsafe_code)]
pub mod flight;
pub mod inbox;
pub mod refusal;
#[allow(unsafe_code)]
pub mod ring;
#[allow(unsafe_code)]
pub mod thread_hints;

#[cfg(test)]
mod tests;
