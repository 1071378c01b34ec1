//! The README's table of commands is what the command table and a running node say. `KOLTSO_REWRITE=1` writes it anew:
//!
//! ```sh
//! cargo build -p koltso && KOLTSO_REWRITE=1 cargo test -p koltso-tests --test readme
//! ```

use koltso_proto::command::syntax::{Argument, Kind};
use koltso_proto::command::{CommandSpec, Group, all};
use koltso_tests::{Kind as Node, Server};
use std::collections::BTreeSet;
use std::path::Path;

const START: &str = "<!-- The commands, as tests/tests/readme.rs writes them. -->\n";
const END: &str = "<!-- The end of the commands. -->\n";

fn groups() -> Vec<Group> {
    let mut groups = Vec::new();
    for spec in all() {
        if !groups.contains(&spec.group) {
            groups.push(spec.group);
        }
    }
    groups
}

/// The words of a shortest invocation, valid as far as the syntax says.
fn invocation(arguments: &[Argument], words: &mut Vec<String>) {
    for argument in arguments.iter().filter(|argument| !argument.optional) {
        words.extend(argument.token.map(String::from));
        match argument.kind {
            Kind::PureToken => {}
            Kind::OneOf => invocation(&argument.inner[..1], words),
            Kind::Block => invocation(&argument.inner, words),
            _ => words.push("1".into()),
        }
    }
}

/// Whether a node does anything at all for a subcommand.
fn knows(server: &Server, spec: &CommandSpec) -> bool {
    let mut words: Vec<String> = spec.name.split('|').map(String::from).collect();
    invocation(&spec.arguments(), &mut words);
    let reply = server.client().cmd(&words);
    let refuses = |error: &str| error.starts_with("ERR unknown subcommand") || error.contains("is not supported");
    !(reply.is_error() && refuses(reply.error()))
}

fn table(server: &Server) -> String {
    let there: BTreeSet<String> = server.client().must(&["COMMAND", "LIST"]).items().iter().map(|name| name.text()).collect();
    let mut text = String::from("| group | commands | not there |\n|---|---|---|\n");
    for group in groups() {
        let (mut known, mut missing) = (Vec::new(), Vec::new());
        for spec in all().iter().filter(|spec| spec.group == group) {
            if !there.contains(spec.name) {
                missing.push(spec.name.to_uppercase());
                continue;
            }
            known.push(spec.name.to_uppercase());
            let unknown = spec.subcommands().iter().filter(|sub| !knows(server, sub));
            missing.extend(unknown.map(|sub| sub.name.replace('|', " ").to_uppercase()));
        }
        let line = |mut names: Vec<String>| {
            names.sort();
            names.join(" · ")
        };
        text += &format!("| {} | {} | {} |\n", group.name(), line(known), line(missing));
    }
    text
}

#[test]
fn the_table_of_commands_is_what_the_node_can_run() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = std::fs::read_to_string(&path).expect("the README");
    let (before, rest) = readme.split_once(START).expect("where the table starts");
    let (written, after) = rest.split_once(END).expect("where the table ends");
    let table = table(&Server::start(Node::Koltso { cores: 1 }));
    if std::env::var_os("KOLTSO_REWRITE").is_some() {
        std::fs::write(&path, [before, START, &table, END, after].concat()).expect("write the README");
        return;
    }
    assert!(written == table, "the README's table of commands is out of date: write it anew with KOLTSO_REWRITE=1\n{table}");
}
