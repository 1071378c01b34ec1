//! maxmemory: refusal and eviction, and that replicas are told what was evicted.

use std::time::Duration;

use koltso_tests::oracle::{assert_same, wait_online};
use koltso_tests::wait::must;
use koltso_tests::{Client, Info, Kind, Seed, Server, eventually, with_cores};

const POLICIES: [&str; 7] =
    ["allkeys-lru", "allkeys-lfu", "allkeys-random", "volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl"];

/// What counts towards maxmemory: the buffers of replicas and the backlog do not.
fn used(client: &mut Client) -> i64 {
    let info = client.info("memory");
    let apart = info.find("mem_not_counted_for_evict").and_then(|bytes| bytes.parse().ok()).unwrap_or(0);
    info.int("used_memory") - apart
}

#[test]
fn without_eviction_writes_are_refused_and_reads_are_not() {
    with_cores(|kind| {
        let server = Server::start(kind);
        let mut client = server.client();
        client.must(&["SET", "k", "v"]).ok();
        let limit = used(&mut client) + 3_000_000;
        client.must(&["CONFIG", "SET", "maxmemory", &limit.to_string()]).ok();
        let value = "x".repeat(1000);
        let refused = (0..20_000).find_map(|i| {
            let reply = client.cmd(&["SET", &format!("fill:{i}"), &value]);
            reply.is_error().then(|| reply.error().to_string())
        });
        assert_eq!(refused.as_deref(), Some("OOM command not allowed when used memory > 'maxmemory'."));
        // Clearly past the limit, whatever buffers come and go.
        let limit = limit - 1_000_000;
        client.must(&["CONFIG", "SET", "maxmemory", &limit.to_string()]).ok();
        assert!(client.cmd(&["MSET", "a", "1", "b", "2"]).error().starts_with("OOM"));
        assert!(client.cmd(&["LPUSH", "l", "1"]).error().starts_with("OOM"));
        assert_eq!(client.must(&["GET", "k"]).text(), "v");
        client.must(&["MULTI"]).ok();
        assert!(client.cmd(&["SET", "k", "w"]).error().starts_with("OOM"));
        assert!(client.cmd(&["EXEC"]).error().starts_with("EXECABORT"));
        for i in 0..2000 {
            client.must(&["DEL", &format!("fill:{i}")]);
        }
        client.must(&["SET", "k", "w"]).ok();
    });
}

#[test]
fn eviction_keeps_the_limit_and_tells_the_replicas() {
    let mut seed = Seed::fresh("eviction");
    with_cores(|kind| {
        let server = Server::start(kind);
        let replica = Server::with(Kind::Redis).replica_of(server.port()).start();
        wait_online(&server, 1);
        let mut client = server.client();
        let empty = used(&mut client);
        for policy in POLICIES {
            client.must(&["CONFIG", "SET", "maxmemory", "0"]).ok();
            client.must(&["FLUSHALL"]).ok();
            // What was flushed may be freed in the background.
            eventually("the memory is free again", || {
                let now = used(&mut client);
                must(now < empty + 2_500_000, || format!("{now} used, {empty} at the start"))
            });
            let limit = used(&mut client) + 3_000_000;
            client.must(&["CONFIG", "SET", "maxmemory", &limit.to_string(), "maxmemory-policy", policy]).ok();
            // More than the limit lets in, even if all that was waited for above is freed only now.
            let value = "x".repeat(800);
            let evicted = client.info("stats").int("evicted_keys");
            for i in 0..8000 {
                let ttl = (100_000 + seed.below(1000)).to_string();
                client.must(&["SET", &format!("fill:{i}"), &value, "EX", &ttl]).ok();
            }
            let count = |client: &mut Client| {
                // Together: any command may evict a little more.
                client.must(&["MULTI"]).ok();
                client.must(&["DBSIZE"]);
                client.must(&["INFO", "stats"]);
                let both = client.must(&["EXEC"]).items();
                (both[0].int(), Info::parse(&both[1].text()).int("evicted_keys") - evicted)
            };
            // On several cores a count may come a moment after the deed.
            let size = eventually("every missing key is counted as evicted", || {
                let (size, gone) = count(&mut client);
                must(size + gone == 8000, || format!("{policy}: {size} keys are left and {gone} evicted"))?;
                Ok(size)
            });
            assert!((300..7800).contains(&size), "{policy}: {size} keys are left");
            assert!(used(&mut client) < limit + 2_000_000, "{policy}: {} used of {limit}", used(&mut client));
            // So that comparing does not evict.
            client.must(&["CONFIG", "SET", "maxmemory", "0"]).ok();
            assert_same(&server, &replica);
        }
    });
}

#[test]
fn volatile_policies_spare_keys_without_a_deadline() {
    with_cores(|kind| {
        let server = Server::start(kind);
        let mut client = server.client();
        for i in 0..500 {
            client.must(&["SET", &format!("stays:{i}"), &"y".repeat(100)]).ok();
        }
        let limit = (used(&mut client) + 2_000_000).to_string();
        client.must(&["CONFIG", "SET", "maxmemory", &limit, "maxmemory-policy", "volatile-lru"]).ok();
        for i in 0..8000 {
            client.must(&["SET", &format!("fill:{i}"), &"x".repeat(1000), "EX", "10000"]).ok();
        }
        let stays: Vec<Vec<String>> = (0..500).map(|i| vec!["EXISTS".into(), format!("stays:{i}")]).collect();
        assert!(client.pipeline(&stays).iter().all(|reply| reply.int() == 1));
        assert!(client.info("stats").int("evicted_keys") > 1000);
    });
}

