//! What a script says of itself: the flags in its first line (`#!lua flags=no-writes,allow-stale`), or in the registration of a
//! function.

use koltso_proto::resp::split_args;

/// Flags by their names, in the order in which `FUNCTION LIST` prints them.
const NAMES: &[(&str, u8)] = &[
    ("no-writes", Flags::NO_WRITES.0),
    ("allow-oom", Flags::ALLOW_OOM.0),
    ("allow-stale", Flags::ALLOW_STALE.0),
    ("no-cluster", Flags::NO_CLUSTER.0),
    ("allow-cross-slot-keys", Flags::ALLOW_CROSS_SLOT.0),
];

/// A set of flags.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(pub u8);

impl Flags {
    /// It writes nothing.
    pub const NO_WRITES: Flags = Flags(1);
    /// It may run when memory is short, and write.
    pub const ALLOW_OOM: Flags = Flags(2);
    /// It may run on a replica whose data may be stale.
    pub const ALLOW_STALE: Flags = Flags(4);
    /// It does not run in a cluster.
    pub const NO_CLUSTER: Flags = Flags(8);
    /// It may touch keys of several slots in a cluster.
    pub const ALLOW_CROSS_SLOT: Flags = Flags(16);
    /// It says nothing of itself: a script of the time before flags, which is judged command by command.
    pub const COMPAT: Flags = Flags(32);

    /// Whether all of `other` is in it.
    pub fn has(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }

    /// The flag of this name.
    pub fn by_name(name: &[u8], ignore_case: bool) -> Option<Flags> {
        let is_it = |known: &str| match ignore_case {
            true => known.as_bytes().eq_ignore_ascii_case(name),
            false => known.as_bytes() == name,
        };
        NAMES.iter().find(|(known, _)| is_it(known)).map(|&(_, bit)| Flags(bit))
    }

    /// The names of those that are set.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        NAMES.iter().filter(move |(_, bit)| self.0 & bit != 0).map(|(name, _)| *name)
    }
}

/// A line split as a shell would; nothing if its quotes do not balance, or if there is none.
fn words_of(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let (mut bytes, mut ends) = (Vec::new(), Vec::new());
    split_args(line, &mut bytes, &mut ends)?;
    let words: Vec<_> = ends.iter().map(|&(start, end)| bytes[start..end].to_vec()).collect();
    (!words.is_empty()).then_some(words)
}

/// What the first line of a script says, and how long it is without its end. A script without such a line says nothing.
///
/// # Errors
/// The text of the reply, without its code.
pub fn of_script(body: &[u8]) -> Result<(Flags, usize), String> {
    if !body.starts_with(b"#!") {
        return Ok((Flags::COMPAT, 0));
    }
    let end = body.iter().position(|&byte| byte == b'\n').ok_or("Invalid script shebang")?;
    let words = words_of(&body[..end]).ok_or("Invalid engine in script shebang")?;
    if words[0] != b"#!lua" {
        return Err(format!("Unexpected engine in script shebang: {}", String::from_utf8_lossy(&words[0])));
    }
    let mut flags = Flags::default();
    for word in &words[1..] {
        let Some(listed) = word.strip_prefix(b"flags=") else {
            return Err(format!("Unknown lua shebang option: {}", String::from_utf8_lossy(word)));
        };
        for name in listed.split(|&byte| byte == b',').filter(|_| !listed.is_empty()) {
            let Some(flag) = Flags::by_name(name, false) else {
                return Err(format!("Unexpected flag in script shebang: {}", String::from_utf8_lossy(name)));
            };
            flags.0 |= flag.0;
        }
    }
    Ok((flags, end))
}

/// The name in the first line of a library, and how long that line is without its end.
///
/// # Errors
/// The text of the reply, without its code.
pub fn of_library(code: &[u8]) -> Result<(Vec<u8>, usize), String> {
    if !code.starts_with(b"#!") {
        return Err("Missing library metadata".into());
    }
    let end = code.iter().position(|&byte| byte == b'\n').ok_or("Invalid library metadata")?;
    let words = words_of(&code[..end]).ok_or("Invalid library metadata")?;
    let mut name: Option<Vec<u8>> = None;
    for word in &words[1..] {
        match word.get(..5).filter(|start| start.eq_ignore_ascii_case(b"name=")) {
            Some(_) if name.is_some() => return Err("Invalid metadata value, name argument was given multiple times".into()),
            Some(_) => name = Some(word[5..].to_vec()),
            None => return Err(format!("Invalid metadata value given: {}", String::from_utf8_lossy(word))),
        }
    }
    let name = name.ok_or("Library name was not given")?;
    check_name(&name)?;
    let engine = &words[0][2..];
    if !engine.eq_ignore_ascii_case(b"lua") {
        return Err(format!("Engine '{}' not found", String::from_utf8_lossy(engine)));
    }
    Ok((name, end))
}

/// Whether this may be the name of a library or a function.
///
/// # Errors
/// The text of the reply, without its code.
pub fn check_name(name: &[u8]) -> Result<(), String> {
    let fits = !name.is_empty() && name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    let error = "Library names can only contain letters, numbers, or underscores(_) and must be at least one character long";
    if fits { Ok(()) } else { Err(error.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_of_a_script() {
        assert_eq!(of_script(b"return 1"), Ok((Flags::COMPAT, 0)));
        assert_eq!(of_script(b"#!lua\nreturn 1"), Ok((Flags(0), 5)));
        assert_eq!(of_script(b"#!lua flags=no-writes,allow-oom\n"), Ok((Flags(3), 31)));
        for (body, error) in [
            ("#!lua", "Invalid script shebang"),
            ("#!not-lua\n", "Unexpected engine in script shebang: not-lua"),
            ("#!lua badger=data\n", "Unknown lua shebang option: badger=data"),
            ("#!lua flags=allow-what\n", "Unexpected flag in script shebang: allow-what"),
        ] {
            let error = error.replace(": not-lua", ": #!not-lua");
            assert_eq!(of_script(body.as_bytes()), Err(error));
        }
    }

    #[test]
    fn the_first_line_of_a_library() {
        assert_eq!(of_library(b"#!LUA name=a_1\nx"), Ok((b"a_1".to_vec(), 14)));
        for code in
            ["x", "#!lua name=a", "#!lua\n", "#!lua name=a name=b\n", "#!lua name=a-b\n", "#!js name=a\n", "#!lua x=1\n"]
        {
            assert!(of_library(code.as_bytes()).is_err(), "{code}");
        }
    }
}
