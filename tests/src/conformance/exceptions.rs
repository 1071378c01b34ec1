//! `tests/conformance-exceptions.txt`: what of the suite may fail, with a reason each.

/// Stands for the name of a test where the whole unit is left out.
pub const WHOLE_UNIT: &str = "(whole unit)";

/// One line: `unit | name of the test | reason`.
#[derive(Debug)]
struct Exception {
    unit: String,
    test: String,
    reason: String,
}

/// All of them.
#[derive(Debug)]
pub struct Exceptions(Vec<Exception>);

impl Exceptions {
    /// Reads the file. Panics on a line without a reason.
    pub fn parse(text: &str) -> Exceptions {
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        let one = |line: &str| {
            let (unit, rest) = line.split_once(" | ").unwrap_or_else(|| panic!("unit | test | reason: {line}"));
            // Names of tests may hold the separator, reasons may not.
            let (test, reason) = rest.rsplit_once(" | ").unwrap_or_else(|| panic!("unit | test | reason: {line}"));
            Exception { unit: unit.trim().into(), test: test.trim().into(), reason: reason.trim().into() }
        };
        Exceptions(lines.map(one).collect())
    }

    /// Why the whole unit is left out.
    pub fn without(&self, unit: &str) -> Option<&str> {
        self.reason(unit, WHOLE_UNIT)
    }

    /// Why a test may fail.
    pub fn reason(&self, unit: &str, test: &str) -> Option<&str> {
        let matching = |exception: &&Exception| exception.unit == unit && exception.test == test;
        self.0.iter().find(matching).map(|exception| exception.reason.as_str())
    }

    /// The names of a unit's tests in the list.
    pub fn of(&self, unit: &str) -> impl Iterator<Item = &str> {
        let listed = move |exception: &&Exception| exception.unit == unit && exception.test != WHOLE_UNIT;
        self.0.iter().filter(listed).map(|exception| exception.test.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_separator_in_a_name_belongs_to_it() {
        let list = Exceptions::parse("# text\n\nunit/a | x | y | why\nunit/b | (whole unit) | not yet\n");
        assert_eq!(list.reason("unit/a", "x | y"), Some("why"));
        assert_eq!(list.without("unit/b"), Some("not yet"));
        assert_eq!((list.without("unit/a"), list.of("unit/b").count()), (None, 0));
    }
}
