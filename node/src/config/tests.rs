//! The configuration against what redis-server 7.0.15 answers to the same.

use std::path::{Path, PathBuf};

use super::*;

fn shown(config: &Config, name: &str) -> String {
    let found = config.get(&[name]);
    assert_eq!(found.len(), 1, "{name}");
    String::from_utf8(found[0].1.clone()).unwrap()
}

fn set(config: &mut Config, pairs: &[(&str, &str)]) -> Result<Vec<&'static str>, String> {
    config.set_many(pairs, false)
}

/// A directory of this test's own, removed when it is done.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("koltso-config-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_string()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Defaults that are meant to differ from those of redis-server 7.0.15, and directives that it does not have.
const OWN: &[&str] = &[
    "coalesce-us",
    "cores",
    "key-load-delay",
    "locale-collate",
    "lua-enable-deprecated-api",
    "napi-busy-poll-us",
    "rdb-key-save-delay",
    "repl-log-size",
    "script-memory-limit",
    "script-step-limit",
    "set-max-listpack-entries",
    "set-max-listpack-value",
    "spin-us",
    "sqpoll",
    "use-exit-on-panic",
];
const OTHER_DEFAULT: &[&str] = &["dir", "repl-diskless-sync-delay", "syslog-ident"];

#[test]
fn names_and_defaults_are_those_of_redis_7_0_15_apart_from_listed_ones() {
    let config = Config::default();
    let fixture = include_str!("../../fixtures/config-7.0.15.txt");
    let mut seen = Vec::new();
    for line in fixture.lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.split_once(' ').unwrap();
        seen.push(name);
        assert_eq!(shown(&config, name) != value, OTHER_DEFAULT.contains(&name), "{name} is {:?}", shown(&config, name));
    }
    let names = DIRECTIVES.iter().flat_map(|directive| [Some(directive.name), directive.alias]).flatten();
    let mut newer: Vec<&str> = names.filter(|name| !seen.contains(name)).collect();
    newer.sort_unstable();
    assert_eq!(newer, OWN);
}

#[test]
fn every_value_that_is_shown_can_be_read_back() {
    let config = Config::default();
    for directive in DIRECTIVES {
        let shown = directive.get(&config);
        if directive.name == "replicaof" {
            continue;
        }
        let mut other = Config::default();
        let words: Vec<&[u8]> = if directive.takes_many() { shown.split(|byte| *byte == b' ').collect() } else { vec![&shown] };
        assert_eq!(directive.set(&mut other, &words), Ok(()), "{}", directive.name);
        assert_eq!(directive.get(&other), shown, "{}", directive.name);
    }
}

#[test]
fn numbers_at_and_beyond_the_bounds_never_panic() {
    for directive in DIRECTIVES {
        for value in ["", "-", "0", "-1", "9223372036854775807", "-9223372036854775808", "18446744073709551615", "1%", "\0"] {
            let mut config = Config::default();
            let words: Vec<&[u8]> = value.as_bytes().split(|byte| *byte == b' ').collect();
            if directive.set(&mut config, &words).is_ok() {
                config.settle();
                let _ = directive.get(&config);
                let _ = directive.lines(&config, &Config::default());
            }
        }
    }
}

#[test]
fn get_matches_patterns_names_and_old_names_each_once() {
    let config = Config::default();
    let names = |patterns: &[&str]| config.get(patterns).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    assert_eq!(
        names(&["repl-b*", "REPL-BACKLOG-*", "timeout", "timeout"]),
        ["repl-backlog-size", "repl-backlog-ttl", "timeout"]
    );
    assert_eq!(names(&["SLAVE-priority"]), ["slave-priority"]);
    assert_eq!(names(&["*-priority"]), ["replica-priority", "slave-priority"]);
    assert_eq!(names(&["nope", "nope*"]), [""; 0]);
    // Hidden ones only by their full name.
    assert_eq!(names(&["key-load*"]), [""; 0]);
    assert_eq!(names(&["key-load-delay"]), ["key-load-delay"]);
}

