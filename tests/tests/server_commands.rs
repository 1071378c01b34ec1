//! What operators and exporters ask a server about itself.

use koltso_tests::{Client, Kind, Seed, Server, Value, dataset, with_cores};

/// Fields that redis-cli, redis_exporter and Sentinel read, by section.
const FIELDS: &[(&str, &str)] = &[
    (
        "server",
        "redis_version redis_mode os arch_bits process_id run_id tcp_port uptime_in_seconds uptime_in_days hz executable \
         config_file server_time_usec",
    ),
    ("clients", "connected_clients maxclients client_recent_max_input_buffer client_recent_max_output_buffer blocked_clients"),
    (
        "memory",
        "used_memory used_memory_human used_memory_rss used_memory_peak used_memory_lua maxmemory maxmemory_policy \
         mem_fragmentation_ratio mem_allocator used_memory_dataset used_memory_overhead used_memory_startup \
         mem_clients_slaves mem_clients_normal mem_replication_backlog lazyfree_pending_objects",
    ),
    (
        "persistence",
        "loading async_loading rdb_changes_since_last_save rdb_bgsave_in_progress rdb_last_save_time \
         rdb_last_bgsave_status rdb_last_bgsave_time_sec rdb_current_bgsave_time_sec aof_enabled aof_rewrite_in_progress \
         aof_last_bgrewrite_status aof_last_write_status",
    ),
    (
        "stats",
        "total_connections_received total_commands_processed instantaneous_ops_per_sec total_net_input_bytes \
         total_net_output_bytes rejected_connections sync_full sync_partial_ok sync_partial_err expired_keys evicted_keys \
         keyspace_hits keyspace_misses pubsub_channels pubsub_patterns latest_fork_usec total_error_replies \
         instantaneous_input_kbps instantaneous_output_kbps",
    ),
    ("cpu", "used_cpu_sys used_cpu_user used_cpu_sys_children used_cpu_user_children"),
    ("keyspace", "db0 db9"),
    ("errorstats", "errorstat_WRONGTYPE"),
    ("commandstats", "cmdstat_set cmdstat_get cmdstat_config|get"),
];

#[test]
fn info_has_the_fields_that_exporters_read() {
    with_cores(|kind| {
        let server = Server::start(kind);
        let mut client = server.client();
        client.must(&["MSET", "a", "1", "b", "2"]).ok();
        client.must(&["SELECT", "9"]);
        client.must(&["SET", "c", "3", "EX", "1000"]).ok();
        client.must(&["GET", "c"]);
        client.must(&["GET", "missing"]);
        client.must(&["CONFIG", "GET", "port"]);
        assert!(client.cmd(&["LPUSH", "c", "x"]).is_error());
        for (section, fields) in FIELDS {
            let info = client.info(section);
            for field in fields.split_whitespace() {
                info.text(field);
            }
        }
        let info = client.info("everything");
        assert_eq!(info.text("db0"), "keys=2,expires=0,avg_ttl=0");
        assert!(info.text("db9").starts_with("keys=1,expires=1,avg_ttl="), "{}", info.text("db9"));
        assert_eq!((info.int("keyspace_hits"), info.int("keyspace_misses")), (1, 1));
        assert!(info.text("cmdstat_get").starts_with("calls=2,usec="), "{}", info.text("cmdstat_get"));
        assert!(info.int("total_commands_processed") >= 8);
        assert_eq!(client.info("default").find("cmdstat_get"), None);
    });
}

