//! Tokens: what they stand for, which there are, their end, and issuing one for an application.

use latchkey_catalog::application::Application;
use latchkey_oauth::client::{Client, GrantType};
use latchkey_oauth::client_authentication::{Credentials, authenticate};
use latchkey_oauth::family::{Family, SubjectType, Validity};
use latchkey_oauth::grant::{ScopeFacts, client_credentials};
use latchkey_oauth::id::{Bucket, FamilyId, PrincipalId};
use latchkey_oauth::keyring::ValueKind;
use latchkey_oauth::refusal::Refusal;
use latchkey_oauth::revocation::{Reason, Selector, ends_family};
use latchkey_oauth::scope::Scope;
use latchkey_oauth::secret::Secret;
use latchkey_oauth::token_request::Common;
use latchkey_store::unit::Ending;
use serde::{Deserialize, Serialize};

use super::application::{self, Reference};
use super::text::{SecretText, end, moment};
use super::usage::{self, SeenView};
use super::{AdminError, Reply, Result, explanation, user};
use crate::app::App;
use crate::token::issue::issue;
use crate::token::resolve::{ResolvedToken, Tokens};
use crate::token::response::TokenResponse;

/// The most families that one listing shows.
pub const MOST: u32 = 1000;

/// What to do to tokens.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Say what a token stands for.
    Inspect {
        /// The token.
        token: SecretText,
    },
    /// Say why the gateway refused a call.
    Explain {
        /// The id in the header `Latchkey-Explain` of the answer.
        id: String,
    },
    /// List the living families of a user, of an application with its users', or of a user through an
    /// application; at most [`MOST`].
    List(Holder),
    /// End one token, with its sibling.
    RevokeToken {
        /// The token.
        token: SecretText,
    },
    /// End one family.
    RevokeFamily {
        /// Its name, as listings show it.
        family: String,
    },
    /// End everything of a user, of an application for every user, or of a user through an application.
    RevokeAll(Holder),
    /// Issue a token to an application itself.
    Issue {
        /// The application.
        application: Reference,
        /// The scopes, joined by spaces.
        scope: Option<String>,
        /// Its life in seconds, no longer than the application's own.
        validity: Option<i64>,
    },
}

/// Whose tokens. One of the two is given.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Holder {
    /// The user's name.
    pub user: Option<String>,
    /// The application.
    pub application: Option<Reference>,
}

/// What is known of a presented token.
#[derive(Debug, Serialize, Deserialize)]
pub struct TokenView {
    /// Whether it is valid now.
    pub active: bool,
    /// In a sentence, what it is, or why it is not valid.
    pub explanation: String,
    /// `access` or `refresh`; none where nothing is known of it.
    pub kind: Option<String>,
    /// Its family, where that still exists.
    pub family: Option<FamilyView>,
}

/// A token family.
#[derive(Debug, Serialize, Deserialize)]
pub struct FamilyView {
    /// What `token revoke --family` takes.
    pub family: String,
    /// The application's name.
    pub application: String,
    /// The consumer key.
    pub consumer_key: String,
    /// The user's name; none for the application itself.
    pub user: Option<String>,
    /// The scopes.
    pub scope: String,
    /// The device.
    pub device: Option<String>,
    /// When the current access token was issued.
    pub issued_at: String,
    /// When it ends.
    pub expires_at: String,
    /// When the refresh token ends.
    pub refresh_expires_at: Option<String>,
    /// When its device was last seen at the gateway.
    pub last_seen: Option<SeenView>,
}

/// A family's name for people: its shard and its id.
pub(super) fn family_name(bucket: Bucket, id: FamilyId) -> String {
    format!("{}-{id}", bucket.number())
}

fn parse_family_name(name: &str) -> Option<(Bucket, FamilyId)> {
    let (bucket, id) = name.split_once('-')?;
    let well_formed = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    let id = well_formed.then(|| u128::from_str_radix(id, 16).ok())??;
    Some((Bucket::new(bucket.parse().ok()?)?, FamilyId::from_bytes(id.to_be_bytes())))
}

pub(super) async fn execute(app: &App, command: Command, actor: &str) -> Result<Reply> {
    match command {
        Command::Inspect { token } => inspect(app, &token).await,
        Command::Explain { id } => explanation::explain(app, &id).await,
        Command::List(holder) => list(app, &holder).await,
        Command::RevokeToken { token } => revoke_token(app, &token, actor).await,
        Command::RevokeFamily { family } => {
            let (bucket, id) = parse_family_name(&family).ok_or_else(|| {
                AdminError::wrong_use(format!(
                    "{family:?} names no token family; `latchkey token list` shows names like 17-0f3c…"
                ))
            })?;
            match end_all(app, Selector::Family { bucket, id }, actor).await? {
                0 => {
                    Err(AdminError::refused(format!("there is no token family {family}; it may have ended")))
                }
                _ => Ok(Reply::Done(format!("Family {family} has ended: its access and its refresh token."))),
            }
        }
        Command::RevokeAll(holder) => revoke_all(app, &holder, actor).await,
        Command::Issue { application, scope, validity } => {
            issue_to(app, &application, scope.as_deref(), validity).await
        }
    }
}

