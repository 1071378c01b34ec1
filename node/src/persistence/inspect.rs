//! Reading one file of the append-only file, or an RDB, only to say what is in it: how much of it is good, and what is wrong behind
//! that. The parsers are those of [loading](super::load), so what is good here is what a node takes in.
//!
//! Not seen here: a key that an RDB has twice, which only the keyspace notices.

use super::load::{begins_rdb, judge};
use super::units::{Units, hides_commands};
use koltso_proto::id::{Offset, ReplId};
use koltso_proto::number::parse_i64;
use koltso_proto::rdb::{Decoder, Item, Limits};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Read from a file at a time, in bytes.
const READ_LEN: usize = 1 << 20;

/// What a file may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An RDB, and nothing else that counts.
    Rdb,
    /// Commands, maybe behind an RDB.
    Base,
    /// Commands.
    Segment,
}

/// How far a file is to be looked at.
#[derive(Clone, Copy, Debug, Default)]
pub struct Until {
    /// Only so many bytes of it.
    pub len: Option<u64>,
    /// Up to the first annotation with a later time than this, in seconds since the epoch.
    pub time_s: Option<i64>,
}

/// What is in a file.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Its length, in bytes.
    pub len: u64,
    /// The RDB that it begins with.
    pub rdb: Option<Rdb>,
    /// Commands behind that which are whole; of a transaction, all of them or none.
    pub commands: u64,
    /// How many bytes are good.
    pub good: u64,
    /// What is wrong behind these.
    pub fault: Option<Fault>,
    /// Whether there are annotations that say when commands were written.
    pub has_times: bool,
    /// Whether one was later than what was asked for: what follows it was not looked at.
    pub is_over: bool,
}

/// What an RDB says.
#[derive(Clone, Debug, Default)]
pub struct Rdb {
    /// Keys.
    pub keys: u64,
    /// The history that it is of, and the position in that.
    pub at: Option<(ReplId, Offset)>,
    /// When it was made, in seconds since the epoch.
    pub made_s: Option<i64>,
    /// Whether it is whole.
    pub is_whole: bool,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where the first bytes are that are wrong, from the file's beginning.
    pub at: u64,
    /// What it is.
    pub why: String,
    /// Whether the file only ends too early: a torn tail, as a crash leaves it.
    pub is_torn: bool,
}

impl Fault {
    fn damage(at: u64, why: impl Into<String>) -> Fault {
        Fault { at, why: why.into(), is_torn: false }
    }
}

/// Looks at a file.
///
/// # Errors
/// What the system says. What is wrong with the bytes is not an error but found.
pub fn look(path: &Path, kind: Kind, until: Until) -> io::Result<Found> {
    // What is no file might never end, or never begin.
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    let file = File::open(path)?;
    let mut found = Found { len: file.metadata()?.len(), ..Found::default() };
    let mut file = file.take(until.len.unwrap_or(u64::MAX));
    let mut ahead = Vec::with_capacity(READ_LEN);
    if kind != Kind::Segment {
        file.by_ref().take(READ_LEN as u64).read_to_end(&mut ahead)?;
        if kind == Kind::Rdb || begins_rdb(&ahead) {
            ahead = look_at_rdb(&mut file, ahead, &mut found)?;
        }
    }
    if found.fault.is_none() && kind != Kind::Rdb {
        look_at_commands(&mut file, ahead, until, &mut found)?;
    }
    Ok(found)
}

/// Reads an RDB that begins with `ahead`; what was read behind its end.
fn look_at_rdb(file: &mut impl Read, mut ahead: Vec<u8>, found: &mut Found) -> io::Result<Vec<u8>> {
    let mut decoder = Decoder::new(Limits::default());
    let (mut rdb, mut id, mut offset) = (Rdb::default(), None, None);
    loop {
        decoder.feed(&ahead);
        loop {
            match decoder.next_item() {
                Ok(None) => break,
                Ok(Some(Item::Key(_))) => rdb.keys += 1,
                Ok(Some(Item::Aux { name, value })) => match &*name {
                    b"repl-id" => id = ReplId::parse(&value),
                    b"repl-offset" => offset = Offset::parse(&value),
                    b"ctime" => rdb.made_s = parse_i64(&value),
                    _ => {}
                },
                Ok(Some(_)) => {}
                Err(error) => {
                    found.fault = Some(Fault::damage(error.at, error.fault.to_string()));
                    break;
                }
            }
        }
        if decoder.is_done() || found.fault.is_some() {
            break;
        }
        ahead.clear();
        if file.take(READ_LEN as u64).read_to_end(&mut ahead)? == 0 {
            let why = "the file ends in the middle of its data".to_string();
            found.fault = Some(Fault { at: decoder.position(), why, is_torn: true });
            break;
        }
    }
    found.good = decoder.position();
    rdb.at = id.zip(offset);
    rdb.is_whole = found.fault.is_none();
    found.rdb = Some(rdb);
    Ok(if decoder.is_done() { decoder.remaining().to_vec() } else { Vec::new() })
}

/// Reads commands that begin with `ahead`, from where the file is good so far.
fn look_at_commands(file: &mut impl Read, mut ahead: Vec<u8>, until: Until, found: &mut Found) -> io::Result<()> {
    let judge = |args: &[&[u8]]| judge(args, i64::from(i32::MAX));
    let mut units = Units::new(found.good);
    units.until_s = until.time_s;
    let mut out = Vec::new();
    loop {
        if ahead.is_empty() && file.take(READ_LEN as u64).read_to_end(&mut ahead)? == 0 {
            break;
        }
        out.clear();
        let fed = units.feed(&ahead, &judge, &mut out);
        ahead.clear();
        if let Err(damage) = fed {
            found.fault = Some(Fault::damage(damage.at, damage.why));
            break;
        }
    }
    let end = units.end();
    (found.commands, found.good) = (end.commands, end.good);
    (found.has_times, found.is_over) = (end.has_times, end.is_over);
    if found.fault.is_none() && end.torn {
        // Where we stop ourselves, a command may well have others in its argument.
        let is_whole_file = until.len.is_none_or(|len| len >= found.len);
        found.fault = Some(match (is_whole_file && hides_commands(units.rest()), end.in_transaction) {
            (true, _) => Fault::damage(end.good, "a length that is wrong: commands follow it"),
            (false, in_transaction) => {
                let what = if in_transaction { "a transaction" } else { "a command" };
                Fault { at: end.good, why: format!("the file ends in the middle of {what}"), is_torn: true }
            }
        });
    }
    Ok(())
}
