//! One run of a script: what it asks the node for, and under which conditions it gets it.
//!
//! The shards that it may need are here, and stay until it is done. Its effects are one unit. Nothing that it is refused ends it: a
//! refusal is an error that it may catch.

use super::acl;
use super::busy::Slow;
use super::convert::value_of;
use super::engine::Steps;
use super::wording::error_text;
use crate::commands::Origin;
use crate::connection::{OwnedRequest, Token};
use crate::core::Core;
use crate::dispatch::executor::{Executor, Who};
use crate::dispatch::registry::{Command, Run as Kind};
use crate::logging::warning;
use crate::shared::Gate;
use koltso_proto::command::{CommandSpec, Flags};
use koltso_proto::id::DbIndex;
use koltso_proto::number::write_f64_17g;
use koltso_proto::resp::{Args, Reply, Span};
use mlua::{Lua, MultiValue, Result, Value};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// What the prelude asks for, by the first argument.
const CALL: u32 = 1;
const SET_RESP: u32 = 2;
const SET_REPL: u32 = 3;
const ACL_CHECK: u32 = 4;
const TICK: u32 = 5;

/// Effects reach replicas; the log on disk is the same log.
const REPL_REPLICA: i64 = 2;

/// A command counts as so many steps.
const STEPS_PER_COMMAND: u64 = 100;

/// What a command may be given, in bytes: a script may name a long string many times.
const ARGS_LEN_MAX: usize = 1 << 30;

const KILLED: &str = "Script killed by user with SCRIPT KILL...";

/// What a run may do.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rights {
    /// Whether it may not write.
    pub read_only: bool,
    /// Whether it may write when memory is short.
    pub allow_oom: bool,
    /// Whether memory was short when it began.
    pub short_of_memory: bool,
}

/// What is run, and how it is known.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// What its client has sent.
    pub request: &'a OwnedRequest,
    /// The digest of the script, or the name of the function.
    pub name: &'a [u8],
    /// Whether it is a function.
    pub is_function: bool,
    /// What it does, counted.
    pub steps: &'a Steps,
}

/// A run under way.
pub struct Run<'a> {
    /// The core that it runs on.
    pub core: &'a mut Core,
    /// Its client.
    pub token: Token,
    /// What it may do.
    pub rights: Rights,
    /// The selected database; of the script alone.
    pub db: DbIndex,
    /// Whether the script speaks RESP3.
    pub resp3: bool,
    /// Whether it has written.
    pub wrote: bool,
    /// Why it was ended.
    pub ended: Option<&'static str>,
    /// When it began.
    pub started: Instant,
    subject: Subject<'a>,
    /// How others see it, if it takes too long.
    slow: Option<Arc<Slow>>,
    args: Vec<u8>,
    spans: Vec<Span>,
    /// The reply to the command under way.
    pub(super) reply: Reply,
}

/// What a script is answered: the value, and whether it is an error.
type Answer = (Value, bool);

impl<'a> Run<'a> {
    /// A run that begins now.
    pub fn new(core: &'a mut Core, token: Token, db: DbIndex, rights: Rights, subject: Subject<'a>) -> Self {
        Run {
            core,
            token,
            rights,
            db,
            resp3: false,
            wrote: false,
            ended: None,
            started: Instant::now(),
            subject,
            slow: None,
            args: Vec::new(),
            spans: Vec::new(),
            reply: Reply::default(),
        }
    }

    /// Whether it is a function.
    pub fn is_function(&self) -> bool {
        self.subject.is_function
    }

    /// Answers what the script asks for.
    ///
    /// # Errors
    /// If the interpreter has no memory left, or the script is to end.
    pub fn answer(&mut self, lua: &Lua, mut asked: MultiValue) -> Result<Answer> {
        let operation = match asked.pop_front() {
            Some(Value::Integer(n)) => n as u32,
            Some(Value::Number(x)) => x as u32,
            _ => 0,
        };
        let number = |asked: &MultiValue| match asked.front() {
            Some(Value::Integer(n)) => *n,
            Some(Value::Number(x)) => *x as i64,
            _ => -1,
        };
        match operation {
            CALL => return self.call(lua, &asked),
            SET_RESP => match number(&asked) {
                version @ (2 | 3) => self.resp3 = version == 3,
                _ => return failed(lua, "RESP version must be 2 or 3."),
            },
            SET_REPL => match number(&asked) {
                targets @ 0..=3 => self.core.exec.effects.mute(targets & REPL_REPLICA == 0),
                _ => {
                    let error = "Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.";
                    return failed(lua, error);
                }
            },
            ACL_CHECK => return self.check_acl(lua, &asked),
            TICK => self.tick(),
            _ => {}
        }
        Ok((Value::Nil, false))
    }

    /// The run is over: others are told, if they were told that it takes long.
    pub fn finish(&mut self) {
        self.core.exec.effects.mute(false);
        if let Some(slow) = self.slow.take() {
            let shared = &self.core.shared;
            shared.scripts.busy.remove(&slow, || shared.set_gate(Gate::Busy, false));
            self.core.end_restricted();
        }
    }

