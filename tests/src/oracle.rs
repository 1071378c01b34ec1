//! O1 and O5 of the fault plan: do two servers hold the same data, and did they resynchronise the way they should have?

use std::collections::BTreeMap;
use std::time::Duration;

use crate::wait::{DEADLINE, eventually_for, must};
use crate::{Client, Info, Server};

/// A deadline nearer than this may pass between two pictures.
const SOON: Duration = Duration::from_secs(1);

/// Everything that O1 compares, of one server at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// DEBUG DIGEST.
    pub digest: String,
    /// DBSIZE of every database that has keys.
    pub sizes: BTreeMap<u32, i64>,
    /// PEXPIRETIME of every key that has a deadline, to which the digest is blind.
    pub deadlines: BTreeMap<(u32, Vec<u8>), i64>,
}

/// Takes the picture of a server that no longer changes, once no key is expired or about to expire.
#[track_caller]
pub fn picture(server: &Server) -> Picture {
    picture_of(&mut server.client())
}

/// As [`picture`], through a connection that may be logged in already. It is left in database 0.
#[track_caller]
pub fn picture_of(client: &mut Client) -> Picture {
    eventually_for(DEADLINE, "expired keys are gone", || {
        let (picture, hidden) = snap(client);
        let soon = (std::time::SystemTime::now() + SOON).duration_since(std::time::UNIX_EPOCH).expect("after 1970");
        let due = picture.deadlines.iter().find(|(_, deadline)| **deadline < soon.as_millis() as i64);
        must(due.is_none(), || format!("key and deadline {due:?}"))?;
        must(hidden == 0, || format!("{hidden} keys are counted but not listed"))?;
        Ok(picture)
    })
}

/// The picture, and how many keys DBSIZE counts that KEYS does not show, or that went meanwhile: expired ones.
fn snap(client: &mut Client) -> (Picture, i64) {
    let mut hidden = 0;
    let mut sizes = BTreeMap::new();
    let mut deadlines = BTreeMap::new();
    for (db, expires) in databases(client) {
        client.must(&["SELECT", &db.to_string()]);
        sizes.insert(db, client.must(&["DBSIZE"]).int());
        let keys: Vec<Vec<u8>> = client.must(&["KEYS", "*"]).items().iter().map(|key| key.bytes().to_vec()).collect();
        hidden += sizes[&db] - keys.len() as i64;
        // Asking every key takes long where there are many, so it is left out where INFO counts no deadlines at all.
        let keys = if expires == 0 { Vec::new() } else { keys };
        let asks: Vec<Vec<&[u8]>> = keys.iter().map(|key| vec![b"PEXPIRETIME".as_slice(), key]).collect();
        for (key, reply) in keys.iter().zip(client.pipeline(&asks)) {
            hidden += i64::from(reply.int() == -2);
            if reply.int() > 0 {
                deadlines.insert((db, key.clone()), reply.int());
            }
        }
    }
    client.must(&["SELECT", "0"]);
    (Picture { digest: client.must(&["DEBUG", "DIGEST"]).text(), sizes, deadlines }, hidden)
}

/// O1: waits until both have the same replication offset and the link is up, then compares all data. `replica` may stand
/// anywhere below `primary` in a chain.
#[track_caller]
pub fn assert_same(primary: &Server, replica: &Server) {
    assert_same_clients(&mut primary.client(), &mut replica.client());
}

/// As [`assert_same`], through connections that may be logged in already.
#[track_caller]
pub fn assert_same_clients(primary: &mut Client, replica: &mut Client) {
    wait_caught_up(primary, replica);
    let (wanted, got) = (picture_of(primary), picture_of(replica));
    if wanted != got {
        panic!("the replica differs\n{}", difference(primary, replica, &wanted, &got));
    }
}

/// Compares the data of two servers that no link connects.
#[track_caller]
pub fn assert_equal_data(one: &Server, other: &Server) {
    let (mut one, mut other) = (one.client(), other.client());
    let (wanted, got) = (picture_of(&mut one), picture_of(&mut other));
    if wanted != got {
        panic!("the data differ\n{}", difference(&mut one, &mut other, &wanted, &got));
    }
}

/// Waits until the replica's link is up and its offset is the primary's.
#[track_caller]
pub fn wait_caught_up(primary: &mut Client, replica: &mut Client) {
    eventually_for(DEADLINE, "the replica has caught up", || {
        let below = replica.info("replication");
        must(below.find("master_link_status") == Some("up"), || format!("{below:?}"))?;
        must(below.int("master_sync_in_progress") == 0, || format!("{below:?}"))?;
        let above = primary.info("replication");
        let offsets = (above.int("master_repl_offset"), below.int("slave_repl_offset"), below.int("master_repl_offset"));
        must(offsets.0 == offsets.1 && offsets.0 == offsets.2, || format!("offsets {offsets:?}\n{above:?}\n{below:?}"))
    });
}

/// Waits until a replica says that its link is up and the initial transfer is over.
#[track_caller]
pub fn wait_link_up(replica: &Server) {
    let mut client = replica.client();
    eventually_for(DEADLINE, "the link is up", || {
        let info = client.info("replication");
        must(info.find("master_link_status") == Some("up"), || format!("{info:?}\n{}", replica.log_tail()))
    });
}

