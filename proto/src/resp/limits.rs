//! What a peer may send, and what it is told when it sends something else.

use std::fmt;

/// What a peer may send.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The longest argument, in bytes (`proto-max-bulk-len`).
    pub bulk_len_max: u64,
    /// The most arguments.
    pub args_max: u64,
    /// Whether the peer has yet to authenticate, which makes the two limits above [`Limits::UNAUTHENTICATED`]'s.
    pub unauthenticated: bool,
}

impl Limits {
    /// Limits of a peer that has not yet shown who it is: 10 arguments of 16 KiB.
    pub const UNAUTHENTICATED: Limits = Limits { bulk_len_max: 16_384, args_max: 10, unauthenticated: true };

    /// Limits of an authenticated peer.
    pub fn authenticated(bulk_len_max: u64) -> Self {
        Limits { bulk_len_max: bulk_len_max.min(u64::from(u32::MAX) / 2), args_max: i32::MAX as u64, unauthenticated: false }
    }
}

/// A request that cannot be read; the connection is closed after it is told so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProtocolError(pub String);

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Protocol error: {}", self.0)
    }
}

impl std::error::Error for ProtocolError {}
