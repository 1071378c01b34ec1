//! REPLICAOF, FAILOVER, REPLCONF, PSYNC, SYNC, ROLE, WAIT.

use crate::connection::{OwnedRequest, Peer, Stall, Token};
use crate::core::Core;
use crate::dispatch::registry::ServerHandler;
use crate::replication::failover::FailoverRequest;
use crate::replication::stream::{ReplicaState, SyncRequest};
use crate::replication::{Counts, Waiter};
use koltso_proto::id::{Offset, ReplId, UnixMs};
use koltso_proto::number::parse_i64;
use koltso_proto::resp::{Args, Reply};
use std::sync::atomic::Ordering;

pub const HANDLERS: &[(&str, ServerHandler)] = &[
    ("replicaof", replicaof),
    ("slaveof", replicaof),
    ("replconf", replconf),
    ("psync", psync),
    ("sync", sync),
    ("role", role),
    ("wait", wait),
    ("waitaof", wait_on_disk),
    ("failover", failover),
];

fn replicaof(core: &mut Core, token: Token, request: &OwnedRequest) {
    let args = request.args();
    if args.is(1, "NO") && args.is(2, "ONE") {
        let Some(promise) = core.promise(token) else { return };
        return core.on_log_core(move |core| {
            if core.is_failing_over() {
                return promise.keep(|_, reply| reply.error(FAILING_OVER));
            }
            core.promote(move |_| promise.keep(|_, reply| reply.ok()));
        });
    }
    let host = String::from_utf8_lossy(args.get(1)).into_owned();
    let Some(port) = parse_i64(args.get(2)).and_then(|port| u16::try_from(port).ok()) else {
        return core.refuse(token, "ERR Invalid master port");
    };
    let Some(promise) = core.promise(token) else { return };
    core.on_log_core(move |core| {
        if core.is_failing_over() {
            return promise.keep(|_, reply| reply.error(FAILING_OVER));
        }
        let upstream = core.replication.as_ref().and_then(|replication| replication.upstream.as_ref());
        if upstream.is_some_and(|upstream| upstream.host == host && upstream.port == port) {
            return promise.keep(|_, reply| reply.status("OK Already connected to specified master"));
        }
        core.follow(host, port);
        promise.keep(|_, reply| reply.ok());
    });
}

const FAILING_OVER: &str = "ERR REPLICAOF not allowed while failing over.";

fn error_bytes(error: &str) -> Vec<u8> {
    format!("-{error}\r\n").into_bytes()
}

/// `FAILOVER [TO host port [FORCE]] [ABORT] [TIMEOUT milliseconds]`. The answer is there before the failover is over.
fn failover(core: &mut Core, token: Token, request: &OwnedRequest) {
    let args = request.args();
    if args.len() == 2 && args.is(1, "ABORT") {
        let Some(promise) = core.promise(token) else { return };
        return core.on_log_core(move |core| {
            core.abort_failover("Failover manually aborted", move |aborted| {
                promise.keep(move |_, reply| match aborted {
                    true => reply.ok(),
                    false => reply.error("ERR No failover in progress."),
                });
            });
        });
    }
    match failover_request(args) {
        Ok(request) => core.answer_on_log_core(token, |core| match core.begin_failover(request) {
            Ok(()) => ok_bytes(),
            Err(error) => error_bytes(&format!("ERR {error}")),
        }),
        Err(error) => core.refuse(token, error),
    }
}

