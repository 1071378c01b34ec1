//! `tests/conformance-exceptions.txt`: what of the suite may fail, with a reason each.

/// Stands for the name of a test where the whole unit is left out.
pub const WHOLE_UNIT: &str = "(whole unit)";

/// Begins the line of a test that is not run with several cores.
const SEVERAL_CORES: &str = "several cores: ";

/// One line: `unit | name of the test | reason`.
#[derive(Debug)]
struct Exception {
    unit: String,
    test: String,
    reason: String,
    /// Whether the test is left out with several cores, rather than allowed to fail with any number.
    of_several_cores: bool,
}

/// All of them.
#[derive(Debug)]
pub struct Exceptions(Vec<Exception>);

impl Exceptions {
    /// Reads the file. Panics on a line without a reason.
    pub fn parse(text: &str) -> Exceptions {
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        let one = |line: &str| {
            let of_several_cores = line.starts_with(SEVERAL_CORES);
            let line = line.strip_prefix(SEVERAL_CORES).unwrap_or(line);
            let (unit, rest) = line.split_once(" | ").unwrap_or_else(|| panic!("unit | test | reason: {line}"));
            // Names of tests may hold the separator, reasons may not.
            let (test, reason) = rest.rsplit_once(" | ").unwrap_or_else(|| panic!("unit | test | reason: {line}"));
            Exception { unit: unit.trim().into(), test: test.trim().into(), reason: reason.trim().into(), of_several_cores }
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
        let mut lasting = self.0.iter().filter(|exception| !exception.of_several_cores);
        lasting.find(matching).map(|exception| exception.reason.as_str())
    }

    /// The names of a unit's tests that may fail.
    pub fn of(&self, unit: &str) -> impl Iterator<Item = &str> {
        self.listed(unit, false)
    }

    /// The names of a unit's tests that are not run with several cores.
    pub fn of_several_cores(&self, unit: &str) -> impl Iterator<Item = &str> {
        self.listed(unit, true)
    }

    fn listed(&self, unit: &str, of_several_cores: bool) -> impl Iterator<Item = &str> {
        let of_unit = move |exception: &&Exception| exception.unit == unit && exception.test != WHOLE_UNIT;
        let listed = self.0.iter().filter(of_unit).filter(move |exception| exception.of_several_cores == of_several_cores);
        listed.map(|exception| exception.test.as_str())
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

    #[test]
    fn what_is_left_out_with_several_cores_may_not_fail_with_one() {
        let list = Exceptions::parse("several cores: unit/a | x | a race\nunit/a | y | why\n");
        assert_eq!((list.reason("unit/a", "x"), list.reason("unit/a", "y")), (None, Some("why")));
        assert_eq!(list.of("unit/a").collect::<Vec<_>>(), ["y"]);
        assert_eq!(list.of_several_cores("unit/a").collect::<Vec<_>>(), ["x"]);
    }
}
