//! What the configuration says about tokens, in the core's words.

use std::collections::BTreeSet;

use latchkey_catalog::system_scope;
use latchkey_oauth::client::{GrantType, TokenFormat, Validities};
use latchkey_oauth::family::Validity;
use latchkey_oauth::generator::GeneratorRenewal;
use latchkey_oauth::holder::HolderLimits;
use latchkey_oauth::issuance::{RefreshOnRenew, Renewal};
use latchkey_oauth::rotation::{RefreshPolicy, RefreshRenewal};
use latchkey_oauth::scope::{PatternProblem, ScopePolicy};

use crate::config::{Config, ExpiresInForever, JwtRenewal, PasswordGrant};

/// The rules that every token request meets.
#[derive(Debug, Clone)]
pub struct Policy {
    /// How scopes are granted.
    pub scope: ScopePolicy,
    /// How much a holder may hold.
    pub limits: HolderLimits,
    /// How refresh tokens are used.
    pub refresh: RefreshPolicy,
    /// The validities that new applications get.
    pub validities: Validities,
    /// The token format that new applications get.
    pub token_format: TokenFormat,
    /// The grants that are served.
    pub grants: BTreeSet<GrantType>,
    /// What `expires_in` says of a token that never expires.
    pub expires_in_forever: ExpiresInForever,
    opaque: Renewal,
    jwt: Renewal,
}

impl Policy {
    /// The rules of `config`, under a generator that decides about renewal as `generator` says.
    pub fn new(config: &Config, generator: GeneratorRenewal) -> Result<Self, PatternProblem> {
        let oauth = &config.oauth;
        let renews = match generator {
            GeneratorRenewal::AsConfigured => oauth.token.renew_per_request,
            GeneratorRenewal::Always => true,
            GeneratorRenewal::Never => false,
        };
        let jwt = match (oauth.token.jwt_renewal, renews) {
            (JwtRenewal::KeepPrevious, _) => Renewal::KeepPrevious,
            (JwtRenewal::RevokePrevious, true) => Renewal::RevokePrevious(RefreshOnRenew::New),
            (JwtRenewal::RevokePrevious, false) => Renewal::RevokePrevious(oauth.token.refresh_on_renew),
        };
        let opaque = if renews { Renewal::RevokePrevious(RefreshOnRenew::New) } else { Renewal::Reuse };
        let refused = oauth.password_grant == PasswordGrant::Refuse;
        let served = |grant: &GrantType| !(refused && *grant == GrantType::Password);
        Ok(Self {
            scope: ScopePolicy::new(&oauth.scope.allowed, oauth.scope.unknown)?
                .with_own(system_scope::known()),
            limits: HolderLimits {
                devices: oauth.device.max_per_user,
                families: oauth.max_families_per_user,
                on_limit: oauth.device.on_limit,
            },
            refresh: RefreshPolicy {
                renewal: match (oauth.refresh.renew, oauth.refresh.extend_expiry) {
                    (false, _) => RefreshRenewal::Keep,
                    (true, true) => RefreshRenewal::Sliding,
                    (true, false) => RefreshRenewal::Absolute,
                },
                retry_window_millis: i64::from(oauth.refresh.retry_window) * 1000,
                overlap_millis: i64::from(oauth.refresh.overlap) * 1000,
            },
            validities: Validities {
                application: Validity::from(oauth.token.application_validity),
                user: Validity::from(oauth.token.user_validity),
                refresh: Validity::from(oauth.refresh.validity),
            },
            token_format: oauth.token.format,
            grants: GrantType::ALL.into_iter().filter(served).collect(),
            expires_in_forever: oauth.expires_in_forever,
            opaque,
            jwt,
        })
    }

    /// What a repeated request for tokens of this format gets.
    pub const fn renewal(&self, format: TokenFormat) -> Renewal {
        match format {
            TokenFormat::Jwt => self.jwt,
            TokenFormat::Opaque => self.opaque,
        }
    }
}
