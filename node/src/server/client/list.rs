//! CLIENT LIST and CLIENT INFO: a line for each client, with the fields of Redis.

use crate::connection::{Closing, Connection, InFlight, Peer, Session, Stall, Token};
use crate::core::Core;
use crate::pubsub::Kind;
use crate::replication::stream::{Parked, Replica};
use koltso_proto::id::UnixMs;
use koltso_proto::number::parse_i64;
use koltso_proto::resp::Args;
use std::borrow::Cow;
use std::fmt::Write;
use std::os::fd::AsRawFd;

/// What a client is to the node, as `TYPE` filters and limits of output buffers know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientType {
    /// It sends commands.
    Normal,
    /// Our primary.
    Master,
    /// A replica of ours.
    Replica,
    /// It listens to channels.
    Pubsub,
}

impl ClientType {
    /// The type of this name, in any case.
    pub fn parse(args: Args<'_>, at: usize) -> Result<Self, String> {
        let names = [
            ("NORMAL", ClientType::Normal),
            ("SLAVE", ClientType::Replica),
            ("REPLICA", ClientType::Replica),
            ("PUBSUB", ClientType::Pubsub),
            ("MASTER", ClientType::Master),
        ];
        let found = names.into_iter().find(|(name, _)| args.is(at, name)).map(|(_, kind)| kind);
        found.ok_or_else(|| format!("ERR Unknown client type '{}'", String::from_utf8_lossy(args.get(at))))
    }
}

/// The type of a connection.
pub fn client_type(conn: &Connection) -> ClientType {
    match conn.peer {
        Peer::Client if conn.session.subscriptions.is_some() => ClientType::Pubsub,
        Peer::Client => ClientType::Normal,
        Peer::Primary(_) => ClientType::Master,
        Peer::Replica(_) => ClientType::Replica,
    }
}

/// `CLIENT INFO`.
pub fn info(core: &mut Core, token: Token, args: Args<'_>) {
    let line = core.conns.get(token.index as usize).map(|conn| core.line_of(conn, request_len(args))).unwrap_or_default();
    core.reply(token, |reply| reply.verbatim(b"txt", line.as_bytes()));
}

/// `CLIENT LIST [TYPE type | ID id …]`.
pub fn list(core: &mut Core, token: Token, args: Args<'_>) {
    let (mut kind, mut ids) = (None, None);
    if args.len() == 4 && args.is(2, "TYPE") {
        match ClientType::parse(args, 3) {
            Ok(wanted) => kind = Some(wanted),
            Err(error) => return core.refuse(token, &error),
        }
    } else if args.len() > 3 && args.is(2, "ID") {
        let Some(wanted) = args.from(3).map(parse_i64).collect::<Option<Vec<i64>>>() else {
            return core.refuse(token, "ERR Invalid client ID");
        };
        ids = Some(wanted);
    } else if args.len() != 2 {
        return core.refuse(token, "ERR syntax error");
    }
    let (from, request_len) = (core.exec.id, request_len(args));
    let lines = move |core: &mut Core| {
        // The request that is being answered counts as unread.
        let unread = |index: usize| if core.exec.id == from && index == token.index as usize { request_len } else { 0 };
        let wanted = |id: u64, is: ClientType| {
            kind.is_none_or(|kind| kind == is) && ids.as_ref().is_none_or(|ids| ids.contains(&(id as i64)))
        };
        let here = core.conns.iter().filter(|(_, conn)| conn.closing != Closing::Now);
        let here = here.filter(|(_, conn)| wanted(conn.session.id, client_type(conn)));
        let mut lines: Vec<_> = here.map(|(index, conn)| (conn.session.id, core.line_of(conn, unread(index)))).collect();
        let parked = core.replication.iter().flat_map(|replication| &replication.replicas);
        lines.extend(parked.filter(|replica| wanted(replica.client_id, ClientType::Replica)).filter_map(|replica| {
            let line = parked_line(replica, core.exec.now)?;
            Some((replica.client_id, line))
        }));
        lines
    };
    core.gather(token, lines, |_, parts, reply| {
        let mut lines: Vec<_> = parts.into_iter().flatten().collect();
        lines.sort_unstable_by_key(|(id, _)| *id);
        let text: String = lines.into_iter().map(|(_, line)| line).collect();
        reply.verbatim(b"txt", text.as_bytes());
    });
}

/// What waits for a client up to here is `obl` in its line, and `omem` beyond; in bytes.
const REPLY_BUFFER_LEN: usize = 16 * 1024;

/// How many bytes of the wire a request was, as clients send it.
fn request_len(args: Args<'_>) -> usize {
    let head = |count: usize| itoa::Buffer::new().format(count).len() + 3;
    head(args.len()) + args.from(0).map(|arg| head(arg.len()) + arg.len() + 2).sum::<usize>()
}

