//! The dense form: six bits a register, the lowest bits of a byte first.

use super::{HEADER_LEN, REGISTERS};

const WIDTH: usize = 6;
const MASK: u16 = (1 << WIDTH) - 1;
/// Bytes of a dense HyperLogLog, header included.
pub(super) const LEN: usize = HEADER_LEN + REGISTERS * WIDTH / 8;

/// The byte in which a register begins, and how many of its bits belong to the one before.
fn place(register: usize) -> (usize, usize) {
    (HEADER_LEN + register * WIDTH / 8, register * WIDTH % 8)
}

fn window(bytes: &[u8], at: usize) -> u16 {
    // The last register ends with the last byte.
    u16::from(bytes[at]) | u16::from(bytes.get(at + 1).copied().unwrap_or(0)) << 8
}

fn get(bytes: &[u8], register: usize) -> u8 {
    let (at, shift) = place(register);
    (window(bytes, at) >> shift & MASK) as u8
}

/// Sets a register.
pub(super) fn set(bytes: &mut [u8], register: usize, value: u8) {
    let (at, shift) = place(register);
    let [low, high] = (window(bytes, at) & !(MASK << shift) | (u16::from(value) & MASK) << shift).to_le_bytes();
    bytes[at] = low;
    if let Some(byte) = bytes.get_mut(at + 1) {
        *byte = high;
    }
}

/// Raises a register to `value`, if it is less; says whether it was.
pub(super) fn raise(bytes: &mut [u8], register: usize, value: u8) -> bool {
    let raises = get(bytes, register) < value;
    if raises {
        set(bytes, register, value);
    }
    raises
}

/// Shows all registers.
pub(super) fn visit(bytes: &[u8], mut show: impl FnMut(usize, u8)) {
    (0..REGISTERS).for_each(|register| show(register, get(bytes, register)));
}
