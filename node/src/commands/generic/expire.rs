//! Deadlines of keys.
//!
//! Replicas are only ever told absolute times, and a time that has passed as a deletion. A replica itself does the opposite: told
//! of a time that has passed, it keeps the key until its primary deletes it, since the clocks may differ.

use crate::commands::Ctx;
use crate::commands::errors::{self, Error, Outcome};
use crate::commands::parse::{self, TimeUnit};
use koltso_proto::id::UnixMs;
use koltso_proto::resp::Args;

const NX_AND_OTHERS: Error = Error::fixed("ERR NX and XX, GT or LT options at the same time are not compatible");
const GT_AND_LT: Error = Error::fixed("ERR GT and LT options at the same time are not compatible");

/// `EXPIRE key seconds [NX | XX | GT | LT]`.
pub fn expire(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    set(cx, args, TimeUnit { seconds: true, absolute: false }, "expire")
}

/// `PEXPIRE key milliseconds [NX | XX | GT | LT]`.
pub fn pexpire(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    set(cx, args, TimeUnit { seconds: false, absolute: false }, "pexpire")
}

/// `EXPIREAT key seconds [NX | XX | GT | LT]`.
pub fn expireat(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    set(cx, args, TimeUnit { seconds: true, absolute: true }, "expireat")
}

/// `PEXPIREAT key milliseconds [NX | XX | GT | LT]`.
pub fn pexpireat(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    set(cx, args, TimeUnit { seconds: false, absolute: true }, "pexpireat")
}

fn set(cx: &mut Ctx<'_>, args: Args<'_>, unit: TimeUnit, command: &str) -> Outcome {
    let key = args.get(1);
    let condition = Condition::parse(args)?;
    let time = parse::int(args.get(2))?;
    let time = unit.to_unix_ms(time, cx.now).ok_or_else(|| errors::bad_expire(command))?;
    // A time before 1970 is as much over as one in 1970.
    let deadline = UnixMs(u64::try_from(time).unwrap_or(0));
    let applies = cx.peek(key).is_some_and(|entry| condition.holds(entry.expire(), deadline));
    if applies {
        cx.expire_at(key, deadline);
    }
    cx.reply.int(i64::from(applies));
    Ok(())
}

/// When the deadline may be set.
#[derive(Default)]
struct Condition {
    nx: bool,
    xx: bool,
    gt: bool,
    lt: bool,
}

impl Condition {
    fn parse(args: Args<'_>) -> Outcome<Self> {
        let mut condition = Condition::default();
        let mut words = parse::Options::new(args, 3);
        while let Some(word) = words.next() {
            match &*parse::upper(word) {
                b"NX" => condition.nx = true,
                b"XX" => condition.xx = true,
                b"GT" => condition.gt = true,
                b"LT" => condition.lt = true,
                _ => return Err(parse::unsupported_option(word)),
            }
        }
        if condition.nx && (condition.xx || condition.gt || condition.lt) {
            return Err(NX_AND_OTHERS);
        }
        if condition.gt && condition.lt {
            return Err(GT_AND_LT);
        }
        Ok(condition)
    }

    /// No deadline counts as one that lies infinitely far ahead.
    fn holds(&self, old: Option<UnixMs>, new: UnixMs) -> bool {
        match old {
            None => !self.xx && !self.gt,
            Some(old) => !self.nx && (!self.gt || new > old) && (!self.lt || new < old),
        }
    }
}

/// `TTL key`, in seconds.
pub fn ttl(cx: &mut Ctx<'_>, args: Args<'_>) {
    reply_with_deadline(cx, args, true, true);
}

/// `PTTL key`, in milliseconds.
pub fn pttl(cx: &mut Ctx<'_>, args: Args<'_>) {
    reply_with_deadline(cx, args, false, true);
}

/// `EXPIRETIME key`, in seconds since the epoch.
pub fn expiretime(cx: &mut Ctx<'_>, args: Args<'_>) {
    reply_with_deadline(cx, args, true, false);
}

/// `PEXPIRETIME key`, in milliseconds since the epoch.
pub fn pexpiretime(cx: &mut Ctx<'_>, args: Args<'_>) {
    reply_with_deadline(cx, args, false, false);
}

/// -2 for no key, -1 for no deadline; seconds are rounded to the nearest.
fn reply_with_deadline(cx: &mut Ctx<'_>, args: Args<'_>, seconds: bool, relative: bool) {
    let now = cx.now;
    let time = match cx.look(args.get(1)).map(|entry| entry.expire()) {
        None => -2,
        Some(None) => -1,
        Some(Some(deadline)) => {
            let ms = if relative { deadline.0.saturating_sub(now.0) } else { deadline.0 };
            let time = if seconds { ms.saturating_add(500) / 1000 } else { ms };
            i64::try_from(time).unwrap_or(i64::MAX)
        }
    };
    cx.reply.int(time);
}

/// `PERSIST key`.
pub fn persist(cx: &mut Ctx<'_>, args: Args<'_>) {
    let key = args.get(1);
    let done = cx.peek(key).is_some_and(|entry| entry.expire().is_some()) && cx.set_expire(key, None);
    cx.reply.int(i64::from(done));
}
