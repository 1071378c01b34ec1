//! The service thread: everything long, linear and bulk, as asynchronous code on tokio-uring.
//!
//! It sends snapshots to replicas and files, shakes hands with a primary and reads its snapshot, loads files at start, and sends keys
//! to other servers.
//! It never touches a shard: data goes to the cores as messages, and comes from them as chunks. Sockets that are ready for
//! the stream are handed to the log's core.

mod handshake;
mod load;
mod migrate;
mod rdb_out;
mod save;
mod spool;
mod stage;
mod sync;
mod text;
mod window;
mod wire;

pub use handshake::LinkJob;
pub use load::{LoadJob, Loaded, Reader};
pub use migrate::{Arrivals, Departing, MigrateJob, Target};
pub use rdb_out::ReplicationAux;
pub use save::SaveJob;
pub use sync::{Member, MemberEnd, Order, SyncJob};
pub use wire::Wire;

use crate::core::Message;
use crate::persistence::catch_up::{self, CatchUpJob};
use crate::persistence::shelf::Shelf;
use crate::persistence::{self, Home, ReplayJob, writer};
use crate::reactor::inbox::Sender;
use crate::shard::value::Value;
use crate::shared::Shared;
use crate::snapshot::Flow;
use std::rc::Rc;
use std::sync::Arc;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// What the service thread is asked to do.
pub enum ServiceCommand {
    /// Send a snapshot to replicas.
    Sync(SyncJob),
    /// Write a snapshot to a file.
    Save(SaveJob),
    /// Connect to a primary and synchronise with it.
    Link(LinkJob),
    /// Load a file.
    Load(LoadJob),
    /// Send keys to another server.
    Migrate(MigrateJob),
    /// Write the append-only file in this folder, as is ordered.
    Persist(Home, UnboundedReceiver<writer::Order>),
    /// Send a replica of the log what is in files.
    CatchUp(CatchUpJob),
    /// Read and apply it.
    Replay(ReplayJob),
    /// Drop a long string, which takes time because its pages go back to the kernel.
    Drop(Value),
    /// Give memory that is free back to the kernel.
    GiveBack,
    /// Stop.
    Stop,
}

/// The way to the service thread.
#[derive(Clone)]
pub struct ServiceSender(UnboundedSender<ServiceCommand>);

/// The service thread's end.
pub type ServiceReceiver = UnboundedReceiver<ServiceCommand>;

/// A way to the service thread, and its end.
pub fn channel() -> (ServiceSender, ServiceReceiver) {
    let (sender, receiver) = unbounded_channel();
    (ServiceSender(sender), receiver)
}

impl ServiceSender {
    /// Asks for something.
    pub fn send(&self, command: ServiceCommand) {
        // It is gone only while the node stops, when nothing is wanted of it any more.
        let _ = self.0.send(command);
    }
}

/// What every job of the service thread can reach.
#[derive(Clone)]
pub struct Surroundings {
    /// The cores.
    pub cores: Arc<Vec<Sender<Message>>>,
    /// What all threads share.
    pub shared: Arc<Shared>,
}

impl Surroundings {
    /// Does something on the log's core.
    pub fn on_log_core(&self, work: impl FnOnce(&mut crate::core::Core) + Send + 'static) {
        self.cores[0].send(Message::Run(Box::new(work)));
    }

    /// Wakes a core that waits for room for its chunks.
    pub fn wake(&self, core: usize) {
        self.cores[core].send(Message::Run(Box::new(|_| {})));
    }

    /// Gives a snapshot up, and has the cores notice.
    pub fn give_up(&self, flow: &Flow, why: &str) {
        flow.give_up(why);
        (0..self.cores.len()).for_each(|core| self.wake(core));
    }
}

/// Runs the service thread until it is told to stop. `started` hears first whether the kernel lets it.
pub fn run(mut commands: ServiceReceiver, surroundings: Surroundings, started: &std::sync::mpsc::Sender<std::io::Result<()>>) {
    let runtime = match tokio_uring::Runtime::new(&tokio_uring::builder()) {
        Ok(runtime) => runtime,
        Err(error) => return drop(started.send(Err(error))),
    };
    let _ = started.send(Ok(()));
    runtime.block_on(async move {
        let sockets = Rc::<migrate::Sockets>::default();
        let shelf = Rc::new(Shelf::new(surroundings.shared.clone()));
        drop(tokio_uring::spawn(Rc::clone(&sockets).close_idle(surroundings.clone())));
        while let Some(command) = commands.recv().await {
            let surroundings = surroundings.clone();
            match command {
                ServiceCommand::Sync(job) => drop(tokio_uring::spawn(sync::run(job, surroundings))),
                ServiceCommand::Save(job) => drop(tokio_uring::spawn(save::run(job, surroundings))),
                ServiceCommand::Link(job) => drop(tokio_uring::spawn(handshake::run(job, surroundings))),
                ServiceCommand::Persist(home, orders) => {
                    drop(tokio_uring::spawn(writer::run(home, orders, Rc::clone(&shelf), surroundings)));
                }
                ServiceCommand::CatchUp(job) => drop(tokio_uring::spawn(catch_up::run(job, Rc::clone(&shelf), surroundings))),
                ServiceCommand::Replay(job) => drop(tokio_uring::spawn(persistence::load::run(job, surroundings))),
                ServiceCommand::Load(job) => drop(tokio_uring::spawn(load::run(job, surroundings))),
                ServiceCommand::Migrate(job) => {
                    drop(tokio_uring::spawn(migrate::run(job, surroundings, Rc::clone(&sockets))));
                }
                ServiceCommand::Drop(value) => drop(value),
                ServiceCommand::GiveBack => crate::alloc::give_back(),
                ServiceCommand::Stop => return,
            }
        }
    });
}
