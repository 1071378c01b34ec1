//! `koltso check`: says what is in an append-only file or an RDB, what is wrong with it and how much is good, without a node; cuts
//! off the end of the last file, if it is told to.
//!
//! Nothing but the last file is ever changed, and of that only the end. What is cut off is kept beside it.

use super::Home;
use super::cut::{cut, free_kept_path, keep_tail};
use super::inspect::{Fault, Found, Kind, Until, look};
use super::manifest::{Listed, Manifest};
use koltso_proto::id::Offset;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str = "\
Says what is wrong with an append-only file or an RDB, and how much of it is good. No node is started.

Usage: koltso check [--fix [--yes]] PATH

  PATH     the folder of an append-only file, its manifest, or a single .rdb or .aof file
  --fix    cut off the end of the last file, from the first bytes on that are wrong; they are kept in another file
  --yes    do not ask before that

Exits with 0 if all is sound, 1 if something is damaged, 2 if it cannot be read. No server may be using what is to be fixed.
";

const DAMAGED: u8 = 1;
const UNREADABLE: u8 = 2;

#[derive(Default)]
struct Options {
    path: PathBuf,
    fixes: bool,
    asks: bool,
}

/// Runs it; `args` are those behind `check`.
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
            complain(&format!("koltso check: {why}\n\n{USAGE}"));
            return UNREADABLE.into();
        }
    };
    let report = match examine(&options.path) {
        Ok(report) => report,
        Err(why) => {
            complain(&format!("{why}\n"));
            return UNREADABLE.into();
        }
    };
    say(&report.text());
    match report.worst() {
        0 => ExitCode::SUCCESS,
        _ if options.fixes => fix(&report, options.asks),
        worst => worst.into(),
    }
}

/// `None` if only help was asked for.
fn parse(args: &[OsString]) -> Result<Option<Options>, String> {
    let mut options = Options { asks: true, ..Options::default() };
    for arg in args {
        match arg.as_bytes() {
            b"-h" | b"--help" => return Ok(None),
            b"--fix" => options.fixes = true,
            b"--yes" | b"-y" => options.asks = false,
            other if other.starts_with(b"-") => return Err(format!("'{}' is not an option", arg.display())),
            _ if options.path.as_os_str().is_empty() => options.path = arg.into(),
            _ => return Err(format!("'{}' is one path too many", arg.display())),
        }
    }
    if options.path.as_os_str().is_empty() {
        return Err("a path is missing".to_string());
    }
    Ok(Some(options))
}

/// What was found in a file.
pub(super) struct Examined {
    /// Where it is.
    pub path: PathBuf,
    /// Its line in the manifest, if it has one.
    pub listed: Option<Listed>,
    /// What kind of file it is meant to be.
    pub kind: Kind,
    /// What is in it, or why that cannot be said: it is missing, or the system does not let us read it.
    pub found: Result<Found, io::Error>,
    /// Where in the log it should begin but does not.
    gap: Option<String>,
}

/// What was found in all of them.
pub(super) struct Report {
    /// What was asked about.
    name: String,
    /// What is wrong with the manifest.
    manifest_fault: Option<String>,
    /// The files, in the order in which they are read.
    pub files: Vec<Examined>,
}

/// Looks at whatever is at this path.
///
/// # Errors
/// When there is nothing that could be looked at.
fn examine(path: &Path) -> Result<Report, String> {
    let metadata = std::fs::metadata(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let name = path.display().to_string();
    if metadata.is_dir() {
        let home = home_in(path)?;
        return examine_home(name, &home);
    }
    if let Some(home) = home_of_manifest(path) {
        return examine_home(name, &home);
    }
    let kind = if path.extension().is_some_and(|end| end == "rdb") { Kind::Rdb } else { Kind::Base };
    let found = look(path, kind, Until::default()).map_err(|error| format!("{}: {error}", path.display()))?;
    let file = Examined { path: path.to_path_buf(), listed: None, kind, found: Ok(found), gap: None };
    Ok(Report { name, manifest_fault: None, files: vec![file] })
}

/// The append-only file in this folder.
///
/// # Errors
/// When there is none, or more than one.
pub(super) fn home_in(folder: &Path) -> Result<Home, String> {
    let failed = |error: io::Error| format!("{}: {error}", folder.display());
    let mut homes = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        homes.extend(home_of_manifest(&path).filter(|home| !home.stem.starts_with(b"temp-")));
    }
    match homes.len() {
        0 => Err(format!("{}: there is no manifest of an append-only file in this folder", folder.display())),
        1 => Ok(homes.remove(0)),
        _ => Err(format!("{}: there are several manifests in this folder; name one of them", folder.display())),
    }
}

