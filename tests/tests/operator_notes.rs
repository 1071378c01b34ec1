//! The operator's notes, word for word with redis-cli, in both roles where they make sense: replication at a glance,
//! changing roles, the replica buffer's limit, and their account of a synchronisation step by step.

use std::time::{Duration, Instant};

use koltso_tests::cli::{redis_cli, run_until};
use koltso_tests::load::{Load, Spec};
use koltso_tests::oracle::{assert_same, wait_link_up, wait_online};
use koltso_tests::raw::{Psync, RawReplica};
use koltso_tests::wait::must;
use koltso_tests::{Client, Direction, Info, Kind, Proxy, Seed, Server, dataset, eventually, with_cores};

/// koltso as primary of redis-server, and the other way round.
fn with_roles(body: impl Fn(&Server, &Server)) {
    with_cores(|kind| {
        for (above, below) in [(kind, Kind::Redis), (Kind::Redis, kind)] {
            println!("--- {above:?} above {below:?}");
            let primary = Server::start(above);
            let text = format!("slaveof 127.0.0.1 {}\nslave-read-only yes\n", primary.port());
            let replica = Server::with(below).text(&text).start();
            wait_online(&primary, 1);
            wait_link_up(&replica);
            body(&primary, &replica);
        }
    });
}

#[test]
fn info_replication_in_both_roles() {
    with_roles(|primary, replica| {
        let above = Info::parse(&redis_cli(primary.port(), &["info", "replication"]));
        assert_eq!((above.text("role"), above.int("connected_slaves")), ("master", 1));
        let line = &above.replicas()[0];
        assert_eq!((line["state"].as_str(), line["port"].clone()), ("online", replica.port().to_string()));
        let below = Info::parse(&redis_cli(replica.port(), &["info", "replication"]));
        assert_eq!((below.text("role"), below.text("master_link_status")), ("slave", "up"));
        assert_eq!((below.text("master_host"), below.int("master_port")), ("127.0.0.1", primary.port() as i64));
        assert_eq!((below.int("slave_read_only"), below.int("master_sync_in_progress")), (1, 0));
        assert_eq!(below.text("master_replid"), above.text("master_replid"));
    });
}

#[test]
fn stat_prints_its_lines_in_both_roles() {
    with_roles(|primary, replica| {
        primary.client().must(&["MSET", "a", "1", "b", "2", "c", "3"]).ok();
        assert_same(primary, replica);
        for server in [primary, replica] {
            let port = server.port().to_string();
            let output = run_until("redis-cli", &["-p", &port, "--stat"], |out| out.matches('\n').count() >= 4);
            let lines: Vec<&str> = output.out.lines().collect();
            assert!(lines[0].starts_with("------- data ------") && lines[1].starts_with("keys"), "{output:?}");
            assert!(lines[2..].iter().all(|line| line.starts_with("3 ")), "{output:?}");
        }
    });
}

#[test]
fn slaveof_no_one_and_back() {
    with_roles(|primary, replica| {
        primary.client().must(&["SET", "k", "v"]).ok();
        assert_same(primary, replica);
        assert_eq!(redis_cli(replica.port(), &["slaveof", "no", "one"]).trim(), "OK");
        assert_eq!(Info::parse(&redis_cli(replica.port(), &["info", "replication"])).text("role"), "master");
        assert_eq!(redis_cli(replica.port(), &["set", "mine", "now"]).trim(), "OK");
        assert_eq!(redis_cli(replica.port(), &["get", "k"]).trim(), "v");
        assert_eq!(redis_cli(replica.port(), &["slaveof", "127.0.0.1", &primary.port().to_string()]).trim(), "OK");
        wait_link_up(replica);
        assert_same(primary, replica);
        assert_eq!(redis_cli(replica.port(), &["get", "mine"]).trim(), "");
    });
}

