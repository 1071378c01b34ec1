//! Writing sections: headings, and lines `name:value` that end with CR and LF.

use std::fmt::{Display, Write};

/// The text of some sections.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    text: String,
}

impl Report {
    /// Begins a section; an empty line stands between two.
    pub fn section(&mut self, title: &str) {
        if !self.text.is_empty() {
            self.text.push_str("\r\n");
        }
        let _ = write!(self.text, "# {title}\r\n");
    }

    /// A field. Nothing in a value can end its line early.
    pub fn put(&mut self, name: &str, value: impl Display) {
        let _ = write!(self.text, "{name}:");
        let start = self.text.len();
        let _ = write!(self.text, "{value}");
        if self.text[start..].contains(['\r', '\n']) {
            let clean = self.text[start..].replace(['\r', '\n'], " ");
            self.text.truncate(start);
            self.text.push_str(&clean);
        }
        self.text.push_str("\r\n");
    }

    /// A number of bytes, and the same for people under the name with `_human`.
    pub fn put_bytes(&mut self, name: &str, bytes: u64) {
        self.put(name, bytes);
        self.put(&format!("{name}_human"), human(bytes));
    }

    /// A truth value as 0 or 1.
    pub fn put_flag(&mut self, name: &str, value: bool) {
        self.put(name, u8::from(value));
    }

    /// A section that was written elsewhere.
    pub fn append(&mut self, section: Option<&Report>) {
        let Some(section) = section.filter(|section| !section.text.is_empty()) else { return };
        if !self.text.is_empty() {
            self.text.push_str("\r\n");
        }
        self.text.push_str(&section.text);
    }

    /// What was written.
    pub fn into_text(self) -> String {
        self.text
    }
}

/// A number of bytes for people: with two decimals and a unit.
pub fn human(bytes: u64) -> String {
    let units = ["K", "M", "G", "T", "P"];
    if bytes < 1024 {
        return format!("{bytes}B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < units.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.2}{}", units[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_are_apart_and_values_stay_on_their_line() {
        let mut report = Report::default();
        report.section("One");
        report.put("name", "a\r\nb:c");
        let mut other = Report::default();
        other.section("Two");
        report.append(Some(&other));
        report.append(Some(&Report::default()));
        assert_eq!(report.into_text(), "# One\r\nname:a  b:c\r\n\r\n# Two\r\n");
    }

    #[test]
    fn amounts_for_people() {
        let amounts = [(0, "0B"), (1023, "1023B"), (1024, "1.00K"), (916_632, "895.15K"), (25_276_502_016, "23.54G")];
        for (bytes, expected) in amounts {
            assert_eq!(human(bytes), expected);
        }
    }
}
