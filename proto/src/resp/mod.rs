//! RESP2 and RESP3: requests as clients send them, replies as servers write them.
//!
//! A request is an array of bulk strings, or an inline command:
//!
//! ```text
//! *3\r\n $3\r\nSET\r\n $1\r\nk\r\n $5\r\nhello\r\n          SET k hello\r\n
//! └─┬──┘ └────┬────┘
//!   │         └ a length, then that many bytes, then CR LF
//!   └ the number of arguments
//! ```

mod args;
mod encode;
mod inline;
mod limits;
mod reply;
mod request;
mod whole;

pub use args::{Args, SPANS_KEPT, Span};
pub use encode::{Sink, put_array_header, put_bulk, put_command};
pub use inline::split_args;
pub use limits::{Limits, ProtocolError};
pub use reply::Reply;
pub use request::{RequestParser, Step};
pub use whole::{Opening, whole_request};