/// The append-only file whose manifest this is, by its name.
fn home_of_manifest(path: &Path) -> Option<Home> {
    let stem = path.file_name()?.as_bytes().strip_suffix(b".manifest")?.to_vec();
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Some(Home { folder: folder.to_path_buf(), stem })
}

fn examine_home(name: String, home: &Home) -> Result<Report, String> {
    let path = home.manifest_path();
    let text = std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(match Manifest::parse(&text) {
        Ok(manifest) => Report { name, manifest_fault: None, files: examine_files(home, &manifest) },
        Err(why) => Report { name, manifest_fault: Some(format!("{}: DAMAGED: {why}", path.display())), files: Vec::new() },
    })
}

/// Looks at every file that the manifest names.
pub(super) fn examine_files(home: &Home, manifest: &Manifest) -> Vec<Examined> {
    let mut end = None;
    let mut files = Vec::new();
    for (nth, listed) in manifest.files().enumerate() {
        let kind = if nth == 0 && manifest.base.is_some() { Kind::Base } else { Kind::Segment };
        let path = home.path(&listed.name);
        let found = look(&path, kind, Until::default());
        let gap = listed.place.zip(end).and_then(|(place, end)| gap_between(end, place.from));
        let mut file = Examined { path, listed: Some(listed.clone()), kind, found, gap };
        if file.status() != 0 {
            file.gap = file.gap.filter(|_| file.found.as_ref().is_ok_and(|found| found.fault.is_none()));
        }
        end = file.log_end().filter(|_| file.status() == 0);
        files.push(file);
    }
    files
}

fn gap_between(end: Offset, from: Offset) -> Option<String> {
    match from.0.cmp(&end.0) {
        std::cmp::Ordering::Equal => None,
        std::cmp::Ordering::Greater => Some(format!("{} bytes of the log are missing before it", from.0 - end.0)),
        std::cmp::Ordering::Less => Some(format!("it begins {} bytes before the end of the file before it", end.0 - from.0)),
    }
}

impl Examined {
    /// The log's end behind what is good of it, if that is known.
    pub(super) fn log_end(&self) -> Option<Offset> {
        let found = self.found.as_ref().ok()?;
        match &self.listed {
            Some(Listed { place: Some(place), .. }) => Some(place.from.advanced(found.good.saturating_sub(place.head))),
            _ if found.commands == 0 => Some(found.rdb.as_ref()?.at?.1),
            _ => None,
        }
    }

    /// 0 = sound, or the exit status.
    fn status(&self) -> u8 {
        match &self.found {
            Err(error) if error.kind() == io::ErrorKind::NotFound => DAMAGED,
            Err(_) => UNREADABLE,
            Ok(found) if found.fault.is_some() || self.gap.is_some() => DAMAGED,
            Ok(_) => 0,
        }
    }

    /// Its line of the report.
    fn line(&self) -> String {
        let name = self.path.display();
        let found = match &self.found {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return format!("{name}: DAMAGED: the file is missing"),
            Err(error) => return format!("{name}: cannot be read: {error}"),
            Ok(found) => found,
        };
        let mut line = match (&found.fault, &self.gap) {
            (Some(Fault { at, why, .. }), _) => format!("{name}: DAMAGED at offset {at}: {why};"),
            (None, Some(gap)) => format!("{name}: DAMAGED: {gap};"),
            (None, None) => format!("{name}: ok;"),
        };
        let Found { len, good, commands, rdb, .. } = found;
        // A String takes everything.
        let _ = write!(line, " size={len}, ok_up_to={good}, diff={}", len.saturating_sub(*good));
        if let Some(rdb) = rdb {
            let _ = write!(line, ", keys={}", rdb.keys);
        }
        if self.kind == Kind::Segment || rdb.is_none() || *commands > 0 {
            let _ = write!(line, ", commands={commands}");
        }
        let place = self.listed.as_ref().and_then(|listed| listed.place);
        match (place, rdb.as_ref().and_then(|rdb| rdb.at), self.log_end()) {
            (Some(place), _, Some(end)) => {
                let _ = write!(line, ", offsets={}..{end} of {}", place.from, place.of);
            }
            (None, Some((id, at)), _) => {
                let _ = write!(line, ", offset={at} of {id}");
            }
            _ => {}
        }
        line
    }
}

