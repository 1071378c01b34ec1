//! The command line, the configuration file, and what is said when either is wrong.

use std::fs;
use std::process::Command;

use koltso_tests::server::{fresh_dir, koltso_binary, redis_binary, selfcheck};
use koltso_tests::wait::must;
use koltso_tests::{Kind, Server, Value, eventually, with_cores};

/// Runs the binary with arguments on which it must end by itself.
fn run(args: &[&str]) -> (bool, String) {
    let binary = if selfcheck() { redis_binary("redis-server") } else { koltso_binary() };
    let output = Command::new(binary).args(args).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

#[test]
fn help_and_version() {
    let (fine, text) = run(&["--version"]);
    assert!(fine && text.contains(if selfcheck() { "v=" } else { "Koltso" }), "{text}");
    let (fine, text) = run(&["--help"]);
    assert!((fine || selfcheck()) && text.contains("--port"), "{text}");
}

#[test]
fn a_wrong_line_is_named_with_its_number() {
    let dir = fresh_dir("wrong-line");
    let file = dir.join("wrong.conf");
    let cases = [
        ("port 0\n\n# comment\nno-such-directive yes\n", "4", "no-such-directive"),
        ("port 0\ntimeout many\n", "2", "timeout"),
        ("appendonly maybe\n", "1", "appendonly"),
        ("port 0\nmaxmemory-policy sometimes\n", "2", "maxmemory-policy"),
        ("port\n", "1", "port"),
        ("port 99999\n", "1", "port"),
        ("save 1\n", "1", "save"),
        ("dir \"unbalanced\nport 0\n", "1", "dir"),
        ("client-output-buffer-limit slave 1\n", "1", "client-output-buffer-limit"),
        ("replicaof localhost\n", "1", "replicaof"),
    ];
    for (text, line, word) in cases {
        fs::write(&file, text).unwrap();
        let (fine, said) = run(&[file.to_str().unwrap()]);
        assert!(!fine && said.contains(line) && said.contains(word) && !said.contains("panicked"), "{text:?}\n{said}");
    }
    let (fine, said) = run(&["/no/such/file.conf"]);
    assert!(!fine && said.contains("/no/such/file.conf"), "{said}");
    let (fine, said) = run(&["--no-such-directive", "yes"]);
    assert!(!fine && said.contains("no-such-directive"), "{said}");
    fs::remove_dir_all(dir).unwrap();
}

#[test]
fn a_port_in_use_is_said_so() {
    let server = Server::start(Kind::Koltso { cores: 1 });
    // Even though koltso's own listeners share a port, another process must not join them.
    let port = server.port().to_string();
    let (fine, said) = run(&["--port", &port, "--bind", "127.0.0.1", "--save", ""]);
    assert!(!fine && said.contains(&port) && said.to_lowercase().contains("in use"), "{said}");
}

#[test]
fn directives_on_the_command_line_override_the_file() {
    with_cores(|kind| {
        let primary = Server::start(Kind::Redis);
        let replicaof = format!("127.0.0.1 {}", primary.port());
        let server = Server::with(kind)
            .text("maxclients 100\nrepl-backlog-size 2mb\n# a comment\n\n  maxmemory-policy   allkeys-lru  \n")
            .args(&["--maxclients", "200", "--replicaof", &replicaof, "--proto-max-bulk-len", "1mb"])
            .args(&["--slave-priority", "7", "--client-output-buffer-limit", "normal 1mb 2mb 3"])
            .start();
        let mut client = server.client();
        let mut get = |name: &str| client.must(&["CONFIG", "GET", name]).items()[1].text();
        assert_eq!(get("maxclients"), "200");
        assert_eq!(get("repl-backlog-size"), "2097152");
        assert_eq!(get("maxmemory-policy"), "allkeys-lru");
        assert_eq!(get("proto-max-bulk-len"), "1048576");
        assert_eq!((get("slave-priority"), get("replica-priority")), ("7".into(), "7".into()));
        assert!(get("client-output-buffer-limit").starts_with("normal 1048576 2097152 3 slave "));
        assert_eq!(get("replicaof"), replicaof);
        assert_eq!(client.info("replication").int("slave_priority"), 7);
    });
}

#[test]
fn config_set_takes_several_at_once_or_none() {
    with_cores(|kind| {
        let server = Server::start(kind);
        let mut client = server.client();
        client.must(&["CONFIG", "SET", "timeout", "33", "maxmemory", "100mb"]).ok();
        assert!(client.cmd(&["CONFIG", "SET", "timeout", "44", "maxmemory", "x"]).is_error());
        assert!(client.cmd(&["CONFIG", "SET", "port"]).is_error());
        let all = client.must(&["CONFIG", "GET", "timeout", "maxmemory", "nosuch"]).sorted_pairs().items();
        let all: Vec<String> = all.iter().map(Value::text).collect();
        assert_eq!(all, ["maxmemory", "104857600", "timeout", "33"]);
        let pattern = client.must(&["CONFIG", "GET", "repl-*"]).items();
        assert!(pattern.len() >= 16, "{pattern:?}");
    });
}

#[test]
fn config_rewrite_is_read_back_at_the_next_start() {
    with_cores(|kind| {
        let primary = Server::start(Kind::Redis);
        let mut server = Server::with(kind).text("# keep this comment\nmaxclients 321\n").start();
        let mut client = server.client();
        client.must(&["CONFIG", "SET", "timeout", "77"]).ok();
        client.must(&["CONFIG", "SET", "client-output-buffer-limit", "slave 1073741824 1073741824 0"]).ok();
        client.must(&["REPLICAOF", "127.0.0.1", &primary.port().to_string()]).ok();
        client.must(&["CONFIG", "REWRITE"]).ok();
        let text = fs::read_to_string(server.dir().join("server.conf")).unwrap();
        assert!(text.contains("# keep this comment"), "{text}");
        server.restart_as_it_is();
        let mut client = server.client();
        assert_eq!(client.must(&["CONFIG", "GET", "timeout"]).items()[1].text(), "77");
        assert_eq!(client.must(&["CONFIG", "GET", "maxclients"]).items()[1].text(), "321");
        let limit = client.must(&["CONFIG", "GET", "client-output-buffer-limit"]).items()[1].text();
        assert!(limit.contains("slave 1073741824 1073741824 0"), "{limit}");
        let info = client.info("replication");
        assert_eq!((info.text("role"), info.int("master_port")), ("slave", primary.port() as i64));
        client.must(&["CONFIG", "RESETSTAT"]).ok();
        assert!(client.info("stats").int("total_commands_processed") <= 2);
    });
}

#[test]
fn logfile_gets_the_log() {
    with_cores(|kind| {
        let dir = fresh_dir("logfile");
        let file = dir.join("koltso.log");
        let server = Server::with(kind).set("logfile", format!("\"{}\"", file.display())).start();
        eventually("the log file is written", || {
            let text = fs::read_to_string(&file).map_err(|e| e.to_string())?;
            must(text.contains(&server.port().to_string()), || text)
        });
        fs::remove_dir_all(dir).unwrap();
    });
}

#[test]
fn a_wrong_dir_or_log_file_ends_the_start() {
    for args in [["--dir", "/no/such/folder"], ["--logfile", "/no/such/folder/log"]] {
        let (fine, said) = run(&[args[0], args[1], "--port", "0"]);
        assert!(!fine && said.contains("No such file or directory"), "{said}");
    }
}
