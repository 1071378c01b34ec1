//! Libraries of functions: what is known of them by all cores, and loading one into an interpreter.

use super::convert::trimmed;
use super::engine::Engine;
use super::flags::{self, Flags};
use super::wording::reword;
use mlua::{Function, Table, Value};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a library may take to be loaded that a client brings.
pub const LOAD_TIME_MAX: Duration = Duration::from_millis(500);
/// The same of one that is a part of the data set, or that has been loaded before: nobody else is to blame if that takes long.
pub const RELOAD_TIME_MAX: Duration = Duration::from_secs(30);

/// A function of a library.
#[derive(Clone, Debug)]
pub struct FunctionInfo {
    /// Its name, by which it is called.
    pub name: Vec<u8>,
    /// What it is for, if it says so.
    pub description: Option<Vec<u8>>,
    /// What it says of itself.
    pub flags: Flags,
}

/// A library.
#[derive(Debug)]
pub struct Library {
    /// Its name.
    pub name: Vec<u8>,
    /// Its source, with the first line that names it.
    pub code: Vec<u8>,
    /// Its functions, by name.
    pub functions: Vec<FunctionInfo>,
}

impl Library {
    /// One that cannot be loaded here, but is a part of the data set, and is handed on with it. It has no functions.
    pub fn silent(name: Vec<u8>, code: &[u8]) -> Self {
        Library { name, code: code.to_vec(), functions: Vec::new() }
    }
}

/// All libraries that are loaded. Never changed in place: whoever has one sees it as it was.
#[derive(Clone, Debug, Default)]
pub struct Libraries {
    by_name: BTreeMap<Vec<u8>, Arc<Library>>,
    /// By the name of the function, in lower case: calls do not mind case.
    functions: HashMap<Vec<u8>, Arc<Library>>,
}

/// A library in an interpreter.
pub struct Loaded {
    library: Arc<Library>,
    callbacks: HashMap<Vec<u8>, Function>,
}

impl Libraries {
    /// All of them, by name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Arc<Library>> {
        self.by_name.values()
    }

    /// The library of this name.
    pub fn get(&self, name: &[u8]) -> Option<&Arc<Library>> {
        self.by_name.get(name)
    }

    /// How many functions there are.
    pub fn functions_count(&self) -> usize {
        self.functions.len()
    }

    /// A function by its name, with its library.
    pub fn function(&self, name: &[u8]) -> Option<(&Arc<Library>, &FunctionInfo)> {
        let library = self.functions.get(&name.to_ascii_lowercase())?;
        let info = library.functions.iter().find(|info| info.name.eq_ignore_ascii_case(name))?;
        Some((library, info))
    }

    /// The bytes of all sources and names.
    pub fn len_bytes(&self) -> usize {
        let of_functions = |library: &Library| library.functions.iter().map(|info| info.name.len() + 96).sum::<usize>();
        self.iter().map(|library| library.code.len() + library.name.len() + of_functions(library) + 128).sum()
    }

    /// Adds a library; in the place of one of the same name, if `replace` says so.
    ///
    /// # Errors
    /// That it, or one of its functions, is there already. Then nothing has changed.
    pub fn add(&mut self, library: Arc<Library>, replace: bool) -> Result<(), String> {
        let shown = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
        if self.by_name.contains_key(&library.name) && !replace {
            return Err(format!("Library '{}' already exists", shown(&library.name)));
        }
        let taken = library
            .functions
            .iter()
            .find(|info| self.functions.get(&info.name.to_ascii_lowercase()).is_some_and(|other| other.name != library.name));
        if let Some(info) = taken {
            return Err(format!("Function {} already exists", shown(&info.name)));
        }
        self.remove(&library.name);
        for info in &library.functions {
            self.functions.insert(info.name.to_ascii_lowercase(), Arc::clone(&library));
        }
        self.by_name.insert(library.name.clone(), library);
        Ok(())
    }

    /// Takes a library out; says whether it was there.
    pub fn remove(&mut self, name: &[u8]) -> bool {
        let Some(library) = self.by_name.remove(name) else { return false };
        library.functions.iter().for_each(|info| _ = self.functions.remove(&info.name.to_ascii_lowercase()));
        true
    }
}

