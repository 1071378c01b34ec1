//! Which command a request names, and where it has to run: on this core, on the one that has its key, or here with shards of others.

use super::executor::Executor;
use super::registry::{Command, Run, unknown_command, unknown_subcommand, wrong_arity};
use super::shard_set::ShardSet;
use koltso_proto::command::CommandSpec;
use koltso_proto::resp::Args;
use koltso_proto::slot;

/// Where a request has to run.
pub enum Route {
    /// Here.
    Local,
    /// On another core.
    Peer(usize),
    /// Here, with these shards borrowed.
    Lend(ShardSet),
}

impl Executor {
    /// Where a command of the keyspace has to run.
    #[inline(always)]
    pub fn route(&self, command: &Command, args: Args<'_>) -> Route {
        if self.shards.len() == 1 {
            return Route::Local;
        }
        if command.only_key != 0 {
            let shard = self.shard_of(args.get(usize::from(command.only_key)));
            return if shard == self.id { Route::Local } else { Route::Peer(shard) };
        }
        self.route_of_many(command, args)
    }

    fn route_of_many(&self, command: &Command, args: Args<'_>) -> Route {
        let set = self.shards_of(command, args);
        match set.single() {
            Some(shard) if shard == self.id => Route::Local,
            Some(shard) => Route::Peer(shard),
            None if set.is_empty() => Route::Local,
            None => Route::Lend(set),
        }
    }

    /// The shard that owns a key.
    #[inline]
    pub fn shard_of(&self, key: &[u8]) -> usize {
        usize::from(slot::shard_of(slot::slot_of(key), self.shards.len() as u16).0)
    }

    /// Whether all the shards are here that a command's keys are in.
    pub fn has_shards_of(&self, command: &Command, args: Args<'_>) -> bool {
        self.shards.iter().all(Option::is_some)
            || self.shards_of(command, args).iter().all(|shard| self.shards[shard].is_some())
    }

    /// All the shards that a command's keys are in.
    pub fn shards_of(&self, command: &Command, args: Args<'_>) -> ShardSet {
        let mut set = ShardSet::default();
        if matches!(command.run, Run::AllKeys(_)) {
            return ShardSet::all(self.shards.len());
        }
        if matches!(command.run, Run::Keys(_)) {
            let mut spec = command.spec;
            if command.is_container && args.len() > 1 {
                spec = spec.subcommand(args.get(1)).unwrap_or(spec);
            }
            match spec.keys(args.len(), |i| args.get(i)) {
                Ok(keys) if keys.open_ended => return ShardSet::all(self.shards.len()),
                Ok(keys) => keys.iter().for_each(|(position, _)| set.insert(self.shard_of(args.get(position)))),
                // Mostly the arguments are wrong, and the command will say so itself. But it may have keys all the same (`PFMERGE`
                // of one), and must not be let look for them in the wrong shard.
                Err(_) => return ShardSet::all(self.shards.len()),
            }
        }
        set
    }

    /// What the table says of the command or subcommand that a request names, if there is one, whatever its arguments.
    pub fn spec_of(&self, args: Args<'_>) -> Option<&'static CommandSpec> {
        let command = self.registry.find(args.get(0))?;
        if command.is_container && args.len() > 1 { command.spec.subcommand(args.get(1)) } else { Some(command.spec) }
    }

    /// The command a request names, with the specification of its subcommand if it has any; or the error that refuses it.
    ///
    /// # Errors
    /// The text of the reply, if there is no such command or its arguments are too many or too few.
    pub fn look_up(&self, args: Args<'_>) -> Result<(&'static Command, &'static CommandSpec), String> {
        Executor::look_up_in(self.registry.find(args.get(0)), args)
    }

    /// As [`look_up`](Self::look_up), for a request that bears the command's name in the table.
    ///
    /// # Errors
    /// As there.
    pub fn look_up_in_table(&self, args: Args<'_>) -> Result<(&'static Command, &'static CommandSpec), String> {
        Executor::look_up_in(self.registry.find_in_table(args.get(0)), args)
    }

    fn look_up_in(
        command: Option<&'static Command>,
        args: Args<'_>,
    ) -> Result<(&'static Command, &'static CommandSpec), String> {
        let command = command.ok_or_else(|| unknown_command(args))?;
        let mut spec = command.spec;
        if command.is_container && args.len() > 1 {
            spec = spec.subcommand(args.get(1)).ok_or_else(|| unknown_subcommand(args))?;
        }
        if !spec.check_arity(args.len()) {
            return Err(wrong_arity(spec.name));
        }
        Ok((command, spec))
    }
}
