//! LATENCY: spikes longer than `latency-monitor-threshold`, remembered and explained.
//!
//! What is timed is commands whose running time is not constant; they are the event `command`.

pub mod monitor;

use super::container::{self, Subcommands};
use crate::connection::{OwnedRequest, Token};
use crate::core::Core;
use crate::dispatch::registry::ServerHandler;
use crate::info::tables::summed;
use monitor::Monitor;

pub const HANDLERS: &[(&str, ServerHandler)] = &[("latency", latency)];

const SUBCOMMANDS: Subcommands = &[
    ("doctor", doctor),
    ("graph", graph),
    ("histogram", histogram),
    ("history", history),
    ("latest", latest),
    ("reset", reset),
];

const HELP: &[&str] = &[
    "DOCTOR",
    "    What was recorded, in words.",
    "GRAPH <event>",
    "    The samples of an event as bars.",
    "HISTOGRAM [<command> ...]",
    "    How many calls took how many microseconds at most.",
    "HISTORY <event>",
    "    The samples of an event: time and milliseconds.",
    "LATEST",
    "    The last sample of each event, and the worst ever.",
    "RESET [<event> ...]",
    "    Forget the samples of these events, or of all.",
];

fn latency(core: &mut Core, token: Token, request: &OwnedRequest) {
    container::run(core, token, request, SUBCOMMANDS, HELP);
}

fn latest(core: &mut Core, token: Token, _: &OwnedRequest) {
    let monitor = core.shared.latency().clone();
    core.reply(token, |reply| {
        reply.array(monitor.events().len());
        for (name, event) in monitor.events() {
            reply.array(4);
            reply.bulk(name.as_bytes());
            reply.int(event.last().at_s as i64);
            reply.int(event.last().took_ms as i64);
            reply.int(event.worst_ms as i64);
        }
    });
}

fn history(core: &mut Core, token: Token, request: &OwnedRequest) {
    let event = core.shared.latency().get(request.args().get(2)).cloned().unwrap_or_default();
    core.reply(token, |reply| {
        reply.array(event.samples.len());
        for sample in &event.samples {
            reply.array(2);
            reply.int(sample.at_s as i64);
            reply.int(sample.took_ms as i64);
        }
    });
}

fn graph(core: &mut Core, token: Token, request: &OwnedRequest) {
    let name = String::from_utf8_lossy(request.args().get(2)).into_owned();
    let event = core.shared.latency().get(name.as_bytes()).cloned();
    match event {
        Some(event) => {
            let text = event.graph(&name, core.exec.now.0 / 1000);
            core.reply(token, |reply| reply.verbatim(b"txt", text.as_bytes()));
        }
        None => core.refuse(token, &format!("ERR No samples available for event '{name}'")),
    }
}

fn reset(core: &mut Core, token: Token, request: &OwnedRequest) {
    let count = core.shared.latency().forget(request.args().from(2));
    core.reply(token, |reply| reply.len(count));
}

/// Of all commands that were ever run, or of these; a command that has subcommands stands for all of them.
fn histogram(core: &mut Core, token: Token, request: &OwnedRequest) {
    let wanted: Vec<Vec<u8>> = request.args().from(2).map(<[u8]>::to_ascii_lowercase).collect();
    let is_wanted = move |name: &str| {
        let family = name.split('|').next().unwrap_or_default();
        wanted.is_empty() || wanted.iter().any(|word| [name, family].iter().any(|name| name.as_bytes() == word))
    };
    core.gather(
        token,
        |core| core.exec.tally.commands(),
        move |_, parts, reply| {
            let mut commands = summed(parts.iter().flatten());
            commands.retain(|name, tally| tally.spread.is_some() && is_wanted(name));
            reply.map(commands.len());
            for (name, tally) in &commands {
                reply.bulk(name.as_bytes());
                reply.map(2);
                reply.bulk(b"calls");
                reply.int(tally.calls as i64);
                reply.bulk(b"histogram_usec");
                let spread = tally.cumulated();
                reply.map(spread.len());
                for (us, count) in spread {
                    reply.int(us as i64);
                    reply.int(count as i64);
                }
            }
        },
    );
}

fn doctor(core: &mut Core, token: Token, _: &OwnedRequest) {
    let threshold_ms = core.exec.config.latency_monitor_threshold;
    let text = report(&core.shared.latency(), threshold_ms);
    core.reply(token, |reply| reply.verbatim(b"txt", text.as_bytes()));
}

fn report(monitor: &Monitor, threshold_ms: u64) -> String {
    if threshold_ms == 0 && monitor.events().len() == 0 {
        return "Latency is not being watched. Set latency-monitor-threshold to the number of milliseconds from which on a \
                command counts as slow, and ask again later.\n"
            .to_string();
    }
    if monitor.events().len() == 0 {
        return format!("Nothing has taken {threshold_ms} milliseconds or longer.\n");
    }
    let mut text = String::new();
    for (name, event) in monitor.events() {
        let count = event.samples.len() as u64;
        let mean_ms = event.samples.iter().map(|sample| sample.took_ms).sum::<u64>() / count.max(1);
        text.push_str(&format!(
            "{name}: {count} spikes remembered, {mean_ms} ms on average, the worst ever {} ms.\n",
            event.worst_ms
        ));
    }
    text.push_str("SLOWLOG GET shows which commands they were, if slowlog-log-slower-than is low enough.\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use monitor::Sample;

    #[test]
    fn the_report_says_whether_anybody_is_watching() {
        let mut monitor = Monitor::default();
        assert!(report(&monitor, 0).contains("latency-monitor-threshold"));
        assert!(report(&monitor, 100).contains("100 milliseconds"));
        monitor.note("command", Sample { at_s: 1, took_ms: 20 });
        monitor.note("command", Sample { at_s: 2, took_ms: 40 });
        assert!(report(&monitor, 0).starts_with("command: 2 spikes remembered, 30 ms on average, the worst ever 40 ms."));
    }
}
