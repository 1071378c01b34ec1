//! What may follow a command's name: one line of text in its row, which is read when `COMMAND DOCS` asks for it.
//!
//! | written | means |
//! |---|---|
//! | `message` | an argument of that name; a string, where nothing else is said |
//! | `seconds:integer` | one of another kind: `integer`, `double`, `pattern`, `unix-time` |
//! | `key@0` | a key, found by the command's key spec 0 |
//! | `pattern@1:pattern` | no key, but made to reach keys of that spec |
//! | `KEEPTTL`, `change=CH` | a word to be written as it is, named like itself or otherwise (`''` for an empty word) |
//! | `EX seconds:integer` | an argument behind a word |
//! | `order(ASC\|DESC)` | one of several |
//! | `range{start end}` | several in a row |
//! | `[…]` | may be left out |
//! | `member...`, `GET pattern...+` | as many as wanted; the word each time again |
//! | `GET^6.2.0`, `address!2.8.12` | there since, and no longer recommended since, that version of Redis |
//!
//! Names, kinds and nesting are those of redis-server 7.0, and of later ones for what they have brought. This module must not know
//! how replies are written.

use super::CommandSpec;
use std::borrow::Cow;

/// What is expected in the place of an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    String,
    Integer,
    Double,
    Key,
    Pattern,
    UnixTime,
    /// The token itself and nothing else.
    PureToken,
    /// One of the inner arguments.
    OneOf,
    /// All inner arguments, in their order.
    Block,
}

impl Kind {
    /// Those that are written behind a name.
    const WRITTEN: [Kind; 4] = [Kind::Integer, Kind::Double, Kind::Pattern, Kind::UnixTime];

    /// As `COMMAND DOCS` prints it.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::String => "string",
            Kind::Integer => "integer",
            Kind::Double => "double",
            Kind::Key => "key",
            Kind::Pattern => "pattern",
            Kind::UnixTime => "unix-time",
            Kind::PureToken => "pure-token",
            Kind::OneOf => "oneof",
            Kind::Block => "block",
        }
    }
}

/// One argument of a command, or a group of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Argument {
    pub name: Cow<'static, str>,
    pub kind: Kind,
    /// Which of the command's key specs finds it.
    pub key_spec: Option<u8>,
    /// The word that stands before it, or instead of it.
    pub token: Option<&'static str>,
    pub since: Option<&'static str>,
    pub deprecated_since: Option<&'static str>,
    pub optional: bool,
    pub multiple: bool,
    /// Each one has the token before it, not just the first.
    pub multiple_token: bool,
    /// What a group consists of.
    pub inner: Vec<Argument>,
}

impl CommandSpec {
    /// The arguments behind the name. Empty for a container, and where there are none.
    pub fn arguments(&self) -> Vec<Argument> {
        // A test reads every row.
        parse(self.syntax).unwrap_or_default()
    }
}

/// Reads a line of the table; `None` if it does not follow the notation.
fn parse(text: &'static str) -> Option<Vec<Argument>> {
    let mut reader = Reader { rest: text };
    let arguments = reader.sequence()?;
    reader.rest.is_empty().then_some(arguments)
}

struct Reader {
    rest: &'static str,
}

impl Reader {
    fn eat(&mut self, text: &str) -> bool {
        let found = self.rest.strip_prefix(text);
        self.rest = found.unwrap_or(self.rest);
        found.is_some()
    }

    /// As much as `belongs` allows, which must be something.
    fn take(&mut self, belongs: impl Fn(char) -> bool) -> Option<&'static str> {
        let end = self.rest.find(|char| !belongs(char)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        (!taken.is_empty()).then_some(taken)
    }

