//! The rules that make a user: what each word of `ACL SETUSER` and of a `user` line changes.

use super::user::{CommandRule, KeyPattern, Selector, User, hash, parse_hex};
use crate::config::text::split_line;
use koltso_proto::command::{self, AclCategories, CommandSpec};

/// Why a rule was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleError {
    /// There is no such command, subcommand or category.
    Unknown,
    /// It is no rule.
    Syntax,
    /// A pattern for keys, where all keys are allowed.
    AllKeys,
    /// A pattern for channels, where all channels are allowed.
    AllChannels,
    /// The password that is to be removed is not there.
    NoSuchPassword,
    /// No hash of a password.
    BadHash,
    /// A first argument behind a subcommand.
    FirstArgOfSubcommand,
}

impl RuleError {
    /// Redis's words for it.
    pub fn text(self) -> &'static str {
        match self {
            RuleError::Unknown => "Unknown command or category name in ACL",
            RuleError::Syntax => "Syntax error",
            RuleError::AllKeys => {
                "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have any effect. Try \
                 'resetkeys' to start with an empty list of patterns"
            }
            RuleError::AllChannels => {
                "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not have any effect. Try \
                 'resetchannels' to start with an empty list of channels"
            }
            RuleError::NoSuchPassword => "The password you are trying to remove from the user does not exist",
            RuleError::BadHash => {
                "The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters"
            }
            RuleError::FirstArgOfSubcommand => "Allowing first-arg of a subcommand is not supported",
        }
    }
}

/// Puts the words of each selector, which may be written apart, into one.
///
/// # Errors
/// The position of a parenthesis that is never closed.
pub fn join_selectors(words: &[&[u8]]) -> Result<Vec<Vec<u8>>, usize> {
    let mut joined: Vec<Vec<u8>> = Vec::new();
    let mut open = None;
    for (at, word) in words.iter().enumerate() {
        match (open, joined.last_mut()) {
            (Some(_), Some(selector)) => {
                selector.push(b' ');
                selector.extend_from_slice(word);
                if word.ends_with(b")") {
                    open = None;
                }
            }
            _ => {
                joined.push(word.to_vec());
                if word.starts_with(b"(") && !word.ends_with(b")") {
                    open = Some(at);
                }
            }
        }
    }
    open.map_or(Ok(joined), Err)
}

/// Whether a name or a pattern has what would tear it apart in a file.
pub fn has_spaces(text: &[u8]) -> bool {
    text.iter().any(|byte| byte.is_ascii_whitespace() || matches!(byte, 0 | 0x0b))
}

fn is(word: &[u8], name: &str) -> bool {
    word.eq_ignore_ascii_case(name.as_bytes())
}

impl User {
    /// Changes the user as one word says; a selector is one word. `all_channels`: what `acl-pubsub-default` allows.
    ///
    /// # Errors
    /// What is wrong with it; the user is as it was then.
    pub fn apply(&mut self, word: &[u8], all_channels: bool) -> Result<(), RuleError> {
        match word {
            [] => {}
            _ if is(word, "on") => self.enabled = true,
            _ if is(word, "off") => self.enabled = false,
            _ if is(word, "skip-sanitize-payload") => self.sanitizes = Some(false),
            _ if is(word, "sanitize-payload") => self.sanitizes = Some(true),
            _ if is(word, "nopass") => self.set_only_password(b""),
            _ if is(word, "resetpass") => {
                self.nopass = false;
                self.passwords.clear();
            }
            [sign @ (b'>' | b'#' | b'<' | b'!'), rest @ ..] => {
                let hash = match sign {
                    b'>' | b'<' => hash(rest),
                    _ => parse_hex(rest).ok_or(RuleError::BadHash)?,
                };
                let known = self.passwords.iter().position(|other| *other == hash);
                match (sign, known) {
                    (b'>' | b'#', known) => {
                        self.nopass = false;
                        if known.is_none() {
                            self.passwords.push(hash);
                        }
                    }
                    (_, Some(at)) => _ = self.passwords.remove(at),
                    (_, None) => return Err(RuleError::NoSuchPassword),
                }
            }
            [b'(', inner @ .., b')'] => {
                let mut selector = Selector::new(all_channels);
                for word in split_line(inner).ok_or(RuleError::Syntax)? {
                    selector.apply(&word)?;
                }
                self.selectors.push(selector);
            }
            _ if is(word, "clearselectors") => self.selectors.truncate(1),
            _ if is(word, "reset") => {
                let sanitizes = Some(true);
                *self = User { name: self.name.clone(), id: self.id, sanitizes, ..User::new(b"", all_channels) };
            }
            _ => self.selectors[0].apply(word)?,
        }
        Ok(())
    }
}

