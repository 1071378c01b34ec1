//! The bytes of one snapshot on their way to several readers, each with a place of its own in them.
//!
//! ```text
//!        a slow reader                       the furthest one
//!             ▼                                     ▼
//!  ├── temporary file ──────────────┤├── in memory ────────────┤
//!  0                              start                       end
//! ```
//!
//! The last bytes are in memory, up to a bound; what a reader still needs of those before goes to a temporary file, and is read from
//! there by whoever has fallen behind. So nobody waits for a slow reader, and what a slow one costs is disk. The furthest reader
//! sets the pace of the walk: cores count what they have sent as under way until that one has passed it. So a value of any size passes
//! through at its pace, without going to the file: that is for what writes press on with, and for those who are not the furthest.
//! Where the file takes nothing, these have to go, and the furthest stays as long as it moves.
//!
//! A reader that wants to know the length first stays at the beginning until everything is here. Where there is one, the disk sets
//! the pace: it needs all of it in the file.

use super::Surroundings;
use super::rdb_out::Piece;
use super::spool::{Place, Spool};
use crate::logging::warning;
use crate::snapshot::{Flow, Sent};
use bytes::Bytes;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// Bytes in memory beyond those that the cores may have under way.
const SLACK_LEN: usize = 4 << 20;
/// While no more than this waits in front of the window, it may stay full, and wait for the furthest reader; in bytes.
const CALM_LEN: usize = 4 << 20;
/// How often such a wait is interrupted to see whether that is still so.
const LOOK_PERIOD: Duration = Duration::from_millis(10);
/// Where the disk takes nothing, the furthest reader goes if it has not moved at all for so long while others press.
const STALL_MAX: Duration = Duration::from_secs(1);
/// Most bytes that a reader is given at a time. A send is not interrupted, and a core may share its processor.
const READ_LEN_MAX: usize = 64 << 10;

/// The bytes, and the places of their readers in them.
pub struct Window {
    state: RefCell<State>,
    /// There are more bytes, or a reader has to go.
    changed: Notify,
    /// A reader has gone.
    left: Notify,
    /// A reader has moved, or gone.
    moved: Notify,
    flow: Arc<Flow>,
    surroundings: Surroundings,
}

#[derive(Default)]
struct State {
    pieces: VecDeque<Stretch>,
    /// Where the bytes in memory end.
    end: u64,
    /// Whether there will be no more.
    complete: bool,
    readers: Vec<Reader>,
    /// What is needed of the bytes before those in memory.
    spool: Option<Spool>,
    /// Where what cores have sent ends, for what no reader has passed yet.
    under_way: VecDeque<(u64, usize, usize)>,
    /// How far the furthest reader has ever been.
    furthest: u64,
    /// Whether the walk goes on at the disk's pace, not at that of readers.
    hurried: bool,
}

/// Bytes in memory that belong together.
struct Stretch {
    start: u64,
    bytes: Bytes,
    /// Counts them.
    _source: Option<Sent>,
}

struct Reader {
    id: u64,
    at: u64,
    /// Whether it waits for everything to be here.
    wants_len: bool,
    /// Why it has to go.
    expelled: Option<String>,
}

/// The first bytes in memory.
struct Front {
    start: u64,
    bytes: Bytes,
    /// Whether not even the furthest reader has passed them.
    needed_by_all: bool,
    /// Whether the walk waits for no reader.
    unpaced: bool,
}

/// What there is for a reader.
enum Found {
    Bytes(Bytes),
    OnDisk(Place, usize),
    End,
    NotYet,
}

impl Stretch {
    fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }
}

impl Window {
    /// Without bytes and readers.
    pub fn new(flow: &Arc<Flow>, surroundings: &Surroundings) -> Self {
        Window {
            state: RefCell::default(),
            changed: Notify::new(),
            left: Notify::new(),
            moved: Notify::new(),
            flow: Arc::clone(flow),
            surroundings: surroundings.clone(),
        }
    }

    // ---- for whoever brings the bytes -------------------------------------------------------------------------------

    /// Adds bytes. There may be too many of them then; see [`make_room`](Self::make_room).
    pub fn push(&self, piece: Piece) {
        {
            let mut state = self.state.borrow_mut();
            let bytes = piece.bytes;
            let start = state.end;
            state.end += bytes.len() as u64;
            let end = state.end;
            state.under_way.extend(piece.source.as_ref().map(|source| (end, source.shard, source.len)));
            state.pieces.push_back(Stretch { start, bytes, _source: piece.source });
        }
        self.release();
        self.changed.notify_waiters();
    }

    /// Whether there are so many bytes in memory that some have to go before others are added.
    pub fn is_full(&self) -> bool {
        let state = self.state.borrow();
        let Some(front) = state.pieces.front() else { return false };
        state.end - front.start > (self.flow.walk_len() + SLACK_LEN) as u64 && state.pieces.len() > 1
    }

