//! Effects: what an execution means for replicas, encoded once as the bytes they will be sent.
//!
//! A core has one [`EffectBuffer`]. Executions append to it, each as one atomic unit; the core hands the bytes to the log
//! once per turn, and always before a shard changes hands, so that the order in which batches reach the log's queue is a
//! valid order of everything that happened.

use crate::events::Events;
use bytes::{Bytes, BytesMut};
use koltso_proto::id::DbIndex;
use koltso_proto::resp::{Sink, put_array_header, put_bulk};

const MULTI: &[u8] = b"*1\r\n$5\r\nMULTI\r\n";
const EXEC: &[u8] = b"*1\r\n$4\r\nEXEC\r\n";
/// How much a buffer takes from the allocator at a time, in bytes. The log keeps a chunk as long as it needs any of its bytes, and
/// every core has one that is not full: large ones would be a large part of a small backlog.
const CHUNK_LEN: usize = 32 * 1024;

struct Buf<'a>(&'a mut BytesMut);

impl Sink for Buf<'_> {
    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }
}

/// Effects on their way to the log.
#[derive(Debug)]
pub struct Batch {
    /// Commands in RESP, whole units only.
    pub bytes: Bytes,
    /// The database that the first of them is for: the log sends a `SELECT` before it if another is selected.
    pub first_db: DbIndex,
    /// The database that is selected after the last of them.
    pub last_db: DbIndex,
}

/// The effects of one core since they were last handed to the log.
#[derive(Debug, Default)]
pub struct EffectBuffer {
    buf: BytesMut,
    /// First and last database of what is in `buf`.
    dbs: Option<(DbIndex, DbIndex)>,
    unit_start: usize,
    unit_len: usize,
    /// How many of the unit's commands are independent of each other.
    loose_len: usize,
    /// Whether what is pushed now is.
    loose: bool,
    /// How many units have begun and not ended: what happens in the midst of one belongs to it.
    open: u32,
    /// The database of the first of the unit's commands.
    unit_db: DbIndex,
    /// Whether nothing that happens from now on is to reach anybody.
    abandoned: bool,
    /// Whether what is pushed is left out: a script does not want it to reach anybody.
    muted: bool,
    /// What it means for those who have subscribed to changes of keys.
    pub events: Events,
}

impl EffectBuffer {
    /// Starts a unit: what is pushed until [`end_unit`](Self::end_unit) reaches replicas together or not at all. In the midst of
    /// another it is a part of that.
    #[inline]
    pub fn begin_unit(&mut self) {
        if self.open == 0 {
            self.unit_len = 0;
            self.loose_len = 0;
        }
        self.open += 1;
    }

    /// Says that what is pushed from now on need not reach replicas together: keys that expire where a command comes across them.
    pub fn set_loose(&mut self, loose: bool) {
        self.loose = loose;
    }

    /// Leaves out what is [pushed](Self::push) from now on, or no longer.
    pub fn mute(&mut self, muted: bool) {
        self.muted = muted;
    }

