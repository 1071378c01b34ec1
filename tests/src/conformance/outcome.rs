//! What `runtest` prints, line by line, as a list of tests and their verdicts.

/// A test that could not be named: what failed was the unit's code between tests, or the run itself.
pub const OUTSIDE: &str = "(outside of the tests)";

/// How a test ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// `[ok]`
    Passed,
    /// `[err]` or `[exception]`, with what is said about it
    Failed(String),
}

/// One test that was run. Names are unique only within most units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Test {
    /// As the suite names it.
    pub name: String,
    /// How it ended.
    pub verdict: Verdict,
}

/// A run of one unit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// In the order of their ends. Tests that the suite leaves out for their tags are not among them.
    pub tests: Vec<Test>,
    /// True if the unit came to its end.
    pub done: bool,
}

impl Outcome {
    /// Reads the output of a run of one unit.
    pub fn parse(output: &str) -> Outcome {
        let mut outcome = Outcome::default();
        // Failures have more lines; they go on until the next line that says something else.
        let mut open = false;
        for line in output.lines().map(without_colours) {
            if line.trim() == "The End" {
                // All failures are repeated after it.
                break;
            }
            let message = line.strip_prefix('[').and_then(|rest| rest.split_once("]: "));
            let known = message.filter(|(state, _)| !state.contains(' ') || state.ends_with(" done"));
            let Some((state, text)) = known else {
                if open && let Some(Test { verdict: Verdict::Failed(details), .. }) = outcome.tests.last_mut() {
                    details.push('\n');
                    details.push_str(&line);
                }
                continue;
            };
            open = false;
            match state {
                "ok" => outcome.tests.push(Test { name: without_time(text).to_owned(), verdict: Verdict::Passed }),
                "err" | "exception" | "TIMEOUT" => {
                    open = true;
                    outcome.tests.push(failure(text));
                }
                _ if state.ends_with("done") => outcome.done = true,
                _ => {}
            }
        }
        outcome
    }

    /// Adds a failure that is none of the unit's tests.
    pub fn fail(&mut self, why: String) {
        self.tests.push(Test { name: OUTSIDE.into(), verdict: Verdict::Failed(why) });
    }
}

/// `NAME in tests/unit/FILE.tcl`, or the text of an error without a name.
fn failure(text: &str) -> Test {
    match text.rsplit_once(" in tests/") {
        Some((name, file)) if file.ends_with(".tcl") => Test { name: name.to_owned(), verdict: Verdict::Failed(String::new()) },
        _ => Test { name: OUTSIDE.into(), verdict: Verdict::Failed(text.to_owned()) },
    }
}

/// `NAME (12 ms)` without the time.
fn without_time(text: &str) -> &str {
    text.strip_suffix(" ms)").and_then(|text| text.rsplit_once(" (")).map_or(text, |(name, _)| name)
}

/// The line without the terminal's escape sequences.
fn without_colours(line: &str) -> String {
    let mut rest = line;
    let mut plain = String::new();
    while let Some((before, after)) = rest.split_once("\x1b[") {
        plain.push_str(before);
        rest = after.split_once('m').map_or("", |(_, rest)| rest);
    }
    plain + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_names_and_details_are_told_apart() {
        let output = "Testing unit/x\n[ready]: 12\n\x1b[0;32m[ok]: A (b) in [c] (3 ms)\n[ignore]: D: Tag: slow denied\n\
             [err]: E in tests/unit/x.tcl\nExpected '1'\n[list 2]: no\n[err]: command\n    while executing\n\
             [1/1 done]: unit/x (1 seconds)\n\n                   The End\n\n*** [err]: E in tests/unit/x.tcl\n";
        let outcome = Outcome::parse(output);
        let names: Vec<&str> = outcome.tests.iter().map(|test| test.name.as_str()).collect();
        assert_eq!(names, ["A (b) in [c]", "E", OUTSIDE]);
        assert_eq!(outcome.tests[0].verdict, Verdict::Passed);
        assert_eq!(outcome.tests[1].verdict, Verdict::Failed("\nExpected '1'\n[list 2]: no".into()));
        assert!(outcome.done);
    }

    #[test]
    fn a_unit_without_an_end_is_not_done() {
        assert!(!Outcome::parse("[ok]: A (1 ms)\n[TIMEOUT]: clients state report follows.\n").done);
    }
}
