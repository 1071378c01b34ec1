//! For tests of commands: a keyspace without a server around it.
//!
//! Commands are written as a person would type them, replies and effects are compared as text:
//!
//! | reply | text |
//! |---|---|
//! | status, error | `OK`, `-ERR syntax error` |
//! | integer, null | `:1`, `nil` |
//! | bulk string | `"v"`, with bytes outside of ASCII as `\xff` |
//! | array, set, map, push | `["a" :1]`, `~[…]`, `%[k v …]`, `>[…]` |
//! | double, boolean, verbatim | `,1.5`, `#t`, `=txt:…` |
//!
//! Effects are the commands that replicas get, separated by `; `.

use super::errors::wrong_arity;
use super::{Ctx, FAMILIES, Origin};
use crate::config::Config;
use crate::effects::EffectBuffer;
use crate::shard::Shard;
use crate::shard::keyspace::Keyspace;
use crate::shard::value::Value;
use crate::waiting::Waits;
use koltso_proto::command;
use koltso_proto::id::{DbIndex, ShardId, UnixMs};
use koltso_proto::resp::{Limits, Reply, RequestParser, Step, put_command};
use rand::SeedableRng;
use rand::rngs::SmallRng;

/// When tests begin.
pub const START: UnixMs = UnixMs(1_000_000_000_000);

/// A keyspace, and one client of it.
pub struct Node {
    /// The shards.
    pub shards: Vec<Option<Box<Shard>>>,
    /// The configuration.
    pub config: Config,
    /// The time.
    pub now: UnixMs,
    /// The client's database.
    pub db: DbIndex,
    /// Who the client is.
    pub origin: Origin,
    /// Whether the client asked for RESP3.
    pub resp3: bool,
    rng: SmallRng,
    effects: EffectBuffer,
}

impl Node {
    /// A node with this many shards of four databases.
    pub fn new(shards: u16) -> Self {
        let shard = |id| {
            let mut shard = Box::new(Shard::new(ShardId(id), 4));
            shard.logged = true;
            Some(shard)
        };
        Node {
            shards: (0..shards).map(shard).collect(),
            config: Config::default(),
            now: START,
            db: DbIndex(0),
            origin: Origin::Client,
            resp3: false,
            rng: SmallRng::seed_from_u64(1),
            effects: EffectBuffer::default(),
        }
    }

    /// Makes this node a replica, and its client the primary.
    pub fn be_replica(&mut self) {
        self.origin = Origin::Primary;
        self.shards.iter_mut().flatten().for_each(|shard| shard.replica = true);
    }

    /// Lets time pass.
    pub fn wait_ms(&mut self, ms: u64) {
        self.now.0 += ms;
    }

    /// Puts a value without a command.
    pub fn put(&mut self, key: &str, value: Value) {
        let (db, now) = (self.db.0 as usize, self.now);
        let mut keys = Keyspace::all(&mut self.shards);
        keys.shard_for(key.as_bytes()).dbs[db].set_value(key.as_bytes(), value, None, now);
    }

    /// The value at a key as `Debug` shows it.
    pub fn debug_value(&mut self, key: &str) -> String {
        let db = self.db.0 as usize;
        let mut keys = Keyspace::all(&mut self.shards);
        let found = keys.shard_for(key.as_bytes()).dbs[db].find(key.as_bytes()).map(|entry| entry.value());
        found.map_or_else(String::new, |value| format!("{value:?}"))
    }

    /// Runs a command line; the reply as text.
    pub fn run(&mut self, line: &str) -> String {
        let line = [line.as_bytes(), b"\r\n"].concat();
        let mut parser = RequestParser::new();
        let step = parser.advance(&line, &Limits::authenticated(self.config.proto_max_bulk_len));
        assert_eq!(step, Ok(Step::Complete(line.len())), "a line with balanced quotes");
        let args: Vec<&[u8]> = parser.args(&line).from(0).collect();
        text_of_reply(&self.run_args(&args))
    }

    /// Runs a command; the reply as it goes to the client. The number of arguments is checked as the dispatcher does.
    pub fn run_args(&mut self, args: &[&[u8]]) -> Vec<u8> {
        let name = String::from_utf8_lossy(args[0]).to_lowercase();
        let found = FAMILIES.iter().flat_map(|family| family.iter()).find(|(known, _)| *known == name);
        let (_, handler) = found.unwrap_or_else(|| panic!("no family has '{name}'"));
        let spec = command::lookup(args[0]).unwrap_or_else(|| panic!("the command table lacks '{name}'"));
        if !spec.check_arity(args.len()) {
            return format!("-{}\r\n", String::from_utf8_lossy(wrong_arity(spec.name).as_ref())).into_bytes();
        }
        let mut request = Vec::new();
        put_command(&mut request, args);
        let mut parser = RequestParser::new();
        let limits = Limits::authenticated(self.config.proto_max_bulk_len);
        assert_eq!(parser.advance(&request, &limits), Ok(Step::Complete(request.len())));
        let mut reply = Reply::new(self.resp3);
        self.effects.begin_unit();
        Ctx {
            keys: Keyspace::all(&mut self.shards),
            db: self.db,
            now: self.now,
            reply: &mut reply,
            effects: &mut self.effects,
            origin: self.origin,
            config: &self.config,
            rng: &mut self.rng,
            no_touch: false,
            frozen: false,
            waits: Waits::Never,
            scripted: false,
            dirty: 0,
            propagated: false,
        }
        .run(*handler, parser.args(&request));
        self.effects.end_unit();
        reply.buf
    }

