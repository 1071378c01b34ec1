//! Writing requests: effects for the log, the handshake with a primary.

/// Appends `*<n>\r\n`.
pub fn put_array_header(out: &mut impl Sink, n: usize) {
    put_length(out, b'*', n);
}

/// Appends `$<len>\r\n<bytes>\r\n`.
pub fn put_bulk(out: &mut impl Sink, bytes: &[u8]) {
    put_length(out, b'$', bytes.len());
    out.put(bytes);
    out.put(b"\r\n");
}

/// Appends a whole command.
pub fn put_command<A: AsRef<[u8]>>(out: &mut impl Sink, args: &[A]) {
    put_array_header(out, args.len());
    for arg in args {
        put_bulk(out, arg.as_ref());
    }
}

fn put_length(out: &mut impl Sink, kind: u8, n: usize) {
    if n < 10 {
        // Nearly every header of a command is this short.
        out.put(&[kind, b'0' + n as u8, b'\r', b'\n']);
        return;
    }
    let mut digits = itoa::Buffer::new();
    out.put(&[kind]);
    out.put(digits.format(n).as_bytes());
    out.put(b"\r\n");
}

/// Anything bytes can be appended to.
pub trait Sink {
    /// Appends `bytes`.
    fn put(&mut self, bytes: &[u8]);
}

impl Sink for Vec<u8> {
    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}
