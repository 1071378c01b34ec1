//! A core: a thread with its ring, its connections and its shard, and the turn it takes again and again.
//!
//! One turn: look at every completion and run what they bring; look at the inbox; do what is due by time, and a slice of what
//! has no deadline; put everything that is to be sent under way; enter the kernel, once.

mod accept;
mod client_memory;
mod cron;
mod flow;
mod limits;
mod message;
mod pause;
mod posts;
mod readers;
mod relief;
mod requests;
mod restricted;
mod secure;
mod transactions;
mod waits;

pub use accept::{Endpoint, Listeners, listen_unix};
pub use message::{Message, StageGuard, Staged, StagedItem};

use crate::acl::Users;
use crate::connection::{Connection, InFlight, Token};
use crate::dispatch::executor::Executor;
use crate::dispatch::lend::Lending;
use crate::dispatch::shard_set::ShardSet;
use crate::effects::Batch;
use crate::info::CoreFacts;
use crate::pubsub::Directory;
use crate::reactor::buffers::BufferRing;
use crate::reactor::coalesce::Coalesce;
use crate::reactor::inbox::{Inbox, Sender};
use crate::reactor::ring::{Completion, Op, Ring, Tag};
use crate::replication::Replication;
use crate::shard::watch::Key;
use crate::shared::{Shared, now_ms};
use slab::Slab;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Messages looked at in one turn before the network gets its turn again.
const INBOX_BUDGET: usize = 1024;
/// How often what is due by time is looked at.
const CRON_PERIOD: Duration = Duration::from_millis(100);

/// One core.
pub struct Core {
    pub(crate) ring: Ring,
    pub(crate) buffers: BufferRing,
    pub(crate) conns: Slab<Connection>,
    /// The generation the next connection gets.
    pub(crate) generation: u32,
    pub(crate) dirty: Vec<Token>,
    /// Connections whose receive ended for want of buffers.
    pub(crate) starved: Vec<Token>,
    /// Connections with requests that are left for the next turn.
    pub(crate) unfinished: Vec<Token>,
    pub(crate) listeners: Listeners,
    pub(crate) coalesce: Coalesce,
    inbox: Inbox<Message>,
    /// Every core's inbox, this one's included.
    pub peers: Vec<Sender<Message>>,
    /// What runs commands.
    pub exec: Executor,
    pub(crate) lending: Lending,
    /// What all threads share.
    pub shared: Arc<Shared>,
    /// The log and everybody who reads it; on core 0.
    pub replication: Option<Box<Replication>>,
    /// The way to the service thread.
    pub service: crate::service::ServiceSender,
    /// Its interpreters.
    pub(crate) scripting: crate::scripting::Scripting,
    /// The client whose script takes too long, and whether it is to be closed after that.
    held_open: Option<(Token, bool)>,
    pub(crate) slowlog: crate::server::slowlog::SlowLog,
    /// While a transaction is executed that may ask for it: what the other cores say of themselves.
    pub(crate) facts_for_exec: Vec<CoreFacts>,
    /// The users, as this core knows them.
    pub(crate) users: Arc<Users>,
    /// Clients of this core that watch all commands.
    pub(crate) monitors: Vec<Token>,
    /// Who of its clients listens to what.
    pub(crate) directory: Directory,
    /// Messages on their way to other cores.
    posts: posts::Outgoing,
    /// Those of its clients that track keys.
    pub(crate) trackers: Vec<Token>,
    /// When the waits of its clients are over.
    deadlines: waits::Deadlines,
    /// What waits until other cores have made room.
    relief: relief::Relief,
    /// On the log's core: the append-only file.
    pub(crate) append_only: crate::persistence::AppendOnly,
    /// On the log's core: what is being applied of it.
    pub(crate) replay: Option<Box<crate::persistence::Replay>>,
    /// Clients whose replies wait for the disk.
    pub(crate) held: Vec<Token>,
    /// When keys whose time is over are looked for next.
    pub(crate) next_expiry_ms: u64,
    /// When flushed tables were last worked at.
    pub(crate) last_drop: Instant,
    /// When the primary was last told how far we are.
    pub(crate) last_ack_ms: u64,
    /// The snapshot this core is walking.
    pub(crate) walk: Option<crate::snapshot::Walk>,
    /// On the log's core: the snapshot that all cores are walking.
    pub(crate) taking: Option<Arc<crate::snapshot::Flow>>,
    /// On the log's core: a shutdown under way.
    pub(crate) shutdown: Option<Box<crate::server::shutdown::Shutdown>>,
    /// On the log's core: how many shutdowns were begun.
    pub(crate) shutdowns: u64,
    /// Keys whose first waiter writes, and is served when a pause is over.
    pub(crate) paused_keys: Vec<(Key, ShardSet)>,
    /// What is to be written of its own accord when a pause is over.
    pub(crate) paused_work: Vec<crate::dispatch::lend::Work>,
    pub(crate) paused: Vec<(Token, crate::connection::OwnedRequest)>,
    /// The most memory in use since some was given back to the kernel, and what was in use a moment ago, in bytes.
    pub(crate) memory_high: u64,
    pub(crate) memory_before: u64,
    /// What it knows of TLS.
    secure: secure::Secure,
    seen_config: u64,
    next_cron: Instant,
    /// Set when this core has nothing more to do.
    pub(crate) stopped: bool,
}

