//! Issuing tokens for an authorization, and using refresh tokens.

use latchkey_oauth::client::{Client, GrantType, TokenFormat};
use latchkey_oauth::entropy::random;
use latchkey_oauth::family::{Binding, Epochs, MintedValue, Seed, SubjectType, TokenKey};
use latchkey_oauth::generator::{GeneratedValue, GenerationContext, is_usable};
use latchkey_oauth::grant::{Authorization, Refreshable};
use latchkey_oauth::holder::LimitReached;
use latchkey_oauth::id::FamilyId;
use latchkey_oauth::issuance::{Decision, Draft, Renewal};
use latchkey_oauth::keyring::ValueKind;
use latchkey_oauth::minted_value::Era;
use latchkey_oauth::refusal::Refusal;
use latchkey_oauth::rotation::{RefreshRequest, Rotation, RotationRefusal};
use latchkey_oauth::scope::Scope;
use latchkey_oauth::secret::Secret;
use latchkey_oauth::token_request::Common;
use latchkey_store::facts::ClientFacts;
use latchkey_store::unit::{Issue, IssueOutcome, Refresh};

use zeroize::Zeroizing;

use super::resolve::Tokens;
use super::response::{Freshness, TokenResponse};
use crate::app::{App, unavailable};

/// Issues tokens for `authorization`, under the subject's epoch as it was when the subject was verified.
pub async fn issue(
    app: &App,
    facts: &ClientFacts,
    authorization: Authorization,
    (common, subject_epoch): (&Common, u64),
) -> Result<TokenResponse, Refusal> {
    let client = &facts.client;
    let kind = authorization.subject.kind;
    let refreshable = authorization.refreshable == Refreshable::Yes
        && client.grants.contains(&GrantType::RefreshToken)
        && app.policy.grants.contains(&GrantType::RefreshToken);
    let access_validity = common.access_validity(&client.validities, kind)?;
    let renewal = app.policy.renewal(client.token_format);
    let binding = match (&common.binding, renewal) {
        (Some(value), _) => Binding::Client(value.clone()),
        (None, Renewal::KeepPrevious) => Binding::Random(random(&*app.entropy)),
        (None, Renewal::Reuse | Renewal::RevokePrevious(_)) => Binding::None,
    };
    let key =
        TokenKey { client: client.id, subject: authorization.subject, scope: authorization.scope, binding };
    let Values { access: access_value, refresh: refresh_value, era } = values(app, client, &key.scope)?;
    let (id, family_seed) = identity(app);
    let draft = Draft {
        id,
        seed: family_seed,
        access_validity,
        refresh_validity: refreshable.then_some(client.validities.refresh),
        access_value,
        refresh_value: refresh_value.filter(|_| refreshable),
        era,
    };
    let owner = facts.owner_epoch.filter(|_| kind == SubjectType::Application);
    let owner = owner.map(|epoch| (facts.application.owner, epoch));
    let seen = Epochs { client: facts.epoch, subject: subject_epoch };
    let unit = Issue { key, draft, renewal, limits: app.policy.limits, seen, owner };
    match app.store.issue(unit).await.map_err(unavailable)? {
        IssueOutcome::Issued { family, decision } => {
            let freshness = match decision {
                Decision::Reuse => Freshness::Repeated(app.now()),
                Decision::RenewAccess | Decision::RenewPair | Decision::Create => Freshness::New,
            };
            TokenResponse::render(app, client, &family, freshness)
        }
        IssueOutcome::Stale if kind == SubjectType::Application => Err(stale(app, facts).await?),
        IssueOutcome::Stale => Err(Refusal::UserCredentials),
        IssueOutcome::LimitReached => Err(Refusal::Limit(LimitReached)),
    }
}