fn failover_request(args: Args<'_>) -> Result<FailoverRequest, &'static str> {
    let mut wanted = FailoverRequest::default();
    let mut at = 1;
    while at < args.len() {
        if args.is(at, "TIMEOUT") && at + 1 < args.len() && wanted.timeout_ms.is_none() {
            let timeout = parse_i64(args.get(at + 1)).ok_or(NOT_AN_INTEGER)?;
            let timeout = u64::try_from(timeout).ok().filter(|&timeout| timeout > 0);
            wanted.timeout_ms = Some(timeout.ok_or("ERR FAILOVER timeout must be greater than 0")?);
            at += 2;
        } else if args.is(at, "TO") && at + 2 < args.len() && wanted.target.is_none() {
            let host = String::from_utf8_lossy(args.get(at + 1)).into_owned();
            let port = parse_i64(args.get(at + 2)).ok_or(NOT_AN_INTEGER)?;
            // What is no port is not that of a replica.
            wanted.target = Some((host, u16::try_from(port).unwrap_or(0)));
            at += 3;
        } else if args.is(at, "FORCE") && !wanted.force {
            wanted.force = true;
            at += 1;
        } else {
            return Err("ERR syntax error");
        }
    }
    Ok(wanted)
}

fn ok_bytes() -> Vec<u8> {
    b"+OK\r\n".to_vec()
}

impl Core {
    /// Asks the log's core for a reply, in its place; the connection waits for it.
    pub(crate) fn answer_on_log_core(&mut self, token: Token, work: impl FnOnce(&mut Core) -> Vec<u8> + Send + 'static) {
        if self.exec.id == 0 {
            let bytes = work(self);
            return self.reply(token, |reply| reply.raw(&bytes));
        }
        let Some(promise) = self.promise(token) else { return };
        self.on_log_core(move |core| {
            let bytes = work(core);
            promise.keep(move |_, reply| reply.raw(&bytes));
        });
    }
}

fn replconf(core: &mut Core, token: Token, request: &OwnedRequest) {
    let args = request.args();
    if args.len().is_multiple_of(2) {
        return core.refuse(token, "ERR syntax error");
    }
    let mut at = 1;
    while at + 1 < args.len() {
        let value = args.get(at + 1);
        if args.is(at, "ACK") {
            // Never answered.
            if let Some(offset) = parse_i64(value).and_then(|n| u64::try_from(n).ok()) {
                let on_disk = (args.len() > at + 3 && args.is(at + 2, "FACK")).then(|| parse_i64(args.get(at + 3))).flatten();
                core.on_ack(token, Offset(offset), on_disk.and_then(|n| u64::try_from(n).ok()).map(Offset));
            }
            return;
        }
        if args.is(at, "GETACK") {
            return;
        }
        if let Err(error) = set_option(core, token, args, at) {
            return core.refuse(token, &error);
        }
        at += 2;
    }
    core.reply(token, Reply::ok);
}

fn set_option(core: &mut Core, token: Token, args: Args<'_>, at: usize) -> Result<(), String> {
    let value = args.get(at + 1);
    let Some(conn) = core.conn(token) else { return Ok(()) };
    let info = &mut conn.session.replica;
    if args.is(at, "LISTENING-PORT") {
        let port = parse_i64(value).ok_or("ERR value is not an integer or out of range")?;
        info.port = u16::try_from(port).map_err(|_| "ERR value is not an integer or out of range")?;
    } else if args.is(at, "IP-ADDRESS") {
        info.ip = String::from_utf8_lossy(&value[..value.len().min(255)]).into_owned();
    } else if args.is(at, "CAPA") {
        match value.to_ascii_lowercase().as_slice() {
            b"eof" => info.eof = true,
            b"psync2" => info.psync2 = true,
            b"rdb-channel-repl" => info.rdb_channel = true,
            b"koltso-field-deadlines" => info.field_deadlines = true,
            // Whatever else a replica can do is its own affair.
            _ => {}
        }
    } else if args.is(at, "RDB-ONLY") {
        info.rdb_only = match parse_i64(value) {
            Some(n @ (0 | 1)) => n == 1,
            Some(_) => return Err("ERR value is out of range, value must between 0 and 1".to_string()),
            None => return Err("ERR value is not an integer or out of range".to_string()),
        };
    } else if args.is(at, "RDB-FILTER-ONLY") {
        if !value.is_empty() && !value.eq_ignore_ascii_case(b"functions") {
            return Err("ERR Unsupported rdb-filter-only option".to_string());
        }
    } else if args.is(at, "VERSION") {
        let text = String::from_utf8_lossy(value).into_owned();
        let mut parts = text.split('.').map(|part| part.parse().unwrap_or(0));
        let mut next = || parts.next().unwrap_or(0);
        info.version = Some((next(), next(), next()));
    } else {
        let option = String::from_utf8_lossy(args.get(at)).into_owned();
        return Err(format!("ERR Unrecognized REPLCONF option: {option}"));
    }
    Ok(())
}

fn psync(core: &mut Core, token: Token, request: &OwnedRequest) {
    let args = request.args();
    let Some(offset) = parse_i64(args.get(2)) else {
        return core.refuse(token, "ERR value is not an integer or out of range");
    };
    let takes_over = args.len() > 3 && args.is(3, "FAILOVER");
    core.leave_for_stream(token, SyncRequest::Psync { replid: ReplId::parse(args.get(1)), offset, takes_over });
}

fn sync(core: &mut Core, token: Token, _: &OwnedRequest) {
    core.leave_for_stream(token, SyncRequest::Sync);
}

const NOT_AN_INTEGER: &str = "ERR value is not an integer or out of range";

/// `WAIT numreplicas timeout`.
fn wait(core: &mut Core, token: Token, request: &OwnedRequest) {
    let args = request.args();
    let Some(replicas) = parse_i64(args.get(1)) else { return core.refuse(token, NOT_AN_INTEGER) };
    let timeout = match timeout_ms(args.get(2)) {
        Ok(timeout) => timeout,
        Err(error) => return core.refuse(token, error),
    };
    if core.exec.gates_say_replica() {
        return core.refuse(
            token,
            "ERR WAIT cannot be used with replica instances. Please also note that since Redis 4.0 if a replica is configured to be \
             writable (which is not the default) writes to replicas are just local and are not propagated.",
        );
    }
    begin_wait(core, token, replicas.max(0) as usize, timeout, Counts::InMemory);
}

/// `WAITAOF numlocal numreplicas timeout`.
fn wait_on_disk(core: &mut Core, token: Token, request: &OwnedRequest) {
    let args = request.args();
    let local = match parse_i64(args.get(1)) {
        Some(local @ (0 | 1)) => local == 1,
        Some(_) => return core.refuse(token, "ERR value is out of range, value must between 0 and 1"),
        None => return core.refuse(token, NOT_AN_INTEGER),
    };
    let replicas = match parse_i64(args.get(2)) {
        Some(replicas) if replicas >= 0 => replicas as usize,
        Some(_) => return core.refuse(token, "ERR value is out of range, must be positive"),
        None => return core.refuse(token, NOT_AN_INTEGER),
    };
    let timeout = match timeout_ms(args.get(3)) {
        Ok(timeout) => timeout,
        Err(error) => return core.refuse(token, error),
    };
    if core.exec.gates_say_replica() {
        return core.refuse(
            token,
            "ERR WAITAOF cannot be used with replica instances. Please also note that writes to replicas are just local and are not \
             propagated.",
        );
    }
    if local && !core.exec.config.appendonly {
        return core.refuse(token, "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.");
    }
    begin_wait(core, token, replicas, timeout, Counts::OnDisk { local });
}

/// A time-out in milliseconds; 0 = none.
fn timeout_ms(arg: &[u8]) -> Result<u64, &'static str> {
    let timeout = parse_i64(arg).ok_or("ERR timeout is not an integer or out of range")?;
    u64::try_from(timeout).map_err(|_| "ERR timeout is negative")
}

