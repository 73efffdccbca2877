//! Subscriptions: an application's right to call an API, at a tier.

use crate::id::EntryId;

/// The tier without a limit, of applications and of subscriptions.
pub const UNLIMITED: &str = "Unlimited";

/// A subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// The application.
    pub application: EntryId,
    /// The API.
    pub api: EntryId,
    /// The tier.
    pub tier: String,
}
