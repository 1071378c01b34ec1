//! `intended-differences.txt`: where koltso is meant to answer otherwise than redis-server 7.0.

use crate::Value;

/// One line of the file.
pub struct Difference {
    command: String,
    mine: String,
    theirs: String,
}

impl Difference {
    /// Whether these replies to this command may differ. What the line says of a reply must be in it as it is printed.
    pub fn covers(&self, command: &[u8], mine: &Value, theirs: &Value) -> bool {
        let part = |part: &str, whole: &Value| part == "*" || format!("{whole:?}").contains(part);
        command.eq_ignore_ascii_case(self.command.as_bytes()) && part(&self.mine, mine) && part(&self.theirs, theirs)
    }
}

/// All lines of the file. Panics if one of them gives no reason.
pub fn differences() -> Vec<Difference> {
    let text = include_str!("../intended-differences.txt");
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    let parse = |line: &str| {
        let parts: Vec<String> = line.split('|').map(|part| part.trim().to_string()).collect();
        assert!(parts.len() == 4 && !parts[3].is_empty(), "not `command | mine | theirs | reason`: {line}");
        Difference { command: parts[0].clone(), mine: parts[1].clone(), theirs: parts[2].clone() }
    };
    lines.map(parse).collect()
}
