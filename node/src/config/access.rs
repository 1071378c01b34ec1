//! `CONFIG GET` and `CONFIG SET`, with the error texts of Redis 7.0.

use koltso_proto::glob;

use super::{Config, DIRECTIVES, Directive, Marks, ProtectedAction};

/// The directive of this name or alias, compared without case.
pub fn find(name: &[u8]) -> Option<&'static Directive> {
    let is_name = |text: &str| text.as_bytes().eq_ignore_ascii_case(name);
    DIRECTIVES.iter().find(|directive| is_name(directive.name) || directive.alias.is_some_and(is_name))
}

/// The name of a directive as it was asked for: its own or its alias.
fn asked_name(directive: &Directive, asked: &[u8]) -> &'static str {
    match directive.alias {
        Some(alias) if alias.as_bytes().eq_ignore_ascii_case(asked) => alias,
        _ => directive.name,
    }
}

impl Config {
    /// The directives that match any of the patterns, without case and each at most once, with their values as `CONFIG GET` prints
    /// them. Old names match as well and are shown under the old name.
    pub fn get<P: AsRef<[u8]>>(&self, patterns: &[P]) -> Vec<(&'static str, Vec<u8>)> {
        let is_asked = |name: &str, hidden: bool| {
            patterns.iter().map(AsRef::as_ref).any(|pattern| {
                let is_literal = !pattern.iter().any(|byte| matches!(byte, b'[' | b'*' | b'?'));
                if is_literal || hidden {
                    is_literal && pattern.eq_ignore_ascii_case(name.as_bytes())
                } else {
                    glob::matches_nocase(pattern, name.as_bytes())
                }
            })
        };
        let mut found = Vec::new();
        for directive in DIRECTIVES {
            let names = [Some(directive.name), directive.alias];
            for name in names.into_iter().flatten().filter(|name| is_asked(name, directive.marks.has(Marks::HIDDEN))) {
                found.push((name, directive.get(self)));
            }
        }
        found
    }

    /// Changes all the named directives or none, as `CONFIG SET` does. `local` says whether who asks is on this machine, which
    /// decides about protected directives. Returns the names of the directives whose value is another now, for those who
    /// have to act on that.
    ///
    /// # Errors
    /// The text of the error reply, without `-`. Nothing has changed then.
    pub fn set_many<A: AsRef<[u8]>>(&mut self, pairs: &[(A, A)], local: bool) -> Result<Vec<&'static str>, String> {
        let mut changed = self.clone();
        // The old and the new name of a directive are two parameters, of which the later one wins.
        let mut seen: Vec<(&'static str, &'static Directive)> = Vec::with_capacity(pairs.len());
        for (name, value) in pairs {
            let Some(directive) = find(name.as_ref()) else {
                let name = String::from_utf8_lossy(name.as_ref());
                return Err(format!("ERR Unknown option or number of arguments for CONFIG SET - '{name}'"));
            };
            let name = asked_name(directive, name.as_ref());
            let stays = directive.marks.has(Marks::OWN) && directive.get(self) == value.as_ref();
            if !stays {
                self.may_set(directive, local).map_err(|why| failed(name, why))?;
            }
            if seen.iter().any(|(other, _)| *other == name) {
                return Err(failed(name, "duplicate parameter"));
            }
            seen.push((name, directive));
        }
        for ((name, directive), (_, value)) in seen.iter().zip(pairs) {
            let value = value.as_ref();
            let words: Vec<&[u8]> =
                if directive.takes_many() { value.split(|byte| *byte == b' ').collect() } else { vec![value] };
            directive.set(&mut changed, &words).map_err(|why| failed(name, &why))?;
        }
        changed.settle();
        let is_other = |directive: &Directive| directive.get(self) != directive.get(&changed);
        let names = seen.iter().filter(|(_, directive)| is_other(directive)).map(|(_, directive)| directive.name).collect();
        *self = changed;
        Ok(names)
    }

    fn may_set(&self, directive: &Directive, local: bool) -> Result<(), &'static str> {
        let may_protected = match self.enable_protected_configs {
            ProtectedAction::Yes => true,
            ProtectedAction::Local => local,
            ProtectedAction::No => false,
        };
        if directive.marks.has(Marks::FIXED) {
            return Err("can't set immutable config");
        }
        if directive.marks.has(Marks::PROTECTED) && !may_protected {
            return Err("can't set protected config");
        }
        Ok(())
    }

    /// Brings values into the bounds that are applied without an error.
    pub(super) fn settle(&mut self) {
        /// The backlog's smallest size.
        const BACKLOG_MIN: u64 = 16 << 10;
        self.hz = self.hz.clamp(1, 500);
        self.repl_backlog_size = self.repl_backlog_size.max(BACKLOG_MIN);
    }

    /// Whether the value of this directive is to be kept out of logs.
    pub fn is_secret(name: &[u8]) -> bool {
        find(name).is_some_and(|directive| directive.marks.has(Marks::SECRET))
    }
}

fn failed(name: &str, why: &str) -> String {
    format!("ERR CONFIG SET failed (possibly related to argument '{name}') - {why}")
}
