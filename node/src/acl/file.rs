//! Users in a file of their own (`aclfile`), and in the lines of the configuration that begin with `user`.

use super::rules::has_spaces;
use super::{RuleError, User, Users, join_selectors};
use crate::config::{AclPubsubDefault, Config, Text};
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

/// The longest file that is read, in bytes.
const FILE_BYTES_MAX: u64 = 64 << 20;

const BOTH: &str = "Configuring Koltso with users defined in the configuration file and at the same setting an ACL file path is \
     invalid. This setup is very likely to lead to configuration errors and security holes, please define either an ACL file or \
     declare users directly in your configuration file, but not both.";

/// Ends the error of a file that was not taken.
const NO_CHANGE: &str = "WARNING: ACL errors detected, no change to the previously active ACL rules was performed";

/// Whether the configuration gives every channel to a user who is made anew.
pub fn all_channels(config: &Config) -> bool {
    config.acl_pubsub_default == AclPubsubDefault::AllChannels
}

impl Users {
    /// The users that a configuration asks for.
    ///
    /// # Errors
    /// What is wrong with them, for the operator.
    pub fn configured(config: &Config) -> Result<Users, String> {
        let mut users = Users::new(config.requirepass.as_bytes());
        if config.aclfile.is_empty() {
            for words in &config.users {
                let words: Vec<&[u8]> = words.iter().map(Text::as_bytes).collect();
                users.put(declared(&words, all_channels(config))?);
            }
            return Ok(users);
        }
        if !config.users.is_empty() {
            return Err(BOTH.to_string());
        }
        let path = config.aclfile.as_path().ok_or("Invalid path of the ACL file")?;
        users.replace(
            read(path, all_channels(config)).map_err(|error| format!("Aborting startup because of ACL errors: {error}"))?,
        );
        Ok(users)
    }

    /// The words of `user` lines for these users; none if they are what the configuration asks for without any.
    pub fn declarations(&self, config: &Config) -> Vec<Vec<Text>> {
        let initial = Users::new(config.requirepass.as_bytes());
        if self.iter().len() == 1 && self.default_user().describe() == initial.default_user().describe() {
            return Vec::new();
        }
        let words = |user: &User| {
            let rules = user.describe();
            let rules = rules.split(|&byte| byte == b' ').map(Text::from);
            std::iter::once(Text::from(&*user.name)).chain(rules).collect()
        };
        self.iter().map(|user| words(user)).collect()
    }
}

/// Looks at a `user` line of the configuration: `words` begin with the user's name; `known` are those of the lines before it.
///
/// # Errors
/// What is wrong with it.
pub fn check_declaration<'a>(words: &[&[u8]], mut known: impl Iterator<Item = &'a [u8]>) -> Result<(), String> {
    let Some(&name) = words.first() else { return Err("Bad directive or wrong number of arguments".to_string()) };
    if known.any(|other| other == name) {
        const DUPLICATE: &str = "Duplicate user found. A user can only be defined once in config files";
        return Err(format!("Error in user declaration '{}': {DUPLICATE}", String::from_utf8_lossy(name)));
    }
    declared(words, false).map(drop)
}

fn declared(words: &[&[u8]], all_channels: bool) -> Result<User, String> {
    let lossy = String::from_utf8_lossy;
    let wrong = |word: &[u8], why: &str| format!("Error in user declaration '{}': {why}", lossy(word));
    let (name, rules) = words.split_first().ok_or("a user without a name")?;
    if has_spaces(name) {
        return Err(wrong(name, "Usernames can't contain spaces or null characters"));
    }
    let rules = join_selectors(rules).map_err(|at| wrong(rules[at], "Unmatched parenthesis in selector definition."))?;
    let mut user = User::new(name, all_channels);
    for rule in &rules {
        user.apply(rule, all_channels).map_err(|error| wrong(rule, error.text()))?;
    }
    Ok(user)
}

/// Reads a file: a line for each user. If none is for the default user, that may do everything.
///
/// # Errors
/// Everything that is wrong with the file, each with its line.
pub fn read(path: &Path, all_channels: bool) -> Result<Users, String> {
    let shown = path.display();
    let load = || {
        if fs::metadata(path)?.len() > FILE_BYTES_MAX { Err(std::io::ErrorKind::FileTooLarge.into()) } else { fs::read(path) }
    };
    let text =
        load().map_err(|error| format!("Error loading ACLs, opening file '{shown}': {}", crate::config::reason(&error)))?;
    let (mut users, mut errors) = (Users::new(b""), String::new());
    let mut seen: Vec<Box<[u8]>> = Vec::new();
    for (at, line) in text.split(|&byte| byte == b'\n').enumerate() {
        let (line, number) = (line.trim_ascii(), at + 1);
        if line.is_empty() {
            continue;
        }
        let words: Vec<&[u8]> = line.split(|&byte| byte == b' ').filter(|word| !word.is_empty()).collect();
        let (b"user", Some(&name)) = (words[0], words.get(1)) else {
            errors.push_str(&format!("{shown}:{number} should start with user keyword followed by the username. "));
            continue;
        };
        let shown_name = String::from_utf8_lossy(name);
        if has_spaces(name) {
            errors.push_str(&format!("'{shown}:{number}: username '{shown_name}' contains invalid characters. "));
            continue;
        }
        if seen.iter().any(|other| **other == *name) {
            errors.push_str(&format!("WARNING: Duplicate user '{shown_name}' found on line {number}. "));
            continue;
        }
        seen.push(name.into());
        let mut user = User::new(name, all_channels);
        match join_selectors(&words[2..]) {
            Ok(rules) => apply_all(&mut user, &rules, all_channels, &format!("{shown}:{number}"), &mut errors),
            Err(_) => errors.push_str(&format!("{shown}:{number}: Unmatched parenthesis in selector definition.")),
        }
        users.put(user);
    }
    if errors.is_empty() { Ok(users) } else { Err(format!("{errors}{NO_CHANGE}")) }
}

/// Applies the rules of a line; those about unknown commands are all told of, and the first of other errors.
fn apply_all(user: &mut User, rules: &[Vec<u8>], all_channels: bool, place: &str, errors: &mut String) {
    let mut told = false;
    for rule in rules {
        match user.apply(rule, all_channels) {
            Ok(()) => {}
            Err(error @ RuleError::Unknown) => {
                let rule = String::from_utf8_lossy(rule);
                errors.push_str(&format!("{place}: Error in applying operation '{rule}': {}. ", error.text()));
            }
            Err(error) if !told => {
                told = true;
                errors.push_str(&format!("{place}: {}. ", error.text()));
            }
            Err(_) => {}
        }
    }
}

/// Writes users to a file, which is replaced as a whole or not at all.
///
/// # Errors
/// What the system says.
pub fn write(users: &Users, path: &Path) -> std::io::Result<()> {
    let path = &path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().ok_or(std::io::ErrorKind::InvalidInput)?.to_string_lossy();
    let temporary = directory.join(format!(".{name}.{}-{}.tmp", std::process::id(), rand::random::<u32>()));
    let put = || {
        let mut file = File::create(&temporary)?;
        for user in users.iter() {
            file.write_all(&[&user.line(), &b"\n"[..]].concat())?;
        }
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        File::open(directory)?.sync_all()
    };
    put().inspect_err(|_| {
        let _ = fs::remove_file(&temporary);
    })
}
