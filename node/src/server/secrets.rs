//! Arguments that are nobody's to see: passwords, and the rules of users. The slow log and `MONITOR` show `(redacted)` in their place.

use crate::config::Config;
use crate::connection::OwnedRequest;
use koltso_proto::resp::Args;

const REDACTED: &[u8] = b"(redacted)";

/// The request without its secrets; `None` if it has none.
pub fn without_secrets(request: &OwnedRequest) -> Option<OwnedRequest> {
    let args = request.args();
    let secret = secrets(args);
    if secret.is_empty() {
        return None;
    }
    let shown = |(at, arg)| if secret.contains(&at) { REDACTED } else { arg };
    let words: Vec<&[u8]> = args.from(0).enumerate().map(shown).collect();
    Some(OwnedRequest::from_words(&words))
}

/// The positions of what is secret.
fn secrets(args: Args<'_>) -> Vec<usize> {
    let is = |at: usize, word: &str| at < args.len() && args.is(at, word);
    if is(0, "AUTH") {
        return (1..args.len()).collect();
    }
    if is(0, "ACL") && is(1, "SETUSER") {
        return (2..args.len()).collect();
    }
    if is(0, "CONFIG") && is(1, "SET") {
        return (3..args.len()).step_by(2).filter(|&at| Config::is_secret(args.get(at - 1))).collect();
    }
    let (from, words): (usize, &[(&str, usize)]) = match () {
        () if is(0, "HELLO") => (2, &[("AUTH", 2), ("SETNAME", 0)]),
        () if is(0, "MIGRATE") => (6, &[("AUTH", 1), ("AUTH2", 2)]),
        () => return Vec::new(),
    };
    let mut found = Vec::new();
    let mut at = from;
    while at < args.len() && !(is(0, "MIGRATE") && is(at, "KEYS")) {
        if let Some((_, count)) = words.iter().find(|(word, _)| args.is(at, word)) {
            found.extend((at + 1..=at + count).filter(|&at| at < args.len()));
            at += (*count).max(usize::from(is(0, "HELLO")));
        }
        at += 1;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_secret_is_not_shown() {
        for (line, shown) in [
            ("AUTH pwd", "AUTH (redacted)"),
            ("auth bob pwd", "auth (redacted) (redacted)"),
            ("HELLO 3 AUTH bob pwd SETNAME auth", "HELLO 3 AUTH (redacted) (redacted) SETNAME auth"),
            ("HELLO 3 SETNAME auth AUTH a b", "HELLO 3 SETNAME auth AUTH (redacted) (redacted)"),
            ("ACL SETUSER bob on >pwd", "ACL SETUSER (redacted) (redacted) (redacted)"),
            (
                "CONFIG SET maxmemory 1 requirepass pwd masterauth x",
                "CONFIG SET maxmemory 1 requirepass (redacted) masterauth (redacted)",
            ),
            ("MIGRATE h 1 k 0 5 AUTH pwd", "MIGRATE h 1 k 0 5 AUTH (redacted)"),
            ("MIGRATE h 1 k 0 5 COPY AUTH2 bob pwd KEYS", "MIGRATE h 1 k 0 5 COPY AUTH2 (redacted) (redacted) KEYS"),
            ("MIGRATE h 1 k 0 5 AUTH KEYS KEYS auth a", "MIGRATE h 1 k 0 5 AUTH (redacted) KEYS auth a"),
        ] {
            let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
            let request = without_secrets(&OwnedRequest::from_words(&words)).unwrap();
            let words: Vec<_> = request.args().from(0).map(String::from_utf8_lossy).collect();
            assert_eq!(words.join(" "), shown);
        }
        for line in ["SET auth x", "CONFIG SET maxmemory 1", "CONFIG GET requirepass", "ACL WHOAMI", "HELLO 3", "HELLO", "AUTH"]
        {
            let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
            assert!(without_secrets(&OwnedRequest::from_words(&words)).is_none(), "{line}");
        }
    }
}
