//! The tools that people use: redis-cli in its modes, redis-benchmark, and clients in great number or with bad manners.

use std::time::Duration;

use koltso_tests::cli::{redis_cli, run, run_for, run_until};
use koltso_tests::client::encode;
use koltso_tests::oracle::assert_same;
use koltso_tests::wait::must;
use koltso_tests::{Client, Kind, Seed, Server, Value, dataset, eventually, with_cores};

#[test]
fn redis_cli_in_its_everyday_modes() {
    let mut seed = Seed::fresh("redis_cli");
    with_cores(|kind| {
        let server = Server::start(kind);
        let cli = |args: &[&str]| redis_cli(server.port(), args);
        dataset::fill(&mut server.client(), &mut seed, 10);
        assert_eq!(cli(&["PING"]).trim(), "PONG");
        assert_eq!(cli(&["-3", "HGETALL", "hash:0"]).trim(), "element 0 -200006");
        assert_eq!(cli(&["SET", "a b", "c d"]).trim(), "OK");
        assert_eq!(cli(&["GET", "a b"]).trim(), "c d");
        assert_eq!(cli(&["-n", "5", "DBSIZE"]).trim(), "0");
        for section in ["server", "clients", "memory", "persistence", "stats", "replication", "cpu", "keyspace", "commandstats"]
        {
            let text = cli(&["INFO", section]);
            assert!(text.to_lowercase().contains(&format!("# {section}")), "{section}: {text}");
        }
        let mut client = server.client();
        client.must(&["SELECT", "4"]);
        dataset::bulk(&mut client, 777, 10);
        assert_eq!(cli(&["-n", "4", "DBSIZE"]).trim(), "777");
        assert_eq!(cli(&["-n", "4", "--scan"]).lines().count(), 777);
        let found = cli(&["--scan", "--pattern", "list:*"]);
        assert!(found.lines().count() > 10 && found.lines().all(|key| key.starts_with("list:")), "{found}");
        let big = cli(&["--bigkeys"]);
        assert!(big.contains("Biggest string found") && big.contains("Biggest   list found"), "{big}");
        let memory = cli(&["--memkeys"]);
        assert!(memory.contains("Sampled"), "{memory}");
        let file = server.dir().join("commands");
        std::fs::write(&file, encode(&["SET", "piped", "yes"]).repeat(1000)).unwrap();
        let mut pipe = std::process::Command::new("redis-cli");
        pipe.args(["-p", &server.port().to_string(), "--pipe"]).stdin(std::fs::File::open(&file).unwrap());
        let piped = String::from_utf8(pipe.output().unwrap().stdout).unwrap();
        assert!(piped.contains("errors: 0, replies: 1000"), "{piped}");
    });
}

