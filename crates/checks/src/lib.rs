//! Checks of the running program from outside.
//!
//! Nothing here links the server: a check starts the built binary, speaks HTTP to it, runs its command
//! line, kills it, and looks at what it left on the disk. So a check says what an operator or an
//! attacker would see, and it can be pointed at any build (`LATCHKEY_BIN`).
//!
//! | module | what |
//! |---|---|
//! | [`wire`] | HTTP/1.1 as bytes |
//! | [`frames`] | HTTP/2 as frames |
//! | [`server`] | a server of one's own: start, kill, restart, command line |
//! | [`node`] | a gateway node of one's own |
//! | [`relay`] | a network between two processes that fails when told |
//! | [`namespace`] | networks of the kernel's own, with a cable between |
//! | [`client`] | the OAuth calls of a client |
//! | [`canary`] | no credential ever handed out lies on the disk |
//! | [`table`] | data-driven checks, from `data/*.toml` |
//! | [`document`] | answers held against the `OpenAPI` document |
//! | [`story`] | the same for several requests in order |
//! | [`recorder`] | an upstream that records what reaches it, and misbehaves when told |
//! | [`streams`] | an upstream that the check is itself, and what goes through a gateway for long |
//! | [`multiplexed`] | an upstream of HTTP/2 that records what reaches it |
//! | [`secure`] | upstreams over TLS, with whatever certificate |
//! | [`report`] | every failure of a table, by its number |
//! | [`history`] | what happened to each token key, and what must be true of it |
//! | [`load`] | concurrent clients that record such a history |
//! | [`syscalls`], [`image`] | crash images rebuilt from a log of system calls |
//! | [`dice`] | repeatable randomness |

pub mod canary;
pub mod client;
pub mod dice;
pub mod document;
pub mod frames;
pub mod history;
pub mod image;
pub mod load;
pub mod multiplexed;
pub mod namespace;
pub mod node;
pub mod recorder;
pub mod relay;
pub mod report;
pub mod secure;
pub mod server;
pub mod story;
pub mod streams;
pub mod syscalls;
pub mod table;
pub mod wire;
