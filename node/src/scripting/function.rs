//! FUNCTION: the libraries of functions.
//!
//! Libraries are a part of the data set. They change while every shard is held, as a unit of the log, so that a snapshot's cut falls
//! before or after a change; and the commands that change them reach replicas as they were given.

use super::engine::Purpose;
use super::library::{LOAD_TIME_MAX, Libraries, Library, RELOAD_TIME_MAX};
use crate::connection::{OwnedRequest, Stall, Token};
use crate::core::Core;
use crate::dispatch::gates::OOM;
use crate::dispatch::registry::ServerHandler;
use crate::dispatch::shard_set::ShardSet;
use crate::logging::warning;
use crate::server::container::{self, Subcommands};
use crate::shared::Gate;
use koltso_proto::command::Flags;
use koltso_proto::glob;
use koltso_proto::id::DbIndex;
use koltso_proto::rdb::functions;
use koltso_proto::resp::{Args, Reply};
use std::sync::Arc;

pub const HANDLERS: &[(&str, ServerHandler)] =
    &[("function", |core, token, request| container::run(core, token, request, SUBCOMMANDS, HELP))];

const SUBCOMMANDS: Subcommands = &[
    ("delete", change),
    ("dump", dump),
    ("flush", change),
    ("kill", kill),
    ("list", list),
    ("load", change),
    ("restore", change),
    ("stats", stats),
];

const HELP: &[&str] = &[
    "DELETE <library-name>",
    "    Delete a library and its functions.",
    "DUMP",
    "    Serialize all libraries.",
    "FLUSH [ASYNC|SYNC]",
    "    Delete all libraries.",
    "KILL",
    "    End the function that has been running for too long.",
    "LIST [LIBRARYNAME <pattern>] [WITHCODE]",
    "    Describe the libraries.",
    "LOAD [REPLACE] <code>",
    "    Create a library from its source.",
    "RESTORE <payload> [FLUSH|APPEND|REPLACE]",
    "    Create libraries from their serialized form.",
    "STATS",
    "    Describe the function that is running, and the engines.",
];

/// Who brings a library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// A client, who is told what is wrong with it.
    Client,
    /// A primary or a file. What cannot be loaded is kept all the same, so that it is not lost to those who can load it.
    DataSet,
}

fn wrong_number(args: Args<'_>) -> String {
    let given = args.get(1);
    let given = String::from_utf8_lossy(&given[..given.len().min(128)]);
    format!("unknown subcommand or wrong number of arguments for '{given}'. Try FUNCTION HELP.")
}

fn kill(core: &mut Core, token: Token, _: &OwnedRequest) {
    match core.shared.scripts.busy.kill(true) {
        Ok(()) => core.reply(token, Reply::ok),
        Err(error) => core.refuse(token, error),
    }
}

fn list(core: &mut Core, token: Token, request: &OwnedRequest) {
    let args = request.args();
    let (mut with_code, mut pattern) = (false, None);
    let mut at = 2;
    while at < args.len() {
        if !with_code && args.is(at, "WITHCODE") {
            with_code = true;
        } else if pattern.is_none() && args.is(at, "LIBRARYNAME") {
            at += 1;
            if at == args.len() {
                return core.refuse(token, "ERR library name argument was not given");
            }
            pattern = Some(args.get(at));
        } else {
            let text = format!("ERR Unknown argument {}", String::from_utf8_lossy(args.get(at)));
            return core.refuse(token, &text);
        }
        at += 1;
    }
    let libraries = core.shared.scripts.libraries();
    let wanted = |library: &&Arc<Library>| pattern.is_none_or(|pattern| glob::matches_nocase(pattern, &library.name));
    let listed: Vec<_> = libraries.iter().filter(wanted).collect();
    core.reply(token, |reply| {
        reply.array(listed.len());
        for library in listed {
            describe(reply, library, with_code);
        }
    });
}

