use super::*;
use crate::replication::stream::{Parked, ReplicaInfo};

fn names(report: Report) -> Vec<String> {
    let text = report.into_text();
    text.lines().skip(1).filter_map(|line| Some(line.split_once(':')?.0.to_string())).collect()
}

fn section(replication: &Replication, config: &Config) -> Report {
    let mut report = Report::default();
    let position = Position { read: Offset(9), applied: Offset(7) };
    write(&mut report, replication, position, config, UnixMs(100_000));
    report
}

fn replica(state: ReplicaState) -> Replica {
    Replica {
        id: 1,
        state,
        info: ReplicaInfo { port: 6380, ..Default::default() },
        ip: "10.0.0.2".to_string(),
        client_id: 4,
        cursor: Offset(50),
        acked: Offset(40),
        acked_at: UnixMs(97_500),
        token: None,
        parked: Parked::No,
        hold_until_ack: false,
        plain_sync: false,
        soft_limit_since: None,
        resumes_at: None,
        let_go: false,
        from_disk: None,
        leftover: Vec::new(),
        on_disk: Offset(0),
        until: None,
    }
}

fn upstream(state: LinkState) -> Upstream {
    Upstream {
        host: "10.0.0.1".to_string(),
        port: 6379,
        generation: 1,
        state,
        token: None,
        down_since: UnixMs(60_000),
        up_since: UnixMs(0),
        broken: 0,
        last_io: UnixMs(98_000),
        attempt: None,
        progress: Default::default(),
        resumable: false,
    }
}

const HISTORY: [&str; 9] = [
    "master_failover_state",
    "master_replid",
    "master_replid2",
    "master_repl_offset",
    "second_repl_offset",
    "repl_backlog_active",
    "repl_backlog_size",
    "repl_backlog_first_byte_offset",
    "repl_backlog_histlen",
];

#[test]
fn fields_of_a_primary_stand_in_the_order_that_sentinel_knows() {
    let mut replication = Replication::new(1 << 20);
    replication.replicas = vec![replica(ReplicaState::Online), replica(ReplicaState::WaitBgsave)];
    let config = Config { min_replicas_to_write: 1, ..Config::default() };
    let report = section(&replication, &config);
    let before = ["role", "connected_slaves", "min_slaves_good_slaves", "slave0", "slave1"];
    assert_eq!(names(report.clone()), [&before[..], &HISTORY].concat());
    let text = report.into_text();
    assert!(
        text.contains("\r\nslave0:ip=10.0.0.2,port=6380,state=online,offset=40,lag=2,source=memory,lag_bytes=0,lag_ms=0\r\n"),
        "{text}"
    );
    assert!(
        text.contains(
            "\r\nslave1:ip=10.0.0.2,port=6380,state=wait_bgsave,offset=40,lag=0,source=memory,lag_bytes=0,lag_ms=0\r\n"
        ),
        "{text}"
    );
    assert!(text.contains("\r\nrepl_backlog_first_byte_offset:0\r\n"), "{text}");
}

#[test]
fn fields_of_a_replica_follow_its_link() {
    let link = |state, extra: &[&'static str]| {
        let mut replication = Replication::new(1 << 20);
        replication.upstream = Some(upstream(state));
        let head = ["role", "master_host", "master_port", "master_link_status", "master_last_io_seconds_ago"];
        let offsets = ["master_sync_in_progress", "slave_read_repl_offset", "slave_repl_offset"];
        let tail = ["slave_priority", "slave_read_only", "replica_announced", "connected_slaves"];
        let expected = [&head[..], &offsets, extra, &tail, &HISTORY].concat();
        let report = section(&replication, &Config::default());
        assert_eq!(names(report.clone()), expected);
        report.into_text()
    };
    let up = link(LinkState::Connected, &[]);
    assert!(up.contains("master_link_status:up\r\nmaster_last_io_seconds_ago:2\r\n"), "{up}");
    assert!(up.contains("slave_read_repl_offset:9\r\nslave_repl_offset:7\r\n"), "{up}");
    let down = link(LinkState::Connecting, &["master_link_down_since_seconds"]);
    assert!(down.contains("master_last_io_seconds_ago:-1\r\n") && down.contains("down_since_seconds:40\r\n"), "{down}");
    let progress = [
        "master_sync_total_bytes",
        "master_sync_read_bytes",
        "master_sync_left_bytes",
        "master_sync_perc",
        "master_sync_last_io_seconds_ago",
        "master_link_down_since_seconds",
    ];
    link(LinkState::Sync, &progress);
}