#[test]
fn slaveof_masterauth_and_slave_read_only_in_the_config_file() {
    with_cores(|kind| {
        for (above, below) in [(kind, Kind::Redis), (Kind::Redis, kind)] {
            let primary = Server::with(above).set("requirepass", "pwd").start();
            let mut client = primary.client();
            client.must(&["AUTH", "pwd"]).ok();
            client.must(&["SET", "k", "v"]).ok();
            let text = format!("slaveof 127.0.0.1 {}\nmasterauth pwd\nslave-read-only yes\n", primary.port());
            let replica = Server::with(below).text(&text).start();
            wait_link_up(&replica);
            assert_eq!(redis_cli(replica.port(), &["get", "k"]).trim(), "v");
            assert!(redis_cli_fails(replica.port(), &["set", "k", "w"]).starts_with("READONLY"));
            for (name, value) in [("slave-read-only", "yes"), ("masterauth", "pwd"), ("replica-read-only", "yes")] {
                assert_eq!(redis_cli(replica.port(), &["config", "get", name]).trim(), format!("{name}\n{value}"));
            }
            let slaveof = redis_cli(replica.port(), &["config", "get", "slaveof"]);
            assert_eq!(slaveof.trim(), format!("slaveof\n127.0.0.1 {}", primary.port()));
        }
    });
}

/// redis-cli prints an error reply on standard output and ends with status 1.
fn redis_cli_fails(port: u16, args: &[&str]) -> String {
    koltso_tests::cli::run("redis-cli", &[&["-p", &port.to_string()], args].concat()).out
}

#[test]
fn client_output_buffer_limit_is_read_back_each_time() {
    with_roles(|primary, replica| {
        for server in [primary, replica] {
            let get = || redis_cli(server.port(), &["config", "get", "client-output-buffer-limit"]);
            let reply =
                |slave: &str| format!("client-output-buffer-limit\nnormal 0 0 0 slave {slave} pubsub 33554432 8388608 60");
            assert_eq!(get().trim(), reply("268435456 67108864 60"));
            for limit in ["536870912 536870912 0", "1073741824 1073741824 0", "1610612736 1610612736 0"] {
                let set = ["config", "set", "client-output-buffer-limit", &format!("slave {limit}")];
                assert_eq!(redis_cli(server.port(), &set).trim(), "OK");
                assert_eq!(get().trim(), reply(limit));
            }
            for bad in ["slave 1 2", "nosuch 1 2 3", "slave x 2 3", "slave -1 2 3"] {
                assert!(
                    redis_cli_fails(server.port(), &["config", "set", "client-output-buffer-limit", bad]).starts_with("ERR")
                );
            }
            assert_eq!(get().trim(), reply("1610612736 1610612736 0"));
            let set = ["config", "set", "client-output-buffer-limit", "replica 8mb 4mb 30 normal 1gb 0 0"];
            assert_eq!(redis_cli(server.port(), &set).trim(), "OK");
            let wanted = "normal 1073741824 0 0 slave 8388608 4194304 30 pubsub 33554432 8388608 60";
            assert_eq!(get().trim(), format!("client-output-buffer-limit\n{wanted}"));
        }
    });
}

/// A replica that has got its copy and acknowledges, but reads nothing of the stream.
fn deaf_replica(primary: &Server) -> RawReplica {
    let mut raw = RawReplica::connect(primary, true);
    let Psync::Full(_, offset) = raw.psync(None) else { panic!("not a full resync") };
    raw.transfer().unwrap();
    raw.ack(offset);
    wait_online(primary, 1);
    raw
}

/// Writes `megabytes` of stream. A write that waited for a replica that never reads would not be answered in time at all.
fn write_stream(client: &mut Client, megabytes: usize) {
    let value = "x".repeat(1_000_000);
    for i in 0..megabytes {
        client.must(&["SET", &format!("big:{}", i % 4), &value]).ok();
    }
}

fn connected(client: &mut Client) -> i64 {
    client.info("replication").int("connected_slaves")
}

