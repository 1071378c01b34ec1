//! The wording of errors: the interpreter's own are put into the words of Lua 5.1, which scripts and their tests know, as far as that
//! can be done without knowing the names of variables.

/// No text of the interpreter's own is longer, in bytes: what is has been made by a script.
const OWN_LEN_MAX: usize = 8 << 10;

/// An error text as a script is to see it.
pub fn reword(text: &str) -> String {
    // A message of a native function carries a trace.
    let text = text.split("\nstack traceback:").next().unwrap_or(text);
    let text = text.strip_prefix("runtime error: ").unwrap_or(text);
    if text.len() > OWN_LEN_MAX {
        return text.to_string();
    }
    // The place stands before it: `name:line: `.
    let at = place_len(text);
    let (place, message) = text.split_at(at);
    match translate(message) {
        Some(translated) => format!("{place}{translated}"),
        None => text.to_string(),
    }
}

/// As [`reword`]; what has failed in the prelude, which scripts know nothing of, has failed at this place of the script.
pub fn reword_at(text: &str, place: &str) -> String {
    let text = reword(text);
    if !text.starts_with("koltso:") {
        return text;
    }
    let at = place_len(&text);
    format!("{}{}", if at > 0 { place } else { "" }, &text[at..])
}

/// How long the name and the line number are that an error begins with.
fn place_len(text: &str) -> usize {
    let mut from = 0;
    while let Some(colon) = text[from..].find(':').map(|at| from + at) {
        let digits = text[colon + 1..].bytes().take_while(u8::is_ascii_digit).count();
        let end = colon + 1 + digits;
        if digits > 0 && text[end..].starts_with(": ") {
            return end + 2;
        }
        from = colon + 1;
    }
    0
}

fn translate(message: &str) -> Option<String> {
    if message == "attempt to modify a readonly table" {
        return Some("Attempt to modify a readonly table".into());
    }
    if let Some(rest) = message.strip_prefix("attempt to index ") {
        let kind = rest.split(" with ").next()?;
        return Some(format!("attempt to index a {kind} value"));
    }
    if let Some(rest) = message.strip_prefix("attempt to perform arithmetic (") {
        let operands = rest.split_once(") on ")?.1;
        let (left, right) = operands.split_once(" and ").unwrap_or((operands, operands));
        let wrong = if left == "number" { right } else { left };
        return Some(format!("attempt to perform arithmetic on a {wrong} value"));
    }
    if let Some(operands) = message.strip_prefix("attempt to concatenate ") {
        let (left, right) = operands.split_once(" with ")?;
        let wrong = if matches!(left, "string" | "number") { right } else { left };
        return Some(format!("attempt to concatenate a {wrong} value"));
    }
    if let Some(operands) = message.strip_prefix("attempt to compare ") {
        let mut words = operands.split(' ');
        let (left, _, right) = (words.next()?, words.next()?, words.next()?);
        return Some(match left == right {
            true => format!("attempt to compare two {left} values"),
            false => format!("attempt to compare {left} with {right}"),
        });
    }
    if let Some(rest) = message.strip_prefix("attempt to call missing method ") {
        let name = rest.split(" of ").next()?;
        return Some(format!("attempt to call method {name} (a nil value)"));
    }
    if let Some(rest) = message.strip_prefix("invalid argument ") {
        return Some(format!("bad argument {rest}"));
    }
    if let Some(rest) = message.strip_prefix("missing argument ") {
        let rest =
            rest.strip_suffix(" expected)").map_or_else(|| rest.to_string(), |rest| format!("{rest} expected, got no value)"));
        return Some(format!("bad argument {rest}"));
    }
    if let Some(rest) = message.strip_prefix("invalid 'for' ") {
        let what = rest.split(' ').next()?;
        return Some(format!("'for' {what} must be a number"));
    }
    None
}

/// The text of an error reply as `redis.error_reply` makes it: without the mark that begins it, and with a code.
pub fn error_text(text: &[u8]) -> Vec<u8> {
    let text = text.strip_prefix(b"-").unwrap_or(text);
    let (code, message) = match text.iter().position(|&byte| byte == b' ') {
        Some(space) => (&text[..space], &text[space + 1..]),
        None => (&b"ERR"[..], text),
    };
    let is_end = |byte: &u8| matches!(byte, b'\r' | b'\n');
    let start = message.iter().position(|byte| !is_end(byte)).unwrap_or(message.len());
    let end = message.iter().rposition(|byte| !is_end(byte)).map_or(start, |last| last + 1);
    [code, b" ", &message[start..end]].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_read_as_those_of_lua() {
        for (given, expected) in [
            ("user_script:1: attempt to index nil with 'b'", "user_script:1: attempt to index a nil value"),
            (
                "x:12: attempt to perform arithmetic (add) on number and nil",
                "x:12: attempt to perform arithmetic on a nil value",
            ),
            ("x:1: attempt to perform arithmetic (unm) on table", "x:1: attempt to perform arithmetic on a table value"),
            ("x:1: attempt to concatenate string with nil", "x:1: attempt to concatenate a nil value"),
            ("x:1: attempt to compare nil < number", "x:1: attempt to compare nil with number"),
            ("x:1: attempt to compare nil <= nil", "x:1: attempt to compare two nil values"),
            (
                "x:1: missing argument #1 to 'rep' (string expected)",
                "x:1: bad argument #1 to 'rep' (string expected, got no value)",
            ),
            ("x:1: attempt to call missing method 'bad' of string", "x:1: attempt to call method 'bad' (a nil value)"),
            ("x:1: boom", "x:1: boom"),
            ("boom: 1: x", "boom: 1: x"),
            ("", ""),
        ] {
            assert_eq!(reword(given), expected);
        }
    }

    #[test]
    fn an_error_reply_has_a_code() {
        for (given, expected) in
            [("My Err", "My Err"), ("-MY_ERR x\r\n", "MY_ERR x"), ("alone", "ERR alone"), ("", "ERR "), ("-A", "ERR A")]
        {
            assert_eq!(error_text(given.as_bytes()), expected.as_bytes());
        }
    }
}