    /// The effects since they were last asked for, as text.
    pub fn effects(&mut self) -> String {
        self.effects.take().map_or_else(String::new, |batch| text_of_commands(&batch.bytes))
    }

    /// Runs lines one after the other, comparing reply and effects of each.
    pub fn check(&mut self, lines: &[(&str, &str, &str)]) {
        for (line, reply, effects) in lines {
            assert_eq!(self.run(line), *reply, "reply to: {line}");
            assert_eq!(self.effects(), *effects, "effects of: {line}");
        }
    }

    /// Runs lines one after the other, comparing only the replies.
    pub fn check_replies(&mut self, lines: &[(&str, &str)]) {
        for (line, reply) in lines {
            assert_eq!(self.run(line), *reply, "reply to: {line}");
        }
        self.effects();
    }

    /// Runs lines that must succeed, to prepare a test.
    pub fn prepare(&mut self, lines: &[&str]) {
        for line in lines {
            let reply = self.run(line);
            assert!(!reply.starts_with('-'), "{line}: {reply}");
        }
        self.effects();
    }
}

/// Does a test with one shard and with three.
pub fn with_one_and_three_shards(test: impl Fn(&mut Node)) {
    for shards in [1, 3] {
        test(&mut Node::new(shards));
    }
}

/// Runs lines on fresh nodes with one shard and with three, comparing reply and effects of each.
pub fn check(lines: &[(&str, &str, &str)]) {
    with_one_and_three_shards(|node| node.check(lines));
}

/// A reply as text; see the top of this module.
pub fn text_of_reply(bytes: &[u8]) -> String {
    let (text, rest) = take_reply(bytes);
    assert!(rest.is_empty(), "more than one reply: {text} and {}", rest.escape_ascii());
    text
}

fn take_reply(bytes: &[u8]) -> (String, &[u8]) {
    let end = bytes.windows(2).position(|pair| pair == b"\r\n").expect("a reply ends its line");
    let (line, rest) = (escape(&bytes[1..end]), &bytes[end + 2..]);
    let number = || line.parse::<usize>().expect("a length");
    match bytes[0] {
        b'+' => (line, rest),
        b'$' | b'*' if line == "-1" => ("nil".into(), rest),
        b'_' => ("nil".into(), rest),
        b'$' | b'=' => {
            let (body, rest) = rest.split_at(number());
            let rest = rest.strip_prefix(b"\r\n").expect("a bulk string ends its line");
            let body = escape(body);
            (if bytes[0] == b'$' { format!("\"{body}\"") } else { format!("={body}") }, rest)
        }
        b'*' => take_replies("", number(), rest),
        b'%' => take_replies("%", 2 * number(), rest),
        b'~' => take_replies("~", number(), rest),
        b'>' => take_replies(">", number(), rest),
        b'-' | b':' | b',' | b'#' => (format!("{}{line}", char::from(bytes[0])), rest),
        kind => panic!("no reply begins with {kind:?}"),
    }
}

fn take_replies<'a>(kind: &str, n: usize, mut rest: &'a [u8]) -> (String, &'a [u8]) {
    let mut parts = Vec::new();
    for _ in 0..n {
        let (part, after) = take_reply(rest);
        parts.push(part);
        rest = after;
    }
    (format!("{kind}[{}]", parts.join(" ")), rest)
}

/// Commands in RESP as text.
pub fn text_of_commands(mut bytes: &[u8]) -> String {
    let mut commands = Vec::new();
    while !bytes.is_empty() {
        let mut parser = RequestParser::new();
        let step = parser.advance(bytes, &Limits::authenticated(u64::MAX));
        let Ok(Step::Complete(len)) = step else { panic!("{step:?}: {}", bytes.escape_ascii()) };
        let words: Vec<String> = parser.args(bytes).from(0).map(word_of).collect();
        commands.push(words.join(" "));
        bytes = &bytes[len..];
    }
    commands.join("; ")
}

fn word_of(arg: &[u8]) -> String {
    if arg.is_empty() { "\"\"".into() } else { escape(arg) }
}

fn escape(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string().replace("\\'", "'").replace("\\\"", "\"")
}
