//! What applications have used of their limits.

use std::collections::BTreeMap;

use latchkey_catalog::application::Application;
use latchkey_catalog::count::{CountKey, Tally};
use latchkey_catalog::id::EntryId;
use latchkey_catalog::tier::{Level, Limit, Tier};
use latchkey_oauth::id::PrincipalId;
use latchkey_store::changes::Changed;
use latchkey_store::counts::{CountReset, CountsOf};
use latchkey_store::rows::Subscribed;
use serde::{Deserialize, Serialize};

use super::application::Reference;
use super::text::moment;
use super::token::user_name;
use super::{PAGE, Reply, Result, api, application, user};
use crate::app::App;

/// What to do.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Show what is used, and when it begins anew.
    List(Which),
    /// Begin anew at once.
    Reset(Which),
}

/// Whose limits. Without an API and a user: all of the application's.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Which {
    /// The application.
    pub application: Reference,
    /// The subscription to this API, `CONTEXT/VERSION`.
    pub api: Option<String>,
    /// The application's own limits for this user.
    pub user: Option<String>,
}

/// A limit of which something is used.
#[derive(Debug, Serialize, Deserialize)]
pub struct LimitView {
    /// What it limits: `application`, `subscription`, each also with `_burst`.
    pub kind: String,
    /// The API of the subscription.
    pub api: Option<String>,
    /// Whose calls are counted; none where all are counted together.
    pub user: Option<String>,
    /// The tier.
    pub tier: Option<String>,
    /// The limit, `20/minute`; none where the tier has none now.
    pub limit: Option<String>,
    /// How many calls are used in the window that is on. In a process that counts for a long window, what
    /// other processes hold ready counts as used.
    pub used: u64,
    /// When the window ends.
    pub resets_at: String,
}

/// Limits of which something is used.
#[derive(Debug, Serialize, Deserialize)]
pub struct LimitListing {
    /// The limits, at most 500.
    pub limits: Vec<LimitView>,
    /// Whether there are more; naming a user or an API shows fewer.
    pub has_more: bool,
}

/// Whose limits, looked up.
struct Found {
    application: Application,
    tiers: Vec<Tier>,
    /// The APIs of the subscriptions that are asked for, with their paths and tiers.
    subscriptions: BTreeMap<EntryId, (String, String)>,
    subject: Option<PrincipalId>,
    which: Vec<CountsOf>,
}

pub(super) async fn execute(app: &App, command: Command, actor: &str) -> Result<Reply> {
    match command {
        Command::List(which) => list(app, &look_up(app, &which).await?).await,
        Command::Reset(which) => reset(app, look_up(app, &which).await?, actor).await,
    }
}

/// Lets limits begin anew, from the next call on; with those of the application's owner also those of its own
/// tokens, which WSO2 counts as the owner's.
pub async fn renew(app: &App, which: &Which, actor: &str) -> Result<Reply> {
    let mut found = look_up(app, which).await?;
    if found.subject == Some(found.application.owner) {
        for (client, _) in app.store.clients_of(found.application.id).await? {
            found.which.extend(of_subject(found.application.id, client.id));
        }
    }
    reset(app, found, actor).await
}

/// The application's own limits for a subject.
fn of_subject(application: EntryId, subject: PrincipalId) -> [CountsOf; 2] {
    [
        CountKey::Application(application, Some(subject)),
        CountKey::ApplicationBurst(application, Some(subject)),
    ]
    .map(CountsOf::Key)
}

async fn look_up(app: &App, which: &Which) -> Result<Found> {
    let application = application::find(app, &which.application).await?;
    let subject = match &which.user {
        Some(name) => Some(user::find(app, name).await?.user.id),
        None => None,
    };
    let of_api = match &which.api {
        Some(path) => Some(api::find(app, path).await?.id),
        None => None,
    };
    let mut found = Vec::new();
    let mut subscriptions = BTreeMap::new();
    if of_api.is_some() || subject.is_none() {
        subscriptions = subscriptions_of(app, application.id, of_api).await?;
        for id in subscriptions.keys() {
            let (api, subscriber) = (*id, Some(application.id));
            found.push(CountsOf::Key(CountKey::Subscription(api, subscriber)));
            found.push(CountsOf::Key(CountKey::SubscriptionBurst(api, subscriber)));
        }
    }
    match (subject, of_api) {
        (Some(user), _) => found.extend(of_subject(application.id, user)),
        (None, None) => found.push(CountsOf::Application(application.id)),
        (None, Some(_)) => {}
    }
    let tiers = app.store.tiers().await?;
    Ok(Found { application, tiers, subscriptions, subject, which: found })
}