    /// Appends one command to the unit, if it is wanted.
    pub fn push<'a>(&mut self, db: DbIndex, args: impl ExactSizeIterator<Item = &'a [u8]> + Clone) {
        if !self.muted {
            self.push_always(db, args);
        }
    }

    /// Appends one command to the unit, whatever a script wants: what is none of its doing, such as that a key's time is over.
    pub fn push_always<'a>(&mut self, db: DbIndex, args: impl ExactSizeIterator<Item = &'a [u8]> + Clone) {
        if self.abandoned {
            return;
        }
        let need: usize = args.clone().map(|arg| arg.len() + 16).sum::<usize>() + 64;
        if self.buf.capacity() - self.buf.len() < need {
            self.buf.reserve(need.max(CHUNK_LEN));
        }
        match &mut self.dbs {
            None => self.dbs = Some((db, db)),
            Some((_, last)) if *last == db => {}
            Some((_, last)) => {
                *last = db;
                put_select(&mut self.buf, db);
            }
        }
        if self.unit_len == 0 {
            self.unit_start = self.buf.len();
            self.unit_db = db;
        }
        self.unit_len += 1;
        self.loose_len += usize::from(self.loose);
        let out = &mut Buf(&mut self.buf);
        put_array_header(out, args.len());
        for arg in args {
            put_bulk(out, arg);
        }
    }

    /// Appends one command that is a unit by itself.
    pub fn push_unit<'a>(&mut self, db: DbIndex, args: impl ExactSizeIterator<Item = &'a [u8]> + Clone) {
        self.begin_unit();
        self.push_always(db, args);
        self.end_unit();
    }

    /// Ends the unit, wrapping it in `MULTI`/`EXEC` if it is more than one command, unless it holds only independent ones.
    #[inline]
    pub fn end_unit(&mut self) {
        self.open = self.open.saturating_sub(1);
        if self.open == 0 && self.unit_len > 1 && self.unit_len > self.loose_len {
            self.wrap_unit();
        }
    }

    #[cold]
    fn wrap_unit(&mut self) {
        let tail = self.buf.split_off(self.unit_start);
        self.buf.reserve(MULTI.len() + tail.len() + EXEC.len());
        self.buf.extend_from_slice(MULTI);
        self.buf.extend_from_slice(&tail);
        self.buf.extend_from_slice(EXEC);
    }

    /// The node stops in the midst of a unit: it is dropped, and so is whatever comes after it, which may rest on it.
    pub fn abandon(&mut self) {
        self.abandoned = true;
        if self.open > 0 && self.unit_len > 0 {
            self.unit_len = 0;
            self.loose_len = 0;
            self.buf.truncate(self.unit_start);
            let unit_db = self.unit_db;
            self.dbs = self.dbs.filter(|_| !self.buf.is_empty()).map(|(first, _)| (first, unit_db));
        }
    }

    /// Whether it was.
    pub fn is_abandoned(&self) -> bool {
        self.abandoned
    }

    /// Bytes waiting.
    #[inline]
    pub fn len(&self) -> usize {
        self.buf.len()
    }

    /// Whether nothing is waiting.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.buf.is_empty()
    }

    /// Takes what is waiting, for the log; nothing while a unit is open, which reaches the log whole.
    pub fn take(&mut self) -> Option<Batch> {
        if self.open > 0 && self.unit_len > 0 {
            return None;
        }
        let (first_db, last_db) = self.dbs.take()?;
        Some(Batch { bytes: self.buf.split().freeze(), first_db, last_db })
    }
}

