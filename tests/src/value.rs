//! A RESP2 or RESP3 reply as it stood on the wire: null bulk, null array and RESP3 null stay apart, doubles stay text.

use std::fmt;

/// One reply.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    /// `+text`
    Simple(String),
    /// `-text`
    Error(String),
    /// `:number`
    Int(i64),
    /// `$len`
    Bulk(Vec<u8>),
    /// `$-1`
    NullBulk,
    /// `*-1`
    NullArray,
    /// `_`
    Null,
    /// `*len`
    Array(Vec<Value>),
    /// `%len`
    Map(Vec<(Value, Value)>),
    /// `~len`
    Set(Vec<Value>),
    /// `>len`
    Push(Vec<Value>),
    /// `,text`
    Double(String),
    /// `#t` or `#f`
    Bool(bool),
    /// `(digits`
    BigNumber(String),
    /// `=len`, with its three-letter format and the colon
    Verbatim(Vec<u8>),
}

impl Value {
    /// The reply as text: a simple string, bulk, double or verbatim body. Panics on anything else.
    #[track_caller]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(self.bytes()).into_owned()
    }

    /// The bytes of a string-like reply. Panics on anything else.
    #[track_caller]
    pub fn bytes(&self) -> &[u8] {
        match self {
            Value::Simple(text) | Value::Double(text) => text.as_bytes(),
            Value::Bulk(bytes) => bytes,
            Value::Verbatim(bytes) => bytes.get(4..).unwrap_or(&[]),
            other => panic!("a string was expected, not {other:?}"),
        }
    }

    /// The number of an integer reply. Panics on anything else.
    #[track_caller]
    pub fn int(&self) -> i64 {
        match self {
            Value::Int(number) => *number,
            other => panic!("an integer was expected, not {other:?}"),
        }
    }

    /// The elements of an array, set or push; keys and values in turn for a map. Panics on anything else.
    #[track_caller]
    pub fn items(&self) -> Vec<Value> {
        match self {
            Value::Array(items) | Value::Set(items) | Value::Push(items) => items.clone(),
            Value::Map(pairs) => pairs.iter().flat_map(|(key, value)| [key.clone(), value.clone()]).collect(),
            other => panic!("an aggregate was expected, not {other:?}"),
        }
    }

    /// The text of an error reply. Panics on anything else.
    #[track_caller]
    pub fn error(&self) -> &str {
        match self {
            Value::Error(text) => text,
            other => panic!("an error was expected, not {other:?}"),
        }
    }

    /// Asserts `+OK`.
    #[track_caller]
    pub fn ok(&self) {
        assert_eq!(*self, Value::Simple("OK".into()));
    }

    /// True for an error reply.
    pub fn is_error(&self) -> bool {
        matches!(self, Value::Error(_))
    }

    /// True for each of the three nulls.
    pub fn is_null(&self) -> bool {
        matches!(self, Value::NullBulk | Value::NullArray | Value::Null)
    }

    /// The same reply with unordered elements sorted: for KEYS, SMEMBERS and their like.
    pub fn sorted(self) -> Value {
        match self {
            Value::Array(mut items) => {
                items.sort();
                Value::Array(items)
            }
            Value::Set(mut items) => {
                items.sort();
                Value::Set(items)
            }
            Value::Map(mut pairs) => {
                pairs.sort();
                Value::Map(pairs)
            }
            other => other,
        }
    }

    /// A flat array of pairs (HGETALL in RESP2) with the pairs sorted.
    pub fn sorted_pairs(self) -> Value {
        match self {
            Value::Array(items) if items.len() % 2 == 0 => {
                let mut pairs: Vec<&[Value]> = items.chunks(2).collect();
                pairs.sort();
                Value::Array(pairs.concat())
            }
            other => other.sorted(),
        }
    }
}

/// Long strings are shortened: a failing comparison of a big value should still be readable.
impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Simple(text) => write!(f, "+{text}"),
            Value::Error(text) => write!(f, "-{text}"),
            Value::Int(number) => write!(f, ":{number}"),
            Value::Bulk(bytes) => short(f, bytes),
            Value::NullBulk => write!(f, "$-1"),
            Value::NullArray => write!(f, "*-1"),
            Value::Null => write!(f, "_"),
            Value::Array(items) => f.debug_list().entries(items).finish(),
            Value::Map(pairs) => f.debug_map().entries(pairs.iter().map(|(key, value)| (key, value))).finish(),
            Value::Set(items) => write!(f, "~").and_then(|()| f.debug_set().entries(items).finish()),
            Value::Push(items) => write!(f, ">").and_then(|()| f.debug_list().entries(items).finish()),
            Value::Double(text) => write!(f, ",{text}"),
            Value::Bool(value) => write!(f, "#{value}"),
            Value::BigNumber(text) => write!(f, "({text}"),
            Value::Verbatim(bytes) => write!(f, "=").and_then(|()| short(f, bytes)),
        }
    }
}

fn short(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    const SHOWN: usize = 300;
    write!(f, "\"{}\"", bytes[..bytes.len().min(SHOWN)].escape_ascii())?;
    if bytes.len() > SHOWN { write!(f, "… ({} bytes)", bytes.len()) } else { Ok(()) }
}
