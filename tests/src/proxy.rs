//! A TCP proxy that breaks links on purpose: cut by RST or FIN, at once or after an exact number of bytes; half-open;
//! slow. Everything is counted, and the number of connections is bounded.
//!
//! It must not look at what it forwards: a test that wants a position in the stream counts bytes.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::server::listen_on_free_port;

/// How long a pump may sleep in a read before it looks at its orders again.
const TICK: Duration = Duration::from_millis(10);
/// A proxy stands in one replication link or before a few clients.
const CONNECTIONS_MAX: u64 = 4096;
const CHUNK: usize = 65536;

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Reset: what is under way is lost.
    Rst,
    /// An orderly end.
    Fin,
}

/// What happens when the bytes that were ordered have gone through.
#[derive(Clone, Copy)]
enum Then {
    Cut(Cut),
    /// And no other connection gets through.
    CutForGood(Cut),
    Hold,
}

/// Which way bytes go. The proxy's client connects to it, the server is what it connects to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// For a replication link: from the replica to the primary.
    ToServer,
    /// For a replication link: the RDB file and the stream.
    ToClient,
}

struct Orders {
    server: AtomicU16,
    /// Connections of an older generation are cut.
    generation: AtomicU64,
    cut: Mutex<Cut>,
    stopped: AtomicBool,
    blackhole: AtomicBool,
    refuse: AtomicBool,
    /// What to do when so many more bytes have gone this way.
    fuse: Mutex<Option<(Direction, u64, Then)>>,
    /// 0: unlimited.
    bytes_per_second: AtomicU64,
    delay_ms: AtomicU64,
    connections: AtomicU64,
    cuts: AtomicU64,
    forwarded: [AtomicU64; 2],
}

/// A running proxy. Dropping it cuts all connections and joins its threads.
pub struct Proxy {
    port: u16,
    orders: Arc<Orders>,
    accepting: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Listens on a port of its own and forwards to `server`.
    pub fn to(server: u16) -> Proxy {
        let (listener, port) = listen_on_free_port();
        listener.set_nonblocking(true).expect("nonblocking listener");
        let orders = Arc::new(Orders {
            server: AtomicU16::new(server),
            generation: AtomicU64::new(0),
            cut: Mutex::new(Cut::Rst),
            stopped: AtomicBool::new(false),
            blackhole: AtomicBool::new(false),
            refuse: AtomicBool::new(false),
            fuse: Mutex::new(None),
            bytes_per_second: AtomicU64::new(0),
            delay_ms: AtomicU64::new(0),
            connections: AtomicU64::new(0),
            cuts: AtomicU64::new(0),
            forwarded: [AtomicU64::new(0), AtomicU64::new(0)],
        });
        let accepting = std::thread::spawn({
            let orders = orders.clone();
            move || accept(&listener, &orders)
        });
        Proxy { port, orders, accepting: Some(accepting) }
    }

    /// The port to connect to.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Cuts every connection there is now. New ones are forwarded.
    pub fn cut(&self, how: Cut) {
        *self.orders.cut.lock().unwrap() = how;
        self.orders.generation.fetch_add(1, Ordering::SeqCst);
    }

    /// Cuts the connection that carries it after exactly `bytes` more bytes in one direction. Once.
    pub fn cut_after(&self, direction: Direction, bytes: u64, how: Cut) {
        *self.orders.fuse.lock().unwrap() = Some((direction, bytes, Then::Cut(how)));
    }

    /// As [`Proxy::cut_after`], and no connection gets through afterwards, however soon it is tried again, until
    /// [`Proxy::refuse`] allows it.
    pub fn cut_for_good_after(&self, direction: Direction, bytes: u64, how: Cut) {
        *self.orders.fuse.lock().unwrap() = Some((direction, bytes, Then::CutForGood(how)));
    }

    /// Half-open, as by [`Proxy::blackhole`], when exactly `bytes` more bytes have gone one way: so a transfer stays under way until
    /// the test has seen of it what it wants to, and says [`Proxy::let_go`].
    pub fn hold_after(&self, direction: Direction, bytes: u64) {
        *self.orders.fuse.lock().unwrap() = Some((direction, bytes, Then::Hold));
    }

    /// Holds nothing any more, nor later if what [`Proxy::hold_after`] has ordered has not happened yet.
    pub fn let_go(&self) {
        let mut fuse = self.orders.fuse.lock().unwrap();
        *fuse = None;
        self.blackhole(false);
    }

