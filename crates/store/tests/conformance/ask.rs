//! What a case asks of a store: tokens, and the use of a refresh token.

use std::sync::Arc;

use latchkey_oauth::family::{
    Binding, Epochs, Family, MintedValue, Seed, Subject, SubjectType, TokenKey, Validity,
};
use latchkey_oauth::holder::{HolderLimits, OnLimit};
use latchkey_oauth::id::{Bucket, FamilyId, PrincipalId};
use latchkey_oauth::issuance::{Draft, RefreshOnRenew, Renewal};
use latchkey_oauth::minted_value::Era;
use latchkey_oauth::rotation::{RefreshPolicy, RefreshRenewal, RefreshRequest};
use latchkey_oauth::scope::Scope;
use latchkey_store::unit::{Issue, Refresh};

use crate::lab::{App, Desk};

/// The settings that an installation has by default.
const POLICY: RefreshPolicy =
    RefreshPolicy { renewal: RefreshRenewal::Sliding, retry_window_millis: 30_000, overlap_millis: 5_000 };

/// The era of every case that says nothing else.
const ERA: Era = Era { incarnation: 1, minimum_key: 1 };

/// Whether values are derived from the family or drawn and kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Values {
    Derived,
    Minted,
}

/// A request for tokens: opaque ones, for an hour, unless said otherwise.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) client: PrincipalId,
    pub(crate) subject: Subject,
    pub(crate) seen: Option<Epochs>,
    pub(crate) owner: Option<(PrincipalId, u64)>,
    scope: Scope,
    binding: Binding,
    renewal: Renewal,
    access: Validity,
    refresh: Option<Validity>,
    limits: HolderLimits,
    values: Values,
    era: Era,
}

impl Ask {
    /// Tokens of `user` through `app`, with a refresh token.
    pub(crate) fn user(app: &App, user: PrincipalId) -> Self {
        let subject = Subject { kind: SubjectType::ApplicationUser, id: user };
        Self { subject, refresh: Some(Validity::Seconds(86400)), ..Self::application(app) }
    }

    /// A token of the application itself, without a refresh token.
    pub(crate) fn application(app: &App) -> Self {
        Self {
            client: app.client,
            subject: Subject { kind: SubjectType::Application, id: app.client },
            seen: None,
            owner: None,
            scope: Scope::parse("read").expect("a word is a scope"),
            binding: Binding::None,
            renewal: Renewal::Reuse,
            access: Validity::Seconds(3600),
            refresh: None,
            limits: HolderLimits { devices: 100, families: 200, on_limit: OnLimit::EvictOldest },
            values: Values::Derived,
            era: ERA,
        }
    }

    /// The same of another application.
    pub(crate) fn through(self, app: &App) -> Self {
        Self { client: app.client, ..self }
    }

    pub(crate) fn scope(self, text: &str) -> Self {
        Self { scope: Scope::parse(text).expect("the case writes scopes well"), ..self }
    }

    /// The scope `read` on a device.
    pub(crate) fn device(self, name: &str) -> Self {
        self.scope(&format!("read device_{name}"))
    }

    pub(crate) fn bound(self, binding: Binding) -> Self {
        Self { binding, ..self }
    }

    pub(crate) fn renewal(self, renewal: Renewal) -> Self {
        Self { renewal, ..self }
    }

    /// As for JWTs: never the same token again.
    pub(crate) fn renewing(self) -> Self {
        self.renewal(Renewal::RevokePrevious(RefreshOnRenew::New))
    }

    pub(crate) fn lives(self, access: impl Into<Validity>) -> Self {
        Self { access: access.into(), ..self }
    }

    pub(crate) fn refresh_lives(self, refresh: Option<Validity>) -> Self {
        Self { refresh, ..self }
    }

    pub(crate) fn limits(self, devices: u32, families: u32, on_limit: OnLimit) -> Self {
        Self { limits: HolderLimits { devices, families, on_limit }, ..self }
    }

    pub(crate) fn seen(self, seen: Epochs) -> Self {
        Self { seen: Some(seen), ..self }
    }