fn describe(reply: &mut Reply, library: &Library, with_code: bool) {
    reply.map(if with_code { 4 } else { 3 });
    reply.bulk(b"library_name");
    reply.bulk(&library.name);
    reply.bulk(b"engine");
    reply.bulk(b"LUA");
    reply.bulk(b"functions");
    reply.array(library.functions.len());
    for info in &library.functions {
        reply.map(3);
        reply.bulk(b"name");
        reply.bulk(&info.name);
        reply.bulk(b"description");
        reply.bulk_or_null(info.description.as_deref());
        reply.bulk(b"flags");
        reply.set(info.flags.names().count());
        info.flags.names().for_each(|name| reply.status(name));
    }
    if with_code {
        reply.bulk(b"library_code");
        reply.bulk(&library.code);
    }
}

fn stats(core: &mut Core, token: Token, _: &OwnedRequest) {
    let running = core.shared.scripts.busy.first();
    if let Some(slow) = running.as_ref().filter(|slow| !slow.is_function) {
        let _ = slow;
        let error = core.shared.scripts.busy.error().unwrap_or("BUSY");
        return core.refuse(token, error);
    }
    let libraries = core.shared.scripts.libraries();
    core.reply(token, |reply| {
        reply.map(2);
        reply.bulk(b"running_script");
        match running {
            None => reply.null(),
            Some(slow) => {
                reply.map(3);
                reply.bulk(b"name");
                reply.bulk(slow.name.as_bytes());
                reply.bulk(b"command");
                let args = slow.command.args();
                reply.array(args.len());
                args.from(0).for_each(|arg| reply.bulk(arg));
                reply.bulk(b"duration_ms");
                reply.int(slow.started.elapsed().as_millis() as i64);
            }
        }
        reply.bulk(b"engines");
        reply.map(1);
        reply.bulk(b"LUA");
        reply.map(2);
        reply.bulk(b"libraries_count");
        reply.len(libraries.iter().len());
        reply.bulk(b"functions_count");
        reply.len(libraries.functions_count());
    });
}

fn dump(core: &mut Core, token: Token, _: &OwnedRequest) {
    let libraries = core.shared.scripts.libraries();
    let payload = functions::dump(libraries.iter().map(|library| &library.code[..]));
    core.reply(token, |reply| reply.bulk(&payload));
}

/// A command that changes the libraries: it runs while all shards are held.
fn change(core: &mut Core, token: Token, request: &OwnedRequest) {
    let Some(conn) = core.conn(token) else { return };
    let db = conn.session.db;
    if conn.session.in_exec {
        return change_now(core, token, db, request);
    }
    let denies = core.exec.spec_of(request.args()).is_some_and(|spec| spec.flags.has(Flags::DENYOOM));
    if denies && core.exec.gates.has(Gate::MaxMemory) && !core.exec.make_room() {
        return core.refuse(token, OOM);
    }
    let wanted = ShardSet::all(core.exec.shards.len());
    core.with_shards_unless_paused(token, wanted, true, request.clone(), move |core, request| {
        core.exec.effects.begin_unit();
        change_now(core, token, db, request);
        core.exec.effects.end_unit();
        core.unstall(token, Stall::Lend);
    });
}

fn change_now(core: &mut Core, token: Token, db: DbIndex, request: &OwnedRequest) {
    match core.change_libraries(request.args(), Source::Client) {
        Ok(name) => {
            let logged = core.exec.shards.iter_mut().flatten().next().is_some_and(|shard| {
                shard.stats.dirty += 1;
                shard.logged
            });
            if logged {
                core.exec.effects.push(db, request.args().from(0));
            }
            core.reply(token, |reply| match name {
                Some(name) => reply.bulk(&name),
                None => reply.ok(),
            });
        }
        Err(error) => core.refuse(token, &format!("ERR {error}")),
    }
}

impl Core {
    /// Changes the libraries as a command says, whose arguments these are: the name to reply, if there is one.
    ///
    /// # Errors
    /// The text of the reply, without its code. Then nothing has changed.
    pub(crate) fn change_libraries(&mut self, args: Args<'_>, source: Source) -> Result<Option<Vec<u8>>, String> {
        let mut libraries = Libraries::clone(&self.shared.scripts.libraries());
        let mut name = None;
        if args.is(1, "DELETE") {
            if !libraries.remove(args.get(2)) {
                return Err("Library not found".into());
            }
        } else if args.is(1, "FLUSH") {
            if args.len() > 3 {
                return Err(wrong_number(args));
            }
            if args.len() == 3 && !args.is(2, "SYNC") && !args.is(2, "ASYNC") {
                return Err("FUNCTION FLUSH only supports SYNC|ASYNC option".into());
            }
            libraries = Libraries::default();
        } else if args.is(1, "LOAD") {
            let (last, options) = (args.len() - 1, 2..args.len() - 1);
            if let Some(other) = options.clone().find(|&at| !args.is(at, "REPLACE")) {
                return Err(format!("Unknown option given: {}", String::from_utf8_lossy(args.get(other))));
            }
            name = Some(self.load_library(&mut libraries, args.get(last), !options.is_empty(), source)?);
        } else {
            libraries = self.restore_libraries(libraries, args, source)?;
        }
        self.shared.scripts.set_libraries(libraries);
        Ok(name)
    }

