use super::*;
use crate::client::GrantType;
use crate::client_authentication::{AuthenticatedClient, Credentials, authenticate};
use crate::family::SubjectType;
use crate::samples::{ALICE, CLIENT, NOW, client, keyring};
use crate::scope::{ScopeProblem, UnknownScope};
use crate::secret::Secret;

fn policy(unknown: UnknownScope) -> ScopePolicy {
    ScopePolicy::new(&["^device_.*".to_owned()], unknown).unwrap()
}

/// Runs `check` with the client, which may use `grants` only, after it has proved to be itself.
fn with_client<T>(grants: &[GrantType], check: impl FnOnce(AuthenticatedClient<'_>) -> T) -> T {
    let keys = keyring(&[1], 0);
    let mut client = client();
    client.grants = grants.iter().copied().collect();
    client.secrets = vec![keys.consumer_secret_mac("secret")];
    let sent = Credentials { consumer_key: client.consumer_key.clone(), secret: Secret::new("secret") };
    check(authenticate(&sent, Some(&client), &keys, NOW).unwrap())
}

#[test]
fn an_application_speaks_for_itself_and_gets_no_refresh_token() {
    let policy = policy(UnknownScope::Drop);
    let known = KnownScopes::from([("echo.read".to_owned(), BTreeSet::from(["reader".to_owned()]))]);
    let roles = BTreeSet::from(["reader".to_owned()]);
    let facts = ScopeFacts { policy: &policy, known: &known, roles: &roles };
    let requested = Scope::parse("echo.read device_x other").unwrap();
    let authorization = with_client(&[GrantType::ClientCredentials], |client| {
        client_credentials::authorize(client, Some(&requested), facts)
    });
    let expected = Authorization {
        subject: Subject { kind: SubjectType::Application, id: CLIENT },
        scope: Scope::parse("device_x echo.read").unwrap(),
        refreshable: Refreshable::No,
    };
    assert_eq!(authorization, Ok(expected));
    let refused = with_client(&[GrantType::Password], |client| {
        client_credentials::authorize(client, Some(&requested), facts)
    });
    assert_eq!(refused, Err(Refusal::GrantNotAllowed));
}

#[test]
fn a_user_may_have_a_refresh_token() {
    let policy = policy(UnknownScope::Reject);
    let (known, roles) = (KnownScopes::new(), BTreeSet::new());
    let facts = ScopeFacts { policy: &policy, known: &known, roles: &roles };
    let expected = Authorization {
        subject: Subject { kind: SubjectType::ApplicationUser, id: ALICE },
        scope: Scope::parse("default").unwrap(),
        refreshable: Refreshable::Yes,
    };
    let authorize = |grants: &[GrantType], requested: Option<&Scope>| {
        with_client(grants, |client| password::authorize(client, ALICE, requested, facts))
    };
    assert_eq!(authorize(&[GrantType::Password], None), Ok(expected));
    assert_eq!(authorize(&[GrantType::ClientCredentials], None), Err(Refusal::GrantNotAllowed));
    let unknown = Scope::parse("admin device_x").unwrap();
    let refused = authorize(&[GrantType::Password], Some(&unknown));
    assert_eq!(refused, Err(Refusal::Scope(ScopeProblem::Unknown)), "S04");
}
