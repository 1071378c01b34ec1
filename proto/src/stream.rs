//! Streams: ids, and the listpacks that hold entries, byte for byte as Redis stores them.
//!
//! A stream is a sequence of nodes, each a listpack filed under the id of its first entry, its *master id*:
//!
//! ```text
//! node  := count deleted n field{n} 0 entry*                count: entries that live; deleted: those marked as gone
//! entry := flags ms seq value{n} size                       flags has SAME_FIELDS: the fields are the node's
//!        | flags ms seq m (field value){m} size
//! ```
//!
//! `ms` and `seq` are what to add to the master id, modulo 2^64. `size` says how many elements of the entry stand before it, so
//! that a node can be read backwards. The ids of entries that live ascend; those of entries that are gone may not, because the
//! greatest id of a stream can be set back to that of its last living entry. This module knows nodes one by one; their order is the business of whoever holds them.

use crate::listpack::{Corrupt, Element, Iter, Listpack, ListpackRef};
use crate::number::{parse_u64, write_u64};

/// The entry is gone.
pub const DELETED: i64 = 1;
/// The entry has the fields of the node.
pub const SAME_FIELDS: i64 = 2;

/// What an entry is called: `ms-seq`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId {
    /// Mostly the Unix time in milliseconds.
    pub ms: u64,
    /// Tells entries of one millisecond apart.
    pub seq: u64,
}

impl StreamId {
    /// `0-0`, which no entry has.
    pub const MIN: StreamId = StreamId { ms: 0, seq: 0 };
    /// The last id there can be.
    pub const MAX: StreamId = StreamId { ms: u64::MAX, seq: u64::MAX };

    pub const fn new(ms: u64, seq: u64) -> Self {
        StreamId { ms, seq }
    }

    /// Reads `ms-seq`, or `ms` alone with `missing_seq` for the rest.
    pub fn parse(text: &[u8], missing_seq: u64) -> Option<Self> {
        const TEXT_LEN_MAX: usize = 127;
        if text.len() > TEXT_LEN_MAX {
            return None;
        }
        match text.iter().position(|byte| *byte == b'-') {
            None => Some(StreamId { ms: parse_u64(text)?, seq: missing_seq }),
            Some(dash) => Some(StreamId { ms: parse_u64(&text[..dash])?, seq: parse_u64(&text[dash + 1..])? }),
        }
    }

    /// The id after this one.
    pub fn next(self) -> Option<Self> {
        match self.seq.checked_add(1) {
            Some(seq) => Some(StreamId { seq, ..self }),
            None => Some(StreamId { ms: self.ms.checked_add(1)?, seq: 0 }),
        }
    }

    /// The id before this one.
    pub fn previous(self) -> Option<Self> {
        match self.seq.checked_sub(1) {
            Some(seq) => Some(StreamId { seq, ..self }),
            None => Some(StreamId { ms: self.ms.checked_sub(1)?, seq: u64::MAX }),
        }
    }

    /// Sixteen bytes, high ones first, as keys of nodes and pending entries stand in files.
    pub fn to_bytes(self) -> [u8; 16] {
        (u128::from(self.ms) << 64 | u128::from(self.seq)).to_be_bytes()
    }

    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        let both = u128::from_be_bytes(bytes);
        StreamId { ms: (both >> 64) as u64, seq: both as u64 }
    }

    /// The text `ms-seq`.
    pub fn to_text(self) -> Vec<u8> {
        let mut text = Vec::with_capacity(41);
        write_u64(&mut text, self.ms);
        text.push(b'-');
        write_u64(&mut text, self.seq);
        text
    }

    fn plus(self, ms: i64, seq: i64) -> Self {
        StreamId { ms: self.ms.wrapping_add(ms as u64), seq: self.seq.wrapping_add(seq as u64) }
    }
}

/// An entry of a node.
#[derive(Clone)]
pub struct Entry<'a> {
    pub id: StreamId,
    /// What was at the front of it: [`DELETED`], [`SAME_FIELDS`].
    pub flags: i64,
    /// Where in the listpack it begins.
    pub pos: usize,
    names: Iter<'a>,
    rest: Iter<'a>,
    len: usize,
}

