//! What a gateway keeps that runs beside no server and asks one for its facts.
//!
//! It asks about every token once ([`wire::LookupRequest`]) and remembers the answer ([`table`]). In between
//! it follows the server's log of what stopped being as it was ([`wire::FeedRequest`]), and lets calls pass
//! only while it knows that it has heard everything of the last moment ([`lease`]). So a revocation is heard
//! of in milliseconds, and where the network or the server fails it holds within the bound all the same: what
//! the node does not know to be fresh, it does not let pass.

pub mod assertions;
pub mod explanations;
pub mod lease;
pub mod limits;
pub mod records;
pub mod table;
pub mod wire;