    /// Takes a step towards room: waits for the furthest reader for a moment, or puts the first bytes aside. Nothing is lost if it is
    /// dropped before it has ended.
    pub async fn make_room(&self) {
        let Some(front) = self.front() else { return };
        // While writes do not press, the reader that sets the pace may take its time, and needs no disk.
        if front.needed_by_all && !front.unpaced && self.flow.queued() < CALM_LEN {
            return self.wait_for_readers().await;
        }
        let len = front.bytes.len() as u64;
        let outcome = match self.writer(front.start) {
            Ok(place) => place.write(front.bytes).await,
            Err(error) => Err(error),
        };
        match outcome {
            // If all readers have passed these bytes meanwhile, neither they nor the file are there any more.
            Ok(()) => self.state.borrow_mut().move_aside(front.start, len),
            Err(error) => self.do_without_disk(front.start + len, front.needed_by_all, &error).await,
        }
    }

    async fn wait_for_readers(&self) {
        let _ = tokio::time::timeout(LOOK_PERIOD, self.moved.notified()).await;
    }

    /// The first bytes in memory.
    fn front(&self) -> Option<Front> {
        let mut state = self.state.borrow_mut();
        state.forget_passed();
        let first = state.pieces.front()?;
        let furthest = state.reading().map(|reader| reader.at).max();
        Some(Front {
            start: first.start,
            bytes: first.bytes.clone(),
            needed_by_all: furthest.is_some_and(|at| at < first.end()),
            unpaced: state.is_unpaced(),
        })
    }

    /// The way to where the first bytes, which begin at `start`, have to go.
    fn writer(&self, start: u64) -> io::Result<Place> {
        let mut state = self.state.borrow_mut();
        if let Some(spool) = &state.spool {
            return Ok(spool.writer());
        }
        let spool = Spool::new(start, self.flow.gauges())?;
        let place = spool.writer();
        state.spool = Some(spool);
        Ok(place)
    }

    /// The first bytes in memory, which end at `end`, cannot be put aside. Who needs everything to be in the file goes, and who lags
    /// behind another. If that other needs them as well, it is given time as long as it moves.
    async fn do_without_disk(&self, end: u64, needed_by_all: bool, error: &io::Error) {
        let lost = |reader: &Reader| reader.at < end && (reader.wants_len || !needed_by_all);
        if self.lose(lost, error) || !needed_by_all {
            return;
        }
        let place = |window: &Self| window.state.borrow().reading().map(|reader| reader.at).max();
        let (began, before) = (Instant::now(), place(self));
        while place(self) == before {
            if began.elapsed() >= STALL_MAX {
                self.lose(|reader| reader.at < end, error);
                return;
            }
            self.wait_for_readers().await;
        }
    }

    /// Sends readers away because of what the disk says; true if there were any.
    fn lose(&self, which: impl Fn(&Reader) -> bool, error: &io::Error) -> bool {
        let mut state = self.state.borrow_mut();
        let mut lost = false;
        for reader in state.readers.iter_mut().filter(|reader| reader.expelled.is_none() && which(reader)) {
            lost = true;
            reader.expelled = Some(format!("it reads slowly, and the temporary file for it failed: {error}"));
        }
        if lost {
            warning(&format!(
                "Cannot put a part of a snapshot aside in a temporary file, for replicas that read slowly: {error}"
            ));
            state.forget_passed();
            let start = state.pieces.front().map_or(state.end, |front| front.start);
            if !state.reading().any(|reader| reader.at < start) {
                state.spool = None;
            }
            drop(state);
            self.release();
            self.changed.notify_waiters();
        }
        lost
    }

    /// There will be no more bytes.
    pub fn complete(&self) {
        self.state.borrow_mut().complete = true;
        self.changed.notify_waiters();
    }

    /// From now on the walk does not wait for readers.
    pub fn hurry(&self) {
        self.state.borrow_mut().hurried = true;
        self.release();
    }

    /// Sends a reader away.
    pub fn expel(&self, id: u64, why: &str) {
        if let Some(reader) = self.state.borrow_mut().reader(id) {
            reader.expelled.get_or_insert_with(|| why.to_string());
        }
        self.changed.notify_waiters();
    }

    /// Sends every reader away.
    pub fn expel_all(&self, why: &str) {
        for reader in &mut self.state.borrow_mut().readers {
            reader.expelled.get_or_insert_with(|| why.to_string());
        }
        self.changed.notify_waiters();
    }

    /// Whether there is no reader.
    pub fn is_deserted(&self) -> bool {
        self.state.borrow().readers.is_empty()
    }

    /// Resolves when a reader has gone.
    pub async fn reader_left(&self) {
        self.left.notified().await;
    }