/// Appends a `SELECT`.
pub fn put_select(out: &mut BytesMut, db: DbIndex) {
    let mut digits = itoa::Buffer::new();
    let out = &mut Buf(out);
    put_array_header(out, 2);
    put_bulk(out, b"SELECT");
    put_bulk(out, digits.format(db.0).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(effects: &mut EffectBuffer, db: u32, args: &[&str]) {
        effects.push(DbIndex(db), args.iter().map(|arg| arg.as_bytes()));
    }

    fn text(batch: &Batch) -> String {
        String::from_utf8_lossy(&batch.bytes).replace("\r\n", " ")
    }

    #[test]
    fn only_units_of_several_commands_are_wrapped() {
        let mut effects = EffectBuffer::default();
        for unit in [&[&["DEL", "a"][..]][..], &[&["DEL", "b"], &["DEL", "c"]], &[]] {
            effects.begin_unit();
            for command in unit {
                push(&mut effects, 0, command);
            }
            effects.end_unit();
        }
        let batch = effects.take().unwrap();
        assert_eq!(text(&batch), "*2 $3 DEL $1 a *1 $5 MULTI *2 $3 DEL $1 b *2 $3 DEL $1 c *1 $4 EXEC ");
        assert!(effects.take().is_none());
    }

    #[test]
    fn a_unit_of_independent_commands_is_not_wrapped() {
        let mut effects = EffectBuffer::default();
        for bound in [false, true] {
            effects.begin_unit();
            effects.set_loose(true);
            push(&mut effects, 0, &["DEL", "a"]);
            push(&mut effects, 0, &["DEL", "b"]);
            effects.set_loose(false);
            if bound {
                push(&mut effects, 0, &["DEL", "c"]);
            }
            effects.end_unit();
            assert_eq!(text(&effects.take().unwrap()).contains("MULTI"), bound);
        }
    }

    #[test]
    fn what_happens_in_the_midst_of_a_unit_belongs_to_it() {
        let mut effects = EffectBuffer::default();
        effects.begin_unit();
        push(&mut effects, 0, &["DEL", "a"]);
        effects.push_unit(DbIndex(0), [&b"DEL"[..], b"b"].into_iter());
        assert!(effects.take().is_none());
        effects.mute(true);
        push(&mut effects, 0, &["DEL", "unwanted"]);
        effects.push_always(DbIndex(0), [&b"DEL"[..], b"expired"].into_iter());
        effects.mute(false);
        effects.end_unit();
        let batch = effects.take().unwrap();
        assert_eq!(text(&batch), "*1 $5 MULTI *2 $3 DEL $1 a *2 $3 DEL $1 b *2 $3 DEL $7 expired *1 $4 EXEC ");
    }

    #[test]
    fn a_unit_that_is_abandoned_leaves_nothing_behind() {
        for before in [false, true] {
            let mut effects = EffectBuffer::default();
            if before {
                effects.push_unit(DbIndex(3), [&b"DEL"[..], b"before"].into_iter());
            }
            effects.begin_unit();
            push(&mut effects, 3, &["DEL", "a"]);
            push(&mut effects, 4, &["DEL", "b"]);
            effects.abandon();
            push(&mut effects, 4, &["DEL", "c"]);
            effects.end_unit();
            effects.push_unit(DbIndex(5), [&b"DEL"[..], b"after"].into_iter());
            match effects.take() {
                Some(batch) => {
                    assert_eq!((text(&batch).as_str(), before), ("*2 $3 DEL $6 before ", true));
                    assert_eq!((batch.first_db, batch.last_db), (DbIndex(3), DbIndex(3)));
                }
                None => assert!(!before),
            }
        }
    }

    #[test]
    fn a_unit_is_not_taken_before_it_ends() {
        let mut effects = EffectBuffer::default();
        effects.begin_unit();
        push(&mut effects, 0, &["DEL", "before"]);
        effects.end_unit();
        effects.begin_unit();
        push(&mut effects, 0, &["DEL", "a"]);
        assert!(effects.take().is_none());
        push(&mut effects, 0, &["DEL", "b"]);
        effects.end_unit();
        let batch = effects.take().unwrap();
        assert_eq!(text(&batch), "*2 $3 DEL $6 before *1 $5 MULTI *2 $3 DEL $1 a *2 $3 DEL $1 b *1 $4 EXEC ");
    }

    #[test]
    fn a_change_of_database_is_selected_outside_or_inside_the_unit() {
        let mut effects = EffectBuffer::default();
        effects.begin_unit();
        push(&mut effects, 3, &["DEL", "a"]);
        effects.end_unit();
        effects.begin_unit();
        push(&mut effects, 0, &["DEL", "b"]);
        push(&mut effects, 1, &["DEL", "c"]);
        effects.end_unit();
        let batch = effects.take().unwrap();
        assert_eq!((batch.first_db, batch.last_db), (DbIndex(3), DbIndex(1)));
        assert_eq!(
            text(&batch),
            "*2 $3 DEL $1 a *2 $6 SELECT $1 0 *1 $5 MULTI *2 $3 DEL $1 b *2 $6 SELECT $1 1 *2 $3 DEL $1 c *1 $4 EXEC "
        );
    }
}
