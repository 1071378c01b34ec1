//! Streams to and from their form in RDB files. What that is stands in `koltso_proto::rdb::stream`; what comes from there is sound.

use super::{Chunk, ConsumerId, Group, Horizon, Pending, Stream};
use crate::shard::value::rdb::pieces::{ELEMENT_COST, Texts, spend};
use koltso_proto::rdb::consts::{kind, version_has};
use koltso_proto::rdb::writer::{put_blob, put_len, put_string};
use koltso_proto::rdb::{Lzf, RdbGroup, RdbStream};
use koltso_proto::stream::StreamId;

/// The type byte of a stream in a file of `version`.
pub fn kind_of(version: u32) -> u8 {
    let known = [kind::STREAM_3, kind::STREAM_2].into_iter().find(|kind| version_has(version, *kind));
    known.unwrap_or(kind::STREAM)
}

/// Where a writer is in a stream that is written in pieces.
#[derive(Debug, Default)]
pub struct Place {
    part: Part,
    /// How many entries or pending entries of the part are written.
    done: usize,
    /// The group that is being written, or was last.
    group: Option<Box<[u8]>>,
    /// Its consumer, likewise.
    consumer: Option<Box<[u8]>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Part {
    #[default]
    Start,
    Nodes,
    Head,
    Group,
    Pending,
    Consumer,
    ConsumerPending,
    End,
}

impl Stream {
    /// Appends the next piece for a file of `version`, as far as the budget reaches, and takes its cost off it; true when that was the
    /// last.
    pub fn put_some(
        &self,
        out: &mut Vec<u8>,
        place: &mut Place,
        texts: &mut Texts,
        version: u32,
        budget: &mut usize,
        lzf: Option<&mut Lzf>,
    ) -> bool {
        let (kind, mut lzf) = (kind_of(version), lzf);
        while place.part != Part::End && *budget > 0 {
            if place.part == Part::Nodes {
                self.put_nodes(out, place, texts, budget, lzf.as_deref_mut());
                continue;
            }
            let done = self.put_part(out, place, kind, *budget / ELEMENT_COST + 1, lzf.as_deref_mut());
            *budget = budget.saturating_sub(done.max(1) * ELEMENT_COST);
        }
        place.part == Part::End
    }

    /// Writes some of the part that comes next, and moves on; returns how many elements that were.
    fn put_part(&self, out: &mut Vec<u8>, place: &mut Place, kind: u8, budget: usize, lzf: Option<&mut Lzf>) -> usize {
        match place.part {
            Part::Start => {
                put_len(out, if self.is_empty() { 0 } else { self.nodes.leaf_count() } as u64);
                place.go_to(Part::Nodes);
            }
            Part::Head => {
                self.put_head(out, kind);
                place.go_to(if self.groups.is_empty() { Part::End } else { Part::Group });
            }
            Part::Group => {
                let Some((name, group)) = self.group_behind(place.group.as_deref()) else {
                    place.go_to(Part::End);
                    return 0;
                };
                place.group = Some(name.into());
                put_string(out, name, lzf);
                put_id(out, group.last_id);
                if kind != kind::STREAM {
                    // The largest number says that nobody knows.
                    put_len(out, group.entries_read.unwrap_or(u64::MAX));
                }
                put_len(out, group.pending().len() as u64);
                place.go_to(Part::Pending);
            }
            _ => {
                let Some(group) = place.group.as_deref().and_then(|name| self.group(name)) else { return 0 };
                return group.put_part(out, place, kind, budget, lzf);
            }
        }
        1
    }

    fn put_nodes(&self, out: &mut Vec<u8>, place: &mut Place, texts: &mut Texts, budget: &mut usize, lzf: Option<&mut Lzf>) {
        let mut lzf = lzf;
        for (node, _) in self.nodes.leaves_from(place.done) {
            if *budget == 0 {
                return;
            }
            let (master, pack) = (node.master.to_bytes(), node.pack.as_bytes());
            if pack.len() > texts.at_once_max {
                let mut head = Vec::with_capacity(32);
                put_blob(&mut head, &master, None);
                put_len(&mut head, pack.len() as u64);
                if !texts.put_parts(out, budget, [&head[..], pack].into_iter()) {
                    return;
                }
            } else {
                spend(budget, pack.len(), lzf.is_some());
                put_blob(out, &master, None);
                put_blob(out, pack, lzf.as_deref_mut());
            }
            place.done += node.live;
        }
        place.go_to(Part::Head);
    }

