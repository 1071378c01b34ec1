//! The first bytes of a file: whose format it is, and which version.

use super::consts::{MAGIC_LEN, VERSION_REDIS_7_4, VERSION_VALKEY_9};
use super::error::Fault;

/// Whose numbers a file uses: a few types and opcodes mean different things.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    #[default]
    Redis,
    Valkey,
}

/// Reads the magic; `None` if bytes are missing. What cannot become one is refused with the first wrong byte.
pub(super) fn parse_magic(bytes: &[u8]) -> Result<Option<(u32, Dialect)>, Fault> {
    let magic = &bytes[..bytes.len().min(MAGIC_LEN)];
    let (dialect, digits) = if let Some(digits) = after(b"REDIS", magic) {
        (Dialect::Redis, digits)
    } else if let Some(digits) = after(b"VALKEY", magic) {
        (Dialect::Valkey, digits)
    } else {
        return Err(Fault::Magic);
    };
    if !digits.iter().all(u8::is_ascii_digit) {
        return Err(Fault::Magic);
    }
    if magic.len() < MAGIC_LEN {
        return Ok(None);
    }
    let version = digits.iter().fold(0, |version, digit| version * 10 + u32::from(digit - b'0'));
    match (dialect, version) {
        (Dialect::Redis, 1..=VERSION_REDIS_7_4) | (Dialect::Valkey, VERSION_VALKEY_9) => Ok(Some((version, dialect))),
        _ => Err(Fault::Version(version)),
    }
}

/// What follows `name`, as far as it is there.
fn after<'a>(name: &[u8], bytes: &'a [u8]) -> Option<&'a [u8]> {
    let common = name.len().min(bytes.len());
    (bytes[..common] == name[..common]).then_some(&bytes[common..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_versions_of_both_vendors_and_nothing_else() {
        assert_eq!(parse_magic(b"REDIS0010 more"), Ok(Some((10, Dialect::Redis))));
        assert_eq!(parse_magic(b"VALKEY080"), Ok(Some((80, Dialect::Valkey))));
        assert_eq!(parse_magic(b"REDIS0013"), Err(Fault::Version(13)));
        assert_eq!(parse_magic(b"REDIS0000"), Err(Fault::Version(0)));
        assert_eq!(parse_magic(b"VALKEY011"), Err(Fault::Version(11)));
        assert_eq!(parse_magic(b"REDIS00x0"), Err(Fault::Magic));
        assert_eq!(parse_magic(b"-ERR nope"), Err(Fault::Magic));
        assert_eq!(parse_magic(b"\n"), Err(Fault::Magic));
        for cut in 0..9 {
            assert_eq!(parse_magic(&b"REDIS0012"[..cut]), Ok(None));
        }
    }
}
