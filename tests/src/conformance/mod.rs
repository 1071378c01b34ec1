//! The Tcl suite of Redis 7.0 (unpacked by `tests/fetch-conformance`) against a server from outside: [`suite`] runs one unit,
//! [`outcome`] reads what it prints, [`exceptions`] says what may fail, [`run`] puts the units of all servers in one queue and
//! judges them.
//!
//! Each unit gets a server of its own: what one leaves behind, or a server that dies, spoils no other, and several run side by
//! side.

pub mod exceptions;
pub mod outcome;
pub mod run;
pub mod suite;

pub use exceptions::Exceptions;
pub use outcome::{Outcome, Test, Verdict};
pub use run::{Plan, run};
pub use suite::Suite;
