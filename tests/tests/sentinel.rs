//! The real Sentinel watches a koltso primary with a redis-server and a koltso as its replicas: it finds them all through the
//! primary alone, promotes one when the primary is gone, and makes the other and the returning one follow it.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use koltso_tests::oracle::{assert_same, wait_link_up, wait_online};
use koltso_tests::server::{free_port, fresh_dir, redis_binary};
use koltso_tests::wait::must;
use koltso_tests::{Client, Info, Kind, Server, eventually, eventually_for};
use std::time::Duration;

/// A whole failover: to notice takes three seconds, so that a busy machine is not taken for a dead one; then there are steps of a
/// second each, and a returning primary is told after ten. A Sentinel that was itself kept from looking at its clock rests for thirty,
/// and a second try takes twenty.
const FAILOVER: Duration = Duration::from_secs(120);

/// A Sentinel that needs nobody's agreement.
struct Sentinel {
    process: Child,
    port: u16,
    dir: PathBuf,
}

impl Sentinel {
    fn watch(primary: u16) -> Sentinel {
        let port = free_port();
        let dir = fresh_dir(format!("sentinel-{port}"));
        let config = format!(
            "port {port}\ndir {}\nsentinel monitor mine 127.0.0.1 {primary} 1\nsentinel down-after-milliseconds mine 3000\n\
             sentinel failover-timeout mine 10000\n",
            dir.display()
        );
        let file = dir.join("sentinel.conf");
        std::fs::write(&file, config).unwrap();
        let mut command = Command::new(redis_binary("redis-server"));
        command.arg(&file).arg("--sentinel").stdout(Stdio::null()).stderr(Stdio::null());
        let process = command.spawn().unwrap();
        Sentinel { process, port, dir }
    }

    fn client(&self) -> Client {
        eventually("the sentinel answers", || Client::connect(self.port).map_err(|error| error.to_string()))
    }

    /// The port of the primary that it watches: only after a failover is at its end another one.
    fn primary(&self) -> String {
        let words = self.client().must(&["SENTINEL", "MASTER", "mine"]).items();
        words.iter().skip_while(|word| word.text() != "port").nth(1).map(|word| word.text()).unwrap_or_default()
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
        std::fs::remove_dir_all(&self.dir).ok();
    }
}

#[test]
fn koltso_on_one_core_is_promoted_and_the_others_follow_it() {
    fail_over(1, true);
}

#[test]
fn koltso_on_three_cores_is_promoted_and_the_others_follow_it() {
    fail_over(3, true);
}

#[test]
fn redis_is_promoted_and_koltso_follows_it() {
    fail_over(3, false);
}

/// What a server says of its replication, if it lets us ask: Sentinel closes all connections to the one it reconfigures.
fn replication_of(server: &Server) -> Result<Info, String> {
    let asked = Client::connect(server.port()).and_then(|mut client| client.try_cmd(&["INFO", "replication"]));
    asked.map(|reply| Info::parse(&reply.text())).map_err(|error| error.to_string())
}

fn fail_over(cores: usize, koltso_is_promoted: bool) {
    let kind = Kind::Koltso { cores };
    let mut primary = Server::start(kind);
    let redis = Server::with(Kind::Redis).replica_of(primary.port()).start();
    let koltso = Server::with(kind).replica_of(primary.port()).start();
    [&redis, &koltso].into_iter().for_each(wait_link_up);
    wait_online(&primary, 2);
    let (chosen, other) = if koltso_is_promoted { (&koltso, &redis) } else { (&redis, &koltso) };
    other.client().must(&["CONFIG", "SET", "replica-priority", "0"]).ok();
    let sentinel = Sentinel::watch(primary.port());
    eventually_for(FAILOVER, "it knows both replicas, and whom not to choose", || {
        let replicas = sentinel.client().must(&["SENTINEL", "REPLICAS", "mine"]).items();
        let fields = replicas.iter().map(|replica| {
            let words = replica.items();
            let field = |name: &str| words.iter().skip_while(|word| word.text() != name).nth(1).map(|word| word.text());
            (field("port"), field("slave-priority"))
        });
        let mut fields: Vec<_> = fields.collect();
        let mut expected = [(chosen, "100"), (other, "0")]
            .map(|(server, priority)| (Some(server.port().to_string()), Some(priority.to_string())));
        fields.sort();
        expected.sort();
        must(fields == expected, || format!("{fields:?}"))
    });
    eventually_for(FAILOVER, "it greets through the primary", || {
        let listeners = primary.client().must(&["PUBSUB", "NUMSUB", "__sentinel__:hello"]).items()[1].int();
        must(listeners >= 1, || format!("{listeners} listeners"))
    });
    primary.client().must(&["SET", "k", "before"]).ok();
    assert_same(&primary, chosen);
    primary.kill();
    eventually_for(FAILOVER, "the chosen one is the primary", || {
        let named = sentinel.primary();
        must(named == chosen.port().to_string(), || format!("{named} of {} and {}", chosen.port(), other.port()))
    });
    eventually_for(FAILOVER, "the other one follows it", || {
        let info = replication_of(other)?;
        let follows = info.find("master_port") == Some(&chosen.port().to_string());
        must(follows && info.find("master_link_status") == Some("up"), || info.text("role").to_string())
    });
    let mut client = chosen.client();
    assert_eq!(client.must(&["GET", "k"]).text(), "before");
    client.must(&["SET", "k", "after"]).ok();
    assert_same(chosen, other);
    primary.restart();
    eventually_for(FAILOVER, "the old primary is made to follow as well", || {
        let info = replication_of(&primary)?;
        must(info.find("master_link_status") == Some("up"), || info.text("role").to_string())
    });
    assert_same(chosen, &primary);
}
