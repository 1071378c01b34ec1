//! INFO as fields.

use std::collections::BTreeMap;

/// The parsed text of INFO. Missing fields panic by name, which is what a test wants.
#[derive(Debug, Clone)]
pub struct Info {
    fields: BTreeMap<String, String>,
}

impl Info {
    /// Parses `field:value` lines; section headers and empty lines are skipped.
    pub fn parse(text: &str) -> Info {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let pairs = lines.filter_map(|line| line.trim_end().split_once(':'));
        Info { fields: pairs.map(|(name, value)| (name.to_string(), value.to_string())).collect() }
    }

    /// The field if it is there.
    pub fn find(&self, field: &str) -> Option<&str> {
        self.fields.get(field).map(String::as_str)
    }

    /// The field's text.
    #[track_caller]
    pub fn text(&self, field: &str) -> &str {
        self.find(field).unwrap_or_else(|| panic!("INFO has no {field}: {:?}", self.fields))
    }

    /// The field as a number.
    #[track_caller]
    pub fn int(&self, field: &str) -> i64 {
        let text = self.text(field);
        text.parse().unwrap_or_else(|_| panic!("INFO's {field} is not a number: {text}"))
    }

    /// The `slaveN` lines as their own fields (ip, port, state, offset, lag), in order.
    pub fn replicas(&self) -> Vec<BTreeMap<String, String>> {
        let lines = (0..).map_while(|n| self.find(&format!("slave{n}")));
        let split = |line: &str| {
            let pairs = line.split(',').filter_map(|pair| pair.split_once('='));
            pairs.map(|(name, value)| (name.to_string(), value.to_string())).collect()
        };
        lines.map(split).collect()
    }
}
