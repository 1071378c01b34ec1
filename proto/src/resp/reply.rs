//! Writing replies, in RESP2 or RESP3 as the client has chosen with `HELLO`.

/// A reply buffer. It knows which protocol its reader speaks, so that commands say what they mean (a map, a double, a null)
/// once.
#[derive(Debug, Default)]
pub struct Reply {
    /// The bytes written so far.
    pub buf: Vec<u8>,
    /// Whether the reader asked for RESP3.
    pub resp3: bool,
}

impl Reply {
    /// An empty buffer for a reader of RESP2 or RESP3.
    pub fn new(resp3: bool) -> Self {
        Reply { buf: Vec::new(), resp3 }
    }

    /// `+OK`.
    #[inline]
    pub fn ok(&mut self) {
        self.buf.extend_from_slice(b"+OK\r\n");
    }

    /// `+<text>`; the text must hold neither CR nor LF.
    pub fn status(&mut self, text: &str) {
        debug_assert!(!text.contains(['\r', '\n']));
        self.line(b'+', text.as_bytes());
    }

    /// `-<text>`, with CR and LF replaced, so that nothing a client sent can end the error line early.
    #[cold]
    pub fn error(&mut self, text: impl AsRef<[u8]>) {
        let text = text.as_ref();
        self.buf.push(b'-');
        self.buf.extend(text.iter().map(|&c| if c == b'\r' || c == b'\n' { b' ' } else { c }));
        self.buf.extend_from_slice(b"\r\n");
    }

    /// `:<n>`.
    #[inline]
    pub fn int(&mut self, n: i64) {
        self.number(b':', n);
    }

    /// A length or a count as an integer.
    #[inline]
    pub fn len(&mut self, n: usize) {
        self.int(n as i64);
    }

    /// `$<len>` and the bytes.
    #[inline]
    pub fn bulk(&mut self, bytes: &[u8]) {
        self.number(b'$', bytes.len() as i64);
        self.buf.extend_from_slice(bytes);
        self.buf.extend_from_slice(b"\r\n");
    }

    /// The head of a bulk string of `len` bytes; these, and a line end, have to follow.
    pub fn bulk_head(&mut self, len: usize) {
        self.number(b'$', len as i64);
    }

    /// An integer as a bulk string.
    pub fn bulk_int(&mut self, n: i64) {
        let mut digits = itoa::Buffer::new();
        self.bulk(digits.format(n).as_bytes());
    }

    /// The bytes, or null.
    pub fn bulk_or_null(&mut self, bytes: Option<&[u8]>) {
        match bytes {
            Some(bytes) => self.bulk(bytes),
            None => self.null(),
        }
    }

    /// "There is nothing": `$-1` or `_`.
    #[inline]
    pub fn null(&mut self) {
        self.buf.extend_from_slice(if self.resp3 { b"_\r\n" } else { b"$-1\r\n" });
    }

    /// "There is no array": `*-1` or `_`.
    pub fn null_array(&mut self) {
        self.buf.extend_from_slice(if self.resp3 { b"_\r\n" } else { b"*-1\r\n" });
    }

    /// The head of an array of `n` replies.
    #[inline]
    pub fn array(&mut self, n: usize) {
        self.number(b'*', n as i64);
    }

    /// The head of a map of `n` pairs; in RESP2 an array of `2n`.
    pub fn map(&mut self, n: usize) {
        if self.resp3 {
            self.number(b'%', n as i64);
        } else {
            self.array(2 * n);
        }
    }

    /// The head of a set of `n` replies; in RESP2 an array.
    pub fn set(&mut self, n: usize) {
        self.number(if self.resp3 { b'~' } else { b'*' }, n as i64);
    }

    /// The head of an out-of-band message of `n` parts; in RESP2 an array.
    pub fn push(&mut self, n: usize) {
        self.number(if self.resp3 { b'>' } else { b'*' }, n as i64);
    }

    /// A floating point number: `,<text>`, in RESP2 a bulk string. Both print 17 significant digits, as Redis 7.0 does.
    pub fn double(&mut self, x: f64) {
        let mut text = Vec::with_capacity(24);
        crate::number::write_f64(&mut text, x);
        if self.resp3 {
            self.line(b',', &text);
        } else {
            self.bulk(&text);
        }
    }

    /// A truth value: `#t`/`#f`, in RESP2 `:1`/`:0`.
    pub fn bool(&mut self, x: bool) {
        match (self.resp3, x) {
            (true, true) => self.buf.extend_from_slice(b"#t\r\n"),
            (true, false) => self.buf.extend_from_slice(b"#f\r\n"),
            (false, x) => self.int(i64::from(x)),
        }
    }

    /// Text for people: `=<len>` with its three-letter format, in RESP2 a bulk string.
    pub fn verbatim(&mut self, format: &[u8; 3], text: &[u8]) {
        if self.resp3 {
            self.number(b'=', text.len() as i64 + 4);
            self.buf.extend_from_slice(format);
            self.buf.push(b':');
            self.buf.extend_from_slice(text);
            self.buf.extend_from_slice(b"\r\n");
        } else {
            self.bulk(text);
        }
    }

    /// Bytes that are already a reply.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.buf.extend_from_slice(bytes);
    }

    fn line(&mut self, kind: u8, text: &[u8]) {
        self.buf.push(kind);
        self.buf.extend_from_slice(text);
        self.buf.extend_from_slice(b"\r\n");
    }

    #[inline]
    fn number(&mut self, kind: u8, n: i64) {
        if (0..10).contains(&n) {
            self.buf.extend_from_slice(&[kind, b'0' + n as u8, b'\r', b'\n']);
        } else {
            let mut digits = itoa::Buffer::new();
            self.line(kind, digits.format(n).as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_never_carries_a_second_line() {
        let mut reply = Reply::new(false);
        reply.error("ERR unknown command 'a\r\n+OK\r\n'");
        assert_eq!(reply.buf, b"-ERR unknown command 'a  +OK  '\r\n");
    }

    #[test]
    fn the_same_reply_in_both_protocols() {
        for (resp3, expected) in
            [(false, &b"*2\r\n$-1\r\n*-1\r\n:1\r\n:12\r\n"[..]), (true, &b"%1\r\n_\r\n_\r\n#t\r\n:12\r\n"[..])]
        {
            let mut reply = Reply::new(resp3);
            reply.map(1);
            reply.null();
            reply.null_array();
            reply.bool(true);
            reply.int(12);
            assert_eq!(reply.buf, expected);
        }
    }
}
