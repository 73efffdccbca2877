//! The throttle phase: the right to send a call on becomes a call that was counted.

use latchkey_catalog::deny;
use latchkey_catalog::tier::UNAUTHENTICATED;
use latchkey_oauth::clock::{Clock, Timestamp};

use std::net::IpAddr;
use std::sync::Arc;

use super::{Counted, Counters, Denied, RateLimit, TierTable, Tiers, UnknownTier};
use crate::answer::Fault;
use crate::authorize::{Caller, Permit};
use crate::explain::Cause;
use crate::route::Route;

/// A call that may be sent on and was counted at every limit that holds for it. Only [`Admission::admit`]
/// makes it.
#[derive(Debug)]
pub struct Admitted {
    permit: Permit,
    limit: Option<RateLimit>,
}

impl Admitted {
    /// What authorization found.
    pub const fn permit(&self) -> &Permit {
        &self.permit
    }

    /// The limit that is closest to its end; none where no limit holds.
    pub const fn limit(&self) -> Option<&RateLimit> {
        self.limit.as_ref()
    }
}

/// Why a call is not admitted, with what the answer and the explanation tell about it.
#[derive(Debug)]
pub struct Refused {
    /// The answer.
    pub fault: Fault,
    /// The limit that is reached.
    pub limit: Option<RateLimit>,
    /// What else stands against the call.
    pub cause: Option<Cause>,
}

/// What decides which limits hold for a call.
#[derive(Debug, Clone, Copy)]
pub struct Admission<'a> {
    /// The tiers that there are.
    pub tiers: &'a TierTable,
    /// Where the call goes.
    pub route: &'a Route<'a, 'a>,
    /// Whom it is from; none for a call of a resource that asks for no token.
    pub caller: Option<&'a Caller<'a>>,
    /// What deny policies keep from calling.
    pub denied: &'a deny::Denied,
    /// Where it comes from: through proxies of our own, what these say.
    pub address: IpAddr,
}

impl Admission<'_> {
    /// Refuses what a deny policy denies. Counts the call at every limit that holds for it, or refuses it and counts it nowhere. It waits only
    /// for permits of a count that is kept elsewhere, where the process holds none, and two seconds at most.
    /// A tier that is not known, no room for one more count, and permits that do not come refuse with 503: a
    /// call never passes because something is missing. Beside the clock stands the moment of the call.
    pub async fn admit(
        &self,
        permit: Permit,
        counters: &Arc<Counters>,
        (clock, now): (&dyn Clock, Timestamp),
    ) -> Result<Admitted, Refused> {
        spared(self.denied, self.route, (self.caller, self.address)).map_err(|fault| Refused {
            fault,
            limit: None,
            cause: None,
        })?;
        let counted = Counted {
            api: self.route.api.api().id,
            resource: self.route.resource,
            application: self.caller.map(|caller| caller.application),
            subject: self.caller.map(|caller| caller.subject.id),
        };
        let tiers = self.tiers().map_err(|UnknownTier| unavailable(Cause::TierUnknown))?;
        let mut outcome = counters.count(tiers.limits(counted), now);
        if matches!(outcome, Err(Denied::Wanting(_))) {
            // It comes rarely, and need not make every call's state larger.
            outcome = Box::pin(counters.count_when_allotted(|| tiers.limits(counted), clock)).await;
        }
        match outcome {
            Ok(limit) => Ok(Admitted { permit, limit }),
            Err(Denied::Full) => Err(unavailable(Cause::CountersFull)),
            Err(Denied::Wanting(_) | Denied::Unallotted) => Err(unavailable(Cause::PermitsMissing)),
            Err(Denied::Reached(by, limit)) => {
                let fault = Fault::Throttled { by, until: limit.ends };
                Err(Refused { fault, limit: Some(limit), cause: None })
            }
        }
    }

    fn tiers(&self) -> Result<Tiers<'_>, UnknownTier> {
        let of_resources = |name: Option<&str>| match name {
            Some(name) => self.tiers.resource(name),
            None => Ok(None),
        };
        let subscription = match self.caller {
            Some(caller) => caller.subscription.map(|subscription| subscription.tier),
            None => Some(UNAUTHENTICATED),
        };
        Ok(Tiers {
            api: of_resources(self.route.api.api().definition.throttling.as_deref())?,
            resource: of_resources(self.route.resource().throttling.as_deref())?,
            subscription: subscription.map_or(Ok(None), |name| self.tiers.subscription(name))?,
            application: self
                .caller
                .map_or(Ok(None), |caller| self.tiers.application(caller.application_tier))?,
        })
    }
}

/// Whether no deny policy is about a call, which is from whom and where it says; who calls without a token is nobody.
pub fn spared(
    denied: &deny::Denied,
    route: &Route<'_, '_>,
    (caller, address): (Option<&Caller<'_>>, IpAddr),
) -> Result<(), Fault> {
    let is_about = |caller: &Caller<'_>| denied.denies_caller(caller.application, caller.subject.id);
    let is_denied =
        !denied.is_empty() && (denied.denies_call(route.api.path(), address) || caller.is_some_and(is_about));
    if is_denied { Err(Fault::DENIED) } else { Ok(()) }
}

const fn unavailable(cause: Cause) -> Refused {
    Refused { fault: Fault::TemporarilyUnavailable, limit: None, cause: Some(cause) }
}
