//! Long strings that have left the keyspace while somebody else still has them: a snapshot that is to send them, as a rule.
//!
//! What the keyspace gives up then frees nothing. Eviction has to know, or it would go on until nothing is left, and so has
//! whoever asks what a snapshot costs. Each thread notes what left on it, and looks again now and then at what is gone for good.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::{Arc, Weak};

#[derive(Default)]
struct Leftovers {
    notes: VecDeque<(Weak<Vec<u8>>, usize)>,
    bytes: usize,
}

thread_local! {
    static LEFTOVERS: RefCell<Leftovers> = RefCell::default();
}

/// The keyspace is about to let go of this string.
#[inline]
pub(super) fn leaves(text: &Arc<Vec<u8>>) {
    if Arc::strong_count(text) > 1 {
        note(text);
    }
}

#[cold]
#[inline(never)]
fn note(text: &Arc<Vec<u8>>) {
    // A thread that is ending counts no more.
    let _ = LEFTOVERS.try_with(|leftovers| {
        let mut leftovers = leftovers.borrow_mut();
        leftovers.bytes += text.capacity();
        leftovers.notes.push_back((Arc::downgrade(text), text.capacity()));
    });
}

/// Bytes of such strings that left on this thread, to the best of its knowledge: it looks again at so many of them.
pub fn bytes(looks: usize) -> usize {
    LEFTOVERS.with_borrow_mut(|leftovers| {
        for _ in 0..leftovers.notes.len().min(looks) {
            let Some((text, len)) = leftovers.notes.pop_front() else { break };
            if text.strong_count() == 0 {
                leftovers.bytes -= len;
            } else {
                leftovers.notes.push_back((text, len));
            }
        }
        leftovers.bytes
    })
}

/// Whether there are none.
pub fn is_empty() -> bool {
    LEFTOVERS.with_borrow(|leftovers| leftovers.notes.is_empty())
}

/// Forgets them all. When no snapshot has anything, what is still shared is shared by two keys.
pub fn forget() {
    LEFTOVERS.with_borrow_mut(|leftovers| *leftovers = Leftovers::default());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shard::entry::Entry;
    use crate::shard::table::Table;
    use crate::shard::value::Value;
    use koltso_proto::id::UnixMs;

    const NOW: UnixMs = UnixMs(0);

    #[test]
    fn a_string_counts_from_when_it_leaves_the_table_until_nobody_has_it() {
        let ends: [fn(&mut Table); 5] = [
            |table| assert!(table.delete(b"key")),
            |table| table.set_string(b"key", b"short", None, NOW),
            |table| table.set_string(b"key", &[b'n'; 30_000], None, NOW),
            |table| table.put(Entry::string(b"key", b"other", None), NOW),
            |table| {
                table.find_mut(b"key").unwrap().edit_string(|text| text.push(b'+'));
            },
        ];
        for end in ends {
            let mut table = Table::default();
            let text = Arc::new(vec![b't'; 20_000]);
            table.put(Entry::with_value(b"key", Value::Str(Arc::clone(&text)), None), NOW);
            assert!(is_empty());
            end(&mut table);
            assert_eq!(bytes(8), 20_000);
            drop(text);
            assert_eq!(bytes(8), 0);
            assert!(is_empty());
            // Shared by nobody, it is gone at once.
            table.set_string(b"key", &[b't'; 20_000], None, NOW);
            table.delete(b"key");
            assert!(is_empty());
        }
    }
}
