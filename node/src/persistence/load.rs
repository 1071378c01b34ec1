//! Reading the append-only file, on the service thread: the manifest, the base into the shards' staging areas, and the segments as
//! units of commands for the [apply path](super::replay).
//!
//! A torn tail of the last file is cut off if `aof-load-truncated` says so; what is cut off is kept beside the file. Everything
//! else that is wrong ends the load, with the place.

use super::cut::truncate;
use super::files::Home;
use super::manifest::{Listed, Place};
use super::units::{Damage, Units, hides_commands};
use crate::dispatch::registry::registry;
use crate::logging::{notice, warning};
use crate::replication::History;
use crate::service::{Loaded, Reader, Surroundings};
use bytes::Bytes;
use koltso_proto::id::{DbIndex, Offset};
use koltso_proto::number::parse_i64;
use std::time::Instant;
use tokio_uring::fs::File;

/// Read from a file at a time, in bytes.
const READ_LEN: usize = 1 << 20;
/// The pieces in which the log gets its end back, in bytes: history is let go of by pieces.
const TAIL_PIECE_LEN: u64 = 64 << 10;

/// The files to be read.
pub struct ReplayJob {
    /// Where they are.
    pub home: Home,
    /// Whether a torn tail is cut off.
    pub truncates: bool,
    /// Whether checksums are compared.
    pub verify_checksum: bool,
    /// Told when everything is applied, or why it is not.
    pub done: Box<dyn FnOnce(Result<Replayed, String>) + Send>,
}

/// What was read.
#[derive(Clone, Debug, Default)]
pub struct Replayed {
    /// Keys of the base.
    pub keys: u64,
    /// Where the log ends, as far as that is known.
    pub end: Offset,
    /// The history that this is an offset of, if there is one: the files have it all, one behind the other, and are ours.
    pub history: Option<History>,
    /// The end of the log, as much of it as the backlog holds and the files have.
    pub tail: Vec<Bytes>,
    /// Bytes on disk.
    pub len: u64,
    /// Where in which file the log's bytes stand: from the last place on that is not ours.
    spans: Vec<Span>,
    /// Whether there is a gap between two files.
    has_gap: bool,
}

/// Bytes of the log in a file.
#[derive(Clone, Debug)]
struct Span {
    name: Vec<u8>,
    /// Where in the file.
    at: u64,
    len: u64,
}

impl Replayed {
    /// A base was read.
    fn note_base(&mut self, loaded: &Loaded) {
        self.keys = loaded.keys;
        if let Some((id, end, db)) = loaded.history {
            self.end = end;
            self.history = Some(History { id, after: None, end, db });
        }
    }

    /// A segment was read, to offset `good` of its file; `len` bytes of commands.
    fn note_segment(&mut self, listed: &Listed, good: u64, len: u64) {
        let Some(Place { from, of, after, head }) = listed.place else {
            self.end = self.end.advanced(len);
            (self.history, self.spans) = (None, Vec::new());
            return;
        };
        self.has_gap |= from != self.end;
        let len = good.saturating_sub(head);
        self.end = from.advanced(len);
        self.spans.push(Span { name: listed.name.clone(), at: head, len });
        let after = after.filter(|(_, until)| *until <= from);
        self.history = (!self.has_gap).then_some(History { id: of, after, end: self.end, db: DbIndex(0) });
    }
}

/// Reads and applies everything.
pub async fn run(job: ReplayJob, surroundings: Surroundings) {
    let outcome = load(&job, &surroundings).await;
    (job.done)(outcome);
}

