//! The sparse form: runs of equal registers.
//!
//! ```text
//! 00nnnnnn            n + 1 registers of 0
//! 01nnnnnn nnnnnnnn   n + 1 registers of 0
//! 1vvvvvnn            n + 1 registers of v + 1
//! ```
//!
//! Of several ways to write the same registers, this takes the one that Redis would: a run is split around the register that is
//! raised, and then a few runs from the one before it on are merged where they are equal.

use super::{HEADER_LEN, REGISTERS};

const VALUE_MAX: u8 = 32;
const VALUE_RUN_MAX: usize = 4;
const SHORT_ZEROS_MAX: usize = 64;
/// How many runs are looked at for merging.
const MERGE_RUNS: usize = 5;

/// Registers of one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    /// 0 for runs of zeros.
    pub(super) value: u8,
    pub(super) len: usize,
    /// Bytes that it takes.
    size: usize,
}

impl Run {
    /// Whether it is written in two bytes.
    pub(super) fn is_long(self) -> bool {
        self.size == 2
    }

    /// The run at the beginning of `bytes`.
    fn read(bytes: &[u8]) -> Option<Self> {
        let (&first, rest) = bytes.split_first()?;
        Some(match first {
            0x80.. => Run { value: (first >> 2 & 31) + 1, len: usize::from(first & 3) + 1, size: 1 },
            0x40.. => Run { value: 0, len: (usize::from(first & 63) << 8 | usize::from(*rest.first()?)) + 1, size: 2 },
            _ => Run { value: 0, len: usize::from(first) + 1, size: 1 },
        })
    }
}

/// The runs of a body, up to where it is none.
pub(super) fn runs(body: &[u8]) -> impl Iterator<Item = Run> {
    let mut rest = body;
    std::iter::from_fn(move || {
        let run = Run::read(rest)?;
        rest = &rest[run.size..];
        Some(run)
    })
}

/// Shows all registers that are not 0; `None` if the runs do not come out at the number of registers.
pub(super) fn visit(body: &[u8], mut show: impl FnMut(usize, u8)) -> Option<()> {
    let (mut register, mut size) = (0, 0);
    for run in runs(body) {
        size += run.size;
        let end = register + run.len;
        if end > REGISTERS {
            return None;
        }
        if run.value > 0 {
            (register..end).for_each(|register| show(register, run.value));
        }
        register = end;
    }
    (register == REGISTERS && size == body.len()).then_some(())
}

/// Appends a run of zeros.
pub(super) fn push_zeros(out: &mut Vec<u8>, len: usize) {
    if len > SHORT_ZEROS_MAX {
        let [high, low] = (len as u16 - 1).to_be_bytes();
        out.extend_from_slice(&[0x40 | high, low]);
    } else if len > 0 {
        out.push(len as u8 - 1);
    }
}

fn value_run(value: u8, len: usize) -> u8 {
    0x80 | (value - 1) << 2 | (len as u8 - 1)
}

fn push_run(out: &mut Vec<u8>, value: u8, len: usize) {
    if value == 0 {
        push_zeros(out, len);
    } else if len > 0 {
        out.push(value_run(value, len));
    }
}

/// What came of raising a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Raised {
    /// It is that high already.
    No,
    Yes,
    /// Only the dense form can hold it; nothing is changed.
    NoRoom,
    /// The runs do not reach the register; nothing is changed.
    Corrupt,
}

/// Raises a register to `value`, if it is less and `bytes`, header included, do not grow beyond `len_max`.
pub(super) fn raise(bytes: &mut Vec<u8>, register: usize, value: u8, len_max: u64) -> Raised {
    if value > VALUE_MAX {
        return Raised::NoRoom;
    }
    let (mut at, mut previous, mut first) = (HEADER_LEN, HEADER_LEN, 0);
    let run = loop {
        let Some(run) = Run::read(&bytes[at..]) else { return Raised::Corrupt };
        if register < first + run.len {
            break run;
        }
        (previous, at, first) = (at, at + run.size, first + run.len);
    };
    if run.value >= value {
        return Raised::No;
    }
    if run.len == 1 && !run.is_long() {
        bytes[at] = value_run(value, 1);
    } else {
        let mut split = Vec::with_capacity(5);
        push_run(&mut split, run.value, register - first);
        push_run(&mut split, value, 1);
        push_run(&mut split, run.value, first + run.len - 1 - register);
        let len = bytes.len() + split.len() - run.size;
        if split.len() > run.size && len as u64 > len_max {
            return Raised::NoRoom;
        }
        bytes.splice(at..at + run.size, split);
    }
    merge(bytes, previous);
    Raised::Yes
}

/// Merges equal runs of values that follow one another, among the few from `at` on.
fn merge(bytes: &mut Vec<u8>, at: usize) {
    let mut at = at;
    for _ in 0..MERGE_RUNS {
        let Some(run) = bytes.get(at..).and_then(Run::read) else { return };
        let next = bytes.get(at + run.size..).and_then(Run::read);
        match next {
            Some(next) if run.value > 0 && next.value == run.value && run.len + next.len <= VALUE_RUN_MAX => {
                bytes[at + 1] = value_run(run.value, run.len + next.len);
                bytes.remove(at);
            }
            _ => at += run.size,
        }
    }
}
