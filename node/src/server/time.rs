//! TIME and LOLWUT.

use crate::connection::{OwnedRequest, Token};
use crate::core::Core;
use crate::dispatch::registry::ServerHandler;
use crate::info::REDIS_VERSION;
use crate::shared::now_us;

pub const HANDLERS: &[(&str, ServerHandler)] = &[("time", time), ("lolwut", lolwut)];

fn time(core: &mut Core, token: Token, _: &OwnedRequest) {
    let now = now_us();
    core.reply(token, |reply| {
        reply.array(2);
        reply.bulk_int((now / 1_000_000) as i64);
        reply.bulk_int((now % 1_000_000) as i64);
    });
}

/// A ring.
const DRAWING: &str = "      . - ~ ~ - .\n  . '             ' .\n /                   \\\n|                     |\n \\                   /\n  ' .             . '\n      ' - . . - '\n";

fn lolwut(core: &mut Core, token: Token, _: &OwnedRequest) {
    let text = format!("{DRAWING}\nKoltso ver. {}, as Redis ver. {REDIS_VERSION}\n", env!("CARGO_PKG_VERSION"));
    core.reply(token, |reply| reply.verbatim(b"txt", text.as_bytes()));
}
