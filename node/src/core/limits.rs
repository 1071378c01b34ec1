//! Limits of what a connection may keep in memory: requests that are not whole yet, and replies that are not read.

use super::Core;
use crate::config::{MemoryOrPercent, OutputLimit, OutputLimits};
use crate::connection::{Closing, Connection, Peer, Token};
use crate::dispatch::executor::OUTPUT_LEN_PAUSE;
use crate::logging::warning;
use crate::shared::add;

/// What a client that has yet to say who it is may send before a request of it is whole, in bytes.
const QUERY_LEN_UNAUTHENTICATED: usize = 1 << 20;

/// The limit that applies to a client.
fn limit_of(limits: &OutputLimits, conn: &Connection) -> OutputLimit {
    if conn.session.subscriptions.is_some() { limits.pubsub } else { limits.normal }
}

impl Core {
    /// The limits have been configured anew.
    pub(super) fn set_output_limits(&mut self) {
        let limit = self.exec.config.client_output_buffer_limit.normal;
        let above = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX).saturating_add(1);
        let pubsub = self.exec.config.client_output_buffer_limit.pubsub.hard;
        self.exec.limits_output = limit.hard > 0 || pubsub > 0 || self.client_memory_max() > 0;
        // Where a limit is set, a client must be able to reach it.
        self.exec.output_len_pause = if limit.hard > 0 { above(limit.hard) } else { OUTPUT_LEN_PAUSE.max(above(limit.soft)) };
    }

    /// Ends a client's connection if more waits for it than the hard limit allows. Replicas are looked at where they are fed.
    pub(super) fn enforce_hard_limit(&mut self, token: Token) {
        let limits = self.exec.config.client_output_buffer_limit;
        let Some(conn) = self.conn(token) else { return };
        let hard = limit_of(&limits, conn).hard;
        if hard > 0 && matches!(conn.peer, Peer::Client) && conn.unsent_len() as u64 > hard {
            self.close_for_output(token);
        } else if self.exec.config.maxmemory_clients != MemoryOrPercent::Bytes(0) {
            self.evict_if_alone_too_large(token);
        }
    }

    fn evict_if_alone_too_large(&mut self, token: Token) {
        let max = self.client_memory_max();
        if max > 0 && self.conn(token).is_some_and(|conn| conn.footprint() as u64 > max) {
            self.evict_clients();
        }
    }

    /// Ends connections of clients that have been above the soft limit for too long.
    pub(super) fn enforce_soft_limits(&mut self) {
        let limits = self.exec.config.client_output_buffer_limit;
        if limits.normal.soft == 0 && (limits.pubsub.soft == 0 || self.directory.is_empty()) {
            return;
        }
        let now = self.exec.now;
        let mut over = Vec::new();
        for (index, conn) in self.conns.iter_mut() {
            let limit = limit_of(&limits, conn);
            let is_client = limit.soft > 0 && matches!(conn.peer, Peer::Client);
            if !is_client || conn.closing == Closing::Now || conn.unsent_len() as u64 <= limit.soft {
                conn.over_soft_since = None;
                continue;
            }
            let since = *conn.over_soft_since.get_or_insert(now);
            if now.0.saturating_sub(since.0) > limit.soft_seconds.saturating_mul(1000) {
                over.push(Token { index: index as u32, generation: conn.generation });
            }
        }
        for token in over {
            self.close_for_output(token);
        }
    }

    #[cold]
    pub(super) fn close_for_output(&mut self, token: Token) {
        add(&self.shared.counters.client_output_buffer_limit_disconnections, 1);
        let who = self.describe(token);
        warning(&format!("Client {who} closed for overcoming of output buffer limits."));
        self.close(token);
    }

    /// Ends a client's connection if it has sent more of a request, or of a transaction, than may be kept for it.
    pub(super) fn enforce_query_limit(&mut self, token: Token) {
        let limit = self.exec.config.client_query_buffer_limit;
        let Some(conn) = self.conn(token) else { return };
        let len = conn.pending.len() + conn.session.transaction.as_ref().map_or(0, |transaction| transaction.len);
        let over = len as u64 > limit || (!conn.session.authenticated && len > QUERY_LEN_UNAUTHENTICATED);
        if over && conn.closing != Closing::Now {
            add(&self.shared.counters.client_query_buffer_limit_disconnections, 1);
            let who = self.describe(token);
            warning(&format!("Closing client that reached max query buffer length: {who}"));
            self.close(token);
        } else {
            self.evict_if_alone_too_large(token);
        }
    }

    pub(super) fn describe(&self, token: Token) -> String {
        let line = self.conns.get(token.index as usize).map(|conn| self.line_of(conn, 0));
        line.unwrap_or_default().trim_end().to_string()
    }
}
