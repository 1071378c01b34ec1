//! Several clients of one server, and what each of them reads when one of them says something: the same dialogue is led with
//! koltso and with a real server, and the answers are compared.

use crate::client::{Client, encode};
use crate::server::{Kind, Server};
use crate::value::Value;
use crate::wait::{eventually, must};
use crate::with_cores;

/// One line: who speaks, what it says (words between blanks), and who reads how many replies or pushes then, in this order.
/// `#blocked 2` is said by nobody: it waits until two clients are blocked.
pub type Line<'a> = (usize, &'a str, &'a [(usize, usize)]);

/// Leads a dialogue; returns everything that was read. `resp3` names the clients that speak RESP3.
#[track_caller]
pub fn lead(server: &Server, clients: usize, resp3: &[usize], lines: &[Line<'_>]) -> Vec<String> {
    let mut clients: Vec<Client> = (0..clients).map(|_| server.client()).collect();
    for &client in resp3 {
        clients[client].must(&["HELLO", "3"]);
    }
    let mut heard = Vec::new();
    for (speaker, line, readers) in lines {
        if let Some(count) = line.strip_prefix("#blocked ") {
            wait_blocked(server, count.parse().expect("a number"));
            continue;
        }
        let words: Vec<&str> = line.split(' ').collect();
        clients[*speaker].send_raw(&encode(&words)).expect("send");
        for &(reader, count) in *readers {
            for nth in 0..count {
                match clients[reader].read_any() {
                    Ok(value) => heard.push(format!("{line}: client {reader} reads {value:?}")),
                    Err(error) => panic!("{line}: client {reader} reads {nth} of {count}: {error}; before it: {heard:#?}"),
                }
            }
        }
    }
    // Nobody has been told more than he has read.
    for (index, client) in clients.iter_mut().enumerate() {
        client.send_raw(&encode(&["PING"])).expect("send");
        match client.read_any() {
            Ok(Value::Simple(text)) if text == "PONG" => {}
            Ok(Value::Array(items)) if items.first() == Some(&Value::Bulk(b"pong".into())) => {}
            other => panic!("client {index} was told more: {other:?}; before it: {heard:#?}"),
        }
    }
    heard
}

/// Waits until so many clients are blocked.
#[track_caller]
pub fn wait_blocked(server: &Server, count: i64) {
    eventually("clients are blocked", || {
        let blocked = server.info().int("blocked_clients");
        must(blocked == count, || format!("{blocked} instead of {count}"))
    });
}

/// Leads a dialogue with a real server and with koltso on one core and on three, and compares.
#[track_caller]
pub fn same(clients: usize, resp3: &[usize], lines: &[Line<'_>]) {
    let model = lead(&Server::start(Kind::Redis), clients, resp3, lines);
    with_cores(|kind| {
        let mine = lead(&Server::start(kind), clients, resp3, lines);
        for (mine, model) in mine.iter().zip(&model) {
            assert_eq!(mine, model);
        }
    });
}
