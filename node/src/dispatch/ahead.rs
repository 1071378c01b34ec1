//! Requests of a pipeline that are read ahead of their execution, so that the memory they will touch is on its way by then.
//!
//! With many keys nearly every look-up misses the processor's caches several times in a row. Read one after another, a pipeline
//! pays for each miss in full; read some ahead, the misses of all of them run side by side.

use super::registry::{Command, Registry, Run};
use koltso_proto::resp::{Args, Limits, Opening, SPANS_KEPT, Span, whole_request};

/// How many requests are read ahead at most.
const DEPTH_MAX: usize = 16;

/// A request that was read ahead.
#[derive(Clone, Copy)]
pub struct Request {
    /// Its length, in bytes.
    pub len: usize,
    /// The command it names, if there is such a command.
    pub command: Option<&'static Command>,
    first_span: usize,
    end_span: usize,
}

/// The requests that were read ahead, front first.
#[derive(Default)]
pub struct Ahead {
    requests: Vec<Request>,
    spans: Vec<Span>,
    /// How many are read ahead next time. Small after a request that ended its batch early, because those behind it are read again.
    depth: usize,
    /// How the last one began, and the command it named: pipelines repeat themselves.
    last: Option<(Opening, &'static Command)>,
}

impl Ahead {
    /// Forgets what was read.
    #[inline]
    pub fn clear(&mut self) {
        self.requests.clear();
        self.spans.clear();
        self.spans.shrink_to(SPANS_KEPT);
    }

    /// Reads whole requests of the usual shape from the front of `input`, up to one that is no command over keys.
    #[inline]
    pub fn read(&mut self, mut input: &[u8], limits: &Limits, registry: &'static Registry) {
        debug_assert!(self.requests.is_empty());
        self.depth = (self.depth * 2).clamp(1, DEPTH_MAX);
        while self.requests.len() < self.depth {
            let first_span = self.spans.len();
            let Some((len, command)) = self.read_one(input, limits, registry) else { break };
            self.requests.push(Request { len, command, first_span, end_span: self.spans.len() });
            input = &input[len..];
            if !command.is_some_and(|command| matches!(command.run, Run::Keys(_))) {
                break;
            }
        }
    }

    /// Reads one request: its length, and the command it names.
    #[inline]
    fn read_one(
        &mut self,
        input: &[u8],
        limits: &Limits,
        registry: &'static Registry,
    ) -> Option<(usize, Option<&'static Command>)> {
        if let Some((opening, command)) = &self.last
            && let Some(len) = opening.whole_request(input, limits, &mut self.spans)
        {
            return Some((len, Some(*command)));
        }
        let first_span = self.spans.len();
        let len = whole_request(input, limits, &mut self.spans)?;
        let spans = &self.spans[first_span..];
        let command = registry.find(Args::new(input, spans).get(0));
        self.last = command.and_then(|command| Some((Opening::of(input, spans)?, command)));
        Some((len, command))
    }

    /// How many there are.
    #[inline]
    pub fn count(&self) -> usize {
        self.requests.len()
    }

    /// The request in place `nth`.
    #[inline]
    pub fn get(&self, nth: usize) -> Request {
        self.requests[nth]
    }

    /// The arguments of a request that begins at the front of `input`.
    #[inline]
    pub fn args<'a>(&'a self, request: Request, input: &'a [u8]) -> Args<'a> {
        Args::new(input, &self.spans[request.first_span..request.end_span])
    }

    /// Notes that the batch ended early: what was read ahead of it was read in vain.
    #[cold]
    pub fn broke_off(&mut self) {
        self.depth = 0;
    }
}
