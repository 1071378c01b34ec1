//! What COMMAND says of each command, beside what a real server says. Summaries and other sentences are our own; everything
//! else that a client can act on must be the same. What is meant to differ stands in `intended-differences.txt`.

use koltso_tests::client::show;
use koltso_tests::{Client, Kind, Seed, Server, Value, intended, with_cores};
use std::collections::BTreeSet;

/// What is said in sentences: that it is there is compared, not how it reads.
const SENTENCES: &[&str] = &["summary", "complexity", "replaced_by", "notes"];

/// Command lines per command whose keys are looked for.
const LINES_PER_COMMAND: u64 = 12;

fn resp3(server: &Server) -> Client {
    let mut client = server.client();
    client.must(&["HELLO", "3"]);
    client
}

fn bulk(text: &str) -> Value {
    Value::Bulk(text.into())
}

fn get<'a>(map: &'a Value, name: &str) -> Option<&'a Value> {
    let Value::Map(pairs) = map else { panic!("a map was expected, not {map:?}") };
    pairs.iter().find(|(key, _)| *key == bulk(name)).map(|(_, value)| value)
}

/// Puts what has no order into one, takes the words out of sentences, and leaves subcommands out.
fn comparable(value: &Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.iter().map(comparable).collect()),
        Value::Set(items) => Value::Set(items.iter().map(comparable).collect()).sorted(),
        Value::Map(pairs) => {
            let pair = |(key, value): &(Value, Value)| match key.text().as_str() {
                name if SENTENCES.contains(&name) => (key.clone(), bulk("…")),
                "history" => (key.clone(), versions(value)),
                "subcommands" => (key.clone(), Value::Null),
                _ => (key.clone(), comparable(value)),
            };
            Value::Map(pairs.iter().map(pair).collect())
        }
        other => other.clone(),
    }
}

fn versions(history: &Value) -> Value {
    Value::Array(history.items().iter().map(|change| change.items()[0].clone()).collect())
}

/// An entry of COMMAND INFO without its subcommands.
fn entry(info: &Value) -> Value {
    let mut items = info.items()[0].items();
    if let Some(Value::Array(subcommands)) = items.get_mut(9) {
        subcommands.clear();
    }
    comparable(&Value::Array(items))
}

#[track_caller]
fn assert_same(about: &str, mine: &Value, theirs: &Value) {
    let meant = intended::differences().iter().any(|difference| difference.covers(about.as_bytes(), mine, theirs));
    assert!(mine == theirs || meant, "{about}\nkoltso: {mine:?}\nredis:  {theirs:?}");
}

/// The commands that both have, with their subcommands. Of those, koltso must have all.
fn common(mine: &mut Client, theirs: &mut Client) -> Vec<String> {
    let [mine, theirs] = [mine, theirs].map(|client| {
        let all: BTreeSet<String> = client.must(&["COMMAND"]).items().iter().map(|entry| entry.items()[0].text()).collect();
        assert_eq!(client.must(&["COMMAND", "COUNT"]).int(), all.len() as i64);
        let listed: BTreeSet<String> = client.must(&["COMMAND", "LIST"]).items().iter().map(Value::text).collect();
        let outer: BTreeSet<String> = listed.iter().filter(|name| !name.contains('|')).cloned().collect();
        assert_eq!(outer, all, "COMMAND LIST and COMMAND");
        listed
    });
    let container = |name: &str| name.split('|').next().unwrap_or_default().to_string();
    let missing: Vec<&String> = theirs.difference(&mine).filter(|name| mine.contains(&container(name))).collect();
    assert!(missing.is_empty(), "{missing:?}");
    let common: Vec<String> = mine.intersection(&theirs).cloned().collect();
    assert!(common.len() > 250, "{common:?}");
    common
}

