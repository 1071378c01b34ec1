//! Every command that writes, in several shapes and at its edges, on a primary of one kind with a replica of the other: the data, the
//! consumer groups, the functions, the deadlines and the offsets must be the same. The cases stand in `tests/cases`, see
//! [`koltso_tests::cases`] for how they are written; a command that writes and has none fails the first test.

use koltso_proto::command::info::by_full_name;
use koltso_tests::cases::{self, Case, Step};
use koltso_tests::client::{encode, show};
use koltso_tests::groups::groups;
use koltso_tests::oracle::{assert_same_clients, wait_link_up};
use koltso_tests::wait::must;
use koltso_tests::{Client, Kind, Server, Value, eventually, with_cores};
use std::collections::BTreeSet;

/// So many different ways to call it are in each case.
const SHAPES: usize = 3;

/// The commands and subcommands that a server knows, each with whether it writes and whether it may wait.
fn known(server: &Server) -> Vec<(String, bool, bool)> {
    let mut entries = server.client().must(&["COMMAND"]).items();
    let mut known = Vec::new();
    while let Some(entry) = entries.pop() {
        let fields = entry.items();
        let flag = |name: &str| fields[2].items().contains(&Value::Simple(name.into()));
        known.push((fields[0].text(), flag("write"), flag("blocking")));
        entries.extend(fields[9].items());
    }
    known
}

#[test]
fn every_command_that_writes_has_a_case() {
    let cases = cases::all();
    let mut names = BTreeSet::new();
    for case in &cases {
        assert!(by_full_name(case.command.as_bytes()).is_some(), "there is no command {}", case.command);
        assert!(names.insert(&case.command), "{} has two cases", case.command);
    }
    let lacking: Vec<String> = known(&Server::start(Kind::Koltso { cores: 1 }))
        .into_iter()
        .filter(|(_, writes, _)| *writes)
        .filter_map(|(name, _, waits)| {
            let (shapes, waiting) = cases.iter().find(|case| case.command == name).map_or((0, 0), Case::calls);
            (shapes < SHAPES || waits && waiting == 0).then(|| format!("{name}: {shapes} ways to call it, {waiting} that wait"))
        })
        .collect();
    assert!(lacking.is_empty(), "tests/cases lacks {lacking:#?}");
}

/// A primary and its replica, with what is needed to compare them.
struct Pair {
    primary: Server,
    clients: [Client; 2],
    has_functions: bool,
}

impl Pair {
    fn compare(&mut self) {
        let [above, below] = &mut self.clients;
        assert_same_clients(above, below);
        let with_counts = self.primary.kind().is_koltso();
        assert_eq!(groups(above, with_counts), groups(below, with_counts));
        if self.has_functions {
            let [above, below] = [above, below].map(|client| client.must(&["FUNCTION", "LIST", "WITHCODE"]).sorted());
            assert_eq!(above, below);
        }
    }

    fn run(&mut self, case: &Case) {
        println!("{}", case.command);
        let mut client = self.primary.client();
        client.must(&["FLUSHALL"]);
        let mut waiting: Vec<(&Vec<Vec<u8>>, Client)> = Vec::new();
        for step in &case.steps {
            match step {
                Step::Run(words) => assert!(succeeds(&client.cmd(words)), "{} of {}", show(words), case.command),
                Step::Fail(words) => {
                    let reply = client.cmd(words);
                    assert!(reply.is_error(), "{} of {} was answered {reply:?}", show(words), case.command);
                }
                Step::Wait(words) => {
                    let mut other = self.primary.client();
                    let id = other.must(&["CLIENT", "ID"]).int().to_string();
                    other.send_raw(&encode(words)).expect("send");
                    // The number of those that wait says nothing: who was served before may still be on its way out of it.
                    eventually(&format!("{} of {} waits", show(words), case.command), || {
                        let line = client.must(&["CLIENT", "LIST", "ID", &id]).text();
                        must(line.contains(" flags=b "), || line)
                    });
                    waiting.push((words, other));
                }
                Step::Compare => self.compare(),
            }
        }
        for (words, mut client) in waiting {
            let reply = client.read().unwrap_or_else(|error| panic!("{} of {}: {error}", show(words), case.command));
            assert!(succeeds(&reply) && !reply.is_null(), "{} of {} was answered {reply:?}", show(words), case.command);
        }
        self.compare();
    }
}

/// Whether nothing in a reply is an error.
fn succeeds(reply: &Value) -> bool {
    match reply {
        Value::Array(items) => items.iter().all(succeeds),
        other => !other.is_error(),
    }
}

/// Runs every case that both servers know.
fn check(above: Kind, below: Kind) {
    println!("--- {above:?} with a replica {below:?}");
    let primary = Server::start(above);
    let replica = Server::with(below).replica_of(primary.port()).start();
    wait_link_up(&replica);
    let [known_above, known_below] =
        [&primary, &replica].map(|server| known(server).into_iter().map(|(name, ..)| name).collect());
    let common: BTreeSet<String> = BTreeSet::intersection(&known_above, &known_below).cloned().collect();
    let clients = [&primary, &replica].map(Server::client);
    let mut pair = Pair { primary, clients, has_functions: common.contains("function") };
    let cases = cases::all();
    let cases: Vec<&Case> = cases.iter().filter(|case| common.contains(&case.command)).collect();
    assert!(cases.len() >= 90, "only {} cases", cases.len());
    cases.iter().for_each(|case| pair.run(case));
    assert_eq!(replica.info().int("sync_full"), 0, "{}", replica.log_tail());
    assert_eq!(pair.primary.info().int("sync_full"), 1, "the stream has carried it all");
}

#[test]
fn koltso_above_redis() {
    with_cores(|kind| check(kind, Kind::Redis));
}

#[test]
fn redis_above_koltso() {
    with_cores(|kind| check(Kind::Redis, kind));
}

/// What redis-server 7.0 lacks runs here, and everything else once more.
#[test]
fn koltso_above_koltso() {
    with_cores(|kind| check(kind, Kind::Koltso { cores: 2 }));
}
