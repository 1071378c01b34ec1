//! Configuration files: read, written anew, and read again.

use koltso::config::Config;

use super::{Target, kind_of, nothing_to_mend, signature};
use crate::Seed;

pub const CONFIG: Target = Target { name: "config", samples, words: WORDS, mend: nothing_to_mend, run };

const WORDS: &[&[u8]] = &[
    b"\n",
    b" ",
    b"\"",
    b"'",
    b"\\x00",
    b"#",
    b"port ",
    b"save ",
    b"save \"\"",
    b"maxmemory ",
    b"100mb",
    b"1G",
    b"-1",
    b"99999999999999999999",
    b"yes",
    b"no",
    b"replicaof ",
    b"slaveof no one",
    b"client-output-buffer-limit ",
    b"slave 256mb 64mb 60",
    b"requirepass ",
    b"rename-command ",
    b"list-max-ziplist-size ",
    b"bind ",
    b"dir ",
    b"dbfilename ",
];

fn samples() -> Vec<Vec<u8>> {
    let samples: [&[u8]; 5] = [
        b"# a comment\nport 6380\nbind 127.0.0.1 -::1\nreplicaof 10.0.0.1 6379\nmasterauth \"s\\x41 \"\n",
        b"save 900 1\nsave 300 10 60 10000\nmaxmemory 1gb\nmaxmemory-policy allkeys-lru\nappendonly no\n",
        b"client-output-buffer-limit slave 512mb 128mb 60\nclient-output-buffer-limit normal 0 0 0 pubsub 32mb 8mb 60\n",
        b"slave-read-only yes\nslave-serve-stale-data no\nrepl-backlog-size 1mb\nrepl-timeout 60\ndatabases 16\n",
        b"requirepass 'a b'\nhash-max-ziplist-entries 512\nlist-max-listpack-size -2\nlogfile \"\"\nloglevel notice\n",
    ];
    samples.iter().map(|sample| sample.to_vec()).collect()
}

fn run(text: &[u8], _: &mut Seed) -> u64 {
    // Other files are not part of the input.
    if text.to_ascii_lowercase().windows(7).any(|word| word == b"include") {
        return 0;
    }
    let mut config = Config::default();
    if let Err(error) = config.read_text(text) {
        return signature(kind_of(error).lines().last().map(str::to_string));
    }
    let written = config.rewritten(text);
    let mut again = Config::default();
    if let Err(error) = again.read_text(&written) {
        panic!("what was written cannot be read: {error}\n{}", written.escape_ascii());
    }
    let (before, after) = (config.get(&["*"]), again.get(&["*"]));
    for (before, after) in before.iter().zip(&after) {
        assert_eq!(show(before), show(after), "written as {}", written.escape_ascii());
    }
    let changed = Config::default().get(&["*"]).iter().zip(&before).filter(|(default, set)| default != set).count();
    signature(changed)
}

fn show((name, value): &(&str, Vec<u8>)) -> String {
    format!("{name} {}", value.escape_ascii())
}