impl Report {
    fn worst(&self) -> u8 {
        let manifest = if self.manifest_fault.is_some() { DAMAGED } else { 0 };
        self.files.iter().map(Examined::status).chain([manifest]).max().unwrap_or(0)
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for line in self.manifest_fault.iter().cloned().chain(self.files.iter().map(Examined::line)) {
            text.push_str(&line);
            text.push('\n');
        }
        let verdict = match self.worst() {
            0 => "sound",
            DAMAGED => "DAMAGED",
            _ => "not readable as a whole",
        };
        text.push_str(&format!("{} is {verdict}.\n", self.name));
        text
    }

    /// The file whose end may be cut off, and what is wrong there.
    fn fixable(&self) -> Result<(&Examined, &Found), &'static str> {
        const EARLIER: &str = "only the end of the last file can be cut off, and the damage is elsewhere";
        let Some((last, before)) = self.files.split_last() else { return Err(EARLIER) };
        if self.manifest_fault.is_some() || before.iter().any(|file| file.status() != 0) || last.gap.is_some() {
            return Err(EARLIER);
        }
        match &last.found {
            Ok(found) if found.fault.is_none() => Err(EARLIER),
            Ok(found) if last.kind == Kind::Rdb || found.rdb.as_ref().is_some_and(|rdb| !rdb.is_whole) => {
                Err("an RDB is whole or worth nothing: its end cannot be cut off")
            }
            Ok(found) if found.good == 0 && last.kind == Kind::Base => Err("nothing of it is good: nothing would be left"),
            Ok(found) => Ok((last, found)),
            Err(_) => Err(EARLIER),
        }
    }
}

/// Cuts off the end of the last file.
fn fix(report: &Report, asks: bool) -> ExitCode {
    let (file, found) = match report.fixable() {
        Ok(fixable) => fixable,
        Err(why) => {
            complain(&format!("Nothing was changed: {why}.\n"));
            return report.worst().into();
        }
    };
    let (name, good) = (file.path.display(), found.good);
    // Nothing that is kept already is written over.
    let kept = free_kept_path(&file.path, good);
    let lost = found.len.saturating_sub(good);
    if let Some(Fault { is_torn: false, .. }) = &found.fault {
        say(&format!("What follows offset {good} of {name} may hold commands that are whole; they go as well.\n"));
    }
    say(&format!(
        "{name} will be cut off at offset {good}: {lost} of its {} bytes go, and are kept in {}.\n",
        found.len,
        kept.display()
    ));
    if asks && !confirmed() {
        say("Nothing was changed.\n");
        return DAMAGED.into();
    }
    if let Err(error) = keep_tail(&file.path, good, File::create_new(&kept)) {
        let _ = std::fs::remove_file(&kept);
        complain(&format!("Nothing was changed: {}: {error}\n", kept.display()));
        return UNREADABLE.into();
    }
    match cut(&file.path, good) {
        Ok(()) => {
            say(&format!("{name} was cut off, and ends where it is good.\n"));
            ExitCode::SUCCESS
        }
        Err(error) => {
            complain(&format!("{name}: {error}\n"));
            UNREADABLE.into()
        }
    }
}

fn confirmed() -> bool {
    say("Continue? [y/N]: ");
    let mut answer = Vec::new();
    // Whoever says more than that has not been asked.
    let line = io::stdin().lock().take(64).bytes().map_while(Result::ok).take_while(|&byte| byte != b'\n');
    answer.extend(line);
    matches!(answer.trim_ascii(), b"y" | b"Y" | b"yes")
}

/// To standard output, which may be gone.
pub(super) fn say(text: &str) {
    let _ = io::stdout().write_all(text.as_bytes()).and_then(|()| io::stdout().flush());
}

/// To standard error, which may be gone.
pub(super) fn complain(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}
