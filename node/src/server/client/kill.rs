//! CLIENT KILL: by address, or by any filters together.

use super::list::{ClientType, client_type};
use crate::acl::Users;
use crate::connection::{Closing, Peer, Session, Token};
use crate::core::Core;
use crate::replication::stream::Parked;
use koltso_proto::id::UnixMs;
use koltso_proto::number::parse_i64;
use koltso_proto::resp::Args;

/// Whom to kill; every condition that is set has to hold.
#[derive(Clone, Debug, Default)]
struct Filter {
    id: Option<u64>,
    kind: Option<ClientType>,
    addr: Option<Vec<u8>>,
    laddr: Option<Vec<u8>>,
    max_age_s: Option<u64>,
    user: Option<Vec<u8>>,
    /// Whether the one who asks is spared.
    skip_me: bool,
}

impl Filter {
    fn parse(args: Args<'_>, users: &Users) -> Result<Self, String> {
        let mut filter = Filter { skip_me: true, ..Filter::default() };
        let mut at = 2;
        while at < args.len() {
            if at + 1 == args.len() {
                return Err("ERR syntax error".to_string());
            }
            filter.set(args, at, users)?;
            at += 2;
        }
        Ok(filter)
    }

    fn set(&mut self, args: Args<'_>, at: usize, users: &Users) -> Result<(), String> {
        let value = args.get(at + 1);
        let above_zero = |error: &str| {
            let number = parse_i64(value).filter(|&number| number > 0);
            number.map(|number| number as u64).ok_or_else(|| error.to_string())
        };
        if args.is(at, "ID") {
            self.id = Some(above_zero("ERR client-id should be greater than 0")?);
        } else if args.is(at, "MAXAGE") {
            parse_i64(value).ok_or("ERR maxage is not an integer or out of range")?;
            self.max_age_s = Some(above_zero("ERR maxage should be greater than 0")?);
        } else if args.is(at, "TYPE") {
            self.kind = Some(ClientType::parse(args, at + 1)?);
        } else if args.is(at, "ADDR") {
            self.addr = Some(value.to_vec());
        } else if args.is(at, "LADDR") {
            self.laddr = Some(value.to_vec());
        } else if args.is(at, "USER") {
            self.user = Some(value.to_vec());
            if users.get(value).is_none() {
                return Err(format!("ERR No such user '{}'", String::from_utf8_lossy(value)));
            }
        } else if args.is(at, "SKIPME") {
            self.skip_me = args.is(at + 1, "YES");
            if !self.skip_me && !args.is(at + 1, "NO") {
                return Err("ERR syntax error".to_string());
            }
        } else {
            return Err("ERR syntax error".to_string());
        }
        Ok(())
    }

    fn matches(&self, session: &Session, kind: ClientType, now: UnixMs) -> bool {
        let age_s = now.0.saturating_sub(session.created.0) / 1000;
        self.id.is_none_or(|id| id == session.id)
            && self.kind.is_none_or(|wanted| wanted == kind)
            && self.user.as_ref().is_none_or(|user| kind != ClientType::Master && **user == *session.user().name)
            && self.addr.as_ref().is_none_or(|addr| addr == session.addr.as_bytes())
            && self.laddr.as_ref().is_none_or(|laddr| laddr == session.laddr.as_bytes())
            && self.max_age_s.is_none_or(|max| age_s >= max)
    }
}

/// `CLIENT KILL addr`, `CLIENT KILL filter value …`.
pub fn kill(core: &mut Core, token: Token, args: Args<'_>) {
    let by_address = args.len() == 3;
    let filter = if by_address {
        Ok(Filter { addr: Some(args.get(2).to_vec()), ..Filter::default() })
    } else {
        Filter::parse(args, &core.users)
    };
    let filter = match filter {
        Ok(filter) => filter,
        Err(error) => return core.refuse(token, &error),
    };
    let Some(conn) = core.conn(token) else { return };
    let asker = conn.session.id;
    let shut = move |core: &mut Core| core.kill_clients(&filter, asker);
    core.gather(token, shut, move |core, killed, reply| {
        if killed.iter().any(|killed| killed.asker) {
            core.close_after_replies(token);
        }
        let count: usize = killed.iter().map(|killed| killed.count).sum();
        match (by_address, count) {
            (false, count) => reply.len(count),
            (true, 0) => reply.error("ERR No such client"),
            (true, _) => reply.ok(),
        }
    });
}

struct Killed {
    count: usize,
    /// Whether the one who asks is to go too, once it has its answer.
    asker: bool,
}

impl Core {
    /// Ends the connections of this core that match.
    fn kill_clients(&mut self, filter: &Filter, asker: u64) -> Killed {
        let now = self.exec.now;
        let open = self.conns.iter().filter(|(_, conn)| conn.closing != Closing::Now);
        let doomed: Vec<_> = open
            .filter(|(_, conn)| !(filter.skip_me && conn.session.id == asker && matches!(conn.peer, Peer::Client)))
            .filter(|(_, conn)| filter.matches(&conn.session, client_type(conn), now))
            .map(|(index, conn)| (Token { index: index as u32, generation: conn.generation }, conn.session.id))
            .collect();
        let mut killed = Killed { count: doomed.len(), asker: false };
        for (token, id) in doomed {
            if id == asker {
                killed.asker = true;
            } else {
                self.close(token);
            }
        }
        killed.count += self.kill_parked(filter);
        killed
    }

    /// Gives up replicas that match and wait for a snapshot, or for its end.
    fn kill_parked(&mut self, filter: &Filter) -> usize {
        let now = self.exec.now;
        let replicas = self.replication.iter().flat_map(|replication| &replication.replicas);
        let doomed: Vec<u64> = replicas
            .filter(|replica| match &replica.parked {
                Parked::No => false,
                Parked::Waiting(_, session) | Parked::Away(session) => filter.matches(session, ClientType::Replica, now),
            })
            .map(|replica| replica.id)
            .collect();
        for &id in &doomed {
            self.forget_replica(id);
        }
        doomed.len()
    }
}
