//! Consumer groups, to which DEBUG DIGEST is blind.

use crate::{Client, Value};

/// What a reply of `XINFO` says under a name.
#[track_caller]
fn field(info: &Value, name: &str) -> Value {
    let items = info.items();
    let at = items.iter().position(|item| matches!(item, Value::Bulk(text) if text == name.as_bytes()));
    items[at.unwrap_or_else(|| panic!("no {name} in {info:?}")) + 1].clone()
}

/// Every group of every stream, as lines: how far it has read, and which entries are pending with whom. How often and when they were
/// delivered is not told to replicas when a consumer looks at its own again. `with_counts` adds how many entries a group has read,
/// which redis-server does not tell its replicas each time. The client is left in database 0.
#[track_caller]
pub fn groups(client: &mut Client, with_counts: bool) -> Vec<String> {
    let mut lines = Vec::new();
    for db in 0..16 {
        client.must(&["SELECT", &db.to_string()]);
        let mut keys = client.must(&["KEYS", "*"]).items();
        keys.sort();
        for key in keys {
            if client.must(&[b"TYPE".as_slice(), key.bytes()]).text() != "stream" {
                continue;
            }
            let info = client.must(&[b"XINFO".as_slice(), b"STREAM", key.bytes(), b"FULL", b"COUNT", b"0"]);
            for name in ["last-generated-id", "max-deleted-entry-id", "entries-added", "recorded-first-entry-id"] {
                lines.push(format!("{db} {key:?} {name} {:?}", field(&info, name)));
            }
            for group in field(&info, "groups").items() {
                let names: &[&str] = if with_counts { &["last-delivered-id", "entries-read"] } else { &["last-delivered-id"] };
                let facts: Vec<Value> = names.iter().map(|name| field(&group, name)).collect();
                let pending = field(&group, "pending").items();
                let pending: Vec<Vec<Value>> = pending.iter().map(|entry| entry.items()[..2].to_vec()).collect();
                lines.push(format!("{db} {key:?} group {:?} {facts:?} {pending:?}", field(&group, "name")));
            }
        }
    }
    client.must(&["SELECT", "0"]);
    lines
}
