//! The table as `COMMAND DOCS` replies. What is empty is left out, as in redis-server 7.0.

use super::CommandSpec;
use super::info::{Sink, statuses};
use super::syntax::Argument;

/// One pair of `COMMAND DOCS`: the name and what is documented about it.
pub fn docs(spec: &CommandSpec, out: &mut impl Sink) {
    let (subcommands, arguments) = (spec.subcommands(), spec.arguments());
    let optional = [
        !spec.complexity.is_empty(),
        doc_flags(spec).next().is_some(),
        spec.deprecated.is_some(),
        spec.deprecated.is_some(),
        spec.history().next().is_some(),
        !arguments.is_empty(),
        !subcommands.is_empty(),
    ];
    out.bulk(spec.name.as_bytes());
    out.map(3 + count(&optional));
    text("summary", Some(spec.summary), out);
    text("since", Some(spec.since), out);
    text("group", Some(spec.group.name()), out);
    text("complexity", Some(spec.complexity).filter(|text| !text.is_empty()), out);
    flags(doc_flags(spec), "doc_flags", out);
    text("deprecated_since", spec.deprecated.map(|deprecated| deprecated.since), out);
    text("replaced_by", spec.deprecated.map(|deprecated| deprecated.instead), out);
    history(spec, out);
    list(&arguments, out);
    if !subcommands.is_empty() {
        out.bulk(b"subcommands");
        out.map(subcommands.len());
        subcommands.iter().for_each(|sub| docs(sub, out));
    }
}

fn doc_flags(spec: &CommandSpec) -> impl Iterator<Item = &'static str> + Clone {
    let deprecated = spec.deprecated.map(|_| "deprecated");
    deprecated.into_iter().chain(spec.internal.then_some("syscmd"))
}

fn history(spec: &CommandSpec, out: &mut impl Sink) {
    let changes = spec.history();
    if changes.clone().next().is_none() {
        return;
    }
    out.bulk(b"history");
    out.set(changes.clone().count());
    for (since, change) in changes {
        out.array(2);
        out.bulk(since.as_bytes());
        out.bulk(change.as_bytes());
    }
}

fn list(arguments: &[Argument], out: &mut impl Sink) {
    if arguments.is_empty() {
        return;
    }
    out.bulk(b"arguments");
    out.array(arguments.len());
    arguments.iter().for_each(|one| argument(one, out));
}

fn argument(argument: &Argument, out: &mut impl Sink) {
    let optional = [
        argument.key_spec.is_some(),
        argument.token.is_some(),
        argument.since.is_some(),
        argument.deprecated_since.is_some(),
        argument_flags(argument).next().is_some(),
        !argument.inner.is_empty(),
    ];
    out.map(2 + count(&optional));
    text("name", Some(&argument.name), out);
    text("type", Some(argument.kind.name()), out);
    if let Some(key_spec) = argument.key_spec {
        out.bulk(b"key_spec_index");
        out.int(key_spec.into());
    }
    text("token", argument.token, out);
    text("since", argument.since, out);
    text("deprecated_since", argument.deprecated_since, out);
    flags(argument_flags(argument), "flags", out);
    list(&argument.inner, out);
}

fn argument_flags(argument: &Argument) -> impl Iterator<Item = &'static str> + Clone {
    let flags = [(argument.optional, "optional"), (argument.multiple, "multiple"), (argument.multiple_token, "multiple_token")];
    flags.into_iter().filter_map(|(set, name)| set.then_some(name))
}

fn flags(names: impl Iterator<Item = &'static str> + Clone, name: &str, out: &mut impl Sink) {
    if names.clone().next().is_some() {
        out.bulk(name.as_bytes());
        statuses(names, out);
    }
}

fn text(name: &str, value: Option<&str>, out: &mut impl Sink) {
    if let Some(value) = value {
        out.bulk(name.as_bytes());
        out.bulk(value.as_bytes());
    }
}

fn count(there: &[bool]) -> usize {
    there.iter().filter(|there| **there).count()
}