async fn inspect(app: &App, token: &SecretText) -> Result<Reply> {
    usage::catch_up(app).await;
    let now = app.now();
    let Some(found) = Tokens::new(app).resolve(&token.0).await? else {
        let explanation = "No token of this installation, or one whose family has ended: it was revoked, gave way \
                           to a limit, or expired and was reclaimed.";
        let view = TokenView { active: false, explanation: explanation.to_owned(), kind: None, family: None };
        return Ok(Reply::Token(Box::new(view)));
    };
    let active = found.is_active(now);
    let explanation = if active { "It is valid.".to_owned() } else { why_not(&found) };
    let kind = match found.reference.kind {
        ValueKind::Access => "access",
        ValueKind::Refresh => "refresh",
    };
    let family = Some(view(app, &found.held.family).await?);
    Ok(Reply::Token(Box::new(TokenView { active, explanation, kind: Some(kind.to_owned()), family })))
}

fn why_not(found: &ResolvedToken) -> String {
    let family = &found.held.family;
    let current = match found.reference.kind {
        ValueKind::Access => Some(family.access.generation),
        ValueKind::Refresh => family.refresh.map(|refresh| refresh.generation),
    };
    let text = if found.held.epochs.is_none() {
        "The user or the application is deleted."
    } else if found.held.epochs != Some(family.epochs) {
        "The user or the application was reset: locked, another password or secret, a lost role, or all tokens revoked."
    } else if current != Some(found.reference.generation) {
        "A newer token took its place."
    } else {
        "It has expired."
    };
    text.to_owned()
}

async fn view(app: &App, family: &Family) -> Result<FamilyView> {
    let client = app.store.client_by_id(family.client).await?;
    let (application, consumer_key) = match client {
        Some(facts) => (facts.application.name.clone(), facts.client.consumer_key.clone()),
        None => (format!("deleted, {}", family.client), String::new()),
    };
    let user = match family.subject.kind {
        SubjectType::Application => None,
        SubjectType::ApplicationUser => Some(user_name(app, family.subject.id).await?),
    };
    Ok(FamilyView {
        family: family_name(family.bucket, family.id),
        application,
        consumer_key,
        user,
        scope: family.scope.to_string(),
        device: family.device.0.as_deref().map(str::to_owned),
        issued_at: moment(family.access.issued_at),
        expires_at: end(family.access.expires),
        refresh_expires_at: family.refresh.map(|refresh| end(refresh.expires)),
        last_seen: usage::last_seen(app, family).await?,
    })
}

pub(super) async fn user_name(app: &App, id: PrincipalId) -> Result<String> {
    let user = app.store.user_by_id(id).await?;
    Ok(user.map_or_else(|| format!("deleted, {id}"), |facts| facts.user.name.clone()))
}

/// User and application of a holder, looked up.
pub(super) struct Found {
    pub(super) user: Option<PrincipalId>,
    pub(super) application: Option<Application>,
    pub(super) clients: Vec<Client>,
}

pub(super) async fn look_up(app: &App, holder: &Holder) -> Result<Found> {
    let user = match &holder.user {
        Some(name) => Some(user::find(app, name).await?.user.id),
        None => None,
    };
    let application = match &holder.application {
        Some(reference) => Some(application::find(app, reference).await?),
        None => None,
    };
    let clients = match &application {
        Some(application) => app.store.clients_of(application.id).await?,
        None => Vec::new(),
    };
    if user.is_none() && application.is_none() {
        return Err(AdminError::wrong_use("whose tokens? give --user NAME, --app APP, or both"));
    }
    Ok(Found { user, application, clients: clients.into_iter().map(|(client, _)| client).collect() })
}

/// The living families of a holder, at most [`MOST`].
pub(super) async fn living(app: &App, found: &Found) -> Result<Vec<std::sync::Arc<Family>>> {
    let mut families = Vec::new();
    match (found.user, found.application.is_some()) {
        (Some(user), false) => families.extend(app.store.families_of(user, None, MOST).await?),
        (Some(user), true) => {
            for client in &found.clients {
                families.extend(app.store.families_of(user, Some(client.id), MOST).await?);
            }
        }
        (None, _) => {
            for client in &found.clients {
                families.extend(app.store.families_through(client.id, MOST).await?);
            }
        }
    }
    families.truncate(MOST as usize);
    let now = app.now();
    let mut alive = Vec::with_capacity(families.len());
    for family in families {
        let held = app.store.family(family.bucket, family.id).await?;
        alive.extend(held.filter(|held| held.family.is_alive(held.epochs, now)).map(|held| held.family));
    }
    Ok(alive)
}

