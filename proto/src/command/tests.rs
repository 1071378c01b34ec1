//! The table against a real server's, and the keys of command lines against what a real server answers.

use super::info::Sink;
use super::*;

/// Replies as text: `*[…]` arrays, `{…}` maps, `~[…]` sets, `"…"` bulk strings, `+…` statuses, `:…` integers, `_` null.
#[derive(Default)]
struct Text {
    out: String,
    /// What is still to come of the aggregates that are open, and how they end.
    open: Vec<(usize, char)>,
}

impl Text {
    fn aggregate(&mut self, start: &str, len: usize, end: char) {
        self.out += start;
        self.open.push((len, end));
        self.close();
    }

    fn element(&mut self, text: &str) {
        self.out += text;
        if let Some(top) = self.open.last_mut() {
            top.0 -= 1;
            self.out.push(' ');
        }
        self.close();
    }

    fn close(&mut self) {
        while let Some((0, end)) = self.open.last() {
            self.out.truncate(self.out.trim_end().len());
            self.out.push(*end);
            self.open.pop();
            if let Some(top) = self.open.last_mut() {
                top.0 -= 1;
                self.out.push(' ');
            }
        }
    }
}

impl Sink for Text {
    fn array(&mut self, len: usize) {
        self.aggregate("*[", len, ']');
    }
    fn map(&mut self, len: usize) {
        self.aggregate("{", 2 * len, '}');
    }
    fn set(&mut self, len: usize) {
        self.aggregate("~[", len, ']');
    }
    fn bulk(&mut self, text: &[u8]) {
        self.element(&format!("\"{}\"", String::from_utf8_lossy(text)));
    }
    fn status(&mut self, text: &str) {
        self.element(&format!("+{text}"));
    }
    fn int(&mut self, value: i64) {
        self.element(&format!(":{value}"));
    }
    fn null(&mut self) {
        self.element("_");
    }
}

/// Rows that are meant to differ from redis-server 7.0.15, and why.
const DIFFERENT: &[(&str, &str)] = &[("zrank", "7.2 added WITHSCORE"), ("zrevrank", "7.2 added WITHSCORE")];

/// Rows that 7.0.15 does not have.
const NEWER: &[&str] = &[
    "client|no-touch",
    "client|setinfo",
    "hexpire",
    "hexpireat",
    "hexpiretime",
    "hgetdel",
    "hgetex",
    "hpersist",
    "hpexpire",
    "hpexpireat",
    "hpexpiretime",
    "hpttl",
    "hsetex",
    "httl",
    "waitaof",
];

/// Commands of 7.0.15 that this table leaves out, with their subcommands.
const LEFT_OUT: &[&str] = &["asking", "cluster", "module", "readonly", "readwrite", "restore-asking"];

fn row(spec: &CommandSpec) -> String {
    let join = |names: Vec<&str>| if names.is_empty() { "-".to_string() } else { names.join(",") };
    let (flags, categories) = (join(spec.flags.names().collect()), join(spec.categories.names().collect()));
    let (first, last, step) = spec.legacy;
    format!("{} {} {first} {last} {step} {flags} {categories}", spec.name, spec.arity)
}

#[test]
fn the_table_is_that_of_redis_7_0_15_apart_from_listed_differences() {
    let fixture = include_str!("../../fixtures/commands-7.0.15.txt");
    let mut seen = std::collections::HashSet::new();
    for line in fixture.lines().filter(|line| !line.starts_with('#')) {
        let name = line.split(' ').next().unwrap();
        seen.insert(name);
        let spec = info::by_full_name(name.as_bytes());
        if LEFT_OUT.contains(&name.split('|').next().unwrap()) {
            assert!(spec.is_none(), "{name} is there and listed as left out");
            continue;
        }
        let ours = spec.map(row).unwrap_or_default();
        let is_listed = DIFFERENT.iter().any(|(listed, _)| *listed == name);
        assert_eq!(ours != line, is_listed, "ours:   {ours}\ntheirs: {line}");
    }
    let mut newer: Vec<&str> = every().iter().map(|spec| spec.name).filter(|name| !seen.contains(name)).collect();
    newer.sort_unstable();
    assert_eq!(newer, NEWER);
}

