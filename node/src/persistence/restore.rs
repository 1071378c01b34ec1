//! `koltso restore`: the data set of a moment that a base and the log behind it still cover, as a new append-only file or as an RDB.
//! The source is only read.
//!
//! ```text
//!  base at X │ segment from X │ segment from Y ………│ cut │……      a copy, without what is behind the last whole unit before the moment
//! ```

use super::Home;
use super::check::{complain, home_in, say};
use super::inspect::{Found, Kind, Until, look};
use super::manifest::{Listed, Manifest};
use super::moment::Moment;
use super::{thaw, times};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str = "\
Rebuilds the data set of a moment that an append-only file still covers. The source is not changed.

Usage: koltso restore FOLDER --until MOMENT --to TARGET

  FOLDER          the folder of the append-only file
  --until MOMENT  an offset of the log: 1042; or a time: 2026-11-23T05:20:18Z, or @1795411218 in seconds since the epoch.
                  Everything up to there is restored, and of transactions all or nothing
  --to TARGET     a folder that is not there yet; or an RDB, if it ends with .rdb

A server starts on the new folder with --appendonly yes --dir PARENT --appenddirname NAME.
Exits with 0 if the target is there, 1 if the moment is not covered, 2 if something cannot be read or written.
";

/// Why there is no target.
enum Refusal {
    /// The files do not have this moment.
    NotCovered(String),
    /// Something else is wrong.
    Failed(String),
}

impl From<String> for Refusal {
    fn from(why: String) -> Self {
        Refusal::Failed(why)
    }
}

struct Options {
    folder: PathBuf,
    until: Moment,
    to: PathBuf,
}

/// What is to be copied, in order: how much of which file.
struct Plan {
    manifest: Manifest,
    lens: Vec<(Listed, u64)>,
    /// Commands behind the base.
    commands: u64,
    /// Where the log ends, if that is known.
    end: Option<u64>,
}

/// Runs it; `args` are those behind `restore`.
#[must_use]
pub fn run(args: &[OsString]) -> ExitCode {
    // As a node's own files.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let options = match parse(args) {
        Ok(Some(options)) => options,
        Ok(None) => {
            say(USAGE);
            return ExitCode::SUCCESS;
        }
        Err(why) => {
            complain(&format!("koltso restore: {why}\n\n{USAGE}"));
            return 2.into();
        }
    };
    let (status, why) = match restore(&options) {
        Ok(text) => {
            say(&text);
            return ExitCode::SUCCESS;
        }
        Err(Refusal::NotCovered(why)) => (1, why),
        Err(Refusal::Failed(why)) => (2, why),
    };
    complain(&format!("koltso restore: {why}\n"));
    status.into()
}

/// `None` if only help was asked for.
fn parse(args: &[OsString]) -> Result<Option<Options>, String> {
    let (mut folder, mut until, mut to) = (None, None, None);
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or(format!("{} needs a value", arg.display()));
        match arg.as_bytes() {
            b"-h" | b"--help" => return Ok(None),
            b"--until" => {
                let value = value()?;
                let moment = value.to_str().and_then(Moment::parse);
                until = Some(moment.ok_or(format!("'{}' is neither an offset nor a time", value.display()))?);
            }
            b"--to" => to = Some(PathBuf::from(value()?)),
            other if other.starts_with(b"-") => return Err(format!("'{}' is not an option", arg.display())),
            _ if folder.is_none() => folder = Some(PathBuf::from(arg)),
            _ => return Err(format!("'{}' is one folder too many", arg.display())),
        }
    }
    let missing = |what: &str| format!("{what} is missing");
    let (folder, until) = (folder.ok_or(missing("the folder"))?, until.ok_or(missing("--until"))?);
    Ok(Some(Options { folder, until, to: to.ok_or(missing("--to"))? }))
}

