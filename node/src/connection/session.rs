//! Who a client is, and what it has set for itself.

use crate::acl::{User, Users};
use crate::pubsub::{Kind, Subscriptions};
use crate::replication::stream::ReplicaInfo;
use crate::shard::watch::WatchFlag;
use crate::shared::Asked;
use crate::tracking::{Tracker, Tracking};
use koltso_proto::command::CommandSpec;
use koltso_proto::id::{DbIndex, UnixMs};
use koltso_proto::resp::Args;
use std::sync::Arc;

/// `CLIENT REPLY`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyMode {
    /// Replies are sent.
    On,
    /// None are.
    Off,
    /// The reply to the next command is not; then they are again.
    SkipNext,
    /// The reply to this command is not.
    Skip,
    /// None are, and it is no client any more: it receives the stream.
    Stream,
}

impl ReplyMode {
    /// Whether the reply to the command that is being run is left out.
    pub fn mutes(self) -> bool {
        matches!(self, ReplyMode::Off | ReplyMode::Skip | ReplyMode::Stream)
    }

    /// The mode in which the next command is run.
    #[must_use]
    pub fn next(self) -> Self {
        match self {
            ReplyMode::Skip => ReplyMode::On,
            ReplyMode::SkipNext => ReplyMode::Skip,
            other => other,
        }
    }
}

/// A command kept for later: its bytes, and where its arguments lie in them.
#[derive(Clone, Debug)]
pub struct OwnedRequest {
    bytes: Vec<u8>,
    spans: Vec<koltso_proto::resp::Span>,
    /// Whether it bears the command's name in the table, whatever clients have to call it.
    pub is_translated: bool,
}

impl OwnedRequest {
    /// Copies a request out of its buffer.
    pub fn new(args: koltso_proto::resp::Args<'_>) -> Self {
        let len = args.from(0).map(<[u8]>::len).sum();
        let mut request =
            OwnedRequest { bytes: Vec::with_capacity(len), spans: Vec::with_capacity(args.len()), is_translated: false };
        for arg in args.from(0) {
            request.spans.push(koltso_proto::resp::Span::new(request.bytes.len(), arg.len()));
            request.bytes.extend_from_slice(arg);
        }
        request
    }

    /// A request of these words.
    pub fn from_words(words: &[&[u8]]) -> Self {
        let mut request = OwnedRequest { bytes: Vec::new(), spans: Vec::with_capacity(words.len()), is_translated: false };
        for word in words {
            request.spans.push(koltso_proto::resp::Span::new(request.bytes.len(), word.len()));
            request.bytes.extend_from_slice(word);
        }
        request
    }

    /// The same request under the command's name in the table, which is what replicas know.
    pub fn translated(&self, name: &str) -> Self {
        let mut request = OwnedRequest { bytes: name.into(), spans: Vec::new(), is_translated: true };
        request.spans.push(koltso_proto::resp::Span::new(0, name.len()));
        for arg in self.args().from(1) {
            request.spans.push(koltso_proto::resp::Span::new(request.bytes.len(), arg.len()));
            request.bytes.extend_from_slice(arg);
        }
        request
    }

    /// The arguments.
    pub fn args(&self) -> koltso_proto::resp::Args<'_> {
        koltso_proto::resp::Args::new(&self.bytes, &self.spans)
    }

    /// Its size in bytes.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether it holds no bytes.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

/// An open `MULTI`.
#[derive(Debug)]
pub struct Transaction {
    /// The commands so far, each with the index of its specification.
    pub commands: Vec<(u16, OwnedRequest)>,
    /// Whether one of them could not be queued, so that `EXEC` will refuse.
    pub aborted: bool,
    /// What they ask for together.
    pub asked: Asked,
    /// The bytes of all of them.
    pub len: usize,
}

impl Default for Transaction {
    fn default() -> Self {
        Transaction { commands: Vec::new(), aborted: false, asked: Asked::NOTHING, len: 0 }
    }
}

/// A key under `WATCH`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchedKey {
    /// Its database.
    pub db: DbIndex,
    /// Its name.
    pub key: Vec<u8>,
    /// Whether there was something at it that had not expired.
    pub live: bool,
}

