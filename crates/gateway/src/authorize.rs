//! Whether a call may pass: the kind of its token, the subscription, the keys, the audience, the scopes.

use std::sync::Arc;

use latchkey_catalog::id::EntryId;
use latchkey_catalog::resource::Authentication;
use latchkey_catalog::subscription::SubscriptionState;
use latchkey_catalog::upstream::Upstream;
use latchkey_oauth::client::KeyType;
use latchkey_oauth::family::Subject;
use latchkey_oauth::id::{Bucket, FamilyId};
use latchkey_oauth::scope::{Scope, is_device_scope};

use crate::answer::Fault;
use crate::route::{Route, RoutedApi};

/// What is known of whom a call is from, once its token was found to be alive.
#[derive(Debug, Clone, Copy)]
pub struct Caller<'a> {
    /// The application.
    pub application: EntryId,
    /// The application's throttling tier.
    pub application_tier: &'a str,
    /// The consumer key that the token was issued to: its audience.
    pub consumer_key: &'a str,
    /// Production or sandbox.
    pub keys: KeyType,
    /// Whom the token speaks for.
    pub subject: Subject,
    /// The token's scopes.
    pub scope: &'a Scope,
    /// The application's subscription to the API of the call.
    pub subscription: Option<Subscribed<'a>>,
    /// The device that the token belongs to.
    pub device: Option<&'a str>,
    /// The token's family, which names it without being a credential.
    pub family: (Bucket, FamilyId),
}

/// What a subscription says about a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subscribed<'a> {
    /// Whether it may be used.
    pub state: SubscriptionState,
    /// Its throttling tier.
    pub tier: &'a str,
}

/// The right to send one call on. Only [`authorize`] and [`open`] make it.
#[derive(Debug)]
pub struct Permit {
    api: Arc<RoutedApi>,
    keys: KeyType,
}

impl Permit {
    /// The servers that the call may go to.
    pub fn upstream(&self) -> Result<&Upstream, Fault> {
        self.api.api().definition.upstream(self.keys).ok_or(match self.keys {
            KeyType::Production => Fault::NoProductionEndpoint,
            KeyType::Sandbox => Fault::NoSandboxEndpoint,
        })
    }
}

/// Lets a call pass that brings a token. The first thing that stands against it is the answer, in WSO2's
/// order: the kind of token (900905), the subscription (900908, 900907, 900909), the keys, the audience
/// (900914), the scopes (900910).
pub fn authorize(route: &Route<'_, '_>, caller: &Caller<'_>) -> Result<Permit, Fault> {
    let (resource, definition) = (route.resource(), &route.api.api().definition);
    if !resource.authentication.takes(caller.subject.kind) {
        return Err(Fault::IncorrectTokenType);
    }
    caller.subscription.ok_or(Fault::NoSubscription)?.state.check(caller.keys)?;
    let permit = Permit { api: Arc::clone(route.api), keys: caller.keys };
    permit.upstream()?;
    if !definition.audiences.is_empty() && !definition.audiences.contains(caller.consumer_key) {
        return Err(Fault::Audience);
    }
    // A device scope is granted to anybody who asks; it opens nothing.
    let opens = |scope: &String| caller.scope.contains(scope) && !is_device_scope(scope);
    if !resource.scopes.is_empty() && !resource.scopes.iter().any(opens) {
        return Err(Fault::InsufficientScope);
    }
    Ok(permit)
}

/// Lets a call of a resource pass that takes calls without a token; it goes to the production servers, or,
/// where there are none, to those of the sandbox.
pub fn open(route: &Route<'_, '_>) -> Result<Option<Permit>, Fault> {
    if route.resource().authentication != Authentication::None {
        return Ok(None);
    }
    let definition = &route.api.api().definition;
    let keys = if definition.production.is_some() { KeyType::Production } else { KeyType::Sandbox };
    let permit = Permit { api: Arc::clone(route.api), keys };
    permit.upstream()?;
    Ok(Some(permit))
}

#[cfg(test)]
mod tests;
