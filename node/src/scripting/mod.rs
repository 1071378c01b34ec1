//! Scripts and functions.
//!
//! | where | what |
//! |---|---|
//! | `eval.rs` | EVAL, EVALSHA, FCALL: which script, with which shards, and its reply |
//! | `run.rs`, `server_calls.rs` | one run: what the script asks the node for |
//! | `engine.rs`, `prelude.luau` | the interpreter, and what scripts see in it |
//! | `compiled.rs` | the scripts that it has compiled |
//! | `natives.rs`, `libs/` | functions of the node, and the libraries that scripts use |
//! | `convert.rs`, `wording.rs` | replies to values and back; errors in the words of Lua 5.1 |
//! | `store.rs`, `library.rs` | the cached scripts and the libraries, for all cores |
//! | `script.rs`, `function.rs` | SCRIPT, FUNCTION |
//! | `busy.rs` | scripts that take too long |
//! | `acl.rs` | what a script's user may do |
//!
//! **The interpreter** is Luau, through `mlua`. Redis has Lua 5.1, whose C code was written for programs that trust their scripts: its
//! parser, `unpack`, the metatables of strings and the garbage collector have each let a script out (CVE-2025-49844, 46817, 46818,
//! 46819 among others), and patterns recurse without end. Luau is made for hostile code: read-only tables, a memory limit, a callback
//! at every call and every turn of a loop, no bytecode loader, no finalizers, and it is fuzzed. A script sees Lua 5.1 all the same:
//! the prelude takes away what Luau has beyond it, and error texts are reworded. What still differs: numbers that are concatenated
//! are written with all their digits, not with fourteen; calls in tail position take stack; syntax errors and the names of
//! variables in error texts; the order of `pairs`. A Lua in safe Rust would be safer still, but none is complete or fast enough yet.
//!
//! **State.** Each core has two interpreters, one for scripts and one for functions, made when they are first needed; sources are
//! shared by all cores and compiled where they are first run. What a library keeps in its own variables is a core's own.
//!
//! **Effects** are those of the commands, in one unit; a script itself is never replicated. Libraries are: they are a part of the
//! data set.

mod acl;
pub mod busy;
mod compiled;
mod convert;
mod engine;
pub mod eval;
mod flags;
pub mod function;
pub mod library;
mod libs;
mod natives;
mod run;
pub mod script;
mod server_calls;
pub mod store;
mod wording;

pub use flags::Flags as ScriptFlags;

use crate::config::Config;
use crate::shared::Shared;
use engine::{Engine, Purpose};
use library::Libraries;
use std::sync::Arc;

/// The interpreters of a core.
#[derive(Default)]
pub struct Scripting {
    scripts: Option<Box<Engine>>,
    functions: Option<Box<Engine>>,
    /// How often the cache of scripts had been flushed when the interpreter was made.
    flushes: u64,
    /// The libraries as they were when the other interpreter was last used.
    libraries: Option<Arc<Libraries>>,
}

impl Scripting {
    fn place(&mut self, purpose: Purpose) -> &mut Option<Box<Engine>> {
        match purpose {
            Purpose::Scripts => &mut self.scripts,
            Purpose::Functions => &mut self.functions,
        }
    }

    /// Takes an interpreter out, to be put back.
    fn take(&mut self, purpose: Purpose, shared: &Shared, config: &Config) -> Result<Box<Engine>, String> {
        if purpose == Purpose::Scripts {
            let flushes = shared.scripts.flushes();
            if flushes != self.flushes {
                self.flushes = flushes;
                self.scripts = None;
            }
        }
        if purpose == Purpose::Functions {
            self.follow_libraries(shared);
        }
        match self.place(purpose).take() {
            Some(engine) => Ok(engine),
            None => Engine::new(purpose, config.script_memory_limit as usize)
                .map(Box::new)
                .map_err(|error| format!("ERR The interpreter cannot be started: {error}")),
        }
    }

    /// Forgets what was loaded of libraries that have changed since; the interpreter as well, where there are none left.
    fn follow_libraries(&mut self, shared: &Shared) {
        let libraries = shared.scripts.libraries();
        if self.libraries.as_ref().is_some_and(|seen| Arc::ptr_eq(seen, &libraries)) {
            return;
        }
        match &mut self.functions {
            Some(engine) if libraries.iter().len() > 0 => engine.forget_unloaded(&libraries),
            functions => *functions = None,
        }
        self.libraries = Some(libraries);
    }

    fn put_back(&mut self, purpose: Purpose, mut engine: Box<Engine>, shared: &Shared, core: usize) {
        engine.tidy();
        *self.place(purpose) = Some(engine);
        let used = [&self.scripts, &self.functions].map(|engine| engine.as_ref().map_or(0, |engine| engine.memory()));
        shared.scripts.note_memory(core, used);
    }
}
