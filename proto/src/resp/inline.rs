//! Inline commands, and every other line of text that is split as a shell would: configuration lines, `redis-cli` input.

/// Splits a line into arguments, appending their bytes to `out` and their `(start, end)` in `out` to `ends`.
///
/// Double quotes know the escapes `\xHH \n \r \t \b \a`, single quotes only `\'`; a closing quote must be followed by white
/// space. Returns `None` when the quotes do not balance, which Redis calls "unbalanced quotes in request".
pub fn split_args(line: &[u8], out: &mut Vec<u8>, ends: &mut Vec<(usize, usize)>) -> Option<()> {
    let mut rest = line;
    loop {
        while let [c, tail @ ..] = rest {
            if !is_space(*c) {
                break;
            }
            rest = tail;
        }
        // A NUL ends the line, as the C string it once was would.
        if rest.is_empty() || rest[0] == 0 {
            return Some(());
        }
        let start = out.len();
        rest = one_arg(rest, out)?;
        ends.push((start, out.len()));
    }
}

fn is_space(c: u8) -> bool {
    matches!(c, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

fn one_arg<'a>(mut rest: &'a [u8], out: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        match rest {
            [] | [0, ..] => return Some(&[]),
            [b'"', tail @ ..] => return double_quoted(tail, out),
            [b'\'', tail @ ..] => return single_quoted(tail, out),
            [c, tail @ ..] => {
                if is_space(*c) {
                    return Some(tail);
                }
                out.push(*c);
                rest = tail;
            }
        }
    }
}

fn double_quoted<'a>(mut rest: &'a [u8], out: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        match rest {
            [] | [0, ..] => return None,
            [b'\\', b'x', high, low, tail @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                out.push(hex(*high) << 4 | hex(*low));
                rest = tail;
            }
            [b'\\', c, tail @ ..] => {
                out.push(match c {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 8,
                    b'a' => 7,
                    other => *other,
                });
                rest = tail;
            }
            [b'"', tail @ ..] => return after_quote(tail),
            [c, tail @ ..] => {
                out.push(*c);
                rest = tail;
            }
        }
    }
}

fn single_quoted<'a>(mut rest: &'a [u8], out: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        match rest {
            [] | [0, ..] => return None,
            [b'\\', b'\'', tail @ ..] => {
                out.push(b'\'');
                rest = tail;
            }
            [b'\'', tail @ ..] => return after_quote(tail),
            [c, tail @ ..] => {
                out.push(*c);
                rest = tail;
            }
        }
    }
}

fn after_quote(rest: &[u8]) -> Option<&[u8]> {
    match rest {
        [] | [0, ..] => Some(rest),
        [c, tail @ ..] if is_space(*c) => Some(tail),
        _ => None,
    }
}

fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit - b'A' + 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(line: &str) -> Option<Vec<String>> {
        let (mut out, mut ends) = (Vec::new(), Vec::new());
        split_args(line.as_bytes(), &mut out, &mut ends)?;
        Some(ends.iter().map(|&(a, b)| String::from_utf8_lossy(&out[a..b]).into_owned()).collect())
    }

    #[test]
    fn quotes_and_escapes() {
        assert_eq!(split("SET  k 'it\\'s' \"a\\x41\\n\"").unwrap(), ["SET", "k", "it's", "aA\n"]);
        assert_eq!(split("\"\"").unwrap(), [""]);
        assert_eq!(split("").unwrap(), Vec::<String>::new());
        assert_eq!(split("a \"b"), None);
        assert_eq!(split("\"a\"b"), None);
        assert_eq!(split("'a'b"), None);
    }
}
