//! SCRIPT: the cache of scripts, and ending one that takes too long.

use super::engine::Purpose;
use super::eval::sha_arg;
use crate::connection::{OwnedRequest, Token};
use crate::core::Core;
use crate::dispatch::registry::ServerHandler;
use crate::server::container::{self, Subcommands};
use koltso_proto::resp::Reply;

pub const HANDLERS: &[(&str, ServerHandler)] =
    &[("script", |core, token, request| container::run(core, token, request, SUBCOMMANDS, HELP))];

const SUBCOMMANDS: Subcommands = &[("debug", debug), ("exists", exists), ("flush", flush), ("kill", kill), ("load", load)];

const HELP: &[&str] = &[
    "DEBUG (YES|SYNC|NO)",
    "    Not available here.",
    "EXISTS <sha1> [<sha1> ...]",
    "    Tell which of these scripts are cached.",
    "FLUSH [ASYNC|SYNC]",
    "    Forget all scripts.",
    "KILL",
    "    End the script that has been running for too long.",
    "LOAD <script>",
    "    Cache a script without running it.",
];

fn debug(core: &mut Core, token: Token, request: &OwnedRequest) {
    let args = request.args();
    if args.is(2, "NO") {
        return core.reply(token, Reply::ok);
    }
    if args.is(2, "YES") || args.is(2, "SYNC") {
        return core.refuse(token, "ERR The Lua debugger is not available here");
    }
    core.refuse(token, "ERR Use SCRIPT DEBUG YES/SYNC/NO");
}

fn exists(core: &mut Core, token: Token, request: &OwnedRequest) {
    let scripts = &core.shared.scripts;
    // Unlike EVALSHA, this wants lower-case digits.
    let is_there = |sha: &[u8]| sha_arg(sha).is_some_and(|lower| lower == sha && scripts.find(&lower).is_some());
    let found: Vec<bool> = request.args().from(2).map(is_there).collect();
    core.reply(token, |reply| {
        reply.array(found.len());
        found.iter().for_each(|&found| reply.int(i64::from(found)));
    });
}

fn flush(core: &mut Core, token: Token, request: &OwnedRequest) {
    let args = request.args();
    let fits = args.len() == 2 || (args.len() == 3 && (args.is(2, "SYNC") || args.is(2, "ASYNC")));
    if !fits {
        return core.refuse(token, "ERR SCRIPT FLUSH only support SYNC|ASYNC option");
    }
    core.shared.scripts.flush();
    core.reply(token, Reply::ok);
}

fn kill(core: &mut Core, token: Token, _: &OwnedRequest) {
    match core.shared.scripts.busy.kill(false) {
        Ok(()) => core.reply(token, Reply::ok),
        Err(error) => core.refuse(token, error),
    }
}

fn load(core: &mut Core, token: Token, request: &OwnedRequest) {
    let loaded = core.with_engine(Purpose::Scripts, |core, engine| {
        let mut compiled = core.learn(engine, request.args().get(2))?;
        while !core.shared.scripts.note_loaded(&compiled.script.sha) {
            // Evicted a moment ago, for a script of another core, or flushed.
            engine.compiled.forget(&compiled.script);
            compiled = core.learn(engine, request.args().get(2))?;
        }
        Ok(compiled)
    });
    match loaded {
        Ok(compiled) => core.reply(token, |reply| reply.bulk(&compiled.script.sha)),
        Err(error) => core.refuse(token, &error),
    }
}
