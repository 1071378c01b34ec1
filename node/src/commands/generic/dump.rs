//! `DUMP` and `RESTORE`: a value as bytes that another server understands.

use crate::commands::Ctx;
use crate::commands::errors::{self, Error, Outcome};
use crate::commands::parse::{self, TimeUnit};
use crate::shard::access::AccessPolicy;
use crate::shard::value::rdb;
use koltso_proto::id::UnixMs;
use koltso_proto::rdb::{RdbValue, dump};
use koltso_proto::resp::Args;

const BAD_TTL: Error = Error::fixed("ERR Invalid TTL value, must be >= 0");
const BAD_IDLETIME: Error = Error::fixed("ERR Invalid IDLETIME value, must be >= 0");
const BAD_FREQ: Error = Error::fixed("ERR Invalid FREQ value, must be >= 0 and <= 255");
const BAD_FOOTER: Error = Error::fixed("ERR DUMP payload version or checksum are wrong");
const BAD_VALUE: Error = Error::fixed("ERR Bad data format");

/// `DUMP key`.
pub fn dump(cx: &mut Ctx<'_>, args: Args<'_>) {
    let Some(value) = cx.read(args.get(1)).map(|entry| entry.value()) else { return cx.reply.null() };
    let payload = rdb::dump_of(value);
    cx.reply.bulk(&payload);
}

/// `RESTORE key ttl payload [REPLACE] [ABSTTL] [IDLETIME seconds] [FREQ frequency]`.
pub fn restore(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let (key, payload) = (args.get(1), args.get(3));
    let options = Options::parse(args)?;
    if !options.replace && cx.peek(key).is_some() {
        return Err(errors::BUSY_KEY);
    }
    let ttl = parse::int(args.get(2))?;
    if ttl < 0 {
        return Err(BAD_TTL);
    }
    let value = dump::open_dump(payload).map_err(|_| BAD_FOOTER)?.decode().map_err(|_| BAD_VALUE)?;
    let expire = deadline(ttl, options.absolute, cx.now)?;
    match expire {
        // Nobody could ever see it: what was there goes, and nothing comes.
        Some(deadline) if deadline <= cx.now && !cx.is_replica() => cx.delete_expired(key),
        _ => {
            put(cx, key, value, expire);
            set_access(cx, key, options.access);
            propagate(cx, args, expire, options.absolute);
        }
    }
    cx.reply.ok();
    Ok(())
}

fn deadline(ttl: i64, absolute: bool, now: UnixMs) -> Outcome<Option<UnixMs>> {
    match ttl {
        0 => Ok(None),
        ttl => {
            let ms = TimeUnit { seconds: false, absolute }.to_unix_ms(ttl, now).ok_or(BAD_TTL)?;
            u64::try_from(ms).map(|ms| Some(UnixMs(ms))).map_err(|_| BAD_TTL)
        }
    }
}

fn put(cx: &mut Ctx<'_>, key: &[u8], value: RdbValue<'_>, expire: Option<UnixMs>) {
    match value {
        RdbValue::Str(text) => cx.set_string(key, &text.into_cow(), expire),
        value => {
            let value = rdb::from_rdb(value, &cx.config.thresholds);
            cx.set_value(key, value, expire);
        }
    }
}

fn set_access(cx: &mut Ctx<'_>, key: &[u8], access: Option<Access>) {
    let (now, policy) = (cx.now, cx.access_policy());
    let bits = match access {
        Some(Access::Frequency(counter)) if policy.is_lfu() => AccessPolicy::with_frequency(now, counter),
        Some(Access::IdleSeconds(idle_s)) if !policy.is_lfu() => AccessPolicy::with_idle(now, idle_s),
        _ => return,
    };
    if let Some(entry) = cx.peek(key) {
        entry.set_access(bits);
    }
}

/// As it was given, but with the deadline as an absolute time.
fn propagate(cx: &mut Ctx<'_>, args: Args<'_>, expire: Option<UnixMs>, was_absolute: bool) {
    let mut digits = itoa::Buffer::new();
    let mut words: Vec<&[u8]> = args.from(0).collect();
    if let Some(deadline) = expire {
        words[2] = digits.format(deadline.0).as_bytes();
        if !was_absolute {
            words.push(b"ABSTTL");
        }
    }
    cx.propagate(&words);
}

#[derive(Clone, Copy)]
enum Access {
    IdleSeconds(u64),
    Frequency(u8),
}

#[derive(Default)]
struct Options {
    replace: bool,
    absolute: bool,
    access: Option<Access>,
}

impl Options {
    fn parse(args: Args<'_>) -> Outcome<Self> {
        let mut options = Options::default();
        let mut words = parse::Options::new(args, 4);
        while let Some(word) = words.next() {
            match (&*parse::upper(word), options.access) {
                (b"REPLACE", _) => options.replace = true,
                (b"ABSTTL", _) => options.absolute = true,
                (b"IDLETIME", None | Some(Access::IdleSeconds(_))) => {
                    let seconds = u64::try_from(parse::int(words.value()?)?).map_err(|_| BAD_IDLETIME)?;
                    options.access = Some(Access::IdleSeconds(seconds));
                }
                (b"FREQ", None | Some(Access::Frequency(_))) => {
                    let counter = u8::try_from(parse::int(words.value()?)?).map_err(|_| BAD_FREQ)?;
                    options.access = Some(Access::Frequency(counter));
                }
                _ => return Err(errors::SYNTAX),
            }
        }
        Ok(options)
    }
}
