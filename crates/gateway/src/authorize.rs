//! Whether a call may pass: the kind of its token, the subscription, the keys, the audience, the scopes.

use std::net::IpAddr;
use std::sync::Arc;

use http::HeaderMap;
use http::header::REFERER;
use latchkey_catalog::api_key::{Restrictions, Visit};
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
    /// What was shown.
    pub credential: Credential<'a>,
    /// The consumer key that the token was issued to: its audience; none for an API key.
    pub consumer_key: Option<&'a str>,
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
    /// The token's family, or what stands for the API key: it names the credential without being one.
    pub family: (Bucket, FamilyId),
}

/// What a caller has shown. Its words are facts from the source, never the credential itself.
#[derive(Debug, Clone, Copy)]
pub enum Credential<'a> {
    /// An access token.
    Token,
    /// An API key.
    ApiKey {
        /// Its name.
        name: &'a str,
        /// From where it may be used.
        restrictions: &'a Restrictions,
    },
}

/// Where a call comes from.
#[derive(Debug, Clone, Copy)]
pub struct CallOrigin<'a> {
    /// The caller's address; of a call through proxies of our own, what these say.
    pub client: IpAddr,
    /// The page.
    pub page: Page<'a>,
}

/// What tells the page that a call is from.
#[derive(Debug, Clone, Copy)]
pub enum Page<'a> {
    /// One of these headers, which is looked for where it is asked for.
    In(&'a HeaderMap),
    /// This, if any does.
    Told(Option<&'a str>),
}

impl<'a> CallOrigin<'a> {
    /// The page, where it is told once: of several nobody can say which one counts.
    pub fn referer(&self) -> Option<&'a str> {
        match self.page {
            Page::Told(referer) => referer,
            Page::In(headers) => {
                let mut referers = headers.get_all(REFERER).iter();
                let referer = referers.next().filter(|_| referers.next().is_none());
                referer.and_then(|referer| referer.to_str().ok())
            }
        }
    }

    /// Whether a key with these restrictions may be used from there.
    fn check(&self, restrictions: &Restrictions) -> Result<(), Fault> {
        let visit = Visit { address: self.client, referer: self.referer() };
        restrictions.check(&visit).map_err(Fault::KeyForbidden)
    }
}

/// What a subscription says about a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subscribed<'a> {
    /// Whether it may be used.
    pub state: SubscriptionState,
    /// Its throttling tier.
    pub tier: &'a str,
}

/// The right to send one call on. Only [`authorize`], [`try_out`] and [`open`] make it.
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

/// Lets a call pass that brings a token or an API key. The first thing that stands against it is the answer, in
/// WSO2's order: from where an API key is used (900908), the kind of token (900905), the subscription (900908, 900907, 900909), the keys, the audience
/// (900914), the scopes (900910).
pub fn authorize(
    route: &Route<'_, '_>,
    caller: &Caller<'_>,
    origin: &CallOrigin<'_>,
) -> Result<Permit, Fault> {
    if let Credential::ApiKey { restrictions, .. } = caller.credential {
        origin.check(restrictions)?;
    }
    let (resource, definition) = (route.resource(), &route.api.api().definition);
    if !resource.authentication.takes(caller.subject.kind) {
        return Err(Fault::IncorrectTokenType);
    }
    caller.subscription.ok_or(Fault::NoSubscription)?.state.check(caller.keys)?;
    let permit = Permit { api: Arc::clone(route.api), keys: caller.keys };
    permit.upstream()?;
    // An API key is for no audience.
    let is_for_it = |key: &str| definition.audiences.contains(key);
    if !definition.audiences.is_empty() && !caller.consumer_key.is_some_and(is_for_it) {
        return Err(Fault::Audience);
    }
    // A device scope is granted to anybody who asks; it opens nothing.
    let opens = |scope: &String| caller.scope.contains(scope) && !is_device_scope(scope);
    if !resource.scopes.is_empty() && !resource.scopes.iter().any(opens) {
        return Err(Fault::InsufficientScope);
    }
    Ok(permit)
}

/// Lets a call pass that brings an internal key of the API: its publisher tries it out, without a subscription and
/// whatever scopes the resource asks for.
pub fn try_out(route: &Route<'_, '_>, keys: KeyType) -> Result<Permit, Fault> {
    let permit = Permit { api: Arc::clone(route.api), keys };
    permit.upstream()?;
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