impl<'a> Entry<'a> {
    /// Whether it is gone.
    pub fn is_deleted(&self) -> bool {
        self.flags & DELETED != 0
    }

    /// The number of fields.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no fields; no command makes such an entry.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The fields with their values, in order.
    pub fn fields(&self) -> impl Iterator<Item = (Element<'a>, Element<'a>)> + use<'a> {
        let (mut names, mut rest) = (self.names.clone(), self.rest.clone());
        let same = self.flags & SAME_FIELDS != 0;
        (0..self.len).map_while(move |_| {
            let name = if same { names.next() } else { rest.next() };
            Some((name?.1, rest.next()?.1))
        })
    }
}

/// A node to look at. Its listpack has been checked with [`check`], or was built here.
#[derive(Clone, Copy)]
pub struct Node<'a> {
    master: StreamId,
    pack: ListpackRef<'a>,
}

/// The first elements of a node.
struct Head<'a> {
    live: i64,
    deleted: i64,
    fields: usize,
    /// At the first field's name.
    names: Iter<'a>,
}

impl<'a> Node<'a> {
    /// The node of this master id.
    pub fn new(master: StreamId, pack: ListpackRef<'a>) -> Self {
        Node { master, pack }
    }

    fn head(self) -> Option<Head<'a>> {
        let mut elements = self.pack.iter();
        let mut int = || elements.next()?.1.as_int();
        let (live, deleted, fields) = (int()?, int()?, usize::try_from(int()?).ok()?);
        Some(Head { live, deleted, fields, names: elements })
    }

    /// How many entries live, and how many are gone.
    pub fn counts(self) -> (usize, usize) {
        self.head().map_or((0, 0), |head| (head.live as usize, head.deleted as usize))
    }

    /// All entries from the first on, those that are gone included.
    pub fn entries(self) -> Entries<'a> {
        let Some(head) = self.head() else {
            let names = self.pack.iter_from(self.pack.as_bytes().len());
            return Entries { node: self, names: names.clone(), fields: 0, next: names };
        };
        let mut next = head.names.clone();
        // The fields, and the 0 behind them.
        next.by_ref().take(head.fields + 1).for_each(drop);
        Entries { node: self, names: head.names, fields: head.fields, next }
    }

    /// The entries that are not gone.
    pub fn living(self) -> impl Iterator<Item = Entry<'a>> {
        self.entries().filter(|entry| !entry.is_deleted())
    }

    /// All entries from the last on, those that are gone included.
    pub fn entries_rev(self) -> EntriesRev<'a> {
        let forward = self.entries();
        EntriesRev { entries: forward, end: self.pack.last() }
    }

    /// Whether an entry of these fields has those of the node.
    fn has_fields<'b>(self, fields: usize, mut names: impl Iterator<Item = &'b [u8]>) -> bool {
        self.head().is_some_and(|mut head| {
            head.fields == fields
                && (0..fields).all(|_| match (head.names.next(), names.next()) {
                    (Some((_, own)), Some(name)) => own.eq_bytes(name),
                    _ => false,
                })
        })
    }
}

/// See [`Node::entries`].
#[derive(Clone)]
pub struct Entries<'a> {
    node: Node<'a>,
    names: Iter<'a>,
    fields: usize,
    next: Iter<'a>,
}

