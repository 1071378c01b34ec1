//! Elements at random: how many a command asks for, drawing them, and the reply.
//!
//! With repetitions, one number asks for a reply of any length. It is written as elements are drawn, and no further than there is
//! [room](Room): nothing is kept beside it.

use super::Ctx;
use super::collections::{OUT_OF_RANGE, out_of_range};
use super::errors::Outcome;
use super::parse;
use crate::shard::value::{Hash, Set, Zset};
use ahash::AHashSet;
use koltso_proto::listpack::Element;
use koltso_proto::resp::Reply;
use rand::RngExt;
use rand::rngs::SmallRng;

/// The longest reply that a number may ask for where no limit of the configuration ends the client, in bytes.
const REPLY_LEN_MAX: usize = 512 << 20;
/// The shortest element in a reply, in bytes.
const ELEMENT_LEN_MIN: usize = b"$0\r\n\r\n".len();

/// A collection that elements can be drawn from.
pub trait Drawable {
    /// An element, with what belongs to it.
    type Drawn<'a>: Copy
    where
        Self: 'a;
    /// How many there are.
    fn count(&self) -> usize;
    /// All of them.
    fn all(&self) -> impl Iterator<Item = Self::Drawn<'_>>;
    /// Any of them, each with the same chance.
    fn any(&self, rng: &mut SmallRng) -> Option<Self::Drawn<'_>>;
    /// What tells it from others.
    fn name<'a>(drawn: Self::Drawn<'a>) -> Element<'a>;
}

impl Drawable for Hash {
    type Drawn<'a> = (Element<'a>, Element<'a>);

    fn count(&self) -> usize {
        self.len()
    }

    fn all(&self) -> impl Iterator<Item = Self::Drawn<'_>> {
        self.iter()
    }

    fn any(&self, rng: &mut SmallRng) -> Option<Self::Drawn<'_>> {
        self.random(rng)
    }

    fn name<'a>((field, _): Self::Drawn<'a>) -> Element<'a> {
        field
    }
}

impl Drawable for Set {
    type Drawn<'a> = Element<'a>;

    fn count(&self) -> usize {
        self.len()
    }

    fn all(&self) -> impl Iterator<Item = Self::Drawn<'_>> {
        self.iter()
    }

    fn any(&self, rng: &mut SmallRng) -> Option<Self::Drawn<'_>> {
        self.random(rng)
    }

    fn name<'a>(member: Self::Drawn<'a>) -> Element<'a> {
        member
    }
}

impl Drawable for Zset {
    type Drawn<'a> = (Element<'a>, f64);

    fn count(&self) -> usize {
        self.len()
    }

    fn all(&self) -> impl Iterator<Item = Self::Drawn<'_>> {
        self.iter()
    }

    fn any(&self, rng: &mut SmallRng) -> Option<Self::Drawn<'_>> {
        self.random(rng)
    }

    fn name<'a>((member, _): Self::Drawn<'a>) -> Element<'a> {
        member
    }
}

/// How long a reply may become, in bytes, and what happens to one that would be longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// Its client is disconnected: drawing ends as soon as it is that long.
    Disconnects(usize),
    /// The command is refused.
    Refuses(usize),
}

impl Room {
    /// What the limits in force leave.
    pub fn of(cx: &Ctx<'_>) -> Self {
        let limits = cx.config.client_output_buffer_limit;
        // Which of them is the client's is not known here.
        let hard = limits.normal.hard.max(limits.pubsub.hard);
        if limits.normal.hard == 0 || limits.pubsub.hard == 0 || cx.scripted {
            return Room::Refuses(REPLY_LEN_MAX);
        }
        Room::Disconnects(usize::try_from(hard).unwrap_or(usize::MAX))
    }

    fn len(self) -> usize {
        let (Room::Disconnects(len) | Room::Refuses(len)) = self;
        len
    }
}

/// How many elements at random a command asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Draw {
    /// This many, each at most once.
    Distinct(usize),
    /// This many, each as often as it is drawn.
    Repeated(usize),
}

impl Draw {
    /// The count of `SRANDMEMBER`, `HRANDFIELD` and `ZRANDMEMBER`: negative for repetitions. `pairs` if each comes with a second
    /// element.
    ///
    /// # Errors
    /// The count is no integer, or out of range.
    pub fn parse(text: &[u8], pairs: bool) -> Outcome<Self> {
        let count = parse::int(text)?;
        if count == i64::MIN {
            return Err(out_of_range(-i64::MAX, i64::MAX));
        }
        if pairs && count.unsigned_abs() > i64::MAX as u64 / 2 {
            return Err(OUT_OF_RANGE);
        }
        let elements = count.unsigned_abs() as usize;
        Ok(if count >= 0 { Draw::Distinct(elements) } else { Draw::Repeated(elements) })
    }

