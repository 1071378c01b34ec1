//! `maxmemory-clients`: what clients take of memory together has a limit, and the largest go first.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use koltso_tests::client::encode;
use koltso_tests::wait::must;
use koltso_tests::{Kind, Server, eventually, with_cores};

const MB: usize = 1 << 20;

/// A client that has sent so much of a request that never ends.
struct Hog {
    stream: TcpStream,
    len: usize,
}

impl Hog {
    fn new(server: &Server, before: &[u8], len: usize) -> Hog {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, server.port())).expect("connect");
        stream.write_all(before).expect("its first requests");
        stream.write_all(b"*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$100000000\r\n").expect("the beginning");
        // The server may have closed it before it is done.
        stream.write_all(&vec![b'x'; len]).ok();
        stream.set_read_timeout(Some(Duration::from_millis(50))).expect("a time limit");
        Hog { stream, len }
    }

    fn is_closed(&mut self) -> bool {
        match self.stream.read(&mut [0; 64]) {
            Ok(0) => true,
            Ok(_) => false,
            Err(e) => !matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted),
        }
    }
}

fn limited(kind: Kind, max: &str) -> Server {
    Server::with(kind).set("maxmemory-clients", max).start()
}

#[test]
fn a_client_that_alone_takes_too_much_is_closed_and_others_are_not() {
    with_cores(|kind| {
        for max in ["4mb", "10%"] {
            let server = Server::with(kind).set("maxmemory", "40mb").set("maxmemory-clients", max).start();
            let mut modest = server.client();
            let mut hog = Hog::new(&server, b"", 6 * MB);
            eventually("the large client is closed", || must(hog.is_closed(), || modest.must(&["CLIENT", "LIST"]).text()));
            assert_eq!(modest.must(&["PING"]).text(), "PONG");
            assert_eq!(modest.info("stats").int("evicted_clients"), 1);
            assert!(server.log().contains("Evicting client: id="), "{}", server.log());
        }
    });
}

#[test]
fn the_largest_clients_of_all_cores_go_until_the_rest_fits() {
    with_cores(|kind| {
        let server = limited(kind, "12mb");
        let mut modest = server.client();
        // Buffers grow by doubling, so it depends on their sizes which of the large ones go; the small ones fit in any case.
        let sizes = [MB / 4, MB / 2, 3 * MB, 4 * MB, 5 * MB, 6 * MB];
        let mut hogs: Vec<Hog> = sizes.iter().map(|&size| Hog::new(&server, b"", size)).collect();
        let mut evicted = 0;
        eventually("all that is left has been read, and fits", || {
            let list = modest.must(&["CLIENT", "LIST"]).text();
            let sum = |field: &str, lines: &str| -> usize {
                let fields = lines.lines().filter_map(|line| line.split(' ').find_map(|one| one.strip_prefix(field)));
                fields.map(|number| number.parse::<usize>().expect("a number")).sum()
            };
            let (all, read) = (sum("tot-mem=", &list), sum("qbuf=", &list));
            let open: Vec<usize> = hogs.iter_mut().filter_map(|hog| (!hog.is_closed()).then_some(hog.len)).collect();
            evicted = sizes.len() - open.len();
            must(all <= 12 * MB && evicted > 0 && read > open.iter().sum(), || format!("{all} bytes, {open:?} open\n{list}"))
        });
        assert_eq!(modest.info("stats").int("evicted_clients"), evicted as i64);
        assert!(hogs[..2].iter_mut().all(|hog| !hog.is_closed()), "{}", server.log());
    });
}

#[test]
fn who_asked_to_be_spared_is_spared() {
    with_cores(|kind| {
        let server = limited(kind, "4mb");
        let mut modest = server.client();
        modest.must(&["CLIENT", "NO-EVICT", "ON"]);
        let mut spared = Hog::new(&server, b"*3\r\n$6\r\nCLIENT\r\n$8\r\nNO-EVICT\r\n$2\r\nON\r\n", 6 * MB);
        let mut victim = Hog::new(&server, b"", 2 * MB);
        eventually("another goes in its place", || must(victim.is_closed(), || server.log()));
        assert!(!spared.is_closed());
        modest.must(&["CONFIG", "SET", "maxmemory-clients", "0"]);
        let mut free = Hog::new(&server, b"", 6 * MB);
        eventually("a client is as large as it likes", || {
            let list = modest.must(&["CLIENT", "LIST"]).text();
            let large = list.lines().filter(|line| line.contains(" tot-mem=") && line.contains(" qbuf=62")).count();
            must(large == 2, || list)
        });
        assert!(!free.is_closed());
    });
}

#[test]
fn keys_that_are_watched_and_channels_count() {
    with_cores(|kind| {
        for command in ["WATCH", "SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE"] {
            let server = limited(kind, "4mb");
            let mut modest = server.client();
            let names: Vec<String> = std::iter::once(command.into()).chain((0..60_000).map(|n| format!("name {n}"))).collect();
            let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, server.port())).expect("connect");
            stream.write_all(&encode(&names)).expect("send");
            stream.set_read_timeout(Some(Duration::from_millis(50))).expect("a time limit");
            let mut greedy = Hog { stream, len: 0 };
            eventually("it is closed", || must(greedy.is_closed(), || modest.must(&["CLIENT", "LIST"]).text()));
            assert_eq!(modest.info("stats").int("evicted_clients"), 1, "{command}");
        }
    });
}
