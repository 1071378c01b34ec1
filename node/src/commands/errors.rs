//! Errors as commands answer them: the texts are part of the protocol, since clients match on them.
//!
//! A command that can fail returns an [`Outcome`] and is put into its family's table with [`fallible!`](crate::commands::fallible),
//! which writes the error reply. Such a command returns an error only before it has written a reply or changed a key. This
//! module must not know any command but for its name.

use std::borrow::Cow;

/// An error reply, without the `-` in front and the line end behind. It begins with its code in capitals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error(Cow<'static, [u8]>);

/// What a command that can fail returns.
pub type Outcome<T = ()> = Result<T, Error>;

impl Error {
    /// An error whose text never varies.
    pub const fn fixed(text: &'static str) -> Self {
        Error(Cow::Borrowed(text.as_bytes()))
    }

    /// An error that says something of this request. Parts of the request may be in it as they came: the reply replaces line
    /// ends.
    #[cold]
    pub fn with(parts: &[&[u8]]) -> Self {
        Error(Cow::Owned(parts.concat()))
    }
}

impl AsRef<[u8]> for Error {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// Turns a function that returns an [`Outcome`] into a [`Handler`](crate::commands::Handler).
#[macro_export]
macro_rules! fallible {
    ($command:path) => {
        |cx: &mut $crate::commands::Ctx<'_>, args: ::koltso_proto::resp::Args<'_>| {
            if let Err(error) = $command(cx, args) {
                cx.reply.error(error);
            }
        }
    };
}

/// The key holds another type than the command works on.
pub const WRONG_TYPE: Error = Error::fixed("WRONGTYPE Operation against a key holding the wrong kind of value");
/// The options make no sense.
pub const SYNTAX: Error = Error::fixed("ERR syntax error");
/// An argument or a stored value is not a 64-bit signed integer.
pub const NOT_INTEGER: Error = Error::fixed("ERR value is not an integer or out of range");
/// An argument is an integer, but not one of 32 bits.
pub const NOT_INT32: Error = Error::fixed("ERR value is out of range, value must between -2147483648 and 2147483647");
/// A count that must not be negative is.
pub const NOT_POSITIVE: Error = Error::fixed("ERR value is out of range, must be positive");
/// A time to wait is not a number.
pub const TIMEOUT_NOT_FLOAT: Error = Error::fixed("ERR timeout is not a float or out of range");
/// A time to wait is below zero.
pub const TIMEOUT_NEGATIVE: Error = Error::fixed("ERR timeout is negative");
/// An argument or a stored value is not a floating point number.
pub const NOT_FLOAT: Error = Error::fixed("ERR value is not a valid float");
/// The key must exist and does not.
pub const NO_SUCH_KEY: Error = Error::fixed("ERR no such key");
/// The target key must not exist and does.
pub const BUSY_KEY: Error = Error::fixed("BUSYKEY Target key name already exists.");
/// The result of an addition does not fit 64 bits.
pub const WOULD_OVERFLOW: Error = Error::fixed("ERR increment or decrement would overflow");
/// The result of a floating point addition is no finite number.
pub const WOULD_BE_INFINITE: Error = Error::fixed("ERR increment would produce NaN or Infinity");
/// A database index that is a number but not one of a database.
pub const DB_OUT_OF_RANGE: Error = Error::fixed("ERR DB index is out of range");
/// Source and target of a copy are the same.
pub const SAME_OBJECT: Error = Error::fixed("ERR source and destination objects are the same");
/// An offset into a string is negative.
pub const OFFSET_OUT_OF_RANGE: Error = Error::fixed("ERR offset is out of range");
/// A string would become longer than `proto-max-bulk-len`.
pub const STRING_TOO_LONG: Error = Error::fixed("ERR string exceeds maximum allowed size (proto-max-bulk-len)");
/// A `SCAN` cursor is not an unsigned integer.
pub const BAD_CURSOR: Error = Error::fixed("ERR invalid cursor");

/// The number of arguments is not one that `command` takes. `command` is in lower case, `container|subcommand` for the latter.
#[cold]
pub fn wrong_arity(command: &str) -> Error {
    Error::with(&[b"ERR wrong number of arguments for '", command.as_bytes(), b"' command"])
}

/// The expiry given to `command` is not positive, or does not fit.
#[cold]
pub fn bad_expire(command: &str) -> Error {
    Error::with(&[b"ERR invalid expire time in '", command.as_bytes(), b"' command"])
}

/// `container` has no subcommand `given`. `container` is in upper case.
#[cold]
pub fn unknown_subcommand(container: &str, given: &[u8]) -> Error {
    Error::with(&[b"ERR unknown subcommand '", &given[..given.len().min(128)], b"'. Try ", container.as_bytes(), b" HELP."])
}