    // ---- redis.call -------------------------------------------------------------------------------------------------

    /// Takes the arguments over; an error if one is no string.
    fn take_args(&mut self, given: &MultiValue) -> std::result::Result<(), &'static str> {
        self.args.clear();
        self.spans.clear();
        if given.is_empty() {
            return Err("Please specify at least one argument for this redis lib call");
        }
        for value in given {
            let start = self.args.len();
            match value {
                Value::String(text) => self.args.extend_from_slice(&text.as_bytes()),
                Value::Integer(n) => write_f64_17g(&mut self.args, *n as f64),
                Value::Number(x) => write_f64_17g(&mut self.args, *x),
                _ => return Err("Lua redis lib command arguments must be strings or integers"),
            }
            if self.args.len() > ARGS_LEN_MAX {
                return Err("The arguments of the command are too long");
            }
            self.spans.push(Span::new(start, self.args.len() - start));
        }
        Ok(())
    }

    /// The command that is asked for, as scripts may call it.
    fn look_up(&self, args: Args<'_>) -> std::result::Result<(&'static Command, &'static CommandSpec), &'static str> {
        let unknown = "Unknown Redis command called from script";
        let registry = self.core.exec.registry;
        let command = registry.find(args.get(0)).or_else(|| registry.renamed(args.get(0))).ok_or(unknown)?;
        let spec = match command.is_container && args.len() > 1 {
            true => command.spec.subcommand(args.get(1)).ok_or(unknown)?,
            false => command.spec,
        };
        match spec.check_arity(args.len()) {
            true => Ok((command, spec)),
            false => Err("Wrong number of args calling Redis command from script"),
        }
    }

    fn call(&mut self, lua: &Lua, given: &MultiValue) -> Result<Answer> {
        if let Err(error) = self.take_args(given) {
            return failed(lua, error);
        }
        let (bytes, spans) = (std::mem::take(&mut self.args), std::mem::take(&mut self.spans));
        let answer = self.call_with(lua, Args::new(&bytes, &spans));
        (self.args, self.spans) = (bytes, spans);
        answer
    }

    fn call_with(&mut self, lua: &Lua, args: Args<'_>) -> Result<Answer> {
        self.subject.steps.add(STEPS_PER_COMMAND);
        let (command, spec) = match self.look_up(args) {
            Ok(found) => found,
            Err(error) => return self.refused(lua, None, error),
        };
        if let Err(error) = self.judge(spec, args) {
            return self.refused(lua, Some(spec), &error);
        }
        if spec.flags.has(Flags::WRITE) && !self.wrote {
            if self.slow.as_ref().is_some_and(|slow| !slow.may_write()) {
                self.end_killed();
                return self.refused(lua, Some(spec), KILLED);
            }
            self.wrote = true;
        }
        self.reply.buf.clear();
        self.reply.resp3 = self.resp3;
        self.show_to_monitors(spec, args);
        match command.run {
            Kind::Keys(handler) | Kind::AllKeys(handler) => {
                if !self.core.exec.has_shards_of(command, args) {
                    return self.refused(lua, Some(spec), "internal: the script needs a key that it was not given");
                }
                let who = Who { db: self.db, no_touch: false, origin: Origin::Client };
                let reply = &mut self.reply;
                let run = |exec: &mut Executor| {
                    let mut cx = exec.context(None, who, reply);
                    cx.scripted = true;
                    cx.run(handler, args);
                };
                let took_us = self.core.exec.counted(spec.index(), command.timed, run);
                self.core.exec.note_if_slow(took_us, self.token, args);
                if spec.flags.has(Flags::READONLY) {
                    self.core.remember_declared(self.token, self.subject.request);
                }
            }
            Kind::Server(handler) => self.call_server(handler, spec, args),
        }
        self.core.exec.tally.note_reply(spec.index(), &self.reply.buf);
        if command.timed {
            self.look_at_clock();
        }
        let value = value_of(lua, &self.reply.buf)?;
        Ok((value, self.reply.buf.first() == Some(&b'-')))
    }

    /// A command is not run.
    fn refused(&mut self, lua: &Lua, spec: Option<&CommandSpec>, error: &str) -> Result<Answer> {
        let text = if error.starts_with('-') { error_text(error.as_bytes()) } else { [b"ERR ", error.as_bytes()].concat() };
        let tally = &mut self.core.exec.tally;
        tally.note_error(&text);
        if let Some(spec) = spec {
            tally.note_rejected(spec.index());
        }
        let table = lua.create_table()?;
        table.raw_set("err", lua.create_string(text)?)?;
        table.raw_set("ignore_error_stats_update", true)?;
        Ok((Value::Table(table), true))
    }

    /// Whether the script may run this command now.
    fn judge(&mut self, spec: &CommandSpec, args: Args<'_>) -> std::result::Result<(), String> {
        let flags = spec.flags;
        if flags.has(Flags::NOSCRIPT) && !self.core.shared.scripts_may_all() {
            return Err("This Redis command is not allowed from script".into());
        }
        if self.core.exec.gates.has(Gate::Stale) && !flags.has(Flags::STALE) {
            return Err("Can not execute the command on a stale replica".into());
        }
        acl::may_run(self.core, self.token, spec, args)?;
        if self.rights.read_only && flags.intersects(Flags::WRITE.with(Flags::MAY_REPLICATE)) {
            return Err("Write commands are not allowed from read-only scripts.".into());
        }
        // Once it has written, it is not stopped half way.
        if self.wrote {
            return Ok(());
        }
        if flags.has(Flags::WRITE)
            && let Some(error) = self.core.exec.why_not_write()
        {
            return Err(format!("-{error}"));
        }
        if flags.has(Flags::DENYOOM) && self.rights.short_of_memory && !self.rights.allow_oom {
            return Err(format!("-{}", crate::dispatch::gates::OOM));
        }
        Ok(())
    }

    fn show_to_monitors(&mut self, spec: &CommandSpec, args: Args<'_>) {
        if self.core.exec.gates.has(Gate::Monitor) && !spec.flags.intersects(Flags::SKIP_MONITOR.with(Flags::ADMIN)) {
            self.core.show_to_monitors(self.db, "lua", &OwnedRequest::new(args), None);
        }
    }

    fn check_acl(&mut self, lua: &Lua, given: &MultiValue) -> Result<Answer> {
        if let Err(error) = self.take_args(given) {
            return failed(lua, error);
        }
        let args = Args::new(&self.args, &self.spans);
        match self.look_up_any(args) {
            Some(spec) => {
                let is_allowed = acl::is_allowed(self.core, self.token, spec, args).is_ok();
                Ok((Value::Boolean(is_allowed), false))
            }
            None => failed(lua, "Invalid command passed to redis.acl_check_cmd()"),
        }
    }

    /// The command that is named, whatever its arguments.
    fn look_up_any(&self, args: Args<'_>) -> Option<&'static CommandSpec> {
        let registry = self.core.exec.registry;
        let command = registry.find(args.get(0)).or_else(|| registry.renamed(args.get(0)))?;
        if command.is_container && args.len() > 1 { command.spec.subcommand(args.get(1)) } else { Some(command.spec) }
    }

    // ---- limits -----------------------------------------------------------------------------------------------------

    /// Looks up from the work once in a while: at the clock, at the limits, and, when it has taken long, at what others ask for.
    fn tick(&mut self) {
        let limit = self.core.exec.config.script_step_limit;
        if limit > 0 && self.subject.steps.taken() > limit {
            self.end("Script ended: it has taken more steps than script-step-limit allows");
        }
        self.look_at_clock();
        if let Some(slow) = &self.slow {
            self.core.restricted_turn();
            if slow.is_killed() {
                self.end_killed();
            }
        }
        if self.core.stopped || self.core.shared.stopping.load(Ordering::Acquire) {
            self.end("Script ended: the node is shutting down");
            if self.wrote {
                // Half of what it does is nothing that anybody should find in the log.
                self.core.exec.effects.abandon();
            }
        }
    }

    /// After the script, while its reply is being written: looks up from that. Says whether to go on.
    pub fn breathe(&mut self) -> bool {
        if self.subject.steps.look_at_clock() {
            self.tick();
        }
        self.ended.is_none()
    }

    fn end_killed(&mut self) {
        if self.ended.is_none() {
            warning("Lua script killed by user with SCRIPT KILL.");
        }
        self.end(KILLED);
    }

    fn end(&mut self, why: &'static str) {
        self.ended.get_or_insert(why);
        self.subject.steps.end();
    }

    /// After `busy-reply-threshold` everybody is told that the node is busy.
    fn look_at_clock(&mut self) {
        let threshold_ms = self.core.exec.config.busy_reply_threshold;
        let took = self.started.elapsed();
        if self.slow.is_some() || threshold_ms == 0 || took < Duration::from_millis(threshold_ms) {
            return;
        }
        let subject = self.subject;
        let name = String::from_utf8_lossy(subject.name).into_owned();
        let slow = Arc::new(Slow::new(subject.is_function, name, subject.request.clone(), self.started, self.wrote));
        warning(&format!(
            "Slow script detected: still in execution after {} milliseconds. You can try killing the script using the {} command. \
             Script name is: {}.",
            took.as_millis(),
            if slow.is_function { "FUNCTION KILL" } else { "SCRIPT KILL" },
            slow.name
        ));
        let shared = &self.core.shared;
        shared.scripts.busy.add(&slow, || shared.set_gate(Gate::Busy, true));
        self.slow = Some(slow);
        self.core.begin_restricted(self.token);
        self.core.on_every_core(Core::refuse_waiting);
    }
}

/// An error that is the script's own.
fn failed(lua: &Lua, error: &str) -> Result<Answer> {
    let table = lua.create_table()?;
    table.raw_set("err", lua.create_string(format!("ERR {error}"))?)?;
    Ok((Value::Table(table), true))
}