impl Engine {
    /// Loads a library from its source, in the time that is given.
    ///
    /// # Errors
    /// The text of the reply, without its code.
    pub fn load_library(&self, code: &[u8], time_max: Duration) -> Result<(Library, HashMap<Vec<u8>, Function>), String> {
        let (name, head_len) = flags::of_library(code)?;
        let chunk = self.compile(&code[head_len..]).map_err(|error| format!("Error compiling function: {error}"))?;
        self.steps.allow_until(Some(Instant::now() + time_max));
        let mut functions: Vec<FunctionInfo> = Vec::new();
        let mut callbacks = HashMap::new();
        let outcome = self.lua.scope(|scope| {
            let register = scope.create_function_mut(|_, given: Table| match registration(&given)? {
                Ok((info, _)) if functions.iter().any(|known| known.name == info.name) => {
                    Ok(Some("Function already exists in the library".to_string()))
                }
                Ok((info, callback)) => {
                    callbacks.insert(info.name.clone(), callback);
                    functions.push(info);
                    Ok(None)
                }
                Err(error) => Ok(Some(error)),
            })?;
            self.load(register, &chunk)
        });
        let timed_out = self.steps.is_overdue();
        self.steps.allow_until(None);
        if timed_out {
            return Err("Error registering functions: ERR FUNCTION LOAD timeout".into());
        }
        match outcome {
            Ok(Ok(_)) => {}
            Ok(Err(value)) => return Err(format!("Error registering functions: {}", error_of(&value))),
            Err(error) => return Err(format!("Error registering functions: {}", reword(&error.to_string()))),
        }
        if functions.is_empty() {
            return Err("No functions registered".into());
        }
        functions.sort_by(|a, b| a.name.cmp(&b.name));
        Ok((Library { name, code: code.to_vec(), functions }, callbacks))
    }

    /// The callback of a function; its library is loaded here first if it is not.
    ///
    /// # Errors
    /// Why it cannot be loaded.
    pub fn callback(&mut self, library: &Arc<Library>, name: &[u8]) -> Result<Function, String> {
        let is_loaded = self.loaded.get(&library.name).is_some_and(|loaded| Arc::ptr_eq(&loaded.library, library));
        if !is_loaded {
            let (_, callbacks) = self.load_library(&library.code, RELOAD_TIME_MAX)?;
            self.loaded.insert(library.name.clone(), Loaded { library: Arc::clone(library), callbacks });
        }
        let callback = self.loaded.get(&library.name).and_then(|loaded| loaded.callbacks.get(name));
        callback.cloned().ok_or_else(|| "Function not found".to_string())
    }

    /// Keeps what was loaded for a library.
    pub fn keep_loaded(&mut self, library: Arc<Library>, callbacks: HashMap<Vec<u8>, Function>) {
        self.loaded.insert(library.name.clone(), Loaded { library, callbacks });
    }

    /// Forgets libraries that are there no more.
    pub fn forget_unloaded(&mut self, libraries: &Libraries) {
        self.loaded.retain(|name, loaded| libraries.get(name).is_some_and(|library| Arc::ptr_eq(library, &loaded.library)));
    }
}

/// What an error value says.
pub fn error_of(value: &Value) -> String {
    let text = match value {
        Value::Table(table) => table.raw_get("err").unwrap_or(Value::Nil),
        other => other.clone(),
    };
    match text {
        Value::String(text) => String::from_utf8_lossy(trimmed(&text.as_bytes())).into_owned(),
        Value::Integer(n) => n.to_string(),
        Value::Number(x) => super::libs::number_text(x),
        _ => "(null)".into(),
    }
}

/// What `redis.register_function` was given.
fn registration(given: &Table) -> mlua::Result<Result<(FunctionInfo, Function), String>> {
    let (mut name, mut description, mut callback, mut set) = (None, None, None, Flags::default());
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.as_bytes().to_vec()),
        Value::Integer(n) => Some(n.to_string().into_bytes()),
        Value::Number(x) => Some(super::libs::number_text(*x).into_bytes()),
        _ => None,
    };
    for pair in given.pairs::<Value, Value>() {
        let (key, value) = pair?;
        let Some(key) = text(&key) else {
            return Ok(Err("named argument key given to redis.register_function is not a string".into()));
        };
        match &key.to_ascii_lowercase()[..] {
            b"function_name" => match text(&value) {
                Some(text) => name = Some(text),
                None => return Ok(Err("function_name argument given to redis.register_function must be a string".into())),
            },
            b"description" => match text(&value) {
                Some(text) => description = Some(text),
                None => return Ok(Err("description argument given to redis.register_function must be a string".into())),
            },
            b"callback" => match value {
                Value::Function(function) => callback = Some(function),
                _ => return Ok(Err("callback argument given to redis.register_function must be a function".into())),
            },
            b"flags" => {
                let Value::Table(list) = value else {
                    let error = "flags argument to redis.register_function must be a table representing function flags";
                    return Ok(Err(error.into()));
                };
                for i in 1.. {
                    let flag: Value = list.raw_get(i)?;
                    if flag.is_nil() {
                        break;
                    }
                    let flag: Option<Flags> = text(&flag).and_then(|flag| Flags::by_name(&flag, true));
                    let Some(flag) = flag else { return Ok(Err("unknown flag given".into())) };
                    set.0 |= flag.0;
                }
            }
            _ => return Ok(Err("unknown argument given to redis.register_function".into())),
        }
    }
    let Some(name) = name else { return Ok(Err("redis.register_function must get a function name argument".into())) };
    let Some(callback) = callback else { return Ok(Err("redis.register_function must get a callback argument".into())) };
    if let Err(error) = flags::check_name(&name) {
        return Ok(Err(error));
    }
    Ok(Ok((FunctionInfo { name, description, flags: set }, callback)))
}
