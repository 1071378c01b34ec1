//! What the commands of lists, hashes, sets and sorted sets share: getting at a collection, and taking note of changes.
//!
//! A collection that becomes empty takes its key with it: [`edit`] and [`edit_or_create`] see to that, and to the count of
//! changes, so a command only says how many it made.

use super::Ctx;
use super::errors::{self, Error, Outcome};
use super::parse::{self, ScanOptions};
use crate::shard::value::{Hash, List, Set, Thresholds, Value, ValueMut, ValueRef, Zset};
use koltso_proto::listpack::Element;
use koltso_proto::resp::{Args, Reply};
use rand::SeedableRng;
use rand::rngs::SmallRng;

/// The four types that hold elements.
pub trait Collection: Default + Clone {
    /// The collection in a view of a value, if it is of this type.
    fn of(value: ValueRef<'_>) -> Option<&Self>;
    /// The same for changing it.
    fn of_mut(value: ValueMut<'_>) -> Option<&mut Self>;
    /// As a value.
    fn into_value(self) -> Value;
    /// Whether there is no element.
    fn is_empty(&self) -> bool;

    /// What has to be done before a value of this type is looked at.
    #[inline]
    fn settle(_cx: &mut Ctx<'_>, _key: &[u8]) {}
}

macro_rules! collection {
    ($($kind:ident $({ $($more:tt)* })?),*) => {
        $(impl Collection for $kind {
            #[inline]
            fn of(value: ValueRef<'_>) -> Option<&Self> {
                if let ValueRef::$kind(own) = value { Some(own) } else { None }
            }

            #[inline]
            fn of_mut(value: ValueMut<'_>) -> Option<&mut Self> {
                if let ValueMut::$kind(own) = value { Some(own) } else { None }
            }

            fn into_value(self) -> Value {
                Value::$kind(self)
            }

            fn is_empty(&self) -> bool {
                $kind::is_empty(self)
            }

            $($($more)*)?
        })*
    };
}

collection!(
    List,
    Hash {
        #[inline]
        fn settle(cx: &mut Ctx<'_>, key: &[u8]) {
            cx.settle_fields(key);
        }
    },
    Set,
    Zset
);

/// The limits of packed forms in force.
pub fn limits(cx: &Ctx<'_>) -> Thresholds {
    cx.config.thresholds
}

/// The collection at `key`, to read.
///
/// # Errors
/// The key holds another type.
pub fn read<'c, T: Collection>(cx: &'c mut Ctx<'_>, key: &[u8]) -> Outcome<Option<&'c T>> {
    T::settle(cx, key);
    cx.read(key).map(|entry| T::of(entry.value()).ok_or(errors::WRONG_TYPE)).transpose()
}

/// As [`read`], without counting or noting the access: for commands that go on to change it.
///
/// # Errors
/// The key holds another type.
pub fn peek<'c, T: Collection>(cx: &'c mut Ctx<'_>, key: &[u8]) -> Outcome<Option<&'c T>> {
    T::settle(cx, key);
    cx.peek(key).map(|entry| T::of(entry.value()).ok_or(errors::WRONG_TYPE)).transpose()
}

/// As [`read`], together with the reply.
///
/// # Errors
/// The key holds another type.
pub fn read_into<'c, T: Collection>(cx: &'c mut Ctx<'_>, key: &[u8]) -> Outcome<(Option<&'c T>, &'c mut Reply)> {
    T::settle(cx, key);
    let (entry, reply) = cx.read_into(key);
    let found = entry.map(|entry| T::of(entry.value()).ok_or(errors::WRONG_TYPE)).transpose()?;
    Ok((found, reply))
}

/// Changes the collection at `key`, if there is one. `change` may write to the reply; it returns its result and the number of
/// changes it made: 0 if everything is as it was.
///
/// # Errors
/// The key holds another type.
pub fn edit<T: Collection, R>(
    cx: &mut Ctx<'_>,
    key: &[u8],
    change: impl FnOnce(&mut T, &mut Reply) -> (R, usize),
) -> Outcome<Option<R>> {
    T::settle(cx, key);
    let mut reply = std::mem::take(cx.reply);
    let done = match cx.write(key) {
        None => Ok(None),
        Some(mut entry) => match T::of_mut(entry.value_mut()) {
            None => Err(errors::WRONG_TYPE),
            Some(own) => {
                let (result, changes) = change(own, &mut reply);
                Ok(Some((result, changes, own.is_empty())))
            }
        },
    };
    *cx.reply = reply;
    let Some((result, changes, empty)) = done? else { return Ok(None) };
    if changes > 0 {
        if empty {
            cx.delete(key);
        } else {
            cx.changed(key);
        }
        cx.dirty += changes as u64 - 1;
    }
    Ok(Some(result))
}

/// As [`edit`], putting what `create` returns at `key` if there is nothing, and if `change` then fills it.
///
/// # Errors
/// The key holds another type.
pub fn edit_or_create<T: Collection, R>(
    cx: &mut Ctx<'_>,
    key: &[u8],
    create: impl FnOnce() -> T,
    change: impl FnOnce(&mut T, &mut Reply) -> (R, usize),
) -> Outcome<R> {
    let mut change = Some(change);
    let found = edit(cx, key, |own, reply| {
        let change = change.take().expect("it is called once");
        change(own, reply)
    })?;
    if let Some(result) = found {
        return Ok(result);
    }
    let mut own = create();
    let change = change.take().expect("there was nothing to change");
    let (result, changes) = change(&mut own, cx.reply);
    if changes > 0 && !own.is_empty() {
        cx.set_value(key, own.into_value(), None);
        cx.dirty += changes as u64 - 1;
    }
    Ok(result)
}

/// Puts a result at `key`, whatever was there; an empty one takes the key away.
pub fn store<T: Collection>(cx: &mut Ctx<'_>, key: &[u8], result: T) {
    if result.is_empty() {
        cx.delete(key);
    } else {
        cx.set_value(key, result.into_value(), None);
    }
}

/// Replies with an element.
#[inline]
pub fn put_element(reply: &mut Reply, element: Element<'_>) {
    match element {
        Element::Str(text) => reply.bulk(text),
        Element::Int(value) => reply.bulk_int(value),
    }
}

/// Randomness of its own, for use while the context is borrowed.
pub fn rng(cx: &mut Ctx<'_>) -> SmallRng {
    SmallRng::from_rng(cx.rng)
}

/// A count beyond what is answered.
pub const OUT_OF_RANGE: Error = Error::fixed("ERR value is out of range");

/// A number outside of limits that the error names.
#[cold]
pub fn out_of_range(min: i64, max: i64) -> Error {
    let text = format!("ERR value is out of range, value must between {min} and {max}");
    Error::with(&[text.as_bytes()])
}

/// An integer not below `min`, or else an error of this text.
pub fn int_from(text: &[u8], min: i64, error: &'static str) -> Outcome<usize> {
    let number = koltso_proto::number::parse_i64(text).filter(|number| *number >= min);
    number.and_then(|number| usize::try_from(number).ok()).ok_or(Error::fixed(error))
}

/// `numkeys key [key …]` at `at`: the keys, and where they end; for the commands that call a wrong number "not greater than 0".
///
/// # Errors
/// The number is none, or more than there are arguments.
pub fn counted_keys<'a>(args: Args<'a>, at: usize, too_many: Error) -> Outcome<(Vec<&'a [u8]>, usize)> {
    let count = int_from(args.get(at), 1, "ERR numkeys should be greater than 0")?;
    let end = (at + 1).checked_add(count).filter(|end| *end <= args.len()).ok_or(too_many)?;
    Ok((args.from(at + 1).take(count).collect(), end))
}

/// `HSCAN`, `SSCAN`, `ZSCAN`: `visit` is given the collection, the cursor and the count, puts wanted elements into the reply it
/// is given and returns their number with the next cursor.
///
/// # Errors
/// As the parts say, in Redis's order: cursor, key, options.
pub fn scan<T: Collection>(
    cx: &mut Ctx<'_>,
    args: Args<'_>,
    visit: impl FnOnce(&T, u64, &ScanOptions<'_>, &mut Reply) -> (usize, u64),
) -> Outcome {
    let cursor = parse::cursor(args.get(2))?;
    let (found, reply) = read_into::<T>(cx, args.get(1))?;
    let (mut elements, mut len, mut next) = (Reply::new(reply.resp3), 0, 0);
    if let Some(own) = found {
        let options = ScanOptions::parse(args, 3, false)?;
        (len, next) = visit(own, cursor, &options, &mut elements);
    }
    reply.array(2);
    reply.bulk(itoa::Buffer::new().format(next).as_bytes());
    reply.array(len);
    reply.raw(&elements.buf);
    Ok(())
}