#[test]
fn lru_keeps_what_is_used() {
    with_cores(|kind| {
        let server = Server::start(kind);
        let mut client = server.client();
        let limit = (used(&mut client) + 2_500_000).to_string();
        client.must(&["CONFIG", "SET", "maxmemory", &limit, "maxmemory-policy", "allkeys-lru", "maxmemory-samples", "10"]).ok();
        let mut fill = |what: &str, count: usize| {
            let value = "x".repeat(1000);
            (0..count).for_each(|i| client.must(&["SET", &format!("{what}:{i}"), &value]).ok());
        };
        fill("hot", 20);
        fill("old", 1500);
        // Redis counts idle time in seconds.
        let mut reader = server.client();
        for _ in 0..25 {
            std::thread::sleep(Duration::from_millis(100));
            (0..20).for_each(|i| assert!(!reader.must(&["GET", &format!("hot:{i}")]).is_null()));
        }
        fill("new", 1500);
        let hot = (0..20).filter(|i| !client.must(&["GET", &format!("hot:{i}")]).is_null()).count();
        assert!(hot >= 18, "only {hot} of 20 hot keys are left");
        assert!(client.info("stats").int("evicted_keys") > 300);
    });
}

#[test]
fn a_write_is_not_refused_while_another_core_has_what_may_go() {
    with_cores(|kind| {
        let server = Server::start(kind);
        let mut client = server.client();
        // All that may go lies in one slot, and what is written in another ones.
        for i in 0..3000 {
            client.must(&["SET", &format!("{{here}}:{i}"), &"x".repeat(1000), "EX", "10000"]).ok();
        }
        let limit = (used(&mut client) + 200_000).to_string();
        client.must(&["CONFIG", "SET", "maxmemory", &limit, "maxmemory-policy", "volatile-lru"]).ok();
        for i in 0..2000 {
            client.must(&["SET", &format!("stays:{i}"), &"y".repeat(1000)]).ok();
            client.must(&["MSET", &format!("m:{i}"), "1", &format!("n:{i}"), "2"]).ok();
        }
        assert!(client.info("stats").int("evicted_keys") > 500);
        // Some of what was evicted for was written while the eviction was under way.
        eventually("memory is below its limit", || {
            let now = used(&mut client);
            must(now < limit.parse::<i64>().unwrap() + 100_000, || format!("{now} of {limit}"))
        });
        // Once nothing is left that may go, writes are refused.
        let refused = (0..5000).find_map(|i| {
            let reply = client.cmd(&["SET", &format!("more:{i}"), &"y".repeat(1000)]);
            reply.is_error().then(|| reply.error().to_string())
        });
        assert_eq!(refused.as_deref(), Some("OOM command not allowed when used memory > 'maxmemory'."));
        assert_eq!(client.info("keyspace").find("db0").map(|db| db.contains("expires=0")), Some(true));
        assert_eq!(client.must(&["GET", "m:1999"]).text(), "1");
    });
}

#[test]
fn what_only_slow_replicas_need_does_not_count() {
    with_cores(|kind| {
        let server = Server::start(kind);
        let mut client = server.client();
        assert_eq!(client.info("memory").int("mem_not_counted_for_evict"), 0);
        // A replica that takes a copy and then reads nothing more.
        let mut replica = server.client();
        replica.send_raw(b"SYNC\r\n").unwrap();
        eventually("the replica is there", || {
            let info = client.info("replication");
            must(info.find("slave0").is_some_and(|slave| slave.contains("state=online")), || {
                format!("{:?}", info.find("slave0"))
            })
        });
        let before = client.info("memory").int("used_memory");
        let value = "x".repeat(100_000);
        // What the sockets hold is not in anybody's memory, and how much that is depends on the machine.
        let (apart, grown) = eventually("the log grows", || {
            for _ in 0..200 {
                client.must(&["SET", "k", &value]).ok();
            }
            let memory = client.info("memory");
            let (apart, grown) = (memory.int("mem_not_counted_for_evict"), memory.int("used_memory") - before);
            must(grown > 10_000_000, || format!("{grown}"))?;
            Ok((apart, grown))
        });
        // The rest is the backlog, which counts.
        assert!((grown - apart - (1 << 20)).abs() < 1_500_000, "{grown} more in use, {apart} of it not counted");
    });
}

#[test]
fn the_log_takes_little_more_than_its_bytes() {
    with_cores(|kind| {
        let server = Server::start(kind);
        let replica = Server::with(Kind::Redis).replica_of(server.port()).start();
        wait_online(&server, 1);
        let mut client = server.client();
        let names: Vec<String> = (0..30).map(|i| format!("k{i}")).collect();
        names.iter().for_each(|name| client.must(&["SET", name, "v"]).ok());
        let before = used(&mut client);
        // One by one, so that each is a piece of its own.
        let (mut wide, backlog) = (0, client.info("replication").int("repl_backlog_size"));
        while wide < 3 * backlog {
            for name in &names {
                client.must(&["SET", name, "v"]).ok();
            }
            wide += 30 * 30;
            if wide % 90_000 == 0 {
                // What only a replica needs that stands still for a moment is another matter.
                let grown = used(&mut client) - before;
                assert!(grown < backlog + backlog / 2, "{grown} bytes for a backlog of {backlog}");
            }
        }
        assert_same(&server, &replica);
    });
}