fn restore(options: &Options) -> Result<String, Refusal> {
    let Options { folder, until, to } = options;
    if fs::symlink_metadata(to).is_ok() {
        return Err(format!("{} is there already", to.display()).into());
    }
    let home = home_in(folder)?;
    let manifest = home.read_manifest()?.ok_or(format!("{}: its manifest is gone", folder.display()))?;
    let plan = plan(&home, manifest, *until)?;
    let end = plan.end.map_or_else(String::new, |end| format!(", where the log ends at offset {end}"));
    let text = format!("{} holds what there was at {until}: the base and {} commands{end}.\n", to.display(), plan.commands);
    if to.extension().is_some_and(|end| end == "rdb") {
        thaw::rdb(to, |folder| write(&home, &plan, folder))?;
    } else {
        write(&home, &plan, to)?;
    }
    Ok(text)
}

/// Finds out how much of which files there was at that moment.
fn plan(home: &Home, manifest: Manifest, until: Moment) -> Result<Plan, Refusal> {
    let mut plan = Plan { lens: Vec::new(), commands: 0, end: None, manifest };
    let (mut seen_time, mut is_cut) = (false, false);
    let files: Vec<Listed> = plan.manifest.files().cloned().collect();
    let last = files.len().saturating_sub(1);
    for (nth, listed) in files.into_iter().enumerate() {
        let is_base = nth == 0 && plan.manifest.base.is_some();
        let read = match (is_base, until) {
            (true, _) => read_base(home, &listed, until)?,
            (false, Moment::Offset(offset)) => read_to_offset(home, &listed, offset, nth == last)?,
            (false, Moment::Time(time_s)) => read_to_time(home, &listed, time_s, &mut seen_time)?,
        };
        let (found, cut_here) = read;
        if let (Some(place), Some(end)) = (listed.place, plan.end)
            && place.from.0 != end
        {
            let name = String::from_utf8_lossy(&listed.name);
            return Err(format!("{name} does not follow what is before it; koltso check says more").into());
        }
        if let Some(fault) = found.fault.as_ref().filter(|fault| !(fault.is_torn && (cut_here || nth == last))) {
            let name = String::from_utf8_lossy(&listed.name);
            return Err(format!("{name} is damaged at offset {}: {}; koltso check says more", fault.at, fault.why).into());
        }
        plan.commands += found.commands;
        plan.end = match listed.place {
            Some(place) => Some(place.from.0.saturating_add(found.good.saturating_sub(place.head))),
            None => found.rdb.as_ref().and_then(|rdb| rdb.at).filter(|_| found.commands == 0).map(|(_, at)| at.0),
        };
        plan.lens.push((listed, found.good));
        is_cut = cut_here;
        if is_cut {
            break;
        }
    }
    match (until, plan.end) {
        (Moment::Offset(offset), Some(end)) if !is_cut && end < offset => {
            Err(Refusal::NotCovered(format!("the log ends at offset {end}")))
        }
        (Moment::Offset(_), None) => Err(Refusal::NotCovered("the files do not say which offset they have".to_string())),
        _ => Ok(plan),
    }
}

/// Looks at a file as far as the length and the time say.
fn look_at(home: &Home, listed: &Listed, kind: Kind, until: Until) -> Result<Found, Refusal> {
    let path = home.path(&listed.name);
    look(&path, kind, until).map_err(|error| Refusal::Failed(format!("{}: {error}", path.display())))
}

/// The base, and whether the moment is in it.
fn read_base(home: &Home, listed: &Listed, until: Moment) -> Result<(Found, bool), Refusal> {
    let later =
        |what: String| Err(Refusal::NotCovered(format!("the base is of {what}; what was before is not there any more")));
    let time_s = if let Moment::Time(time_s) = until { Some(time_s) } else { None };
    let found = look_at(home, listed, Kind::Base, Until { len: None, time_s })?;
    let rdb = found.rdb.as_ref();
    match (until, rdb.and_then(|rdb| rdb.at), rdb.and_then(|rdb| rdb.made_s)) {
        (Moment::Offset(offset), Some((_, at)), _) if at.0 > offset => later(format!("offset {at}")),
        (Moment::Time(time_s), _, Some(made_s)) if made_s > time_s => later(Moment::Time(made_s).to_string()),
        (Moment::Time(_), _, None) if rdb.is_some() => later("an unknown time".to_string()),
        // Commands that make the data set of one moment.
        (Moment::Time(_), ..) if found.is_over && rdb.is_none() => later("a later time".to_string()),
        (Moment::Time(_), ..) if rdb.is_none() && !found.has_times && found.commands > 0 => {
            later("an unknown time".to_string())
        }
        _ => {
            let is_over = found.is_over;
            Ok((found, is_over))
        }
    }
}