async fn subscriptions_of(
    app: &App,
    application: EntryId,
    only: Option<EntryId>,
) -> Result<BTreeMap<EntryId, (String, String)>> {
    let paths: BTreeMap<EntryId, String> =
        app.store.apis().await?.iter().map(|api| (api.id, api.path())).collect();
    let mut found = BTreeMap::new();
    let mut after = None;
    loop {
        let page = app.store.subscriptions(Subscribed::By(application), after, PAGE).await?;
        after = page.last().map(|last| (last.application, last.api));
        let count = page.len();
        for one in page.into_iter().filter(|one| only.is_none_or(|only| only == one.api)) {
            let path = paths.get(&one.api).cloned().unwrap_or_else(|| one.api.to_string());
            found.insert(one.api, (path, one.tier));
        }
        if count < PAGE as usize {
            return Ok(found);
        }
    }
}

impl Found {
    fn names(&self, key: &CountKey) -> bool {
        self.which.iter().any(|which| match which {
            CountsOf::Key(one) => one == key,
            CountsOf::Application(id) => {
                matches!(key, CountKey::Application(..) | CountKey::ApplicationBurst(..))
                    && key.owner() == *id
            }
        })
    }

    /// The tier that a count is limited by, and its limit.
    fn limit(&self, key: &CountKey) -> (Option<String>, Option<Limit>) {
        let (level, name) = match key {
            CountKey::Application(..) | CountKey::ApplicationBurst(..) => {
                (Level::Application, Some(&self.application.tier))
            }
            CountKey::Subscription(api, _) | CountKey::SubscriptionBurst(api, _) => {
                (Level::Subscription, self.subscriptions.get(api).map(|(_, tier)| tier))
            }
            CountKey::Api(_) | CountKey::Resource(..) => (Level::Resource, None),
        };
        let tier = self.tiers.iter().find(|tier| tier.level == level && Some(&tier.name) == name);
        let is_burst = matches!(key, CountKey::ApplicationBurst(..) | CountKey::SubscriptionBurst(..));
        let limit = tier.and_then(|tier| if is_burst { tier.burst } else { tier.limit });
        (name.cloned(), limit)
    }
}

/// What is used of the limits: what this process counted goes before what the store knows, which counts as
/// used what was only leased.
async fn tallies(app: &App, found: &Found) -> Result<BTreeMap<CountKey, Tally>> {
    let mut all = BTreeMap::new();
    for of in &found.which {
        all.extend(app.store.tallies(*of, PAGE + 1).await?);
    }
    let most = PAGE as usize + 1;
    all.extend(app.kept_by_gateway.counters.tallies(|key| found.names(key), (most, app.now())));
    all.retain(|_, tally| tally.used > 0);
    Ok(all)
}

async fn list(app: &App, found: &Found) -> Result<Reply> {
    let all = tallies(app, found).await?;
    let has_more = all.len() > PAGE as usize;
    let clients = app.store.clients_of(found.application.id).await?;
    let mut limits = Vec::new();
    for (key, tally) in all.into_iter().take(PAGE as usize) {
        let subject = match key {
            CountKey::Application(_, subject) | CountKey::ApplicationBurst(_, subject) => subject,
            CountKey::Api(_)
            | CountKey::Resource(..)
            | CountKey::Subscription(..)
            | CountKey::SubscriptionBurst(..) => None,
        };
        let user = match subject {
            Some(id) if clients.iter().any(|(client, _)| client.id == id) => {
                Some("the application itself".to_owned())
            }
            Some(id) => Some(user_name(app, id).await?),
            None => None,
        };
        let (tier, limit) = found.limit(&key);
        limits.push(LimitView {
            kind: key.kind().to_owned(),
            api: found.subscriptions.get(&key.owner()).map(|(path, _)| path.clone()),
            user,
            tier,
            limit: limit.map(|limit| limit.to_string()),
            used: tally.used,
            resets_at: moment(tally.ends),
        });
    }
    Ok(Reply::Limits(LimitListing { limits, has_more }))
}

async fn reset(app: &App, found: Found, actor: &str) -> Result<Reply> {
    let count = tallies(app, &found).await?.len();
    let Found { application, which, subject, .. } = &found;
    let reset = CountReset {
        which: which.clone(),
        application: application.id,
        subject: *subject,
        actor: actor.to_owned(),
    };
    // First where it is kept, then here: what is leased in between is of the new count.
    app.store.reset_counts(reset).await?;
    let was = app.kept_by_gateway.counters.reset(|key| found.names(key), app.now());
    app.store.give_back(was.unused).await?;
    app.store.changes().publish([Changed::Limits]);
    let name = &application.name;
    Ok(Reply::Done(match count {
        0 => format!("Nothing was used of these limits of application {name}."),
        1 => format!("One limit of application {name} begins anew, from the next call on."),
        _ => format!("{count} limits of application {name} begin anew, from the next call on."),
    }))
}