fn keys_of(line: &str) -> Result<String, KeysError> {
    let argv: Vec<&[u8]> = line.split(' ').map(|word| if word == "''" { &b""[..] } else { word.as_bytes() }).collect();
    let spec = resolve(argv[0], argv.get(1).copied()).unwrap();
    let found = spec.keys(argv.len(), |at| argv[at])?;
    let show = |(at, flags): (usize, KeyFlags)| format!("{at}:{}", flags.names().collect::<Vec<_>>().join("+"));
    Ok(found.iter().map(show).collect::<Vec<_>>().join(" "))
}

#[test]
fn keys_are_found_wherever_a_command_has_them() {
    for (line, expected) in [
        ("get k", "1:RO+access"),
        ("ping", ""),
        ("mset a 1 b 2", "1:OW+update 3:OW+update"),
        ("mset a 1 b", "1:OW+update 3:OW+update"),
        ("del a b c", "1:RM+delete 2:RM+delete 3:RM+delete"),
        ("rename a b", "1:RW+access+delete 2:OW+update"),
        ("blpop a b 0", "1:RW+access+delete 2:RW+access+delete"),
        ("bitop and d a b", "2:OW+update 3:RO+access 4:RO+access"),
        ("object encoding k", "2:RO"),
        ("memory usage k samples 5", "2:RO"),
        ("xgroup create k g $", "2:RW+insert"),
        ("set k v", "1:OW+update"),
        ("set k v ex 5 get", "1:RW+access+update"),
        ("bitfield k get u8 0 overflow wrap", "1:RO+access"),
        ("bitfield k get u8 0 incrby u8 0 1", "1:RW+access+update"),
        ("zunionstore d 2 a b weights 1 2", "1:OW+update 3:RO+access 4:RO+access"),
        ("zinter 1 a withscores", "2:RO+access"),
        ("lmpop 2 a b left", "2:RW+access+delete 3:RW+access+delete"),
        ("blmpop 0 1 a left", "3:RW+access+delete"),
        ("eval script 0", ""),
        ("eval script 0 arg", ""),
        ("eval script 2 a b arg", "3:RW+access+update 4:RW+access+update"),
        ("fcall_ro f 1 a", "3:RO+access"),
        ("xread count 2 streams a b 0 0", "4:RO+access 5:RO+access"),
        ("xread streams streams 0", "2:RO+access"),
        ("xreadgroup group streams c streams a >", "5:RO+access"),
        ("georadius k 1 2 3 m", "1:RO+access"),
        ("georadius k 1 2 3 m store x storedist y", "1:RO+access 7:OW+update 9:OW+update"),
        ("georadius k 1 2 3 m store", "1:RO+access"),
        ("sort k", "1:RO+access"),
        ("sort k by store limit 0 1 store d store e", "1:RO+access 10:OW+update"),
        ("sort k get # store", "1:RO+access"),
        ("sort_ro k get store", "1:RO+access"),
        ("migrate h 1 k 0 5", "3:RW+access+delete"),
        ("migrate h 1 '' 0 5 auth keys keys a b", "9:RW+access+delete 10:RW+access+delete"),
        ("spublish channel message", ""),
    ] {
        assert_eq!(keys_of(line).as_deref(), Ok(expected), "{line}");
    }
}

#[test]
fn keys_that_cannot_be_located_are_an_error() {
    for line in [
        "get",
        "zunionstore d 0",
        "zunionstore d -1 a",
        "zunionstore d x a",
        "zunionstore d 9223372036854775807 a",
        "zunionstore d 3 a b",
        "eval script",
        "eval script 5 a",
        "xread streams",
        "xread count 2",
        "blpop a",
        "bitop and d",
        "migrate h 1 k 0 5 keys a",
        "migrate h 1 '' 0 5 keys",
        "migrate h 1",
        "object encoding",
    ] {
        assert_eq!(keys_of(line), Err(KeysError), "{line}");
    }
}

