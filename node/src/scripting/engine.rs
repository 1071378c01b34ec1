//! One interpreter: made once, made safe once, and then used for every script of its core.
//!
//! What makes it safe: the interpreter is Luau, which has no bytecode to load, no finalizers, no `debug` and no `io`; everything that
//! scripts share is read-only, the metatable of strings included; its memory is limited; and every loop and every call it makes goes
//! by [`Steps`], which ends what has to end. There are two of these on a core, for scripts and for functions, so that neither sees
//! what the other may use.

use super::compiled::CompiledScripts;
use super::libs;
use super::natives::{self, Fault};
use super::wording::reword;
use koltso_proto::resp::Args;
use mlua::{ChunkMode, Compiler, Either, Function, Lua, LuaOptions, StdLib, String as LuaString, Table, Value, VmState};
use std::cell::Cell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// So many steps are taken between two looks at the clock, where they are short.
const CLOCK_PERIOD: u64 = 16;
/// Steps are short if so many of them take less than this.
const SHORT: Duration = Duration::from_micros(50);
/// So much time passes between two looks at what others ask for.
const TICK_PERIOD: Duration = Duration::from_millis(2);
/// The longest source that is compiled, in bytes: the compiler's own memory is not limited.
const SOURCE_LEN_MAX: usize = 16 << 20;
/// The same of one that a script has made: that takes one step, and about a second.
pub const MADE_LEN_MAX: usize = 1 << 20;

/// What an interpreter is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Scripts (`EVAL`).
    Scripts,
    /// Functions (`FCALL`).
    Functions,
}

impl Purpose {
    /// The name of its sources in errors.
    fn chunk_name(self) -> &'static str {
        match self {
            Purpose::Scripts => "=user_script",
            Purpose::Functions => "=user_function",
        }
    }
}

/// What a script does, counted: each call, each return and each turn of a loop.
///
/// Nothing says how long a step takes: a native function may go through the longest string that there can be. So the clock is looked at
/// after a few steps, and after each while they take long; and natives that go through more than that look up by themselves
/// ([`breathe`]).
pub struct Steps {
    taken: Cell<u64>,
    /// How many are left until the clock is looked at.
    until_look: Cell<u64>,
    /// When it was looked at last, and when it was last seen what others ask for.
    looked: Cell<Instant>,
    ticked: Cell<Instant>,
    /// Set when nothing more is to be done: every step is an error from then on, whatever the script catches.
    ended: Cell<bool>,
    /// When it ends by itself.
    deadline: Cell<Option<Instant>>,
    overdue: Cell<bool>,
}

impl Default for Steps {
    fn default() -> Self {
        let now = Instant::now();
        Steps {
            taken: Cell::default(),
            until_look: Cell::new(CLOCK_PERIOD),
            looked: Cell::new(now),
            ticked: Cell::new(now),
            ended: Cell::default(),
            deadline: Cell::default(),
            overdue: Cell::default(),
        }
    }
}

impl Steps {
    /// How many were taken since the script began.
    pub fn taken(&self) -> u64 {
        self.taken.get()
    }

    /// Lets nothing more happen.
    pub fn end(&self) {
        self.ended.set(true);
    }

    /// Counts what takes time without taking steps as so many.
    pub fn add(&self, steps: u64) {
        self.taken.set(self.taken.get() + steps);
    }

    /// Ends what is done next at this time.
    pub fn allow_until(&self, deadline: Option<Instant>) {
        self.deadline.set(deadline);
        self.overdue.set(false);
    }

    /// Whether it has ended for that.
    pub fn is_overdue(&self) -> bool {
        self.overdue.get()
    }

    /// Looks at the clock. Says whether it is time to see what others ask for.
    #[cold]
    pub fn look_at_clock(&self) -> bool {
        let now = Instant::now();
        let is_short = now.saturating_duration_since(self.looked.replace(now)) < SHORT;
        self.until_look.set(if is_short { CLOCK_PERIOD } else { 1 });
        if self.deadline.get().is_some_and(|deadline| now > deadline) {
            self.overdue.set(true);
            self.end();
        }
        let is_due = now.saturating_duration_since(self.ticked.get()) >= TICK_PERIOD;
        if is_due {
            self.ticked.set(now);
        }
        is_due
    }

