//! Why the gateway refused a call, told to an administrator.

use std::time::Duration;

use latchkey_gateway::explain::{ExplanationId, NoExplanationId};
use latchkey_gateway::node::explanations::{CallerFacts, Explained};
use latchkey_oauth::family::SubjectType;
use latchkey_oauth::id::Bucket;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::text::moment;
use super::token::{family_name, user_name};
use super::{AdminError, Reply, Result};
use crate::app::App;
use crate::gateway::inquiries::Told;

/// A refused call. It names the token's family, never the token.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Explanation")]
pub struct ExplanationView {
    /// The id, as the answer's header has it.
    pub id: String,
    /// The gateway node that answered the call; none for the server's own gateway.
    #[serde(default)]
    pub node: Option<String>,
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
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "ExplainedCaller")]
pub struct CallerView {
    /// The application's name.
    pub application: String,
    /// The consumer key; none for an API key.
    pub consumer_key: Option<String>,
    /// The name of the API key.
    pub api_key: Option<String>,
    /// The user's name; none for the application itself.
    pub user: Option<String>,
    /// The device.
    pub device: Option<String>,
    /// The token's family, which `token revoke --family` takes; none for an API key.
    pub family: Option<String>,
}

/// How long the gateway nodes may take to tell what they know.
const PATIENCE: Duration = Duration::from_secs(2);

/// The refusal whose answer carried `id`, of this server's gateway or of a node's.
pub async fn find(app: &App, id: &str) -> Result<ExplanationView> {
    let parsed: ExplanationId = id.trim().parse().map_err(|problem: NoExplanationId| {
        AdminError::wrong_use(format!("{id:?} is no such id: {problem}"))
    })?;
    if let Some(refusal) = app.kept_by_gateway.explanations.find(parsed) {
        return view(app, Explained::of(parsed, &refusal), None).await;
    }
    if !app.store.nodes().await?.is_empty() {
        let told = app.inquiries.ask(parsed, PATIENCE).await;
        let told = told.map_err(|problem| AdminError::refused(problem.to_string()))?;
        if let Some(Told { node, explained }) = told {
            return view(app, explained, Some(node)).await;
        }
    }
    Err(AdminError::refused(format!(
        "nothing is known of {parsed}: gateways, the server's and its nodes', keep their last 10000 refusals in \
         memory until they end, and no node that is heard has this one; the log of the gateway that answered has a \
         line with this id; or repeat the call and ask with the id of the new answer"
    )))
}

pub(super) async fn explain(app: &App, id: &str) -> Result<Reply> {
    Ok(Reply::Explanation(Box::new(find(app, id).await?)))
}

async fn view(app: &App, explained: Explained, node: Option<String>) -> Result<ExplanationView> {
    let caller = match &explained.caller {
        Some(facts) => Some(caller(app, facts).await?),
        None => None,
    };
    Ok(ExplanationView {
        id: explained.id,
        node,
        at: moment(explained.at),
        status: explained.status,
        code: explained.code,
        rule: explained.rule,
        fix: explained.fix,
        api: explained.api,
        resource: explained.resource,
        until: explained.until.map(moment),
        caller,
    })
}

async fn caller(app: &App, facts: &CallerFacts) -> Result<CallerView> {
    let application = app.store.application(facts.application).await?;
    let application =
        application.map_or_else(|| format!("deleted, {}", facts.application), |application| application.name);
    let user = match facts.subject_type {
        SubjectType::Application => None,
        SubjectType::ApplicationUser => Some(user_name(app, facts.subject).await?),
    };
    Ok(CallerView {
        application,
        consumer_key: facts.consumer_key.clone(),
        api_key: facts.api_key.clone(),
        user,
        device: facts.device.clone(),
        family: Bucket::new(facts.bucket)
            .filter(|_| facts.api_key.is_none())
            .map(|bucket| family_name(bucket, facts.family)),
    })
}