#[test]
fn keys_that_are_not_all_known_are_said_to_be_open_ended() {
    for (line, expected) in [
        ("sort k by nosort get #", false),
        ("sort k by w_*", true),
        ("sort_ro k limit 0 1 get o_*->f", true),
        ("sort k by", false),
        ("sort k store a*", false),
        ("xread streams a 0", false),
        ("xread streams streams 0", true),
        ("xreadgroup group g streams STREAMS k >", false),
        ("xreadgroup count 1 group g streams STREAMS k >", true),
        ("georadius s 1 1 10 km store a storedist b", false),
        ("georadius s 1 1 10 km store a store b", true),
        ("georadius s 1 1 10 km store storedist storedist b", true),
    ] {
        let argv: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        let found = lookup(argv[0]).unwrap().keys(argv.len(), |at| argv[at]).unwrap();
        assert_eq!(found.open_ended, expected, "{line}");
    }
}

#[test]
fn key_shapes_agree_with_what_is_found() {
    for spec in every() {
        // Numbers where a count may be wanted, keywords where one may be: enough to satisfy every spec.
        let arguments: Vec<&[u8]> = (0..12).map(|at| if at == 3 { &b"STREAMS"[..] } else { b"1" }).collect();
        let Ok(found) = spec.keys(arguments.len(), |at| arguments[at]) else { continue };
        match spec.key_shape() {
            KeyShape::None => assert!(found.is_empty(), "{}", spec.name),
            KeyShape::One(at) => {
                assert_eq!(found.iter().map(|(at, _)| at).collect::<Vec<_>>(), [usize::from(at)], "{}", spec.name);
            }
            KeyShape::Many => assert!(!found.is_empty(), "{}", spec.name),
        }
    }
}

#[test]
fn no_command_line_makes_key_search_panic() {
    let words: [&[u8]; 8] = [b"", b"0", b"1", b"-1", b"99999999999", b"KEYS", b"STREAMS", b"STORE"];
    let mut state = 1u64;
    for spec in every() {
        for argc in 1..10 {
            for _ in 0..50 {
                let argv: Vec<&[u8]> = (0..argc)
                    .map(|_| {
                        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                        words[(state >> 61) as usize]
                    })
                    .collect();
                if let Ok(found) = spec.keys(argc, |at| argv[at]) {
                    assert!(found.iter().all(|(at, _)| at >= 1 && at < argc), "{} {argv:?}", spec.name);
                }
            }
        }
    }
}

#[test]
fn arity_is_exact_or_a_minimum() {
    let (get, del) = (lookup(b"get").unwrap(), lookup(b"DEL").unwrap());
    assert!(get.check_arity(2) && !get.check_arity(1) && !get.check_arity(3));
    assert!(del.check_arity(2) && !del.check_arity(1) && del.check_arity(1_000_000));
}

#[test]
fn containers_resolve_to_subcommands() {
    let name = |first: &str, second: Option<&str>| {
        resolve(first.as_bytes(), second.map(str::as_bytes)).map(|spec| spec.name).map_err(|at| at.map(|spec| spec.name))
    };
    assert_eq!(name("CONFIG", Some("Get")), Ok("config|get"));
    assert_eq!(name("config", None), Ok("config"));
    assert_eq!(name("config", Some("nope")), Err(Some("config")));
    assert_eq!(name("nope", Some("get")), Err(None));
    assert_eq!(name("get", Some("get")), Ok("get"));
}