    fn begin(&self, now: Instant) {
        self.taken.set(0);
        self.until_look.set(CLOCK_PERIOD);
        self.looked.set(now);
        self.ticked.set(now);
        self.ended.set(false);
    }
}

/// What has to happen in the midst of a script.
struct Watch {
    steps: Rc<Steps>,
    /// Sees what others ask for. It never fails: an error that passed through the interrupt would find no room on the stack.
    tick: Function,
}

impl Watch {
    fn look_up(&self) {
        if self.steps.look_at_clock() {
            let _ = self.tick.call::<()>(());
        }
    }

    /// Takes one step. Says whether it may be done.
    #[inline]
    fn step(&self) -> bool {
        let steps = &*self.steps;
        steps.taken.set(steps.taken.get() + 1);
        match steps.until_look.get() {
            0 | 1 => self.look_up(),
            left => steps.until_look.set(left - 1),
        }
        !steps.ended.get()
    }
}

/// To be called once in a while by natives whose work takes long.
///
/// # Errors
/// That the script is to end.
pub fn breathe(lua: &Lua) -> Result<(), Fault> {
    let Some(watch) = lua.app_data_ref::<Watch>() else { return Ok(()) };
    watch.look_up();
    if watch.steps.ended.get() { Err(ENDED.into()) } else { Ok(()) }
}

/// The error that ends a script.
const ENDED: &str = "the script was ended";

/// The global names that functions see: an empty table, and behind it either of two others.
struct Surroundings {
    front: Table,
    metatable: Table,
    /// All that there is, and what there is while a library is being loaded.
    behind: [Table; 2],
}

impl Surroundings {
    fn new(lua: &Lua, library_api: Table) -> mlua::Result<Self> {
        let while_loading = lua.create_table()?;
        while_loading.raw_set("redis", library_api)?;
        while_loading.set_metatable(lua.globals().metatable())?;
        let (front, metatable) = (lua.create_table()?, lua.create_table()?);
        metatable.raw_set("__index", lua.globals())?;
        front.set_metatable(Some(metatable.clone()))?;
        for table in [&front, &while_loading] {
            protect(table)?;
        }
        Ok(Surroundings { front, metatable, behind: [lua.globals(), while_loading] })
    }

    fn change(&self, loading: bool) -> mlua::Result<()> {
        self.metatable.set_readonly(false);
        let outcome = self.metatable.raw_set("__index", &self.behind[usize::from(loading)]);
        self.metatable.set_readonly(true);
        outcome
    }
}

/// An interpreter.
pub struct Engine {
    /// The interpreter itself.
    pub lua: Lua,
    /// What its scripts do.
    pub steps: Rc<Steps>,
    purpose: Purpose,
    /// What it may use, in bytes; 0 = any number.
    memory_max: usize,
    /// With less in use, nothing would come of collecting garbage.
    tidy_at: usize,
    run: Function,
    load: Function,
    globals: Table,
    names: [LuaString; 2],
    /// The surroundings of functions, which are others while their library is being loaded.
    surroundings: Surroundings,
    /// The scripts that have been compiled here.
    pub compiled: CompiledScripts,
    /// What has been loaded here, by the library's name.
    pub loaded: HashMap<Vec<u8>, super::library::Loaded>,
}

