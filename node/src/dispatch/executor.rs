//! What runs commands on one core: the shards that are here, and everything an execution is handed.

use super::ahead::Ahead;
use super::gates::{OOM, Verdict};
use super::hop::Outbox;
use super::pressure::Pressure;
use super::registry::{Command, Registry, Run, registry};
use super::route::Route;
use super::serve::Served;
use super::shard_set::ShardSet;
use super::tally::Tally;
use crate::commands::{Ctx, Handler, Origin};
use crate::config::Config;
use crate::connection::{Connection, OwnedRequest, ReplyMode, Token};
use crate::effects::EffectBuffer;
use crate::scripting::store::Store;
use crate::server::slowlog::Long;
use crate::shard::Shard;
use crate::shard::keyspace::Keyspace;
use crate::shard::watch::Key;
use crate::shared::{Asked, Gate, Gates, now_ms};
use crate::tracking::{Invalidation, Tracker};
use crate::waiting::Waits;
use koltso_proto::id::{DbIndex, UnixMs};
use koltso_proto::resp::{Args, Limits, ProtocolError, Reply, Step};
use rand::SeedableRng;
use rand::rngs::SmallRng;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Replies that wait for a client to read them, in bytes, before its next request is looked at. A client that sends all it has
/// before it reads anything is not stopped by this alone: what it sends meanwhile is kept.
pub const OUTPUT_LEN_PAUSE: usize = 64 << 20;

/// As [`OUTPUT_LEN_PAUSE`], for a client that has yet to say who it is.
const OUTPUT_LEN_PAUSE_UNAUTHENTICATED: usize = 64 << 10;
/// Replies of other cores that one client may wait for, before its next request is looked at. Bounds what a pipeline can ask
/// for before any of it is sent.
pub const AWAITED_MAX: usize = 128;

/// Why [`Executor::run`] stopped.
pub enum Stop {
    /// All whole requests are done.
    NeedMore,
    /// This one is for the core: a command about the connection or the server, one that needs shards of others, or one of a
    /// connection in a special state.
    Core(OwnedRequest),
    /// What it did is to be told to those who have cached it, before the next one.
    Tell,
    /// This core's shard is away, and the next request needs it.
    ShardAway,
    /// So many requests of this client are on other cores that the next one has to wait for their replies.
    AheadOfPeers,
    /// The client has so many replies waiting that it must read some first.
    OutputFull,
    /// The input is not RESP.
    Protocol(ProtocolError),
}

impl Stop {
    /// Whether the request at which it stopped was taken; otherwise it stays where it is, and is read again later.
    fn has_consumed(&self) -> bool {
        !matches!(self, Stop::ShardAway | Stop::AheadOfPeers | Stop::OutputFull)
    }
}

/// The executor of one core.
pub struct Executor {
    /// This core's number, which is its shard's.
    pub id: usize,
    /// The shards that are here; its own is missing while it is lent.
    pub shards: Vec<Option<Box<Shard>>>,
    /// Effects of what was executed here.
    pub effects: EffectBuffer,
    /// Requests on their way to other cores.
    pub outbox: Outbox,
    /// The configuration in force.
    pub config: Arc<Config>,
    /// Conditions in force.
    pub gates: Gates,
    /// The time of this turn.
    pub now: UnixMs,
    /// The commands.
    pub registry: &'static Registry,
    /// Whether even commands that take a fixed short time are timed, because the slow log asks for them.
    pub time_all: bool,
    /// What snapshots hold.
    pub snapshot: Arc<crate::snapshot::Gauges>,
    /// What was counted last of the strings that left on this core and that a snapshot still has, in bytes.
    pub leftovers_counted: u64,
    /// What cores know of each other about memory.
    pub pressure: Arc<Pressure>,
    /// Scripts and libraries.
    pub scripts: Arc<Store>,
    /// The append-only file.
    pub aof: Arc<crate::persistence::Status>,
    /// Whether there is more to evict than was possible at once.
    pub evicting: bool,
    /// Whether a write may have taken memory here since it was last looked at whether there is room.
    pub has_taken: bool,
    /// Whether memory was above its limit a while ago.
    pub was_short: bool,
    /// Shards whose cores are to be asked to evict.
    pub relief: ShardSet,
    /// Randomness.
    pub rng: SmallRng,
    /// Replies that wait for a client, in bytes, before its next request is looked at: the least that limits of output allow.
    pub output_len_pause: usize,
    /// Whether there is a limit to what may wait for a client.
    pub limits_output: bool,
    /// What is counted of commands and errors.
    pub tally: Tally,
    ahead: Ahead,
    /// Commands that took long, for the core to log: how long, the command, who sent it.
    pub slow: Vec<(Long, OwnedRequest, Token)>,
    /// The number of the next entry of the slow log, on whatever core.
    pub slow_numbers: Arc<AtomicU64>,
    /// Clients whose wait has come to an end here.
    pub served: Vec<Served>,
    /// Keys whose first waiter needs shards that are not here.
    pub unserved: Vec<(Key, ShardSet)>,
    /// Who asks for what is being executed, if it tracks keys.
    pub tracker: Option<Arc<Tracker>>,
    /// What those are to be told who have read it.
    pub invalidations: Vec<Invalidation>,
    /// What those are to be told who want to know of all keys with some prefix.
    pub broadcasts: Vec<Invalidation>,
}

