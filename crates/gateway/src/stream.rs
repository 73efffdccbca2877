//! What lasts longer than a call: event streams, long answers and uploads, tunnels.
//!
//! They begin with a token that was checked, and they end with it.

pub mod frames;
pub mod open;
pub mod passed;
pub mod tunnel;
