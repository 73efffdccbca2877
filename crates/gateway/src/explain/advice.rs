//! The rules and the fixes in sentences.

use super::{Place, Refusal};
use latchkey_catalog::api_key::Forbidden;

use crate::answer::{Fault, RequestFault, ThrottledBy};

/// The rule that refused a call.
pub(super) fn rule(refusal: &Refusal) -> String {
    if let Some(cause) = refusal.cause {
        return sentence(cause.as_str());
    }
    match (&refusal.fault, &refusal.limit) {
        (Fault::Throttled { by, .. }, Some(limit)) => {
            let (tier, calls, window) = (&limit.tier.name, limit.limit.calls, limit.limit.window);
            let (units, unit) = (window.units.max(1), window.unit.wso2_name());
            format!("{} is reached: tier {tier}, {calls} calls in {units} {unit}.", limit_name(*by))
        }
        (Fault::InsufficientScope, _) => {
            let scopes = refusal.place.as_ref().map(Place::scopes).unwrap_or_default();
            format!("The resource asks for one of the scopes {scopes}, and the token has none of them.")
        }
        (Fault::MissingCredentials, _) => "The call carries no credentials that the API takes.".to_owned(),
        (Fault::KeyForbidden(Forbidden::Address), _) => {
            "The API key may not be used from the caller's address.".to_owned()
        }
        (Fault::KeyForbidden(Forbidden::Referer), _) => {
            "The API key may not be used from the page that the header Referer names, or it names none."
                .to_owned()
        }
        (fault, _) => sentence(fault.row().description.trim()),
    }
}

/// With a capital and a full stop.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    let end = if text.ends_with('.') { "" } else { "." };
    first.into_iter().chain(letters).chain(end.chars()).collect()
}

const fn limit_name(by: ThrottledBy) -> &'static str {
    match by {
        ThrottledBy::Api => "The limit of the API for all its callers",
        ThrottledBy::Hard => "The limit of what the upstream takes",
        ThrottledBy::Resource => "The limit of the resource for all its callers",
        ThrottledBy::Application => "The limit of the application for this user",
        ThrottledBy::Subscription => "The limit of the subscription",
        ThrottledBy::Denied => "A rule that denies",
        ThrottledBy::Custom => "A limit of the administrator's",
        ThrottledBy::SubscriptionBurst => "The burst limit of the subscription",
        ThrottledBy::Connections => "The limit of connections or events",
        ThrottledBy::ApplicationBurst => "The burst limit of the application for this user",
    }
}

/// What to do about a fault.
pub(super) const fn fix(fault: &Fault) -> &'static str {
    match fault {
        Fault::Request(fault) => request_fix(*fault),
        Fault::UnknownApi => {
            "Compare context and version with `latchkey api list`, and call by a listener that the API allows."
        }
        Fault::UnknownResource | Fault::NoMatchingResource => {
            "Compare the path after context and version with the resources of the API."
        }
        Fault::MethodNotAllowed(_) => "Use a method of the header Allow of the answer.",
        Fault::ApiBlocked => "Wait until the provider of the API takes it back into service.",
        Fault::CorsOrigin => "Add the origin of the page to the CORS settings of the API.",
        Fault::MissingCredentials => {
            "Send the header `Authorization: Bearer TOKEN`, or the one that the API asks for."
        }
        Fault::InvalidCredentials | Fault::TokenExpired | Fault::TokenInactive => {
            "Ask the token endpoint for a new token."
        }
        Fault::IncorrectTokenType => {
            "Use a token of the other kind: of a user instead of the application, or the other way round."
        }
        Fault::NoProductionEndpoint => "Give the API a production upstream, or use sandbox keys.",
        Fault::NoSandboxEndpoint => "Give the API a sandbox upstream, or use production keys.",
        Fault::SubscriptionBlocked => "The provider of the API must unblock the subscription.",
        Fault::NoSubscription => "Subscribe the application to the API; the token need not be renewed.",
        Fault::SubscriptionInactive => "Have the subscription approved.",
        Fault::KeyForbidden(_) => {
            "Call from an address and a page that the API key permits, or make a key with other lists."
        }
        Fault::InsufficientScope => {
            "Ask for a token with one of these scopes; the user needs a role that may have it."
        }
        Fault::ClaimMismatch | Fault::ClaimInvalid => "Use a token with the claims that the API asks for.",
        Fault::Audience => {
            "Use the keys of an application that is among the audiences of the API, or add it to them."
        }
        Fault::AuthenticationFailure | Fault::DefinitionMissing => "Read the log of the server at this time.",
        Fault::TemporarilyUnavailable => {
            "Repeat the call; if that does not help, read the log of the server at this time."
        }
        Fault::Throttled { by, .. } => limit_fix(*by),
        Fault::QueryInvalid | Fault::QueryTooDeep | Fault::QueryTooComplex => "Simplify the query.",
        Fault::UpstreamSend
        | Fault::UpstreamReceive
        | Fault::UpstreamConnect
        | Fault::UpstreamTimeout
        | Fault::UpstreamClosed
        | Fault::UpstreamProtocol
        | Fault::UpstreamConnectTimeout
        | Fault::UpstreamSuspended => {
            "Look at the server behind the API: its address in the API, whether it runs, its certificate, its own log."
        }
    }
}

const fn limit_fix(by: ThrottledBy) -> &'static str {
    match by {
        ThrottledBy::Application | ThrottledBy::ApplicationBurst => {
            "Wait for the end of the window, or give the application a larger tier; it holds from the next call on."
        }
        ThrottledBy::Subscription | ThrottledBy::SubscriptionBurst => {
            "Wait for the end of the window, or give the subscription a larger tier; it holds from the next call on."
        }
        ThrottledBy::Denied => "An administrator must take the rule back.",
        ThrottledBy::Api
        | ThrottledBy::Hard
        | ThrottledBy::Resource
        | ThrottledBy::Custom
        | ThrottledBy::Connections => {
            "Wait for the end of the window, or have the provider of the API choose a larger policy."
        }
    }
}

const fn request_fix(fault: RequestFault) -> &'static str {
    match fault {
        RequestFault::Path(_) => "Send a path without dot segments, empty segments or encoded delimiters.",
        RequestFault::SeveralTokens => "Send one token, in one header and not in the URL.",
        RequestFault::BodyTooLarge => "Send a smaller body.",
        RequestFault::TooSlow | RequestFault::BodyIncomplete => {
            "Look at the network between caller and gateway."
        }
        RequestFault::Host
        | RequestFault::ConnectionHeader
        | RequestFault::Upgrade
        | RequestFault::Framing
        | RequestFault::TransferCoding
        | RequestFault::Expectation
        | RequestFault::Method
        | RequestFault::Headers => {
            "Change the client, or the proxy before it, so that it sends a request as HTTP has it."
        }
    }
}
