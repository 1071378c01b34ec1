//! Text of the configuration: bytes, because passwords and paths may be any; and the quoting of configuration lines.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The value of a directive that is plain text; empty where nothing is set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Text(Vec<u8>);

impl Text {
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The text as a path, if there is any.
    pub fn as_path(&self) -> Option<&Path> {
        (!self.0.is_empty()).then(|| Path::new(OsStr::from_bytes(&self.0)))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// For messages: what is no UTF-8 is replaced.
    pub fn to_lossy(&self) -> String {
        String::from_utf8_lossy(&self.0).into_owned()
    }
}

impl From<&[u8]> for Text {
    fn from(bytes: &[u8]) -> Self {
        Text(bytes.to_vec())
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Text(text.as_bytes().to_vec())
    }
}

/// Splits a configuration line into its arguments; `None` if the quotes do not balance.
pub fn split_line(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let (mut bytes, mut ends) = (Vec::new(), Vec::new());
    koltso_proto::resp::split_args(line, &mut bytes, &mut ends)?;
    Some(ends.iter().map(|&(start, end)| bytes[start..end].to_vec()).collect())
}

/// Appends `text` in double quotes, escaped so that [`split_line`] gives it back.
pub fn quote(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    for byte in text {
        match byte {
            b'\\' | b'"' => out.extend_from_slice(&[b'\\', *byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x07 => out.extend_from_slice(b"\\a"),
            0x08 => out.extend_from_slice(b"\\b"),
            b' '..=b'~' => out.push(*byte),
            _ => out.extend_from_slice(format!("\\x{byte:02x}").as_bytes()),
        }
    }
    out.push(b'"');
}

/// Reads an amount of memory: digits and one of the units `b`, `k` (1000), `kb` (1024), `m`, `mb`, `g`, `gb`, in any case. Nothing at all
/// is 0, as in Redis; an amount that overflows is refused.
pub fn parse_memory(text: &[u8]) -> Option<u64> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, unit) = text.split_at(digits);
    let unit: u64 = match unit.to_ascii_lowercase().as_slice() {
        b"" | b"b" => 1,
        b"k" => 1000,
        b"kb" => 1 << 10,
        b"m" => 1000 * 1000,
        b"mb" => 1 << 20,
        b"g" => 1000 * 1000 * 1000,
        b"gb" => 1 << 30,
        _ => return None,
    };
    let number = number.iter().try_fold(0u64, |value, byte| value.checked_mul(10)?.checked_add(u64::from(byte - b'0')))?;
    number.checked_mul(unit)
}

/// The shortest exact form with a binary unit, as `CONFIG REWRITE` writes amounts of memory.
pub fn memory_text(bytes: u64) -> String {
    for (unit, name) in [(1u64 << 30, "gb"), (1 << 20, "mb"), (1 << 10, "kb")] {
        if bytes != 0 && bytes.is_multiple_of(unit) {
            return format!("{}{name}", bytes / unit);
        }
    }
    bytes.to_string()
}