async fn list(app: &App, holder: &Holder) -> Result<Reply> {
    usage::catch_up(app).await;
    let mut views = Vec::new();
    for family in living(app, &look_up(app, holder).await?).await? {
        views.push(view(app, &family).await?);
    }
    Ok(Reply::Families(views))
}

pub(super) async fn end_all(app: &App, selector: Selector, actor: &str) -> Result<u64> {
    let ending = Ending { selector, reason: Reason::Administrator, actor: Some(actor.to_owned()) };
    let ended = app.store.end(ending).await?;
    app.metrics.revoked();
    Ok(ended)
}

async fn revoke_token(app: &App, token: &SecretText, actor: &str) -> Result<Reply> {
    let found = Tokens::new(app).resolve(&token.0).await?;
    let ends = |found: &ResolvedToken| {
        ends_family(found.reference.kind, found.reference.generation, &found.held.family)
    };
    let Some(found) = found.filter(ends) else {
        return Ok(Reply::Done("The token was not valid any more; nothing has changed.".to_owned()));
    };
    let family = &found.held.family;
    end_all(app, Selector::Family { bucket: family.bucket, id: family.id }, actor).await?;
    Ok(Reply::Done("The token has ended, access and refresh token together.".to_owned()))
}

async fn revoke_all(app: &App, holder: &Holder, actor: &str) -> Result<Reply> {
    let found = look_up(app, holder).await?;
    let user_name = holder.user.as_deref().unwrap_or_default();
    let application_name = found.application.as_ref().map(|one| one.name.as_str()).unwrap_or_default();
    let sentence = match (found.user, &found.application) {
        (Some(user), None) => {
            end_all(app, Selector::User(user), actor).await?;
            format!("Every token of user {user_name} has ended, through every application.")
        }
        (user, _) => {
            for client in &found.clients {
                let selector = match user {
                    Some(subject) => Selector::Holder { client: client.id, subject },
                    None => Selector::Client(client.id),
                };
                end_all(app, selector, actor).await?;
            }
            match user {
                Some(_) => format!("Every token of user {user_name} through {application_name} has ended."),
                None => {
                    format!("Every token of application {application_name} has ended, of all its users too.")
                }
            }
        }
    };
    Ok(Reply::Done(sentence))
}

/// Issues a token to the application itself, by the same rules as the token endpoint.
async fn issue_to(
    app: &App,
    reference: &Reference,
    scope: Option<&str>,
    validity: Option<i64>,
) -> Result<Reply> {
    let application = application::find(app, reference).await?;
    let clients = app.store.clients_of(application.id).await?;
    let (client, sealed) = clients
        .iter()
        .find(|(client, _)| client.grants.contains(&GrantType::ClientCredentials))
        .filter(|_| app.policy.grants.contains(&GrantType::ClientCredentials))
        .ok_or_else(|| {
            let name = &application.name;
            AdminError::refused(format!("application {name} may not use the grant client_credentials"))
        })?;
    let scope = scope.map(Scope::parse).transpose().map_err(Refusal::from)?;
    let validity_period = match validity {
        Some(0) => return Err(AdminError::wrong_use("--validity 0 is no life of a token")),
        given => given.map(Validity::from),
    };
    let secret = application::open_secret(app, client, sealed)?;
    let response = issue_with(app, client, secret, (scope, validity_period)).await?;
    let json = serde_json::to_value(&response).map_err(|error| AdminError::failed(error.to_string()))?;
    Ok(Reply::Issued(json))
}

/// Issues a token to the application of `client` itself, which shows `secret`.
pub(super) async fn issue_with(
    app: &App,
    client: &Client,
    secret: Secret,
    (scope, validity_period): (Option<Scope>, Option<Validity>),
) -> Result<TokenResponse> {
    let facts = app.store.client(&client.consumer_key).await?.ok_or(Refusal::ClientCredentials)?;
    let credentials = Credentials { consumer_key: client.consumer_key.clone(), secret };
    let evidence = authenticate(&credentials, Some(&facts.client), &app.keys().ring, app.now())?;
    let scope = scope.filter(|scope| !scope.is_empty());
    let known =
        ScopeFacts { policy: &app.policy.scope, known: &facts.known_scopes, roles: &facts.owner_roles };
    let authorization = client_credentials::authorize(evidence, scope.as_ref(), known)?;
    let common = Common { scope, validity_period, binding: None };
    Ok(issue(app, &facts, authorization, (&common, facts.epoch)).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_have_names_that_are_read_back() {
        let (bucket, id) = (Bucket::new(4095).unwrap(), FamilyId::from_bytes([0xab; 16]));
        let name = family_name(bucket, id);
        assert_eq!(name, format!("4095-{}", "ab".repeat(16)));
        assert_eq!(parse_family_name(&name), Some((bucket, id)));
        for bad in [
            "",
            "-",
            "1",
            "4096-abababababababababababababababab",
            "1-ab",
            "1-+bababababababababababababababab",
        ] {
            assert_eq!(parse_family_name(bad), None, "{bad}");
        }
    }
}
