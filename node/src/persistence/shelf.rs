//! The shelf: which bytes of the log are in files, as the service thread knows it. The [writer](super::writer) keeps it; those who
//! [read the log from disk](super::catch_up) look things up in it.
//!
//! ```text
//!  first                                        end     settled, if replies wait for the disk
//!    ├─ segment ─┬─ segment ────┬─ the one that is written ┤
//!         files that loading needs no more      those that it needs
//! ```
//!
//! What is on it is one stretch of one history, without a gap: what cannot be read, and everything before it, is taken off. It lives
//! on one thread, which both sides share; the cores see the offset of its first byte.

use super::files::Home;
use super::manifest::Listed;
use crate::shared::Shared;
use koltso_proto::id::Offset;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use tokio::sync::Notify;

/// Bytes of the log in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The file's name.
    pub name: Vec<u8>,
    /// The log's end just before the first of them.
    pub from: Offset,
    /// Where in the file that is.
    pub head: u64,
    /// The log's end just behind the last of them.
    pub end: Offset,
}

impl Stored {
    /// A segment of which so many bytes are there; `None` if it is not of our log.
    pub fn of(listed: &Listed, len: u64) -> Option<Stored> {
        let place = listed.place?;
        let end = place.from.advanced(len.checked_sub(place.head)?);
        Some(Stored { name: listed.name.clone(), from: place.from, head: place.head, end })
    }
}

/// What there is at an offset.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    /// So many bytes, from there on in this file.
    Here(PathBuf, u64, u64),
    /// Nothing yet: it is what comes next.
    NotYet,
    /// Nothing any more.
    Gone,
}

/// See above.
pub struct Shelf {
    state: RefCell<State>,
    changed: Notify,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct State {
    home: Option<Home>,
    lineage: u64,
    segments: VecDeque<Stored>,
    settled: Offset,
}

impl State {
    fn end(&self) -> Offset {
        self.segments.back().map_or(Offset(0), |last| last.end)
    }
}

impl Shelf {
    /// An empty one.
    pub fn new(shared: Arc<Shared>) -> Self {
        Shelf { state: RefCell::default(), changed: Notify::new(), shared }
    }

    // ---- for the writer ---------------------------------------------------------------------------------------------

    /// What is there now, in the order of the log, the last being the one that is written: of it, what follows without a gap up to
    /// the end.
    pub fn fill(&self, home: &Home, lineage: u64, stored: Vec<Stored>) {
        let mut segments = VecDeque::<Stored>::new();
        for segment in stored.into_iter().rev() {
            if segments.front().is_some_and(|next| segment.end != next.from) {
                break;
            }
            segments.push_front(segment);
        }
        let settled = segments.back().map_or(Offset(0), |last| last.end);
        *self.state.borrow_mut() = State { home: Some(home.clone()), lineage, segments, settled };
        self.publish();
    }

    /// A segment begins where the last one ends; one of this name, which had nothing in it, is gone.
    pub fn add(&self, stored: Stored, emptied: Option<&[u8]>) {
        let mut state = self.state.borrow_mut();
        state.segments.retain(|segment| Some(&segment.name[..]) != emptied);
        if state.segments.back().is_some_and(|last| last.end != stored.from) {
            // Never so.
            state.segments.clear();
        }
        state.segments.push_back(stored);
        drop(state);
        self.publish();
    }

    /// The current segment has come this far, and so far as safe as replies wait for.
    pub fn advance(&self, end: Offset, settled: Offset) {
        let mut state = self.state.borrow_mut();
        if let Some(last) = state.segments.back_mut() {
            last.end = end;
        }
        state.settled = settled;
        drop(state);
        self.changed.notify_waiters();
    }

    /// Nothing is there any more.
    pub fn clear(&self) {
        *self.state.borrow_mut() = State::default();
        self.publish();
    }

    /// Whether somebody needs this file, which loading does not: who reads the log from there, or may want to.
    pub fn keeps(&self, name: &[u8]) -> bool {
        let state = self.state.borrow();
        let wanted = state.end().0.saturating_sub(self.shared.config().repl_log_size);
        let needed = match self.shared.aof.needed_first.load(Acquire) {
            0 => wanted,
            first => wanted.min(first - 1),
        };
        state.segments.iter().any(|segment| segment.name == name && segment.end.0 > needed)
    }

    /// The files of these names go, if they are here; and so does what is before them.
    pub fn take_off(&self, is_gone: impl Fn(&[u8]) -> bool) {
        let mut state = self.state.borrow_mut();
        let count = state.segments.iter().rposition(|segment| is_gone(&segment.name)).map_or(0, |last| last + 1);
        state.segments.drain(..count);
        drop(state);
        self.publish();
    }

    fn publish(&self) {
        let first = self.state.borrow().segments.front().map_or(0, |first| first.from.0 + 1);
        self.shared.aof.log_first.store(first, Release);
        self.changed.notify_waiters();
    }

    // ---- for readers ------------------------------------------------------------------------------------------------

    /// What there is behind `at` in a run of segments.
    pub fn find(&self, lineage: u64, at: Offset) -> Found {
        let state = self.state.borrow();
        let Some(home) = state.home.as_ref().filter(|_| state.lineage == lineage) else { return Found::Gone };
        if state.segments.front().is_none_or(|first| at < first.from) {
            return Found::Gone;
        }
        let limit = self.limit(&state);
        let nth = state.segments.partition_point(|segment| segment.end <= at);
        match state.segments.get(nth) {
            Some(segment) if at < limit => {
                let len = segment.end.min(limit).0 - at.0;
                Found::Here(home.path(&segment.name), segment.head + (at.0 - segment.from.0), len)
            }
            _ => Found::NotYet,
        }
    }

