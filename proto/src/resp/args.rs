//! The arguments of one request, where they lie in its bytes.

use std::fmt;

/// Room for so many arguments is kept from one request for the next.
pub const SPANS_KEPT: usize = 1024;

/// Where one argument lies, relative to the first byte of its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    start: u32,
    len: u32,
}

impl Span {
    /// `len` bytes from `start` on. Both are below 4 GiB, as a request is ([`Limits`]).
    pub fn new(start: usize, len: usize) -> Self {
        Span { start: start as u32, len: len as u32 }
    }

    /// The position behind its last byte.
    pub fn end(self) -> usize {
        self.start as usize + self.len as usize
    }
}

/// The arguments of one request: the command's name first.
#[derive(Clone, Copy)]
pub struct Args<'a> {
    buf: &'a [u8],
    spans: &'a [Span],
}

impl<'a> Args<'a> {
    /// Pairs the bytes of a request with the spans that were found in it.
    pub fn new(buf: &'a [u8], spans: &'a [Span]) -> Self {
        Args { buf, spans }
    }

    /// The number of arguments, the command's name included.
    #[inline]
    #[allow(clippy::len_without_is_empty, reason = "a request always has at least its command's name")]
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Argument `i`; like a slice's index, `i` must be below [`len`](Self::len).
    #[inline]
    pub fn get(&self, i: usize) -> &'a [u8] {
        let span = self.spans[i];
        &self.buf[span.start as usize..][..span.len as usize]
    }

    /// All arguments from `first` on.
    pub fn from(&self, first: usize) -> impl ExactSizeIterator<Item = &'a [u8]> + Clone + use<'a> {
        let args = *self;
        (first..args.len().max(first)).map(move |i| args.get(i))
    }

    /// Whether argument `i` is `word`, without regard to case. `word` must be upper case.
    pub fn is(&self, i: usize, word: &str) -> bool {
        self.get(i).eq_ignore_ascii_case(word.as_bytes())
    }

    /// The bytes that the spans point into, and the spans: for keeping a request beyond its buffer.
    pub fn parts(&self) -> (&'a [u8], &'a [Span]) {
        (self.buf, self.spans)
    }
}

impl std::ops::Index<usize> for Args<'_> {
    type Output = [u8];

    #[inline]
    fn index(&self, i: usize) -> &[u8] {
        self.get(i)
    }
}

impl fmt::Debug for Args<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.from(0).map(|arg| String::from_utf8_lossy(arg))).finish()
    }
}
