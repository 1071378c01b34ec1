//! CLIENT TRACKING, CACHING, GETREDIR, TRACKINGINFO.

use crate::connection::{Closing, Token};
use crate::core::Core;
use crate::tracking::{Choice, Redirect, Tracker, Tracking};
use koltso_proto::number::parse_i64;
use koltso_proto::resp::{Args, Reply};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

const SYNTAX: &str = "ERR syntax error";
const NO_SUCH_CLIENT: &str = "ERR The client ID you want redirect to does not exist";
const OTHER_MODE: &str = "ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then re-enabling it with \
     a different mode.";
const OTHER_CHOICE: &str = "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then re-enabling it \
     with a different mode.";

/// The options of `CLIENT TRACKING`.
#[derive(Debug, Default)]
struct Options {
    redirect: Option<i64>,
    broadcast: bool,
    prefixes: Vec<Vec<u8>>,
    optin: bool,
    optout: bool,
    noloop: bool,
}

impl Options {
    /// Reads options up to the first error.
    fn read(&mut self, args: Args<'_>) -> Result<(), &'static str> {
        let mut at = 3;
        while at < args.len() {
            let more = at + 1 < args.len();
            if args.is(at, "REDIRECT") && more {
                at += 1;
                if self.redirect.is_some() {
                    return Err("ERR A client can only redirect to a single other client");
                }
                self.redirect = Some(parse_i64(args.get(at)).ok_or("ERR value is not an integer or out of range")?);
            } else if args.is(at, "PREFIX") && more {
                at += 1;
                self.prefixes.push(args.get(at).to_vec());
            } else if args.is(at, "BCAST") {
                self.broadcast = true;
            } else if args.is(at, "OPTIN") {
                self.optin = true;
            } else if args.is(at, "OPTOUT") {
                self.optout = true;
            } else if args.is(at, "NOLOOP") {
                self.noloop = true;
            } else {
                return Err(SYNTAX);
            }
            at += 1;
        }
        Ok(())
    }

    /// The prefixes asked for: without any, that of all keys.
    fn all_prefixes(&self) -> BTreeSet<Box<[u8]>> {
        let mut prefixes: BTreeSet<Box<[u8]>> = self.prefixes.iter().map(|prefix| prefix.as_slice().into()).collect();
        if self.broadcast && prefixes.is_empty() {
            prefixes.insert(Box::default());
        }
        prefixes
    }

    /// Whether they fit each other, and what the client has asked for before.
    fn check(&self, before: Option<&Tracking>) -> Result<(), String> {
        if !self.broadcast && !self.prefixes.is_empty() {
            return Err("ERR PREFIX option requires BCAST mode to be enabled".into());
        }
        if before.is_some_and(|before| before.broadcast != self.broadcast) {
            return Err(OTHER_MODE.into());
        }
        if self.broadcast && (self.optin || self.optout) {
            return Err("ERR OPTIN and OPTOUT are not compatible with BCAST".into());
        }
        if self.optin && self.optout {
            return Err("ERR You can't specify both OPTIN mode and OPTOUT mode".into());
        }
        let choice = before.map_or(Choice::All, |before| before.choice);
        if (self.optin && choice == Choice::OptOut) || (self.optout && choice == Choice::OptIn) {
            return Err(OTHER_CHOICE.into());
        }
        self.check_prefixes(before)
    }

    /// A client is told of each key once: no prefix of it may be one of another.
    fn check_prefixes(&self, before: Option<&Tracking>) -> Result<(), String> {
        let overlap = |a: &[u8], b: &[u8]| a.starts_with(b) || b.starts_with(a);
        let error = |prefix: &[u8], what: &str, other: &[u8]| {
            let [prefix, other] = [prefix, other].map(String::from_utf8_lossy);
            let why = "Prefixes for a single client must not overlap.";
            format!("ERR Prefix '{prefix}' overlaps with {what} prefix '{other}'. {why}")
        };
        for (nth, prefix) in self.prefixes.iter().enumerate() {
            let mut known = before.iter().flat_map(|before| &before.prefixes);
            if let Some(other) = known.find(|known| overlap(known, prefix)) {
                return Err(error(prefix, "an existing", other));
            }
            if let Some(other) = self.prefixes[nth + 1..].iter().find(|other| overlap(other, prefix)) {
                return Err(error(prefix, "another provided", other));
            }
        }
        Ok(())
    }
}

/// `CLIENT TRACKING ON|OFF [REDIRECT id] [BCAST] [PREFIX prefix …] [OPTIN] [OPTOUT] [NOLOOP]`.
pub fn tracking(core: &mut Core, token: Token, args: Args<'_>) {
    let mut options = Options::default();
    let read = options.read(args);
    let on = args.is(2, "ON");
    let is_known = on || args.is(2, "OFF");
    let read = if is_known { read } else { read.and(Err(SYNTAX)) };
    let spreads = on && options.broadcast && read.is_ok();
    if options.redirect.is_none() && !spreads {
        return match read.map_err(str::to_string).and_then(|()| core.change_tracking(token, on, &options, None)) {
            Err(error) => core.refuse(token, &error),
            Ok(()) => core.ok(token),
        };
    }
    let (here, wanted) = (core.exec.id, options.redirect);
    let at_hand = wanted.and_then(|id| core.find_client(id));
    if !spreads && (at_hand.is_some() || core.peers.len() == 1) {
        // At once, which matters within `EXEC`.
        let redirect = wanted.zip(at_hand).map(|(id, place)| Redirect { id: id as u64, place });
        let done = match redirect {
            None => Err(NO_SUCH_CLIENT.to_string()),
            Some(_) => read.map_err(str::to_string).and_then(|()| core.change_tracking(token, on, &options, redirect)),
        };
        return match done {
            Err(error) => core.refuse(token, &error),
            Ok(()) => core.ok(token),
        };
    }
    let held = if spreads { options.all_prefixes() } else { BTreeSet::new() };
    // Nothing is missed of what has been confirmed: by then every shard knows the prefixes.
    held.iter().for_each(|prefix| core.shared.prefixes.add(here, prefix));
    if spreads {
        core.renew_prefixes();
    }
    let visit = move |core: &mut Core| {
        if spreads {
            core.renew_prefixes();
        }
        core.find_client(wanted?)
    };
    let finish = move |core: &mut Core, found: Vec<Option<(usize, Token)>>, reply: &mut Reply| {
        let place = found.into_iter().flatten().next();
        let redirect = wanted.zip(place).map(|(id, place)| Redirect { id: id as u64, place });
        let done = match wanted.is_some() && place.is_none() {
            true => Err(NO_SUCH_CLIENT.to_string()),
            false => read.map_err(str::to_string).and_then(|()| core.change_tracking(token, on, &options, redirect)),
        };
        held.iter().for_each(|prefix| core.shared.prefixes.remove(here, prefix));
        match done {
            Ok(()) if core.conn(token).is_some() => return reply.ok(),
            // It is gone, and shards know of prefixes that nobody wants.
            Ok(()) => {}
            Err(error) => reply.error(error),
        }
        if spreads {
            core.spread_prefixes();
        }
    };
    match spreads {
        true => core.gather_with_shards(token, visit, finish),
        false => core.gather(token, visit, finish),
    }
}

impl Core {
    /// Where a client is, if it is one of this core.
    fn find_client(&self, id: i64) -> Option<(usize, Token)> {
        let mut open = self.conns.iter().filter(|(_, conn)| conn.closing == Closing::No);
        let (index, conn) = open.find(|(_, conn)| conn.session.id as i64 == id)?;
        Some((self.exec.id, Token { index: index as u32, generation: conn.generation }))
    }

