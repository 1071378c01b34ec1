//! Reading the configuration: a file or standard input, and the command line after it.
//!
//! As in redis-server, what stands on the command line is turned into lines that are read after the file, so that the last one
//! counts and an error names its line either way.

use std::ffi::OsString;
use std::fmt;
use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use koltso_proto::{command, glob};

use super::text::{Text, quote, split_line};
use super::{Config, cli, find, special};

/// How deep files may include one another.
const INCLUDE_DEPTH_MAX: usize = 16;
/// The longest file that is read.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// Directives that Redis once had and still accepts, with their number of arguments.
const FORGOTTEN: &[&str] = &["list-max-ziplist-entries", "list-max-ziplist-value", "lua-replicate-commands"];

/// Why there is no configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigError {
    /// Not an error: the user asked for this text, and the process should print it and end.
    Asked(String),
    /// A line is wrong.
    Line { number: usize, line: String, reason: String },
    /// A file cannot be read.
    File { path: String, reason: String },
    /// The command line is wrong as a whole.
    Usage(String),
}

impl ConfigError {
    /// What the process should end with.
    pub fn exit_code(&self) -> u8 {
        u8::from(!matches!(self, ConfigError::Asked(_)))
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConfigError::Asked(text) | ConfigError::Usage(text) => f.write_str(text),
            ConfigError::Line { number, line, reason } => write!(
                f,
                "\n*** FATAL CONFIG FILE ERROR (Koltso {}) ***\nReading the configuration file, at line {number}\n>>> '{line}'\n{reason}",
                env!("CARGO_PKG_VERSION"),
            ),
            ConfigError::File { path, reason } => write!(f, "Fatal error, can't open config file '{path}': {reason}"),
        }
    }
}

impl std::error::Error for ConfigError {}

impl Config {
    /// Reads the configuration that the command line names: `args` without the program's name.
    ///
    /// A first argument that does not begin with `-` is a file; `-` as first or last argument is standard input; then follow directives as
    /// `--name value…`, where one argument may also hold a name with its values. `-h`, `--help`, `-v` and `--version` alone
    /// give [`ConfigError::Asked`].
    ///
    /// # Errors
    /// See [`ConfigError`]; its text is meant for the user as it is.
    pub fn from_args<S: Into<OsString> + Clone>(args: &[S]) -> Result<Config, ConfigError> {
        let args: Vec<Vec<u8>> = args.iter().map(|arg| arg.clone().into().into_vec()).collect();
        if let Some(text) = cli::answer(&args) {
            return Err(text);
        }
        let mut config = Config::default();
        let mut rest = &args[..];
        let mut text = Vec::new();
        if let Some((first, others)) = rest.split_first()
            && !first.starts_with(b"-")
        {
            let path = absolute(first);
            text = read_file(&path)?;
            config.config_file = Some(path);
            rest = others;
        }
        let (options, from_stdin) = options_text(rest);
        if from_stdin {
            text.extend_from_slice(&read_stdin()?);
        }
        if !options.is_empty() {
            text.push(b'\n');
            text.extend_from_slice(&options);
        }
        Reader::default().read(&mut config, &text, 0)?;
        config.settle();
        Ok(config)
    }

    /// Reads directives as they stand in a file, on top of what is set.
    ///
    /// # Errors
    /// The first line that is wrong. What stands before it has been applied.
    pub fn read_text(&mut self, text: &[u8]) -> Result<(), ConfigError> {
        Reader::default().read(self, text, 0)?;
        self.settle();
        Ok(())
    }
}

fn absolute(path: &[u8]) -> PathBuf {
    let path = Path::new(std::ffi::OsStr::from_bytes(path));
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf())
}

fn file_error(path: &Path, error: &std::io::Error) -> ConfigError {
    ConfigError::File { path: path.display().to_string(), reason: special::reason(error) }
}

fn read_file(path: &Path) -> Result<Vec<u8>, ConfigError> {
    let read = || {
        let mut text = Vec::new();
        std::fs::File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_end(&mut text)?;
        if text.len() as u64 > FILE_BYTES_MAX { Err(std::io::ErrorKind::FileTooLarge.into()) } else { Ok(text) }
    };
    read().map_err(|error| file_error(path, &error))
}

fn read_stdin() -> Result<Vec<u8>, ConfigError> {
    let mut text = Vec::new();
    let read = std::io::stdin().lock().take(FILE_BYTES_MAX).read_to_end(&mut text);
    read.map_err(|error| file_error(Path::new("-"), &error))?;
    Ok(text)
}

/// Turns `--name value…` arguments into lines; and whether `-` is among them in the first or last place.
///
/// An argument that begins with `--` starts a new line only if the last name has a value by now: `--appendonly --port` is a
/// value that looks odd, not two names.
fn options_text(args: &[Vec<u8>]) -> (Vec<u8>, bool) {
    let (mut text, mut from_stdin, mut has_value) = (Vec::new(), false, true);
    for (at, arg) in args.iter().enumerate() {
        if arg == b"-" && (at == 0 || at + 1 == args.len()) {
            from_stdin = true;
            continue;
        }
        let Some(name) = arg.strip_prefix(b"--").filter(|_| has_value) else {
            quote(&mut text, arg);
            text.push(b' ');
            has_value = true;
            continue;
        };
        if !text.is_empty() {
            text.push(b'\n');
        }
        text.extend_from_slice(name);
        text.push(b' ');
        has_value = split_line(name).is_none_or(|words| words.len() != 1);
        // `--save` with nothing behind it means never, for scripts that pass an empty list.
        let bare = args.get(at + 1).is_none_or(|next| next.starts_with(b"--"));
        if name.eq_ignore_ascii_case(b"save") && bare {
            text.extend_from_slice(b"\"\"");
            has_value = true;
        }
    }
    (text, from_stdin)
}

