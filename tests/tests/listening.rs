//! Where the node listens: Unix sockets, ports and addresses that change while it runs, and the background.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;

use koltso_tests::client::encode;
use koltso_tests::server::{free_port, fresh_dir, koltso_binary};
use koltso_tests::wait::must;
use koltso_tests::{Client, Kind, Server, Value, eventually, with_cores};

fn say(client: &mut Client, line: &str) -> Value {
    client.cmd(&line.split(' ').collect::<Vec<_>>())
}

/// One command over a Unix socket, and what comes back until there is a line end behind it.
fn ask(stream: &mut UnixStream, words: &[&str]) -> String {
    stream.write_all(&encode(words)).unwrap();
    let mut buffer = vec![0; 65536];
    let mut text = String::new();
    while !text.ends_with("\r\n") {
        let n = stream.read(&mut buffer).unwrap();
        assert!(n > 0, "the server closed the connection after {text:?}");
        text.push_str(&String::from_utf8_lossy(&buffer[..n]));
    }
    text
}

fn connect(path: &Path) -> UnixStream {
    UnixStream::connect(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn a_unix_socket_serves_as_a_port_does() {
    let look = |kind: Kind| {
        let dir = fresh_dir(format!("unix-{}", free_port()));
        let path = dir.join("node.sock");
        let mut server = Server::with(kind).set("unixsocket", path.display()).set("unixsocketperm", 700).start();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        let mut streams: Vec<UnixStream> = (0..8).map(|_| connect(&path)).collect();
        for (nth, stream) in streams.iter_mut().enumerate() {
            assert_eq!(ask(stream, &["SET", &format!("k{nth}"), "v"]), "+OK\r\n");
            assert_eq!(ask(stream, &["GET", "k0"]), "$1\r\nv\r\n");
        }
        let info = ask(&mut streams[0], &["CLIENT", "INFO"]);
        let shown: Vec<String> = ["addr=", "laddr=", "flags="]
            .map(|field| {
                info.split(' ').find(|word| word.starts_with(field)).unwrap().replace(&path.display().to_string(), "PATH")
            })
            .into();
        // A local one may change protected settings.
        let debug = ask(&mut streams[0], &["CONFIG", "SET", "enable-debug-command", "no"]);
        drop(streams);
        let mut client = server.client();
        eventually("they are gone", || {
            let list = say(&mut client, "CLIENT LIST").text();
            must(!list.contains("node.sock"), || list.clone())
        });
        server.terminate();
        assert!(!path.exists(), "the socket is left behind");
        // What a killed one has left is in nobody's way.
        server.restart();
        server.kill();
        assert!(path.exists());
        server.restart();
        assert_eq!(ask(&mut connect(&path), &["PING"]), "+PONG\r\n");
        drop(server);
        fs::remove_dir_all(&dir).ok();
        (shown, debug)
    };
    let model = look(Kind::Redis);
    assert_eq!(model.0, ["addr=PATH:0", "laddr=PATH:0", "flags=U"]);
    with_cores(|kind| assert_eq!(look(kind), model));
}

#[test]
fn the_port_and_the_addresses_change_while_it_runs() {
    let steps = |kind: Kind| {
        let server = Server::with(kind).start();
        let (old, taken) = (server.port(), TcpListener::bind("127.0.0.1:0").unwrap());
        let taken_port = taken.local_addr().unwrap().port();
        let mut client = server.client();
        let mut heard = Vec::new();
        let mut step = |client: &mut Client, line: &str| {
            heard.push(format!("{:?}", say(client, line)).replace(&taken_port.to_string(), "TAKEN"))
        };
        step(&mut client, &format!("CONFIG SET port {taken_port}"));
        step(&mut client, &format!("CONFIG SET maxclients 77 port {taken_port}"));
        step(&mut client, "CONFIG GET maxclients");
        step(&mut client, "CONFIG SET bind 192.0.2.1");
        step(&mut client, "CONFIG SET bind no.such.host.invalid");
        step(&mut client, "CONFIG GET bind");
        assert!(Client::connect(old).is_ok(), "it listens no longer after a failed change");
        let new = free_port();
        client.must(&["CONFIG", "SET", "port", &new.to_string()]).ok();
        assert_eq!(client.must(&["CONFIG", "GET", "port"]).items()[1].text(), new.to_string());
        for _ in 0..20 {
            Client::connect(new).unwrap().must(&["PING"]);
        }
        eventually("the old port is closed", || must(Client::connect(old).is_err(), String::new));
        // Connections outlive it, and it listens where it did not.
        step(&mut client, "PING");
        assert!(std::net::TcpStream::connect(("127.0.0.2", new)).is_err());
        step(&mut client, "CONFIG SET bind 127.0.0.2");
        let reaches = |host: &str| std::net::TcpStream::connect((host, new)).is_ok();
        eventually("the other address is open, and the first is closed", || {
            must(reaches("127.0.0.2") && !reaches("127.0.0.1"), String::new)
        });
        step(&mut client, "CONFIG SET bind *");
        eventually("both are open", || must(reaches("127.0.0.2") && reaches("127.0.0.1"), String::new));
        step(&mut client, "CONFIG SET port 0");
        eventually("nothing is open", || must(!reaches("127.0.0.1"), String::new));
        step(&mut client, "PING");
        client.must(&["CONFIG", "SET", "port", &old.to_string()]).ok();
        eventually("it is back", || must(Client::connect(old).is_ok(), String::new));
        heard
    };
    let model = steps(Kind::Redis);
    with_cores(|kind| {
        for (mine, model) in steps(kind).iter().zip(&model) {
            assert_eq!(mine, model);
        }
    });
}

#[test]
fn connections_are_served_while_the_addresses_change() {
    with_cores(|kind| {
        let server = Server::with(kind).start();
        let mut admin = server.client();
        let over = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            let over = &over;
            let port = server.port();
            let comes_and_goes = scope.spawn(move || {
                let mut count = 0;
                while !over.load(std::sync::atomic::Ordering::Relaxed) {
                    let mut client = Client::connect(port).expect("the address that stays is always open");
                    client.must(&["INCR", "n"]);
                    count += 1;
                }
                count
            });
            let mut round = 0;
            while round < 40 || admin.must(&["INCRBY", "n", "0"]).int() < 200 {
                let bind = if round % 2 == 0 { "127.0.0.1 127.0.0.2" } else { "127.0.0.1" };
                admin.must(&["CONFIG", "SET", "bind", bind]).ok();
                round += 1;
            }
            over.store(true, std::sync::atomic::Ordering::Relaxed);
            let count: i64 = comes_and_goes.join().unwrap();
            assert_eq!(admin.must(&["GET", "n"]).text(), count.to_string());
        });
    });
}