#[test]
fn set_errors_are_worded_as_redis_words_them() {
    let possibly = |name: &str, why: &str| format!("ERR CONFIG SET failed (possibly related to argument '{name}') - {why}");
    let unknown = |name: &str| format!("ERR Unknown option or number of arguments for CONFIG SET - '{name}'");
    for (pairs, error) in [
        (&[("foo", "1"), ("bar", "2")][..], unknown("foo")),
        (&[("port", "1"), ("foo", "2")], unknown("foo")),
        (&[("timeout", "x"), ("foo", "2")], unknown("foo")),
        (&[("foo", "1"), ("databases", "3")], unknown("foo")),
        (&[("databases", "3"), ("foo", "1")], possibly("databases", "can't set immutable config")),
        (&[("dbfilename", "x")], possibly("dbfilename", "can't set protected config")),
        (&[("port", "1"), ("PORT", "1")], possibly("port", "duplicate parameter")),
        (&[("SLAVE-priority", "x")], possibly("slave-priority", "argument couldn't be parsed into an integer")),
        (&[("timeout", " 5")], possibly("timeout", "argument couldn't be parsed into an integer")),
        (&[("timeout", "05")], possibly("timeout", "argument couldn't be parsed into an integer")),
        (&[("timeout", "-1")], possibly("timeout", "argument must be between 0 and 2147483647 inclusive")),
        (&[("appendonly", "maybe")], possibly("appendonly", "argument must be 'yes' or 'no'")),
        (
            &[("appendfsync", "no yes")],
            possibly("appendfsync", "argument(s) must be one of the following: everysec, always, no"),
        ),
        (&[("maxmemory", "1.5gb")], possibly("maxmemory", "argument must be a memory value")),
        (&[("maxmemory", "-1")], possibly("maxmemory", "argument must be a memory value")),
        (
            &[("client-query-buffer-limit", "1")],
            possibly("client-query-buffer-limit", "argument must be between 1048576 and 9223372036854775807 inclusive"),
        ),
        (&[("maxmemory-clients", "-5%")], possibly("maxmemory-clients", "argument must be a memory or percent value")),
        (&[("maxmemory-clients", "200%")], possibly("maxmemory-clients", "percentage argument must be less or equal to 100")),
        (&[("save", "1")], possibly("save", "Invalid save parameters")),
        (&[("save", "0 1")], possibly("save", "Invalid save parameters")),
        (&[("save", " 1 1")], possibly("save", "Invalid save parameters")),
        (&[("oom-score-adj-values", "1 2")], possibly("oom-score-adj-values", "wrong number of arguments")),
        (
            &[("notify-keyspace-events", "K?")],
            possibly("notify-keyspace-events", "Invalid event class character. Use 'Ag$lshzxeKEtmdn'."),
        ),
        (
            &[("shutdown-on-sigint", "save nosave")],
            possibly("shutdown-on-sigint", "shutdown options SAVE and NOSAVE can't be used simultaneously"),
        ),
        (
            &[("latency-tracking-info-percentiles", "101")],
            possibly(
                "latency-tracking-info-percentiles",
                "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]",
            ),
        ),
    ] {
        assert_eq!(set(&mut Config::default(), pairs), Err(error), "{pairs:?}");
    }
}

#[test]
fn set_changes_all_or_nothing_and_says_what() {
    let mut config = Config::default();
    assert!(set(&mut config, &[("timeout", "7"), ("maxmemory", "x")]).is_err());
    assert_eq!(config, Config::default());
    let changed = set(&mut config, &[("Timeout", "7"), ("slave-priority", "5"), ("port", "6379")]);
    assert_eq!(changed, Ok(vec!["timeout", "replica-priority"]));
    assert_eq!((config.timeout, config.replica_priority), (7, 5));
    // Both names of one directive in one call are fine.
    assert!(set(&mut config, &[("slave-priority", "6"), ("replica-priority", "7")]).is_ok());
    assert_eq!(config.replica_priority, 7);
}

#[test]
fn protected_directives_can_be_opened_to_all_or_to_this_machine() {
    let mut config = Config { enable_protected_configs: ProtectedAction::Local, ..Config::default() };
    assert!(config.set_many(&[("dbfilename", "x")], false).is_err());
    assert!(config.set_many(&[("dbfilename", "x")], true).is_ok());
    config.enable_protected_configs = ProtectedAction::Yes;
    assert!(config.set_many(&[("dbfilename", "y")], false).is_ok());
    assert_eq!(
        config.set_many(&[("dbfilename", "a/b")], false),
        Err("ERR CONFIG SET failed (possibly related to argument 'dbfilename') - dbfilename can't be a path, just a filename"
            .into())
    );
}