    /// Draws, and replies with an array of what `put` writes of each element: `width` replies.
    ///
    /// # Errors
    /// There is no room for so many.
    pub fn put<T: Drawable>(
        self,
        own: &T,
        rng: &mut SmallRng,
        room: Room,
        reply: &mut Reply,
        width: usize,
        put: impl Fn(&mut Reply, T::Drawn<'_>),
    ) -> Outcome {
        let count = match self {
            Draw::Repeated(count) => count,
            Draw::Distinct(count) => {
                let drawn = distinct(own, count, rng);
                reply.array(width * drawn.len());
                drawn.into_iter().for_each(|element| put(reply, element));
                return Ok(());
            }
        };
        let refuses = matches!(room, Room::Refuses(_));
        if refuses && count.saturating_mul(width).saturating_mul(ELEMENT_LEN_MIN) > room.len() {
            return Err(OUT_OF_RANGE);
        }
        let start = reply.buf.len();
        reply.array(width * count);
        let body = reply.buf.len();
        let mut left = count;
        // Without the head, which may become shorter in the end.
        while left > 0
            && reply.buf.len() - body <= room.len()
            && let Some(element) = own.any(rng)
        {
            put(reply, element);
            left -= 1;
        }
        if refuses && reply.buf.len() - body > room.len() {
            reply.buf.truncate(start);
            return Err(OUT_OF_RANGE);
        }
        if left > 0 {
            // Whole, whoever sees it: limits can be changed before they are applied.
            let mut head = Reply::new(reply.resp3);
            head.array(width * (count - left));
            reply.buf.splice(start..body, head.buf);
        }
        Ok(())
    }
}

/// Up to `count` elements, each at most once.
pub fn distinct<'a, T: Drawable>(own: &'a T, count: usize, rng: &mut SmallRng) -> Vec<T::Drawn<'a>> {
    let len = own.count();
    if count >= len {
        return own.all().collect();
    }
    // When much of it is wanted, shuffling all is quicker than drawing again what was drawn already.
    if count > len / 3 {
        let mut drawn: Vec<_> = own.all().collect();
        for at in 0..count.min(drawn.len()) {
            let other = rng.random_range(at..drawn.len());
            drawn.swap(at, other);
        }
        drawn.truncate(count);
        return drawn;
    }
    let mut seen = AHashSet::new();
    let mut drawn = Vec::with_capacity(count);
    while drawn.len() < count
        && let Some(element) = own.any(rng)
    {
        if seen.insert(T::name(element).to_vec()) {
            drawn.push(element);
        }
    }
    drawn
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::collections::put_element;
    use crate::shard::value::Thresholds;
    use rand::SeedableRng;

    fn drawn(draw: Draw, room: Room, width: usize) -> Option<String> {
        let mut set = Set::default();
        set.add(b"ten bytes!", &Thresholds::default());
        let (mut rng, mut reply) = (SmallRng::seed_from_u64(1), Reply::new(false));
        reply.ok();
        let outcome = draw.put(&set, &mut rng, room, &mut reply, width, |reply, member| {
            (0..width).for_each(|_| put_element(reply, member));
        });
        let text = String::from_utf8(reply.buf).unwrap();
        let text = text.strip_prefix("+OK\r\n").unwrap().to_string();
        assert!(outcome.is_ok() || text.is_empty(), "nothing is left of what is refused");
        outcome.is_ok().then_some(text)
    }

    #[test]
    fn a_reply_is_no_longer_than_there_is_room_for() {
        const ELEMENT: &str = "$10\r\nten bytes!\r\n";
        let reply = |count: usize| format!("*{count}\r\n{}", ELEMENT.repeat(count));
        let exact = reply(12).len();
        for room in [Room::Refuses(exact), Room::Disconnects(exact)] {
            assert_eq!(drawn(Draw::Repeated(12), room, 1), Some(reply(12)));
            assert_eq!(drawn(Draw::Repeated(6), room, 2), Some(reply(12)));
            assert_eq!(drawn(Draw::Repeated(0), room, 1), Some(reply(0)));
            assert_eq!(drawn(Draw::Distinct(usize::MAX), room, 1), Some(reply(1)));
        }
        for count in [13, 1_000_000, i64::MAX as usize] {
            assert_eq!(drawn(Draw::Repeated(count), Room::Refuses(exact), 1), None, "{count}");
            let cut = drawn(Draw::Repeated(count), Room::Disconnects(exact), 1).unwrap();
            assert_eq!(cut, reply(13), "longer than the limit, and whole");
        }
        assert_eq!(drawn(Draw::Repeated(i64::MAX as usize / 2), Room::Disconnects(exact), 2), Some(reply(14)));
    }
}