#[test]
fn a_replica_that_never_reads_is_cut_off_at_the_limit_and_not_before() {
    with_cores(|kind| {
        // So long that nothing but the limit cuts it off, and that whoever waits for it waits longer than a client does for a reply.
        let primary = Server::with(kind).set("repl-timeout", 3600).start();
        let mut client = primary.client();
        let limits = [("slave 20971520 20971520 0", 10, 50), ("slave 536870912 536870912 0", 350, 250)];
        for (limit, below_mb, more_mb) in limits {
            redis_cli(primary.port(), &["config", "set", "client-output-buffer-limit", limit]);
            let mut deaf = deaf_replica(&primary);
            write_stream(&mut client, below_mb);
            assert_eq!(connected(&mut client), 1, "cut off {below_mb} MB behind, with {limit}");
            write_stream(&mut client, more_mb);
            eventually("the deaf replica is cut off", || {
                let count = connected(&mut client);
                must(count == 0, || format!("{count} with {limit}\n{}", primary.log_tail()))
            });
            assert!(deaf.client.until_closed().unwrap().len() < (below_mb + more_mb) * 1_000_000);
        }
    });
}

#[test]
fn the_soft_limit_cuts_off_after_its_seconds() {
    with_cores(|kind| {
        let primary = Server::start(kind);
        let mut client = primary.client();
        redis_cli(primary.port(), &["config", "set", "client-output-buffer-limit", "slave 0 16mb 2"]);
        let _deaf = deaf_replica(&primary);
        let start = Instant::now();
        write_stream(&mut client, 40);
        eventually("the deaf replica is cut off", || {
            client.must(&["SET", "tick", "1"]);
            let count = connected(&mut client);
            must(count == 0, || format!("{count}"))
        });
        let span = start.elapsed();
        assert!(span >= Duration::from_secs(2), "cut off after {span:?} already");
    });
}

#[test]
fn info_memory_in_both_roles() {
    with_roles(|primary, replica| {
        dataset::bulk(&mut primary.client(), 20_000, 200);
        assert_same(primary, replica);
        for server in [primary, replica] {
            let info = Info::parse(&redis_cli(server.port(), &["info", "memory"]));
            let used = info.int("used_memory");
            assert!((3_000_000..100_000_000).contains(&used), "{info:?}");
            assert!(info.int("used_memory_rss") >= 4_000_000 && info.int("used_memory_peak") >= used, "{info:?}");
            for field in ["used_memory_human", "used_memory_rss_human", "total_system_memory", "maxmemory_policy"] {
                info.text(field);
            }
            assert_eq!(info.int("maxmemory"), 0);
            info.text("mem_fragmentation_ratio").parse::<f64>().unwrap();
        }
    });
}

#[test]
fn keys_with_a_value_between_stars_in_both_roles() {
    with_roles(|primary, replica| {
        let mut client = primary.client();
        client.must(&["MSET", "user:42:name", "a", "user:43:name", "b", "session:42", "c", "42", "d", "x[42]y", "e"]).ok();
        assert_same(primary, replica);
        for server in [primary, replica] {
            let sorted = |pattern: &str| {
                let out = redis_cli(server.port(), &["keys", pattern]);
                let mut keys: Vec<String> = out.lines().filter(|line| !line.is_empty()).map(str::to_string).collect();
                keys.sort();
                keys
            };
            assert_eq!(sorted("*42*"), ["42", "session:42", "user:42:name", "x[42]y"]);
            assert_eq!(sorted("*name*"), ["user:42:name", "user:43:name"]);
            assert_eq!(sorted("*nothing*"), [""; 0]);
        }
    });
}