/// Why an application gets no token of its own after something was reset: where it is the client, its credentials;
/// where it is the owner, the next request gets one by the roles that the owner now has.
async fn stale(app: &App, facts: &ClientFacts) -> Result<Refusal, Refusal> {
    let now = app.store.client_by_id(facts.client.id).await.map_err(unavailable)?;
    let is_same = now.is_some_and(|now| now.epoch == facts.epoch);
    Ok(if is_same { Refusal::Busy } else { Refusal::ClientCredentials })
}

/// Id and seed of a family that may come to be; drawn at once, as every draw costs the same.
fn identity(app: &App) -> (FamilyId, Seed) {
    let drawn = Zeroizing::new(random::<32>(&*app.entropy));
    let (id, seed) = drawn.split_first_chunk::<16>().expect("32 bytes are twice 16");
    (FamilyId::from_bytes(*id), Seed::from_bytes(seed.try_into().expect("32 bytes are twice 16")))
}

/// Uses a refresh token that the authenticated client presents.
pub async fn refresh(
    app: &App,
    facts: &ClientFacts,
    (token, common): (&Secret, &Common),
) -> Result<TokenResponse, Refusal> {
    const UNKNOWN: Refusal = Refusal::Refresh(RotationRefusal::Unknown);
    let client = &facts.client;
    let found = Tokens::new(app).resolve(token).await?.ok_or(UNKNOWN)?;
    if found.reference.kind != ValueKind::Refresh {
        return Err(UNKNOWN);
    }
    let held = &found.held.family;
    let Values { access: access_value, refresh: refresh_value, era } = values(app, client, &held.scope)?;
    let unit = Refresh {
        bucket: found.reference.bucket,
        family: found.reference.family,
        request: RefreshRequest {
            client: client.id,
            generation: found.reference.generation,
            scope: common.scope.clone(),
            policy: app.policy.refresh,
            access_validity: common.access_validity(&client.validities, held.subject.kind)?,
            refresh_validity: client.validities.refresh,
            access_value,
            refresh_value,
            era,
        },
    };
    let outcome = app.store.refresh(unit).await.map_err(unavailable)?;
    let freshness = match outcome.rotation {
        Rotation::Rotate | Rotation::RenewAccess => Freshness::New,
        Rotation::Repeat => Freshness::Repeated(app.now()),
        Rotation::Replayed => return Err(Refusal::RefreshReplayed),
        Rotation::Refused(RotationRefusal::ScopeWidened) => {
            return Err(Refusal::Scope(latchkey_oauth::scope::ScopeProblem::Widened));
        }
        Rotation::Refused(refusal) => return Err(Refusal::Refresh(refusal)),
    };
    let family = outcome.family.ok_or(UNKNOWN)?;
    TokenResponse::render(app, client, &family, freshness)
}

/// What a request brings along for the case that new tokens are given.
struct Values {
    /// The value of an access token, where the generator makes it itself.
    access: Option<MintedValue>,
    /// The value of a refresh token, likewise.
    refresh: Option<MintedValue>,
    /// What held values must have been made under, by the same keys.
    era: Era,
}

fn values(app: &App, client: &Client, scope: &Scope) -> Result<Values, Refusal> {
    let keys = app.keys();
    let value = |kind| {
        let context = GenerationContext { kind, client_id: &client.consumer_key, scope, now: app.now() };
        match app.generator.generate(&context, &*app.entropy) {
            GeneratedValue::Derived => Ok(None),
            GeneratedValue::Value(value) if is_usable(value.expose()) => {
                let minted = keys.ring.mint(kind, &value);
                app.token_caches.expect(&minted.digest);
                Ok(Some(minted))
            }
            GeneratedValue::Value(_) => {
                tracing::error!(
                    generator = app.generator.name(),
                    "the token generator gave an unusable value"
                );
                Err(Refusal::Busy)
            }
        }
    };
    let access = match client.token_format {
        TokenFormat::Jwt => None,
        TokenFormat::Opaque => value(ValueKind::Access)?,
    };
    Ok(Values { access, refresh: value(ValueKind::Refresh)?, era: keys.ring.era() })
}
