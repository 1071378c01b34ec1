//! The log: everything that happened, in the one order there is, as the bytes that replicas receive.
//!
//! ```text
//!  offset  first                                   end
//!            │◄──────────── history ────────────────►│
//!            ├───────┬──────────────┬────┬───────────┤
//!            │ piece │ piece        │ p. │ piece     │   immutable, refcounted (`Bytes`)
//!            └───────┴──────▲───────┴────┴───▲───────┘
//!                           │                │
//!                    a replica's cursor      another's
//! ```
//!
//! Pieces are appended whole and never change; a replica is a cursor into them. A piece leaves memory when it is older than
//! the backlog's size and no cursor needs it any more. Offsets count as Redis counts them: the first byte ever has offset 1,
//! and the end is `master_repl_offset`, the offset of the last byte.

use bytes::Bytes;
use koltso_proto::id::{DbIndex, Offset};
use std::collections::VecDeque;

use super::pace::Pace;
use crate::effects::{Batch, put_select};

/// So many small pieces in a row become one at most, and so many of the newest are left alone.
const MERGE_COUNT: usize = 256;
/// The longest piece that is made so, in bytes: history is let go of by pieces.
const MERGED_LEN_MAX: usize = 16 * 1024;
/// Pieces are small if they are shorter than this on average, in bytes: what they take beside their bytes is more than a few
/// percent.
const SMALL_LEN: usize = 1024;

struct Piece {
    /// The offset of the byte before the first one.
    before: Offset,
    bytes: Bytes,
}

impl Piece {
    fn end(&self) -> Offset {
        self.before.advanced(self.bytes.len() as u64)
    }
}

/// The log of one node.
pub struct Log {
    pieces: VecDeque<Piece>,
    /// How many of them, from the first one on, need not be looked at for merging again.
    merged: usize,
    end: Offset,
    /// The database that a reader at the end has selected; `None` = it must be told.
    selected: Option<DbIndex>,
    /// How much history is kept for nobody in particular, in bytes.
    backlog_len: u64,
    /// Whether anything is recorded at all: from the first replica on.
    active: bool,
    /// How fast it grows.
    pub pace: Pace,
}

impl Log {
    /// An inactive log that ends at `end`.
    pub fn new(end: Offset, backlog_len: u64) -> Self {
        let (pieces, pace) = (VecDeque::new(), Pace::default());
        Log { pieces, merged: 0, end, selected: None, backlog_len, active: false, pace }
    }

    /// Whether it records.
    pub fn is_active(&self) -> bool {
        self.active
    }

    /// Starts to record.
    pub fn activate(&mut self) {
        self.active = true;
    }

    /// Forgets all history and stops to record; the end stays.
    pub fn deactivate(&mut self) {
        self.active = false;
        (self.pieces, self.merged) = (VecDeque::new(), 0);
        self.selected = None;
    }

    /// Forgets all history and continues at `end`, as a replica does after a full resync.
    pub fn restart_at(&mut self, end: Offset) {
        (self.pieces, self.merged) = (VecDeque::new(), 0);
        self.pace.forget();
        self.end = end;
        self.selected = None;
    }

    /// Takes in what a file has of the history before the end, after [`restart_at`](Self::restart_at).
    pub fn refill(&mut self, pieces: Vec<Bytes>) {
        let len = pieces.iter().map(|piece| piece.len() as u64).sum();
        let mut before = Offset(self.end.0.saturating_sub(len));
        for bytes in pieces {
            let piece = Piece { before, bytes };
            before = piece.end();
            self.pieces.push_back(piece);
        }
    }

    /// `master_repl_offset`: the offset of the last byte.
    #[inline]
    pub fn end(&self) -> Offset {
        self.end
    }

    /// The offset before the first byte that is still here.
    pub fn before_first(&self) -> Offset {
        self.pieces.front().map_or(self.end, |piece| piece.before)
    }

    /// `repl_backlog_histlen`: bytes of history, at most the backlog's size.
    pub fn history_len(&self) -> u64 {
        (self.end.0 - self.before_first().0).min(self.backlog_len.max(self.tail_len()))
    }

    /// All the bytes that are held, for cursors included.
    pub fn held_len(&self) -> u64 {
        self.end.0 - self.before_first().0
    }