/// A client's settings and history.
#[derive(Debug)]
pub struct Session {
    /// `CLIENT ID`.
    pub id: u64,
    /// The peer's address.
    pub addr: String,
    /// The address it connected to.
    pub laddr: String,
    /// Whether it came by a Unix socket.
    pub by_unix: bool,
    /// When it connected.
    pub created: UnixMs,
    /// When it last sent a command.
    pub last_active: UnixMs,
    /// The selected database.
    pub db: DbIndex,
    /// `CLIENT SETNAME`.
    pub name: Vec<u8>,
    /// `CLIENT SETINFO LIB-NAME`.
    pub lib_name: Vec<u8>,
    /// `CLIENT SETINFO LIB-VER`.
    pub lib_ver: Vec<u8>,
    /// The user it is.
    user: Arc<User>,
    /// Whether it has logged in, or had no need to when it connected.
    proven: bool,
    /// Whether it may do more than authenticate.
    pub authenticated: bool,
    /// Whether it may do everything.
    almighty: bool,
    /// Whether it may, and nothing is to be remembered of what it does.
    simple: bool,
    /// `CLIENT REPLY`.
    pub reply_mode: ReplyMode,
    /// `CLIENT NO-TOUCH`.
    pub no_touch: bool,
    /// `CLIENT NO-EVICT`.
    pub no_evict: bool,
    /// An open `MULTI`.
    pub transaction: Option<Box<Transaction>>,
    /// Whether a transaction of it is being executed.
    pub in_exec: bool,
    /// Messages that have come meanwhile: they follow the replies to it.
    pub messages: Vec<u8>,
    /// The flag that a change of a watched key raises, and the keys.
    pub watch: Option<(Arc<WatchFlag>, Vec<WatchedKey>)>,
    /// The bytes of those keys' names.
    pub watched_len: usize,
    /// Whether it sees every command (`MONITOR`).
    pub monitor: bool,
    /// The channels it listens to, if there are any.
    pub subscriptions: Option<Box<Subscriptions>>,
    /// Whether it may do little more than listen: it has subscriptions, and speaks RESP2, which has no other way to tell
    /// messages from replies.
    pub only_listens: bool,
    /// Keys it is told the changes of (`CLIENT TRACKING`).
    tracking: Option<Box<Tracking>>,
    /// It, as tables of tracked keys know it, from the first time it tracked any.
    pub tracker: Option<Arc<Tracker>>,
    /// Whether it has written anything, so that `WAIT` has something to wait for.
    pub wrote: bool,
    /// What it has said of itself as a replica.
    pub replica: Box<ReplicaInfo>,
    /// The name of the last command.
    pub last_command: &'static str,
}

impl Session {
    /// The session of a connection that was just accepted.
    pub fn new(id: u64, addr: String, laddr: String, now: UnixMs, users: &Users) -> Self {
        let user = Arc::clone(users.default_user());
        let (open, almighty) = (user.is_open(), user.is_almighty());
        Session {
            id,
            addr,
            laddr,
            by_unix: false,
            created: now,
            last_active: now,
            db: DbIndex(0),
            name: Vec::new(),
            lib_name: Vec::new(),
            lib_ver: Vec::new(),
            user,
            proven: open,
            authenticated: open,
            almighty: open && almighty,
            simple: open && almighty,
            reply_mode: ReplyMode::On,
            no_touch: false,
            no_evict: false,
            transaction: None,
            in_exec: false,
            messages: Vec::new(),
            watch: None,
            watched_len: 0,
            monitor: false,
            subscriptions: None,
            only_listens: false,
            tracking: None,
            tracker: None,
            wrote: false,
            replica: Box::default(),
            last_command: "NULL",
        }
    }

    /// Whether the next command needs no special treatment: it is run at once and answered.
    #[inline]
    pub fn is_plain(&self) -> bool {
        self.simple && self.is_ordinary()
    }

    #[inline]
    fn is_ordinary(&self) -> bool {
        !self.only_listens && self.transaction.is_none() && self.reply_mode != ReplyMode::Stream
    }