#[test]
fn a_synchronisation_step_by_step() {
    let seed = Seed::fresh("step_by_step");
    with_cores(|kind| {
        for (above, below) in [(kind, Kind::Redis), (Kind::Redis, kind)] {
            println!("--- {above:?} above {below:?}");
            // More than the sockets on the way hold (net.ipv4.tcp_wmem: 4 MB), so that the primary cannot be done before
            // the replica reads.
            let primary = Server::with(above).set("rdbcompression", "no").start();
            dataset::bulk(&mut primary.client(), 10_000, 1_000);
            let proxy = Proxy::to(primary.port());
            proxy.throttle(1_000_000);
            // 1. The replica asks on start.
            let replica = Server::with(below).replica_of(proxy.port()).start();
            // 2. The primary makes a point-in-time copy while it goes on answering. 3. What changes meanwhile is kept.
            let load = Load::start(Spec { pace: Duration::from_millis(1), ..Spec::of(&primary) }, &seed);
            eventually("a part of the copy is with the replica", || {
                let forwarded = proxy.forwarded(Direction::ToClient);
                must(forwarded > 200_000, || format!("{forwarded} bytes"))
            });
            // Nothing more comes through until all that is to be seen has been seen.
            proxy.blackhole(true);
            eventually("the copy is under way", || {
                let (info, below) = (primary.info(), replica.info());
                let state = info.replicas().first().map(|line| line["state"].clone()).unwrap_or_default();
                let role = replica.client().must(&["ROLE"]).items()[3].text();
                let read = below.find("master_sync_read_bytes").and_then(|bytes| bytes.parse::<i64>().ok()).unwrap_or(0);
                let seen = ["wait_bgsave", "send_bulk"].contains(&state.as_str())
                    && role == "sync"
                    && read > 0
                    && below.find("master_sync_in_progress") == Some("1")
                    && below.find("master_link_status") == Some("down")
                    && below.find("master_sync_last_io_seconds_ago").is_some();
                must(seen, || format!("{state:?} {role:?}\n{below:?}"))
            });
            primary.client().must(&["SET", "changed", "meanwhile"]).ok();
            assert_eq!(primary.client().must(&["GET", "bulk:7"]).text(), format!("{:01000}", 7));
            load.wait_more(50);
            assert_eq!(replica.info().text("master_link_status"), "down");
            proxy.blackhole(false);
            proxy.throttle(0);
            // 4. The replica loads, reports, receives what was kept, applies it and serves.
            wait_link_up(&replica);
            wait_online(&primary, 1);
            assert_eq!(replica.client().must(&["ROLE"]).items()[3].text(), "connected");
            eventually("what was kept has arrived", || {
                let value = replica.client().cmd(&["GET", "changed"]);
                must(!value.is_error() && !value.is_null(), || format!("{value:?}"))
            });
            load.stop();
            assert_same(&primary, &replica);
            // 5. And it asks again after a lost link.
            proxy.cut(koltso_tests::Cut::Rst);
            koltso_tests::oracle::wait_partials(&primary, 1);
            assert_same(&primary, &replica);
            let account_above = ["asks for synchronization", "full resync", "partial resync"];
            let account_below = ["replica sync started", "full resync", "replica sync: receiving", "replica sync: loading"];
            let account_below = [&account_below[..], &["replica sync: finished with success", "partial resync"]].concat();
            for (server, account) in [(&primary, &account_above[..]), (&replica, &account_below)] {
                let log = server.log().to_lowercase();
                let mut rest = log.as_str();
                for words in account {
                    let at = rest.find(words);
                    let missing = || panic!("in order: {account:?}; {words:?} is not in the log\n{}", server.log_tail());
                    rest = &rest[at.unwrap_or_else(missing)..];
                }
            }
        }
    });
}

#[test]
fn logs_have_the_line_format_that_log_readers_know() {
    with_cores(|kind| {
        for role in ["M", "S"] {
            let server = if role == "M" { Server::start(kind) } else { Server::with(kind).replica_of(1).start() };
            let last = eventually(&format!("a line of role {role}"), || {
                let log = server.log();
                let line = log.lines().rfind(|line| line.contains(&format!(":{role} ")));
                line.map(str::to_string).ok_or(log.clone())
            });
            // pid:role day month year hours:minutes:seconds.milliseconds level message
            let words: Vec<&str> = last.split(' ').collect();
            assert_eq!(words[0], format!("{}:{role}", server.pid()), "{last}");
            assert!(words[1].len() == 2 && words[2].len() == 3 && words[3].len() == 4 && words[4].len() == 12, "{last}");
            assert!([".", "-", "*", "#"].contains(&words[5]), "{last}");
        }
    });
}