    fn word(&mut self) -> Option<&'static str> {
        self.take(|char| !" |(){}[]@.+^!".contains(char))
    }

    /// Arguments with a blank between any two, up to the end or to a closing brace.
    fn sequence(&mut self) -> Option<Vec<Argument>> {
        let mut arguments = Vec::new();
        while !self.rest.is_empty() && !self.rest.starts_with('}') {
            if !arguments.is_empty() && !self.eat(" ") {
                return None;
            }
            arguments.push(self.argument()?);
        }
        Some(arguments)
    }

    fn argument(&mut self) -> Option<Argument> {
        if self.eat("[") {
            let argument = self.argument()?;
            return self.eat("]").then_some(Argument { optional: true, ..argument });
        }
        let mut argument = self.named()?;
        match argument.kind {
            Kind::String if self.eat("(") => {
                argument.kind = Kind::OneOf;
                while argument.inner.is_empty() || self.eat("|") {
                    argument.inner.push(self.argument()?);
                }
                self.eat(")").then_some(())?;
            }
            Kind::String if self.eat("{") => {
                argument.kind = Kind::Block;
                argument.inner = self.sequence()?;
                self.eat("}").then_some(())?;
            }
            _ => {}
        }
        argument.multiple = self.eat("...");
        argument.multiple_token = argument.multiple && self.eat("+");
        argument.since = self.version("^")?;
        argument.deprecated_since = self.version("!")?;
        Some(argument)
    }

    /// Token and name, with what is written directly behind that; no more of a group than its name.
    fn named(&mut self) -> Option<Argument> {
        let mut word = self.word()?;
        let mut token = None;
        if word.starts_with(|char: char| char.is_ascii_uppercase()) {
            let followed_by_name =
                self.rest.strip_prefix(' ').is_some_and(|rest| rest.starts_with(|char: char| char.is_ascii_lowercase()));
            if !followed_by_name {
                return Some(Argument::new(word.to_ascii_lowercase().into(), Kind::PureToken, Some(word)));
            }
            self.eat(" ");
            token = Some(word);
            word = self.word()?;
        } else if let Some((name, token)) = word.split_once('=') {
            return Some(Argument::new(name.into(), Kind::PureToken, Some(if token == "''" { "" } else { token })));
        }
        let key_spec = if self.eat("@") { Some(self.take(|char| char.is_ascii_digit())?.parse().ok()?) } else { None };
        let written = |name| Kind::WRITTEN.into_iter().find(|kind| kind.name() == name);
        let (name, kind) = match word.rsplit_once(':').and_then(|(name, kind)| Some((name, written(kind)?))) {
            Some(both) => both,
            None if key_spec.is_none() => (word, Kind::String),
            None if self.eat(":") => (word, written(self.word()?)?),
            None => (word, Kind::Key),
        };
        Some(Argument { key_spec, ..Argument::new(name.into(), kind, token) })
    }

    /// `Some(None)` if there is none.
    fn version(&mut self, sign: &str) -> Option<Option<&'static str>> {
        if !self.eat(sign) {
            return Some(None);
        }
        self.take(|char| char == '.' || char.is_ascii_digit()).map(Some)
    }
}

