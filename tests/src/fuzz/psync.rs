//! What a primary says before a snapshot.

use koltso_proto::psync::{Answer, Framing, Malformed, answer, framing, next_line};

use super::{Target, nothing_to_mend, signature};
use crate::Seed;

pub const PSYNC: Target = Target { name: "psync", samples, words: WORDS, mend: nothing_to_mend, run };

const WORDS: &[&[u8]] = &[
    b"\r\n",
    b"\n",
    b" ",
    b"+FULLRESYNC ",
    b"+CONTINUE",
    b"0123456789abcdef0123456789ABCDEF01234567",
    b"-NOMASTERLINK",
    b"$EOF:",
    b"$",
    b"\x1b[31m",
];

fn samples() -> Vec<Vec<u8>> {
    let id = "0123456789abcdef0123456789abcdef01234567";
    [
        format!("+PONG\r\n+OK\r\n+OK\r\n+FULLRESYNC {id} 1234\r\n\n\n$EOF:{id}\r\nREDIS0009"),
        format!("+FULLRESYNC {id} 0\r\n$175\r\n"),
        format!("+CONTINUE\r\n*1\r\n$4\r\nPING\r\n+CONTINUE {id}\r\n"),
        "-NOMASTERLINK Can't SYNC while not connected with my master\r\n".to_string(),
        "-ERR unknown command 'PSYNC'\r\n$-1\r\n$9223372036854775807\r\n".to_string(),
        "x".repeat(16 * 1024 + 2),
    ]
    .map(String::into_bytes)
    .to_vec()
}

fn run(input: &[u8], seed: &mut Seed) -> u64 {
    let (lines, end) = lines(input, |left| left);
    for most in [1, 7, 2000] {
        let pieces = self::lines(input, |left| 1 + seed.below(left.min(most) as u64) as usize);
        assert_eq!(pieces, (lines.clone(), end.clone()), "in pieces of up to {most}");
    }
    let mut kinds = Vec::new();
    for line in lines.iter().take(64) {
        assert!(!line.is_empty() && !line.contains(&b'\n'));
        let answer = answer(line);
        let framing = framing(line);
        match &answer {
            Ok(Answer::FullResync(id, offset)) => {
                assert_eq!(self::answer(format!("+FULLRESYNC {id} {offset}").as_bytes()), answer);
            }
            Ok(Answer::Continue(Some(id))) => assert_eq!(self::answer(format!("+CONTINUE {id}").as_bytes()), answer),
            Ok(_) => {}
            Err(why) => fit_for_a_log(why),
        }
        match &framing {
            Ok(Framing::Length(len)) => assert_eq!(format!("${len}").as_bytes(), line),
            Ok(Framing::Mark(mark)) => assert!(line.ends_with(mark)),
            Err(why) => fit_for_a_log(why),
        }
        kinds.push((
            answer.as_ref().map(std::mem::discriminant).map_err(|_| line[0]),
            framing.as_ref().map(std::mem::discriminant).map_err(|_| line[0] == b'$'),
        ));
    }
    kinds.sort_unstable_by_key(|kind| signature(kind));
    kinds.dedup();
    signature((kinds, end.is_err()))
}

fn fit_for_a_log(why: &Malformed) {
    let text = why.to_string();
    assert!(text.len() < 1000 && !text.chars().any(char::is_control), "{text:?}");
}

/// The lines of an input that arrives in pieces; and an error, or how many bytes have no end yet.
fn lines(input: &[u8], mut piece: impl FnMut(usize) -> usize) -> (Vec<Vec<u8>>, Result<usize, Malformed>) {
    let (mut at, mut there, mut lines) = (0, 0, Vec::new());
    loop {
        match next_line(&input[at..there]) {
            Err(why) => return (lines, Err(why)),
            Ok((line, len)) => {
                assert!(len <= there - at);
                lines.extend(line.map(<[u8]>::to_vec));
                at += len;
                if line.is_some() {
                    continue;
                }
            }
        }
        if there == input.len() {
            return (lines, Ok(there - at));
        }
        there += piece(input.len() - there);
    }
}