/// The names of the subcommands in an answer of COMMAND DOCS and in one of COMMAND INFO.
fn subcommands(client: &mut Client, name: &str) -> [BTreeSet<String>; 2] {
    let Value::Map(docs) = client.must(&["COMMAND", "DOCS", name]) else { panic!("no map") };
    let documented = match get(&docs[0].1, "subcommands") {
        Some(Value::Map(pairs)) => pairs.iter().map(|(name, _)| name.text()).collect(),
        _ => BTreeSet::new(),
    };
    let info = client.must(&["COMMAND", "INFO", name]).items()[0].items();
    [documented, info[9].items().iter().map(|sub| sub.items()[0].text()).collect()]
}

#[test]
fn every_command_is_described_as_redis_describes_it() {
    let model = Server::start(Kind::Redis);
    with_cores(|kind| {
        let server = Server::start(kind);
        let [mut mine, mut theirs] = [&server, &model].map(resp3);
        for name in common(&mut mine, &mut theirs) {
            let mut ask = |words: &[&str]| [&mut mine, &mut theirs].map(|client| client.must(words));
            let [docs, their_docs] = ask(&["COMMAND", "DOCS", &name]).map(|docs| comparable(&docs));
            assert_same(&format!("command docs {name}"), &docs, &their_docs);
            let [info, their_info] = ask(&["COMMAND", "INFO", &name]).map(|info| entry(&info));
            assert_same(&format!("command info {name}"), &info, &their_info);
            let [inner, their_inner] = [&mut mine, &mut theirs].map(|client| subcommands(client, &name));
            for (inner, their_inner) in inner.iter().zip(&their_inner) {
                assert!(inner.is_superset(their_inner), "{name}: {inner:?}, and Redis: {their_inner:?}");
            }
        }
        for words in ["DOCS nosuch", "DOCS xinfo|nosuch", "INFO nosuch xinfo|help get|help"] {
            let words: Vec<&str> = ["COMMAND"].into_iter().chain(words.split(' ')).collect();
            let [mine, theirs] = [&mut mine, &mut theirs].map(|client| comparable(&client.must(&words)));
            assert_same(&show(&words), &mine, &theirs);
        }
    });
}

#[test]
fn docs_are_flat_lists_to_a_resp2_client() {
    with_cores(|kind| {
        let server = Server::start(kind);
        let flat = server.client().must(&["COMMAND", "DOCS", "set"]).items();
        let docs = flat[1].items();
        let at =
            |items: &[Value], name: &str| items.iter().position(|item| *item == bulk(name)).map(|at| items[at + 1].clone());
        let arguments = at(&docs, "arguments").expect("arguments").items();
        assert_eq!(at(&arguments[0].items(), "type"), Some(bulk("key")));
        let Some(Value::Array(history)) = at(&docs, "history") else { panic!("{docs:?}") };
        assert!(matches!(&history[0], Value::Array(change) if change[0] == bulk("2.6.12")), "{history:?}");
    });
}

#[test]
fn commands_are_listed_by_category_and_pattern_as_redis_lists_them() {
    let model = Server::start(Kind::Redis);
    with_cores(|kind| {
        let server = Server::start(kind);
        let [mut mine, mut theirs] = [&server, &model].map(resp3);
        let known: BTreeSet<String> = common(&mut mine, &mut theirs).into_iter().collect();
        let filters = "ACLCAT read; ACLCAT WRITE; ACLCAT stream; ACLCAT dangerous; ACLCAT nosuch; ACLCAT @read; PATTERN *; PATTERN x*; \
                       PATTERN *|*; PATTERN Z[a-r]*; PATTERN nosuch; MODULE x";
        for filter in filters.split("; ") {
            let words: Vec<&str> = "COMMAND LIST FILTERBY".split(' ').chain(filter.split_whitespace()).collect();
            let [mine, theirs] = [&mut mine, &mut theirs].map(|client| {
                let names = client.must(&words).items();
                names.iter().map(Value::text).filter(|name| known.contains(name)).collect::<BTreeSet<_>>()
            });
            assert_eq!(mine, theirs, "{filter}");
        }
        for bad in ["LIST x", "LIST FILTERBY", "LIST FILTERBY ACLCAT", "LIST FILTERBY NOSUCH x", "LIST FILTERBY ACLCAT a b"] {
            let words: Vec<&str> = ["COMMAND"].into_iter().chain(bad.split(' ')).collect();
            let [mine, theirs] = [&mut mine, &mut theirs].map(|client| client.cmd(&words));
            assert_eq!(mine, theirs, "{bad}");
        }
    });
}