#[test]
fn command_info_agrees_with_redis() {
    let names = "get set setex psetex setnx append getrange setrange substr strlen incr decr incrby decrby incrbyfloat getset \
                 getdel getex mget mset msetnx lcs del unlink exists touch type expire pexpire expireat pexpireat ttl pttl \
                 expiretime pexpiretime persist rename renamenx copy move swapdb keys scan randomkey dump restore lpush \
                 rpush lpop rpop lrange llen hset hget hdel hgetall hlen sadd srem smembers sismember scard spop zadd zrem \
                 zscore zrange zincrby zcard multi exec discard watch unwatch ping echo select auth hello quit reset \
                 flushdb flushall dbsize save bgsave lastsave shutdown time role replicaof slaveof psync sync replconf \
                 wait monitor info";
    let model = Server::start(Kind::Redis);
    with_cores(|kind| {
        let server = Server::start(kind);
        let [mut mine, mut theirs] = [&server, &model].map(Server::client);
        for name in names.split_whitespace() {
            let [mine, theirs] = [&mut mine, &mut theirs].map(|client| {
                let entry = client.must(&["COMMAND", "INFO", name]).items()[0].items();
                // Name, arity, flags, first key, last key, step, categories; then tips and key specs in words.
                entry.into_iter().take(7).map(Value::sorted).collect::<Vec<_>>()
            });
            assert_eq!(mine, theirs, "COMMAND INFO {name}");
        }
        assert!(mine.must(&["COMMAND", "COUNT"]).int() >= 100);
        let list = mine.must(&["COMMAND", "LIST", "FILTERBY", "PATTERN", "zrange*"]).items();
        assert!(list.contains(&Value::Bulk(b"zrange".into())), "{list:?}");
        let docs = mine.must(&["COMMAND", "DOCS", "get"]).items();
        assert_eq!(docs[0].text(), "get");
        assert!(docs[1].items().contains(&Value::Bulk(b"summary".into())));
        for keys in
            ["SET a b", "MSET a 1 b 2", "RENAME a b", "DEL a b c", "COPY a b DB 3", "ZADD z 1 a", "PING", "GET", "NOSUCH x"]
        {
            let args: Vec<&str> = ["COMMAND", "GETKEYS"].into_iter().chain(keys.split(' ')).collect();
            assert_eq!(mine.cmd(&args), theirs.cmd(&args), "{keys}");
        }
    });
}

#[test]
fn encodings_are_named_as_redis_names_them() {
    let seed = Seed::fresh("encodings");
    with_cores(|kind| {
        let servers = [Server::start(kind), Server::start(Kind::Redis)];
        let mut clients = servers.each_ref().map(Server::client);
        for client in &mut clients {
            dataset::fill(client, &mut seed.part(1), 10);
        }
        let keys = clients[1].must(&["KEYS", "*"]).items();
        for key in keys {
            let [mine, theirs] =
                clients.each_mut().map(|client| client.must(&[b"OBJECT".as_slice(), b"ENCODING", key.bytes()]));
            // From Redis 7.2 on, small lists and sets are listpacks.
            let newer = mine.text() == "listpack" && ["quicklist", "hashtable"].contains(&theirs.text().as_str());
            assert!(mine == theirs || newer, "OBJECT ENCODING {key:?}: {mine:?} and {theirs:?}");
        }
    });
}

#[test]
fn slowlog_and_latency() {
    with_cores(|kind| {
        let server = Server::start(kind);
        let mut client = server.client();
        client.must(&["CONFIG", "SET", "slowlog-log-slower-than", "0", "slowlog-max-len", "5"]).ok();
        for i in 0..20 {
            client.must(&["SET", "k", &i.to_string()]).ok();
        }
        assert_eq!(client.must(&["SLOWLOG", "LEN"]).int(), 5);
        let entries = client.must(&["SLOWLOG", "GET", "2"]).items();
        assert_eq!(entries.len(), 2);
        let entry = entries[1].items();
        assert_eq!(entry.len(), 6);
        assert!(entry[0].int() > 0 && entry[1].int() > 1_600_000_000 && entry[2].int() >= 0);
        assert!(entry[4].text().starts_with("127.0.0.1:"));
        client.must(&["CONFIG", "SET", "slowlog-log-slower-than", "-1"]).ok();
        client.must(&["SLOWLOG", "RESET"]).ok();
        assert_eq!(client.must(&["SLOWLOG", "LEN"]).int(), 0);
        assert!(client.cmd(&["SLOWLOG", "GET", "x"]).is_error());
        client.must(&["LATENCY", "RESET"]).int();
        assert_eq!(client.must(&["LATENCY", "LATEST"]), Value::Array(vec![]));
        assert_eq!(client.must(&["LATENCY", "HISTORY", "command"]), Value::Array(vec![]));
        assert!(!client.must(&["LATENCY", "DOCTOR"]).text().is_empty());
    });
}

