//! One interpreter: made once, made safe once, and then used for every script of its core.
//!
//! What makes it safe: the interpreter is Luau, which has no bytecode to load, no finalizers, no `debug` and no `io`; everything that
//! scripts share is read-only, the metatable of strings included; its memory is limited; and every loop and every call it makes goes
//! by [`Steps`], which ends what has to end. There are two of these on a core, for scripts and for functions, so that neither sees
//! what the other may use.

use super::libs;
use super::natives;
use super::store::{Script, Sha};
use super::wording::reword;
use mlua::{ChunkMode, Compiler, Function, Lua, LuaOptions, MultiValue, StdLib, String as LuaString, Table, Value, VmState};
use std::cell::Cell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

/// So many calls and turns of loops are made between two looks at the clock and at what others ask for.
const LOOK_PERIOD: u64 = 10_000;
/// The longest source that is compiled, in bytes: the compiler's own memory is not limited.
const SOURCE_LEN_MAX: usize = 16 << 20;

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
#[derive(Default)]
pub struct Steps {
    taken: Cell<u64>,
    /// Set when nothing more is to be done: every step is an error from then on, whatever the script catches.
    ended: Cell<bool>,
    /// When it ends by itself.
    deadline: Cell<Option<Instant>>,
    overdue: Cell<bool>,
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

    fn look_at_clock(&self) {
        if self.deadline.get().is_some_and(|deadline| Instant::now() > deadline) {
            self.overdue.set(true);
            self.end();
        }
    }

    fn begin(&self) {
        self.taken.set(0);
        self.ended.set(false);
    }
}

/// A compiled script, and what it was compiled from.
#[derive(Clone)]
pub struct Compiled {
    /// The function.
    pub function: Function,
    /// Its source.
    pub script: Arc<Script>,
}

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
    run: Function,
    load: Function,
    globals: Table,
    names: [LuaString; 2],
    /// The surroundings of functions, which are others while their library is being loaded.
    surroundings: Surroundings,
    /// What has been compiled here, by the script's name.
    pub compiled: HashMap<Sha, Compiled>,
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
        let tick: Function = handles.raw_get("tick")?;
        let counted = Rc::clone(&steps);
        lua.set_interrupt(move |_| {
            let taken = counted.taken.get() + 1;
            counted.taken.set(taken);
            if taken.is_multiple_of(LOOK_PERIOD) {
                counted.look_at_clock();
                // It never fails: an error that passed through here would find no room on the stack.
                let _ = tick.call::<()>(());
            }
            if counted.ended.get() {
                return Err(mlua::Error::runtime("the script was ended"));
            }
            Ok(VmState::Continue)
        });
        // What was needed to set it up is not needed any more.
        lua.gc_collect()?;
        lua.set_memory_limit(memory_max)?;
        Ok(Engine {
            steps,
            purpose,
            memory_max,
            run: handles.raw_get("run")?,
            load: handles.raw_get("load")?,
            globals,
            names: [lua.create_string("KEYS")?, lua.create_string("ARGV")?],
            surroundings,
            compiled: HashMap::new(),
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

    /// Between two scripts: makes room for the next.
    pub fn tidy(&self) {
        if self.is_crowded() {
            // Only a lack of memory would be an error, and the next script is told of that.
            _ = self.lua.gc_collect();
        }
    }

    /// Compiles a source.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn compile(&self, source: &[u8]) -> Result<Function, String> {
        let function = compile(&self.lua, source, self.purpose.chunk_name())?;
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

    /// A table of strings.
    ///
    /// # Errors
    /// If the interpreter has no memory left.
    pub fn list<'a>(&self, items: impl ExactSizeIterator<Item = &'a [u8]>) -> mlua::Result<Table> {
        let table = self.lua.create_table_with_capacity(items.len(), 0)?;
        for (i, item) in items.enumerate() {
            table.raw_set(i + 1, self.lua.create_string(item)?)?;
        }
        Ok(table)
    }

    /// Calls a function while `answer` answers what it asks for: its result, or the error that it ended with.
    ///
    /// # Errors
    /// If the interpreter has no memory left, or the script was ended.
    pub fn run(&self, answer: Function, function: &Function, args: MultiValue) -> mlua::Result<Result<Value, Value>> {
        self.steps.begin();
        let mut given = args;
        given.push_front(Value::Function(function.clone()));
        given.push_front(Value::Function(answer));
        let (ok, value): (bool, Value) = self.run.call(given)?;
        Ok(if ok { Ok(value) } else { Err(value) })
    }

    /// Runs the chunk of a library, which registers its functions by calling `register`.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn load(&self, register: Function, chunk: &Function) -> mlua::Result<Result<Value, Value>> {
        self.steps.begin();
        self.surroundings.change(true)?;
        let outcome = self.load.call::<(bool, Value)>((register, chunk));
        self.steps.begin();
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

/// Compiles a source whose name in errors is that.
///
/// # Errors
/// What is wrong with it.
pub fn compile(lua: &Lua, source: &[u8], name: &str) -> Result<Function, String> {
    if source.len() > SOURCE_LEN_MAX {
        return Err(format!("the source is longer than {SOURCE_LEN_MAX} bytes"));
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
