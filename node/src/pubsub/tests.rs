//! Who is told of a message, and what he reads.

use super::{Directory, Frame, Interest, Kind};
use crate::connection::{Output, Token};
use crate::pubsub::posting::with_line_end;

fn token(index: u32) -> Token {
    Token { index, generation: 1 }
}

#[test]
fn the_first_and_the_last_subscriber_to_a_name_are_told_apart() {
    let mut directory = Directory::default();
    assert!(directory.add(Kind::Channel, b"a", token(1)).1);
    assert!(!directory.add(Kind::Channel, b"a", token(2)).1);
    assert!(directory.add(Kind::Shard, b"a", token(1)).1);
    assert_eq!(directory.listeners(Kind::Channel, b"a").unwrap().len(), 2);
    assert!(!directory.remove(Kind::Channel, b"a", token(1)));
    assert!(!directory.remove(Kind::Channel, b"b", token(1)));
    assert!(directory.remove(Kind::Channel, b"a", token(2)));
    assert!(directory.listeners(Kind::Channel, b"a").is_none());
    assert!(directory.listeners(Kind::Shard, b"a").is_some());
}

#[test]
fn patterns_want_every_channel_but_no_shard_channel() {
    let interest = Interest::default();
    assert!(!interest.may_want(Kind::Channel, b"a"));
    interest.add(Kind::Pattern, b"x*");
    assert!(interest.may_want(Kind::Channel, b"a") && !interest.may_want(Kind::Shard, b"a"));
    interest.remove(Kind::Pattern, b"x*");
    interest.add(Kind::Shard, b"a");
    assert!(!interest.may_want(Kind::Channel, b"a") && interest.may_want(Kind::Shard, b"a"));
}

#[test]
fn short_and_long_messages_read_the_same_in_both_protocols() {
    for len in [0, 5, 3000] {
        let message = vec![b'x'; len];
        let mut frame = Frame::default();
        frame.fill(&[b"message", b"chan"], &with_line_end(&message));
        for resp3 in [false, true] {
            let mut output = Output::default();
            output.reply.resp3 = resp3;
            output.reply.raw(b"+OK\r\n");
            frame.put(&mut output);
            output.reply.raw(b":1\r\n");
            let kind = if resp3 { '>' } else { '*' };
            let text = String::from_utf8(message.clone()).unwrap();
            let one = format!("{kind}3\r\n$7\r\nmessage\r\n$4\r\nchan\r\n${len}\r\n{text}\r\n");
            assert_eq!(output.len(), one.len() + 9);
            assert_eq!(String::from_utf8(output.waiting()).unwrap(), format!("+OK\r\n{one}:1\r\n"));
            assert_eq!(String::from_utf8(frame.to_vec(resp3)).unwrap(), one);
        }
    }
}
