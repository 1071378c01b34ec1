//! Messages: from a publisher to the subscribers of this core, and to the cores where there may be others.

use super::{Core, Message};
use crate::config::NotifyFlags;
use crate::connection::{Closing, Connection, Token};
use crate::events::Event;
use crate::pubsub::{Directory, Frame, Kind, Posting, Receipt};
use bytes::Bytes;
use koltso_proto::resp::Reply;
use slab::Slab;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Messages on their way out of this core, and the place where messages are encoded.
pub(super) struct Outgoing {
    /// For each core.
    waiting: Vec<Vec<Arc<Posting>>>,
    any: bool,
    frame: Frame,
    /// Messages of one channel that its subscribers here are to be given in one go.
    run: Run,
    /// Connections that have just passed their limit.
    over: Vec<Token>,
}

impl Outgoing {
    /// For a node of this many cores.
    pub(super) fn new(cores: usize) -> Self {
        Outgoing {
            waiting: (0..cores).map(|_| Vec::new()).collect(),
            any: false,
            frame: Frame::default(),
            run: Run::default(),
            over: Vec::new(),
        }
    }
}

impl Core {
    /// Publishes what has happened to keys, and sends it off: before whoever asked for it hears of it, since he may then publish
    /// something himself.
    pub(crate) fn flush_events(&mut self) {
        if !self.exec.effects.events.is_empty() {
            self.post_events();
            self.flush_posts();
        }
    }

    /// Publishes what has happened to keys.
    pub(super) fn post_events(&mut self) {
        if self.exec.effects.events.is_empty() {
            return;
        }
        let (keyspace, keyevent) =
            [NotifyFlags::KEYSPACE, NotifyFlags::KEYEVENT].map(|flag| self.exec.effects.events.wants(flag)).into();
        for Event { name, db, key } in self.exec.effects.events.take() {
            if keyspace {
                let channel = [format!("__keyspace@{}__:", db.0).as_bytes(), &key].concat();
                self.post(Posting::new(Kind::Channel, &channel, name.as_bytes(), None));
            }
            if keyevent {
                let channel = format!("__keyevent@{}__:{name}", db.0);
                self.post(Posting::new(Kind::Channel, channel.as_bytes(), &key, None));
            }
        }
    }

    /// Publishes a message for a client, and answers with the number of those who have received it.
    pub(crate) fn publish(&mut self, token: Token, kind: Kind, channel: &[u8], message: &[u8]) {
        // What has happened to keys was before it.
        self.post_events();
        let posting = Posting::new(kind, channel, message, None);
        let receivers = self.deliver(&posting);
        if self.conn(token).is_some_and(|conn| conn.session.subscriptions.is_some()) {
            // Its own message comes before the answer.
            self.flush_run();
        }
        let cores = self.interested(&posting);
        if cores.is_empty() {
            return self.reply(token, |reply| reply.len(receivers));
        }
        let home = self.exec.id;
        let muted = self.mutes_replies(token);
        let Some(conn) = self.conn(token) else { return };
        let receipt = Receipt::new(home, token, conn.await_receipt(), muted, cores.len(), receivers);
        self.pass_on(&cores, Posting { receipt: Some(receipt), ..posting });
    }

    /// Publishes a message for a script, and says how many have received it. Waits for other cores, so only one core at a time may
    /// do that: the one that holds every shard.
    pub(crate) fn publish_and_wait(&mut self, kind: Kind, channel: &[u8], message: &[u8]) -> usize {
        // What has happened to keys was before it.
        self.post_events();
        let posting = Posting::new(kind, channel, message, None);
        let receivers = self.deliver(&posting);
        let cores = self.interested(&posting);
        let holds_all = self.exec.shards.iter().all(Option::is_some);
        if cores.is_empty() || !holds_all {
            self.pass_on(&cores, posting);
            return receivers;
        }
        // No connection waits for it.
        let nobody = Token { index: u32::MAX, generation: 0 };
        let receipt = Receipt::new(self.exec.id, nobody, 0, true, cores.len(), receivers);
        let posting = Arc::new(Posting { receipt: Some(receipt), ..posting });
        self.posts.any = true;
        cores.iter().for_each(|&core| self.posts.waiting[core].push(Arc::clone(&posting)));
        self.flush_posts();
        let Some(receipt) = &posting.receipt else { return receivers };
        // A core that stops delivers nothing any more.
        while !receipt.is_complete() && !self.shared.stopping.load(Ordering::Acquire) {
            std::thread::yield_now();
        }
        receipt.receivers()
    }