/// Waits until a replica says that its link is down.
#[track_caller]
pub fn wait_link_down(replica: &Server) {
    let mut client = replica.client();
    eventually_for(DEADLINE, "the link is down", || {
        let info = client.info("replication");
        must(info.find("master_link_status") == Some("down"), || format!("{info:?}"))
    });
}

/// Waits until `primary` lists `count` replicas as online.
#[track_caller]
pub fn wait_online(primary: &Server, count: usize) {
    let mut client = primary.client();
    eventually_for(Duration::from_secs(60), &format!("{count} replicas are online"), || {
        let info = client.info("replication");
        let online = info.replicas().iter().filter(|replica| replica.get("state").is_some_and(|s| s == "online")).count();
        must(online == count, || format!("{online} are\n{info:?}\n{}", primary.log_tail()))
    });
}

/// O5: how often a primary has answered a synchronisation in which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Syncs {
    /// sync_full
    pub full: i64,
    /// sync_partial_ok
    pub partial_ok: i64,
    /// sync_partial_err
    pub partial_err: i64,
}

impl Syncs {
    /// Reads the counters.
    #[track_caller]
    pub fn of(server: &Server) -> Syncs {
        Syncs::from(&server.info())
    }

    /// The counters in an INFO that is there already.
    #[track_caller]
    pub fn from(info: &Info) -> Syncs {
        let [full, partial_ok, partial_err] = ["sync_full", "sync_partial_ok", "sync_partial_err"].map(|name| info.int(name));
        Syncs { full, partial_ok, partial_err }
    }
}

/// Waits until a primary has accepted so many partial resyncs: the only sure sign that a cut link is made again. The replica may not
/// have heard of it yet: see [`wait_resumed`].
#[track_caller]
pub fn wait_partials(primary: &Server, count: i64) {
    let mut client = primary.client();
    eventually_for(DEADLINE, &format!("{count} partial resyncs"), || {
        let syncs = Syncs::from(&client.info("stats"));
        must(syncs.partial_ok >= count, || format!("{syncs:?}\n{}", primary.log_tail()))
    });
}

/// As [`wait_partials`], and waits until the replica knows of it too, so that what is cut next is the stream, not the answer.
#[track_caller]
pub fn wait_resumed(primary: &Server, replica: &Server, count: i64) {
    wait_partials(primary, count);
    wait_link_up(replica);
}

/// The first differences in words: which keys are missing, which differ in type, value or deadline.
fn difference(one: &mut Client, other: &mut Client, wanted: &Picture, got: &Picture) -> String {
    let mut lines = Vec::new();
    if wanted.sizes != got.sizes {
        lines.push(format!("sizes {:?} and {:?}", wanted.sizes, got.sizes));
    }
    let deadlines = wanted.deadlines.iter().filter(|(key, value)| got.deadlines.get(*key) != Some(value));
    lines
        .extend(deadlines.take(5).map(|(key, value)| format!("deadline of {key:?}: {value} and {:?}", got.deadlines.get(key))));
    let mut both: Vec<u32> = databases(one).into_iter().chain(databases(other)).map(|(db, _)| db).collect();
    both.sort();
    both.dedup();
    for db in both {
        for client in [&mut *one, &mut *other] {
            client.must(&["SELECT", &db.to_string()]);
        }
        let mut keys = one.must(&["KEYS", "*"]).items();
        keys.extend(other.must(&["KEYS", "*"]).items());
        keys.sort();
        keys.dedup();
        for key in keys {
            let describe = |client: &mut Client| {
                let ask = |client: &mut Client, args: &[&[u8]]| format!("{:?}", client.cmd(args));
                let key = key.bytes();
                let kind = ask(client, &[b"TYPE", key]);
                let digest = ask(client, &[b"DEBUG", b"DIGEST-VALUE", key]);
                let value = match kind.as_str() {
                    "+string" => ask(client, &[b"GET", key]),
                    "+list" => ask(client, &[b"LRANGE", key, b"0", b"20"]),
                    "+hash" => ask(client, &[b"HGETALL", key]),
                    "+set" => ask(client, &[b"SMEMBERS", key]),
                    "+zset" => ask(client, &[b"ZRANGE", key, b"0", b"20", b"WITHSCORES"]),
                    _ => String::new(),
                };
                (format!("{kind} {digest}"), value)
            };
            let (a, b) = (describe(one), describe(other));
            if a.0 != b.0 && lines.len() < 20 {
                lines.push(format!("db {db} key {key:?}: {} {}\n    and {} {}", a.0, a.1, b.0, b.1));
            }
        }
    }
    lines.push(format!("digests {} and {}", wanted.digest, got.digest));
    lines.join("\n")
}

/// The databases that have keys, with the number of keys that have deadlines.
fn databases(client: &mut Client) -> Vec<(u32, u64)> {
    let info = client.info("keyspace");
    let one = |db: u32| {
        let line = info.find(&format!("db{db}"))?;
        let expires = line.split(',').find_map(|field| field.strip_prefix("expires="))?;
        Some((db, expires.parse().ok()?))
    };
    (0..16).filter_map(one).collect()
}
