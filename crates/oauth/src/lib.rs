//! The OAuth 2.0 protocol as Latchkey speaks it: pure rules, no runtime, no HTTP, no SQL, no clock.

pub mod clock;
pub mod entropy;
pub mod secret;