#[test]
fn one_class_of_output_limits_changes_alone_under_either_name() {
    const NAME: &str = "client-output-buffer-limit";
    let mut config = Config::default();
    for (value, expected) in [
        ("slave 536870912 536870912 0", "normal 0 0 0 slave 536870912 536870912 0 pubsub 33554432 8388608 60"),
        ("slave 1073741824 1073741824 0", "normal 0 0 0 slave 1073741824 1073741824 0 pubsub 33554432 8388608 60"),
        ("replica 1gb 512mb 60", "normal 0 0 0 slave 1073741824 536870912 60 pubsub 33554432 8388608 60"),
        ("normal 0 0 0 pubsub 1 2 3", "normal 0 0 0 slave 1073741824 536870912 60 pubsub 1 2 3"),
        ("slave 1 2 3 SLAVE 4 5 6", "normal 0 0 0 slave 4 5 6 pubsub 1 2 3"),
        ("", "normal 0 0 0 slave 4 5 6 pubsub 1 2 3"),
    ] {
        assert!(set(&mut config, &[(NAME, value)]).is_ok(), "{value}");
        assert_eq!(shown(&config, NAME), expected);
    }
    let wrong = "Error in hard, soft or soft_seconds setting in buffer limit configuration.";
    for (value, why) in [
        ("master 0 0 0", "Invalid client class specified in buffer limit configuration."),
        ("slave 1 2", "Wrong number of arguments in buffer limit configuration."),
        ("slave x 2 3", wrong),
        ("slave 1 2 -3", wrong),
        ("slave -1 0 0", wrong),
    ] {
        let error = set(&mut config, &[(NAME, value)]).unwrap_err();
        assert_eq!(error, format!("ERR CONFIG SET failed (possibly related to argument '{NAME}') - {why}"));
    }
    assert_eq!(shown(&config, NAME), "normal 0 0 0 slave 4 5 6 pubsub 1 2 3");
}

#[test]
fn values_are_shown_as_redis_shows_them() {
    let mut config = Config::default();
    for (name, value, expected) in [
        ("maxmemory", "1kB", "1024"),
        ("maxmemory", "5k", "5000"),
        ("maxmemory", "10b", "10"),
        ("maxmemory", "", "0"),
        ("maxmemory-clients", "5%", "5%"),
        ("maxmemory-clients", "1mb", "1048576"),
        ("appendfsync", "ALWAYS", "always"),
        ("hz", "1000", "500"),
        ("hz", "0", "1"),
        ("repl-backlog-size", "1", "16384"),
        ("save", "1 1 2 2", "1 1 2 2"),
        ("save", "", ""),
        ("notify-keyspace-events", "KEA", "AKE"),
        ("notify-keyspace-events", "Kg$lshzxetdmn", "AnKm"),
        ("notify-keyspace-events", "KElE", "lKE"),
        ("shutdown-on-sigint", "nosave force", "nosave force"),
        ("shutdown-on-sigint", "default now", "now"),
        ("shutdown-on-sigint", "default", "default"),
        ("latency-tracking-info-percentiles", "50.123456789 99 1e1", "50.123457 99 10"),
        ("bind", "127.0.0.1 -::1", "127.0.0.1 -::1"),
        ("bind", "", ""),
        ("slave-read-only", "No", "no"),
    ] {
        assert!(set(&mut config, &[(name, value)]).is_ok(), "{name} {value}");
        assert_eq!(shown(&config, name), expected, "{name} {value}");
    }
    assert!(set(&mut config, &[("maxmemory", "99999999999999999999g")]).is_err());
}

fn from_args(args: &[&str]) -> Result<Config, String> {
    Config::from_args(args).map_err(|error| error.to_string())
}

fn line_error(number: usize, line: &str, reason: &str) -> String {
    let version = env!("CARGO_PKG_VERSION");
    format!(
        "\n*** FATAL CONFIG FILE ERROR (Koltso {version}) ***\nReading the configuration file, at line {number}\n>>> '{line}'\n{reason}"
    )
}

