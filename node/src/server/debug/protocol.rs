//! DEBUG PROTOCOL and ERROR: replies of every kind, for tests of clients.

use crate::connection::{OwnedRequest, Token};
use crate::core::Core;
use koltso_proto::resp::Reply;

/// `DEBUG ERROR text`.
pub fn error(core: &mut Core, token: Token, request: &OwnedRequest) {
    core.reply(token, |reply| reply.error(request.args().get(2)));
}

/// `DEBUG PROTOCOL type`.
pub fn protocol(core: &mut Core, token: Token, request: &OwnedRequest) {
    let kind = request.args().get(2).to_ascii_lowercase();
    let mut reply = Reply::new(core.conn(token).is_some_and(|conn| conn.output.reply.resp3));
    if put_example(&kind, &mut reply) {
        core.reply(token, |out| out.raw(&reply.buf));
    } else {
        core.refuse(
            token,
            "ERR Wrong protocol type name. Please use one of the following: \
             string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false",
        );
    }
}

/// Writes an example; false if there is no such kind.
fn put_example(kind: &[u8], reply: &mut Reply) -> bool {
    let resp3 = reply.resp3;
    match kind {
        b"string" => reply.bulk(b"Hello World"),
        b"integer" => reply.int(12345),
        b"double" => reply.double(3141.0 / 1000.0),
        b"null" => reply.null(),
        b"bignum" if resp3 => reply.raw(b"(1234567999999999999999999999999999999\r\n"),
        b"bignum" => reply.bulk(b"1234567999999999999999999999999999999"),
        b"array" => put_numbers(reply, Reply::array),
        b"set" => put_numbers(reply, Reply::set),
        b"push" => put_numbers(reply, Reply::push),
        b"map" => {
            reply.map(3);
            for i in 0..3 {
                reply.int(i);
                reply.bool(i == 1);
            }
        }
        b"attrib" => {
            if resp3 {
                reply.raw(b"|1\r\n");
                reply.bulk(b"key-popularity");
                reply.array(2);
                reply.bulk(b"key:123");
                reply.int(90);
            }
            reply.bulk(b"Some real reply following the attribute");
        }
        b"verbatim" => reply.verbatim(b"txt", b"This is a verbatim\nstring"),
        b"true" => reply.bool(true),
        b"false" => reply.bool(false),
        _ => return false,
    }
    true
}

fn put_numbers(reply: &mut Reply, head: fn(&mut Reply, usize)) {
    head(reply, 3);
    (0..3).for_each(|i| reply.int(i));
}
