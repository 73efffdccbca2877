//! The gateway in the server's own process: its listeners and its facts.
//!
//! The facts come straight from the store, whose cache is exact. So a token that was revoked, superseded or
//! renewed is refused before the request that did it is answered, and a change of the catalogue holds from
//! the next call on.

mod assertion;
pub mod inquiries;
pub mod limits;
mod listen;
mod recorder;
mod source;

pub use assertion::Assertions;
pub(crate) use assertion::header as assertion_header;
pub use listen::{Edge, Surroundings};
pub(crate) use recorder::key_device;
pub use recorder::{Archive, Part, Recorder, Unkept};
pub(crate) use source::follow;
pub use source::{StoreSource, StoredHolder};