    /// What the log takes in memory, in bytes.
    pub fn heap_bytes(&self) -> u64 {
        self.held_len() + (self.pieces.capacity() * size_of::<Piece>()) as u64
    }

    /// What of that goes beyond the backlog's size, in bytes.
    pub fn beyond_backlog(&self) -> u64 {
        self.heap_bytes().saturating_sub(self.backlog_len)
    }

    fn tail_len(&self) -> u64 {
        self.pieces.back().map_or(0, |piece| piece.bytes.len() as u64)
    }

    /// Sets the size of the backlog.
    pub fn set_backlog_len(&mut self, len: u64) {
        self.backlog_len = len;
    }

    /// The size of the backlog.
    pub fn backlog_len(&self) -> u64 {
        self.backlog_len
    }

    /// Makes the next batch begin with a `SELECT`, as every stream must after a full resync.
    pub fn forget_selected(&mut self) {
        self.selected = None;
    }

    /// Notes that bytes which are appended verbatim select this database.
    pub fn note_selected(&mut self, db: DbIndex) {
        self.selected = Some(db);
    }

    /// The database a reader at the end has selected.
    pub fn selected(&self) -> Option<DbIndex> {
        self.selected
    }

    /// Appends effects, telling readers first which database they are for.
    pub fn append(&mut self, batch: Batch) {
        if !self.active {
            return;
        }
        if self.selected != Some(batch.first_db) {
            let mut select = bytes::BytesMut::with_capacity(32);
            put_select(&mut select, batch.first_db);
            self.push(select.freeze());
        }
        self.selected = Some(batch.last_db);
        self.push(batch.bytes);
    }

    /// Appends bytes as they are: the primary's stream on a replica; PING and GETACK on a primary.
    pub fn append_verbatim(&mut self, bytes: Bytes) {
        if self.active {
            self.push(bytes);
        } else {
            self.end = self.end.advanced(bytes.len() as u64);
        }
    }

    fn push(&mut self, bytes: Bytes) {
        if bytes.is_empty() {
            return;
        }
        let piece = Piece { before: self.end, bytes };
        self.end = piece.end();
        self.pieces.push_back(piece);
    }

    /// Whether a reader that has everything up to `at` can go on from here.
    pub fn covers(&self, at: Offset) -> bool {
        self.active && at >= self.retained_before() && at <= self.end
    }

    /// The offset before the first byte that a newcomer may still ask for.
    fn retained_before(&self) -> Offset {
        Offset(self.end.0 - self.history_len())
    }

    /// `repl_backlog_first_byte_offset`.
    pub fn first_byte_offset(&self) -> Offset {
        self.retained_before().advanced(1)
    }

    /// Up to `bytes_max` bytes in up to `pieces_max` pieces after `at`, which the log must still hold.
    pub fn read(&self, at: Offset, bytes_max: usize, pieces_max: usize) -> Vec<Bytes> {
        let mut out = Vec::new();
        let mut left = bytes_max;
        let first = self.pieces.partition_point(|piece| piece.end() <= at);
        for piece in self.pieces.range(first..) {
            if left == 0 || out.len() == pieces_max {
                break;
            }
            let skip = at.0.saturating_sub(piece.before.0) as usize;
            let take = (piece.bytes.len() - skip).min(left);
            out.push(piece.bytes.slice(skip..skip + take));
            left -= take;
        }
        out
    }

    /// Lets go of what is older than the backlog's size and not needed by a cursor at `pinned`.
    pub fn trim(&mut self, pinned: Option<Offset>) {
        let floor = self.end.0.saturating_sub(self.backlog_len);
        let floor = pinned.map_or(floor, |pinned| floor.min(pinned.0));
        while let Some(front) = self.pieces.front() {
            if front.end().0 > floor {
                break;
            }
            self.pieces.pop_front();
            self.merged = self.merged.saturating_sub(1);
        }
        while self.pieces.len() - self.merged >= 2 * MERGE_COUNT {
            self.merge();
        }
    }