#[test]
fn a_node_in_the_background_has_a_session_of_its_own_and_leaves_no_files() {
    let dir = fresh_dir(format!("daemon-{}", free_port()));
    let (port, pidfile, socket) = (free_port(), dir.join("node.pid"), dir.join("node.sock"));
    let mut command = Command::new(koltso_binary());
    command.args(["--daemonize", "yes", "--cores", "2", "--save", "", "--port", &port.to_string()]);
    command.arg("--dir").arg(&dir).arg("--pidfile").arg(&pidfile).arg("--logfile").arg(dir.join("node.log"));
    command.arg("--unixsocket").arg(&socket);
    assert!(command.status().unwrap().success());
    eventually("it serves", || {
        must(Client::connect(port).is_ok_and(|mut client| client.try_cmd(&["PING"]).is_ok()), String::new)
    });
    let pid: u32 = fs::read_to_string(&pidfile).unwrap().trim().parse().unwrap();
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    assert_eq!(fields[3], pid.to_string(), "its session: {stat}");
    assert_eq!(fs::read_link(format!("/proc/{pid}/fd/0")).unwrap(), Path::new("/dev/null"));
    assert!(socket.exists());
    Client::connect(port).unwrap().send_raw(b"SHUTDOWN NOSAVE\r\n").unwrap();
    eventually("it ends, and removes its files", || must(!pidfile.exists() && !socket.exists(), String::new));
    eventually("it is gone", || must(Client::connect(port).is_err(), String::new));
    fs::remove_dir_all(&dir).ok();
}