impl<'a> Entries<'a> {
    /// Reads an entry and moves behind it.
    fn read(&self, elements: &mut Iter<'a>) -> Option<Entry<'a>> {
        let (pos, flags) = elements.next()?;
        let flags = flags.as_int()?;
        let (ms, seq) = (elements.next()?.1.as_int()?, elements.next()?.1.as_int()?);
        let (len, count) = if flags & SAME_FIELDS != 0 {
            (self.fields, self.fields)
        } else {
            let len = usize::try_from(elements.next()?.1.as_int()?).ok()?;
            (len, len.checked_mul(2)?)
        };
        let entry =
            Entry { id: self.node.master.plus(ms, seq), flags, pos, names: self.names.clone(), rest: elements.clone(), len };
        for _ in 0..count {
            elements.next()?;
        }
        Some(entry)
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Entry<'a>;

    #[inline]
    fn next(&mut self) -> Option<Entry<'a>> {
        let mut elements = self.next.clone();
        let entry = self.read(&mut elements)?;
        elements.next()?;
        self.next = elements;
        Some(entry)
    }
}

/// See [`Node::entries_rev`].
pub struct EntriesRev<'a> {
    entries: Entries<'a>,
    /// Where the size of the next entry stands.
    end: Option<usize>,
}

impl<'a> Iterator for EntriesRev<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        let pack = self.entries.node.pack;
        let mut pos = self.end?;
        let size = pack.element(pos)?.as_int()?;
        if size <= 0 {
            return None;
        }
        for _ in 0..size {
            pos = pack.prev(pos)?;
        }
        self.end = pack.prev(pos);
        self.entries.read(&mut pack.iter_from(pos))
    }
}

/// What [`check`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checked {
    /// Entries that live.
    pub live: usize,
    /// Entries that are gone.
    pub deleted: usize,
    /// The id of the last entry that lives; the master id if there is none.
    pub last: StreamId,
}

/// Checks that a listpack from outside is a node, and that the ids of its living entries ascend from the master id on.
pub fn check(master: StreamId, pack: &Listpack) -> Result<Checked, Corrupt> {
    let corrupt = Corrupt("a stream node whose entries are not in order");
    let node = Node::new(master, pack.view());
    let head = node.head().ok_or(corrupt)?;
    let total = pack.len();
    if head.fields.checked_add(4).is_none_or(|least| least > total) || head.live < 0 || head.deleted < 0 {
        return Err(corrupt);
    }
    let mut names = head.names.clone();
    if names.nth(head.fields).and_then(|(_, zero)| zero.as_int()) != Some(0) {
        return Err(corrupt);
    }
    let (mut live, mut deleted, mut last) = (0i64, 0i64, None);
    let entries = node.entries();
    let mut elements = entries.next.clone();
    while elements.clone().next().is_some() {
        let entry = entries.read(&mut elements).ok_or(corrupt)?;
        let own = 3 + if entry.flags & SAME_FIELDS != 0 { entry.len } else { 2 * entry.len + 1 };
        if elements.next().and_then(|(_, size)| size.as_int()) != Some(own as i64) {
            return Err(corrupt);
        }
        if entry.flags & !(DELETED | SAME_FIELDS) != 0 {
            return Err(corrupt);
        }
        if entry.is_deleted() {
            deleted += 1;
            continue;
        }
        if !last.map_or(entry.id >= master, |last| entry.id > last) {
            return Err(corrupt);
        }
        live += 1;
        last = Some(entry.id);
    }
    if (live, deleted) != (head.live, head.deleted) {
        return Err(corrupt);
    }
    Ok(Checked { live: live as usize, deleted: deleted as usize, last: last.unwrap_or(master) })
}

/// Makes a node of one entry, whose id is the master id. `fields` is names and values in turn, an even number of them.
pub fn new_node<'a>(fields: impl Iterator<Item = &'a [u8]> + Clone) -> Listpack {
    let mut pack = Listpack::new();
    let names = || fields.clone().step_by(2);
    pack.push_back_int(1);
    pack.push_back_int(0);
    let count = names().count();
    pack.push_back_int(count as i64);
    names().for_each(|name| pack.push_back(name));
    pack.push_back_int(0);
    push_entry(&mut pack, StreamId::MIN, StreamId::MIN, true, count, fields);
    pack
}

/// Appends an entry to a node. Its id must be greater than all there.
pub fn append<'a>(pack: &mut Listpack, master: StreamId, id: StreamId, fields: impl Iterator<Item = &'a [u8]> + Clone) {
    let names = || fields.clone().step_by(2);
    let count = names().count();
    let same = Node::new(master, pack.view()).has_fields(count, names());
    add_to_counts(pack, 1, 0);
    push_entry(pack, master, id, same, count, fields);
}

