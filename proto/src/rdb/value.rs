//! Values as the reader hands them out: packed ones checked and ready to be kept, others as vectors of their elements.
//!
//! Strings are borrowed from the reader's buffer wherever they stand there as they are. Whatever is here has passed all checks:
//! no collection is empty, members and fields are unique, scores are numbers.

use crate::id::UnixMs;
use crate::intset::Intset;
use crate::listpack::{Element, IntText, Listpack};
use crate::stream::StreamId;
use std::borrow::Cow;

/// A string as it stood in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Text<'a> {
    Raw(&'a [u8]),
    /// The decimal text of this number.
    Int(i64),
    /// It was compressed.
    Inflated(Box<[u8]>),
}

impl<'a> Text<'a> {
    /// The bytes; `scratch` holds them if the string stood there as an integer.
    pub fn bytes<'b>(&'b self, scratch: &'b mut IntText) -> &'b [u8] {
        match self {
            Text::Raw(bytes) => bytes,
            Text::Int(value) => scratch.format(*value).as_bytes(),
            Text::Inflated(bytes) => bytes,
        }
    }

    /// The bytes, borrowed where they can be.
    pub fn into_cow(self) -> Cow<'a, [u8]> {
        match self {
            Text::Raw(bytes) => Cow::Borrowed(bytes),
            Text::Int(value) => Cow::Owned(IntText::new().format(value).as_bytes().to_vec()),
            Text::Inflated(bytes) => Cow::Owned(bytes.into_vec()),
        }
    }

    pub fn into_vec(self) -> Vec<u8> {
        self.into_cow().into_owned()
    }

    /// The same without a borrow.
    pub fn into_owned(self) -> Text<'static> {
        match self {
            Text::Raw(bytes) => Text::Inflated(bytes.into()),
            Text::Int(value) => Text::Int(value),
            Text::Inflated(bytes) => Text::Inflated(bytes),
        }
    }

    pub fn to_vec(&self) -> Vec<u8> {
        self.bytes(&mut IntText::new()).to_vec()
    }

    /// As an element to be put into a listpack.
    pub fn as_element(&self) -> Element<'_> {
        match self {
            Text::Raw(bytes) => Element::Str(bytes),
            Text::Int(value) => Element::Int(*value),
            Text::Inflated(bytes) => Element::Str(bytes),
        }
    }
}

impl From<Element<'_>> for Text<'static> {
    fn from(element: Element<'_>) -> Self {
        match element {
            Element::Str(bytes) => Text::Inflated(bytes.into()),
            Element::Int(value) => Text::Int(value),
        }
    }
}

/// The value of a key.
#[derive(Clone, Debug, PartialEq)]
pub enum RdbValue<'a> {
    Str(Text<'a>),
    /// Nodes front to back; none is empty.
    List(Vec<ListNode<'a>>),
    Set(RdbSet<'a>),
    Hash(RdbHash<'a>),
    Zset(RdbZset<'a>),
    /// A hash of which fields may have deadlines.
    HashWithTtl(Vec<TtlField<'a>>),
    Stream(Box<RdbStream>),
}

/// A node of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListNode<'a> {
    Packed(Listpack),
    /// One big element.
    Plain(Text<'a>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RdbSet<'a> {
    Ints(Intset),
    Packed(Listpack),
    Members(Vec<Text<'a>>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RdbHash<'a> {
    /// Field, value, field, value, …
    Packed(Listpack),
    Pairs(Vec<(Text<'a>, Text<'a>)>),
}

#[derive(Clone, Debug, PartialEq)]
pub enum RdbZset<'a> {
    /// Member, score, member, score, …, ascending by score and then by member.
    Packed(Listpack),
    /// In any order. Real servers write descending scores.
    Pairs(Vec<(Text<'a>, f64)>),
}

/// A field of a hash of which fields may have deadlines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TtlField<'a> {
    pub field: Text<'a>,
    pub value: Text<'a>,
    pub expire: Option<UnixMs>,
}

/// A stream. Nodes ascend, and so do the entries in each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RdbStream {
    pub nodes: Vec<RdbStreamNode>,
    /// The greatest id there ever was.
    pub last_id: StreamId,
    /// The greatest id of an entry that was deleted.
    pub max_deleted: StreamId,
    /// How many entries were ever added; `None` where the file is too old to tell.
    pub entries_added: Option<u64>,
    /// Each with another name.
    pub groups: Vec<RdbGroup>,
}

/// A node of a stream, with at least one entry that lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RdbStreamNode {
    pub master: StreamId,
    pub pack: Listpack,
    pub live: usize,
    pub deleted: usize,
}

/// A consumer group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RdbGroup {
    pub name: Vec<u8>,
    pub last_id: StreamId,
    /// How many entries the group has read; -1 where nobody knows, `None` where the file is too old to tell.
    pub entries_read: Option<i64>,
    /// Ascending.
    pub pending: Vec<RdbPending>,
    /// Each with another name.
    pub consumers: Vec<RdbConsumer>,
}

/// An entry that was delivered and not acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RdbPending {
    pub id: StreamId,
    /// When it was delivered, Unix time.
    pub time_ms: i64,
    /// How often it was delivered.
    pub count: u64,
    /// Which of the group's consumers has it.
    pub owner: usize,
}

/// A consumer of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RdbConsumer {
    pub name: Vec<u8>,
    /// When it last asked, Unix time.
    pub seen_ms: i64,
    /// When it last got something, Unix time; -1 for never.
    pub active_ms: i64,
}