    /// Publishes a message that nobody waits for: an event, or one of our primary's stream.
    pub(crate) fn post(&mut self, posting: Posting) {
        self.deliver(&posting);
        let cores = self.interested(&posting);
        if !cores.is_empty() {
            self.pass_on(&cores, posting);
        }
    }

    /// Other cores that may have subscribers to a message.
    fn interested(&self, posting: &Posting) -> Vec<usize> {
        let others = self.shared.interest.iter().enumerate().filter(|(core, _)| *core != self.exec.id);
        others.filter(|(_, interest)| interest.may_want(posting.kind, &posting.channel)).map(|(core, _)| core).collect()
    }

    fn pass_on(&mut self, cores: &[usize], posting: Posting) {
        let posting = Arc::new(posting);
        self.posts.any = true;
        for &core in cores {
            self.posts.waiting[core].push(Arc::clone(&posting));
        }
    }

    /// Sends off what waits for other cores.
    pub(super) fn flush_posts(&mut self) {
        if !std::mem::take(&mut self.posts.any) {
            return;
        }
        for core in 0..self.peers.len() {
            let posts = std::mem::take(&mut self.posts.waiting[core]);
            if !posts.is_empty() {
                self.send(core, Message::Posts(posts));
            }
        }
    }

    /// Messages that other cores pass on.
    pub(super) fn on_posts(&mut self, posts: Vec<Arc<Posting>>) {
        let mut done: Vec<Vec<Arc<Posting>>> = Vec::new();
        for posting in posts {
            let receivers = self.deliver(&posting);
            let Some(receipt) = &posting.receipt else { continue };
            if receipt.add(receivers) {
                done.resize_with(self.peers.len(), Vec::new);
                done[receipt.home].push(posting);
            }
        }
        for (home, posts) in done.into_iter().enumerate().filter(|(_, posts)| !posts.is_empty()) {
            self.send(home, Message::Receipts(posts));
        }
    }

    /// Messages of this core's clients that have been delivered everywhere.
    pub(super) fn on_receipts(&mut self, posts: &[Arc<Posting>]) {
        for receipt in posts.iter().filter_map(|posting| posting.receipt.as_ref()) {
            let reply = format!(":{}\r\n", receipt.receivers());
            let Some(conn) = self.conn(receipt.token) else { continue };
            conn.fulfil(receipt.seq, if receipt.muted { b"" } else { reply.as_bytes() });
            self.resume_in_order(receipt.token);
        }
    }

    /// Delivers a message to the subscribers of this core; says how often it was.
    fn deliver(&mut self, posting: &Posting) -> usize {
        let is_plain = posting.kind == Kind::Shard || self.directory.of(Kind::Pattern).is_empty();
        if is_plain && posting.message.len() < RUN_LEN_MAX {
            let Some(listeners) = self.directory.listeners(posting.kind, &posting.channel) else { return 0 };
            let count = listeners.len();
            if !self.posts.run.is_of(posting.kind, &posting.channel) || self.posts.run.bytes.len() >= RUN_LEN_MAX {
                self.flush_run();
            }
            self.posts.run.add(posting);
            return count;
        }
        self.flush_run();
        let Core { directory, conns, dirty, posts, exec, .. } = self;
        let Outgoing { frame, over, .. } = posts;
        let mut reader = Reader { conns, dirty, over, hard: exec.config.client_output_buffer_limit.pubsub.hard };
        let count = reader.deliver(directory, frame, posting.kind, &posting.channel, &posting.message);
        self.close_those_over();
        count
    }

    /// Gives subscribers the messages that were kept to be given in one go: before any of them is sent anything, or changes its
    /// subscriptions.
    #[inline]
    pub(crate) fn flush_run(&mut self) {
        if !self.posts.run.bytes.is_empty() {
            self.give_run();
        }
    }

