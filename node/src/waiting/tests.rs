//! What waits for which keys, and what is run when one is ready.

use super::{Asking, Waiter, Wanted};
use crate::connection::{OwnedRequest, Token};
use crate::dispatch::shard_set::ShardSet;
use koltso_proto::id::DbIndex;

fn waiter(line: &str) -> Waiter {
    let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
    let request = OwnedRequest::from_words(&words);
    let name = line.split(' ').next().unwrap().to_lowercase();
    let wanted = Wanted::of(&name, &request).unwrap();
    let token = Token { index: 0, generation: 0 };
    let asking = Asking {
        ticket: 1,
        core: 0,
        token,
        command: 0,
        request,
        db: DbIndex(0),
        resp3: false,
        no_touch: false,
        tracker: None,
        remembers: false,
    };
    // The shard of a key is the number it begins with.
    Waiter::new(asking, &wanted, |key| usize::from(key[0] - b'0'))
}

#[test]
fn a_waiter_is_served_with_the_key_that_is_ready_alone() {
    for (line, key, run, shards, needs) in [
        ("BLPOP 0a 1b 5", "1b", "BLPOP 1b 0", 0b11, 0),
        ("bzpopmax 2a 0", "2a", "bzpopmax 2a 0", 0b100, 0),
        ("BLMPOP 0.5 2 0a 1b LEFT COUNT 3", "0a", "BLMPOP 0 1 0a LEFT COUNT 3", 0b11, 0),
        ("BZMPOP 1 1 1b MIN", "1b", "BZMPOP 0 1 1b MIN", 0b10, 0),
        ("BLMOVE 0a 1b LEFT RIGHT 7", "0a", "BLMOVE 0a 1b LEFT RIGHT 7", 0b1, 0b11),
        ("BRPOPLPUSH 0a 0b 7", "0a", "BRPOPLPUSH 0a 0b 7", 0b1, 0b1),
        ("XREAD COUNT 9 STREAMS 0a 1b 1-1 2-2", "1b", "XREAD COUNT 9 STREAMS 1b 2-2", 0b11, 0),
        ("XREADGROUP GROUP g c COUNT 9 STREAMS 0a >", "0a", "XREADGROUP GROUP g c COUNT 9 STREAMS 0a >", 0b1, 0),
        (
            "XREADGROUP GROUP g c COUNT 9 NOACK STREAMS 0a 1b > >",
            "0a",
            "XREADGROUP GROUP g c COUNT 9 NOACK STREAMS 0a >",
            0b11,
            0,
        ),
    ] {
        let waiter = waiter(line);
        let name = line.split(' ').next().unwrap().to_lowercase();
        let request = waiter.request_for(&name, key.as_bytes());
        let words: Vec<String> = request.args().from(0).map(|word| String::from_utf8_lossy(word).into_owned()).collect();
        assert_eq!(words.join(" "), run);
        assert_eq!((waiter.shards, waiter.needs), (ShardSet(shards), ShardSet(needs)), "{line}");
    }
}

#[test]
fn a_wait_is_ended_once() {
    let waiter = waiter("BLPOP 0a 0");
    assert!(waiter.claim());
    assert!(!waiter.claim());
}
