//! The shards that an execution holds, seen as one keyspace.

use super::Shard;
use koltso_proto::id::ShardId;
use koltso_proto::slot;

/// A view over the shards that are here: the core's own alone, or several that were lent to it.
///
/// A command is given exactly the shards its keys lie in, so every key it asks for is found; asking for any other is a bug in
/// the command table, and panics in tests.
pub struct Keyspace<'a> {
    slots: &'a mut [Option<Box<Shard>>],
    /// The only shard held, when it is only one: then no key needs its slot computed.
    only: Option<usize>,
}

impl<'a> Keyspace<'a> {
    /// One shard out of the table of all shards.
    pub fn one(slots: &'a mut [Option<Box<Shard>>], index: usize) -> Self {
        Keyspace { slots, only: Some(index) }
    }

    /// All the shards that are present in the table.
    pub fn all(slots: &'a mut [Option<Box<Shard>>]) -> Self {
        let only = (slots.len() == 1).then_some(0);
        Keyspace { slots, only }
    }

    /// The shard that owns `key`.
    #[inline]
    pub fn shard_for(&mut self, key: &[u8]) -> &mut Shard {
        let index = match self.only {
            Some(index) => index,
            None => usize::from(slot::shard_of(slot::slot_of(key), self.slots.len() as u16).0),
        };
        self.slots[index].as_deref_mut().expect("a command is given every shard its keys lie in")
    }

    /// The number of shards that the node has, held or not.
    pub fn shards_total(&self) -> u16 {
        self.slots.len() as u16
    }

    /// A certain shard, if it is held.
    pub fn shard(&mut self, id: ShardId) -> Option<&mut Shard> {
        let index = usize::from(id.0);
        if self.only.is_some_and(|only| only != index) {
            return None;
        }
        self.slots.get_mut(index)?.as_deref_mut()
    }

    /// Every shard held, in ascending order.
    pub fn shards(&mut self) -> impl Iterator<Item = &mut Shard> {
        let only = self.only;
        self.slots
            .iter_mut()
            .enumerate()
            .filter(move |(index, _)| only.is_none_or(|only| only == *index))
            .filter_map(|(_, shard)| shard.as_deref_mut())
    }

    /// Any one shard held, for what is equal in all of them.
    #[inline]
    pub fn any(&mut self) -> &mut Shard {
        let shard = match self.only {
            Some(index) => self.slots[index].as_deref_mut(),
            None => self.slots.iter_mut().find_map(Option::as_deref_mut),
        };
        shard.expect("an execution holds at least one shard")
    }
}
