//! `FAILOVER`: a primary hands its role to one of its replicas, and nothing that was written is lost on the way.
//!
//! ```text
//!  FAILOVER ─► writes are paused, and all of them stand in the log ─► a replica has all of it
//!                 (waiting-for-sync)                                     │   or the time is over, and FORCE was said
//!                                                                        ▼
//!              we follow that replica, with PSYNC … FAILOVER, which makes it a primary ─► writes go on, there
//!                 (failover-in-progress)
//! ```
//!
//! Until the replica has said that it continues our history, everything can be taken back. The other side of it, a node that is
//! asked to take over, is here as well.

use super::Replication;
use super::primary::PING;
use super::stream::{Handoff, Replica, ReplicaState, SyncRequest};
use super::waiters::GETACK;
use crate::core::Core;
use crate::logging::{notice, warning};
use bytes::Bytes;
use koltso_proto::id::{Offset, UnixMs};

/// What `FAILOVER` was asked for.
#[derive(Clone, Debug, Default)]
pub struct FailoverRequest {
    /// Which replica; `None` = the first that has everything.
    pub target: Option<(String, u16)>,
    /// How long to wait for it, in milliseconds; `None` = forever.
    pub timeout_ms: Option<u64>,
    /// Whether it takes over at the end of that time even if it does not have everything.
    pub force: bool,
}

/// A failover under way.
#[derive(Debug)]
pub struct Failover {
    /// Tells it from one that was given up.
    id: u64,
    target: Option<(String, u16)>,
    deadline: Option<UnixMs>,
    force: bool,
    stage: Stage,
    /// How often the target was asked to take over. It may have done so and we not have heard its answer.
    asked: u32,
    /// Whether it has, as it seems now: then it is followed as any other primary.
    has_taken_over: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Cores are being told that writes are paused.
    Pausing,
    /// A replica must have everything up to here.
    Waiting(Offset),
    /// We follow the target.
    Following,
}

impl Failover {
    /// INFO's name of how far it has come.
    pub fn state_name(&self) -> &'static str {
        if self.stage == Stage::Following { "failover-in-progress" } else { "waiting-for-sync" }
    }

    /// We link to the target: whether it is to be asked to take over.
    pub(super) fn asks_now(&mut self) -> bool {
        let asks = self.stage == Stage::Following && !self.has_taken_over;
        self.asked += u32::from(asks);
        asks
    }

    fn name(&self) -> String {
        match &self.target {
            Some((host, port)) => format!("FAILOVER to {host}:{port}"),
            None => "FAILOVER to any replica".to_string(),
        }
    }
}

impl Replication {
    /// Whether nothing may be added to our history any more, since somebody is about to continue it.
    pub(super) fn is_final(&self) -> bool {
        self.sealed || self.failover.as_ref().is_some_and(|failover| failover.stage != Stage::Pausing)
    }
}

impl Replica {
    fn is_at(&self, (host, port): &(String, u16)) -> bool {
        self.port() == *port && self.shown_ip().eq_ignore_ascii_case(host)
    }
}

