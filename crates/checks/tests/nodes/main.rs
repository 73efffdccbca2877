//! Gateway nodes beside a server, from outside: whatever ends a token at the server ends it at the node, in
//! milliseconds, and within `revocation.bound` whatever becomes of the network and of the server.

mod api_keys;
mod limits;
mod network;
mod revocation;
mod stage;
mod stream;
mod told;
mod trouble;
