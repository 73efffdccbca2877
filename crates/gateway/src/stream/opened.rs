//! The call that a stream came of, judged again while the stream is open.
//!
//! A stream holds no right of its own: it may go on as long as the call that opened it would be let pass now.
//! So there is no list of what ends streams; whatever changes, the rules of calls are asked once more.

use std::net::{IpAddr, Ipv6Addr};
use std::pin::Pin;

use http::Method;
use latchkey_catalog::api::Upgrades;
use latchkey_catalog::id::EntryId;
use latchkey_oauth::client::KeyType;

use crate::answer::Fault;
use crate::authorize::{CallOrigin, Page, authorize, open, try_out};
use crate::explain::Cause;
use crate::path::Target;
use crate::route::{Route, Routes, Transport};
use crate::source::Holder;
use crate::throttle::spared;

/// A call that was let pass and lasts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    api: EntryId,
    method: Method,
    path: Box<str>,
    transport: Transport,
    became: Upgrades,
    /// From where it came, which API keys and deny policies ask for.
    client: IpAddr,
    referer: Option<Box<str>>,
    /// The keys of the internal key that it came with.
    trial: Option<KeyType>,
}

/// Why a stream may not go on: what its call would be answered now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Withdrawn {
    /// The answer.
    pub fault: Fault,
    /// What the answer would not tell.
    pub cause: Option<Cause>,
}

/// Comes to its end when a stream must.
pub type Ended = Pin<Box<dyn Future<Output = Withdrawn> + Send>>;

impl Opened {
    /// The call of `route` that came for `target`, and what its connection became.
    pub fn new(
        (method, target): (&Method, &Target<'_>),
        (route, transport): (&Route<'_, '_>, Transport),
        became: Upgrades,
    ) -> Self {
        let (api, path) = (route.api.api().id, target.path().into());
        let client = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
        Self { api, method: method.clone(), path, transport, became, client, referer: None, trial: None }
    }

    /// The same call, which came from there.
    #[must_use]
    pub fn from(self, origin: &CallOrigin<'_>) -> Self {
        Self { client: origin.client, referer: origin.referer().map(Box::from), ..self }
    }

    /// The same call, which tries the API out.
    #[must_use]
    pub fn on_trial(self, keys: KeyType) -> Self {
        Self { trial: Some(keys), ..self }
    }

    /// Whether the call would be let pass by `routes`, brought by `holder`, whose token is alive; without one it
    /// came without a token. Deny policies are asked, limits are not: a stream was counted when it began.
    pub fn judge(&self, routes: &Routes, holder: Option<&impl Holder>) -> Result<(), Fault> {
        let target = Target::normalise(&self.path)?;
        let route = routes.find(&self.method, &target, self.transport)?;
        let api = route.api.api();
        // Another API may have come to have the path.
        if api.id != self.api {
            return Err(Fault::UnknownApi);
        }
        if self.became == Upgrades::WebSocket && api.definition.upgrades != Upgrades::WebSocket {
            return Err(Fault::UnknownResource);
        }
        if open(&route)?.is_some() {
            return spared(routes.denied(), &route, (None, self.client));
        }
        if let Some(keys) = self.trial {
            try_out(&route, keys)?;
            return spared(routes.denied(), &route, (None, self.client));
        }
        let caller = holder.ok_or(Fault::MissingCredentials)?.caller(self.api);
        let origin = CallOrigin { client: self.client, page: Page::Told(self.referer.as_deref()) };
        authorize(&route, &caller, &origin)?;
        spared(routes.denied(), &route, (Some(&caller), self.client))
    }
}

impl Withdrawn {
    /// Why, for logs.
    pub fn as_str(&self) -> &'static str {
        self.cause.map_or(self.fault.row().message, Cause::as_str)
    }
}

impl From<Cause> for Withdrawn {
    /// The token is no longer alive, or nobody knows any more whether it is.
    fn from(cause: Cause) -> Self {
        let is_unknown = cause == Cause::ServerSilent;
        let fault = if is_unknown { Fault::TemporarilyUnavailable } else { Fault::InvalidCredentials };
        Self { fault, cause: Some(cause) }
    }
}

impl From<Fault> for Withdrawn {
    fn from(fault: Fault) -> Self {
        Self { fault, cause: None }
    }
}

#[cfg(test)]
mod tests;