impl Engine {
    /// A fresh interpreter that may use so many bytes; 0 = any number.
    ///
    /// # Errors
    /// If it cannot be made, which only a lack of memory explains.
    pub fn new(purpose: Purpose, memory_max: usize) -> mlua::Result<Self> {
        // With the interpreter's own `pcall` and `xpcall`: those that mlua can put in their place overrun the stack when what they call
        // has filled it with its results.
        let lua = Lua::new_with(
            StdLib::COROUTINE | StdLib::TABLE | StdLib::STRING | StdLib::BIT | StdLib::MATH | StdLib::DEBUG,
            LuaOptions::new(),
        )?;
        // What stands in the place of a built-in function must not be passed over; nor what is not there while a library is loaded.
        let compiler =
            Compiler::new().set_optimization_level(1).set_debug_level(1).set_disabled_builtins(["tostring", "getmetatable"]);
        lua.set_compiler(compiler);
        let native = natives::table(&lua)?;
        let libraries = lua.create_table()?;
        libraries.raw_set("cjson", libs::cjson::table(&lua)?)?;
        libraries.raw_set("cmsgpack", libs::cmsgpack::table(&lua)?)?;
        libraries.raw_set("struct", libs::structs::table(&lua)?)?;
        native.raw_set("libraries", libraries)?;
        let prelude = lua.load(include_str!("prelude.luau")).set_name("=koltso").set_mode(ChunkMode::Text).into_function()?;
        let handles: Table = prelude.call((native, purpose == Purpose::Functions))?;
        let globals = lua.globals();
        protect(&globals)?;
        let surroundings = Surroundings::new(&lua, handles.raw_get("library_api")?)?;
        if let Some(strings) = lua.type_metatable::<LuaString>() {
            protect(&strings)?;
        }
        globals.set_safeenv(true);
        let steps = Rc::new(Steps::default());
        let watch = || -> mlua::Result<Watch> { Ok(Watch { steps: Rc::clone(&steps), tick: handles.raw_get("tick")? }) };
        lua.set_app_data(watch()?);
        let watch = watch()?;
        lua.set_interrupt(move |_| if watch.step() { Ok(VmState::Continue) } else { Err(mlua::Error::runtime(ENDED)) });
        // What was needed to set it up is not needed any more.
        lua.gc_collect()?;
        lua.set_memory_limit(memory_max)?;
        Ok(Engine {
            steps,
            purpose,
            memory_max,
            tidy_at: 0,
            run: handles.raw_get("run")?,
            load: handles.raw_get("load")?,
            globals,
            names: [lua.create_string("KEYS")?, lua.create_string("ARGV")?],
            surroundings,
            compiled: CompiledScripts::default(),
            loaded: HashMap::new(),
            lua,
        })
    }

    /// What it uses, in bytes.
    pub fn memory(&self) -> usize {
        self.lua.used_memory()
    }

    /// Whether so much of its memory is in use that what is not needed should go. It collects garbage by itself too, but not when it
    /// comes to its limit.
    pub fn is_crowded(&self) -> bool {
        self.memory_max > 0 && self.memory() > self.memory_max / 2
    }

    /// Between two scripts: makes room for the next. What stays although all garbage was collected is there to stay: nothing is
    /// collected again before half of the rest has been used.
    pub fn tidy(&mut self) {
        if self.is_crowded() && self.memory() > self.tidy_at {
            // Only a lack of memory would be an error, and the next script is told of that.
            _ = self.lua.gc_collect();
            let kept = self.memory();
            self.tidy_at = kept + self.memory_max.saturating_sub(kept) / 2;
        }
    }