impl Core {
    /// On the log's core: begins a failover. It goes on by itself.
    ///
    /// # Errors
    /// The reply to who has asked, without its code: it cannot begin.
    pub fn begin_failover(&mut self, request: FailoverRequest) -> Result<(), &'static str> {
        let now = self.exec.now;
        if self.is_failing_over() {
            return Err("FAILOVER already in progress.");
        }
        let Some(replication) = &mut self.replication else { return Ok(()) };
        if replication.upstream.is_some() || replication.promoting {
            return Err("FAILOVER is not valid when server is a replica.");
        }
        if replication.replicas.is_empty() {
            return Err("FAILOVER requires connected replicas.");
        }
        let FailoverRequest { target, timeout_ms, force } = request;
        if force && (timeout_ms.is_none() || target.is_none()) {
            return Err("FAILOVER with force option requires both a timeout and target HOST and IP.");
        }
        if let Some(target) = &target {
            let mut found = replication.replicas.iter().filter(|replica| replica.is_at(target)).peekable();
            if found.peek().is_none() {
                return Err("FAILOVER target HOST and PORT is not a replica.");
            }
            if found.all(|replica| replica.state != ReplicaState::Online) {
                return Err("FAILOVER target replica is not online.");
            }
        }
        let deadline = timeout_ms.map(|timeout| UnixMs(now.0.saturating_add(timeout)));
        let id = replication.next_id();
        let failover = Failover { id, target, deadline, force, stage: Stage::Pausing, asked: 0, has_taken_over: false };
        match &failover.target {
            Some((host, port)) => notice(&format!("FAILOVER requested to {host}:{port}.")),
            None => notice("FAILOVER requested to any replica."),
        }
        replication.failover = Some(failover);
        self.begin_pause(0, false, Box::new(move |core| core.wait_for_target(id)));
        Ok(())
    }

    /// Every write stands in the log: replicas are asked how far they have come. Their answers do not count the question, and what
    /// is asked for is more than any of them can have said before: so who has that has the question, too, and our whole history.
    fn wait_for_target(&mut self, id: u64) {
        let Some(replication) = &mut self.replication else { return };
        let Some(failover) = replication.failover.as_mut().filter(|failover| failover.id == id) else { return };
        replication.log.append_verbatim(Bytes::from_static(PING));
        failover.stage = Stage::Waiting(replication.log.end());
        replication.log.append_verbatim(Bytes::from_static(GETACK));
    }

    /// On the log's core: looks whether a replica can take over, or the time is over.
    pub(super) fn advance_failover(&mut self) {
        let now = self.exec.now;
        let Some(replication) = &mut self.replication else { return };
        let Some(failover) = &mut replication.failover else { return };
        let Stage::Waiting(end) = failover.stage else { return };
        if failover.deadline.is_some_and(|deadline| now >= deadline) {
            let Some((host, port)) = failover.target.clone().filter(|_| failover.force) else {
                return self.abort_failover("Replica never caught up before timeout", |_| {});
            };
            notice(&format!("FAILOVER to {host}:{port} time out exceeded, failing over."));
            return self.hand_over(host, port);
        }
        let mut ready = replication.replicas.iter().filter(|replica| {
            let is_meant = failover.target.as_ref().is_none_or(|target| replica.is_at(target));
            is_meant && replica.state == ReplicaState::Online && replica.acked >= end
        });
        let Some((host, port)) = ready.next().map(|replica| (replica.shown_ip().to_string(), replica.port())) else { return };
        notice(&format!("Failover target {host}:{port} is synced, failing over."));
        self.hand_over(host, port);
    }

    fn hand_over(&mut self, host: String, port: u16) {
        if let Some(failover) = self.replication.as_mut().and_then(|replication| replication.failover.as_mut()) {
            failover.target = Some((host.clone(), port));
            failover.stage = Stage::Following;
        }
        self.follow(host, port);
    }

    /// On the log's core: the target is a primary now. Clients go on, and learn that this node is a replica.
    pub(super) fn end_failover(&mut self) {
        let is_over = self.replication.as_mut().and_then(|replication| replication.failover.take()).is_some();
        if is_over {
            self.release_pause();
        }
    }

    /// On the log's core: this node stays the primary, or becomes it again. `done` hears when it takes writes, and whether there was
    /// a failover at all.
    pub fn abort_failover(&mut self, why: &str, done: impl FnOnce(bool) + Send + 'static) {
        let Some(failover) = self.replication.as_mut().and_then(|replication| replication.failover.take()) else {
            return done(false);
        };
        notice(&format!("{} aborted: {why}", failover.name()));
        let go_on = |core: &mut Core| {
            core.release_pause();
            done(true);
        };
        match failover.stage == Stage::Following {
            true => self.promote(go_on),
            false => go_on(self),
        }
    }

    /// On the log's core: the target does not take over, since it `is_primary` or for another reason.
    pub(super) fn on_takeover_refused(&mut self, is_primary: bool) {
        let failover = self.replication.as_mut().and_then(|replication| replication.failover.as_mut());
        if let Some(failover) = failover.filter(|failover| is_primary && failover.asked > 1) {
            // An earlier question has made it one. If we went on as a primary, there would be two.
            failover.has_taken_over = true;
            return;
        }
        self.abort_failover("Failover target rejected psync request", |_| {});
    }

    /// Whether a failover is under way; known on the log's core.
    pub fn is_failing_over(&self) -> bool {
        self.replication.as_ref().is_some_and(|replication| replication.failover.is_some())
    }

    /// On the log's core: our primary wants this node to take its place, and to be its replica.
    pub(super) fn take_over(&mut self, mut handoff: Handoff) {
        let SyncRequest::Psync { replid, takes_over, .. } = &mut handoff.request else { return };
        *takes_over = false;
        let replid = *replid;
        let shown = replid.map_or("?".to_string(), |replid| replid.to_string());
        warning(&format!("Failover request received for replid {shown}."));
        let Some(replication) = &self.replication else { return };
        if replication.upstream.is_none() {
            return self.refuse_replica(handoff, "ERR PSYNC FAILOVER can't be sent to a master.");
        }
        if replid != Some(replication.ids.current) {
            return self.refuse_replica(handoff, "ERR PSYNC FAILOVER replid must match my replid.");
        }
        notice(&format!("A failover was requested by {}", handoff.session.addr));
        self.promote(move |core| core.on_replica(handoff));
    }
}
