//! Applying what the append-only file holds, through the same path as the stream of a primary: commands in order, transactions
//! whole, over all cores. What is applied is not recorded again, and nobody is told of it.
//!
//! The [service thread](super::load) hands over whole units and waits until they are applied.

use super::Home;
use super::load::{ReplayJob, Replayed};
use crate::connection::{Peer, Session, Token};
use crate::core::Core;
use crate::replication::link::PrimaryStream;
use crate::service::{Loaded, ServiceCommand, Surroundings};
use crate::tls::Transport;
use koltso_proto::id::Offset;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use tokio::sync::oneshot;

/// What is being applied, on the log's core.
pub struct Replay {
    /// What stands for the connection to a primary.
    pub token: Token,
    /// Bytes that were handed over.
    fed: u64,
    /// Told when so much is applied.
    waiting: Option<(Offset, oneshot::Sender<()>)>,
}

/// Told how it went.
type Then = Box<dyn FnOnce(&mut Core, Result<Replayed, String>) + Send>;

const STOPPED: &str = "the node is stopping";

/// Puts a base in the place of what is there; the segments are applied to it.
///
/// # Errors
/// When the node stops meanwhile.
pub async fn take_in(surroundings: &Surroundings, loaded: Loaded) -> Result<(), String> {
    let (told, done) = oneshot::channel::<Result<(), String>>();
    surroundings.on_log_core(move |core| {
        core.with_all_shards(Box::new(move |core| {
            core.exec.shards.iter_mut().flatten().for_each(|shard| shard.commit_staging());
            core.take_in_libraries(&loaded.libraries, true);
            let _ = told.send(core.open_replay());
        }));
    });
    done.await.map_err(|_| STOPPED.to_string())?
}

/// Applies whole units.
///
/// # Errors
/// When the node stops meanwhile.
pub async fn apply(surroundings: &Surroundings, units: Vec<u8>) -> Result<(), String> {
    let (told, done) = oneshot::channel();
    surroundings.on_log_core(move |core| core.feed_replay(&units, told));
    done.await.map_err(|_| "the append only file could not be applied; see the log above".to_string())
}

impl Core {
    /// On the log's core: reads the append-only file in the place of what is there; `then` hears how that went, with all shards
    /// here. Clients must not be served meanwhile.
    pub fn begin_replay(&mut self, then: Then) {
        self.with_all_shards(Box::new(move |core| {
            core.flush_effects();
            for shard in core.exec.shards.iter_mut().flatten() {
                shard.begin_staging();
                // Deadlines wait: what is deleted is in the file.
                (shard.replica, shard.logged) = (true, false);
            }
            core.shared.take_stage_error();
            let log_core = core.peers[0].clone();
            let done = Box::new(move |outcome| {
                let end = move |core: &mut Core| core.end_replay(outcome, then);
                log_core.send(crate::core::Message::Run(Box::new(end)));
            });
            let config = &core.exec.config;
            let (truncates, verify_checksum) = (config.aof_load_truncated, config.rdbchecksum);
            let job = ReplayJob { home: Home::of(config), truncates, verify_checksum, done };
            core.service.send(ServiceCommand::Replay(job));
        }));
    }

    fn end_replay(&mut self, mut outcome: Result<Replayed, String>, then: Then) {
        if let Some(replay) = self.replay.take() {
            // Where there is nothing but a base, that has said which database is selected.
            if replay.fed > 0
                && let (Some(conn), Ok(Replayed { history: Some(history), .. })) = (self.conn(replay.token), &mut outcome)
            {
                history.db = conn.session.db;
            }
            self.close(replay.token);
        }
        self.with_all_shards(Box::new(move |core| {
            core.exec.shards.iter_mut().flatten().for_each(|shard| shard.abort_staging());
            then(core, outcome);
        }));
    }

    /// A connection whose other end is nobody: the place that the apply path keeps its state in.
    fn open_replay(&mut self) -> Result<(), String> {
        let (here, _) =
            socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None).map_err(|e| e.to_string())?;
        let session = Session::new(0, "?:0".to_string(), String::new(), self.exec.now, &self.users);
        let token = self.adopt(Transport::from(here), session);
        self.conns[token.index as usize].peer = Peer::Primary(Box::new(PrimaryStream::for_replay()));
        self.replay = Some(Box::new(Replay { token, fed: 0, waiting: None }));
        Ok(())
    }

    fn feed_replay(&mut self, units: &[u8], told: oneshot::Sender<()>) {
        let Some(replay) = &mut self.replay else { return };
        replay.fed += units.len() as u64;
        replay.waiting = Some((Offset(replay.fed), told));
        let token = replay.token;
        let Some(conn) = self.conn(token) else { return };
        conn.pending.extend_from_slice(units);
        self.apply_stream(token);
        self.note_applied();
    }

    /// Tells the reader of the file if what it waits for is applied.
    pub(crate) fn note_replayed(&mut self) {
        let Some(replay) = &self.replay else { return };
        let token = replay.token;
        // Behind a connection that is gone nobody waits: the load ends.
        let applied = match self.conn(token).map(|conn| &conn.peer) {
            Some(Peer::Primary(stream)) => Some(stream.applied),
            _ => None,
        };
        let Some(replay) = &mut self.replay else { return };
        let is_due = |(target, _): &mut (Offset, _)| applied.is_none_or(|applied| applied >= *target);
        if let Some((_, told)) = replay.waiting.take_if(is_due)
            && applied.is_some()
        {
            let _ = told.send(());
        }
    }
}
