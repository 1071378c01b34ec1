//! Which function runs which command.

use crate::commands::{FAMILIES, Handler};
use crate::config::Text;
use crate::connection::{OwnedRequest, Token};
use crate::core::Core;
use koltso_proto::command::{self, CommandSpec, Flags, KeyShape};
use koltso_proto::resp::Args;
use std::sync::OnceLock;

/// A command about the connection or the server: it runs with the core in its hands.
pub type ServerHandler = fn(&mut Core, Token, &OwnedRequest);

/// How a command is run.
#[derive(Clone, Copy)]
pub enum Run {
    /// Over the keys it names.
    Keys(Handler),
    /// Over all keys: every shard is borrowed for it.
    AllKeys(Handler),
    /// By the core.
    Server(ServerHandler),
}

/// A command of the table with the function that runs it.
#[derive(Clone, Copy)]
pub struct Command {
    /// What the table says of it.
    pub spec: &'static CommandSpec,
    /// How it is run.
    pub run: Run,
    /// The position of its only key, if it always has exactly one; else 0.
    pub only_key: u8,
    /// Whether its first argument names a subcommand.
    pub is_container: bool,
    /// Whether it needs no more than its keys: it neither names a subcommand nor may wait.
    pub is_direct: bool,
    /// Whether it may wait for its keys.
    pub blocks: bool,
    /// Whether it may write.
    pub write: bool,
    /// Whether it is refused when memory is short.
    pub deny_oom: bool,
    /// Whether it may ask about the data of every core: where it stands in a transaction, that borrows every shard.
    pub asks_shards: bool,
    /// Whether its run time is looked at for the slow log: it is not constant.
    pub timed: bool,
}

/// All commands that can be run.
pub struct Registry {
    /// By the table's index.
    commands: Vec<Option<Command>>,
    /// Those that clients may call by the name in the table: all but the renamed ones.
    callable: Vec<Option<Command>>,
    /// The names that `rename-command` gives, each with the index of the command.
    renamed: Vec<(Vec<u8>, usize)>,
}

/// Commands without keys that are about all of them.
const ALL_KEYS: &[&str] = &["keys", "scan", "dbsize", "randomkey", "flushall", "flushdb", "swapdb"];

/// Commands about the server that look at data, too.
const ASK_SHARDS: &[&str] =
    &["debug", "eval", "eval_ro", "evalsha", "evalsha_ro", "fcall", "fcall_ro", "function", "info", "memory", "migrate"];

static REGISTRY: OnceLock<Registry> = OnceLock::new();

/// The registry.
pub fn registry() -> &'static Registry {
    REGISTRY.get_or_init(|| Registry::build(&[]))
}

/// Gives commands other names for clients, or none where the new name is empty (`rename-command`). To be called before anybody
/// asks for the registry.
pub fn rename(names: &[(String, Text)]) {
    let _ = REGISTRY.set(Registry::build(names));
}

impl Registry {
    fn build(names: &[(String, Text)]) -> Self {
        let mut commands = vec![None; command::count()];
        let keys = FAMILIES
            .iter()
            .flat_map(|family| family.iter())
            .map(|&(name, handler)| (name, if ALL_KEYS.contains(&name) { Run::AllKeys(handler) } else { Run::Keys(handler) }));
        let server = crate::server::HANDLERS.iter().flat_map(|family| family.iter());
        for (name, run) in keys.chain(server.map(|&(name, handler)| (name, Run::Server(handler)))) {
            let spec = command::lookup(name.as_bytes()).unwrap_or_else(|| panic!("'{name}' is missing in the command table"));
            let blocks = matches!(run, Run::Keys(_)) && spec.flags.has(Flags::BLOCKING);
            commands[spec.index()] = Some(Command {
                spec,
                run,
                only_key: only_key(spec),
                is_container: !spec.subcommands().is_empty(),
                is_direct: spec.subcommands().is_empty() && !blocks,
                blocks,
                write: spec.flags.has(Flags::WRITE),
                asks_shards: ASK_SHARDS.contains(&name),
                deny_oom: spec.flags.has(Flags::DENYOOM),
                timed: !spec.flags.has(Flags::FAST) && name != "set",
            });
        }
        let mut callable = commands.clone();
        let mut renamed = Vec::new();
        for (old, new) in names {
            let Some(spec) = command::lookup(old.as_bytes()) else { continue };
            callable[spec.index()] = None;
            if !new.is_empty() {
                renamed.push((new.as_bytes().to_ascii_lowercase(), spec.index()));
            }
        }
        Registry { commands, callable, renamed }
    }

    /// The command of this name, in any case, for a client.
    #[inline]
    pub fn find(&self, name: &[u8]) -> Option<&Command> {
        self.callable[command::lookup(name)?.index()].as_ref()
    }

    /// The command with this name in the table, for requests that are not a client's, or translated.
    pub fn find_in_table(&self, name: &[u8]) -> Option<&Command> {
        self.commands[command::lookup(name)?.index()].as_ref()
    }

    /// The command that was given this name instead of its own.
    #[cold]
    pub fn renamed(&self, name: &[u8]) -> Option<&Command> {
        let (_, index) = self.renamed.iter().find(|(new, _)| new.eq_ignore_ascii_case(name))?;
        self.commands[*index].as_ref()
    }

    /// The command with this index.
    pub fn by_index(&self, index: u16) -> Option<&Command> {
        self.commands.get(usize::from(index))?.as_ref()
    }

    /// All commands that can be run.
    pub fn all(&self) -> impl Iterator<Item = &Command> {
        self.commands.iter().flatten()
    }
}

/// The position of a command's only key, if it always has exactly one; else 0.
fn only_key(spec: &CommandSpec) -> u8 {
    match spec.key_shape() {
        KeyShape::One(position) => position,
        _ => 0,
    }
}

/// The error for a command that is not there.
#[cold]
pub fn unknown_command(args: Args<'_>) -> String {
    let shorten = |arg: &[u8], max: usize| String::from_utf8_lossy(&arg[..arg.len().min(max)]).into_owned();
    let mut text = format!("ERR unknown command '{}', with args beginning with: ", shorten(args.get(0), 128));
    let mut listed = String::new();
    for arg in args.from(1) {
        if listed.len() >= 128 {
            break;
        }
        listed.push_str(&format!("'{}' ", shorten(arg, 128 - listed.len())));
    }
    text.push_str(&listed);
    text
}

/// The error for a subcommand that is not there.
#[cold]
pub fn unknown_subcommand(args: Args<'_>) -> String {
    let (name, second) = (args.get(0), args.get(1));
    let second = String::from_utf8_lossy(&second[..second.len().min(128)]);
    let name = String::from_utf8_lossy(name).to_uppercase();
    format!("ERR unknown subcommand '{second}'. Try {name} HELP.")
}

/// The error for a wrong number of arguments.
#[cold]
pub fn wrong_arity(name: &str) -> String {
    format!("ERR wrong number of arguments for '{name}' command")
}