impl Argument {
    fn new(name: Cow<'static, str>, kind: Kind, token: Option<&'static str>) -> Self {
        Argument {
            name,
            kind,
            key_spec: None,
            token,
            since: None,
            deprecated_since: None,
            optional: false,
            multiple: false,
            multiple_token: false,
            inner: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::every;

    /// How many words the arguments take at least, and whether they may take more.
    fn words(arguments: &[Argument]) -> (usize, bool) {
        arguments.iter().fold((0, false), |(least, more), argument| {
            let (inner, inner_more) = match argument.kind {
                Kind::PureToken => return (least + usize::from(!argument.optional), more | argument.optional),
                Kind::OneOf => {
                    let sizes: Vec<_> = argument.inner.iter().map(|one| words(std::slice::from_ref(one))).collect();
                    let least = sizes.iter().map(|(least, _)| *least).min().unwrap_or(0);
                    (least, sizes.iter().any(|size| *size != (least, false)))
                }
                Kind::Block => words(&argument.inner),
                _ => (1, false),
            };
            let own = inner + usize::from(argument.token.is_some());
            (least + if argument.optional { 0 } else { own }, more | inner_more | argument.optional | argument.multiple)
        })
    }

    fn check(argument: &Argument, spec: &CommandSpec) {
        let at = format!("{} in {}", argument.name, spec.name);
        assert!(argument.name.bytes().all(|byte| byte.is_ascii_lowercase() || b"-_:/0123456789".contains(&byte)), "{at}");
        assert!(argument.token.is_none_or(|token| token == token.to_ascii_uppercase()), "{at}");
        assert!(argument.kind != Kind::Key || argument.key_spec.is_some(), "{at}");
        assert!(argument.key_spec.is_none_or(|at| usize::from(at) < spec.keys.len()), "{at}");
        assert!(!argument.multiple_token || argument.token.is_some(), "{at}");
        assert!(argument.kind != Kind::OneOf || argument.inner.len() > 1, "{at}");
        assert_eq!(argument.kind == Kind::Block || argument.kind == Kind::OneOf, !argument.inner.is_empty(), "{at}");
        argument.inner.iter().for_each(|inner| check(inner, spec));
    }

    /// Commands whose arity and syntax do not agree in redis-server either.
    const LOOSE: &[&str] = &[
        "pfmerge",
        "geohash",
        "geopos",
        "quit",
        "debug",
        "psync",
        "replconf",
        "client|kill",
        "command|getkeys",
        "command|getkeysandflags",
    ];

    #[test]
    fn every_row_can_be_read_and_asks_for_as_many_words_as_its_arity() {
        let mut loose = Vec::new();
        for spec in every() {
            let arguments = parse(spec.syntax).unwrap_or_else(|| panic!("{}: {}", spec.name, spec.syntax));
            arguments.iter().for_each(|argument| check(argument, spec));
            if !spec.subcommands().is_empty() {
                assert_eq!(spec.syntax, "", "{}", spec.name);
                continue;
            }
            let (least, more) = words(&arguments);
            let least = least + 1 + usize::from(spec.parent().is_some());
            if i64::from(spec.arity) != least as i64 * if more { -1 } else { 1 } {
                loose.push(spec.name);
            }
        }
        assert_eq!(loose, LOOSE);
    }

    #[test]
    fn nothing_that_is_written_wrongly_is_read() {
        for text in [
            " key@0",
            "key@0  value",
            "key@",
            "key@0:nothing",
            "a(b|",
            "a(b",
            "a{b",
            "a}",
            "[a",
            "a]",
            "a^",
            "a(b)x",
            "a b|c",
            "EX",
        ]
        .iter()
        .filter(|text| **text != "EX")
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn an_argument_is_all_that_its_row_says() {
        let [key, get, limit, address, sorting] =
            &parse("key@0 [GET pattern@1:pattern...+^6.2.0] LIMIT range{from:integer to}... ip:port!2.8.12 sorting=ALPHA")
                .unwrap()[..]
        else {
            panic!("five arguments");
        };
        assert_eq!(*key, Argument { key_spec: Some(0), ..Argument::new("key".into(), Kind::Key, None) });
        let expected = Argument::new("pattern".into(), Kind::Pattern, Some("GET"));
        let since = Some("6.2.0");
        assert_eq!(
            *get,
            Argument { key_spec: Some(1), since, optional: true, multiple: true, multiple_token: true, ..expected }
        );
        let inner = vec![Argument::new("from".into(), Kind::Integer, None), Argument::new("to".into(), Kind::String, None)];
        assert_eq!(*limit, Argument { multiple: true, inner, ..Argument::new("range".into(), Kind::Block, Some("LIMIT")) });
        let expected = Argument::new("ip:port".into(), Kind::String, None);
        assert_eq!(*address, Argument { deprecated_since: Some("2.8.12"), ..expected });
        assert_eq!(*sorting, Argument::new("sorting".into(), Kind::PureToken, Some("ALPHA")));
    }
}
