//! Measurements of Koltso: the criterion benches in `benches/`, and the binary `compare`, which puts the same load on other
//! servers. This library holds only what both use.
#![forbid(unsafe_code)]

/// SplitMix64: the same keys and values in every run, fast enough not to be the load's bottleneck.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Roughly uniform below `limit`; 0 for a limit of 0.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.next_u64().checked_rem(limit).unwrap_or(0)
    }

    /// Appends `len` random bytes.
    pub fn bytes(&mut self, len: usize, out: &mut Vec<u8>) {
        let end = out.len() + len;
        while out.len() < end {
            out.extend_from_slice(&self.next_u64().to_le_bytes());
        }
        out.truncate(end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_bytes_have_the_asked_length() {
        let mut out = vec![1];
        Random::new(1).bytes(13, &mut out);
        assert_eq!(out.len(), 14);
    }
}