    /// About what it takes of memory for the keys that it watches and the channels that it listens to, in bytes.
    pub fn interests_len(&self) -> usize {
        /// Of a watched key, beside its name: here, and in its shard.
        const WATCH_LEN: usize = size_of::<WatchedKey>() + 96;
        let watches = self.watch.as_ref().map_or(0, |(_, keys)| keys.len() * WATCH_LEN + self.watched_len);
        watches + self.subscriptions.as_ref().map_or(0, |subscriptions| subscriptions.footprint())
    }

    /// What it has asked for with `CLIENT TRACKING ON`.
    pub fn tracking(&self) -> Option<&Tracking> {
        self.tracking.as_deref()
    }

    /// The same, to change it.
    pub fn tracking_mut(&mut self) -> Option<&mut Tracking> {
        self.tracking.as_deref_mut()
    }

    /// It tracks keys from now on, or no longer; returns what was before.
    pub fn set_tracking(&mut self, tracking: Option<Box<Tracking>>) -> Option<Box<Tracking>> {
        let before = std::mem::replace(&mut self.tracking, tracking);
        self.simple = self.almighty && self.tracking.is_none();
        before
    }

    /// Whether what it reads now is to be remembered.
    pub fn remembers(&self) -> bool {
        self.tracking.as_ref().is_some_and(|tracking| tracking.remembers())
    }

    /// `CLIENT GETREDIR`: who is told of keys in its place; 0 = nobody, -1 = it does not track any.
    pub fn redirection(&self) -> i64 {
        let redirect = |tracking: &Tracking| tracking.redirect.map_or(0, |redirect| redirect.id as i64);
        self.tracking().map_or(-1, redirect)
    }

    /// A request of it is about to be run that no transaction is open for; returns it, if it tracks keys.
    #[cold]
    pub fn begin_request(&mut self) -> Option<Arc<Tracker>> {
        let tracking = self.tracking_mut()?;
        tracking.begin_request();
        Some(Arc::clone(&tracking.me))
    }

    /// It, if it tracks keys.
    pub fn tracks(&self) -> Option<&Arc<Tracker>> {
        self.tracking.as_ref().map(|tracking| &tracking.me)
    }

    /// Whether this command, which is run at once where the next needs no special treatment, may be although the user may not
    /// do everything.
    #[cold]
    pub fn may_run_at_once(&self, spec: &CommandSpec, args: Args<'_>) -> bool {
        self.authenticated && self.is_ordinary() && (self.almighty || self.user.may_run_at_once(spec, args))
    }

    /// The user it is.
    pub fn user(&self) -> &User {
        &self.user
    }

    /// Whether it may do everything.
    pub fn is_almighty(&self) -> bool {
        self.almighty
    }

    /// It has logged in as this user.
    pub fn log_in(&mut self, user: &Arc<User>, users: &Users) {
        self.become_user(user, true, users);
    }

    /// It is who everybody is that has just connected.
    pub fn log_out(&mut self, users: &Users) {
        let user = users.default_user();
        self.become_user(user, user.is_open(), users);
    }

    fn become_user(&mut self, user: &Arc<User>, proven: bool, users: &Users) {
        self.user = Arc::clone(user);
        self.proven = proven;
        self.authenticated = proven || users.default_user().is_open();
        self.almighty = self.authenticated && user.is_almighty();
        self.simple = self.almighty && self.tracking.is_none();
    }

    /// Takes over the rules of its user as they are now. False if the connection has to end: the user is gone, or may not listen
    /// any more to what it listens to.
    pub fn follow(&mut self, users: &Users) -> bool {
        let Some(user) = users.renewed(&self.user) else {
            self.become_user(users.default_user(), false, users);
            return false;
        };
        let listens = self.subscriptions.as_deref().filter(|_| !Arc::ptr_eq(user, &self.user));
        let may_go_on = listens.is_none_or(|subscriptions| {
            [Kind::Channel, Kind::Pattern, Kind::Shard]
                .into_iter()
                .all(|kind| subscriptions.of(kind).iter().all(|name| user.may_listen(name, kind == Kind::Pattern)))
        });
        self.become_user(user, self.proven, users);
        may_go_on
    }
}