    fn put_head(&self, out: &mut Vec<u8>, kind: u8) {
        put_len(out, self.len() as u64);
        put_id(out, self.last_id);
        if kind != kind::STREAM {
            put_id(out, self.first_id());
            put_id(out, self.max_deleted);
            put_len(out, self.entries_added);
        }
        put_len(out, self.groups_len() as u64);
    }
}

impl Group {
    fn put_part(&self, out: &mut Vec<u8>, place: &mut Place, kind: u8, budget: usize, lzf: Option<&mut Lzf>) -> usize {
        match place.part {
            Part::Pending => {
                let begin = place.done;
                for (id, pending) in self.pending().from_position(place.done).take(budget) {
                    out.extend_from_slice(&id.to_bytes());
                    out.extend_from_slice(&pending.time_ms.to_le_bytes());
                    put_len(out, pending.count);
                    place.done += 1;
                }
                let written = place.done - begin;
                if place.done >= self.pending().len() {
                    put_len(out, self.consumers_len() as u64);
                    place.consumer = None;
                    place.go_to(Part::Consumer);
                }
                written
            }
            Part::Consumer => {
                let Some(consumer) = self.consumer_behind(place.consumer.as_deref()) else {
                    place.go_to(Part::Group);
                    return 0;
                };
                place.consumer = Some(consumer.name().into());
                put_string(out, consumer.name(), lzf);
                out.extend_from_slice(&consumer.seen_ms.to_le_bytes());
                if kind == kind::STREAM_3 {
                    out.extend_from_slice(&consumer.active_ms.to_le_bytes());
                }
                put_len(out, consumer.pending().len() as u64);
                place.go_to(Part::ConsumerPending);
                1
            }
            Part::ConsumerPending => {
                let name = place.consumer.as_deref();
                let Some(consumer) = name.and_then(|name| self.consumer(self.find(name)?)) else { return 0 };
                let begin = place.done;
                for (id, ()) in consumer.pending().from_position(place.done).take(budget) {
                    out.extend_from_slice(&id.to_bytes());
                    place.done += 1;
                }
                let written = place.done - begin;
                if place.done >= consumer.pending().len() {
                    place.go_to(Part::Consumer);
                }
                written
            }
            _ => 0,
        }
    }

    /// The group as it was read. How many entries it has read is found out where the file does not tell.
    fn from_rdb(group: RdbGroup, horizon: &Horizon) -> (Vec<u8>, Self) {
        let known = match group.entries_read {
            // A counter that was set to nearly the largest number has been counted beyond it: it is kept as it is.
            Some(read) => (read != -1).then_some(read as u64),
            None => horizon.entries_up_to(group.last_id),
        };
        let mut own = Group::new(group.last_id, known);
        let mut ids: Vec<ConsumerId> = Vec::with_capacity(group.consumers.len());
        for consumer in &group.consumers {
            let (id, _) = own.find_or_create(&consumer.name, consumer.seen_ms);
            if let Some(own) = own.consumer_mut(id) {
                own.active_ms = consumer.active_ms;
            }
            ids.push(id);
        }
        for entry in &group.pending {
            if let Some(owner) = ids.get(entry.owner) {
                own.assign(entry.id, Pending { time_ms: entry.time_ms, count: entry.count, owner: *owner });
            }
        }
        (group.name, own)
    }
}

impl Place {
    fn go_to(&mut self, part: Part) {
        (self.part, self.done) = (part, 0);
    }
}

fn put_id(out: &mut Vec<u8>, id: StreamId) {
    put_len(out, id.ms);
    put_len(out, id.seq);
}

impl From<RdbStream> for Stream {
    fn from(stream: RdbStream) -> Self {
        let mut own = Stream { last_id: stream.last_id, max_deleted: stream.max_deleted, ..Stream::default() };
        for node in stream.nodes {
            own.nodes.push_leaf(Chunk { master: node.master, pack: node.pack, live: node.live, deleted: node.deleted });
        }
        own.entries_added = stream.entries_added.unwrap_or(own.len() as u64);
        for group in stream.groups {
            let (name, group) = Group::from_rdb(group, &own.horizon());
            own.add_group(&name, group);
        }
        own
    }
}
