//! What calls show: their tokens and API keys.

use latchkey_oauth::secret::Secret;

use super::{Call, Gateway, OutboundToken, Record};
use crate::answer::Fault;
use crate::authorize::{Caller, Credential, Permit, open, try_out};
use crate::bearer::{CarriageProblem, Carried, INTERNAL_KEY, find_api_key};
use crate::explain::{Cause, Who};
use crate::source::{Holder, Presented, Source, Trial};

/// Which kind of credential the call brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    /// A token, or what is none.
    Token,
    /// An API key.
    ApiKey,
}

/// What goes on of the header of the token.
pub(super) enum Outbound {
    /// All of it.
    Whole,
    /// What else stood in it.
    Leftover(Option<String>),
}

impl Record {
    /// Whom the call is from.
    pub(super) fn note(&mut self, caller: &Caller<'_>) {
        match caller.credential {
            Credential::Token => self.client_id = caller.consumer_key.map(str::to_owned),
            Credential::ApiKey { name, .. } => self.api_key = Some(name.to_owned()),
        }
        self.by = Some((caller.application, caller.family));
    }
}

/// What lets a call in, as far as that is known before its limits.
pub(super) enum Entry<H> {
    /// Nobody's token: the resource asks for none, or the API is tried out.
    Free(Permit),
    /// Somebody's token or API key, which is to be authorized.
    Holder(H),
}

impl<S: Source> Gateway<S> {
    /// Finds out by what the call comes in. An internal key counts where there is nothing else.
    pub(super) async fn enter(
        &self,
        call: &mut Call<'_>,
        record: &mut Record,
    ) -> Result<Entry<S::Holder>, Fault> {
        if let Some(permit) = open(&call.route)? {
            return Ok(Entry::Free(permit));
        }
        match self.authenticate(call, record).await {
            Ok((holder, shown)) => {
                call.shown = shown;
                Ok(Entry::Holder(holder))
            }
            Err(Fault::MissingCredentials) => {
                let trial = Box::pin(self.trial(call, record)).await?.ok_or(Fault::MissingCredentials)?;
                call.trial = Some(trial);
                try_out(&call.route, trial.keys).map(Entry::Free)
            }
            Err(fault) => Err(fault),
        }
    }

    /// Finds out whose token or API key the call carries. Of both, the token counts, as with WSO2.
    async fn authenticate(&self, call: &Call<'_>, record: &mut Record) -> Result<(S::Holder, Shown), Fault> {
        let (headers, api) = (&call.parts.headers, call.route.api);
        let carried = if api.takes_tokens() {
            Carried::find(headers, api.token_header(), call.target.query())
        } else {
            Err(CarriageProblem::Missing)
        };
        let (presented, shown) = match (carried, api.key_header()) {
            (Ok(carried), _) => {
                let token = Secret::new(carried.token());
                let presented = match self.source.token_at_hand(&token, record.at) {
                    Some(presented) => presented,
                    None => Box::pin(self.source.token(&token)).await?,
                };
                (presented, Shown::Token)
            }
            (Err(CarriageProblem::Missing), Some(header)) => {
                let key = Secret::new(find_api_key(headers, header)?);
                let presented = match self.source.api_key_at_hand(&key, record.at) {
                    Some(presented) => presented,
                    None => Box::pin(self.source.api_key(&key)).await?,
                };
                (presented, Shown::ApiKey)
            }
            (Err(problem), _) => return Err(problem.into()),
        };
        let (holder, cause) = match (presented, shown) {
            (Presented::Alive(holder), _) => return Ok((holder, shown)),
            (Presented::Expired(holder), Shown::Token) => (holder, Cause::TokenExpired),
            (Presented::Revoked(holder), Shown::Token) => (holder, Cause::TokenRevoked),
            (Presented::Unknown, Shown::Token) => (None, Cause::TokenUnknown),
            (Presented::Expired(holder), Shown::ApiKey) => (holder, Cause::KeyExpired),
            (Presented::Revoked(holder), Shown::ApiKey) => (holder, Cause::KeySuperseded),
            (Presented::Unknown, Shown::ApiKey) => (None, Cause::KeyUnknown),
        };
        record.cause = Some(cause);
        if let Some(holder) = holder {
            let caller = holder.caller(api.api().id);
            record.note(&caller);
            record.who = Some(Who::of(&caller));
        }
        Err(Fault::InvalidCredentials)
    }

    /// What the internal key of a call opens, which brought no other credential; none: it brought no internal key
    /// either.
    async fn trial(&self, call: &Call<'_>, record: &mut Record) -> Result<Option<Trial>, Fault> {
        let key = match find_api_key(&call.parts.headers, &INTERNAL_KEY) {
            Ok(key) => Secret::new(key),
            Err(CarriageProblem::Missing) => return Ok(None),
            Err(problem) => return Err(problem.into()),
        };
        record.cause = Some(match self.source.internal_key(&key, call.route.api.api().id).await? {
            Presented::Alive(trial) => return Ok(Some(trial)),
            Presented::Expired(_) => Cause::KeyExpired,
            Presented::Revoked(_) => Cause::KeySuperseded,
            Presented::Unknown => Cause::KeyUnknown,
        });
        Err(Fault::InvalidCredentials)
    }

    /// What becomes of the header of the token: whether it goes on, or what else stood in it.
    pub(super) fn outbound(&self, call: &Call<'_>) -> Outbound {
        let (headers, token_header) = (&call.parts.headers, call.route.api.token_header());
        if self.outbound_token == OutboundToken::Keep {
            return Outbound::Whole;
        }
        let Some(value) = headers.get(token_header) else { return Outbound::Leftover(None) };
        // Only a list of several credentials leaves anything over.
        let is_list = value.as_bytes().contains(&b',');
        match call.shown {
            Shown::Token if !is_list => Outbound::Leftover(None),
            Shown::Token | Shown::ApiKey => match Carried::find(headers, token_header, None) {
                Ok(carried) => Outbound::Leftover(carried.leftover().map(str::to_owned)),
                // Whoever calls with an API key may bring the upstream's own credentials.
                Err(CarriageProblem::Missing) if call.shown == Shown::ApiKey => Outbound::Whole,
                Err(_) => Outbound::Leftover(None),
            },
        }
    }
}
