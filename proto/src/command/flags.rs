//! The bit sets of the command table, each bit with the name that `COMMAND INFO` prints for it, in the order it prints them.

/// Declares a bit set: a newtype over an integer, its members, and their names in printing order.
macro_rules! bit_set {
    ($(#[$doc:meta])* $name:ident: $int:ty { $($(#[$member_doc:meta])* $member:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
        pub struct $name(pub $int);

        impl $name {
            bit_set!(@members $name, $int, 0, $($(#[$member_doc])* $member,)*);

            /// Every member with its name.
            pub const ALL: &'static [($name, &'static str)] = &[$(($name::$member, $text)),*];

            /// No member.
            pub const NONE: $name = $name(0);

            /// Whether all of `other` is in this set.
            pub const fn has(self, other: $name) -> bool {
                self.0 & other.0 == other.0
            }

            /// Whether any of `other` is in this set.
            pub const fn intersects(self, other: $name) -> bool {
                self.0 & other.0 != 0
            }

            /// Both sets together.
            pub const fn with(self, other: $name) -> $name {
                $name(self.0 | other.0)
            }

            /// `with(other)` if `condition`.
            pub const fn with_if(self, condition: bool, other: $name) -> $name {
                if condition { self.with(other) } else { self }
            }

            /// This set without `other`.
            pub const fn without(self, other: $name) -> $name {
                $name(self.0 & !other.0)
            }

            /// The names of the members that have one.
            pub fn names(self) -> impl Iterator<Item = &'static str> + Clone {
                Self::ALL.iter().filter(move |(member, name)| self.has(*member) && !name.is_empty()).map(|(_, name)| *name)
            }

            /// The member of this name, compared without case.
            pub fn by_name(name: &[u8]) -> Option<$name> {
                let found = Self::ALL.iter().find(|(_, text)| !text.is_empty() && text.as_bytes().eq_ignore_ascii_case(name));
                found.map(|(member, _)| *member)
            }
        }
    };
    (@members $name:ident, $int:ty, $bit:expr, ) => {};
    (@members $name:ident, $int:ty, $bit:expr, $(#[$doc:meta])* $member:ident, $($rest:tt)*) => {
        $(#[$doc])*
        pub const $member: $name = $name(1 << ($bit));
        bit_set!(@members $name, $int, $bit + 1, $($rest)*);
    };
}

bit_set! {
    /// What the dispatcher has to know about a command.
    Flags: u32 {
        /// May change the data set: refused on read-only replicas, propagated.
        WRITE = "write",
        /// Only reads keys.
        READONLY = "readonly",
        /// May need more memory: refused when `maxmemory` is reached and nothing can be evicted.
        DENYOOM = "denyoom",
        /// Administrative.
        ADMIN = "admin",
        /// About channels.
        PUBSUB = "pubsub",
        /// Not callable from scripts.
        NOSCRIPT = "noscript",
        /// May block the client.
        BLOCKING = "blocking",
        /// Allowed while the data set is being loaded.
        LOADING = "loading",
        /// Allowed on a replica without its primary that must not serve stale data.
        STALE = "stale",
        /// Not shown to `MONITOR`.
        SKIP_MONITOR = "skip_monitor",
        /// Not logged as slow.
        SKIP_SLOWLOG = "skip_slowlog",
        /// Redirects as after `ASKING` apply.
        ASKING = "asking",
        /// Constant or logarithmic time.
        FAST = "fast",
        /// Allowed before authentication.
        NO_AUTH = "no_auth",
        /// Runs no key command itself but may cause writes or messages that replicas get. Not printed.
        MAY_REPLICATE = "",
        /// May be called with no key at all although it has key arguments.
        NO_MANDATORY_KEYS = "no_mandatory_keys",
        /// Not allowed while a replica loads into a second data set.
        NO_ASYNC_LOADING = "no_async_loading",
        /// Not allowed inside `MULTI`.
        NO_MULTI = "no_multi",
        /// The legacy first/last/step triple does not find all keys.
        MOVABLEKEYS = "movablekeys",
        /// Allowed while a script runs for too long.
        ALLOW_BUSY = "allow_busy",
    }
}

bit_set! {
    /// The ACL categories of a command; `+@name` and `-@name` in rules. Printed by `COMMAND INFO` with an `@` in front.
    AclCategories: u32 {
        /// Keys of any type.
        KEYSPACE = "keyspace",
        /// Reads keys.
        READ = "read",
        /// Writes keys.
        WRITE = "write",
        /// Sets.
        SET = "set",
        /// Sorted sets.
        SORTEDSET = "sortedset",
        /// Lists.
        LIST = "list",
        /// Hashes.
        HASH = "hash",
        /// Strings.
        STRING = "string",
        /// Bits of strings.
        BITMAP = "bitmap",
        /// HyperLogLogs.
        HYPERLOGLOG = "hyperloglog",
        /// Places.
        GEO = "geo",
        /// Streams.
        STREAM = "stream",
        /// Channels.
        PUBSUB = "pubsub",
        /// Administrative.
        ADMIN = "admin",
        /// Constant or logarithmic time.
        FAST = "fast",
        /// Everything else.
        SLOW = "slow",
        /// May block the client.
        BLOCKING = "blocking",
        /// Can hurt others.
        DANGEROUS = "dangerous",
        /// About the connection itself.
        CONNECTION = "connection",
        /// Transactions.
        TRANSACTION = "transaction",
        /// Scripts and functions.
        SCRIPTING = "scripting",
    }
}

bit_set! {
    /// What a command does with a key. Exactly one of the first four, and any of the others.
    KeyFlags: u16 {
        /// Read only.
        RO = "RO",
        /// Read and changed.
        RW = "RW",
        /// Overwritten without being read.
        OW = "OW",
        /// Removed.
        RM = "RM",
        /// The user's data, or a fact derived from it, is returned or copied.
        ACCESS = "access",
        /// The user's data may be changed in a way that depends on what it was.
        UPDATE = "update",
        /// Data may be added, and nothing is changed or deleted.
        INSERT = "insert",
        /// Data may be deleted.
        DELETE = "delete",
        /// Not a key but routed like one: a shard channel.
        NOT_KEY = "not_key",
        /// The spec may miss keys of this invocation.
        INCOMPLETE = "incomplete",
        /// The flags depend on the other arguments.
        VARIABLE_FLAGS = "variable_flags",
    }
}

/// The family that `COMMAND DOCS` files a command under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Group {
    Bitmap,
    Connection,
    Generic,
    Geo,
    Hash,
    HyperLogLog,
    List,
    PubSub,
    Scripting,
    Server,
    Set,
    SortedSet,
    Stream,
    String,
    Transactions,
}

impl Group {
    /// As `COMMAND DOCS` prints it.
    pub const fn name(self) -> &'static str {
        match self {
            Group::Bitmap => "bitmap",
            Group::Connection => "connection",
            Group::Generic => "generic",
            Group::Geo => "geo",
            Group::Hash => "hash",
            Group::HyperLogLog => "hyperloglog",
            Group::List => "list",
            Group::PubSub => "pubsub",
            Group::Scripting => "scripting",
            Group::Server => "server",
            Group::Set => "set",
            Group::SortedSet => "sorted-set",
            Group::Stream => "stream",
            Group::String => "string",
            Group::Transactions => "transactions",
        }
    }
}