fn push_entry<'a>(
    pack: &mut Listpack,
    master: StreamId,
    id: StreamId,
    same: bool,
    count: usize,
    fields: impl Iterator<Item = &'a [u8]>,
) {
    pack.push_back_int(if same { SAME_FIELDS } else { 0 });
    pack.push_back_int(id.ms.wrapping_sub(master.ms) as i64);
    pack.push_back_int(id.seq.wrapping_sub(master.seq) as i64);
    if same {
        fields.skip(1).step_by(2).for_each(|value| pack.push_back(value));
        pack.push_back_int(count as i64 + 3);
    } else {
        pack.push_back_int(count as i64);
        fields.for_each(|text| pack.push_back(text));
        pack.push_back_int(2 * count as i64 + 4);
    }
}

/// Marks the entry of this id as gone; false if there is none that lives.
pub fn delete(pack: &mut Listpack, master: StreamId, id: StreamId) -> bool {
    let found = Node::new(master, pack.view()).living().find(|entry| entry.id >= id);
    let Some(entry) = found.filter(|entry| entry.id == id) else { return false };
    mark(pack, &[(entry.pos, entry.flags)]);
    true
}

/// Marks the entries of a node as gone from the first on, as long as `goes` says so of those that live; returns how many.
pub fn delete_first(pack: &mut Listpack, master: StreamId, mut goes: impl FnMut(StreamId) -> bool) -> usize {
    let living = Node::new(master, pack.view()).living();
    let marks: Vec<_> = living.take_while(|entry| goes(entry.id)).map(|entry| (entry.pos, entry.flags)).collect();
    mark(pack, &marks);
    marks.len()
}

fn mark(pack: &mut Listpack, entries: &[(usize, i64)]) {
    // From the last to the first: flags that a foreign hand has written in more bytes than they need become shorter, and what is
    // still to be marked must not move.
    for (pos, flags) in entries.iter().rev() {
        pack.replace_int(*pos, flags | DELETED);
    }
    let gone = entries.len() as i64;
    if gone > 0 {
        add_to_counts(pack, -gone, gone);
    }
}