    /// Lets go of what every reader has passed, and tells the cores of what the furthest one has.
    fn release(&self) {
        let mut state = self.state.borrow_mut();
        state.forget_passed();
        let unpaced = state.is_unpaced();
        let furthest = state.reading().map(|reader| reader.at).max();
        let at = furthest.filter(|_| !unpaced).unwrap_or(state.end);
        state.furthest = state.furthest.max(at);
        while let Some(&(end, shard, len)) = state.under_way.front()
            && end <= state.furthest
        {
            state.under_way.pop_front();
            if self.flow.consumed(shard, len) {
                self.surroundings.wake(shard);
            }
        }
        self.moved.notify_one();
    }

    // ---- for readers ------------------------------------------------------------------------------------------------

    /// A reader comes, to the beginning.
    pub fn join(&self, id: u64, wants_len: bool) {
        self.state.borrow_mut().readers.push(Reader { id, at: 0, wants_len, expelled: None });
    }

    /// A reader goes.
    pub fn leave(&self, id: u64) {
        self.state.borrow_mut().readers.retain(|reader| reader.id != id);
        self.release();
        self.left.notify_one();
    }

    /// Resolves when a reader has to go, with the reason.
    pub async fn expelled(&self, id: u64) -> String {
        loop {
            let changed = self.changed.notified();
            let why = self.state.borrow_mut().reader(id).and_then(|reader| reader.expelled.clone());
            match why {
                Some(why) => return why,
                None => changed.await,
            }
        }
    }

    /// Resolves when everything is here, with its length.
    pub async fn len(&self) -> u64 {
        loop {
            let changed = self.changed.notified();
            {
                let state = self.state.borrow();
                if state.complete {
                    return state.end;
                }
            }
            changed.await;
        }
    }

    /// Some of the bytes at a reader's place; `None` at the end.
    ///
    /// # Errors
    /// What the system says of the temporary file.
    pub async fn read(&self, id: u64) -> Result<Option<Bytes>, String> {
        loop {
            let changed = self.changed.notified();
            let found = self.state.borrow_mut().find(id);
            match found {
                Found::Bytes(bytes) => return Ok(Some(bytes)),
                Found::OnDisk(place, len) => return place.read(len).await.map(Some).map_err(|error| error.to_string()),
                Found::End => return Ok(None),
                Found::NotYet => changed.await,
            }
        }
    }

    /// A reader is done with so many bytes.
    pub fn advance(&self, id: u64, len: usize) {
        if let Some(reader) = self.state.borrow_mut().reader(id) {
            reader.at = reader.at.saturating_add(len as u64);
        }
        self.release();
    }
}

impl State {
    /// Whether the walk waits for no reader. Who waits for the length waits for everything, which goes to the file for it anyway.
    fn is_unpaced(&self) -> bool {
        self.hurried || self.reading().any(|reader| reader.wants_len)
    }

    /// Readers that are not about to go.
    fn reading(&self) -> impl Iterator<Item = &Reader> {
        self.readers.iter().filter(|reader| reader.expelled.is_none())
    }

    fn reader(&mut self, id: u64) -> Option<&mut Reader> {
        self.readers.iter_mut().find(|reader| reader.id == id)
    }

    /// Lets go of the bytes that every reader has passed.
    fn forget_passed(&mut self) {
        let needed = self.reading().map(|reader| reader.at).min().unwrap_or(self.end);
        if self.pieces.front().is_some_and(|front| front.end() <= needed) {
            self.spool = None;
        }
        while self.pieces.front().is_some_and(|front| front.end() <= needed) {
            self.pieces.pop_front();
        }
    }

    /// The first bytes in memory are in the file now.
    fn move_aside(&mut self, start: u64, len: u64) {
        if let Some(spool) = &mut self.spool
            && self.pieces.front().is_some_and(|front| front.start == start)
        {
            spool.wrote(len);
            self.pieces.pop_front();
        }
    }

    fn find(&mut self, id: u64) -> Found {
        let Some(at) = self.reader(id).map(|reader| reader.at) else { return Found::NotYet };
        let nth = self.pieces.partition_point(|piece| piece.end() <= at);
        match (self.pieces.get(nth), &self.spool) {
            (Some(piece), _) if piece.start <= at => {
                let from = (at - piece.start) as usize;
                let to = piece.bytes.len().min(from + READ_LEN_MAX);
                Found::Bytes(piece.bytes.slice(from..to))
            }
            (Some(piece), Some(spool)) => {
                let len = (piece.start - at).min(READ_LEN_MAX as u64) as usize;
                Found::OnDisk(spool.reader(at), len)
            }
            _ if self.complete && at >= self.end => Found::End,
            _ => Found::NotYet,
        }
    }
}
