//! EVAL, EVALSHA and their read-only forms, FCALL and its own.
//!
//! Where a script runs: on its client's core. If all shards are at home there, which is so where there is one core, at once, without
//! a job; otherwise as a job for which every shard is lent to it from the start, whatever keys it declares. They do not say what it
//! will touch, and that cannot be mended half way: a script that has written cannot be undone, and a shard that is missed then cannot
//! be waited for, as two that hold what the other needs would wait for ever. So fewer shards would do only for a script whose source
//! shows that it touches no others. (Then two could run at once, and what `publish_and_wait` and `busy.rs` rely on would have to be
//! looked at anew.)

use super::compiled::Compiled;
use super::convert::{Failure, trimmed, write_reply};
use super::engine::{Engine, Purpose, Room};
use super::flags::{self, Flags};
use super::library::FunctionInfo;
use super::run::{Rights, Run, Subject};
use super::store::{Script, Sha, sha_of};
use crate::connection::{OwnedRequest, Stall, Token};
use crate::core::Core;
use crate::dispatch::registry::ServerHandler;
use crate::dispatch::shard_set::ShardSet;
use crate::shared::Gate;
use koltso_proto::command::CommandSpec;
use koltso_proto::number::parse_i64;
use koltso_proto::resp::{Args, Reply};
use mlua::{Function, MultiValue, Value};
use std::sync::Arc;

pub const HANDLERS: &[(&str, ServerHandler)] = &[
    ("eval", |core, token, request| start(core, token, request, Form::EVAL)),
    ("eval_ro", |core, token, request| start(core, token, request, Form { read_only: true, ..Form::EVAL })),
    ("evalsha", |core, token, request| start(core, token, request, Form::EVALSHA)),
    ("evalsha_ro", |core, token, request| start(core, token, request, Form { read_only: true, ..Form::EVALSHA })),
    ("fcall", |core, token, request| start(core, token, request, Form::FCALL)),
    ("fcall_ro", |core, token, request| start(core, token, request, Form { read_only: true, ..Form::FCALL })),
];

/// Which of the commands it is.
#[derive(Clone, Copy)]
struct Form {
    purpose: Purpose,
    by_sha: bool,
    read_only: bool,
}

impl Form {
    const EVAL: Form = Form { purpose: Purpose::Scripts, by_sha: false, read_only: false };
    const EVALSHA: Form = Form { by_sha: true, ..Form::EVAL };
    const FCALL: Form = Form { purpose: Purpose::Functions, ..Form::EVAL };
}

/// What is to be run.
#[derive(Clone)]
enum Target {
    Script(Compiled),
    Function(Function, FunctionInfo),
}

impl Target {
    fn flags(&self) -> Flags {
        match self {
            Target::Script(compiled) => compiled.script.flags,
            Target::Function(_, info) => info.flags,
        }
    }

    fn name(&self) -> &[u8] {
        match self {
            Target::Script(compiled) => &compiled.script.sha,
            Target::Function(_, info) => &info.name,
        }
    }
}

/// The name that was given of a script, if it can be one.
pub fn sha_arg(text: &[u8]) -> Option<Sha> {
    let sha: Sha = text.try_into().ok()?;
    Some(sha.map(|byte| byte.to_ascii_lowercase()))
}

fn start(core: &mut Core, token: Token, request: &OwnedRequest, form: Form) {
    if core.exec.gates.has(Gate::Monitor) {
        core.tell_monitors(token, request);
    }
    let args = request.args();
    let keys = match keys_count(args) {
        Ok(keys) => keys,
        Err(_) if form.purpose == Purpose::Functions && core.shared.scripts.libraries().function(args.get(1)).is_none() => {
            return core.refuse(token, "ERR Function not found");
        }
        Err(NOT_A_NUMBER) if form.purpose == Purpose::Functions => {
            return core.refuse(token, "ERR Bad number of keys provided");
        }
        Err(error) => return core.refuse(token, error),
    };
    if let Err(error) = core.look_for_script(form, args) {
        return core.refuse(token, &error);
    }
    let Some(conn) = core.conn(token) else { return };
    if conn.session.in_exec {
        // EXEC has borrowed every shard.
        return core.run_script(token, request, form, keys);
    }
    let wanted = ShardSet::all(core.exec.shards.len());
    if core.has_at_hand(wanted) {
        // Whoever serves this connection goes on with it afterwards; but not in the midst, should it take long.
        core.stall(token, Stall::Lend);
        core.with_own_shard(|core| core.run_script(token, request, form, keys));
        return core.end_stall(token, Stall::Lend);
    }
    let spreads = core.spreads(request);
    core.with_shards_unless_paused(token, wanted, spreads, request.clone(), move |core, request| {
        core.run_script(token, request, form, keys);
        core.unstall(token, Stall::Lend);
    });
}