    /// True while what was ordered by [`Proxy::cut_after`] or [`Proxy::hold_after`] has not happened.
    pub fn fuse_is_lit(&self) -> bool {
        self.orders.fuse.lock().unwrap().is_some()
    }

    /// Half-open: connections stay up, nothing goes through, in both directions, until it is switched off.
    pub fn blackhole(&self, on: bool) {
        self.orders.blackhole.store(on, Ordering::SeqCst);
    }

    /// Closes new connections at once.
    pub fn refuse(&self, on: bool) {
        self.orders.refuse.store(on, Ordering::SeqCst);
    }

    /// Limits each connection and direction. 0 takes the limit away.
    pub fn throttle(&self, bytes_per_second: u64) {
        self.orders.bytes_per_second.store(bytes_per_second, Ordering::SeqCst);
    }

    /// Holds each chunk back for so long.
    pub fn delay(&self, span: Duration) {
        self.orders.delay_ms.store(span.as_millis() as u64, Ordering::SeqCst);
    }

    /// Sends new connections to another server.
    pub fn redirect(&self, server: u16) {
        self.orders.server.store(server, Ordering::SeqCst);
    }

    /// How many connections have been accepted and forwarded.
    pub fn connections(&self) -> u64 {
        self.orders.connections.load(Ordering::SeqCst)
    }

    /// How many connections the proxy has cut on order.
    pub fn cuts(&self) -> u64 {
        self.orders.cuts.load(Ordering::SeqCst)
    }

    /// Bytes forwarded so far.
    pub fn forwarded(&self, direction: Direction) -> u64 {
        self.orders.forwarded[direction as usize].load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.orders.stopped.store(true, Ordering::SeqCst);
        if let Some(accepting) = self.accepting.take() {
            accepting.join().ok();
        }
    }
}

fn accept(listener: &TcpListener, orders: &Arc<Orders>) {
    let mut pumps: Vec<JoinHandle<()>> = Vec::new();
    while !orders.stopped.load(Ordering::SeqCst) {
        match listener.accept() {
            Ok((client, _)) => pumps.extend(connect(client, orders)),
            Err(e) if e.kind() == ErrorKind::WouldBlock => std::thread::sleep(TICK / 2),
            Err(_) => std::thread::sleep(TICK),
        }
        pumps.retain(|pump| !pump.is_finished());
    }
    for pump in pumps {
        pump.join().ok();
    }
}

/// What both pumps of one connection share.
struct Link {
    generation: u64,
    dead: AtomicBool,
}

fn connect(client: TcpStream, orders: &Arc<Orders>) -> Vec<JoinHandle<()>> {
    let full = orders.connections.load(Ordering::SeqCst) >= CONNECTIONS_MAX;
    if full || orders.refuse.load(Ordering::SeqCst) {
        return Vec::new();
    }
    let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, orders.server.load(Ordering::SeqCst))) else {
        return Vec::new();
    };
    orders.connections.fetch_add(1, Ordering::SeqCst);
    for stream in [&client, &server] {
        stream.set_nonblocking(false).ok();
        stream.set_nodelay(true).ok();
        stream.set_read_timeout(Some(TICK)).ok();
        stream.set_write_timeout(Some(TICK)).ok();
    }
    let link = Arc::new(Link { generation: orders.generation.load(Ordering::SeqCst), dead: AtomicBool::new(false) });
    let (client, server) = (Arc::new(client), Arc::new(server));
    let pump = |direction, from: &Arc<TcpStream>, to: &Arc<TcpStream>| {
        let pump = Pump { direction, from: from.clone(), to: to.clone(), link: link.clone(), orders: orders.clone() };
        std::thread::spawn(move || pump.run())
    };
    vec![pump(Direction::ToServer, &client, &server), pump(Direction::ToClient, &server, &client)]
}

struct Pump {
    direction: Direction,
    from: Arc<TcpStream>,
    to: Arc<TcpStream>,
    link: Arc<Link>,
    orders: Arc<Orders>,
}