/// A segment up to an offset of the log, and whether that is in it.
fn read_to_offset(home: &Home, listed: &Listed, offset: u64, is_last: bool) -> Result<(Found, bool), Refusal> {
    let name = String::from_utf8_lossy(&listed.name);
    let Some(place) = listed.place else {
        return Err(Refusal::NotCovered(format!("the manifest does not say which offset of the log {name} begins at")));
    };
    let Some(len) = offset.checked_sub(place.from.0) else {
        return Err(Refusal::NotCovered(format!(
            "{name} begins at offset {}; what was before is not there any more",
            place.from
        )));
    };
    let len = len.saturating_add(place.head);
    let found = look_at(home, listed, Kind::Segment, Until { len: Some(len), time_s: None })?;
    let is_cut = len < found.len || (len == found.len && is_last);
    Ok((found, is_cut))
}

/// A segment up to the end of a second, and whether that is in it.
fn read_to_time(home: &Home, listed: &Listed, time_s: i64, seen_time: &mut bool) -> Result<(Found, bool), Refusal> {
    let name = String::from_utf8_lossy(&listed.name);
    let unknown = || Refusal::NotCovered(format!("nothing says when the commands of {name} were written"));
    if let Some(place) = listed.place {
        let noted = times::read(home, &listed.name);
        let later = noted.iter().find(|&&(_, noted_s)| noted_s > time_s).map(|&(at, _)| at);
        let found = look_at(home, listed, Kind::Segment, Until { len: later, time_s: None })?;
        let begins_noted = noted.first().is_some_and(|&(at, _)| at <= place.head);
        if found.good > place.head && !begins_noted {
            return Err(unknown());
        }
        *seen_time |= begins_noted;
        return Ok((found, later.is_some()));
    }
    let found = look_at(home, listed, Kind::Segment, Until { len: None, time_s: Some(time_s) })?;
    // Before the first annotation stands what was written in the second of the last one of the file before.
    let is_known = found.has_times || (*seen_time && found.is_over);
    if found.commands > 0 && !is_known {
        return Err(unknown());
    }
    *seen_time |= found.has_times;
    let is_over = found.is_over;
    Ok((found, is_over))
}

/// Writes the folder, the manifest at last; takes it back where that fails.
fn write(home: &Home, plan: &Plan, folder: &Path) -> Result<(), Refusal> {
    let failed = |error: io::Error| Refusal::Failed(format!("{}: {error}", folder.display()));
    fs::create_dir(folder).map_err(failed)?;
    let outcome = copy_all(home, plan, folder);
    if outcome.is_err() {
        let _ = fs::remove_dir_all(folder);
    }
    outcome.map_err(failed)
}

fn copy_all(home: &Home, plan: &Plan, folder: &Path) -> io::Result<()> {
    let new = Home { folder: folder.to_path_buf(), stem: home.stem.clone() };
    let mut manifest = Manifest { base: plan.manifest.base.clone(), ..Manifest::default() };
    for (nth, (listed, len)) in plan.lens.iter().enumerate() {
        let mut from = File::open(home.path(&listed.name))?.take(*len);
        let mut to = File::create_new(new.path(&listed.name))?;
        if io::copy(&mut from, &mut to)? != *len {
            return Err(io::Error::other("the source has changed meanwhile; try again"));
        }
        to.sync_all()?;
        if nth > 0 || manifest.base.is_none() {
            manifest.segments.push(listed.clone());
            let times = times::path_of(home, &listed.name);
            if listed.place.is_some() && times.exists() {
                fs::copy(times, times::path_of(&new, &listed.name))?;
            }
        }
    }
    fs::write(new.manifest_path(), manifest.text())?;
    File::open(new.manifest_path())?.sync_all()?;
    File::open(folder)?.sync_all()?;
    let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent)?.sync_all()
}
