//! Whether a user may run a command: by its name, the keys it names, and the channels.

use super::user::{KeyPattern, Selector, User};
use koltso_proto::command::keys::{Begin, Find};
use koltso_proto::command::{CommandSpec, Flags, KeyFlags};
use koltso_proto::glob;
use koltso_proto::resp::Args;

/// Why a command is denied. The later ones are the more telling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Denied {
    /// It may not be run at all.
    Command,
    /// Not with the key at this position.
    Key(usize),
    /// Not with the channel at this position.
    Channel(usize),
}

impl Denied {
    /// The error reply.
    pub fn error(self, spec: &CommandSpec) -> String {
        match self {
            Denied::Command => format!("NOPERM this user has no permissions to run the '{}' command", spec.name),
            Denied::Key(_) => "NOPERM this user has no permissions to access one of the keys used as arguments".to_string(),
            Denied::Channel(_) => {
                "NOPERM this user has no permissions to access one of the channels used as arguments".to_string()
            }
        }
    }

    /// As `ACL DRYRUN` says it, of a request of these words.
    pub fn in_words(self, spec: &CommandSpec, words: &[&[u8]]) -> Vec<u8> {
        let (what, name) = match self {
            Denied::Command => {
                return format!("This user has no permissions to run the '{}' command", spec.name).into_bytes();
            }
            Denied::Key(at) => (&b"' key"[..], words[at]),
            Denied::Channel(at) => (&b"' channel"[..], words[at]),
        };
        [b"This user has no permissions to access the '", name, what].concat()
    }

    /// The error reply in the place of a command of a transaction.
    pub fn error_in_exec(self) -> String {
        let reason = match self {
            Denied::Command => "no permission to execute the command or subcommand",
            Denied::Key(_) => "no permission to touch the specified keys",
            Denied::Channel(_) => "no permission to access one of the channels used as arguments",
        };
        format!(
            "NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. This command is no \
             longer allowed for the following reason: {reason}"
        )
    }
}

const SORT_BY: &str = "ERR BY option of SORT denied due to insufficient ACL permissions.";
const SORT_GET: &str = "ERR GET option of SORT denied due to insufficient ACL permissions.";

impl User {
    /// Whether this user may run this command or subcommand with these arguments.
    ///
    /// # Errors
    /// Why not: if no selector allows the command, that; else what came furthest among the selectors that do.
    pub fn check(&self, spec: &CommandSpec, args: Args<'_>) -> Result<(), Denied> {
        let mut worst = Denied::Command;
        for selector in &self.selectors {
            match selector.check(spec, args) {
                Ok(()) => return Ok(()),
                Err(denied) => worst = worst.max(denied),
            }
        }
        Err(worst)
    }

    /// Whether `SORT` may reach for keys that only its data names.
    ///
    /// # Errors
    /// The error reply.
    pub fn check_sort(&self, spec: &CommandSpec, args: Args<'_>) -> Result<(), &'static str> {
        if !is_sort(spec) || self.selectors.iter().any(|selector| selector.reads_all_keys(spec, args)) {
            return Ok(());
        }
        let mut at = 2;
        while at < args.len() {
            let rest = args.len() - at - 1;
            if args.is(at, "LIMIT") && rest >= 2 {
                at += 2;
            } else if args.is(at, "BY") && rest >= 1 {
                if args.get(at + 1).contains(&b'*') {
                    return Err(SORT_BY);
                }
                at += 1;
            } else if args.is(at, "GET") && rest >= 1 {
                return Err(SORT_GET);
            } else if args.is(at, "STORE") && rest >= 1 {
                at += 1;
            }
            at += 1;
        }
        Ok(())
    }

    /// Whether this user, who may not do everything, may run a command that needs no further look.
    pub fn may_run_at_once(&self, spec: &CommandSpec, args: Args<'_>) -> bool {
        !is_sort(spec) && self.check(spec, args).is_ok()
    }

    /// Whether this user may listen to a channel, or to a pattern of channels.
    pub fn may_listen(&self, channel: &[u8], is_pattern: bool) -> bool {
        self.selectors.iter().any(|selector| selector.all_channels || selector.has_channel(channel, is_pattern))
    }
}

fn is_sort(spec: &CommandSpec) -> bool {
    matches!(spec.name, "sort" | "sort_ro")
}

impl Selector {
    fn check(&self, spec: &CommandSpec, args: Args<'_>) -> Result<(), Denied> {
        if !self.all_commands && !self.allows(spec.index()) && !self.allows_first_arg(spec, args) {
            return Err(Denied::Command);
        }
        if !self.all_keys && !spec.keys.is_empty() {
            self.check_keys(spec, args)?;
        }
        if !self.all_channels && spec.flags.has(Flags::PUBSUB) {
            self.check_channels(spec, args)?;
        }
        Ok(())
    }

    #[cold]
    fn allows_first_arg(&self, spec: &CommandSpec, args: Args<'_>) -> bool {
        if spec.flags.has(Flags::NO_AUTH) {
            return true;
        }
        let mut allowed = self.first_args.iter().filter(|(index, _)| *index == spec.index());
        args.len() > 1 && allowed.any(|(_, first)| args.get(1).eq_ignore_ascii_case(first))
    }

    fn check_keys(&self, spec: &CommandSpec, args: Args<'_>) -> Result<(), Denied> {
        let Ok(keys) = spec.keys(args.len(), |at| args.get(at)) else {
            // The command will say what is wrong; but it may still have its first key (`PFMERGE` of one).
            return match spec.keys.first() {
                Some(first) if matches!(first.find, Find::Range { last: 0, .. }) => match first.begin {
                    Begin::Index(at) if usize::from(at) < args.len() => self.check_key(args, usize::from(at), first.flags),
                    _ => Ok(()),
                },
                _ => Ok(()),
            };
        };
        keys.iter().try_for_each(|(at, flags)| self.check_key(args, at, flags))
    }

    fn check_key(&self, args: Args<'_>, at: usize, flags: KeyFlags) -> Result<(), Denied> {
        let read = flags.has(KeyFlags::ACCESS);
        let write = flags.intersects(KeyFlags::INSERT.with(KeyFlags::DELETE).with(KeyFlags::UPDATE));
        let fits = |key: &&KeyPattern| (key.read || !read) && (key.write || !write);
        let key = args.get(at);
        match self.keys.iter().filter(fits).any(|pattern| glob::matches(&pattern.pattern, key)) {
            true => Ok(()),
            false => Err(Denied::Key(at)),
        }
    }

    fn check_channels(&self, spec: &CommandSpec, args: Args<'_>) -> Result<(), Denied> {
        let (end, is_pattern) = match spec.name {
            "publish" | "spublish" => (2, false),
            "subscribe" | "ssubscribe" => (args.len(), false),
            "psubscribe" => (args.len(), true),
            _ => return Ok(()),
        };
        match (1..end.min(args.len())).find(|&at| !self.has_channel(args.get(at), is_pattern)) {
            Some(at) => Err(Denied::Channel(at)),
            None => Ok(()),
        }
    }

    /// Whether one of its channels is meant. A pattern is allowed only by itself.
    fn has_channel(&self, channel: &[u8], is_pattern: bool) -> bool {
        self.channels.iter().any(|allowed| if is_pattern { allowed == channel } else { glob::matches(allowed, channel) })
    }

    fn reads_all_keys(&self, spec: &CommandSpec, args: Args<'_>) -> bool {
        let all = self.all_keys || self.keys.iter().any(|key| key.read && key.pattern == b"*");
        all && self.check(spec, args).is_ok()
    }
}
