//! Natural numbers of any size: just enough of them to convert between decimal text and binary floating point exactly. The
//! callers bound the size; this module does not.

/// A natural number of any size, lowest limb first, without leading zero limbs.
#[derive(Default)]
pub(super) struct Big(Vec<u64>);

impl Big {
    /// `mantissa * 2^shift`.
    pub(super) fn from_shifted(mantissa: u64, shift: u32) -> Self {
        let mut big = Big(if mantissa == 0 { Vec::new() } else { vec![mantissa] });
        big.shift_left(shift.into());
        big
    }

    pub(super) fn is_zero(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn bits(&self) -> u64 {
        self.0.last().map_or(0, |top| self.0.len() as u64 * 64 - u64::from(top.leading_zeros()))
    }

    pub(super) fn multiply_add(&mut self, factor: u64, addend: u64) {
        let mut carry = u128::from(addend);
        for limb in &mut self.0 {
            let product = u128::from(*limb) * u128::from(factor) + carry;
            *limb = product as u64;
            carry = product >> 64;
        }
        if carry != 0 {
            self.0.push(carry as u64);
        }
    }

    /// Divides in place and returns the remainder.
    pub(super) fn divide(&mut self, divisor: u64) -> u64 {
        let mut remainder = 0u128;
        for limb in self.0.iter_mut().rev() {
            let dividend = remainder << 64 | u128::from(*limb);
            *limb = (dividend / u128::from(divisor)) as u64;
            remainder = dividend % u128::from(divisor);
        }
        while self.0.last() == Some(&0) {
            self.0.pop();
        }
        remainder as u64
    }

    pub(super) fn shift_left(&mut self, shift: u64) {
        if self.is_zero() {
            return;
        }
        self.multiply_add(1 << (shift % 64), 0);
        let limbs = (shift / 64) as usize;
        self.0.splice(0..0, std::iter::repeat_n(0, limbs));
    }

    /// The highest up to 128 bits, how many bits are below them, and whether any of those is set.
    pub(super) fn top(&self) -> (u128, u64, bool) {
        let low = self.0.len().saturating_sub(2);
        let top = self.0[low..].iter().rev().fold(0u128, |top, limb| top << 64 | u128::from(*limb));
        (top, low as u64 * 64, self.0[..low].iter().any(|limb| *limb != 0))
    }

    /// Appends the number in decimal.
    pub(super) fn write(mut self, out: &mut Vec<u8>) {
        const CHUNK: u64 = 10_000_000_000_000_000_000;
        let mut chunks = vec![self.divide(CHUNK)];
        while !self.is_zero() {
            chunks.push(self.divide(CHUNK));
        }
        let mut buffer = itoa::Buffer::new();
        for (at, chunk) in chunks.iter().rev().enumerate() {
            let text = buffer.format(*chunk).as_bytes();
            if at > 0 {
                out.resize(out.len() + 19 - text.len(), b'0');
            }
            out.extend_from_slice(text);
        }
    }
}
