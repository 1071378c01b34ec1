//! Connections over TLS: their handshakes, and what they have received.

use super::Core;
use crate::connection::{Closing, Peer, Token};
use crate::logging::{verbose, warning};
use crate::reactor::buffers::Filled;
use crate::shared::add;
use crate::tls::{HANDSHAKE_TIME_MAX, Session, Setup};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

/// What a core knows of TLS.
#[derive(Default)]
pub(super) struct Secure {
    /// What handshakes need; `None` = there are none.
    pub(super) setup: Option<Arc<Setup>>,
    /// Those that have begun, and when they must be over, the first first.
    handshakes: VecDeque<(Instant, Token)>,
}

/// The line for the log about somebody who has not got in.
fn not_accepted(why: &dyn std::fmt::Display, addr: &str) {
    warning(&format!("Error accepting a client connection: {why} (addr={addr})"));
}

impl Core {
    /// The state of a connection that is about to shake hands. `None` if it has to go.
    pub(super) fn begin_handshake(&mut self, addr: &str) -> Option<Box<Session>> {
        // Without a setup, the port is just being closed.
        let setup = self.secure.setup.as_ref()?;
        Session::accept(setup).map_err(|error| not_accepted(&error, addr)).ok()
    }

    /// From now on its handshake may take so long and no longer.
    pub(super) fn expect_handshake(&mut self, token: Token) {
        self.secure.handshakes.push_back((Instant::now() + HANDSHAKE_TIME_MAX, token));
    }

    /// Ends connections whose handshake takes too long.
    pub(super) fn end_overdue_handshakes(&mut self) {
        while let Some(&(until, token)) = self.secure.handshakes.front() {
            let conn = self.conn(token).filter(|conn| conn.tls.as_ref().is_some_and(|tls| tls.is_handshaking()));
            match conn {
                Some(_) if Instant::now() < until => return,
                Some(conn) => {
                    let seconds = HANDSHAKE_TIME_MAX.as_secs();
                    not_accepted(&format!("the handshake took longer than {seconds} seconds"), &conn.session.addr);
                    self.close(token);
                }
                None => {}
            }
            self.secure.handshakes.pop_front();
        }
    }

    /// Encrypted bytes have arrived: what they say waits to be looked at, as anything that is not whole requests.
    #[cold]
    pub(super) fn on_sealed_bytes(&mut self, token: Token, filled: Filled) {
        let Some(conn) = self.conns.get_mut(token.index as usize) else { return self.buffers.give_back(filled) };
        let Some(tls) = &mut conn.tls else { return self.buffers.give_back(filled) };
        let (before, was_handshaking) = (conn.pending.len(), tls.is_handshaking());
        let ends = conn.closing != Closing::No;
        let received = tls.receive(self.buffers.bytes(&filled), |plain| {
            if !ends {
                conn.pending.extend_from_slice(plain);
            }
        });
        let (has_own, has_shaken) = (tls.has_own(), was_handshaking && !tls.is_handshaking());
        let len = conn.pending.len() - before;
        let is_primary = matches!(conn.peer, Peer::Primary(_));
        self.buffers.give_back(filled);
        if let Err(error) = &received {
            let addr = &conn.session.addr;
            if was_handshaking {
                not_accepted(error, addr);
            } else {
                verbose(&format!("Reading from client: {error} (addr={addr})"));
            }
            return self.close(token);
        }
        if has_own {
            self.mark_dirty(token);
        }
        if has_shaken && self.turns_away(token) {
            return;
        }
        if is_primary {
            add(&self.shared.counters.total_net_repl_input_bytes, len as u64);
            self.apply_stream(token);
        } else if len > 0 {
            self.run_pending(token);
            self.enforce_query_limit(token);
        }
        self.pause_recv_if_full(token);
        if received == Ok(true) {
            self.on_peer_done(token);
        }
    }
}
