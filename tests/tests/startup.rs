//! The command line, the configuration file, and what is said when either is wrong.

use std::fs;
use std::process::Command;

use koltso_tests::oracle::{assert_same, wait_link_up};
use koltso_tests::server::{fresh_dir, koltso_binary, redis_binary, selfcheck};
use koltso_tests::wait::must;
use koltso_tests::{Kind, Seed, Server, Value, dataset, eventually, with_cores};

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
fn a_renamed_command_answers_to_its_new_name_alone_and_replicates_under_its_own() {
    with_cores(|kind| {
        let text = "rename-command SET Put\nrename-command FLUSHALL \"\"\nrename-command CONFIG secret-config\n";
        let server = Server::with(kind).text(text).start();
        let mut client = server.client();
        client.must(&["PUT", "k", "v"]).ok();
        client.must(&["put", "k2", "v"]).ok();
        for gone in [&["SET", "k", "w"][..], &["FLUSHALL"], &["CONFIG", "GET", "port"]] {
            assert!(client.cmd(gone).error().starts_with(&format!("ERR unknown command '{}'", gone[0])));
        }
        assert_eq!(client.must(&["SECRET-CONFIG", "GET", "port"]).items()[1].text(), server.port().to_string());
        if !kind.is_koltso() {
            return;
        }
        // Neither side of a replication needs to know how the other's clients call a command.
        let replica = Server::with(Kind::Redis).replica_of(server.port()).start();
        wait_link_up(&replica);
        client.must(&["MULTI"]).ok();
        client.must(&["PUT", "k", "w", "EX", "1000"]);
        client.must(&["EXEC"]);
        assert_same(&server, &replica);
        let below = Server::with(kind).text(text).replica_of(replica.port()).start();
        wait_link_up(&below);
        client.must(&["PUT", "k3", "v"]).ok();
        replica.client().must(&["REPLICAOF", "NO", "ONE"]).ok();
        replica.client().must(&["FLUSHALL"]).ok();
        replica.client().must(&["SET", "only", "this"]).ok();
        assert_same(&replica, &below);
    });
}

#[test]
fn a_start_that_would_leave_the_node_open_or_deaf_is_refused() {
    let dir = fresh_dir("unsafe-start");
    let file = dir.join("unsafe.conf");
    let lines = [("user bob on +nosuch", "ACL"), ("aclfile /no/such.acl", "ACL"), ("tls-port 1", "TLS"), ("port 0", "listen")];
    for (line, word) in lines {
        let port = koltso_tests::server::free_port();
        fs::write(&file, format!("port {port}\nbind 127.0.0.1\n{line}\n")).unwrap();
        let (fine, said) = run(&[file.to_str().unwrap()]);
        assert!(!fine && said.contains(word), "{line}\n{said}");
    }
    fs::remove_dir_all(dir).unwrap();
    let server = Server::with(Kind::Koltso { cores: 1 }).text("io-threads 4\nappendfsync always\n").start();
    assert!(selfcheck() || server.log().contains("no effect here: io-threads\n"), "{}", server.log_tail());
}

/// Runs a command in a process whose calls of io_uring_setup fail with `errno`, as a seccomp filter or an old kernel makes them.
const WITHOUT_RINGS: &str = r#"
    my ($prctl, $errno) = splice(@ARGV, 0, 2);
    my @filter = ([0x20, 0, 0, 0], [0x15, 0, 1, 425], [0x06, 0, 0, 0x50000 | $errno], [0x06, 0, 0, 0x7fff0000]);
    my $filter = join "", map { pack "SCCL", @$_ } @filter;
    syscall($prctl, 38, 1, 0, 0, 0) == 0 or die "no_new_privs: $!";
    syscall($prctl, 22, 2, pack "Sx6P", scalar @filter, $filter) == 0 or die "seccomp: $!";
    exec @ARGV or die "exec: $!";
"#;

#[test]
fn a_refused_io_uring_ends_the_start_with_the_cause_and_the_remedy() {
    if selfcheck() {
        return;
    }
    let prctl = if cfg!(target_arch = "x86_64") { "157" } else { "167" };
    let cases = [
        ("1", "io_uring_setup"),
        ("12", "LimitMEMLOCK="),
        ("22", "The oldest that works is 6.1"),
        ("23", "`ulimit -n`"),
        ("38", "CONFIG_IO_URING"),
    ];
    for (errno, remedy) in cases {
        for cores in ["1", "3"] {
            let port = koltso_tests::server::free_port().to_string();
            let node = [koltso_binary().to_str().unwrap(), "--port", &port, "--cores", cores, "--save", ""].map(str::to_string);
            let output = Command::new("perl").args(["-e", WITHOUT_RINGS, prctl, errno]).args(node).output().unwrap();
            let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
            assert_eq!(output.status.code(), Some(1), "{said}");
            assert!(said.contains("io_uring was refused") && said.contains(remedy) && !said.contains("panicked"), "{said}");
        }
    }
}

#[test]
fn too_few_descriptors_end_the_start() {
    if selfcheck() {
        return;
    }
    let (binary, port) = (koltso_binary(), koltso_tests::server::free_port());
    let start = format!("ulimit -n 40; exec {} --port {port} --cores 2", binary.display());
    let output = Command::new("sh").args(["-c", &start]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("40 files") && said.contains("ulimit -n"), "{said}");
}

#[test]
fn busy_polling_and_sqpoll_serve_and_replicate() {
    let seed = Seed::fresh("polling");
    for args in [["--spin-us", "100"], ["--napi-busy-poll-us", "20"], ["--sqpoll", "yes"]] {
        if selfcheck() {
            return;
        }
        println!("--- {args:?}");
        let primary = Server::with(Kind::Koltso { cores: 1 }).args(&args).start();
        let replica = Server::with(Kind::Redis).replica_of(primary.port()).start();
        let below = Server::with(Kind::Koltso { cores: 1 }).args(&args).replica_of(replica.port()).start();
        wait_link_up(&replica);
        wait_link_up(&below);
        dataset::fill(&mut primary.client(), &mut seed.part(1), 10);
        dataset::bulk(&mut primary.client(), 20_000, 100);
        assert_same(&primary, &replica);
        assert_same(&replica, &below);
        assert_eq!(below.client().must(&["GET", "bulk:7"]).text(), format!("{:0100}", 7));
    }
}

#[test]
fn a_wrong_dir_or_log_file_ends_the_start() {
    for args in [["--dir", "/no/such/folder"], ["--logfile", "/no/such/folder/log"]] {
        let (fine, said) = run(&[args[0], args[1], "--port", "0"]);
        assert!(!fine && said.contains("No such file or directory"), "{said}");
    }
}