    /// Changes what a client of this core tracks.
    fn change_tracking(&mut self, token: Token, on: bool, options: &Options, redirect: Option<Redirect>) -> Result<(), String> {
        if !on {
            self.end_tracking(token);
            return Ok(());
        }
        let here = self.exec.id;
        let Some(conn) = self.conn(token) else { return Ok(()) };
        let session = &mut conn.session;
        options.check(session.tracking())?;
        let me = Arc::clone(session.tracker.get_or_insert_with(|| Arc::new(Tracker::new(here, token))));
        me.set(!options.broadcast, options.noloop);
        let before = session.set_tracking(None);
        let is_new = before.is_none();
        let mut prefixes = before.map(|before| before.prefixes).unwrap_or_default();
        let mut added = options.all_prefixes();
        added.retain(|prefix| !prefixes.contains(prefix));
        prefixes.extend(added.iter().cloned());
        let choice = match (options.optin, options.optout) {
            (true, _) => Choice::OptIn,
            (_, true) => Choice::OptOut,
            _ => Choice::All,
        };
        let tracking = Tracking {
            me,
            redirect,
            is_broken: false,
            broadcast: options.broadcast,
            prefixes,
            choice,
            noloop: options.noloop,
            caching: false,
            after_client: false,
        };
        session.set_tracking(Some(Box::new(tracking)));
        added.iter().for_each(|prefix| self.shared.prefixes.add(here, prefix));
        if is_new {
            self.trackers.push(token);
            self.shared.tracking.clients.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// `CLIENT CACHING YES|NO`.
pub fn caching(core: &mut Core, token: Token, args: Args<'_>) {
    let tracking = core.conn(token).and_then(|conn| conn.session.tracking_mut());
    let Some(tracking) = tracking else {
        let why = "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled";
        return core.refuse(token, why);
    };
    let (choice, error) = if args.is(2, "YES") {
        (Choice::OptIn, "ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.")
    } else if args.is(2, "NO") {
        (Choice::OptOut, "ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.")
    } else {
        return core.refuse(token, SYNTAX);
    };
    if tracking.choice != choice {
        return core.refuse(token, error);
    }
    tracking.caching = true;
    core.ok(token);
}

/// `CLIENT TRACKINGINFO`.
pub fn info(core: &mut Core, token: Token) {
    super::with_session(core, token, |session, reply| {
        let tracking = session.tracking();
        let is = |what: fn(&Tracking) -> bool| tracking.is_some_and(what);
        let caching = is(|tracking| tracking.caching);
        let flags = [
            ("off", tracking.is_none()),
            ("on", tracking.is_some()),
            ("bcast", is(|tracking| tracking.broadcast)),
            ("optin", is(|tracking| tracking.choice == Choice::OptIn)),
            ("caching-yes", caching && is(|tracking| tracking.choice == Choice::OptIn)),
            ("optout", is(|tracking| tracking.choice == Choice::OptOut)),
            ("caching-no", caching && is(|tracking| tracking.choice == Choice::OptOut)),
            ("noloop", is(|tracking| tracking.noloop)),
            ("broken_redirect", is(|tracking| tracking.is_broken)),
        ];
        reply.map(3);
        reply.bulk(b"flags");
        reply.set(flags.iter().filter(|(_, on)| *on).count());
        flags.iter().filter(|(_, on)| *on).for_each(|(name, _)| reply.bulk(name.as_bytes()));
        reply.bulk(b"redirect");
        reply.int(session.redirection());
        reply.bulk(b"prefixes");
        reply.array(tracking.map_or(0, |tracking| tracking.prefixes.len()));
        tracking.into_iter().flat_map(|tracking| &tracking.prefixes).for_each(|prefix| reply.bulk(prefix));
    });
}
