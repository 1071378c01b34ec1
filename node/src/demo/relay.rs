//! The link between the two nodes, as something that can be cut: a relay for TCP connections.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

#[derive(Default)]
struct State {
    is_cut: AtomicBool,
    /// Bytes that went from the primary to the replica.
    passed: AtomicU64,
    streams: Mutex<Vec<TcpStream>>,
}

/// A relay to a port of this machine. Its threads end with the process.
pub struct Relay {
    /// Where it listens.
    pub port: u16,
    state: Arc<State>,
}

impl Relay {
    /// Starts one.
    pub fn to(target: u16) -> Result<Self, String> {
        let failed = |error: std::io::Error| format!("starting the relay: {error}");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        let state = Arc::new(State::default());
        let relay = Relay { port, state: Arc::clone(&state) };
        thread::spawn(move || {
            for near in listener.incoming().flatten() {
                if !state.is_cut.load(Ordering::SeqCst) {
                    // A primary that is not there looks like one that hangs up.
                    let _ = connect(near, target, &state);
                }
            }
        });
        Ok(relay)
    }

    /// Ends every connection, and lets none through from now on.
    pub fn cut(&self) {
        self.state.is_cut.store(true, Ordering::SeqCst);
        for stream in self.state.streams.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Lets connections through again.
    pub fn mend(&self) {
        self.state.is_cut.store(false, Ordering::SeqCst);
    }

    /// Bytes that have gone from the primary to the replica.
    pub fn passed(&self) -> u64 {
        self.state.passed.load(Ordering::Relaxed)
    }
}

fn connect(near: TcpStream, target: u16, state: &Arc<State>) -> std::io::Result<()> {
    let far = TcpStream::connect((Ipv4Addr::LOCALHOST, target))?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    let mut streams = state.streams.lock().unwrap_or_else(PoisonError::into_inner);
    streams.extend([near.try_clone()?, far.try_clone()?]);
    drop(streams);
    let (near_too, far_too, counter) = (near.try_clone()?, far.try_clone()?, Arc::clone(state));
    thread::spawn(move || pump(near, far, |_| {}));
    thread::spawn(move || {
        pump(far_too, near_too, |n| {
            counter.passed.fetch_add(n, Ordering::Relaxed);
        })
    });
    Ok(())
}

/// Carries bytes one way until either side ends.
fn pump(mut from: TcpStream, mut to: TcpStream, count: impl Fn(u64)) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(n) = from.read(&mut buffer) {
        if n == 0 || to.write_all(&buffer[..n]).is_err() {
            break;
        }
        count(n as u64);
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}
