//! Applications: what a developer registers and gets consumer keys for.

use latchkey_oauth::clock::Timestamp;
use latchkey_oauth::id::PrincipalId;

use crate::id::EntryId;

/// An application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Application {
    /// Its id.
    pub id: EntryId,
    /// Its name, unique among its owner's.
    pub name: String,
    /// The user who owns it.
    pub owner: PrincipalId,
    /// Its throttling tier.
    pub tier: String,
    /// When it was made.
    pub created_at: Timestamp,
}
