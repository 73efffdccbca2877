//! Resources: the operations of an API, each with what a caller needs for it.

use std::collections::BTreeSet;

use latchkey_oauth::family::SubjectType;
use serde::{Deserialize, Serialize};

/// One operation of an API.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resource {
    /// The HTTP method.
    pub method: String,
    /// The path under context and version: `/orders/{id}`, `/files/*`. A name in braces stands for one or
    /// more characters of one segment; a last segment `*` for any rest, also none.
    pub template: String,
    /// The scopes of which any one suffices; none: every token does.
    pub scopes: BTreeSet<String>,
    /// Which tokens may call it.
    #[serde(default)]
    pub authentication: Authentication,
    /// The throttling policy of this resource by name; none: only the API's and the subscription's hold.
    #[serde(default)]
    pub throttling: Option<String>,
}

/// Which tokens may call a resource; WSO2's `authType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Authentication {
    /// Any token.
    #[default]
    Any,
    /// Tokens that an application got for itself.
    Application,
    /// Tokens that an application got for a user.
    User,
    /// No token at all.
    None,
}

impl Authentication {
    /// Every one of them.
    pub const ALL: [Self; 4] = [Self::Any, Self::Application, Self::User, Self::None];

    /// Whether a token got for this kind of subject will do; a token of the other kind is WSO2's 900905.
    /// Where no token is asked for, any will do.
    pub const fn takes(self, subject: SubjectType) -> bool {
        match self {
            Self::Any | Self::None => true,
            Self::Application => matches!(subject, SubjectType::Application),
            Self::User => matches!(subject, SubjectType::ApplicationUser),
        }
    }

    /// WSO2's name, as `x-auth-type` and the publisher's `authType` carry it.
    pub const fn wso2_name(self) -> &'static str {
        match self {
            Self::Any => "Application & Application User",
            Self::Application => "Application",
            Self::User => "Application User",
            Self::None => "None",
        }
    }

    /// From WSO2's name, case aside; `Any` is another name of the first.
    pub fn from_wso2_name(name: &str) -> Option<Self> {
        if name.eq_ignore_ascii_case("any") {
            return Some(Self::Any);
        }
        // Older exports leave the blanks out.
        let bare = |text: &str| text.replace([' ', '_'], "").to_ascii_lowercase();
        Self::ALL.into_iter().find(|one| bare(one.wso2_name()) == bare(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_takes_the_tokens_that_it_names() {
        let takes = |one: Authentication| {
            [SubjectType::Application, SubjectType::ApplicationUser].map(|subject| one.takes(subject))
        };
        let expected = [[true, true], [true, false], [false, true], [true, true]];
        assert_eq!(Authentication::ALL.map(takes), expected);
    }

    #[test]
    fn authentication_is_read_by_wso2_names() {
        for one in Authentication::ALL {
            assert_eq!(Authentication::from_wso2_name(one.wso2_name()), Some(one));
        }
        let others = [
            ("any", Some(Authentication::Any)),
            ("Application_User", Some(Authentication::User)),
            ("application&applicationuser", Some(Authentication::Any)),
            ("", None),
            ("User", None),
        ];
        for (name, expected) in others {
            assert_eq!(Authentication::from_wso2_name(name), expected, "{name}");
        }
    }
}
