//! What `FUNCTION DUMP` answers and `FUNCTION RESTORE` takes: the sources of libraries, as they stand in a file, and behind them what
//! stands behind a `DUMP` payload.

use super::consts::{VERSION_REDIS_7_4, VERSION_VALKEY_9, opcode};
use super::crc::crc64;
use super::cursor::Cursor;
use super::dump::finish_dump;
use super::item::STRING_BYTES_MAX;
use super::writer::put_function;

/// The payload of libraries with these sources.
pub fn dump<'a>(sources: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut out = Vec::new();
    sources.for_each(|source| put_function(&mut out, source, None));
    finish_dump(&mut out);
    out
}

/// The sources of the libraries in a payload.
///
/// # Errors
/// Why it cannot be read, as servers put it, without the code of the error.
pub fn restore(payload: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let wrong = "DUMP payload version or checksum are wrong";
    let (content, crc) = payload.split_last_chunk::<8>().ok_or(wrong)?;
    let (body, version) = content.split_last_chunk::<2>().ok_or(wrong)?;
    let version = u32::from(u16::from_le_bytes(*version));
    let is_known = version <= VERSION_REDIS_7_4 || version == VERSION_VALKEY_9;
    if !is_known || u64::from_le_bytes(*crc) != crc64(content) {
        return Err(wrong.into());
    }
    let mut cursor = Cursor::new(body, STRING_BYTES_MAX);
    let mut sources = Vec::new();
    while !cursor.rest().is_empty() {
        match cursor.take(1) {
            Ok([opcode::FUNCTION2]) => {}
            _ => return Err("given type is not a function".into()),
        }
        let source = cursor.blob().map_err(|_| "Failed loading library data")?;
        sources.push(source.into_owned());
    }
    Ok(sources)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_come_back_from_their_payload() {
        let sources = [&b"#!lua name=a\nx"[..], &[b'y'; 1000]];
        let payload = dump(sources.into_iter());
        assert_eq!(restore(&payload).unwrap(), sources);
        assert_eq!(restore(&dump(std::iter::empty())).unwrap(), Vec::<Vec<u8>>::new());
    }

    #[test]
    fn what_is_cut_or_changed_is_refused() {
        let payload = dump([&b"#!lua name=a\nx"[..]].into_iter());
        for len in 0..payload.len() {
            assert!(restore(&payload[..len]).is_err());
        }
        for at in 0..payload.len() {
            let mut changed = payload.clone();
            changed[at] ^= 1;
            assert!(restore(&changed).is_err());
        }
        let mut other = vec![0, 1, b'k', 1, b'v'];
        finish_dump(&mut other);
        assert_eq!(restore(&other), Err("given type is not a function".into()));
        let mut short = vec![opcode::FUNCTION2, 200];
        finish_dump(&mut short);
        assert!(restore(&short).is_err());
    }
}