async fn load(job: &ReplayJob, surroundings: &Surroundings) -> Result<Replayed, String> {
    let manifest = job.home.read_manifest()?.ok_or("there is no manifest of an append only file")?;
    let mut replayed = Replayed::default();
    for file in manifest.files() {
        let path = job.home.path(&file.name);
        let metadata = std::fs::metadata(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        replayed.len += metadata.len();
    }
    if manifest.base.is_none() {
        // What is there makes way for nothing.
        super::replay::take_in(surroundings, Loaded::default()).await?;
    }
    let last = manifest.files().last().map(|file| file.name.clone());
    for (nth, file) in manifest.files().enumerate() {
        let is_last = Some(&file.name) == last.as_ref();
        let started = Instant::now();
        let is_base = nth == 0 && manifest.base.is_some();
        let len = load_file(job, surroundings, file, is_base, is_last, &mut replayed).await?;
        let (name, kind) = (String::from_utf8_lossy(&file.name), if is_base { "base" } else { "incr" });
        let took = started.elapsed().as_secs_f64();
        notice(&format!("DB loaded from {kind} file {name}: {took:.3} seconds, {len} bytes of commands"));
    }
    if replayed.has_gap {
        warning("The segments of the append only file do not follow one another in the log: its replication history ends here");
    }
    if replayed.history.is_some() {
        let len = surroundings.shared.config().repl_backlog_size;
        replayed.tail = read_tail(&job.home, &replayed.spans, len).await.map_err(|error| error.to_string())?;
    }
    Ok(replayed)
}

/// The last bytes of the log, `len_max` at most.
async fn read_tail(home: &Home, spans: &[Span], len_max: u64) -> std::io::Result<Vec<Bytes>> {
    let mut skip = spans.iter().map(|span| span.len).sum::<u64>().saturating_sub(len_max);
    let mut tail = Vec::new();
    for Span { name, at, len } in spans {
        let skipped = skip.min(*len);
        skip -= skipped;
        let (mut at, end) = (at + skipped, at + len);
        let file = File::open(home.path(name)).await?;
        while at < end {
            let (result, bytes) = file.read_at(Vec::with_capacity((end - at).min(TAIL_PIECE_LEN) as usize), at).await;
            match result? {
                0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
                n => at += n as u64,
            }
            tail.push(Bytes::from(bytes));
        }
        let _ = file.close().await;
    }
    Ok(tail)
}

async fn load_file(
    job: &ReplayJob,
    surroundings: &Surroundings,
    listed: &Listed,
    is_base: bool,
    is_last: bool,
    replayed: &mut Replayed,
) -> Result<u64, String> {
    let path = job.home.path(&listed.name);
    let name = String::from_utf8_lossy(&listed.name).into_owned();
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    let file = File::open(&path).await.map_err(failed)?;
    let mut from = 0;
    if is_base {
        let loaded = match is_rdb(&file).await.map_err(failed)? {
            true => load_rdb(job, surroundings, &file, &mut from).await.map_err(|why| format!("{}: {why}", path.display()))?,
            false => Loaded::default(),
        };
        replayed.note_base(&loaded);
        super::replay::take_in(surroundings, loaded).await?;
    }
    let databases = surroundings.shared.config().databases as i64;
    let judge = |args: &[&[u8]]| judge(args, databases);
    let (start, mut at, mut units) = (from, from, Units::new(from));
    let mut buf = Vec::with_capacity(READ_LEN);
    loop {
        let (result, bytes) = file.read_at(buf, at).await;
        buf = bytes;
        let n = result.map_err(failed)?;
        if n == 0 {
            break;
        }
        at += n as u64;
        let mut out = Vec::new();
        let fed = units.feed(&buf[..n], &judge, &mut out);
        if !out.is_empty() && fed.is_ok() {
            super::replay::apply(surroundings, out).await?;
        }
        fed.map_err(|Damage { at, why }| {
            format!(
                "Bad file format reading the append only file {name}: {why}, at offset {at}. Make a backup of your AOF file, then use \
                 koltso check on its folder, which says how much is good"
            )
        })?;
        buf.clear();
    }
    let end = units.end();
    if end.torn {
        if end.in_transaction {
            warning(&format!("Revert incomplete MULTI/EXEC transaction in AOF file {name}"));
        }
        if !job.truncates || !is_last {
            let hint = "You can: 1) Make a backup of your AOF file, then use koltso check --fix on its folder. 2) \
                        Alternatively you can set the 'aof-load-truncated' configuration option to yes and restart the server.";
            let why = if is_last { hint } else { "Fatal error: the truncated file is not the last file" };
            return Err(format!("Unexpected end of file reading the append only file {name}, at offset {}. {why}", end.good));
        }
        if hides_commands(units.rest()) {
            return Err(format!(
                "Bad file format reading the append only file {name}: a length that is wrong, behind offset {}: commands follow it",
                end.good
            ));
        }
        warning(&format!("!!! Warning: short read while loading the AOF file {name}!!!"));
        warning(&format!("!!! Truncating the AOF {name} at offset {} !!!", end.good));
        truncate(&path, end.good).map_err(failed)?;
        replayed.len -= at - end.good;
        warning(&format!("AOF {name} loaded anyway because aof-load-truncated is enabled"));
    }
    if is_last {
        // It will not be the last one any more, and must stay as it was read.
        file.sync_all().await.map_err(failed)?;
    }
    let _ = file.close().await;
    let len = end.good - start;
    if !is_base || len > 0 {
        replayed.note_segment(listed, end.good, len);
    }
    Ok(len)
}

async fn is_rdb(file: &File) -> std::io::Result<bool> {
    let (result, bytes) = file.read_at(Vec::with_capacity(6), 0).await;
    let n = result?;
    Ok(begins_rdb(&bytes[..n]))
}

/// Whether a file that begins like this begins with an RDB.
pub(super) fn begins_rdb(bytes: &[u8]) -> bool {
    bytes.starts_with(b"REDIS") || bytes.starts_with(b"VALKEY")
}

/// Loads the RDB at the beginning of a file; `from` becomes where it ends.
async fn load_rdb(job: &ReplayJob, surroundings: &Surroundings, file: &File, from: &mut u64) -> Result<Loaded, String> {
    notice("Reading RDB base file on AOF loading...");
    let mut reader = Reader::new(surroundings, false, job.verify_checksum);
    let (mut at, mut buf) = (0u64, Vec::with_capacity(READ_LEN));
    while !reader.decoder.is_done() {
        let (result, bytes) = file.read_at(buf, at).await;
        buf = bytes;
        let n = result.map_err(|error| error.to_string())?;
        if n == 0 {
            return Err(format!("the file ends after {at} bytes, in the middle of its data"));
        }
        at += n as u64;
        reader.decoder.feed(&buf[..n]);
        reader.take_items().await?;
        buf.clear();
    }
    *from = at - reader.decoder.remaining().len() as u64;
    reader.finish().await
}

/// Whether the apply path can do with a command what it says.
pub(super) fn judge(args: &[&[u8]], databases: i64) -> Result<(), String> {
    let name = args[0];
    let shown = || String::from_utf8_lossy(&name[..name.len().min(64)]).into_owned();
    let Some(command) = registry().find_in_table(name) else { return Err(format!("unknown command '{}'", shown())) };
    if !command.spec.check_arity(args.len()) {
        return Err(format!("wrong number of arguments of '{}'", shown()));
    }
    match command.spec.name {
        "select" if !parse_i64(args[1]).is_some_and(|db| (0..databases).contains(&db)) => {
            Err("it selects a database that this node does not have; see `databases`".to_string())
        }
        "eval" | "evalsha" | "fcall" => {
            Err(format!("'{}' stands in the place of what it does, which cannot be applied", shown()))
        }
        _ => Ok(()),
    }
}
