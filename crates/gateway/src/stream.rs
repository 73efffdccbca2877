//! What lasts longer than a call: event streams, long answers and uploads, tunnels.
//!
//! They begin with a call that was let pass, and end when it would be let pass no longer.

pub mod frames;
pub mod open;
pub mod opened;
pub mod passed;
pub mod tunnel;