    /// Loads a library, and adds it to those that are there.
    pub(crate) fn load_library(
        &mut self,
        libraries: &mut Libraries,
        code: &[u8],
        replace: bool,
        source: Source,
    ) -> Result<Vec<u8>, String> {
        let (name, _) = super::flags::of_library(code)?;
        if libraries.get(&name).is_some() && !replace {
            return Err(format!("Library '{}' already exists", String::from_utf8_lossy(&name)));
        }
        let time_max = if source == Source::Client { LOAD_TIME_MAX } else { RELOAD_TIME_MAX };
        let loaded = self.with_engine(Purpose::Functions, |_, engine| {
            let (library, callbacks) = engine.load_library(code, time_max)?;
            let library = Arc::new(library);
            libraries.add(Arc::clone(&library), replace)?;
            engine.keep_loaded(library, callbacks);
            Ok(())
        });
        match loaded {
            Err(error) if source == Source::DataSet => {
                warning(&format!(
                    "== CRITICAL == The library of functions '{}' is kept with the data set, but cannot be run here: {error}",
                    String::from_utf8_lossy(&name)
                ));
                libraries.add(Arc::new(Library::silent(name.clone(), code)), true)?;
            }
            other => other?,
        }
        Ok(name)
    }

    /// While every shard is held: takes in libraries that were loaded with a data set; in the place of all that are there, if `flush`
    /// says so.
    pub(crate) fn take_in_libraries(&mut self, sources: &[Vec<u8>], flush: bool) {
        let present = self.shared.scripts.libraries();
        if sources.is_empty() && (!flush || present.iter().len() == 0) {
            return;
        }
        let mut libraries = if flush { Libraries::default() } else { Libraries::clone(&present) };
        for source in sources {
            if let Err(error) = self.load_library(&mut libraries, source, true, Source::DataSet) {
                warning(&format!(
                    "== CRITICAL == A library of functions in the data set cannot be loaded, and is left out: {error}"
                ));
            }
        }
        self.shared.scripts.set_libraries(libraries);
    }

    /// Whether one of these libraries is there already.
    pub(crate) fn has_library_of(&self, sources: &[Vec<u8>]) -> bool {
        let present = self.shared.scripts.libraries();
        sources.iter().filter_map(|code| super::flags::of_library(code).ok()).any(|(name, _)| present.get(&name).is_some())
    }

    fn restore_libraries(&mut self, present: Libraries, args: Args<'_>, source: Source) -> Result<Libraries, String> {
        if args.len() > 4 {
            return Err(wrong_number(args));
        }
        let policy = |word: &str| args.len() == 4 && args.is(3, word);
        let (flush, replace) = (policy("FLUSH"), policy("REPLACE"));
        if args.len() == 4 && !flush && !replace && !policy("APPEND") {
            return Err("Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.".into());
        }
        let codes = functions::restore(args.get(2))?;
        let mut libraries = if flush { Libraries::default() } else { present };
        if !flush && !replace {
            // One that is there already is told before any is loaded.
            let names = codes.iter().filter_map(|code| super::flags::of_library(code).ok());
            for (name, _) in names {
                if libraries.get(&name).is_some() {
                    return Err(format!("Library {} already exists", String::from_utf8_lossy(&name)));
                }
            }
        } else if replace {
            for code in &codes {
                if let Ok((name, _)) = super::flags::of_library(code) {
                    libraries.remove(&name);
                }
            }
        }
        for code in &codes {
            self.load_library(&mut libraries, code, false, source)?;
        }
        Ok(libraries)
    }
}
