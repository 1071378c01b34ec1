//! Row 9: each node in a network namespace of its own; links that go down, or carry nothing in one direction; and a second primary on
//! the other side meanwhile, which is taken back afterwards.

use crate::load::{Load, Spec};
use crate::netns::{Namespace, ip};
use crate::oracle::{Syncs, assert_same_clients, wait_link_up, wait_online};
use crate::server::Builder;
use crate::{Kind, Server};

use super::promises::{Promises, assert_kept};
use super::{Skip, Trial};

/// A server and the network that it is in.
struct Node {
    server: Server,
    net: Namespace,
}

impl Node {
    fn start(trial: &mut Trial, kind: Kind, net: Namespace, more: impl FnOnce(Builder) -> Builder) -> Node {
        let builder = trial.server(kind).set("bind", "0.0.0.0").set("protected-mode", "no").set("repl-timeout", 3);
        let builder = builder.set("repl-ping-replica-period", 1).set("repl-backlog-size", "256mb");
        let server = net.enter(|| more(builder).start());
        Node { server, net }
    }

    /// Something with the server, in its network.
    fn on<T>(&self, work: impl FnOnce(&Server) -> T) -> T {
        self.net.enter(|| work(&self.server))
    }
}

/// The hub's address on the way to a replica, and the replica's.
fn addresses(replica: usize) -> (String, String) {
    (format!("10.77.{replica}.1"), format!("10.77.{replica}.2"))
}

/// See the module.
pub fn partitions(trial: &mut Trial) -> Result<(), Skip> {
    let kinds = trial.mixture(3);
    let hub = Namespace::new().map_err(Skip)?;
    let mut leaves = Vec::new();
    for replica in 0..kinds.len() - 1 {
        let leaf = Namespace::new().map_err(Skip)?;
        let (here, there) = addresses(replica);
        hub.join(&leaf, &format!("v{replica}"), &here, &there).map_err(Skip)?;
        leaves.push(leaf);
    }
    let primary = Node::start(trial, kinds[0], hub, |builder| builder);
    let port = primary.server.port();
    let mut replicas = Vec::new();
    for (replica, leaf) in leaves.into_iter().enumerate() {
        let above = format!("{} {port}", addresses(replica).0);
        replicas.push(Node::start(trial, kinds[1 + replica], leaf, |builder| builder.set("replicaof", above)));
    }
    primary.on(|server| wait_online(server, replicas.len()));
    let full = primary.on(Syncs::of).full;
    let load = primary.on(|server| Load::start(Spec { writers: 2, ..Spec::of(server) }, &trial.seed));
    let promises = primary.on(|server| Promises::start(server, replicas.len(), 2, "partition", &trial.seed));
    for _ in 0..trial.rounds(4) {
        promises.wait_promised(1);
        let healing: Vec<Healing> = (0..1 + trial.seed.below(2)).map(|_| part(trial, &primary, &replicas)).collect();
        trial.pass(6000);
        load.wait_more(20);
        for healing in healing {
            // Taken back twice: the second time there is nothing left to take back.
            healing.node(&primary, &replicas).net.enter(|| ip(&healing.line)).ok();
        }
        for replica in &replicas {
            replica.on(wait_link_up);
        }
    }
    let (kept, ledger) = (promises.stop(), load.stop());
    for replica in &replicas {
        assert_same_clients(&mut primary.on(Server::client), &mut replica.on(Server::client));
        replica.on(|server| assert_kept(&kept, server));
        replica.on(|server| ledger.assert_kept(server));
    }
    assert_eq!(primary.on(Syncs::of).full, full, "the backlog held everything");
    two_primaries(trial, &primary, &replicas[0]);
    Ok(())
}

/// Where and how a partition ends.
struct Healing {
    /// None: at the hub.
    replica: Option<usize>,
    line: String,
}

impl Healing {
    fn node<'a>(&self, hub: &'a Node, replicas: &'a [Node]) -> &'a Node {
        self.replica.map_or(hub, |replica| &replicas[replica])
    }
}

/// Parts a replica from the primary: altogether, or in one direction.
fn part(trial: &mut Trial, hub: &Node, replicas: &[Node]) -> Healing {
    let replica = trial.seed.below(replicas.len() as u64) as usize;
    let (here, there) = addresses(replica);
    let (at, parting, healing) = match trial.seed.below(3) {
        0 => (None, format!("link set v{replica} down"), format!("link set v{replica} up")),
        1 => (None, format!("route add blackhole {there}/32"), format!("route del blackhole {there}/32")),
        _ => (Some(replica), format!("route add blackhole {here}/32"), format!("route del blackhole {here}/32")),
    };
    println!("    {}: {parting}", if at.is_some() { "replica" } else { "hub" });
    let healing = Healing { replica: at, line: healing };
    // It may be there already.
    healing.node(hub, replicas).net.enter(|| ip(&parting)).ok();
    healing
}

/// A replica is promoted while it is alone; both are written to; then it follows again and has the primary's data only.
fn two_primaries(trial: &mut Trial, primary: &Node, replica: &Node) {
    let (here, _) = addresses(0);
    primary.net.enter(|| ip("link set v0 down")).expect("take the link down");
    replica.on(|server| server.client().must(&["REPLICAOF", "NO", "ONE"]).ok());
    let loads = [primary, replica]
        .map(|node| node.on(|server| Load::start(Spec { writers: 1, first_writer: 100, ..Spec::of(server) }, &trial.seed)));
    loads.iter().for_each(|load| load.wait_more(50));
    let [ledger, _] = loads.map(Load::stop);
    primary.net.enter(|| ip("link set v0 up")).expect("take the link up");
    let port = primary.server.port().to_string();
    replica.on(|server| server.client().must(&["REPLICAOF", &here, &port]).ok());
    replica.on(wait_link_up);
    assert_same_clients(&mut primary.on(Server::client), &mut replica.on(Server::client));
    replica.on(|server| ledger.assert_kept(server));
}
