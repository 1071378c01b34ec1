//! The ring with a pair of sockets.

use super::buffers::{BufferRing, GROUP};
use super::flight::Flight;
use super::ring::{Completion, Given, Op, Ring, RingOptions, Socket, Tag};
use bytes::Bytes;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

fn tag(op: Op) -> Tag {
    Tag { op, generation: 7, index: 3 }
}

fn completion(ring: &mut Ring) -> Completion {
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        if let Some(completion) = ring.next_completion() {
            return completion;
        }
        assert!(Instant::now() < deadline, "no completion");
        ring.enter(1, Some(Duration::from_millis(100)));
    }
}

/// What comes out at the other end until all of the flight is gone.
fn send(flight: Flight, len: usize) -> Vec<u8> {
    let mut ring = Ring::new(RingOptions::default()).unwrap();
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let reader = std::thread::spawn(move || {
        let mut received = vec![0; len];
        theirs.read_exact(&mut received).unwrap();
        received
    });
    let socket = Socket::Fd(ours.as_raw_fd());
    ring.send(socket, flight, tag(Op::Send));
    loop {
        let done = completion(&mut ring);
        assert_eq!(done.tag, tag(Op::Send));
        let Given::Sent(mut flight) = done.given else { panic!("a send gives back what it carried") };
        assert!(done.result > 0, "{}", done.result);
        flight.advance(done.result as usize);
        if flight.left() == 0 {
            return reader.join().unwrap();
        }
        ring.send(socket, flight, tag(Op::Send));
    }
}

#[test]
fn what_was_sent_comes_back_and_has_arrived() {
    let bytes: Vec<u8> = (0..3_000_000u32).map(|i| (i % 251) as u8).collect();
    assert_eq!(send(Flight::buffer(bytes.clone()), bytes.len()), bytes);
    let pieces = bytes.chunks(100_000).map(Bytes::copy_from_slice).collect();
    assert_eq!(send(Flight::pieces(pieces), bytes.len()), bytes);
}

#[test]
fn a_flight_that_was_sent_in_part_goes_on_where_it_was() {
    let mut flight = Flight::pieces(vec![Bytes::from_static(b"abc"), Bytes::from_static(b"defg"), Bytes::from_static(b"h")]);
    flight.advance(4);
    assert_eq!(flight.left(), 4);
    assert_eq!(send(flight, 4), b"efgh");
    let mut flight = Flight::buffer(b"abcdefgh".to_vec());
    flight.advance(5);
    assert_eq!(send(flight, 3), b"fgh");
}

#[test]
#[should_panic(expected = "one send at a time")]
fn a_second_send_for_an_index_is_refused() {
    let mut ring = Ring::new(RingOptions::default()).unwrap();
    let (ours, _theirs) = UnixStream::pair().unwrap();
    for _ in 0..2 {
        ring.send(Socket::Fd(ours.as_raw_fd()), Flight::buffer(vec![1]), tag(Op::Send));
    }
}

#[test]
fn received_bytes_are_in_the_buffer_that_the_completion_names() {
    let mut ring = Ring::new(RingOptions::default()).unwrap();
    let mut buffers = BufferRing::new(&mut ring).unwrap();
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    ring.recv(Socket::Fd(ours.as_raw_fd()), GROUP, tag(Op::Recv));
    for round in 0..1000u32 {
        theirs.write_all(&round.to_be_bytes()).unwrap();
        let done = completion(&mut ring);
        let Given::Received(id) = done.given else { panic!("no buffer: {}", done.result) };
        let filled = buffers.take(id, done.result as usize);
        assert_eq!(buffers.bytes(&filled), round.to_be_bytes());
        buffers.give_back(filled);
        buffers.publish();
        if !done.more {
            ring.recv(Socket::Fd(ours.as_raw_fd()), GROUP, tag(Op::Recv));
        }
    }
}