#[test]
fn the_command_line_is_read_as_redis_server_reads_it() {
    let config = from_args(&["--port", "6380", "--replicaof", "127.0.0.1 6379", "--save", "--slave-read-only", "no"]).unwrap();
    assert_eq!((config.port, shown(&config, "replicaof").as_str()), (6380, "127.0.0.1 6379"));
    assert!(config.save.is_empty() && !config.replica_read_only);
    let config = from_args(&["--replicaof", "localhost", "1", "--save", "900", "1", "--save", "5", "6", "--bind"]).unwrap();
    assert_eq!(shown(&config, "slaveof"), "localhost 1");
    assert_eq!(shown(&config, "save"), "900 1 5 6");
    assert!(config.bind.is_empty());
    assert_eq!(from_args(&["--port 6381", "--save"]).unwrap().port, 6381);
    assert_eq!(from_args(&["--replicaof", "no", "one"]).unwrap().replicaof, None);
    assert_eq!(from_args(&[]).unwrap(), Config::default());
}

#[test]
fn errors_of_the_command_line_name_the_line_they_become() {
    let bad = "Bad directive or wrong number of arguments";
    for (args, number, line, reason) in [
        (&["--port", "17440", "--foo", "bar"][..], 3, r#"foo "bar""#, bad),
        (&["--port"], 2, "port", "wrong number of arguments"),
        (&["--port", "1", "6"], 2, r#"port "1" "6""#, "wrong number of arguments"),
        (&["--port", "abc"], 2, r#"port "abc""#, "argument couldn't be parsed into an integer"),
        (&["--appendonly", "--port", "x"], 2, r#"appendonly "--port" "x""#, "wrong number of arguments"),
        (&["--replicaof", "127.0.0.1", "--port", "1"], 2, r#"replicaof "127.0.0.1""#, "wrong number of arguments"),
        (&["--replicaof", "127.0.0.1", "99999"], 2, r#"replicaof "127.0.0.1" "99999""#, "Invalid master port"),
        (&["--databases", "0"], 2, r#"databases "0""#, "argument must be between 1 and 2147483647 inclusive"),
        (&["--unixsocketperm", "999"], 2, r#"unixsocketperm "999""#, "argument couldn't be parsed as an octal number"),
        (&["--rename-command", "a"], 2, r#"rename-command "a""#, bad),
        (&["--rename-command", "nope", "x"], 2, r#"rename-command "nope" "x""#, "No such command in rename-command"),
        (&["--rename-command", "get", "set"], 2, r#"rename-command "get" "set""#, "Target command name already exists"),
        (&["--loadmodule", "x.so"], 2, r#"loadmodule "x.so""#, "Koltso loads no modules"),
        (&["--dir", "/nope"], 2, r#"dir "/nope""#, "No such file or directory"),
        (&["--appendfilename", ""], 2, r#"appendfilename """#, "appendfilename can't be empty"),
    ] {
        assert_eq!(from_args(args), Err(line_error(number, line, reason)), "{args:?}");
    }
}

#[test]
fn help_and_version_are_answered_and_are_no_errors() {
    for (arg, part) in [("--help", "--DIRECTIVE"), ("-h", "--repl-log-size"), ("--version", "Koltso "), ("-v", "Koltso ")] {
        let error = Config::from_args(&[arg]).unwrap_err();
        assert_eq!(error.exit_code(), 0);
        assert!(error.to_string().contains(part), "{arg}: {error}");
    }
    assert_eq!(Config::from_args(&["-x"]).unwrap_err().exit_code(), 1);
}

#[test]
fn files_know_comments_quotes_includes_and_their_lines() {
    let scratch = Scratch::new("file");
    scratch.file("inc-1.conf", "timeout 5\nhz 20\n");
    scratch.file("inc-2.conf", "timeout 6\n");
    let main = scratch.file(
        "main.conf",
        &format!(
            "# comment\n\n  PORT 6380 \r\ninclude {0}/inc-*.conf\nmasterauth \"a\\\"b\\x01c\"\nsave 900 1\nsave 300 10\n\
             rename-command FLUSHALL \"\"\nuser bob on >x ~* +@all\nlist-max-ziplist-entries 5\nslaveof 127.0.0.1 7000\n",
            scratch.0.display()
        ),
    );
    let config = from_args(&[&main, "--repl-timeout", "33"]).unwrap();
    assert_eq!((config.port, config.timeout, config.hz, config.repl_timeout), (6380, 6, 20, 33));
    assert_eq!(config.masterauth.as_bytes(), b"a\"b\x01c");
    assert_eq!(shown(&config, "save"), "900 1 300 10");
    assert_eq!(config.renamed_commands, [("flushall".to_string(), Text::default())]);
    assert_eq!(config.users.len(), 1);
    assert_eq!(config.config_file.as_deref(), Some(Path::new(&main)));
    for (text, number, line, reason) in [
        ("port 1\n# c\n  timeout \"5\n", 3, "timeout \"5", "Unbalanced quotes in configuration line"),
        ("port 1\nbogus a b\n", 2, "bogus a b", "Bad directive or wrong number of arguments"),
        ("port 5 # hi\n", 1, "port 5 # hi", "wrong number of arguments"),
        ("save 1 1\ntimeout y", 2, "timeout y", "argument couldn't be parsed into an integer"),
    ] {
        let file = scratch.file("bad.conf", text);
        assert_eq!(from_args(&[&file]), Err(line_error(number, line, reason)), "{text}");
    }
    // The line is counted in the file that holds it, and the command line comes one line behind the end of the file.
    let file = scratch.file("bad.conf", &format!("port 1\ninclude {}/c*.conf\n", scratch.0.display()));
    scratch.file("c.conf", "timeout x\n");
    assert_eq!(from_args(&[&file]), Err(line_error(1, "timeout x", "argument couldn't be parsed into an integer")));
    let file = scratch.file("fine.conf", "port 1\n\n");
    let error = line_error(4, "timeout \"x\"", "argument couldn't be parsed into an integer");
    assert_eq!(from_args(&[&file, "--timeout", "x"]), Err(error));
    let missing = scratch.0.join("missing.conf").display().to_string();
    let error = format!("Fatal error, can't open config file '{missing}': No such file or directory");
    assert_eq!(from_args(&[&missing]), Err(error.clone()));
    assert_eq!(from_args(&["--include", &missing]), Err(error));
    // A file that includes itself ends.
    let looped = scratch.0.join("loop.conf").display().to_string();
    scratch.file("loop.conf", &format!("include {looped}\n"));
    assert!(from_args(&[&looped]).unwrap_err().contains("included more than 16 deep"));
}

#[test]
fn rewriting_keeps_comments_and_order_and_appends_what_changed() {
    let old = "# top\nport 6380\n\n# slave stuff\nslave-read-only yes\n   timeout    5\nsave 900 1\nsave 300 10\nmaxmemory 100mb\n\
               client-output-buffer-limit slave 512mb 128mb 30\nrename-command FLUSHALL \"\"\nuser bob on\n# end\ntimeout 7\n\
               masterauth secret\n";
    let mut config = Config::default();
    config.read_text(old.as_bytes()).unwrap();
    config.dir = PathBuf::from("/");
    let pairs = [
        ("maxmemory", "123456789"),
        ("slave-read-only", "no"),
        ("save", ""),
        ("masterauth", ""),
        ("masteruser", "x \"y\""),
        ("client-output-buffer-limit", "slave 1gb 1gb 0 pubsub 33mb 8mb 60"),
        ("repl-backlog-size", "2mb"),
        ("maxmemory-clients", "5%"),
    ];
    set(&mut config, &pairs).unwrap();
    let text = String::from_utf8(config.rewritten(old.as_bytes())).unwrap();
    assert_eq!(
        text,
        "# top\nport 6380\n\n# slave stuff\nreplica-read-only no\ntimeout 7\nsave \"\"\n\nmaxmemory 123456789\n\
         client-output-buffer-limit normal 0 0 0\nrename-command FLUSHALL \"\"\nuser bob on\n# end\n\n\
         # Generated by CONFIG REWRITE\nclient-output-buffer-limit replica 1gb 1gb 0\nclient-output-buffer-limit pubsub 33mb 8mb 60\ndir \"/\"\nmasteruser \"x \\\"y\\\"\"\n\
         maxmemory-clients 5%\nrepl-backlog-size 2mb\n"
    );
    // Read again it means the same, and rewritten again it is the same.
    let mut again = Config::default();
    again.read_text(text.as_bytes()).unwrap();
    assert_eq!(again, config);
    assert_eq!(config.rewritten(text.as_bytes()), text.as_bytes());
}

#[test]
fn any_configuration_survives_being_rewritten_and_read() {
    // Back to the default where the file says otherwise, with fewer lines than the default needs.
    let config = Config { dir: PathBuf::from("/"), ..Config::default() };
    let mut again = Config::default();
    again.read_text(&config.rewritten(b"save \"\"\nmaxmemory 5\nrequirepass x\n")).unwrap();
    assert_eq!(again, config);
    let mut config = Config { dir: PathBuf::from("/"), ..Config::default() };
    let primary = PrimaryAddress { host: "::1".into(), port: 6379 };
    config.replicaof = Some(primary);
    let pairs = [
        ("save", "1 2 3 4"),
        ("bind", ""),
        ("latency-tracking-info-percentiles", ""),
        ("notify-keyspace-events", "KEx"),
        ("requirepass", "\u{e9}\u{1} \\\""),
        ("oom-score-adj-values", "1 2 3"),
        ("maxmemory-policy", "allkeys-lfu"),
        ("shutdown-on-sigterm", "nosave now"),
        ("slowlog-log-slower-than", "-1"),
    ];
    set(&mut config, &pairs).unwrap();
    let mut again = Config::default();
    again.read_text(&config.rewritten(b"")).unwrap();
    assert_eq!(again, config);
}

#[test]
fn rewriting_replaces_the_file_whole_or_leaves_it() {
    let scratch = Scratch::new("rewrite");
    let file = scratch.file("r.conf", "port 6380\n");
    let config = Config { timeout: 9, dir: PathBuf::from("/"), ..Config::default() };
    config.rewrite(Path::new(&file)).unwrap();
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.starts_with("port 6379\n") && text.contains("\ntimeout 9\n"), "{text}");
    let new = scratch.0.join("new.conf");
    config.rewrite(&new).unwrap();
    assert!(std::fs::read_to_string(&new).unwrap().contains("timeout 9\n"));
    assert!(config.rewrite(&scratch.0.join("no/such/r.conf")).is_err());
    // Nothing temporary is left.
    let mut names: Vec<_> = std::fs::read_dir(&scratch.0).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["new.conf", "r.conf"]);
}

#[test]
fn amounts_of_memory_are_written_short_and_exactly() {
    for (bytes, text) in [
        (0, "0"),
        (1, "1"),
        (1024, "1kb"),
        (1536, "1536"),
        (3 << 20, "3mb"),
        (5 << 30, "5gb"),
        (u64::MAX, "18446744073709551615"),
    ] {
        assert_eq!(super::text::memory_text(bytes), text);
        assert_eq!(super::text::parse_memory(text.as_bytes()), Some(bytes));
    }
    for text in ["x", "1tb", "1 kb", "-1", "+1", "1.5gb", "18446744073709551616", "18446744073709551615k"] {
        assert_eq!(super::text::parse_memory(text.as_bytes()), None, "{text}");
    }
}

#[test]
fn quoting_survives_splitting_whatever_the_bytes() {
    let all: Vec<u8> = (0..=255).collect();
    let mut line = Vec::new();
    super::text::quote(&mut line, &all);
    assert_eq!(super::text::split_line(&line), Some(vec![all]));
}

#[test]
fn thresholds_are_set_under_both_their_names() {
    let mut config = Config::default();
    set(&mut config, &[("hash-max-ziplist-entries", "5"), ("list-max-listpack-size", "-1")]).unwrap();
    assert_eq!((config.thresholds.hash_packed_entries, config.thresholds.list_node_size), (5, -1));
    assert_eq!(shown(&config, "hash-max-listpack-entries"), "5");
    assert_eq!(shown(&Config::default(), "hash-max-ziplist-entries"), "512");
}

#[test]
fn passwords_are_secret_and_ports_are_not() {
    assert!(Config::is_secret(b"RequirePass") && Config::is_secret(b"masterauth"));
    assert!(!Config::is_secret(b"port") && !Config::is_secret(b"nope"));
}
