//! Latency spikes: when they were, and how long. Times are in milliseconds, moments in seconds since the epoch.

use std::collections::BTreeMap;

/// Samples kept of an event.
const SAMPLES_MAX: usize = 160;

/// A spike, or the worst of one second's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// When.
    pub at_s: u64,
    /// How long.
    pub took_ms: u64,
}

/// The spikes of one kind of event.
#[derive(Clone, Debug, Default)]
pub struct Event {
    /// The latest, in order.
    pub samples: Vec<Sample>,
    /// The worst ever.
    pub worst_ms: u64,
}

/// The spikes of all events.
#[derive(Clone, Debug, Default)]
pub struct Monitor {
    events: BTreeMap<&'static str, Event>,
}

impl Monitor {
    /// Notes a spike.
    pub fn note(&mut self, event: &'static str, sample: Sample) {
        let event = self.events.entry(event).or_default();
        event.worst_ms = event.worst_ms.max(sample.took_ms);
        match event.samples.last_mut() {
            // A clock that goes back must not put samples out of order.
            Some(last) if last.at_s >= sample.at_s => last.took_ms = last.took_ms.max(sample.took_ms),
            _ => event.samples.push(sample),
        }
        if event.samples.len() > SAMPLES_MAX {
            event.samples.remove(0);
        }
    }

    /// Forgets these events, or all if none is named; says how many there were.
    pub fn forget<'a>(&mut self, names: impl ExactSizeIterator<Item = &'a [u8]>) -> usize {
        let before = self.events.len();
        if names.len() == 0 {
            self.events.clear();
        }
        for name in names {
            self.events.retain(|event, _| !event.as_bytes().eq_ignore_ascii_case(name));
        }
        before - self.events.len()
    }

    /// An event.
    pub fn get(&self, name: &[u8]) -> Option<&Event> {
        self.events.iter().find(|(event, _)| event.as_bytes().eq_ignore_ascii_case(name)).map(|(_, event)| event)
    }

    /// All events.
    pub fn events(&self) -> impl ExactSizeIterator<Item = (&'static str, &Event)> {
        self.events.iter().map(|(name, event)| (*name, event))
    }
}

impl Event {
    /// The last spike.
    pub fn last(&self) -> Sample {
        self.samples.last().copied().unwrap_or(Sample { at_s: 0, took_ms: 0 })
    }

    /// Spikes as bars, a line for each.
    pub fn graph(&self, name: &str, now_s: u64) -> String {
        const WIDTH: u64 = 60;
        let high = self.samples.iter().map(|sample| sample.took_ms).max().unwrap_or(0);
        let low = self.samples.iter().map(|sample| sample.took_ms).min().unwrap_or(0);
        let mut text = format!("{name} - high {high} ms, low {low} ms (all time high {} ms)\n", self.worst_ms);
        for sample in &self.samples {
            let len = (sample.took_ms * WIDTH).checked_div(high).unwrap_or(0).max(1) as usize;
            let ago_s = now_s.saturating_sub(sample.at_s);
            text.push_str(&format!("{ago_s:>7}s ago {} {} ms\n", "#".repeat(len), sample.took_ms));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_has_one_sample_and_the_oldest_make_room() {
        let mut monitor = Monitor::default();
        for (at_s, took_ms) in [(5, 10), (5, 30), (5, 20), (6, 7), (4, 1)] {
            monitor.note("command", Sample { at_s, took_ms });
        }
        let event = monitor.get(b"COMMAND").unwrap();
        assert_eq!(event.samples, [Sample { at_s: 5, took_ms: 30 }, Sample { at_s: 6, took_ms: 7 }]);
        assert_eq!((event.last().took_ms, event.worst_ms), (7, 30));
        for at_s in 10..10 + 2 * SAMPLES_MAX as u64 {
            monitor.note("command", Sample { at_s, took_ms: 1 });
        }
        let event = monitor.get(b"command").unwrap();
        assert_eq!((event.samples.len(), event.worst_ms), (SAMPLES_MAX, 30));
    }

    #[test]
    fn forgetting_counts_what_was_there() {
        let mut monitor = Monitor::default();
        monitor.note("command", Sample { at_s: 1, took_ms: 1 });
        monitor.note("expire-cycle", Sample { at_s: 1, took_ms: 1 });
        assert_eq!(monitor.forget([&b"nothing"[..], b"Command"].into_iter()), 1);
        assert_eq!(monitor.forget([].into_iter()), 1);
        assert_eq!(monitor.events().len(), 0);
    }

    #[test]
    fn a_graph_of_nothing_divides_by_nothing() {
        let event = Event { samples: vec![Sample { at_s: 3, took_ms: 0 }], worst_ms: 0 };
        assert!(event.graph("command", 1).ends_with("0s ago # 0 ms\n"));
    }
}
