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
//! sets the pace of the walk: cores count what they have sent as under way until that one has passed it.
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
use tokio::sync::Notify;

/// Bytes in memory beyond those that the cores may have under way.
const SLACK_LEN: usize = 4 << 20;
/// Most bytes that a reader is given at a time. A send is not interrupted, and a core may share its processor.
const READ_LEN_MAX: usize = 128 << 10;

/// The bytes, and the places of their readers in them.
pub struct Window {
    state: RefCell<State>,
    /// There are more bytes, or a reader has to go.
    changed: Notify,
    /// A reader has gone.
    left: Notify,
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

/// Bytes in memory.
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
            flow: Arc::clone(flow),
            surroundings: surroundings.clone(),
        }
    }

    // ---- for whoever brings the bytes -------------------------------------------------------------------------------

    /// Adds bytes, and waits while those that are too many are put aside.
    pub async fn push(&self, piece: Piece) {
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
        while let Some((start, bytes, place)) = self.too_many() {
            let len = bytes.len() as u64;
            let outcome = match place {
                Ok(place) => place.write(bytes).await,
                Err(error) => Err(error),
            };
            match outcome {
                // If all readers have passed these bytes meanwhile, neither they nor the file are there any more.
                Ok(()) => self.state.borrow_mut().move_aside(start, len),
                Err(error) => self.lose_laggards(start + len, &error),
            }
        }
    }

    /// The first bytes in memory, if there are too many: where in the stream, what, and where they have to go.
    fn too_many(&self) -> Option<(u64, Bytes, io::Result<Place>)> {
        let mut state = self.state.borrow_mut();
        let front = state.pieces.front()?;
        if state.end - front.start <= (self.flow.walk_len() + SLACK_LEN) as u64 || state.pieces.len() == 1 {
            return None;
        }
        let (start, bytes) = (front.start, front.bytes.clone());
        if state.spool.is_none() {
            match Spool::new(start, self.flow.gauges()) {
                Ok(spool) => state.spool = Some(spool),
                Err(error) => return Some((start, bytes, Err(error))),
            }
        }
        let place = state.spool.as_ref().map(Spool::writer)?;
        Some((start, bytes, Ok(place)))
    }

    /// The first bytes in memory, which end at `end`, cannot be put aside: whoever still needs them goes.
    fn lose_laggards(&self, end: u64, error: &io::Error) {
        warning(&format!("Cannot put a part of a snapshot aside in a temporary file, for replicas that read slowly: {error}"));
        let mut state = self.state.borrow_mut();
        state.spool = None;
        for reader in state.readers.iter_mut().filter(|reader| reader.at < end) {
            reader.expelled.get_or_insert_with(|| format!("it reads slowly, and the temporary file for it failed: {error}"));
        }
        state.forget_passed();
        drop(state);
        self.changed.notify_waiters();
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
        // Who waits for the length waits for everything, which goes to the file for it anyway.
        let unpaced = state.hurried || state.reading().any(|reader| reader.wants_len);
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