impl Executor {
    /// The executor of core `id` with its own shard.
    pub fn new(id: usize, cores: usize, shard: Box<Shard>, config: Arc<Config>) -> Self {
        let mut shards: Vec<_> = (0..cores).map(|_| None).collect();
        shards[id] = Some(shard);
        Executor {
            id,
            shards,
            effects: EffectBuffer::default(),
            outbox: Outbox::new(cores),
            config,
            gates: Gates::default(),
            now: now_ms(),
            registry: registry(),
            time_all: false,
            snapshot: Arc::default(),
            leftovers_counted: 0,
            pressure: Arc::new(Pressure::new(cores)),
            scripts: Arc::new(Store::new(cores)),
            aof: Arc::default(),
            evicting: false,
            has_taken: false,
            was_short: false,
            relief: ShardSet::default(),
            rng: SmallRng::from_rng(&mut rand::rng()),
            output_len_pause: OUTPUT_LEN_PAUSE,
            limits_output: false,
            tally: Tally::default(),
            ahead: Ahead::default(),
            slow: Vec::new(),
            slow_numbers: Arc::default(),
            served: Vec::new(),
            unserved: Vec::new(),
            tracker: None,
            invalidations: Vec::new(),
            broadcasts: Vec::new(),
        }
    }

    /// Runs the requests at the front of `input` for a connection whose commands need no special treatment, as far as that is
    /// possible here. Returns the bytes consumed.
    pub fn run(&mut self, conn: &mut Connection, token: Token, input: &[u8]) -> (usize, Stop) {
        let limits = if conn.session.authenticated {
            Limits::authenticated(self.config.proto_max_bulk_len)
        } else {
            Limits::UNAUTHENTICATED
        };
        let output_len_pause =
            if conn.session.authenticated { self.output_len_pause } else { OUTPUT_LEN_PAUSE_UNAUTHENTICATED };
        // The two readers step aside while commands use the rest of the connection and of the executor.
        let mut parser = std::mem::take(&mut conn.parser);
        let mut ahead = std::mem::take(&mut self.ahead);
        let mut at = 0;
        let stop = 'run: loop {
            ahead.clear();
            // A request that has come in part is the parser's.
            if parser.is_fresh() {
                ahead.read(&input[at..], &limits, self.registry);
                self.fetch_ahead(conn.session.db, &ahead, &input[at..]);
            }
            for nth in 0..ahead.count() {
                let request = ahead.get(nth);
                // Before a request, so that replies count that were not written by this loop.
                let stop = match conn.replies_len() >= output_len_pause {
                    true => Some(Stop::OutputFull),
                    false => self.one(conn, token, request.command, ahead.args(request, &input[at..])),
                };
                match stop {
                    None => at += request.len,
                    Some(stop) => {
                        if stop.has_consumed() {
                            at += request.len;
                        }
                        ahead.broke_off();
                        break 'run stop;
                    }
                }
            }
            if at == input.len() {
                break Stop::NeedMore;
            }
            // Whatever is not of the usual shape: incomplete, inline, long.
            if conn.replies_len() >= output_len_pause {
                break Stop::OutputFull;
            }
            match parser.advance(&input[at..], &limits) {
                Ok(Step::Complete(len)) => {
                    let args = parser.args(&input[at..]);
                    let stop = match args.len() {
                        0 => None,
                        _ => self.one(conn, token, self.registry.find(args.get(0)), args),
                    };
                    parser.reset();
                    if stop.as_ref().is_none_or(Stop::has_consumed) {
                        at += len;
                    }
                    if let Some(stop) = stop {
                        break stop;
                    }
                }
                Ok(Step::Incomplete(_)) => break Stop::NeedMore,
                Err(error) => break Stop::Protocol(error),
            }
        };
        conn.parser = parser;
        self.ahead = ahead;
        (at, stop)
    }

    /// Has the memory brought near that requests will touch which were read ahead: they begin at the front of `input`.
    #[inline]
    fn fetch_ahead(&self, db: DbIndex, ahead: &Ahead, input: &[u8]) {
        if ahead.count() < 2 {
            return;
        }
        let Some(table) = self.shards[self.id].as_deref().map(|shard| &shard.dbs[db.0 as usize]) else { return };
        if !table.outgrows_caches() {
            return;
        }
        let mut at = 0;
        for nth in 0..ahead.count() {
            let request = ahead.get(nth);
            if let Some(command) = request.command.filter(|command| command.only_key != 0) {
                let args = ahead.args(request, &input[at..]);
                let key = usize::from(command.only_key);
                if key < args.len() {
                    table.fetch(args.get(key));
                }
            }
            at += request.len;
        }
    }

    #[inline]
    fn one(&mut self, conn: &mut Connection, token: Token, command: Option<&'static Command>, args: Args<'_>) -> Option<Stop> {
        let Some(command) = command else {
            return Some(Stop::Core(OwnedRequest::new(args)));
        };
        let Run::Keys(handler) = command.run else {
            return Some(Stop::Core(OwnedRequest::new(args)));
        };
        if !command.is_direct || !command.spec.check_arity(args.len()) {
            return Some(Stop::Core(OwnedRequest::new(args)));
        }
        let is_plain = conn.session.is_plain();
        if !is_plain && !conn.session.may_run_at_once(command.spec, args) {
            return Some(Stop::Core(OwnedRequest::new(args)));
        }
        if !self.gates.is_empty() {
            match self.judge(Asked::of(command, command.spec.flags)) {
                Verdict::Go => {}
                Verdict::Core => return Some(Stop::Core(OwnedRequest::new(args))),
                Verdict::Refuse(error) => {
                    self.refuse(conn, command, &error);
                    return done(conn);
                }
            }
        }
        match self.route(command, args) {
            Route::Local if self.shards[self.id].is_none() => return Some(Stop::ShardAway),
            Route::Local => {
                if self.lacks_room(command) {
                    self.refuse(conn, command, OOM);
                    return done(conn);
                }
                let index = command.spec.index();
                let mark = conn.output.reply.buf.len();
                let who = Who { db: conn.session.db, no_touch: conn.session.no_touch, origin: Origin::Client };
                if !is_plain {
                    self.tracker = conn.session.begin_request();
                }
                let reply = &mut conn.output.reply;
                let took_us = self.counted(index, command.timed, |exec| exec.execute(handler, who, reply, args));
                self.note_if_slow(took_us, token, args);
                self.tally.note_reply(index, &conn.output.reply.buf[mark..]);
                conn.settle_reply(mark);
            }
            Route::Peer(_) if conn.awaited.len() >= AWAITED_MAX => return Some(Stop::AheadOfPeers),
            Route::Peer(peer) => {
                let seq = conn.await_reply();
                if !is_plain {
                    let tracker = conn.session.begin_request();
                    self.outbox.next_is_of(peer, tracker, conn.session.remembers());
                }
                let session = &conn.session;
                let from = super::hop::Asker {
                    token,
                    seq,
                    db: session.db,
                    resp3: conn.output.reply.resp3,
                    no_touch: session.no_touch,
                    muted: conn.is_next_muted(),
                    origin: Origin::Client,
                };
                self.outbox.push(peer, from, command.spec.index() as u16, args);
            }
            Route::Lend(_) => return Some(Stop::Core(OwnedRequest::new(args))),
        }
        if command.write {
            conn.session.wrote = true;
        }
        conn.session.last_command = command.spec.name;
        if !is_plain {
            return self.after_special(conn, command, args);
        }
        done(conn)
    }

    /// A client that is not like all others was served.
    #[cold]
    fn after_special(&mut self, conn: &mut Connection, command: &Command, args: Args<'_>) -> Option<Stop> {
        let done = done(conn);
        let remembers = conn.session.remembers();
        let Some(tracking) = conn.session.tracking_mut() else { return done };
        tracking.end_request();
        let Some(tracker) = self.tracker.take() else { return done };
        if remembers {
            self.remember(command.spec, args, &tracker);
        }
        (!self.invalidations.is_empty()).then_some(Stop::Tell)
    }

    /// Does `work`, which is counted as a call of the command with this index; says how long it took, in microseconds, if that
    /// was taken. `timed`: whether it is taken of every call.
    #[inline(always)]
    pub fn counted(&mut self, index: usize, timed: bool, work: impl FnOnce(&mut Self)) -> Option<u64> {
        let weight = self.tally.note_call(index, timed || self.time_all);
        // One place that does it, so that it is compiled into its surroundings.
        let start = (weight > 0).then(Instant::now);
        work(self);
        start.map(|start| self.took(index, start.elapsed(), weight))
    }

    #[cold]
    fn took(&mut self, index: usize, took: Duration, weight: u32) -> u64 {
        self.tally.note_time(index, took, weight);
        took.as_micros() as u64
    }

    /// Remembers a command for the slow log if it took longer than `slowlog-log-slower-than`, and for the latency monitor if it
    /// took longer than `latency-monitor-threshold`.
    #[inline(always)]
    pub fn note_if_slow(&mut self, took_us: Option<u64>, token: Token, args: Args<'_>) {
        if let Some(took_us) = took_us {
            self.judge_time(took_us, token, args);
        }
    }

    #[cold]
    fn judge_time(&mut self, took_us: u64, token: Token, args: Args<'_>) {
        if let Some(long) = self.judge_long(took_us) {
            self.slow.push((long, OwnedRequest::new(args), token));
        }
    }

    /// Something has just been executed in this time: `Some` if that is one for the slow log or the latency monitor.
    pub fn judge_long(&self, took_us: u64) -> Option<Long> {
        let (slow_us, spike_ms) = (self.config.slowlog_log_slower_than, self.config.latency_monitor_threshold);
        let is_slow = slow_us >= 0 && took_us >= slow_us as u64;
        let number = is_slow.then(|| self.slow_numbers.fetch_add(1, Ordering::Relaxed));
        (is_slow || (spike_ms > 0 && took_us / 1000 >= spike_ms)).then_some(Long { took_us, number })
    }

    /// Runs one command over this core's own shard, as one unit of effects.
    #[inline(always)]
    pub fn execute(&mut self, handler: Handler, who: Who, reply: &mut Reply, args: Args<'_>) {
        self.effects.begin_unit();
        let id = self.id;
        self.context(Some(id), who, reply).run(handler, args);
        self.effects.end_unit();
        if self.shards[id].as_deref().is_some_and(|shard| shard.watch.has_news()) {
            self.see_to_news();
        }
    }

    /// The surroundings for executions over one shard, or over all that are here.
    #[inline(always)]
    pub fn context<'a>(&'a mut self, only: Option<usize>, who: Who, reply: &'a mut Reply) -> Ctx<'a> {
        let keys = match only {
            Some(shard) => Keyspace::one(&mut self.shards, shard),
            None => Keyspace::all(&mut self.shards),
        };
        Ctx {
            keys,
            db: who.db,
            now: self.now,
            reply,
            effects: &mut self.effects,
            origin: who.origin,
            config: &self.config,
            rng: &mut self.rng,
            no_touch: who.no_touch,
            frozen: self.gates.has(Gate::PausedWrites),
            waits: Waits::Never,
            scripted: false,
            dirty: 0,
            propagated: false,
        }
    }

    /// Refuses a command: writes an error reply in its place.
    #[cold]
    fn refuse(&mut self, conn: &mut Connection, command: &Command, error: &str) {
        let mark = conn.output.reply.buf.len();
        conn.output.reply.error(error);
        conn.settle_reply(mark);
        self.tally.note_error(error.as_bytes());
        self.tally.note_rejected(command.spec.index());
    }
}

/// A request was answered, or will be: `CLIENT REPLY SKIP` is for one.
#[inline]
fn done(conn: &mut Connection) -> Option<Stop> {
    if conn.session.reply_mode != ReplyMode::On {
        conn.session.reply_mode = conn.session.reply_mode.next();
    }
    None
}

/// Who an execution is for.
#[derive(Clone, Copy, Debug)]
pub struct Who {
    /// The selected database.
    pub db: DbIndex,
    /// Whether access times are left alone.
    pub no_touch: bool,
    /// A client, or our primary.
    pub origin: Origin,
}