const NOT_A_NUMBER: &str = "ERR value is not an integer or out of range";

fn keys_count(args: Args<'_>) -> Result<usize, &'static str> {
    let keys = parse_i64(args.get(2)).ok_or(NOT_A_NUMBER)?;
    if keys > args.len() as i64 - 3 {
        return Err("ERR Number of keys can't be greater than number of args");
    }
    usize::try_from(keys).map_err(|_| "ERR Number of keys can't be negative")
}

impl Core {
    /// What a request to run a script asks for, where the script says so itself: the command's own flags otherwise.
    pub(crate) fn script_flags(&self, spec: &'static CommandSpec, args: Args<'_>) -> Option<Flags> {
        if args.len() < 3 {
            return None;
        }
        let flags = match spec.name {
            "eval" | "eval_ro" => match flags::of_script(args.get(1)) {
                Ok((flags, _)) => flags,
                Err(_) => return None,
            },
            "evalsha" | "evalsha_ro" => self.shared.scripts.find(&sha_arg(args.get(1))?)?.flags,
            "fcall" | "fcall_ro" => self.shared.scripts.libraries().function(args.get(1))?.1.flags,
            _ => return None,
        };
        (!flags.has(Flags::COMPAT)).then_some(flags)
    }

    /// Whether what a request does may have to reach replicas.
    fn spreads(&self, request: &OwnedRequest) -> bool {
        let args = request.args();
        let Some(spec) = self.exec.spec_of(args) else { return true };
        match self.script_flags(spec, args) {
            Some(flags) => !flags.has(Flags::NO_WRITES),
            None => !spec.name.ends_with("_ro"),
        }
    }

    /// Before anything is borrowed from other cores: what cannot be run is refused at once.
    fn look_for_script(&mut self, form: Form, args: Args<'_>) -> Result<(), String> {
        if self.exec.shards.len() == 1 || form.purpose == Purpose::Functions {
            return Ok(());
        }
        self.with_engine(form.purpose, |core, engine| core.script_for(engine, form, args).map(drop))
    }

    /// Does something with one of this core's interpreters, which is made if it is not there.
    pub(super) fn with_engine<T>(
        &mut self,
        purpose: Purpose,
        work: impl FnOnce(&mut Core, &mut Engine) -> Result<T, String>,
    ) -> Result<T, String> {
        let mut engine = self.scripting.take(purpose, &self.shared, &self.exec.config)?;
        let outcome = work(self, &mut engine);
        self.scripting.put_back(purpose, engine, &self.shared, self.exec.id);
        outcome
    }

    /// The script that is asked for, compiled here; one that was not known is from now on.
    fn script_for(&mut self, engine: &mut Engine, form: Form, args: Args<'_>) -> Result<Compiled, String> {
        let given = args.get(1);
        let missing = || "NOSCRIPT No matching script. Please use EVAL.".to_string();
        let here = if form.by_sha {
            let sha = sha_arg(given).ok_or_else(missing)?;
            engine.compiled.by_sha(&sha)
        } else {
            engine.compiled.by_body(given)
        };
        if let Some(compiled) = here {
            self.shared.scripts.note_use(&compiled.script);
            return Ok(compiled.clone());
        }
        match self.shared.scripts.find(&if form.by_sha { sha_arg(given).ok_or_else(missing)? } else { sha_of(given) }) {
            Some(script) => {
                self.shared.scripts.note_use(&script);
                compile(engine, script)
            }
            None if form.by_sha => Err(missing()),
            None => self.learn(engine, given),
        }
    }

    /// Takes in a script that nobody knows yet.
    pub(super) fn learn(&mut self, engine: &mut Engine, body: &[u8]) -> Result<Compiled, String> {
        if let Some(compiled) = engine.compiled.by_body(body) {
            return Ok(compiled.clone());
        }
        let (flags, head_len) = flags::of_script(body).map_err(|error| format!("ERR {error}"))?;
        let mut compiled = compile(engine, Arc::new(Script::new(sha_of(body), body, flags, head_len)))?;
        let kept = self.shared.scripts.keep(&compiled.script);
        if !Arc::ptr_eq(&kept, &compiled.script) {
            compiled.script = kept;
            engine.compiled.insert(compiled.clone());
        }
        Ok(compiled)
    }

    /// Runs a script over the shards that are here, and answers its client.
    fn run_script(&mut self, token: Token, request: &OwnedRequest, form: Form, keys: usize) {
        let Some((who, resp3)) = self.who(token) else { return };
        let Some(spec) = self.exec.spec_of(request.args()) else { return };
        let in_exec = self.conn(token).is_some_and(|conn| conn.session.in_exec);
        let mut reply = Reply::new(resp3);
        let outcome = self.with_engine(form.purpose, |core, engine| {
            let target = core.target(engine, form, request.args())?;
            let rights = core.rights(&target, form)?;
            let is_function = form.purpose == Purpose::Functions;
            let subject = Subject { request, name: target.name(), is_function, steps: &engine.steps };
            if !in_exec {
                core.exec.tracker = core.tracker_of(token);
                core.exec.effects.begin_unit();
            }
            let mut run = Run::new(core, token, who.db, rights, subject);
            let failure = carry_out(&mut run, engine, &target, request.args(), keys, &mut reply);
            run.finish();
            let wrote = run.wrote;
            if !in_exec {
                core.exec.effects.end_unit();
                core.exec.serve_if_ready();
                core.exec.tracker = None;
            }
            if wrote && let Some(conn) = core.conn(token) {
                conn.session.wrote = true;
            }
            Ok(failure)
        });
        let tally = &mut self.exec.tally;
        let failure = outcome.unwrap_or_else(|error| {
            reply.buf.clear();
            reply.error(&error);
            Some(Failure::New)
        });
        if failure == Some(Failure::New) {
            tally.note_error(reply.buf.get(1..).unwrap_or_default());
        }
        // What commands within it have failed is not this one's failure.
        tally.forgive();
        if failure.is_some() {
            tally.note_failed(spec.index());
        }
        self.reply(token, |out| out.raw(&reply.buf));
    }

    fn target(&mut self, engine: &mut Engine, form: Form, args: Args<'_>) -> Result<Target, String> {
        if form.purpose == Purpose::Scripts {
            return self.script_for(engine, form, args).map(Target::Script);
        }
        let libraries = self.shared.scripts.libraries();
        let (library, info) = libraries.function(args.get(1)).ok_or("ERR Function not found")?;
        let callback = engine.callback(library, &info.name).map_err(|error| format!("ERR {error}"))?;
        Ok(Target::Function(callback, info.clone()))
    }

    /// What a script may do now, as it says what it is.
    fn rights(&mut self, target: &Target, form: Form) -> Result<Rights, String> {
        let flags = target.flags();
        let gates = self.exec.gates;
        let short_of_memory = gates.has(Gate::MaxMemory) && !self.exec.make_room();
        if flags.has(Flags::COMPAT) {
            if gates.has(Gate::Stale) {
                return Err("MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.".into());
            }
            return Ok(Rights { read_only: form.read_only, allow_oom: false, short_of_memory });
        }
        if gates.has(Gate::Stale) && !flags.has(Flags::ALLOW_STALE) {
            return Err("MASTERDOWN Link with MASTER is down, replica-serve-stale-data is set to 'no' and 'allow-stale' flag is not set \
                        on the script."
                .into());
        }
        let writes = !flags.has(Flags::NO_WRITES);
        if writes {
            if gates.has(Gate::ReadOnly) {
                return Err("READONLY Can not run script with write flag on readonly replica".into());
            }
            if gates.has(Gate::SaveFailed) {
                return Err("MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. Writable \
                            scripts are blocked. Use 'no-writes' flag for read only scripts."
                    .into());
            }
            if form.read_only {
                return Err("ERR Can not execute a script with write flag using *_ro command.".into());
            }
            if gates.has(Gate::FewReplicas) {
                return Err("NOREPLICAS Not enough good replicas to write.".into());
            }
            if short_of_memory && !flags.has(Flags::ALLOW_OOM) {
                return Err("OOM allow-oom flag is not set on the script, can not run it when used memory > 'maxmemory'".into());
            }
        }
        Ok(Rights { read_only: form.read_only || !writes, allow_oom: flags.has(Flags::ALLOW_OOM), short_of_memory })
    }
}

fn compile(engine: &mut Engine, script: Arc<Script>) -> Result<Compiled, String> {
    let source = script.body.get(script.head_len..).unwrap_or_default();
    if engine.is_crowded() {
        // The compiled forms of scripts can be made again.
        engine.compiled.clear();
        engine.tidy();
    }
    let function = engine.compile(source).map_err(|error| format!("ERR Error compiling script (new function): {error}"))?;
    let compiled = Compiled { function, script };
    engine.compiled.insert(compiled.clone());
    Ok(compiled)
}

/// Runs a script, and writes what it returns.
fn carry_out(
    run: &mut Run<'_>,
    engine: &Engine,
    target: &Target,
    args: Args<'_>,
    keys: usize,
    reply: &mut Reply,
) -> Option<Failure> {
    let len = args.from(3).map(<[u8]>::len).sum::<usize>() + 64 * args.len();
    let started = run.started;
    let outcome = engine.lua.scope(|scope| {
        let room = Room::for_len(&engine.lua, len);
        let answer = scope.create_function_mut(|lua, asked: MultiValue| run.answer(lua, asked))?;
        let keys_table = engine.list(args, 3, keys)?;
        let argv = engine.list(args, 3 + keys, args.len() - 3 - keys)?;
        match target {
            Target::Script(compiled) => {
                engine.set_arguments(keys_table, argv)?;
                drop(room);
                engine.run(started, answer, &compiled.function, None)
            }
            Target::Function(callback, _) => {
                drop(room);
                engine.run(started, answer, callback, Some((keys_table, argv)))
            }
        }
    });
    let name = || String::from_utf8_lossy(target.name());
    let failure = match outcome {
        Ok(Ok(value)) => {
            let resp3 = run.resp3;
            write_reply(reply, &value, resp3, &mut || run.breathe()).unwrap_or_else(|error| {
                reply.buf.clear();
                reply.error(format!("ERR {}", super::wording::reword(&error.to_string())));
                Some(Failure::New)
            })
        }
        Ok(Err(error)) => Some(write_error(reply, &error, &name())),
        Err(error) => {
            reply.error(format!("ERR Error running script {}, {}", name(), super::wording::reword(&error.to_string())));
            Some(Failure::New)
        }
    };
    let Some(why) = run.ended else { return failure };
    let source = if run.is_function() { "user_function" } else { "user_script" };
    reply.buf.clear();
    reply.error(format!("ERR {why} script: {}, on @{source}:1.", name()));
    Some(Failure::New)
}

/// The reply to a script that has ended with an error.
fn write_error(reply: &mut Reply, error: &Value, name: &str) -> Failure {
    let Value::Table(table) = error else {
        reply.error(format!("ERR Error running script {name}, execution failure"));
        return Failure::New;
    };
    let mut text = super::library::error_of(error).into_bytes();
    if let Value::String(raw) = table.raw_get("err").unwrap_or(Value::Nil) {
        text = trimmed(&raw.as_bytes()).to_vec();
    }
    let source = table.raw_get::<Option<mlua::String>>("source").ok().flatten();
    let line = table.raw_get::<Option<i64>>("line").ok().flatten();
    if let (Some(source), Some(line)) = (source, line) {
        text.extend_from_slice(format!(" script: {name}, on {}:{line}.", source.to_string_lossy()).as_bytes());
    }
    reply.error(text);
    match table.raw_get("ignore_error_stats_update") {
        Ok(Value::Boolean(true)) => Failure::Counted,
        _ => Failure::New,
    }
}