fn begin_wait(core: &mut Core, token: Token, replicas: usize, timeout_ms: u64, counts: Counts) {
    // From now, not from when this turn began: the process may have stood still since.
    let deadline = (timeout_ms > 0).then(|| UnixMs(crate::shared::now_ms().0.saturating_add(timeout_ms)));
    let Some(conn) = core.conn(token) else { return };
    let wrote = conn.session.wrote;
    if conn.session.in_exec {
        // In a transaction nothing waits: the answer is what is known now.
        return core.answer_on_log_core(token, move |core| {
            let mut reply = Reply::default();
            if let Some(replication) = &core.replication {
                let offset = if wrote { replication.log.end() } else { Offset(0) };
                replication.reached(counts, offset).write(&mut reply);
            }
            reply.buf
        });
    }
    conn.stall = Stall::Blocked;
    core.shared.blocked_clients.fetch_add(1, Ordering::Relaxed);
    let waiter = Waiter { core: core.exec.id, token, offset: Offset(0), replicas, counts, deadline };
    // What this client wrote stands in the log before the question arrives there: requests of its that hop are answered
    // first, because its order of replies waits for them.
    core.flush_outbox();
    core.on_log_core(move |core| core.add_waiter(waiter, wrote));
}

fn role(core: &mut Core, token: Token, _: &OwnedRequest) {
    core.answer_on_log_core(token, |core| {
        let mut reply = Reply::new(false);
        let Some(replication) = &core.replication else { return reply.buf };
        let end = replication.log.end().0 as i64;
        match &replication.upstream {
            Some(up) => {
                reply.array(5);
                reply.bulk(b"slave");
                reply.bulk(up.host.as_bytes());
                reply.int(i64::from(up.port));
                reply.bulk(up.state.name().as_bytes());
                reply.int(if up.is_connected() { core.applied_offset().0 as i64 } else { -1 });
            }
            None => {
                reply.array(3);
                reply.bulk(b"master");
                reply.int(end);
                let online: Vec<_> = replication.replicas.iter().filter(|r| r.state == ReplicaState::Online).collect();
                reply.array(online.len());
                for replica in online {
                    reply.array(3);
                    reply.bulk(replica.shown_ip().as_bytes());
                    reply.bulk_int(i64::from(replica.port()));
                    reply.bulk_int(replica.acked.0 as i64);
                }
            }
        }
        reply.buf
    });
}

impl Core {
    /// How far the stream of our primary has been applied; the end of the log, if there is none.
    pub fn applied_offset(&self) -> Offset {
        let Some(replication) = &self.replication else { return Offset(0) };
        let token = replication.upstream.as_ref().and_then(|up| up.token);
        match token.and_then(|token| self.conns.get(token.index as usize)).map(|conn| &conn.peer) {
            Some(Peer::Primary(stream)) => stream.applied,
            _ => replication.log.end(),
        }
    }
}