#[test]
fn memory_usage_stats_and_doctor() {
    with_cores(|kind| {
        let server = Server::start(kind);
        let mut client = server.client();
        client.must(&["SET", "k", &"x".repeat(10_000)]).ok();
        let usage = client.must(&["MEMORY", "USAGE", "k"]).int();
        assert!((10_000..20_000).contains(&usage), "{usage}");
        assert!(client.must(&["MEMORY", "USAGE", "missing"]).is_null());
        assert!(client.cmd(&["MEMORY", "USAGE", "k", "SAMPLES", "x"]).is_error());
        let stats = client.must(&["MEMORY", "STATS"]).items();
        for field in ["peak.allocated", "total.allocated", "replication.backlog", "keys.count", "dataset.bytes"] {
            assert!(stats.contains(&Value::Bulk(field.into())), "{field}: {stats:?}");
        }
        assert!(!client.must(&["MEMORY", "DOCTOR"]).text().is_empty());
    });
}

#[test]
fn debug_populate_object_sleep_and_digest() {
    with_cores(|kind| {
        let servers = [Server::start(kind), Server::start(Kind::Redis)];
        let [mut mine, mut theirs]: [Client; 2] = servers.each_ref().map(Server::client);
        for client in [&mut mine, &mut theirs] {
            client.must(&["DEBUG", "POPULATE", "1000"]).ok();
            client.must(&["DEBUG", "POPULATE", "500", "prefix", "40"]).ok();
            assert_eq!(client.must(&["DBSIZE"]).int(), 1500);
        }
        assert_eq!(mine.must(&["DEBUG", "DIGEST"]), theirs.must(&["DEBUG", "DIGEST"]));
        assert!(mine.must(&["DEBUG", "OBJECT", "key:1"]).text().contains(" encoding:"));
        assert_eq!(mine.cmd(&["DEBUG", "OBJECT", "missing"]), theirs.cmd(&["DEBUG", "OBJECT", "missing"]));
        let start = std::time::Instant::now();
        mine.must(&["DEBUG", "SLEEP", "0.2"]).ok();
        assert!(start.elapsed() >= std::time::Duration::from_millis(200));
        for client in [&mut mine, &mut theirs] {
            client.must(&["FLUSHALL"]).ok();
        }
        assert_eq!(mine.must(&["DEBUG", "DIGEST"]).text(), "0".repeat(40));
    });
}

#[test]
fn debug_needs_its_permission() {
    with_cores(|kind| {
        let server = Server::with(kind).set("enable-debug-command", "no").start();
        let model = Server::with(Kind::Redis).set("enable-debug-command", "no").start();
        let [mine, theirs] = [&server, &model].map(|server| server.client().cmd(&["DEBUG", "DIGEST"]));
        assert!(mine.is_error());
        assert_eq!(mine, theirs);
    });
}

#[test]
fn time_and_expiry_use_the_same_clock() {
    with_cores(|kind| {
        let server = Server::start(kind);
        let mut client = server.client();
        let time = client.must(&["TIME"]).items();
        let now: i64 = time[0].text().parse().unwrap();
        let wall = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64;
        assert!((wall - now).abs() <= 1, "{now} and {wall}");
        client.must(&["SET", "k", "v", "EX", "100"]).ok();
        assert!((client.must(&["EXPIRETIME", "k"]).int() - now - 100).abs() <= 1);
    });
}
