//! Internal keys: made for publishers, and what a presented one stands for.

use std::time::Duration;

use latchkey_catalog::api::ApiDefinition;
use latchkey_catalog::id::EntryId;
use latchkey_catalog::user::UserState;
use latchkey_gateway::source::{Presented, Trial};
use latchkey_oauth::client::KeyType;
use latchkey_oauth::entropy::random;
use latchkey_oauth::id::PrincipalId;
use latchkey_oauth::internal_key::{InternalKey, Kind, LIFE, sign, verify};
use latchkey_oauth::refusal::Refusal;
use latchkey_oauth::secret::Secret;
use latchkey_store::facts::UserFacts;

use crate::app::{App, unavailable};

/// An internal key of `user` for the API of the id `api`, which is `defined` so; it lives for [`LIFE`] seconds.
pub fn make(app: &App, user: &UserFacts, (api, defined): (EntryId, &ApiDefinition)) -> Secret {
    let (now, keys) = (app.now(), app.keys.load_full());
    let keytype = if defined.production.is_some() { KeyType::Production } else { KeyType::Sandbox };
    let claims = InternalKey {
        iss: app.issuer.clone(),
        sub: user.user.id.to_string(),
        iat: now.as_seconds(),
        exp: now.plus_seconds(i64::from(LIFE)).as_seconds(),
        jti: format!("{:032x}", u128::from_be_bytes(random(&*app.entropy))),
        token_type: Kind::InternalKey,
        keytype,
        api: api.to_string(),
        epoch: user.epoch,
        incarnation: keys.ring.incarnation(),
    };
    sign(keys.signing.active(), &claims)
}

/// What `key` opens of the API of the id `api`. One of another API opens nothing here, and one whose user is gone,
/// barred, or has had all tokens ended, opens nothing at all.
pub async fn standing(app: &App, key: &Secret, api: EntryId) -> Result<Presented<Trial>, Refusal> {
    let keys = app.keys.load_full();
    let Some(claims) = verify(&keys.signing, keys.ring.incarnation(), key.expose()) else {
        return Ok(Presented::Unknown);
    };
    if claims.api != api.to_string() {
        return Ok(Presented::Unknown);
    }
    let Ok(left @ 1..) = u64::try_from(claims.exp - app.now().as_seconds()) else {
        return Ok(Presented::Expired(None));
    };
    let user = match PrincipalId::parse(&claims.sub) {
        Some(id) => app.store.user_by_id(id).await.map_err(unavailable)?,
        None => None,
    };
    let is_same = |user: &UserFacts| user.user.state == UserState::Active && user.epoch == claims.epoch;
    if !user.is_some_and(|user| is_same(&user)) {
        return Ok(Presented::Revoked(None));
    }
    Ok(Presented::Alive(Trial { keys: claims.keytype, left: Duration::from_secs(left) }))
}
