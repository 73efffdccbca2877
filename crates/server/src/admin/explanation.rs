//! Why the gateway refused a call, told to an administrator.

use latchkey_gateway::explain::{ExplanationId, NoExplanationId, Refusal, Who};
use latchkey_gateway::throttle::RateLimit;
use latchkey_oauth::family::SubjectType;
use serde::{Deserialize, Serialize};

use super::text::moment;
use super::token::{family_name, user_name};
use super::{AdminError, Reply, Result};
use crate::app::App;

/// A refused call. It names the token's family, never the token.
#[derive(Debug, Serialize, Deserialize)]
pub struct ExplanationView {
    /// The id, as the answer's header has it.
    pub id: String,
    /// When.
    pub at: String,
    /// The HTTP status of the answer.
    pub status: u16,
    /// The code in its body.
    pub code: String,
    /// The rule that refused.
    pub rule: String,
    /// What to do.
    pub fix: String,
    /// Context and version of the API.
    pub api: Option<String>,
    /// Method and template of the resource.
    pub resource: Option<String>,
    /// When the limit that was reached admits calls again.
    pub until: Option<String>,
    /// Whom the call was from; none where no token of this server came.
    pub caller: Option<CallerView>,
}

/// Whom a refused call was from.
#[derive(Debug, Serialize, Deserialize)]
pub struct CallerView {
    /// The application's name.
    pub application: String,
    /// The consumer key.
    pub consumer_key: String,
    /// The user's name; none for the application itself.
    pub user: Option<String>,
    /// The device.
    pub device: Option<String>,
    /// The token's family, which `token revoke --family` takes.
    pub family: String,
}

/// The refusal whose answer carried `id`.
pub async fn find(app: &App, id: &str) -> Result<ExplanationView> {
    let parsed: ExplanationId = id.trim().parse().map_err(|problem: NoExplanationId| {
        AdminError::wrong_use(format!("{id:?} is no such id: {problem}"))
    })?;
    match app.kept_by_gateway.explanations.find(parsed) {
        Some(refusal) => view(app, parsed, &refusal).await,
        None => Err(AdminError::refused(format!(
            "nothing is known of {parsed}: a gateway keeps its last 10000 refusals in memory, until it ends; \
             where another node answered the call, its log has a line with this id; else repeat the call and \
             ask with the id of the new answer"
        ))),
    }
}

pub(super) async fn explain(app: &App, id: &str) -> Result<Reply> {
    Ok(Reply::Explanation(Box::new(find(app, id).await?)))
}

async fn view(app: &App, id: ExplanationId, refusal: &Refusal) -> Result<ExplanationView> {
    let row = refusal.fault.row();
    let until = |limit: &RateLimit| moment(limit.ends);
    let caller = match &refusal.who {
        Some(who) => Some(caller(app, who).await?),
        None => None,
    };
    Ok(ExplanationView {
        id: id.to_string(),
        at: moment(refusal.at),
        status: row.status.as_u16(),
        code: row.code.to_owned(),
        rule: refusal.rule(),
        fix: refusal.fix().to_owned(),
        api: refusal.place.as_ref().map(|place| place.api().to_owned()),
        resource: refusal.place.as_ref().map(latchkey_gateway::explain::Place::resource),
        until: refusal.limit.as_ref().map(until),
        caller,
    })
}

async fn caller(app: &App, who: &Who) -> Result<CallerView> {
    let client = app.store.client(&who.consumer_key).await?;
    let application = client
        .map_or_else(|| format!("deleted, {}", who.application), |facts| facts.application.name.clone());
    let user = match who.subject.kind {
        SubjectType::Application => None,
        SubjectType::ApplicationUser => Some(user_name(app, who.subject.id).await?),
    };
    Ok(CallerView {
        application,
        consumer_key: who.consumer_key.to_string(),
        user,
        device: who.device.as_deref().map(str::to_owned),
        family: family_name(who.family.0, who.family.1),
    })
}