/// What a core starts with.
pub struct CoreParts {
    /// Messages to it.
    pub inbox: Inbox<Message>,
    /// The inboxes of all cores.
    pub peers: Vec<Sender<Message>>,
    /// What runs its commands.
    pub exec: Executor,
    /// What all threads share.
    pub shared: Arc<Shared>,
    /// Its listening sockets.
    pub listeners: Listeners,
    /// On core 0, the log.
    pub replication: Option<Box<Replication>>,
    /// The way to the service thread.
    pub service: crate::service::ServiceSender,
}

impl Core {
    /// Sets a core up on the thread that will run it.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn new(mut ring: Ring, mut parts: CoreParts) -> std::io::Result<Self> {
        parts.exec.snapshot = Arc::clone(&parts.shared.snapshot);
        parts.exec.pressure = Arc::clone(&parts.shared.pressure);
        for shard in parts.exec.shards.iter_mut().flatten() {
            shard.watch.set_totals(&parts.shared.tracking);
        }
        parts.exec.scripts = Arc::clone(&parts.shared.scripts);
        parts.exec.slow_numbers = Arc::clone(&parts.shared.next_slow_id);
        parts.exec.aof = Arc::clone(&parts.shared.aof);
        let buffers = BufferRing::new(&mut ring)?;
        let posts = posts::Outgoing::new(parts.peers.len());
        Ok(Core {
            ring,
            buffers,
            conns: Slab::new(),
            generation: 1,
            dirty: Vec::new(),
            starved: Vec::new(),
            unfinished: Vec::new(),
            listeners: parts.listeners,
            coalesce: Coalesce::default(),
            inbox: parts.inbox,
            peers: parts.peers,
            exec: parts.exec,
            lending: Lending::default(),
            users: parts.shared.users(),
            shared: parts.shared,
            replication: parts.replication,
            service: parts.service,
            scripting: crate::scripting::Scripting::default(),
            held_open: None,
            slowlog: crate::server::slowlog::SlowLog::default(),
            facts_for_exec: Vec::new(),
            monitors: Vec::new(),
            directory: Directory::default(),
            posts,
            trackers: Vec::new(),
            deadlines: waits::Deadlines::default(),
            relief: relief::Relief::default(),
            append_only: crate::persistence::AppendOnly::default(),
            replay: None,
            held: Vec::new(),
            next_expiry_ms: 0,
            last_drop: Instant::now(),
            last_ack_ms: 0,
            walk: None,
            taking: None,
            shutdown: None,
            shutdowns: 0,
            paused_keys: Vec::new(),
            paused_work: Vec::new(),
            paused: Vec::new(),
            memory_high: 0,
            memory_before: 0,
            secure: secure::Secure::default(),
            seen_config: 0,
            next_cron: Instant::now(),
            stopped: false,
        })
    }

    /// Takes turns until the node stops.
    pub fn run(mut self) {
        let wake = Tag { op: Op::Wake, generation: 0, index: 0 };
        self.ring.poll_readable(self.inbox.event(), wake);
        self.arm_listeners();
        let spin = Duration::from_micros(self.spin_us());
        while !self.stopped {
            self.look_at_shared();
            let busy = self.turn();
            if self.stopped {
                break;
            }
            if busy {
                self.ring.enter(0, None);
            } else if spin.is_zero() || !self.spin(spin) {
                self.sleep();
            }
        }
        self.tear_down();
    }

    /// One turn up to entering the kernel; true if there is more to do at once.
    fn turn(&mut self) -> bool {
        self.exec.now = now_ms();
        self.coalesce.begin_turn(self.exec.now);
        // Before the completions, which have been there since the kernel was last entered: what other cores had sent when a
        // client sent its request, such as what it is to be told first, is seen before the request is.
        let mut busy = self.drain_inbox();
        while let Some(completion) = self.ring.next_completion() {
            self.on_completion(completion);
        }
        if self.exec.effects.is_abandoned() {
            // Nobody hears of what is in no log.
            self.stopped = true;
            return false;
        }
        self.run_unfinished();
        if Instant::now() >= self.next_cron {
            self.next_cron = Instant::now() + CRON_PERIOD;
            self.cron();
        }
        busy |= self.slice_of_snapshot();
        busy |= self.slice_of_expiry();
        busy |= self.slice_of_dropping();
        busy |= self.slice_of_eviction();
        self.end_overdue_waits();
        self.exec.serve_if_ready();
        busy |= self.tell_served();
        self.tell_those_who_track();
        self.post_events();
        self.flush_outbox();
        self.flush_effects();
        self.flush_streams();
        self.flush_run();
        if !self.relief.is_under_way() {
            self.flush_dirty();
        }
        self.rearm_starved();
        self.buffers.publish();
        busy || !self.unfinished.is_empty()
    }

    fn drain_inbox(&mut self) -> bool {
        for _ in 0..INBOX_BUDGET {
            let Some(message) = self.inbox.pop() else { return false };
            self.on_message(message);
        }
        true
    }

    fn sleep(&mut self) {
        if !self.inbox.going_to_sleep() {
            self.ring.enter(0, None);
            return;
        }
        let timeout = self.next_cron.saturating_duration_since(Instant::now());
        let timeout = self.until_next_deadline().map_or(timeout, |deadline| timeout.min(deadline));
        let rest = self.walk_rests_until().map(|until| until.saturating_duration_since(Instant::now()));
        let timeout = rest.map_or(timeout, |rest| timeout.min(rest));
        let (want, insist_us) = self.patience();
        self.ring.wait(want, insist_us, timeout.max(Duration::from_micros(100)));
        self.inbox.awake();
    }

    /// How many completions to sleep for, and how many microseconds to insist on them.
    fn patience(&self) -> (u32, u32) {
        let insist_us = self.exec.config.coalesce_us as u32;
        // What another core is to send has clients waiting for it.
        if insist_us == 0 || self.exec.outbox.is_under_way() || !self.lending.is_idle() {
            return (1, 0);
        }
        (self.coalesce.want(), insist_us)
    }

    /// Polls for completions and messages without a system call; true if some came.
    fn spin(&mut self, budget: Duration) -> bool {
        self.ring.enter(0, None);
        let until = Instant::now() + budget;
        while Instant::now() < until {
            if self.ring.has_work() || !self.inbox.is_empty() {
                return true;
            }
            std::hint::spin_loop();
        }
        false
    }

    /// Busy polling only where every core has a processor of its own.
    fn spin_us(&self) -> u64 {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        if self.shared.cores < processors { self.exec.config.spin_us } else { 0 }
    }

    /// Follows changes of the configuration and of the conditions in force.
    pub(crate) fn look_at_shared(&mut self) {
        self.exec.gates = self.shared.gates();
        let generation = self.shared.config_generation.load(Ordering::Acquire);
        if generation != self.seen_config {
            self.seen_config = generation;
            self.exec.config = self.shared.config();
            self.secure.setup = self.shared.tls();
            self.on_config_changed();
        }
    }

    fn on_completion(&mut self, completion: Completion) {
        match completion.tag.op {
            Op::Accept => self.on_accept(completion),
            Op::Recv => self.on_recv(completion),
            Op::Send => self.on_send(completion),
            Op::Wake if !completion.more => self.ring.poll_readable(self.inbox.event(), completion.tag),
            Op::Wake | Op::Cancel => {}
        }
    }

    fn on_message(&mut self, message: Message) {
        match message {
            Message::Batch(batch) => self.on_batch(batch),
            Message::BatchDone(batch) => self.on_batch_done(batch),
            Message::LendRequest { from } => self.on_lend_request(from),
            Message::LendGranted(shard) => self.on_lend_granted(shard),
            Message::ShardReturned(shard) => self.on_shard_returned(shard),
            Message::Effects(batch) => self.log_append(batch, false),
            Message::Replica(handoff) => self.on_replica(*handoff),
            Message::Stage(entries, guard) => self.on_stage(entries, guard),
            Message::Posts(posts) => self.on_posts(posts),
            Message::Receipts(posts) => self.on_receipts(&posts),
            Message::Told(told) => self.on_told(&told),
            Message::Run(work) => work(self),
        }
    }

    /// Sends a message to a core.
    pub fn send(&self, to: usize, message: Message) {
        self.peers[to].send(message);
    }

    /// Does something rare on the log's core.
    pub fn on_log_core(&mut self, work: impl FnOnce(&mut Core) + Send + 'static) {
        if self.exec.id == 0 {
            // Effects of this core come first, as they would from any other.
            self.flush_effects();
            work(self);
        } else {
            self.flush_effects();
            self.send(0, Message::Run(Box::new(work)));
        }
    }

    /// Does something rare on every core, this one included.
    pub fn on_every_core(&mut self, work: impl Fn(&mut Core) + Clone + Send + 'static) {
        for core in 0..self.peers.len() {
            let work = work.clone();
            if core == self.exec.id {
                work(self);
            } else {
                self.send(core, Message::Run(Box::new(move |core| work(core))));
            }
        }
    }

    /// Sends off the requests for other cores.
    pub fn flush_outbox(&mut self) {
        let from = self.exec.id;
        for (peer, mut batch) in self.exec.outbox.drain() {
            batch.from = from;
            self.peers[peer].send(Message::Batch(batch));
        }
        self.flush_posts();
    }

    /// Hands the effects of this core to the log.
    pub fn flush_effects(&mut self) {
        if let Some(batch) = self.exec.effects.take() {
            self.shared.aof.note_pushed(self.replication.is_some());
            if self.replication.is_some() {
                self.log_append(batch, true);
            } else {
                self.peers[0].send(Message::Effects(batch));
            }
        }
    }

    fn log_append(&mut self, batch: Batch, own: bool) {
        if let Some(replication) = &mut self.replication {
            let taken_in = &mut replication.taken_in;
            *(if own { &mut taken_in.own } else { &mut taken_in.queued }) += 1;
            replication.log.append(batch);
        }
    }

    /// The connection, if it is still the one that is meant.
    #[inline]
    pub fn conn(&mut self, token: Token) -> Option<&mut Connection> {
        let conn = self.conns.get_mut(token.index as usize)?;
        (conn.generation == token.generation).then_some(conn)
    }

    /// Puts a connection on the list of those that have something to send.
    pub fn mark_dirty(&mut self, token: Token) {
        if let Some(conn) = self.conn(token)
            && !conn.dirty
        {
            conn.dirty = true;
            self.dirty.push(token);
        }
    }

    /// Cancels everything, and waits until the kernel has let go of it.
    fn tear_down(&mut self) {
        if !self.exec.effects.is_abandoned() {
            self.flush_run();
            self.flush_dirty();
        }
        self.ring.enter(0, None);
        let deadline = Instant::now() + Duration::from_secs(2);
        // Replies that are under way get a moment; then everything is cancelled.
        let patience = Instant::now() + Duration::from_millis(100);
        let mut cancelled = false;
        loop {
            while let Some(completion) = self.ring.next_completion() {
                self.note_completion(&completion);
            }
            let sending = self.conns.iter().any(|(_, conn)| conn.output.is_sending());
            if !cancelled && (!sending || Instant::now() > patience) {
                cancelled = true;
                self.ring.cancel_all();
            }
            let in_use = self.conns.iter().any(|(_, conn)| conn.in_use_by_kernel()) || self.listeners.any_armed();
            if (cancelled && !in_use) || Instant::now() > deadline {
                break;
            }
            self.ring.enter(1, Some(Duration::from_millis(10)));
        }
    }

    fn note_completion(&mut self, completion: &Completion) {
        let index = completion.tag.index as usize;
        match completion.tag.op {
            Op::Accept if !completion.more => self.listeners.note_ended(index),
            Op::Recv if !completion.more => {
                if let Some(conn) = self.conns.get_mut(index) {
                    conn.recv_armed = false;
                }
            }
            Op::Send => {
                if let Some(conn) = self.conns.get_mut(index) {
                    conn.output.in_flight = InFlight::Nothing;
                }
            }
            Op::Accept | Op::Recv | Op::Wake | Op::Cancel => {}
        }
    }
}
