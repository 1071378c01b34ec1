//! MONITOR: every command that any client sends, as a line to those who asked for it.

use crate::config::text::quote;
use crate::connection::{OwnedRequest, Token};
use crate::core::Core;
use crate::dispatch::registry::ServerHandler;
use crate::server::secrets::without_secrets;
use crate::shared::Gate;
use koltso_proto::id::DbIndex;
use koltso_proto::resp::Reply;
use std::sync::atomic::Ordering;

pub const HANDLERS: &[(&str, ServerHandler)] = &[("monitor", monitor)];

fn monitor(core: &mut Core, token: Token, _: &OwnedRequest) {
    let Some(conn) = core.conn(token) else { return };
    if !conn.session.monitor {
        conn.session.monitor = true;
        core.monitors.push(token);
        core.shared.monitors.fetch_add(1, Ordering::AcqRel);
        core.shared.set_gate(Gate::Monitor, true);
    }
    core.reply(token, Reply::ok);
}

impl Core {
    /// A client that watches all commands does so no longer.
    pub(crate) fn stop_monitoring(&mut self, token: Token) {
        let Some(conn) = self.conn(token) else { return };
        if !std::mem::take(&mut conn.session.monitor) {
            return;
        }
        self.monitors.retain(|&other| other != token);
        if self.shared.monitors.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.shared.set_gate(Gate::Monitor, false);
        }
    }

    /// Shows a command to everybody who watches.
    pub(crate) fn tell_monitors(&mut self, token: Token, request: &OwnedRequest) {
        let Some(conn) = self.conn(token) else { return };
        let (db, addr) = (conn.session.db, conn.session.addr.clone());
        // Who ends its own watching does not see that.
        let leaving = request.args().is(0, "RESET").then_some((self.exec.id, token));
        self.show_to_monitors(db, &addr, request, leaving);
    }

    /// Shows a command, sent by whoever this is, to everybody who watches but one.
    pub(crate) fn show_to_monitors(&mut self, db: DbIndex, who: &str, request: &OwnedRequest, leaving: Option<(usize, Token)>) {
        let now = crate::shared::now_us();
        let mut line = format!("+{}.{:06} [{} {who}]", now / 1_000_000, now % 1_000_000, db.0).into_bytes();
        let shown = without_secrets(request);
        for arg in shown.as_ref().unwrap_or(request).args().from(0) {
            line.push(b' ');
            quote(&mut line, arg);
        }
        line.extend_from_slice(b"\r\n");
        self.on_every_core(move |core| {
            for token in core.monitors.clone() {
                if leaving == Some((core.exec.id, token)) {
                    continue;
                }
                if let Some(conn) = core.conn(token) {
                    conn.output.reply.raw(&line);
                }
                core.mark_dirty(token);
            }
        });
    }
}