    /// By roles of the owner that were looked at under this epoch.
    pub(crate) fn owned(self, owner: PrincipalId, epoch: u64) -> Self {
        Self { owner: Some((owner, epoch)), ..self }
    }

    /// With values that are drawn, as of the generator `uuid`.
    pub(crate) fn minted(self) -> Self {
        Self { values: Values::Minted, ..self }
    }

    /// With values made under this master key, the lowest that is accepted.
    pub(crate) fn since_key(self, minimum_key: u16) -> Self {
        Self { era: Era { minimum_key, ..self.era }, ..self }
    }

    pub(crate) fn key(&self) -> TokenKey {
        TokenKey {
            client: self.client,
            subject: self.subject,
            scope: self.scope.clone(),
            binding: self.binding.clone(),
        }
    }

    /// The unit of work, with an id, a seed and values of its own.
    pub(crate) fn unit(&self, desk: &Desk, seen: Epochs) -> Issue {
        let draft = Draft {
            id: FamilyId::from_bytes(desk.draw()),
            seed: Seed::from_bytes(desk.draw()),
            access_validity: self.access,
            refresh_validity: self.refresh,
            access_value: value(desk, self.values, self.era),
            refresh_value: value(desk, self.values, self.era).filter(|_| self.refresh.is_some()),
            era: self.era,
        };
        Issue { key: self.key(), draft, renewal: self.renewal, limits: self.limits, seen, owner: self.owner }
    }
}

/// The use of a refresh token.
#[derive(Debug, Clone)]
pub(crate) struct Turn {
    bucket: Bucket,
    family: FamilyId,
    request: RefreshRequest,
    values: Values,
}

impl Turn {
    /// The refresh token that `family` had when it looked like this, presented by its own client.
    pub(crate) fn of(family: &Family) -> Self {
        let request = RefreshRequest {
            client: family.client,
            generation: family.refresh.expect("it has a refresh token").generation,
            scope: None,
            policy: POLICY,
            access_validity: Validity::Seconds(3600),
            refresh_validity: Validity::Seconds(86400),
            access_value: None,
            refresh_value: None,
            era: ERA,
        };
        let values = if family.minted.is_some() { Values::Minted } else { Values::Derived };
        Self { bucket: family.bucket, family: family.id, request, values }
    }

    pub(crate) fn client(mut self, client: PrincipalId) -> Self {
        self.request.client = client;
        self
    }

    pub(crate) fn bucket(self, bucket: Bucket) -> Self {
        Self { bucket, ..self }
    }

    pub(crate) fn generation(mut self, generation: u32) -> Self {
        self.request.generation = generation;
        self
    }

    pub(crate) fn scope(mut self, text: &str) -> Self {
        self.request.scope = Some(Scope::parse(text).expect("the case writes scopes well"));
        self
    }

    /// While no master key below this one is accepted.
    pub(crate) fn since_key(mut self, minimum_key: u16) -> Self {
        self.request.era.minimum_key = minimum_key;
        self
    }

    pub(crate) fn renewal(mut self, renewal: RefreshRenewal) -> Self {
        self.request.policy.renewal = renewal;
        self
    }

    pub(crate) fn lives(mut self, access: Validity, refresh: Validity) -> Self {
        self.request.access_validity = access;
        self.request.refresh_validity = refresh;
        self
    }

    /// The unit of work, with values of its own.
    pub(crate) fn unit(&self, desk: &Desk) -> Refresh {
        let mut request = self.request.clone();
        request.access_value = value(desk, self.values, self.request.era);
        request.refresh_value = value(desk, self.values, self.request.era);
        Refresh { bucket: self.bucket, family: self.family, request }
    }
}

fn value(desk: &Desk, values: Values, era: Era) -> Option<MintedValue> {
    let mut sealed = [era.incarnation.to_be_bytes(), era.minimum_key.to_be_bytes()].concat();
    sealed.extend(desk.draw::<52>());
    (values == Values::Minted).then(|| MintedValue { digest: desk.draw(), sealed })
}

/// A binding that the client chose.
pub(crate) fn binding(name: &str) -> Binding {
    Binding::Client(Arc::from(name))
}
