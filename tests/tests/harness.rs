//! The harness itself, between two redis-servers: it must pass where all is well and must notice where it is not.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;

use koltso_tests::load::{Load, Spec};
use koltso_tests::oracle::{Syncs, assert_equal_data, assert_same, wait_link_up, wait_partials};
use koltso_tests::server::free_port;
use koltso_tests::{Cut, Direction, Kind, Proxy, Seed, Server, dataset};

#[test]
fn redis_to_redis_under_load_with_cuts() {
    let mut seed = Seed::fresh("redis_to_redis");
    let primary = Server::start(Kind::Redis);
    dataset::fill(&mut primary.client(), &mut seed, 30);
    let proxy = Proxy::to(primary.port());
    let replica = Server::with(Kind::Redis).replica_of(proxy.port()).start();
    let load = Load::start(Spec::of(&primary), &seed);
    wait_link_up(&replica);
    for (n, how) in [Cut::Rst, Cut::Fin].into_iter().enumerate() {
        proxy.cut(how);
        load.wait_more(200);
        wait_partials(&primary, n as i64 + 1);
        // Or the next cut would meet the answer to the replica's request, which asks once more.
        wait_link_up(&replica);
    }
    let ledger = load.stop();
    assert_same(&primary, &replica);
    ledger.assert_kept(&replica);
    assert!(ledger.errors.is_empty(), "{:?}", ledger.errors);
    let syncs = Syncs::of(&primary);
    assert_eq!((syncs.full, syncs.partial_ok), (1, 2), "{syncs:?}");
    assert_eq!(proxy.cuts(), 2);
}

#[test]
fn the_oracle_sees_a_single_difference() {
    let one = Server::start(Kind::Redis);
    let other = Server::start(Kind::Redis);
    let differs = |what: &str| {
        let compared = catch_unwind(AssertUnwindSafe(|| assert_equal_data(&one, &other)));
        assert!(compared.is_err(), "not seen: {what}");
    };
    let mut clients = [one.client(), other.client()];
    clients.iter_mut().for_each(|client| client.must(&["SET", "k", "v"]).ok());
    assert_equal_data(&one, &other);
    clients[0].must(&["SET", "k", "w"]);
    differs("a value");
    clients[1].must(&["SET", "k", "w"]);
    clients[0].must(&["PEXPIREAT", "k", "33333333333333"]);
    clients[1].must(&["PEXPIREAT", "k", "33333333333334"]);
    differs("a deadline, to which the digest is blind");
    clients[1].must(&["PEXPIREAT", "k", "33333333333333"]);
    assert_equal_data(&one, &other);
    clients[1].must(&["SELECT", "3"]);
    clients[1].must(&["RPUSH", "l", "x"]);
    differs("a key in another database");
}

#[test]
fn the_proxy_cuts_after_the_exact_byte() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = Proxy::to(listener.local_addr().unwrap().port());
    for how in [Cut::Fin, Cut::Rst] {
        proxy.cut_after(Direction::ToClient, 100_001, how);
        let mut client = TcpStream::connect(("127.0.0.1", proxy.port())).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        // The client reads all of it before the cut can overtake the bytes.
        server.write_all(&vec![b'x'; 100_000]).unwrap();
        client.read_exact(&mut vec![0; 100_000]).unwrap();
        server.write_all(b"yz").unwrap();
        let mut rest = Vec::new();
        let end = client.read_to_end(&mut rest);
        assert_eq!(end.is_ok(), how == Cut::Fin, "{end:?}");
        assert!(rest == b"y" || how == Cut::Rst && rest.is_empty(), "{rest:?}");
        assert!(!proxy.fuse_is_lit());
    }
    assert_eq!(proxy.forwarded(Direction::ToClient), 2 * 100_001);
}

/// Each process that starts holds copies of this one's sockets for a moment.
#[test]
fn a_port_is_free_however_many_processes_start() {
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..200).for_each(|_| _ = Command::new("true").status().unwrap()));
        }
        for _ in 0..1_000 {
            drop(Proxy::to(1));
            TcpListener::bind(("127.0.0.1", free_port())).expect("the free port is free");
        }
    });
}
