//! Where permits come from that are not counted here.

use std::fmt::Debug;

use async_trait::async_trait;

use super::{Ask, CountKey, Grant, HandBack};

/// Permits cannot be had now. They may have been given out: then they are lost to their window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the count of a limit cannot be asked")]
pub struct Unallotted;

/// Who keeps the counts: the store, or the server of a node.
#[async_trait]
pub trait Allotments: Send + Sync + Debug {
    /// Gives out permits as far as the limit reaches; none of them where it is reached.
    async fn lease(&self, key: CountKey, ask: Ask) -> Result<Grant, Unallotted>;

    /// Takes permits back. It is tried once: whatever came of it, the sender forgets them.
    async fn give_back(&self, backs: Vec<(CountKey, HandBack)>) -> Result<(), Unallotted>;
}