    /// How far may be read.
    pub fn end(&self) -> Offset {
        self.limit(&self.state.borrow())
    }

    fn limit(&self, state: &State) -> Offset {
        // As for those who read the log in memory.
        if self.shared.aof.holds.load(Relaxed) { state.settled.min(state.end()) } else { state.end() }
    }

    /// Looks whether everything from `at` on is there. What is not is taken off, with everything before it.
    pub fn has_all(&self, lineage: u64, at: Offset) -> bool {
        {
            let state = self.state.borrow();
            let Some(home) = state.home.as_ref() else { return false };
            let whole = |segment: &Stored| home.len_of(&segment.name) >= segment.head + (segment.end.0 - segment.from.0);
            let bad = state.segments.iter().filter(|segment| segment.end > at).rfind(|segment| !whole(segment)).cloned();
            drop(state);
            if let Some(bad) = bad {
                self.condemn(lineage, bad.from);
            }
        }
        self.find(lineage, at) != Found::Gone
    }

    /// What follows on this offset cannot be read: nobody is to be sent it, nor anything before it, or of the same file.
    pub fn condemn(&self, lineage: u64, at: Offset) {
        let mut state = self.state.borrow_mut();
        if state.lineage != lineage {
            return;
        }
        while state.segments.len() > 1 && state.segments[0].from <= at {
            state.segments.pop_front();
        }
        if let Some(first) = state.segments.front_mut().filter(|first| first.from <= at) {
            // What is written to it from now on can be.
            (first.head, first.from) = (first.head + (first.end.0 - first.from.0), first.end);
        }
        drop(state);
        self.publish();
    }

    /// Resolves when something has changed.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(name: &str, from: u64, end: u64) -> Stored {
        Stored { name: name.into(), from: Offset(from), head: 10, end: Offset(end) }
    }

    fn shelf(segments: &[(&str, u64, u64)]) -> Shelf {
        let shelf = Shelf::new(Arc::new(Shared::new(
            crate::config::Config::default(),
            crate::acl::Users::new(b""),
            1,
            String::new(),
            koltso_proto::id::UnixMs(0),
        )));
        let home = Home { folder: "f".into(), stem: b"s".to_vec() };
        shelf.fill(&home, 1, segments.iter().map(|&(name, from, end)| stored(name, from, end)).collect());
        shelf
    }

    fn first(shelf: &Shelf) -> u64 {
        shelf.shared.aof.log_first.load(Acquire)
    }

    fn here(name: &str, from: u64, len: u64) -> Found {
        Found::Here(PathBuf::from("f").join(name), from, len)
    }

    #[test]
    fn each_byte_is_found_once_and_in_its_file() {
        let shelf = shelf(&[("a", 0, 5), ("b", 5, 5), ("c", 5, 9)]);
        assert_eq!(first(&shelf), 1);
        assert_eq!(shelf.find(1, Offset(0)), here("a", 10, 5));
        assert_eq!(shelf.find(1, Offset(4)), here("a", 14, 1));
        assert_eq!(shelf.find(1, Offset(5)), here("c", 10, 4));
        assert_eq!(shelf.find(1, Offset(9)), Found::NotYet);
        assert_eq!(shelf.find(2, Offset(5)), Found::Gone, "it is another run of segments");
        shelf.advance(Offset(12), Offset(12));
        assert_eq!(shelf.find(1, Offset(9)), here("c", 14, 3));
        shelf.add(stored("d", 12, 12), None);
        shelf.advance(Offset(13), Offset(13));
        assert_eq!(shelf.find(1, Offset(12)), here("d", 10, 1));
        shelf.clear();
        assert_eq!((shelf.find(1, Offset(12)), first(&shelf)), (Found::Gone, 0));
    }

    #[test]
    fn nothing_is_read_across_a_gap() {
        let shelf = shelf(&[("a", 0, 5), ("b", 6, 8), ("c", 8, 9)]);
        assert_eq!((shelf.find(1, Offset(5)), first(&shelf)), (Found::Gone, 7));
        assert_eq!(shelf.find(1, Offset(6)), here("b", 10, 2));
    }

    #[test]
    fn what_cannot_be_read_takes_along_what_is_before_it() {
        let shelf = shelf(&[("a", 0, 5), ("b", 5, 8), ("c", 8, 9)]);
        shelf.condemn(1, Offset(6));
        assert_eq!((shelf.find(1, Offset(5)), first(&shelf)), (Found::Gone, 9));
        // Even of the file that is being written.
        shelf.condemn(1, Offset(8));
        shelf.advance(Offset(11), Offset(11));
        assert_eq!((shelf.find(1, Offset(8)), shelf.find(1, Offset(9))), (Found::Gone, here("c", 11, 2)));
    }

    #[test]
    fn a_file_stays_while_somebody_needs_it() {
        let shelf = shelf(&[("a", 0, 5), ("b", 5, 8), ("c", 8, 9)]);
        let kept = |shelf: &Shelf| [b"a", b"b"].map(|name| shelf.keeps(name));
        assert_eq!(kept(&shelf), [false, false]);
        shelf.shared.aof.needed_first.store(6, Release);
        assert_eq!(kept(&shelf), [false, true]);
        shelf.shared.aof.needed_first.store(5, Release);
        assert_eq!(kept(&shelf), [true, true]);
        shelf.take_off(|name| name == b"a");
        assert_eq!((kept(&shelf), first(&shelf)), ([false, true], 6));
    }
}
