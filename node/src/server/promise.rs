//! A reply that comes later, from another thread or after other cores were asked, in its place among the replies of its client.

use crate::connection::{Stall, Token};
use crate::core::{Core, Message};
use crate::reactor::inbox::Sender;
use koltso_proto::resp::Reply;

/// A reply that somebody owes a client. It may travel between threads; if it is dropped, the client waits forever.
#[must_use = "the client waits for it"]
pub struct Promise {
    home: Sender<Message>,
    token: Token,
    seq: u64,
    /// Whether the client speaks RESP3.
    resp3: bool,
    /// Whether it wants no reply.
    muted: bool,
    /// Whether its next requests wait for this reply.
    stalls: bool,
}

impl Core {
    /// Promises a client a reply. Its next requests wait until it is there; except within `EXEC`, whose other commands go on,
    /// and where the reply finds its place all the same. `None` if the client is gone.
    pub fn promise(&mut self, token: Token) -> Option<Promise> {
        let home = self.peers[self.exec.id].clone();
        let conn = self.conn(token)?;
        let seq = conn.await_reply();
        let stalls = !conn.session.in_exec;
        if stalls {
            conn.stall = Stall::Lend;
        }
        let muted = conn.session.reply_mode.mutes();
        Some(Promise { home, token, seq, resp3: conn.output.reply.resp3, muted, stalls })
    }
}

impl Promise {
    /// Whether a transaction of the client is being executed.
    pub fn is_within_exec(&self) -> bool {
        !self.stalls
    }

    /// From any thread: has the client's core write the reply. Not before work that this core has in hand is done.
    pub fn keep(self, write: impl FnOnce(&mut Core, &mut Reply) + Send + 'static) {
        let home = self.home.clone();
        home.send(Message::Run(Box::new(move |core| self.keep_here(core, write))));
    }

    /// On the client's core: writes the reply at once.
    pub fn keep_here(self, core: &mut Core, write: impl FnOnce(&mut Core, &mut Reply)) {
        let mut reply = Reply::new(self.resp3);
        write(core, &mut reply);
        let token = self.token;
        if let [b'-', error @ ..] = &reply.buf[..] {
            core.exec.tally.note_error(error);
        }
        let Some(conn) = core.conn(token) else { return };
        conn.fulfil(self.seq, if self.muted { &[] } else { &reply.buf });
        core.resume_in_order(token);
        if self.stalls {
            core.unstall(token, Stall::Lend);
        }
    }
}