impl Pump {
    fn run(self) {
        let mut chunk = vec![0; CHUNK];
        while !self.ended() {
            if self.orders.blackhole.load(Ordering::SeqCst) {
                std::thread::sleep(TICK);
                continue;
            }
            match (&*self.from).read(&mut chunk) {
                Ok(0) => break,
                Ok(n) if !self.forward(&chunk[..n]) => break,
                Ok(_) => {}
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted) => {}
                Err(_) => break,
            }
        }
        // What one side has ended, the other shall see end too; both pumps stop.
        if !self.link.dead.swap(true, Ordering::SeqCst) {
            self.to.shutdown(Shutdown::Both).ok();
        }
    }

    /// True if this connection is over, after cutting it if that is ordered.
    fn ended(&self) -> bool {
        if self.orders.stopped.load(Ordering::SeqCst) || self.orders.generation.load(Ordering::SeqCst) != self.link.generation {
            let how = *self.orders.cut.lock().unwrap();
            self.cut(how);
        }
        self.link.dead.load(Ordering::SeqCst)
    }

    fn cut(&self, how: Cut) {
        if self.link.dead.swap(true, Ordering::SeqCst) {
            return;
        }
        self.orders.cuts.fetch_add(1, Ordering::SeqCst);
        for stream in [&self.from, &self.to] {
            match how {
                // With no time to linger, the close that comes when both pumps are gone is a reset.
                Cut::Rst => rustix::net::sockopt::set_socket_linger(stream, Some(Duration::ZERO)).ok(),
                Cut::Fin => stream.shutdown(Shutdown::Both).ok(),
            };
        }
    }

    /// Forwards a chunk, or its part up to the ordered cut, or up to where it is held and the rest then. False if the connection is
    /// over.
    fn forward(&self, chunk: &[u8]) -> bool {
        let delay = self.orders.delay_ms.load(Ordering::SeqCst);
        if delay > 0 {
            std::thread::sleep(Duration::from_millis(delay));
        }
        let (allowed, then) = self.burn(chunk.len());
        let sent = self.counted(&chunk[..allowed]);
        match then {
            None => sent,
            Some(Then::Cut(how) | Then::CutForGood(how)) => {
                self.cut(how);
                false
            }
            Some(Then::Hold) => {
                let mut fuse = self.orders.fuse.lock().unwrap();
                // It may have been let go meanwhile.
                if fuse.take_if(|(.., then)| matches!(then, Then::Hold)).is_some() {
                    self.orders.blackhole.store(true, Ordering::SeqCst);
                }
                drop(fuse);
                sent && self.counted(&chunk[allowed..])
            }
        }
    }

    fn counted(&self, chunk: &[u8]) -> bool {
        let sent = self.paced(chunk);
        self.orders.forwarded[self.direction as usize].fetch_add(chunk.len() as u64, Ordering::SeqCst);
        sent
    }

    /// How much of `len` bytes may pass before something happens, and what that is if it is reached.
    fn burn(&self, len: usize) -> (usize, Option<Then>) {
        let mut fuse = self.orders.fuse.lock().unwrap();
        match fuse.as_mut() {
            Some((direction, left, then)) if *direction == self.direction => {
                let (then, allowed) = (*then, (len as u64).min(*left));
                *left -= allowed;
                if *left > 0 {
                    return (allowed as usize, None);
                }
                if matches!(then, Then::CutForGood(_)) {
                    self.orders.refuse.store(true, Ordering::SeqCst);
                }
                if !matches!(then, Then::Hold) {
                    *fuse = None;
                }
                (allowed as usize, Some(then))
            }
            _ => (len, None),
        }
    }

    fn paced(&self, chunk: &[u8]) -> bool {
        let rate = self.orders.bytes_per_second.load(Ordering::SeqCst);
        if rate == 0 {
            return self.write(chunk);
        }
        // Twenty portions a second are smooth enough and keep the pump attentive.
        let portion = (rate / 20).max(1) as usize;
        chunk.chunks(portion).all(|part| {
            std::thread::sleep(Duration::from_secs_f64(part.len() as f64 / rate as f64));
            !self.ended() && self.write(part)
        })
    }

    fn write(&self, mut bytes: &[u8]) -> bool {
        while !bytes.is_empty() {
            if self.ended() {
                return false;
            }
            if self.orders.blackhole.load(Ordering::SeqCst) {
                std::thread::sleep(TICK);
                continue;
            }
            match (&*self.to).write(bytes) {
                Ok(n) => bytes = &bytes[n..],
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted) => {}
                Err(_) => return false,
            }
        }
        true
    }
}
