//! Which limits hold for a call, and what each is counted for.

use std::sync::Arc;

use latchkey_catalog::count::CountKey;
use latchkey_catalog::id::EntryId;
use latchkey_catalog::tier::{Limit, PastLimit, Tier};
use latchkey_oauth::clock::Timestamp;
use latchkey_oauth::id::PrincipalId;

use super::RateLimit;
use crate::answer::ThrottledBy;

/// The tiers that a call meets; none where there is none, or one without a limit.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tiers<'a> {
    /// The API's own policy.
    pub api: Option<&'a Arc<Tier>>,
    /// The resource's; it counts only where the API has none, as with WSO2.
    pub resource: Option<&'a Arc<Tier>>,
    /// The subscription's, or the one of calls without a token.
    pub subscription: Option<&'a Arc<Tier>>,
    /// The application's.
    pub application: Option<&'a Arc<Tier>>,
}

/// Who makes a call, to what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    /// The API.
    pub api: EntryId,
    /// The resource's place in the API.
    pub resource: usize,
    /// The application; none for a call without a token.
    pub application: Option<EntryId>,
    /// The user, or the application itself as a subject; application tiers are counted for each, as WSO2
    /// counts `applicationId:authorizedUser`.
    pub subject: Option<PrincipalId>,
}

/// A limit that a call must keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Applicable<'a> {
    /// Its place among the limits.
    pub by: ThrottledBy,
    /// What it is counted for.
    pub key: CountKey,
    /// The limit.
    pub limit: Limit,
    /// The tier that it is from.
    pub tier: &'a Arc<Tier>,
}

impl Applicable<'_> {
    /// The limit as a caller is told about it.
    pub fn told(&self, remaining: u64, ends: Timestamp) -> RateLimit {
        RateLimit { tier: Arc::clone(self.tier), limit: self.limit, remaining, ends }
    }
}

impl<'a> Tiers<'a> {
    /// The limits that a call must keep, in WSO2's order: API or resource, subscription and its burst,
    /// application and its burst. Tiers that let calls past their limit hold nobody.
    pub fn limits(self, call: Counted) -> impl Iterator<Item = Applicable<'a>> {
        let Counted { api, application, subject, .. } = call;
        let whole = self.api.map(|tier| (ThrottledBy::Api, CountKey::Api(api), tier.limit, tier));
        let of_resource = move || {
            // An API has far fewer resources than four billion.
            let key = CountKey::Resource(api, u32::try_from(call.resource).unwrap_or(u32::MAX));
            self.resource.map(|tier| (ThrottledBy::Resource, key, tier.limit, tier))
        };
        let subscription = self.subscription.map(|tier| {
            let (long, short) =
                (CountKey::Subscription(api, application), CountKey::SubscriptionBurst(api, application));
            [
                (ThrottledBy::SubscriptionBurst, short, tier.burst, tier),
                (ThrottledBy::Subscription, long, tier.limit, tier),
            ]
        });
        let application = self.application.zip(application).map(|(tier, id)| {
            let (long, short) = (CountKey::Application(id, subject), CountKey::ApplicationBurst(id, subject));
            [
                (ThrottledBy::ApplicationBurst, short, tier.burst, tier),
                (ThrottledBy::Application, long, tier.limit, tier),
            ]
        });
        let all = whole.or_else(of_resource).into_iter();
        let all = all.chain(subscription.into_iter().flatten()).chain(application.into_iter().flatten());
        all.filter_map(|(by, key, limit, tier)| {
            // A burst always refuses: it protects, where the long window may only measure.
            let is_burst = matches!(by, ThrottledBy::SubscriptionBurst | ThrottledBy::ApplicationBurst);
            let holds = is_burst || tier.past_limit == PastLimit::Refuse;
            limit.filter(|_| holds).map(|limit| Applicable { by, key, limit, tier })
        })
    }
}

#[cfg(test)]
mod tests {
    use latchkey_catalog::tier::{Level, TierDetails, Unit, Window};

    use super::*;

    fn tier(calls: u64, burst: Option<u64>) -> Arc<Tier> {
        let limit = |calls, unit| Limit { calls, window: Window::one(unit) };
        Arc::new(Tier {
            name: "Test".to_owned(),
            level: Level::Subscription,
            limit: Some(limit(calls, Unit::Minute)),
            burst: burst.map(|calls| limit(calls, Unit::Second)),
            past_limit: PastLimit::Refuse,
            details: TierDetails::default(),
        })
    }

    fn call() -> Counted {
        let id = |byte| EntryId::from_bytes([byte; 16]);
        Counted { api: id(1), resource: 3, application: Some(id(2)), subject: None }
    }

    fn limits(tiers: Tiers<'_>, call: Counted) -> Vec<(ThrottledBy, u64)> {
        tiers.limits(call).map(|held| (held.by, held.limit.calls)).collect()
    }

    #[test]
    fn limits_hold_in_wso2s_order() {
        use ThrottledBy::{Api, Application, ApplicationBurst, Resource, Subscription, SubscriptionBurst};
        let (api, resource) = (tier(1, None), tier(2, None));
        let (subscription, application) = (tier(3, Some(4)), tier(5, Some(6)));
        let all = Tiers {
            api: Some(&api),
            resource: Some(&resource),
            subscription: Some(&subscription),
            application: Some(&application),
        };
        let rest = [(SubscriptionBurst, 4), (Subscription, 3), (ApplicationBurst, 6), (Application, 5)];
        assert_eq!(limits(all, call()), [&[(Api, 1)], &rest[..]].concat());
        assert_eq!(limits(Tiers { api: None, ..all }, call()), [&[(Resource, 2)], &rest[..]].concat());
        let nobody = Counted { application: None, ..call() };
        assert_eq!(limits(all, nobody), [(Api, 1), (SubscriptionBurst, 4), (Subscription, 3)]);
        assert_eq!(limits(Tiers::default(), call()), []);
    }

    #[test]
    fn what_has_no_limit_holds_nobody() {
        let unlimited = Arc::new(Tier { limit: None, ..(*tier(1, None)).clone() });
        let measuring = Arc::new(Tier { past_limit: PastLimit::Admit, ..(*tier(2, Some(3))).clone() });
        let tiers = Tiers { api: Some(&unlimited), subscription: Some(&measuring), ..Tiers::default() };
        assert_eq!(limits(tiers, call()), [(ThrottledBy::SubscriptionBurst, 3)]);
    }

    #[test]
    fn each_subject_and_application_is_counted_apart() {
        let application = tier(1, None);
        let tiers =
            Tiers { application: Some(&application), subscription: Some(&application), ..Tiers::default() };
        let keys = |call| tiers.limits(call).map(|held| held.key).collect::<Vec<CountKey>>();
        let other_user = Counted { subject: Some(PrincipalId::from_bytes([9; 16])), ..call() };
        let other_api = Counted { api: EntryId::from_bytes([8; 16]), resource: 0, ..call() };
        // The subscription is counted for all users together, the application for all APIs together.
        assert_eq!(keys(call())[0], keys(other_user)[0]);
        assert_ne!(keys(call())[1], keys(other_user)[1]);
        assert_ne!(keys(call())[0], keys(other_api)[0]);
        assert_eq!(keys(call())[1], keys(other_api)[1]);
    }
}
