//! Which sections there are, and which of them `INFO` is asked for.

/// A section. The order is that of the reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is the INFO section of that name")]
pub enum Section {
    Server,
    Clients,
    Memory,
    Persistence,
    Stats,
    Replication,
    Cpu,
    Modules,
    CommandStats,
    ErrorStats,
    LatencyStats,
    Cluster,
    Keyspace,
}

/// All sections with the names they are asked for by, and whether they are shown without being asked for.
const ALL: &[(&str, Section, bool)] = &[
    ("server", Section::Server, true),
    ("clients", Section::Clients, true),
    ("memory", Section::Memory, true),
    ("persistence", Section::Persistence, true),
    ("stats", Section::Stats, true),
    ("replication", Section::Replication, true),
    ("cpu", Section::Cpu, true),
    ("modules", Section::Modules, true),
    ("commandstats", Section::CommandStats, false),
    ("errorstats", Section::ErrorStats, true),
    ("latencystats", Section::LatencyStats, false),
    ("cluster", Section::Cluster, true),
    ("keyspace", Section::Keyspace, true),
];

/// A set of sections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sections(u32);

impl Sections {
    /// Those that are meant by the arguments of `INFO`, without case: names, `default`, `all` and `everything`. Without
    /// arguments, the default ones. Unknown names are no sections.
    pub fn asked<'a>(names: impl ExactSizeIterator<Item = &'a [u8]>) -> Self {
        if names.len() == 0 {
            return Self::default_ones();
        }
        let mut asked = Sections::default();
        for name in names {
            if name.eq_ignore_ascii_case(b"default") {
                asked.0 |= Self::default_ones().0;
            } else if name.eq_ignore_ascii_case(b"all") || name.eq_ignore_ascii_case(b"everything") {
                ALL.iter().for_each(|(_, section, _)| asked.insert(*section));
            } else if let Some((_, section, _)) = ALL.iter().find(|(known, ..)| known.as_bytes().eq_ignore_ascii_case(name)) {
                asked.insert(*section);
            }
        }
        asked
    }

    /// This one alone.
    pub fn only(section: Section) -> Self {
        let mut sections = Sections::default();
        sections.insert(section);
        sections
    }

    /// All of them but this one.
    pub fn all_but(section: Section) -> Self {
        let mut sections = Sections::default();
        ALL.iter().filter(|(_, other, _)| *other != section).for_each(|(_, other, _)| sections.insert(*other));
        sections
    }

    fn default_ones() -> Self {
        let mut sections = Sections::default();
        ALL.iter().filter(|(.., shown)| *shown).for_each(|(_, section, _)| sections.insert(*section));
        sections
    }

    fn insert(&mut self, section: Section) {
        self.0 |= 1 << section as u32;
    }

    /// Whether this one is in.
    pub fn has(self, section: Section) -> bool {
        self.0 >> section as u32 & 1 == 1
    }

    /// In the order of the reply.
    pub fn iter(self) -> impl Iterator<Item = Section> {
        ALL.iter().map(|(_, section, _)| *section).filter(move |section| self.has(*section))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(names: &[&str]) -> Vec<Section> {
        Sections::asked(names.iter().map(|name| name.as_bytes())).iter().collect()
    }

    #[test]
    fn sections_come_in_their_order_however_they_are_asked_for() {
        assert_eq!(asked(&["KEYSPACE", "replication", "nonsense", "keyspace"]), [Section::Replication, Section::Keyspace]);
        assert_eq!(asked(&["nonsense"]), []);
    }

    #[test]
    fn tables_of_commands_are_shown_only_when_asked_for() {
        let default = asked(&[]);
        assert_eq!(default, asked(&["default"]));
        assert!(default.contains(&Section::Keyspace) && !default.contains(&Section::CommandStats));
        assert_eq!(asked(&["all"]).len(), ALL.len());
        assert_eq!(asked(&["default", "commandstats"]).len(), default.len() + 1);
    }
}
