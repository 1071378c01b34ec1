//! Values on their way out that would take long to drop.
//!
//! A large collection is millions of allocations, and a large string thousands of pages: whoever deletes or replaces one must not
//! wait for them. What a segment drops comes here; what is quick is dropped at once, the rest is kept by the thread, which takes
//! it apart between other things. A thread that never does still drops it in the end.

use super::leftovers;
use super::value::Value;
use std::cell::{Cell, RefCell};
use std::time::Instant;

/// Elements dropped between two looks at the clock.
const STEP: usize = 256;

thread_local! {
    static GRAVES: RefCell<Vec<Value>> = const { RefCell::new(Vec::new()) };
    static DUG: Cell<u64> = const { Cell::new(0) };
}

/// Takes a value that is slow to drop.
pub(super) fn bury(value: Value) {
    // A thread that is ending has no graves any more: then it is dropped here.
    let mut value = Some(value);
    let _ = GRAVES.try_with(|graves| graves.borrow_mut().extend(value.take()));
}

/// Drops a value, or has it dropped later if that takes long.
pub(super) fn drop_value(value: Value) {
    if value.is_slow_to_drop() {
        bury(value);
    } else if let Value::Str(text) = &value {
        leftovers::leaves(text);
    }
}

/// How many values are to be dropped on this thread, and how many have been since [`forget_count`].
pub fn counts() -> (u64, u64) {
    (GRAVES.with_borrow(|graves| graves.len() as u64), DUG.get())
}

/// Counts from zero.
pub fn forget_count() {
    DUG.set(0);
}

/// Whether there is nothing to do.
pub fn is_empty() -> bool {
    GRAVES.with_borrow(Vec::is_empty)
}

/// Goes on dropping what was buried on this thread, until this time; true if that was all. Strings are given to `take_string`
/// instead, to be dropped where nobody waits.
pub fn dig(until: Instant, mut take_string: impl FnMut(Value)) -> bool {
    loop {
        let Some(mut value) = GRAVES.with_borrow_mut(Vec::pop) else { return true };
        loop {
            if let Value::Str(text) = &value {
                leftovers::leaves(text);
                take_string(value);
                DUG.set(DUG.get() + 1);
                break;
            }
            if value.free_some(STEP) {
                DUG.set(DUG.get() + 1);
                break;
            }
            if Instant::now() >= until {
                GRAVES.with_borrow_mut(|graves| graves.push(value));
                return false;
            }
        }
        if Instant::now() >= until {
            return is_empty();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shard::entry::Entry;
    use crate::shard::table::Table;
    use crate::shard::value::{Set, Thresholds};
    use koltso_proto::id::UnixMs;
    use std::time::Duration;

    fn big_set() -> Value {
        let mut set = Set::default();
        (0..200_000).for_each(|i: u32| {
            set.add(format!("member {i}").as_bytes(), &Thresholds::default());
        });
        Value::Set(set)
    }

    #[test]
    fn what_takes_long_to_drop_is_dropped_in_steps_however_it_ends() {
        let ends: [fn(&mut Table); 4] = [
            |table| assert!(table.delete(b"key")),
            |table| table.set_string(b"key", b"short", None, UnixMs(0)),
            |table| table.put(Entry::string(b"key", b"other", None), UnixMs(0)),
            |table| drop(table.take()),
        ];
        for end in ends {
            let mut table = Table::default();
            table.put(Entry::with_value(b"key", big_set(), None), UnixMs(0));
            end(&mut table);
            assert!(!is_empty());
            let mut steps = 0;
            forget_count();
            // With no time at all, so that it is one step each, however fast the machine is.
            while !dig(Instant::now(), drop) {
                assert_eq!(counts(), (1, 0));
                steps += 1;
            }
            assert!(steps > 3 && is_empty(), "{steps}");
            assert_eq!(counts(), (0, 1));
        }
    }

    #[test]
    fn small_values_are_dropped_at_once_and_long_strings_elsewhere() {
        let mut table = Table::default();
        let mut set = Set::default();
        set.add(b"member", &Thresholds::default());
        table.put(Entry::with_value(b"key", Value::Set(set), None), UnixMs(0));
        table.delete(b"key");
        assert!(is_empty());
        table.set_string(b"key", &vec![b'x'; 8 << 20], None, UnixMs(0));
        table.set_string(b"key", &vec![b'x'; 2 << 20], None, UnixMs(0));
        table.delete(b"key");
        let mut lens = Vec::new();
        assert!(dig(Instant::now() + Duration::from_secs(1), |value| match value {
            Value::Str(bytes) => lens.push(bytes.len()),
            other => panic!("{other:?}"),
        }));
        lens.sort_unstable();
        assert_eq!(lens, [2 << 20, 8 << 20]);
    }
}