/// Writes command lines from what a server says of a command's arguments.
struct Writer<'a> {
    seed: &'a mut Seed,
    words: Vec<String>,
}

impl Writer<'_> {
    fn all(&mut self, arguments: &Value) {
        arguments.items().iter().for_each(|argument| self.argument(argument));
    }

    fn argument(&mut self, argument: &Value) {
        let flags = get(argument, "flags").map(Value::items).unwrap_or_default();
        let flag = |name: &str| flags.contains(&Value::Simple(name.into()));
        if flag("optional") && self.seed.one_in(2) {
            return;
        }
        let times = if flag("multiple") { 1 + self.seed.below(3) } else { 1 };
        for time in 0..times {
            if let Some(token) = get(argument, "token").filter(|_| time == 0 || flag("multiple_token")) {
                self.words.push(if self.seed.one_in(2) { token.text() } else { token.text().to_lowercase() });
            }
            self.once(argument);
        }
    }

    fn once(&mut self, argument: &Value) {
        let inner = get(argument, "arguments");
        let name = get(argument, "name").expect("a name").text();
        match get(argument, "type").expect("a type").text().as_str() {
            "pure-token" => {}
            "oneof" => {
                let choices = inner.expect("inner arguments").items();
                let choice = self.seed.pick(&choices).clone();
                self.argument(&choice);
            }
            "block" => self.all(inner.expect("inner arguments")),
            "key" | "pattern" => {
                let key = format!("{name}:{}", self.seed.below(100));
                self.words.push(key);
            }
            "integer" if name == "numkeys" => {
                let count = *self.seed.pick(&["0", "1", "1", "2", "3", "-1", "x"]);
                self.words.push(count.into());
            }
            "integer" | "unix-time" | "double" => {
                let number = self.seed.below(9).to_string();
                self.words.push(number);
            }
            _ => {
                let word = *self.seed.pick(&["a", "b", "get", "keys", "store", "streams"]);
                self.words.push(word.into());
            }
        }
    }
}

#[test]
fn keys_are_found_where_redis_finds_them() {
    let mut seed = Seed::fresh("getkeys");
    let model = Server::start(Kind::Redis);
    with_cores(|kind| {
        let server = Server::start(kind);
        let [mut mine, mut theirs] = [&server, &model].map(resp3);
        let mut commands = Vec::new();
        for name in common(&mut mine, &mut theirs) {
            let Value::Map(mut docs) = theirs.must(&["COMMAND", "DOCS", &name]) else { panic!("no map") };
            commands.push((name, docs.remove(0).1));
        }
        for (name, docs) in commands {
            for _ in 0..LINES_PER_COMMAND {
                let mut writer = Writer { seed: &mut seed, words: name.split('|').map(String::from).collect() };
                if let Some(arguments) = get(&docs, "arguments") {
                    writer.all(arguments);
                }
                let line = writer.words;
                for ask in ["GETKEYS", "GETKEYSANDFLAGS"] {
                    let words: Vec<&str> = ["COMMAND", ask].into_iter().chain(line.iter().map(String::as_str)).collect();
                    let [mine, theirs] = [&mut mine, &mut theirs].map(|client| comparable(&client.cmd(&words)));
                    assert_same(&show(&words), &mine, &theirs);
                }
            }
        }
        for line in ["", " ", "GET", "NOSUCH x", "XINFO", "XINFO nosuch", "SORT k BY x STORE a STORE b"] {
            let words: Vec<&str> = ["COMMAND", "GETKEYS"].into_iter().chain(line.split_terminator(' ')).collect();
            let [mine, theirs] = [&mut mine, &mut theirs].map(|client| client.cmd(&words));
            assert_eq!(mine, theirs, "{line}");
        }
    });
}