impl Selector {
    fn apply(&mut self, word: &[u8]) -> Result<(), RuleError> {
        match word {
            _ if is(word, "allkeys") || word == b"~*" => {
                self.all_keys = true;
                self.keys.clear();
            }
            _ if is(word, "resetkeys") => {
                self.all_keys = false;
                self.keys.clear();
            }
            _ if is(word, "allchannels") || word == b"&*" => {
                self.all_channels = true;
                self.channels.clear();
            }
            _ if is(word, "resetchannels") => {
                self.all_channels = false;
                self.channels.clear();
            }
            _ if is(word, "allcommands") || is(word, "+@all") => self.set_all_commands(true),
            _ if is(word, "nocommands") || is(word, "-@all") => self.set_all_commands(false),
            [b'~', pattern @ ..] => self.add_keys(pattern, true, true)?,
            [b'%', ..] if self.all_keys => return Err(RuleError::AllKeys),
            [b'%', rest @ ..] => {
                let (mut read, mut write, mut at) = (false, false, 0);
                while at < rest.len() {
                    match rest[at] {
                        b'r' | b'R' if !read => read = true,
                        b'w' | b'W' if !write => write = true,
                        b'~' if read || write => break,
                        _ => return Err(RuleError::Syntax),
                    }
                    at += 1;
                }
                if !(read || write) {
                    return Err(RuleError::Syntax);
                }
                self.add_keys(rest.get(at + 1..).unwrap_or_default(), read, write)?;
            }
            [b'&', channel @ ..] => {
                if self.all_channels {
                    return Err(RuleError::AllChannels);
                }
                if has_spaces(channel) {
                    return Err(RuleError::Syntax);
                }
                if !self.channels.iter().any(|other| other == channel) {
                    self.channels.push(channel.to_vec());
                }
            }
            [sign @ (b'+' | b'-'), b'@', name @ ..] => self.set_category(name, *sign == b'+')?,
            [b'+' | b'-', name @ ..] if is_left_out(name) => {}
            [b'+', name @ ..] => self.add_command(name)?,
            [b'-', name @ ..] => self.decide(false, find(name).ok_or(RuleError::Unknown)?),
            _ => return Err(RuleError::Syntax),
        }
        Ok(())
    }

    fn add_keys(&mut self, pattern: &[u8], read: bool, write: bool) -> Result<(), RuleError> {
        if self.all_keys {
            return Err(RuleError::AllKeys);
        }
        if has_spaces(pattern) {
            return Err(RuleError::Syntax);
        }
        match self.keys.iter_mut().find(|other| other.pattern == pattern) {
            Some(known) => {
                known.read |= read;
                known.write |= write;
            }
            None => self.keys.push(KeyPattern { read, write, pattern: pattern.to_vec() }),
        }
        Ok(())
    }

    fn set_category(&mut self, name: &[u8], allow: bool) -> Result<(), RuleError> {
        let category = AclCategories::by_name(name).ok_or(RuleError::Unknown)?;
        let members = command::every().iter().filter(|spec| spec.categories.has(category));
        let mut about: Vec<usize> = members.flat_map(with_subcommands).collect();
        about.sort_unstable();
        about.dedup();
        let text = [b"@", &name.to_ascii_lowercase()[..]].concat();
        self.add_rule(CommandRule { allow, text, about });
        Ok(())
    }

