//! Row 13: three real Sentinels and three members of any kinds. The primary dies or stands still; the Sentinels agree on another one,
//! and take the old one back.

use crate::load::{Load, Spec};
use crate::oracle::{assert_same, wait_online};
use crate::sentinel::{FAILOVER, Sentinel};
use crate::wait::must;
use crate::{Client, Info, Server, eventually_for};

use super::promises::{Promises, assert_kept};
use super::{Skip, Trial};

/// See the module.
pub fn failover(trial: &mut Trial) -> Result<(), Skip> {
    let mut members: Vec<Server> = Vec::new();
    for kind in trial.mixture(3) {
        let builder = trial.server(kind);
        let builder = match members.first() {
            Some(primary) => builder.replica_of(primary.port()),
            None => builder,
        };
        members.push(builder.start());
    }
    let sentinels = [(); 3].map(|()| Sentinel::watch(members[0].port(), 2));
    let mut promised = Vec::new();
    let mut primary = 0;
    for round in 0..trial.rounds(2) {
        wait_online(&members[primary], 2);
        for sentinel in &sentinels {
            eventually_for(FAILOVER, "it knows everybody", || {
                let known = ["num-slaves", "num-other-sentinels"].map(|name| sentinel.field(name));
                must(known == ["2", "2"], || format!("{known:?}"))
            });
        }
        let load =
            Load::start(Spec { writers: 1, first_writer: 100 * round, ..Spec::of(&members[primary]) }, &trial.seed.part(round));
        let promises = Promises::start(&members[primary], 2, 2, &round.to_string(), &trial.seed.part(round));
        promises.wait_promised(1 + trial.seed.below(50));
        trial.pass(500);
        let freeze = trial.seed.one_in(3);
        println!("    {} the primary", if freeze { "freeze" } else { "kill" });
        if freeze {
            members[primary].freeze();
        } else {
            members[primary].kill();
        }
        let old = primary;
        primary = wait_agreed(&sentinels, &members, old);
        if freeze {
            members[old].thaw();
        } else {
            members[old].restart_as_it_is();
        }
        promised.extend(promises.stop());
        load.stop();
        wait_all_follow(&members, primary);
        for (at, member) in members.iter().enumerate() {
            if at != primary {
                assert_same(&members[primary], member);
            }
            assert_kept(&promised, member);
        }
    }
    Ok(())
}

/// Waits until all Sentinels name the same new primary, and it is one.
fn wait_agreed(sentinels: &[Sentinel], members: &[Server], old: usize) -> usize {
    eventually_for(FAILOVER, "the sentinels agree on another primary", || {
        let named: Vec<String> = sentinels.iter().map(Sentinel::primary).collect();
        let at = members.iter().position(|member| named[0] == member.port().to_string()).ok_or("nobody")?;
        must(named.iter().all(|name| *name == named[0]) && at != old, || format!("{named:?}"))?;
        let info = replication_of(&members[at])?;
        must(info.find("role") == Some("master"), || format!("{info:?}")).map(|()| at)
    })
}

/// Waits until the others follow it: there is one primary.
fn wait_all_follow(members: &[Server], primary: usize) {
    let port = members[primary].port().to_string();
    eventually_for(FAILOVER, "all follow one primary", || {
        for (at, member) in members.iter().enumerate() {
            let info = replication_of(member)?;
            let right = match at == primary {
                true => info.find("role") == Some("master"),
                false => info.find("master_port") == Some(&port) && info.find("master_link_status") == Some("up"),
            };
            must(right, || format!("{} is not to {port}: {info:?}", member.port()))?;
        }
        Ok(())
    });
}

/// What a server says of its replication, if it lets us ask: Sentinel closes all connections to the one it reconfigures.
pub fn replication_of(server: &Server) -> Result<Info, String> {
    let asked = Client::connect(server.port()).and_then(|mut client| client.try_cmd(&["INFO", "replication"]));
    let reply = asked.map_err(|error| error.to_string())?;
    must(!reply.is_error(), || format!("{reply:?}"))?;
    Ok(Info::parse(&reply.text()))
}