impl Core {
    /// A connection in words, as `CLIENT LIST` has them. Of its request that is being answered, so many bytes count as unread.
    pub(crate) fn line_of(&self, conn: &Connection, unread: usize) -> String {
        // What a replica has still to be sent lies in the log, not in a buffer of its own.
        let lag = match (&conn.peer, &self.replication) {
            (Peer::Replica(stream), Some(replication)) => {
                let replica = replication.replicas.iter().find(|replica| replica.id == stream.id);
                let held = replica.and_then(|replica| replica.pins());
                held.map_or(0, |at| replication.log.end().0.saturating_sub(at.0))
            }
            _ => 0,
        };
        let in_flight = match conn.output.in_flight {
            InFlight::Replies(left) => left,
            _ => 0,
        };
        // Redis has a buffer of so many bytes for each client, and a list for what exceeds it.
        let waiting = conn.output.waiting_len() + conn.replies_awaiting();
        let obl = waiting.min(REPLY_BUFFER_LEN);
        let omem = lag + (in_flight + waiting - obl) as u64;
        let figures = Figures {
            fd: conn.fd.as_raw_fd(),
            flags: flags(conn),
            qbuf: conn.pending.len() + unread,
            qbuf_free: conn.pending.capacity() - conn.pending.len(),
            rbs: conn.output.reply.buf.capacity(),
            obl,
            oll: u64::from(omem > 0),
            omem,
            tot_mem: conn.footprint() as u64 + lag,
            events: if conn.output.is_sending() { "rw" } else { "r" },
            user: match conn.peer {
                Peer::Primary(_) => "(superuser)".into(),
                _ => String::from_utf8_lossy(&conn.session.user().name),
            },
            resp: if conn.output.reply.resp3 { 3 } else { 2 },
        };
        line(&conn.session, self.exec.now, &figures)
    }
}

/// A replica whose socket is away, because a snapshot is being made or sent.
fn parked_line(replica: &Replica, now: UnixMs) -> Option<String> {
    let (fd, session) = match &replica.parked {
        Parked::No => return None,
        Parked::Waiting(transport, session) => (transport.fd.as_raw_fd(), session),
        Parked::Away(session) => (-1, session),
    };
    let figures = Figures {
        fd,
        flags: "S".to_string(),
        qbuf: 0,
        qbuf_free: 0,
        rbs: 0,
        obl: 0,
        oll: 0,
        omem: 0,
        tot_mem: size_of::<Connection>() as u64,
        events: "r",
        user: String::from_utf8_lossy(&session.user().name),
        resp: 2,
    };
    Some(line(session, now, &figures))
}

/// The letters Redis has for what a client is and does, in its order.
fn flags(conn: &Connection) -> String {
    let session = &conn.session;
    let tracking = session.tracking();
    let letters = [
        ('S', matches!(conn.peer, Peer::Replica(_))),
        ('O', session.monitor),
        ('M', matches!(conn.peer, Peer::Primary(_))),
        ('P', session.subscriptions.is_some()),
        ('x', session.transaction.is_some() || session.in_exec),
        ('b', matches!(conn.stall, Stall::Blocked | Stall::Paused)),
        ('t', tracking.is_some()),
        ('R', tracking.is_some_and(|tracking| tracking.is_broken)),
        ('B', tracking.is_some_and(|tracking| tracking.broadcast)),
        ('d', session.watch.as_ref().is_some_and(|(flag, _)| flag.is_raised())),
        ('c', conn.closing == Closing::AfterReplies),
        ('U', session.by_unix),
        ('e', session.no_evict),
        ('T', session.no_touch),
    ];
    let flags: String = letters.into_iter().filter(|&(_, on)| on).map(|(letter, _)| letter).collect();
    if flags.is_empty() { "N".to_string() } else { flags }
}

struct Figures<'a> {
    fd: i32,
    flags: String,
    qbuf: usize,
    qbuf_free: usize,
    rbs: usize,
    obl: usize,
    oll: u64,
    omem: u64,
    tot_mem: u64,
    events: &'static str,
    user: Cow<'a, str>,
    resp: u8,
}

fn line(session: &Session, now: UnixMs, figures: &Figures<'_>) -> String {
    let seconds = |since: UnixMs| now.0.saturating_sub(since.0) / 1000;
    let transaction = session.transaction.as_deref();
    let multi = transaction.map_or(-1, |transaction| transaction.commands.len() as i64);
    let multi_mem = transaction.map_or(0, |transaction| transaction.len);
    let watch = session.watch.as_ref().map_or(0, |(_, keys)| keys.len());
    let listens = |kind| session.subscriptions.as_ref().map_or(0, |subscriptions| subscriptions.of(kind).len());
    let [sub, psub, ssub] = [Kind::Channel, Kind::Pattern, Kind::Shard].map(listens);
    let Figures { fd, flags, qbuf, qbuf_free, rbs, obl, oll, omem, tot_mem, events, user, resp } = figures;
    let mut line = String::with_capacity(400);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let _ =
        write!(line, "id={} addr={} laddr={} fd={fd} name={}", session.id, session.addr, session.laddr, text(&session.name));
    let _ = write!(line, " age={} idle={} flags={flags}", seconds(session.created), seconds(session.last_active));
    let _ = write!(line, " db={} sub={sub} psub={psub} ssub={ssub} multi={multi}", session.db.0);
    let _ = write!(line, " qbuf={qbuf} qbuf-free={qbuf_free} argv-mem=0 multi-mem={multi_mem} rbs={rbs} rbp={rbs}");
    let _ = write!(line, " obl={obl} oll={oll} omem={omem} tot-mem={tot_mem} events={events} cmd={}", session.last_command);
    let redir = session.redirection();
    let _ = write!(line, " user={user} redir={redir} resp={resp} watch={watch}");
    let _ = writeln!(line, " lib-name={} lib-ver={}", text(&session.lib_name), text(&session.lib_ver));
    line
}