    /// Makes one piece of the oldest pieces that nobody has looked at, if they are small. A piece keeps the whole chunk alive that it
    /// was cut from, and takes as much again in the list as a short command does: a busy node that writes little at a time
    /// would need several bytes for each of history. The newest ones stay as they are, since replicas are about to be sent them.
    fn merge(&mut self) {
        let (mut count, mut len) = (0, 0);
        for piece in self.pieces.range(self.merged..).take(MERGE_COUNT) {
            if len + piece.bytes.len() > MERGED_LEN_MAX {
                break;
            }
            (count, len) = (count + 1, len + piece.bytes.len());
        }
        if count * SMALL_LEN < MERGED_LEN_MAX {
            self.merged += count.max(1);
            return;
        }
        let range = self.merged..self.merged + count;
        let before = self.pieces[self.merged].before;
        let mut bytes = Vec::with_capacity(len);
        self.pieces.drain(range).for_each(|piece| bytes.extend_from_slice(&piece.bytes));
        self.pieces.insert(self.merged, Piece { before, bytes: bytes.into() });
        self.merged += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log_of(pieces: &[&'static str], backlog_len: u64) -> Log {
        let mut log = Log::new(Offset(0), backlog_len);
        log.activate();
        for piece in pieces {
            log.append_verbatim(Bytes::from_static(piece.as_bytes()));
        }
        log
    }

    fn text(log: &Log, at: u64, bytes_max: usize) -> String {
        log.read(Offset(at), bytes_max, 64).iter().map(|b| String::from_utf8_lossy(b).into_owned()).collect()
    }

    #[test]
    fn a_cursor_reads_on_from_any_byte() {
        let log = log_of(&["hello ", "big ", "world"], 1 << 20);
        let whole = "hello big world";
        for at in 0..=whole.len() {
            assert_eq!(text(&log, at as u64, usize::MAX), whole[at..]);
        }
        assert_eq!(text(&log, 4, 5), "o big");
    }

    #[test]
    fn many_small_pieces_become_few_and_read_the_same() {
        let mut log = Log::new(Offset(0), 20_000);
        log.activate();
        let mut whole = Vec::new();
        for i in 0..5000 {
            let bytes = format!("{i};").repeat(if (2000..2600).contains(&i) { 400 } else { 1 });
            whole.extend_from_slice(bytes.as_bytes());
            log.append_verbatim(Bytes::from(bytes));
            log.trim(Some(Offset(100)));
            let at = log.before_first().0.max(whole.len() as u64 / 2);
            if i % 50 == 0 {
                assert_eq!(log.read(Offset(at), usize::MAX, usize::MAX).concat(), whole[at as usize..]);
            }
        }
        assert!(log.pieces.len() < 1500 && log.pieces.iter().any(|piece| piece.bytes.len() > 1000), "{}", log.pieces.len());
        log.trim(None);
        assert!(log.held_len() < 20_000 + MERGED_LEN_MAX as u64 && log.merged <= log.pieces.len());
        let at = log.before_first();
        assert_eq!(log.read(at, usize::MAX, usize::MAX).concat(), whole[at.0 as usize..]);
    }

    #[test]
    fn history_is_kept_for_the_backlog_and_for_cursors() {
        let mut log = log_of(&["aaaa", "bbbb", "cccc"], 5);
        log.trim(Some(Offset(2)));
        assert_eq!(log.before_first(), Offset(0));
        assert!(!log.covers(Offset(2)), "what only a cursor pins is not offered to others");
        log.trim(None);
        assert_eq!(log.before_first(), Offset(4));
        assert_eq!(log.first_byte_offset(), Offset(8));
        assert!(log.covers(Offset(7)) && log.covers(Offset(12)) && !log.covers(Offset(13)) && !log.covers(Offset(6)));
    }

    #[test]
    fn the_first_batch_selects_its_database() {
        let mut log = Log::new(Offset(100), 1 << 20);
        log.activate();
        for (first, last) in [(0, 0), (0, 2), (2, 2), (1, 1)] {
            log.append(Batch { bytes: Bytes::from_static(b"."), first_db: DbIndex(first), last_db: DbIndex(last) });
        }
        let all: Vec<u8> = log.read(Offset(100), usize::MAX, 64).concat();
        assert_eq!(all, b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n...*2\r\n$6\r\nSELECT\r\n$1\r\n1\r\n.");
    }
}
