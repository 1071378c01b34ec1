//! Zipmaps, the small hashes of Redis before 2.6: read only.
//!
//! ```text
//! <u8: pairs, 254 = count them> pair* 0xFF
//!
//! pair := len bytes len <u8: unused bytes> bytes unused
//! len  := u8 below 254, or 0xFE and u32 LE
//! ```

use crate::listpack::{Corrupt, Element, Listpack};

const END: u8 = 0xFF;
const LEN_IS_LONG: u8 = 0xFE;
const COUNT_UNKNOWN: u8 = 254;

/// Checks the whole of `bytes` and carries it over: field, value, field, value, …
pub(super) fn to_listpack(bytes: &[u8]) -> Result<Listpack, Corrupt> {
    let (&claimed, mut rest) = bytes.split_first().ok_or(Corrupt("zipmap: empty"))?;
    let mut pack = Listpack::with_capacity(bytes.len());
    let mut count = 0usize;
    while rest.first() != Some(&END) {
        rest = pair(rest, &mut pack).ok_or(Corrupt("zipmap: bad pair"))?;
        count += 1;
    }
    if rest.len() != 1 {
        return Err(Corrupt("zipmap: bytes behind the end mark"));
    }
    if claimed < COUNT_UNKNOWN && usize::from(claimed) != count {
        return Err(Corrupt("zipmap: the pair count is wrong"));
    }
    Ok(pack)
}

/// Carries over the pair at the beginning of `bytes` and returns what follows it.
fn pair<'a>(bytes: &'a [u8], pack: &mut Listpack) -> Option<&'a [u8]> {
    let (len, rest) = length(bytes)?;
    let (field, rest) = rest.split_at_checked(len)?;
    let (len, rest) = length(rest)?;
    let (&unused, rest) = rest.split_first()?;
    let (value, rest) = rest.split_at_checked(len)?;
    pack.push_back_element(Element::Str(field));
    pack.push_back_element(Element::Str(value));
    rest.get(usize::from(unused)..)
}

fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    match bytes.split_first()? {
        (&END, _) => None,
        (&LEN_IS_LONG, rest) => {
            let (len, rest) = rest.split_first_chunk()?;
            Some((usize::try_from(u32::from_le_bytes(*len)).ok()?, rest))
        }
        (&len, rest) => Some((usize::from(len), rest)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_with_unused_bytes_and_long_lengths_are_carried_over() {
        let mut bytes = b"\x02\x03key\x02\x03v1___\x01k\xFE".to_vec();
        bytes.extend_from_slice(&300u32.to_le_bytes());
        bytes.push(0);
        bytes.extend_from_slice(&[b'v'; 300]);
        bytes.push(END);
        let pack = to_listpack(&bytes).unwrap();
        assert_eq!(pack, Listpack::from_iter([&b"key"[..], b"v1", b"k", &[b'v'; 300]]));
        for cut in 0..bytes.len() {
            assert!(to_listpack(&bytes[..cut]).is_err(), "{cut}");
        }
        bytes[0] = 3;
        assert!(to_listpack(&bytes).is_err());
        bytes[0] = COUNT_UNKNOWN;
        assert!(to_listpack(&bytes).is_ok());
        bytes.push(END);
        assert!(to_listpack(&bytes).is_err());
    }
}
