//! Who asks: the bearer of a token, or a user by name and password, as WSO2's interfaces let them.

use std::sync::Arc;

use http::HeaderMap;
use latchkey_catalog::system_scope;
use latchkey_oauth::client_authentication::Basic;
use latchkey_oauth::family::SubjectType;
use latchkey_oauth::keyring::ValueKind;
use latchkey_oauth::scope::Scope;
use latchkey_oauth::secret::Secret;
use latchkey_oauth::session::SessionId;
use latchkey_store::facts::UserFacts;

use super::error::{Fault, RestError};
use crate::app::App;
use crate::http::request::{authorization, bearer};
use crate::network::Peer;
use crate::sign_in::{Attempt, verify_basic};
use crate::token::resolve::Tokens;
use crate::token::speaker::speaker;

/// Who asks. A token of an application speaks for its owner, as in WSO2.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// The user.
    pub(crate) user: Arc<UserFacts>,
    /// The sign-in that the token is of; none where the user showed the password, or the token is an
    /// application's.
    pub(crate) session: Option<SessionId>,
    /// The scopes of the token; none where the user showed the password.
    scope: Option<Scope>,
}

impl Caller {
    /// Who sent a request with these headers. `None` sent no credentials; bad ones are refused.
    pub(crate) async fn of(app: &App, headers: &HeaderMap, peer: Peer) -> Result<Option<Self>, RestError> {
        let unauthenticated = || RestError::of(Fault::Unauthenticated);
        let Some(value) = authorization(headers).map_err(|_| unauthenticated())? else { return Ok(None) };
        let caller = match Basic::parse(value) {
            Some(basic) => by_password(app, &basic.map_err(|_| unauthenticated())?, peer).await?,
            None => by_token(app, &bearer(headers, None).map_err(|_| unauthenticated())?).await?,
        };
        caller.map(Some).ok_or_else(unauthenticated)
    }

    /// Whether one of `scopes` is the caller's: the token holds it, and the user's roles give it at this moment.
    pub(crate) fn may(&self, scopes: &[&str]) -> bool {
        let is_held = |scope: &str| self.scope.as_ref().is_none_or(|held| held.contains(scope));
        let is_given =
            |scope| system_scope::find(scope).is_some_and(|scope| scope.is_open_to(&self.user.user.roles));
        scopes.iter().any(|scope| is_held(scope) && is_given(scope))
    }

    /// Whether the caller showed the password, and no token.
    pub(crate) const fn showed_password(&self) -> bool {
        self.scope.is_none()
    }

    /// The user's name, as the event log keeps it.
    pub(crate) fn name(&self) -> &str {
        &self.user.user.name
    }
}

async fn by_password(app: &App, basic: &Basic, peer: Peer) -> Result<Option<Caller>, RestError> {
    let user = verify_basic(app, basic, &Attempt::of(peer, "")).await?;
    Ok(user.map(|user| Caller { user, session: None, scope: None }))
}

async fn by_token(app: &App, token: &Secret) -> Result<Option<Caller>, RestError> {
    let found = Tokens::new(app).active(token, app.now()).await?;
    let Some(found) = found.filter(|found| found.reference.kind == ValueKind::Access) else {
        return Ok(None);
    };
    let family = &found.held.family;
    let session = (family.subject.kind == SubjectType::ApplicationUser).then(|| SessionId::of(family));
    let user = speaker(app, family).await?;
    Ok(user.map(|user| Caller { user, session, scope: Some(family.access.scope.clone()) }))
}
