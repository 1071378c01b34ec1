//! The real Sentinel watches a koltso primary with a redis-server and a koltso as its replicas: it finds them all through the
//! primary alone, promotes one when the primary is gone, and makes the other and the returning one follow it.

use koltso_tests::oracle::{assert_same, wait_link_up, wait_online};
use koltso_tests::sentinel::{FAILOVER, Sentinel};
use koltso_tests::wait::must;
use koltso_tests::{Client, Info, Kind, Server, eventually_for};

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
    let sentinel = Sentinel::watch(primary.port(), 1);
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
