//! HTTP at the edge: every route in one list, requests read, refusals answered.

pub mod answer;
pub mod front;
pub mod guard;
pub mod request;
pub mod router;
