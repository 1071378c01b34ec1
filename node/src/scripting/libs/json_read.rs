//! Reading JSON.

use super::Meter;
use crate::scripting::natives::Fault;
use koltso_proto::number::parse_f64;
use mlua::{Lua, Value};

/// What is read and what is refused.
#[derive(Clone, Copy)]
pub struct Rules {
    /// How deep values may be nested.
    pub depth: usize,
    /// Whether numbers are read that JSON does not have.
    pub odd: bool,
}

/// What comes next in the text.
enum Token {
    Open(u8),
    Close(u8),
    Colon,
    Comma,
    String(Vec<u8>),
    Number(f64),
    Boolean(bool),
    Null,
    End,
    Bad(&'static str),
}

impl Token {
    /// What it is called in errors.
    fn name(&self) -> &'static str {
        match self {
            Token::Open(b'{') => "T_OBJ_BEGIN",
            Token::Open(_) => "T_ARR_BEGIN",
            Token::Close(b'}') => "T_OBJ_END",
            Token::Close(_) => "T_ARR_END",
            Token::Colon => "T_COLON",
            Token::Comma => "T_COMMA",
            Token::String(_) => "T_STRING",
            Token::Number(_) => "T_NUMBER",
            Token::Boolean(_) => "T_BOOLEAN",
            Token::Null => "T_NULL",
            Token::End => "T_END",
            Token::Bad(what) => what,
        }
    }
}

/// Reads one document.
pub struct Reader<'a> {
    lua: &'a Lua,
    text: &'a [u8],
    at: usize,
    /// Where the last token began.
    start: usize,
    rules: Rules,
    meter: Meter<'a>,
}

impl<'a> Reader<'a> {
    /// Begins at the front.
    pub fn new(lua: &'a Lua, text: &'a [u8], rules: Rules) -> Self {
        Reader { lua, text, at: 0, start: 0, rules, meter: Meter::new(lua) }
    }

