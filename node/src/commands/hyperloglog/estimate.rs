//! From registers to an estimate: Ertl's method ("New cardinality estimation algorithms for HyperLogLog sketches", 2017), whose
//! order of additions decides about the last bits.

use super::REGISTERS;

/// Registers never hold more than this.
const VALUE_MAX: usize = 64 - REGISTERS.trailing_zeros() as usize;
/// One over twice the natural logarithm of two.
const ALPHA_INFINITY: f64 = 0.721_347_520_444_481_7;

/// The estimate for these registers, all of them.
pub(super) fn of(registers: impl Iterator<Item = u8>) -> u64 {
    let mut histogram = [0u32; 64];
    registers.for_each(|value| histogram[usize::from(value & 63)] += 1);
    let m = REGISTERS as f64;
    let mut sum = m * tau((m - f64::from(histogram[VALUE_MAX + 1])) / m);
    for count in histogram[1..=VALUE_MAX].iter().rev() {
        sum = 0.5 * (sum + f64::from(*count));
    }
    sum += m * sigma(f64::from(histogram[0]) / m);
    (ALPHA_INFINITY * m * m / sum).round() as u64
}

fn sigma(x: f64) -> f64 {
    if x == 1.0 {
        return f64::INFINITY;
    }
    let (mut x, mut y, mut sum) = (x, 1.0, x);
    loop {
        x *= x;
        let before = sum;
        sum += x * y;
        y += y;
        if sum == before {
            return sum;
        }
    }
}

fn tau(x: f64) -> f64 {
    if x == 0.0 || x == 1.0 {
        return 0.0;
    }
    let (mut x, mut y, mut sum) = (x, 1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = sum;
        y *= 0.5;
        sum -= (1.0 - x) * (1.0 - x) * y;
        if sum == before {
            return sum / 3.0;
        }
    }
}
