//! The request parser: whatever comes, however it is cut into pieces.

use koltso_proto::resp::{Args, Limits, Opening, ProtocolError, RequestParser, Span, Step, whole_request};

use super::{Target, nothing_to_mend, signature};
use crate::Seed;

pub const RESP: Target = Target { name: "resp", samples, words: WORDS, mend: nothing_to_mend, run };

const WORDS: &[&[u8]] = &[
    b"\r\n",
    b"\n",
    b"*1\r\n",
    b"*2\r\n",
    b"*-1\r\n",
    b"*0\r\n",
    b"*2147483647\r\n",
    b"$0\r\n\r\n",
    b"$3\r\nSET\r\n",
    b"$-1\r\n",
    b"$536870913\r\n",
    b"$999\r\n",
    b"\"",
    b"'",
    b"\\x41",
    b"\\",
];

fn samples() -> Vec<Vec<u8>> {
    let long = [b"*2\r\n$3\r\nGET\r\n$1000\r\n".to_vec(), vec![b'v'; 1000], b"\r\n".to_vec()].concat();
    let many = [b"*300\r\n".to_vec(), b"$1\r\nx\r\n".repeat(300)].concat();
    let mut samples = vec![
        b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\nhello\r\n".to_vec(),
        b"*1\r\n$4\r\nPING\r\n*2\r\n$3\r\nGET\r\n$12\r\nhello\r\nworld\r\n".to_vec(),
        b"PING\r\n".to_vec(),
        b"SET \"a\\x00\\n b\" 'it\\'s'\r\nECHO  x\n\r\n".to_vec(),
        b"*0\r\n*-1\r\n*1\r\n$0\r\n\r\n".to_vec(),
        b"*2\r\n$64\r\n".iter().copied().chain([b'k'; 64]).chain(*b"\r\n$0\r\n\r\n").collect(),
        long,
        many,
    ];
    samples.push(samples.concat());
    samples
}

/// Requests that came out, and how the input ended.
type Parsed = (Vec<Vec<Vec<u8>>>, Result<usize, ProtocolError>);

fn run(input: &[u8], seed: &mut Seed) -> u64 {
    let known = Limits::authenticated(512 << 20);
    let mut last = 0;
    for limits in [known, Limits::UNAUTHENTICATED] {
        let whole = parse(input, &limits, |left| left);
        assert_eq!(parse(input, &limits, |left| 1 + seed.below(left.min(40) as u64) as usize), whole, "in small pieces");
        assert_eq!(parse(input, &limits, |left| 1 + seed.below(left as u64) as usize), whole, "in big pieces");
        if input.len() <= 256 {
            assert_eq!(parse(input, &limits, |_| 1), whole, "byte by byte");
        }
        assert!(whole.0.starts_with(&read_ahead(input, &limits)), "read ahead");
        let error = whole.1.as_ref().err().map(|error| error.0.clone());
        last = signature((error, whole.0.len().min(8), whole.0.iter().map(Vec::len).max().map(|len| len.min(16))));
    }
    last
}

/// The requests at the front of the input that have the usual shape, as pipelines are read.
fn read_ahead(mut input: &[u8], limits: &Limits) -> Vec<Vec<Vec<u8>>> {
    let (mut opening, mut requests) = (None::<Opening>, Vec::new());
    loop {
        let mut spans: Vec<Span> = Vec::new();
        let alike = opening.and_then(|opening| opening.whole_request(input, limits, &mut spans));
        let Some(len) = alike.or_else(|| whole_request(input, limits, &mut spans)) else {
            assert!(spans.is_empty(), "what was not read left spans");
            return requests;
        };
        requests.push(Args::new(input, &spans).from(0).map(<[u8]>::to_vec).collect());
        opening = Opening::of(input, &spans);
        input = &input[len..];
    }
}

/// Parses what arrives in pieces of a length that `piece` says, given how much is left.
fn parse(mut input: &[u8], limits: &Limits, mut piece: impl FnMut(usize) -> usize) -> Parsed {
    let mut parser = RequestParser::new();
    // Vectors double, and an argument takes at least two bytes of input.
    let held_max = 16 * input.len() + 4096;
    let (mut there, mut needed, mut requests) = (0, 0, Vec::new());
    loop {
        match parser.advance(&input[..there], limits) {
            Err(error) => return (requests, Err(error)),
            Ok(Step::Complete(len)) => {
                assert!(0 < len && len <= there, "a request of {len} of {there} bytes");
                assert!(there >= needed, "complete with {there} bytes where {needed} were said to be needed");
                let args = parser.args(&input[..there]);
                let args: Vec<Vec<u8>> = args.from(0).map(<[u8]>::to_vec).collect();
                assert!(args.iter().map(Vec::len).sum::<usize>() <= len);
                requests.push(args);
                parser.reset();
                input = &input[len..];
                there -= len;
                needed = 0;
            }
            Ok(Step::Incomplete(more)) => {
                assert!(more > 0);
                needed = needed.max(there + more);
                if there == input.len() {
                    return (requests, Ok(there));
                }
                there += piece(input.len() - there);
            }
        }
        assert!(parser.held() <= held_max, "{} bytes held", parser.held());
    }
}