#[test]
fn command_info_is_laid_out_as_a_real_server_does() {
    let mut out = Text::default();
    info::entry(lookup(b"migrate").unwrap(), &mut out);
    assert_eq!(
        out.out,
        r#"*["migrate" :-6 ~[+write +movablekeys] :3 :3 :1 ~[+@keyspace +@write +@slow +@dangerous] ~["nondeterministic_output"] ~[{"flags" ~[+RW +access +delete] "begin_search" {"type" "index" "spec" {"index" :3}} "find_keys" {"type" "range" "spec" {"lastkey" :0 "keystep" :1 "limit" :0}}} {"flags" ~[+RW +access +delete +incomplete] "begin_search" {"type" "keyword" "spec" {"keyword" "KEYS" "startfrom" :-2}} "find_keys" {"type" "range" "spec" {"lastkey" :-1 "keystep" :1 "limit" :0}}}] ~[]]"#
    );
    let mut out = Text::default();
    info::entry_by_name(b"OBJECT|help", &mut out);
    info::entry_by_name(b"object|nope", &mut out);
    assert_eq!(out.out, r#"*["object|help" :2 ~[+loading +stale] :0 :0 :0 ~[+@keyspace +@slow] ~[] ~[] ~[]]_"#);
    let mut out = Text::default();
    info::entry(lookup(b"object").unwrap(), &mut out);
    assert!(out.out.starts_with(r#"*["object" :-2 ~[] :0 :0 :0 ~[+@slow] ~[] ~[] *[*["object|encoding" :3 "#));
    assert!(out.open.is_empty());
}

#[test]
fn docs_announce_as_many_pairs_as_they_write() {
    let mut out = Text::default();
    info::docs(lookup(b"getset").unwrap(), &mut out);
    assert_eq!(
        out.out,
        r#""getset"{"summary" "Sets a string and returns its old value." "since" "1.0.0" "group" "string" "complexity" "O(1)" "doc_flags" ~[+deprecated] "deprecated_since" "6.2.0" "replaced_by" "SET with GET" "arguments" *[{"name" "key" "type" "key" "key_spec_index" :0} {"name" "value" "type" "string"}]}"#
    );
    let mut out = Text::default();
    info::docs(lookup(b"bgsave").unwrap(), &mut out);
    assert!(out.out.ends_with(
        r#""history" ~[*["3.2.2" "Takes SCHEDULE."]] "arguments" *[{"name" "schedule" "type" "pure-token" "token" "SCHEDULE" "since" "3.2.2" "flags" ~[+optional]}]}"#
    ));
    for spec in every() {
        let changes = if spec.history.is_empty() { 0 } else { spec.history.split(" | ").count() };
        let whole = |(since, change): (&str, &str)| since.split('.').count() == 3 && change.ends_with('.');
        assert_eq!(spec.history().filter(|change| whole(*change)).count(), changes, "{}", spec.name);
        let mut out = Text::default();
        info::docs(spec, &mut out);
        assert!(out.open.is_empty(), "{}", spec.name);
        assert!(!spec.summary.is_empty() && spec.summary.ends_with('.'), "{}", spec.name);
    }
}

#[test]
fn lists_are_filtered_by_category_and_pattern() {
    let names = |filter| info::list(filter).map(|spec| spec.name).collect::<Vec<_>>();
    assert_eq!(names(info::ListFilter::Category(b"HyperLogLog")), ["pfadd", "pfcount", "pfdebug", "pfmerge", "pfselftest"]);
    assert_eq!(names(info::ListFilter::Category(b"nope")), [""; 0]);
    assert_eq!(names(info::ListFilter::Category(b"")), [""; 0]);
    assert_eq!(names(info::ListFilter::Pattern(b"XIN*G*")), ["xinfo|groups"]);
    assert_eq!(names(info::ListFilter::Module), [""; 0]);
    assert_eq!(names(info::ListFilter::All).len(), count());
}

#[test]
fn getkeys_answers_and_refuses_as_a_real_server_does() {
    for (line, flags, expected) in [
        ("mset a b c d", true, r#"*[*["a" ~[+OW +update]] *["c" ~[+OW +update]]]"#),
        ("sort a by x store b store c", false, r#"*["a" "c"]"#),
        ("eval x 0", false, "*[]"),
        ("eval x 5 a", false, "*[]"),
        ("ping x", false, "ERR The command has no key arguments"),
        ("nope x", false, "ERR Invalid command specified"),
        ("object xx k", false, "ERR Invalid command specified"),
        ("get a b", false, "ERR Invalid number of arguments specified for command"),
        ("zunionstore a -1 b", false, "ERR Invalid arguments specified for command"),
        ("spublish a b", false, "ERR The command has no key arguments"),
    ] {
        let argv: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        let mut out = Text::default();
        let answer = match info::get_keys(argv.len(), |at| argv[at], flags, &mut out) {
            Ok(()) => out.out,
            Err(error) => error.to_string(),
        };
        assert_eq!(answer, expected, "{line}");
    }
}