    fn give_run(&mut self) {
        let Core { directory, conns, dirty, posts, exec, .. } = self;
        let Outgoing { run, over, .. } = posts;
        if let Some(listeners) = directory.listeners(run.kind, &run.channel) {
            let resp2 = run.as_resp2();
            let mut reader = Reader { conns, dirty, over, hard: exec.config.client_output_buffer_limit.pubsub.hard };
            for &token in listeners {
                reader.put(token, |resp3| if resp3 { &run.bytes } else { &resp2 });
            }
        }
        run.clear();
        self.close_those_over();
    }

    fn close_those_over(&mut self) {
        while let Some(token) = self.posts.over.pop() {
            self.close_for_output(token);
        }
    }
}

/// Messages of one channel, one behind the other: so each subscriber is looked up once for many of them.
#[derive(Default)]
struct Run {
    kind: Kind,
    channel: Bytes,
    /// For readers of RESP3.
    bytes: Vec<u8>,
    /// Where each message begins.
    starts: Vec<usize>,
}

/// A message from this length on is given by itself, and a run that has grown so long is given before the next; in bytes.
const RUN_LEN_MAX: usize = 2048;

impl Run {
    fn is_of(&self, kind: Kind, channel: &[u8]) -> bool {
        self.bytes.is_empty() || (self.kind == kind && self.channel == channel)
    }

    fn add(&mut self, posting: &Posting) {
        if self.bytes.is_empty() {
            self.kind = posting.kind;
            self.channel = posting.channel.clone();
        }
        self.starts.push(self.bytes.len());
        let mut frame = Reply { buf: std::mem::take(&mut self.bytes), resp3: true };
        frame.push(3);
        frame.bulk(posting.kind.message());
        frame.bulk(&posting.channel);
        frame.bulk_head(posting.message.len() - 2);
        frame.raw(&posting.message);
        self.bytes = frame.buf;
    }

    fn as_resp2(&self) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        self.starts.iter().for_each(|&start| bytes[start] = b'*');
        bytes
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.starts.clear();
    }
}

/// What delivery needs of a core.
struct Reader<'a> {
    conns: &'a mut Slab<Connection>,
    dirty: &'a mut Vec<Token>,
    over: &'a mut Vec<Token>,
    /// What may wait for a subscriber, in bytes; 0 = no limit.
    hard: u64,
}

impl Reader<'_> {
    fn deliver(&mut self, directory: &Directory, frame: &mut Frame, kind: Kind, channel: &Bytes, message: &Bytes) -> usize {
        let mut count = 0;
        if let Some(listeners) = directory.listeners(kind, channel) {
            frame.fill(&[kind.message(), channel], message);
            count += listeners.len();
            listeners.iter().for_each(|&token| self.give(token, frame));
        }
        if kind == Kind::Channel {
            for (pattern, listeners) in directory.matching(channel) {
                frame.fill(&[b"pmessage", pattern, channel], message);
                count += listeners.len();
                listeners.iter().for_each(|&token| self.give(token, frame));
            }
        }
        count
    }

    fn give(&mut self, token: Token, frame: &Frame) {
        let Some(conn) = self.conns.get_mut(token.index as usize) else { return };
        if conn.generation == token.generation && conn.closing == Closing::No && conn.in_order() && !conn.session.in_exec {
            frame.put(&mut conn.output);
            return self.after(token);
        }
        let bytes = frame.to_vec(conn.output.reply.resp3);
        self.put(token, |_| &bytes);
    }

    /// Gives a connection bytes, which depend on its protocol.
    #[inline]
    fn put<'b>(&mut self, token: Token, bytes: impl Fn(bool) -> &'b [u8]) {
        let Some(conn) = self.conns.get_mut(token.index as usize) else { return };
        if conn.generation != token.generation || conn.closing != Closing::No {
            return;
        }
        let bytes = bytes(conn.output.reply.resp3);
        if !conn.in_order() {
            // Replies may be half written, as those of a transaction.
            conn.queue_message(bytes);
        } else if conn.session.in_exec {
            conn.session.messages.extend_from_slice(bytes);
        } else {
            conn.output.reply.raw(bytes);
        }
        self.after(token);
    }

    #[inline]
    fn after(&mut self, token: Token) {
        let conn = &mut self.conns[token.index as usize];
        if self.hard > 0 && conn.unsent_len() as u64 > self.hard {
            self.over.push(token);
        }
        if !conn.dirty {
            conn.dirty = true;
            self.dirty.push(token);
        }
    }
}