fn add_to_counts(pack: &mut Listpack, live: i64, deleted: i64) {
    let mut at = pack.first();
    for change in [live, deleted] {
        let Some(pos) = at else { return };
        if change != 0
            && let Some(old) = pack.element(pos).and_then(|element| element.as_int())
        {
            pack.replace_int(pos, old.saturating_add(change));
        }
        at = pack.next(pos);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MASTER: StreamId = StreamId::new(5, 7);

    fn words(text: &str) -> impl Iterator<Item = &[u8]> + Clone {
        text.split(' ').map(str::as_bytes)
    }

    fn node() -> Listpack {
        let mut pack = new_node(words("a 1 b 2"));
        append(&mut pack, MASTER, StreamId::new(5, 8), words("a 3 b x"));
        append(&mut pack, MASTER, StreamId::new(6, 0), words("c 4"));
        append(&mut pack, MASTER, StreamId::new(u64::MAX, 1), words("b 5 a 6"));
        pack
    }

    fn shown(entries: impl Iterator<Item = Entry<'static>>) -> Vec<String> {
        entries
            .map(|entry| {
                let fields = entry.fields().flat_map(|(name, value)| [name.to_vec(), value.to_vec()]);
                let text: Vec<_> = fields.map(|bytes| String::from_utf8(bytes).unwrap()).collect();
                let mark = if entry.is_deleted() { "x" } else { "" };
                format!("{mark}{} {}", String::from_utf8(entry.id.to_text()).unwrap(), text.join(" "))
            })
            .collect()
    }

    fn leaked(pack: &Listpack) -> Node<'static> {
        Node::new(MASTER, ListpackRef::from_trusted(Vec::leak(pack.as_bytes().to_vec())))
    }

    #[test]
    fn entries_come_back_in_both_directions() {
        let pack = node();
        let mut expected = vec!["5-7 a 1 b 2", "5-8 a 3 b x", "6-0 c 4", "18446744073709551615-1 b 5 a 6"];
        assert_eq!(shown(leaked(&pack).entries()), expected);
        expected.reverse();
        assert_eq!(shown(leaked(&pack).entries_rev()), expected);
        let last = StreamId::new(u64::MAX, 1);
        assert_eq!(check(MASTER, &pack), Ok(Checked { live: 4, deleted: 0, last }));
    }

    #[test]
    fn deleted_entries_stay_as_marks() {
        let mut pack = node();
        assert!(delete(&mut pack, MASTER, StreamId::new(6, 0)));
        assert!(!delete(&mut pack, MASTER, StreamId::new(6, 0)));
        assert!(!delete(&mut pack, MASTER, StreamId::new(6, 1)));
        assert_eq!(delete_first(&mut pack, MASTER, |id| id <= StreamId::new(6, 0)), 2);
        assert_eq!(
            shown(leaked(&pack).entries()),
            ["x5-7 a 1 b 2", "x5-8 a 3 b x", "x6-0 c 4", "18446744073709551615-1 b 5 a 6"]
        );
        assert_eq!(leaked(&pack).counts(), (1, 3));
        assert_eq!(check(MASTER, &pack).map(|checked| checked.deleted), Ok(3));
    }

    #[test]
    fn a_node_that_is_not_in_order_is_refused() {
        let refused = |ints: &[i64]| {
            let mut pack = Listpack::new();
            ints.iter().for_each(|int| pack.push_back_int(*int));
            check(MASTER, &pack).is_err()
        };
        assert!(!refused(&[1, 0, 1, 9, 0, 2, 0, 0, 9, 4]));
        for ints in [
            &[][..],
            &[1, 0, 1],
            &[1, 0, 1, 9, 1, 2, 0, 0, 9, 4],
            &[2, 0, 1, 9, 0, 2, 0, 0, 9, 4],
            &[1, 1, 1, 9, 0, 2, 0, 0, 9, 4],
            &[1, 0, 9, 9, 0, 2, 0, 0, 9, 4],
            &[1, 0, -1, 9, 0, 2, 0, 0, 9, 4],
            &[1, 0, i64::MAX, 9, 0, 2, 0, 0, 9, 4],
            &[1, 0, 1, 9, 0, 2, 0, 0, 9, 3],
            &[1, 0, 1, 9, 0, 2, 0, 0, 9],
            &[1, 0, 1, 9, 0, 2, 0, -1, 9, 4],
            &[1, 0, 1, 9, 0, 6, 0, 0, 9, 4],
            &[2, 0, 1, 9, 0, 2, 0, 0, 9, 4, 2, 0, 0, 9, 4],
            &[1, 0, 1, 9, 0, 0, 0, 0, i64::MAX, 9, 9, 6],
        ] {
            assert!(refused(ints), "{ints:?}");
        }
    }

    #[test]
    fn ids_are_read_and_stepped_at_their_limits() {
        assert_eq!(StreamId::parse(b"5-18446744073709551615", 0), Some(StreamId::new(5, u64::MAX)));
        assert_eq!(StreamId::parse(b"5", 9), Some(StreamId::new(5, 9)));
        for text in ["", "-", "+", "5-", "-5", "5-*", "x-1", "1-2-3", "18446744073709551616-0"] {
            assert_eq!(StreamId::parse(text.as_bytes(), 0), None, "{text}");
        }
        assert_eq!(StreamId::new(5, u64::MAX).next(), Some(StreamId::new(6, 0)));
        assert_eq!(StreamId::MAX.next(), None);
        assert_eq!(StreamId::new(6, 0).previous(), Some(StreamId::new(5, u64::MAX)));
        assert_eq!(StreamId::MIN.previous(), None);
        assert_eq!(StreamId::from_bytes(MASTER.to_bytes()), MASTER);
    }
}