#[test]
fn redis_cli_latency_and_monitor() {
    with_cores(|kind| {
        let server = Server::start(kind);
        let port = server.port().to_string();
        let latency = run_for(Duration::from_millis(1500), "redis-cli", &["-p", &port, "--latency", "--raw"]);
        let watching = std::thread::spawn({
            let port = port.clone();
            move || run_until("redis-cli", &["-p", &port, "MONITOR"], |out| out.contains("\"seen"))
        });
        let mut client = server.client();
        eventually("the monitor is there", || {
            let list = client.must(&["CLIENT", "LIST"]).text();
            must(list.contains("cmd=monitor"), || list)
        });
        client.must(&["SELECT", "3"]);
        client.must(&[b"SET".as_slice(), b"seen \"by\" all", b"\x00\xff\r\n"]);
        let monitored = watching.join().unwrap().out;
        assert!(monitored.contains(r#""SET" "seen \"by\" all" "\x00\xff\r\n""#), "{monitored}");
        assert!(monitored.contains("[3 127.0.0.1:"), "{monitored}");
        assert!(latency.err.is_empty(), "{latency:?}");
    });
}

#[test]
fn redis_benchmark_runs() {
    with_cores(|kind| {
        let server = Server::start(kind);
        let replica = Server::with(Kind::Redis).replica_of(server.port()).start();
        let port = server.port().to_string();
        for extra in [&["-P", "1"][..], &["-P", "16"], &["-P", "16", "-r", "1000", "-d", "300"], &["-3", "-P", "4"]] {
            let tests = "ping,set,get,incr,lpush,rpush,lpop,rpop,sadd,hset,spop,zadd,lrange_100,mset";
            let output = run("redis-benchmark", &[&["-p", &port, "-t", tests, "-n", "3000", "-q"], extra].concat());
            assert!(output.status.success() && output.err.is_empty(), "{output:?}");
            for test in ["SET", "GET", "INCR", "LPUSH", "MSET (10 keys)", "LRANGE_100 (first 100 elements)"] {
                assert!(output.out.contains(&format!("{test}:")), "{test}: {output:?}");
            }
            assert!(!output.out.to_lowercase().contains("error"), "{output:?}");
        }
        assert_same(&server, &replica);
    });
}

#[test]
fn a_thousand_connections() {
    with_cores(|kind| {
        let server = Server::start(kind);
        let mut clients: Vec<Client> = (0..1000).map(|_| server.client()).collect();
        for round in 0..3 {
            for (i, client) in clients.iter_mut().enumerate() {
                client.send_raw(&encode(&["SET", &format!("c:{i}"), &format!("{round}")])).unwrap();
            }
            for client in &mut clients {
                client.read().unwrap().ok();
            }
        }
        assert_eq!(clients[0].must(&["DBSIZE"]).int(), 1000);
        assert!(clients[0].info("clients").int("connected_clients") >= 1000);
        let open = server.open_files();
        drop(clients);
        let mut client = server.client();
        client.wait_connected(1);
        eventually("their files are closed", || must(server.open_files() <= open - 990, || server.open_files().to_string()));
    });
}

#[test]
fn connections_cut_in_the_middle_of_requests() {
    let mut seed = Seed::fresh("cut_requests");
    with_cores(|kind| {
        let server = Server::start(kind);
        let mut witness = server.client();
        let value = "v".repeat(5000);
        let wire = [encode(&["SET", "k", &value]), encode(&["MGET", "k", "k", "other", "k"]), encode(&["INCR", "n"])].concat();
        // What the server opens once and for all is open after the first round.
        let mut files = None;
        for _ in 0..2 {
            for round in 0..200 {
                let mut client = server.client();
                let at = 1 + seed.below(wire.len() as u64 - 1) as usize;
                client.send_raw(&wire.repeat(1 + round % 20)).unwrap();
                client.send_raw(&wire[..at]).unwrap();
                if seed.one_in(2) {
                    rustix::net::sockopt::set_socket_linger(client.stream(), Some(Duration::ZERO)).unwrap();
                }
            }
            assert_eq!(witness.must(&["PING"]), Value::Simple("PONG".into()));
            eventually("all connections and their files are closed", || {
                let (count, open) = (witness.info("clients").int("connected_clients"), server.open_files());
                must(count == 1 && open <= files.unwrap_or(open), || {
                    format!("{count} connections, {open} files, not {files:?}")
                })
            });
            files = Some(server.open_files());
        }
        witness.must(&["SET", "n", "0"]).ok();
        assert_eq!(witness.must(&["INCR", "n"]).int(), 1);
    });
}

#[test]
fn clients_past_maxclients_are_told_so() {
    with_cores(|kind| {
        let server = Server::with(kind).set("maxclients", 10).start();
        let mut witness = server.client();
        witness.wait_connected(1);
        let mut clients: Vec<Client> = (0..9).map(|_| server.client()).collect();
        for client in &mut clients {
            client.must(&["PING"]);
        }
        let mut one_more = server.client();
        let answer = String::from_utf8(one_more.until_closed().unwrap()).unwrap();
        assert_eq!(answer, "-ERR max number of clients reached\r\n");
        assert_eq!(witness.info("stats").int("rejected_connections"), 1);
        drop(clients);
        eventually("there is room again", || {
            let mut client = server.client();
            let reply = client.try_cmd(&["PING"]).map_err(|e| e.to_string())?;
            must(!reply.is_error(), || format!("{reply:?}"))
        });
    });
}

#[test]
fn client_commands_see_and_kill_connections_on_all_cores() {
    with_cores(|kind| {
        let server = Server::start(kind);
        let mut clients: Vec<Client> = (0..8).map(|_| server.client()).collect();
        clients[0].wait_connected(8);
        let ids: Vec<i64> = clients.iter_mut().map(|client| client.must(&["CLIENT", "ID"]).int()).collect();
        for (i, client) in clients.iter_mut().enumerate() {
            client.must(&["CLIENT", "SETNAME", &format!("worker-{i}")]).ok();
        }
        let list = clients[0].must(&["CLIENT", "LIST"]).text();
        for (i, id) in ids.iter().enumerate() {
            let line = list.lines().find(|line| line.starts_with(&format!("id={id} "))).unwrap_or_else(|| panic!("{list}"));
            assert!(line.contains(&format!(" name=worker-{i} ")) && line.contains(" addr=127.0.0.1:"), "{line}");
        }
        assert_eq!(clients[0].must(&["CLIENT", "KILL", "ID", &ids[5].to_string()]).int(), 1);
        assert_eq!(clients[0].must(&["CLIENT", "KILL", "ID", &ids[5].to_string()]).int(), 0);
        assert!(clients[5].try_cmd(&["PING"]).is_err());
        let line = clients[6].must(&["CLIENT", "INFO"]).text();
        assert!(line.contains("cmd=client|info"), "{line}");
        let addr = clients[6].stream().local_addr().unwrap().to_string();
        clients[0].must(&["CLIENT", "KILL", &addr]).ok();
        assert!(clients[6].try_cmd(&["PING"]).is_err());
        assert!(clients[0].cmd(&["CLIENT", "KILL", "127.0.0.1:1"]).error().contains("No such client"));
        assert_eq!(clients[0].must(&["CLIENT", "KILL", "TYPE", "normal"]).int(), 5);
    });
}

#[test]
fn client_pause_holds_writes_and_lets_reads_pass() {
    with_cores(|kind| {
        let server = Server::start(kind);
        let [mut admin, mut writer, mut reader] = [(); 3].map(|()| server.client());
        reader.must(&["SET", "k", "before"]).ok();
        admin.must(&["CLIENT", "PAUSE", "60000", "WRITE"]).ok();
        writer.send_raw(&encode(&["SET", "k", "after"])).unwrap();
        for _ in 0..50 {
            assert_eq!(reader.must(&["GET", "k"]).text(), "before");
        }
        admin.must(&["CLIENT", "UNPAUSE"]).ok();
        writer.read().unwrap().ok();
        assert_eq!(reader.must(&["GET", "k"]).text(), "after");
        admin.must(&["CLIENT", "PAUSE", "100"]).ok();
        assert_eq!(reader.must(&["GET", "k"]).text(), "after");
    });
}

#[test]
fn client_reply_off_and_skip() {
    with_cores(|kind| {
        let server = Server::start(kind);
        let mut client = server.client();
        let commands =
            "CLIENT REPLY SKIP\r\nSET a 1\r\nGET a\r\nCLIENT REPLY OFF\r\nGET a\r\nSET a 2\r\nCLIENT REPLY ON\r\nGET a\r\n";
        client.send_raw(commands.as_bytes()).unwrap();
        let replies: Vec<Value> = (0..3).map(|_| client.read().unwrap()).collect();
        assert_eq!(replies, [Value::Bulk(b"1".into()), Value::Simple("OK".into()), Value::Bulk(b"2".into())]);
    });
}

#[test]
fn shutdown_ends_cleanly() {
    with_cores(|kind| {
        for how in ["SIGTERM", "SHUTDOWN NOSAVE"] {
            let mut server = Server::start(kind);
            let mut client = server.client();
            client.must(&["SET", "k", "v"]).ok();
            let status = if how == "SIGTERM" {
                server.terminate()
            } else {
                client.send_raw(b"SHUTDOWN NOSAVE\r\n").unwrap();
                server.wait_exit()
            };
            assert!(status.success(), "{how}: {status}");
            assert_eq!(client.until_closed().unwrap(), b"");
        }
    });
}