    /// Compiles a source.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn compile(&self, source: &[u8]) -> Result<Function, String> {
        let function = compile(&self.lua, source, SOURCE_LEN_MAX, self.purpose.chunk_name())?;
        if self.purpose == Purpose::Functions {
            function.set_environment(self.surroundings.front.clone()).map_err(|error| error.to_string())?;
        }
        Ok(function)
    }

    /// Sets the global `KEYS` and `ARGV` of a script.
    ///
    /// # Errors
    /// If the interpreter has no memory left.
    pub fn set_arguments(&self, keys: Table, argv: Table) -> mlua::Result<()> {
        self.change_globals(|globals| {
            globals.raw_set(&self.names[0], keys)?;
            globals.raw_set(&self.names[1], argv)
        })
    }

    /// A table of `count` arguments, from one on.
    ///
    /// # Errors
    /// If the interpreter has no memory left.
    pub fn list(&self, args: Args<'_>, from: usize, count: usize) -> mlua::Result<Table> {
        // Text is pushed as it is; other bytes by way of a handle, which is dearer.
        let item = |item| match std::str::from_utf8(item) {
            Ok(text) => Ok(Either::Left(text)),
            Err(_) => self.lua.create_string(item).map(Either::Right),
        };
        if count < FEW {
            let mut items: [Option<Either<&str, LuaString>>; FEW] = Default::default();
            for (place, given) in items.iter_mut().zip(args.from(from).take(count)) {
                *place = Some(item(given)?);
            }
            return self.lua.create_sequence_from(items.into_iter().take(count));
        }
        let items: Vec<Either<&str, LuaString>> = args.from(from).take(count).map(item).collect::<mlua::Result<_>>()?;
        self.lua.create_sequence_from(items)
    }

    /// Calls a function, now, while `answer` answers what it asks for: its result, or the error that it ended with.
    ///
    /// # Errors
    /// If the interpreter has no memory left, or the script was ended.
    pub fn run(
        &self,
        started: Instant,
        answer: Function,
        function: &Function,
        args: Option<(Table, Table)>,
    ) -> mlua::Result<Result<Value, Value>> {
        self.steps.begin(started);
        let (ok, value): (bool, Value) = match args {
            None => self.run.call((answer, function))?,
            Some((keys, argv)) => self.run.call((answer, function, keys, argv))?,
        };
        Ok(if ok { Ok(value) } else { Err(value) })
    }

    /// Runs the chunk of a library, which registers its functions by calling `register`.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn load(&self, register: Function, chunk: &Function) -> mlua::Result<Result<Value, Value>> {
        self.steps.begin(Instant::now());
        self.surroundings.change(true)?;
        let outcome = self.load.call::<(bool, Value)>((register, chunk));
        self.steps.begin(Instant::now());
        self.surroundings.change(false)?;
        outcome.map(|(ok, value)| if ok { Ok(value) } else { Err(value) })
    }

    fn change_globals(&self, change: impl FnOnce(&Table) -> mlua::Result<()>) -> mlua::Result<()> {
        self.globals.set_readonly(false);
        let outcome = change(&self.globals);
        self.globals.set_readonly(true);
        outcome
    }
}

/// While it lives, a few values are made without a look at the limit of memory, which is looked at again with the next that the script
/// makes itself: each look is a protected call, which costs ten times as much as a short string does.
pub struct Room<'a> {
    lua: &'a Lua,
    limit: usize,
}

impl<'a> Room<'a> {
    /// So many bytes of what values are made from are few; a value is at most some ten times as large.
    const LEN_MAX: usize = 16 << 10;

    /// Room for what is made from so many bytes, if they are few.
    pub fn for_len(lua: &'a Lua, len: usize) -> Option<Self> {
        if len > Room::LEN_MAX {
            return None;
        }
        let limit = lua.set_memory_limit(0).ok()?;
        Some(Room { lua, limit })
    }
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        let _ = self.lua.set_memory_limit(self.limit);
    }
}

/// So many arguments need no memory on their way.
const FEW: usize = 4;

/// Compiles a source of so many bytes at most, whose name in errors is that.
///
/// # Errors
/// What is wrong with it.
pub fn compile(lua: &Lua, source: &[u8], len_max: usize, name: &str) -> Result<Function, String> {
    if source.len() > len_max {
        return Err(format!("the source is longer than {len_max} bytes"));
    }
    // In a safe environment, globals would be looked up once, now; but `KEYS`, `ARGV` and `redis` change.
    lua.globals().set_safeenv(false);
    let compiled = lua.load(source).set_name(name).set_mode(ChunkMode::Text).into_function();
    lua.globals().set_safeenv(true);
    compiled.map_err(|error| match error {
        mlua::Error::SyntaxError { message, .. } => message,
        other => reword(&other.to_string()),
    })
}

/// Makes a table read-only, and all tables that it leads to.
fn protect(table: &Table) -> mlua::Result<()> {
    if table.is_readonly() {
        return Ok(());
    }
    table.set_readonly(true);
    if let Some(metatable) = table.metatable() {
        protect(&metatable)?;
    }
    table.for_each(|_: Value, value: Value| match value {
        Value::Table(inner) => protect(&inner),
        _ => Ok(()),
    })
}
