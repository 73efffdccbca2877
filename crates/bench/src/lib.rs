//! What the programs of the benchmark share: the file of requests that they send, the connections that
//! they send them over, and the figures of how long that took.

pub mod connection;
pub mod latencies;
pub mod request_file;