    fn add_command(&mut self, name: &[u8]) -> Result<(), RuleError> {
        let Some(bar) = name.iter().rposition(|&byte| byte == b'|') else {
            self.decide(true, find(name).ok_or(RuleError::Unknown)?);
            return Ok(());
        };
        let (container, first) = (find(&name[..bar]).ok_or(RuleError::Unknown)?, &name[bar + 1..]);
        if container.parent().is_some() {
            return Err(RuleError::FirstArgOfSubcommand);
        }
        if first.is_empty() {
            return Err(RuleError::Syntax);
        }
        if !container.subcommands().is_empty() {
            self.decide(true, container.subcommand(first).ok_or(RuleError::Unknown)?);
            return Ok(());
        }
        let (index, first) = (container.index(), first.to_vec());
        let known = self.first_args.iter().any(|(at, arg)| *at == index && arg.eq_ignore_ascii_case(&first));
        if !known && !self.allows(index) {
            let text = [container.name.as_bytes(), b"|", &first].concat();
            self.first_args.push((index, first));
            self.rules.push(CommandRule { allow: true, text, about: Vec::new() });
        }
        Ok(())
    }

    fn decide(&mut self, allow: bool, spec: &CommandSpec) {
        self.add_rule(CommandRule { allow, text: spec.name.into(), about: with_subcommands(spec).collect() });
    }

    /// Takes a rule in. What an earlier one says that is only about the same commands holds no longer.
    fn add_rule(&mut self, rule: CommandRule) {
        let CommandRule { allow, about, .. } = &rule;
        let is_about = |index: &usize| about.contains(index);
        let decides = about.iter().any(|&index| self.allows(index) != *allow);
        if !decides && !self.first_args.iter().any(|(index, _)| is_about(index)) {
            return;
        }
        about.iter().for_each(|&index| self.allow(index, *allow));
        self.first_args.retain(|(index, _)| !is_about(index));
        let first_args = &self.first_args;
        self.rules.retain(|old| match old.about.as_slice() {
            [] => first_args.iter().any(|(index, arg)| is_first_arg(&old.text, *index, arg)),
            indexes => !indexes.iter().all(is_about),
        });
        if decides {
            self.rules.push(rule);
        }
        self.forget_idle_rules();
    }

    /// Leaves out the rules that change nothing any more, now that others are gone.
    fn forget_idle_rules(&mut self) {
        let mut seen = Selector::new(false);
        seen.set_all_commands(self.from_all);
        self.rules.retain(|rule| {
            let decides = rule.about.iter().any(|&index| seen.allows(index) != rule.allow);
            rule.about.iter().for_each(|&index| seen.allow(index, rule.allow));
            decides || rule.about.is_empty()
        });
    }
}

/// Whether a rule is that of this first argument.
fn is_first_arg(text: &[u8], index: usize, arg: &[u8]) -> bool {
    let name = command::every()[index].name.as_bytes();
    text.strip_prefix(name).and_then(|rest| rest.strip_prefix(b"|")).is_some_and(|rest| rest == arg)
}

/// Whether a name is that of a command of Redis that this node has not, so that rules about it are neither wrong nor of any effect.
fn is_left_out(name: &[u8]) -> bool {
    let command = name.split(|&byte| byte == b'|').next().unwrap_or_default();
    ["asking", "cluster", "module", "readonly", "readwrite", "restore-asking"].iter().any(|left_out| is(command, left_out))
}

/// The command or subcommand of a full name, as `config` or `config|get`.
fn find(name: &[u8]) -> Option<&'static CommandSpec> {
    match name.iter().position(|&byte| byte == b'|') {
        None => command::lookup(name),
        Some(bar) => command::lookup(&name[..bar])?.subcommand(&name[bar + 1..]),
    }
}

fn with_subcommands(spec: &CommandSpec) -> impl Iterator<Item = usize> {
    std::iter::once(spec.index()).chain(spec.subcommands().iter().map(CommandSpec::index))
}