/// What has to be remembered from line to line.
#[derive(Default)]
struct Reader {
    /// Whether a `save` line was read: the first one replaces the defaults, and further ones add to it.
    saw_save: bool,
}

impl Reader {
    fn read(&mut self, config: &mut Config, text: &[u8], depth: usize) -> Result<(), ConfigError> {
        for (at, line) in text.split(|byte| *byte == b'\n').enumerate() {
            let line = line.trim_ascii();
            if line.is_empty() || line[0] == b'#' {
                continue;
            }
            let wrong =
                |reason: String| ConfigError::Line { number: at + 1, line: String::from_utf8_lossy(line).into_owned(), reason };
            let words = split_line(line).ok_or_else(|| wrong("Unbalanced quotes in configuration line".into()))?;
            let Some((name, args)) = words.split_first() else { continue };
            let args: Vec<&[u8]> = args.iter().map(Vec::as_slice).collect();
            if name.eq_ignore_ascii_case(b"include") && args.len() == 1 {
                if depth == INCLUDE_DEPTH_MAX {
                    return Err(wrong(format!("Files are included more than {INCLUDE_DEPTH_MAX} deep")));
                }
                for path in included(args[0])? {
                    self.read(config, &read_file(&path)?, depth + 1)?;
                }
                continue;
            }
            self.directive(config, name, &args).map_err(wrong)?;
        }
        Ok(())
    }

    fn directive(&mut self, config: &mut Config, name: &[u8], args: &[&[u8]]) -> Result<(), String> {
        let Some(directive) = find(name) else { return other_line(config, name, args) };
        // Several words in one quoted argument: `--replicaof "127.0.0.1 6379"`.
        let split: Vec<&[u8]>;
        let args = match args {
            [one] if directive.takes_many() => {
                split = one.split(|byte| *byte == b' ').collect();
                &split[..]
            }
            args => args,
        };
        if directive.name != "save" {
            return directive.set(config, args);
        }
        let mut before = std::mem::take(&mut config.save);
        let read = directive.set(config, args);
        if self.saw_save && read.is_ok() && !config.save.is_empty() {
            before.append(&mut config.save);
            config.save = before;
        }
        self.saw_save = true;
        read
    }
}

/// The lines that are no directives.
fn other_line(config: &mut Config, name: &[u8], args: &[&[u8]]) -> Result<(), String> {
    let is = |text: &str| name.eq_ignore_ascii_case(text.as_bytes());
    match args {
        [old, new] if is("rename-command") => rename_command(config, old, new),
        [_, ..] if is("user") => {
            let known = config.users.iter().filter_map(|words| words.first()).map(Text::as_bytes);
            crate::acl::file::check_declaration(args, known)?;
            config.users.push(args.iter().map(|arg| Text::from(*arg)).collect());
            Ok(())
        }
        [_, ..] if is("loadmodule") => Err("Koltso loads no modules".into()),
        [_] if FORGOTTEN.iter().any(|forgotten| is(forgotten)) => Ok(()),
        _ => Err("Bad directive or wrong number of arguments".into()),
    }
}

fn rename_command(config: &mut Config, old: &[u8], new: &[u8]) -> Result<(), String> {
    let is_renamed = |name: &[u8]| config.renamed_commands.iter().any(|(old, _)| old.as_bytes().eq_ignore_ascii_case(name));
    let is_new = |name: &[u8]| config.renamed_commands.iter().any(|(_, new)| new.as_bytes().eq_ignore_ascii_case(name));
    let spec = command::lookup(old).filter(|_| !is_renamed(old)).ok_or("No such command in rename-command")?;
    let taken = command::lookup(new).is_some() && !is_renamed(new);
    if !new.is_empty() && (taken || is_new(new)) {
        return Err("Target command name already exists".into());
    }
    config.renamed_commands.push((spec.name.to_string(), Text::from(new)));
    Ok(())
}

/// The files that an `include` names: one, or those that match a pattern in the last part of the path, in alphabetical order.
fn included(pattern: &[u8]) -> Result<Vec<PathBuf>, ConfigError> {
    if !pattern.iter().any(|byte| matches!(byte, b'*' | b'?' | b'[')) {
        return Ok(vec![PathBuf::from(OsString::from_vec(pattern.to_vec()))]);
    }
    let mut paths = vec![if pattern[0] == b'/' { PathBuf::from("/") } else { PathBuf::new() }];
    for part in pattern.split(|byte| *byte == b'/').filter(|part| !part.is_empty()) {
        paths = paths.iter().flat_map(|path| matching(path, part)).collect();
    }
    paths.sort();
    Ok(paths)
}

/// The entries of a directory that match one part of a pattern; a plain part is not looked up.
fn matching(path: &Path, part: &[u8]) -> Vec<PathBuf> {
    if glob::is_literal(part) {
        return vec![path.join(std::ffi::OsStr::from_bytes(part))];
    }
    let directory = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let names = entries.filter_map(|entry| entry.ok().map(|entry| entry.file_name()));
    // As a shell does: a hidden file only if the pattern says so.
    let is_match =
        |name: &OsString| (part[0] == b'.' || !name.as_bytes().starts_with(b".")) && glob::matches(part, name.as_bytes());
    names.filter(is_match).map(|name| path.join(name)).collect()
}
