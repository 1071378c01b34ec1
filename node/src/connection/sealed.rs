//! What a connection sends, with or without encryption. What is under way is counted as it was written, not as it is on the wire,
//! so that limits mean the same for everybody.

use super::{Connection, InFlight, Output};
use crate::reactor::flight::Flight;
use crate::tls::{Plain, Session};
use bytes::Bytes;
use std::os::fd::AsFd;

impl Connection {
    /// What it has to send, to be put under way. `None` if there is nothing, or a send is under way already.
    #[inline]
    pub fn start_replies(&mut self) -> Option<Flight> {
        match &mut self.tls {
            None => self.output.start_replies(),
            Some(tls) => start_sealed(tls, &mut self.output),
        }
    }

    /// Pieces of the log, to be put under way. Nothing else may be.
    pub fn start_pieces(&mut self, pieces: Vec<Bytes>) -> Flight {
        let Some(tls) = &mut self.tls else {
            let flight = Flight::pieces(pieces);
            self.output.in_flight = InFlight::Pieces(flight.left());
            return flight;
        };
        tls.put(Plain::Pieces(pieces));
        self.output.in_flight = InFlight::Pieces(tls.left());
        Flight::buffer(tls.next_part())
    }

    /// So many more bytes of a flight are gone. Says how much that is of what was written, and what is to be put under way next.
    #[inline]
    pub fn sent(&mut self, mut flight: Flight, len: usize) -> (usize, Option<Flight>) {
        flight.advance(len);
        match &mut self.tls {
            None => (len, self.output.sent(flight)),
            Some(tls) => sealed_sent(tls, &mut self.output, flight),
        }
    }

    /// Tells a peer over TLS that this is the end, unless it is in the middle of something.
    pub fn say_farewell(&mut self) {
        if let Some(tls) = self.tls.as_mut().filter(|_| !self.output.is_sending()) {
            tls.farewell(self.fd.as_fd());
        }
    }
}

#[cold]
fn start_sealed(tls: &mut Session, output: &mut Output) -> Option<Flight> {
    if output.is_sending() {
        return None;
    }
    let waiting = if tls.is_handshaking() { None } else { output.take() };
    match waiting {
        Some(plain) => tls.put(plain),
        None if tls.has_own() => output.note_left(0),
        None => return None,
    }
    Some(Flight::buffer(tls.next_part()))
}

#[cold]
fn sealed_sent(tls: &mut Session, output: &mut Output, flight: Flight) -> (usize, Option<Flight>) {
    if flight.left() > 0 {
        return (0, Some(flight));
    }
    let gone = tls.part_sent(match flight {
        Flight::Buffer { bytes, .. } => bytes,
        Flight::Pieces(_) => Vec::new(),
    });
    // Asked before the buffer is taken that the next reply is to be encrypted into.
    if tls.left() == 0 && !tls.has_own() {
        output.in_flight = InFlight::Nothing;
        output.recycle(tls.take_buffer());
        return (gone, None);
    }
    let next = tls.next_part();
    output.note_left(tls.left());
    (gone, Some(Flight::buffer(next)))
}