    /// The value that the whole text is.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn document(&mut self) -> Result<Value, Fault> {
        if self.text.len() >= 2 && self.text[..2].contains(&0) {
            return Err("JSON parser does not support UTF-16 or UTF-32".into());
        }
        let token = self.token();
        let value = self.value(token, 0)?;
        match self.token() {
            Token::End => Ok(value),
            other => Err(self.unexpected("the end", &other)),
        }
    }

    fn unexpected(&self, expected: &str, found: &Token) -> Fault {
        format!("Expected {expected} but found {} at character {}", found.name(), self.start + 1).into()
    }

    fn value(&mut self, token: Token, depth: usize) -> Result<Value, Fault> {
        self.meter.value(0)?;
        Ok(match token {
            Token::String(bytes) => Value::String(self.lua.create_string(bytes)?),
            Token::Number(x) => Value::Number(x),
            Token::Boolean(truth) => Value::Boolean(truth),
            Token::Null => Value::NULL,
            Token::Open(_) if depth >= self.rules.depth => {
                let at = self.at;
                return Err(format!("Found too many nested data structures ({}) at character {at}", depth + 1).into());
            }
            Token::Open(b'{') => self.object(depth + 1)?,
            Token::Open(_) => self.array(depth + 1)?,
            other => return Err(self.unexpected("value", &other)),
        })
    }

    fn object(&mut self, depth: usize) -> Result<Value, Fault> {
        let table = self.lua.create_table()?;
        let mut token = self.token();
        if let Token::Close(b'}') = token {
            return Ok(Value::Table(table));
        }
        loop {
            let Token::String(key) = token else { return Err(self.unexpected("object key string", &token)) };
            match self.token() {
                Token::Colon => {}
                other => return Err(self.unexpected("colon", &other)),
            }
            let next = self.token();
            let value = self.value(next, depth)?;
            table.raw_set(self.lua.create_string(key)?, value)?;
            match self.token() {
                Token::Close(b'}') => return Ok(Value::Table(table)),
                Token::Comma => token = self.token(),
                other => return Err(self.unexpected("comma or object end", &other)),
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<Value, Fault> {
        let table = self.lua.create_table()?;
        let mut token = self.token();
        if let Token::Close(b']') = token {
            return Ok(Value::Table(table));
        }
        for i in 1.. {
            let value = self.value(token, depth)?;
            table.raw_set(i, value)?;
            match self.token() {
                Token::Close(b']') => break,
                Token::Comma => token = self.token(),
                other => return Err(self.unexpected("comma or array end", &other)),
            }
        }
        Ok(Value::Table(table))
    }

    fn token(&mut self) -> Token {
        while self.text.get(self.at).is_some_and(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
        self.start = self.at;
        let Some(&byte) = self.text.get(self.at) else { return Token::End };
        let simple = match byte {
            b'{' | b'[' => Token::Open(byte),
            b'}' | b']' => Token::Close(byte),
            b':' => Token::Colon,
            b',' => Token::Comma,
            b'"' => {
                self.at += 1;
                return self.string().map_or_else(
                    |what| {
                        self.start = self.at;
                        Token::Bad(what)
                    },
                    Token::String,
                );
            }
            _ => return self.word(),
        };
        self.at += 1;
        simple
    }

    fn word(&mut self) -> Token {
        let rest = &self.text[self.at..];
        for (word, token) in [("true", Token::Boolean(true)), ("false", Token::Boolean(false)), ("null", Token::Null)] {
            if rest.starts_with(word.as_bytes()) {
                self.at += word.len();
                return token;
            }
        }
        let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
        let len = rest.iter().position(|byte| !is_part(byte)).unwrap_or(rest.len());
        // As much of it as is a number.
        let digits = rest[..len].iter().position(|byte| !matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'));
        let plain = &rest[..digits.unwrap_or(len)];
        let unsigned = rest.strip_prefix(b"-").unwrap_or(rest);
        let lower: Vec<u8> = unsigned.iter().take(8).map(u8::to_ascii_lowercase).collect();
        let sign = if unsigned.len() < rest.len() { -1.0 } else { 1.0 };
        let signed_len = rest.len() - unsigned.len();
        if self.rules.odd {
            for (word, value) in [("infinity", f64::INFINITY), ("inf", f64::INFINITY), ("nan", f64::NAN)] {
                if lower.starts_with(word.as_bytes()) {
                    self.at += signed_len + word.len();
                    return Token::Number(sign * value);
                }
            }
            if lower.starts_with(b"0x") {
                let hex = unsigned[2..].iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
                let value = unsigned[2..2 + hex].iter().fold(0.0, |sum, &byte| sum * 16.0 + f64::from(digit_of(byte)));
                self.at += signed_len + 2 + hex;
                return Token::Number(sign * value);
            }
        }
        let starts_well = unsigned.first().is_some_and(u8::is_ascii_digit);
        if !starts_well {
            return Token::Bad("invalid token");
        }
        let leading_zero = unsigned[0] == b'0' && unsigned.get(1).is_some_and(u8::is_ascii_digit);
        match parse_f64(plain) {
            Some(_) if leading_zero && !self.rules.odd => Token::Bad("invalid number"),
            Some(x) => {
                self.at += plain.len();
                Token::Number(x)
            }
            // Too large, or too small.
            None => match std::str::from_utf8(plain).ok().and_then(|text| text.parse().ok()) {
                Some(x) => {
                    self.at += plain.len();
                    Token::Number(x)
                }
                None => Token::Bad("invalid number"),
            },
        }
    }

    /// The rest of a string whose quote has been read.
    fn string(&mut self) -> Result<Vec<u8>, &'static str> {
        let mut out = Vec::new();
        loop {
            let rest = &self.text[self.at.min(self.text.len())..];
            let end = rest.iter().position(|byte| matches!(byte, b'"' | b'\\'));
            let Some(end) = end else {
                self.at = self.text.len();
                return Err("unexpected end of string");
            };
            out.extend_from_slice(&rest[..end]);
            self.at += end;
            if rest[end] == b'"' {
                self.at += 1;
                return Ok(out);
            }
            let code = rest.get(end + 1).copied().unwrap_or(0);
            let known = matches!(code, b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' | b'u');
            if !known {
                return Err("invalid escape code");
            }
            self.at += 2;
            out.push(match code {
                b'b' => 8,
                b'f' => 12,
                b'n' => 10,
                b'r' => 13,
                b't' => 9,
                b'u' => {
                    let c = self.unicode()?;
                    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                    continue;
                }
                other => other,
            });
        }
    }

    fn unicode(&mut self) -> Result<char, &'static str> {
        let bad = "invalid unicode escape code";
        let first = self.four_digits().ok_or(bad)?;
        if !(0xd800..0xdc00).contains(&first) {
            return char::from_u32(first).ok_or(bad);
        }
        if !self.text[self.at..].starts_with(b"\\u") {
            return Err(bad);
        }
        self.at += 2;
        let second = self.four_digits().filter(|second| (0xdc00..0xe000).contains(second)).ok_or(bad)?;
        char::from_u32(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00)).ok_or(bad)
    }

    fn four_digits(&mut self) -> Option<u32> {
        let digits = self.text.get(self.at..self.at + 4)?;
        if !digits.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        self.at += 4;
        Some(digits.iter().fold(0, |sum, &byte| sum * 16 + u32::from(digit_of(byte))))
    }
}

fn digit_of(byte: u8) -> u8 {
    match byte {
        b'0'..=b'9' => byte - b'0',
        _ => byte.to_ascii_lowercase().saturating_sub(b'a') + 10,
    }
}
