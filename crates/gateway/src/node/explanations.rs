//! How a server learns why a node refused a call, in the words of messages.
//!
//! A node keeps its refusals to itself. When an administrator asks about an id that the server does not know, the
//! answer to what every node asks anyway ([`super::wire::FeedAnswer::asked`]) names it, and the node whose refusal
//! it is tells it: `POST` of an [`Explained`] to [`EXPLANATIONS`]. So what travels is what somebody wants to
//! know, however much is refused.

use latchkey_catalog::id::EntryId;
use latchkey_oauth::clock::Timestamp;
use latchkey_oauth::family::{Subject, SubjectType};
use latchkey_oauth::id::{Bucket, FamilyId, PrincipalId};
use serde::{Deserialize, Serialize};

use super::wire::hex;
use crate::explain::{ExplanationId, Place, Refusal, Who};

/// Where a node tells why it refused a call.
pub const EXPLANATIONS: &str = "/api/latchkey/v1/explanations:tell";

/// The longest text of an explanation, in bytes.
const LONGEST: usize = 4096;

/// A refused call in words. It names the token's family, never the token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explained {
    /// The id, as the answer's header has it.
    pub id: String,
    /// When.
    pub at: Timestamp,
    /// The HTTP status of the answer.
    pub status: u16,
    /// The code in its body.
    pub code: String,
    /// The rule that refused.
    pub rule: String,
    /// What to do.
    pub fix: String,
    /// Context and version of the API.
    #[serde(default)]
    pub api: Option<String>,
    /// Method and template of the resource.
    #[serde(default)]
    pub resource: Option<String>,
    /// When the limit that was reached admits calls again.
    #[serde(default)]
    pub until: Option<Timestamp>,
    /// Whom the call was from; none where no token of the server came.
    #[serde(default)]
    pub caller: Option<CallerFacts>,
}

/// Whom a refused call was from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallerFacts {
    /// The application.
    pub application: EntryId,
    /// The consumer key that the token was issued to; none for an API key.
    #[serde(default)]
    pub consumer_key: Option<String>,
    /// The name of the API key.
    #[serde(default)]
    pub api_key: Option<String>,
    /// Application or user.
    pub subject_type: SubjectType,
    /// The user, or the application itself.
    pub subject: PrincipalId,
    /// The device that the token belongs to.
    #[serde(default)]
    pub device: Option<String>,
    /// The shard of the token's family.
    pub bucket: u16,
    /// The token's family.
    #[serde(with = "hex")]
    pub family: FamilyId,
}

impl Explained {
    /// The refusal that was kept under `id`.
    pub fn of(id: ExplanationId, refusal: &Refusal) -> Self {
        let row = refusal.fault.row();
        Self {
            id: id.to_string(),
            at: refusal.at,
            status: row.status.as_u16(),
            code: row.code.to_owned(),
            rule: refusal.rule(),
            fix: refusal.fix().to_owned(),
            api: refusal.place.as_ref().map(|place| place.api().to_owned()),
            resource: refusal.place.as_ref().map(Place::resource),
            until: refusal.limit.as_ref().map(|limit| limit.ends),
            caller: refusal.who.as_ref().map(CallerFacts::of),
        }
    }

    /// The id; none where this is no explanation that can be shown.
    pub fn check(&self) -> Option<ExplanationId> {
        let caller = self.caller.as_ref();
        let needed = [&self.code, &self.rule, &self.fix].into_iter();
        let optional = [&self.api, &self.resource].into_iter().flatten();
        let of_caller = caller.map(|caller| [&caller.consumer_key, &caller.api_key, &caller.device]);
        let of_caller = of_caller.into_iter().flatten().flatten();
        let is_shown = |text: &String| text.len() <= LONGEST && !text.contains(char::is_control);
        let is_family = caller.is_none_or(|caller| Bucket::new(caller.bucket).is_some());
        let is_shown = needed.chain(optional).chain(of_caller).all(is_shown);
        self.id.parse().ok().filter(|_| is_shown && is_family)
    }
}

impl CallerFacts {
    fn of(who: &Who) -> Self {
        let Subject { kind, id } = who.subject;
        Self {
            application: who.application,
            consumer_key: who.consumer_key.as_deref().map(str::to_owned),
            api_key: who.api_key.as_deref().map(str::to_owned),
            subject_type: kind,
            subject: id,
            device: who.device.as_deref().map(str::to_owned),
            bucket: who.family.0.number(),
            family: who.family.1,
        }
    }
}

#[cfg(test)]
mod tests {
    use latchkey_oauth::entropy::SeededEntropy;
    use std::sync::Arc;

    use super::*;
    use crate::answer::Fault;
    use crate::explain::{Cause, Explanations};

    fn explained() -> Explained {
        let who = Who {
            application: EntryId::from_bytes([1; 16]),
            consumer_key: Some("key".into()),
            api_key: None,
            subject: Subject { kind: SubjectType::ApplicationUser, id: PrincipalId::from_bytes([2; 16]) },
            device: Some("device_a".into()),
            family: (Bucket::of_digest(&[7, 7]), FamilyId::from_bytes([3; 16])),
        };
        let refusal = Refusal {
            at: Timestamp::from_millis(7),
            fault: Fault::InvalidCredentials,
            cause: Some(Cause::TokenRevoked),
            who: Some(who),
            limit: None,
            place: None,
        };
        let kept = Explanations::new(Arc::new(SeededEntropy::new(1)));
        let id = kept.note(refusal.clone());
        let explained = Explained::of(id, &refusal);
        assert_eq!(explained.check(), Some(id));
        explained
    }

    #[test]
    fn what_is_said_is_understood() {
        let said = explained();
        let text = serde_json::to_string(&said).unwrap();
        assert_eq!(serde_json::from_str::<Explained>(&text).unwrap(), said);
        assert_eq!((said.status, said.code.as_str()), (401, "900901"));
        assert!(said.rule.contains("revoked") && said.caller.as_ref().unwrap().device.is_some(), "{said:?}");
    }

    #[test]
    fn what_cannot_be_shown_is_no_explanation() {
        let caller = |change: fn(&mut CallerFacts)| {
            let mut caller = explained().caller.unwrap();
            change(&mut caller);
            Explained { caller: Some(caller), ..explained() }
        };
        let bad = [
            Explained { id: "7".to_owned(), ..explained() },
            Explained { rule: "\u{1b}[2J".to_owned(), ..explained() },
            Explained { fix: "a".repeat(LONGEST + 1), ..explained() },
            Explained { code: "\n".to_owned(), ..explained() },
            Explained { api: Some("\n".to_owned()), ..explained() },
            Explained { resource: Some("\n".to_owned()), ..explained() },
            caller(|caller| caller.consumer_key = Some("\u{7}".to_owned())),
            caller(|caller| caller.api_key = Some("\n".to_owned())),
            caller(|caller| caller.device = Some("\n".to_owned())),
            caller(|caller| caller.bucket = u16::MAX),
        ];
        for bad in bad {
            assert_eq!(bad.check(), None, "{bad:?}");
        }
    }
}
