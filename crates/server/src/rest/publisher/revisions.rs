//! Revisions of an API, and where they are deployed.

use http::{Method, StatusCode};
use latchkey_catalog::id::EntryId;
use latchkey_catalog::listing::{Deployment, Revision};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::apis::find;
use super::scopes::decoded;
use super::told;
use super::{CHANGE, ENVIRONMENT, SURFACE};
use crate::admin::publisher;
use crate::admin::text::moment;
use crate::http::answer::{Whole, json as answer};
use crate::rest::answer::created;
use crate::rest::call::Call;
use crate::rest::caller::Caller;
use crate::rest::contract::Parameter;
use crate::rest::error::{Fault, RestError};
use crate::rest::operation::{Answer, Operation};
use crate::rest::page::Listing;
use crate::rest::wire::or_default;

const SEE: &[&str] =
    &["apim:api_view", "apim:api_create", "apim:api_manage", "apim:api_publish", "apim:api_import_export"];
const KEEP: &[&str] = &["apim:api_create", "apim:api_manage", "apim:api_publish", "apim:api_import_export"];
/// The longest description, in characters; WSO2's.
const MAX_DESCRIPTION: usize = 255;
/// The host that calls come to where none is said.
const HOST: &str = "localhost";

const QUERY: Parameter = Parameter::one_of("query", &["deployed:true", "deployed:false"]);
const REVISION: Parameter = Parameter::text("revisionId").required();

pub(super) fn operations() -> Vec<Operation> {
    let (get, post) = (Method::GET, Method::POST);
    let (all, one) = ("/apis/{apiId}/revisions", "/apis/{apiId}/revisions/{revisionId}");
    vec![
        SURFACE.scoped(get.clone(), all, SEE, list).asks(&[QUERY]).answers::<Listing<Told>>(),
        SURFACE.scoped(post.clone(), all, KEEP, create).may_take::<Wanted>().creates::<Told>(),
        SURFACE.scoped(get.clone(), one, SEE, show).answers::<Told>(),
        SURFACE.scoped(Method::DELETE, one, KEEP, delete).answers::<Listing<Told>>(),
        SURFACE.scoped(get, "/apis/{apiId}/deployments", SEE, deployments).answers::<Listing<Deployed>>(),
        SURFACE
            .scoped(Method::PUT, "/apis/{apiId}/deployments/{deploymentId}", CHANGE, show_deployment)
            .takes::<WantedDeployment>()
            .answers::<Option<Deployed>>(),
        SURFACE
            .scoped(post.clone(), "/apis/{apiId}/deploy-revision", CHANGE, deploy)
            .asks(&[REVISION])
            .takes::<Vec<WantedDeployment>>()
            .answers_as::<Vec<Deployed>>(StatusCode::CREATED),
        SURFACE
            .scoped(post.clone(), "/apis/{apiId}/undeploy-revision", KEEP, undeploy)
            .asks(&[REVISION, Parameter::text("allEnvironments")])
            .may_take::<Vec<WantedDeployment>>()
            .answers_as::<Vec<Deployed>>(StatusCode::CREATED),
        SURFACE
            .scoped(post, "/apis/{apiId}/restore-revision", CHANGE, restore)
            .asks(&[REVISION])
            .creates::<Map<String, Value>>(),
    ]
}

/// WSO2's `APIRevision` as it is asked for.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(rename = "APIRevisionRequest")]
struct Wanted {
    #[serde(default, deserialize_with = "or_default")]
    description: String,
}

/// WSO2's `APIRevisionDeployment` as it is asked for.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "APIRevisionDeploymentRequest")]
struct WantedDeployment {
    name: String,
    #[serde(default, deserialize_with = "or_default")]
    vhost: String,
    #[serde(default)]
    display_on_devportal: Option<bool>,
}

/// WSO2's `APIRevision`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "APIRevision")]
struct Told {
    display_name: String,
    #[schemars(with = "Uuid")]
    id: EntryId,
    description: String,
    created_time: String,
    api_info: OfApi,
    deployment_info: Vec<Deployed>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "APIRevisionAPIInfo")]
struct OfApi {
    #[schemars(with = "Uuid")]
    id: EntryId,
}

/// WSO2's `APIRevisionDeployment`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "APIRevisionDeployment")]
#[expect(clippy::struct_field_names, reason = "they are the names of the wire")]
struct Deployed {
    #[schemars(with = "Uuid")]
    revision_uuid: EntryId,
    name: String,
    status: &'static str,
    vhost: String,
    display_on_devportal: bool,
    deployed_time: String,
    success_deployed_time: String,
    live_gateway_count: u32,
    deployed_gateway_count: u32,
    failed_gateway_count: u32,
}

fn told(api: EntryId, revision: &Revision) -> Told {
    Told {
        display_name: format!("Revision {}", revision.number),
        id: revision.id,
        description: revision.description.clone(),
        created_time: moment(revision.created_at),
        api_info: OfApi { id: api },
        deployment_info: deployed(revision),
    }
}

/// There is one gateway environment, and what is deployed is there.
fn deployed(revision: &Revision) -> Vec<Deployed> {
    let one = |deployment: &Deployment| Deployed {
        revision_uuid: revision.id,
        name: deployment.environment.clone(),
        status: "APPROVED",
        vhost: deployment.vhost.clone(),
        display_on_devportal: deployment.shown,
        deployed_time: moment(deployment.deployed_at),
        success_deployed_time: moment(deployment.deployed_at),
        live_gateway_count: 1,
        deployed_gateway_count: 1,
        failed_gateway_count: 0,
    };
    revision.deployments.iter().map(one).collect()
}

async fn list(call: Call, _: Caller) -> Answer {
    let api = find(&call).await?.api.id;
    let wanted = match call.parameter("query") {
        None => None,
        Some("deployed:true") => Some(true),
        Some("deployed:false") => Some(false),
        Some(_) => return Err(RestError::bad("The query of revisions is deployed:true or deployed:false.")),
    };
    let all = call.app.store.revisions(api).await?;
    let is_wanted =
        |revision: &&Revision| wanted.is_none_or(|wanted| wanted != revision.deployments.is_empty());
    let list: Vec<_> = all.iter().filter(is_wanted).map(|revision| told(api, revision)).collect();
    Ok(answer(&Listing::whole(list)))
}

async fn create(call: Call, caller: Caller) -> Answer {
    let wanted = if call.body.is_empty() { Wanted::default() } else { call.json()? };
    if wanted.description.chars().count() > MAX_DESCRIPTION {
        return Err(RestError::bad("The description of a revision may have 255 characters."));
    }
    let api = find(&call).await?.api.id;
    let made = publisher::add_revision(&call.app, api, wanted.description, caller.name()).await?;
    Ok(created(&call, &format!("/apis/{api}/revisions/{}", made.id), &told(api, &made)))
}

async fn show(call: Call, _: Caller) -> Answer {
    let api = find(&call).await?.api.id;
    Ok(answer(&told(api, &publisher::revision(&call.app, api, call.at("revisionId")).await?)))
}

/// Answers with those that are left.
async fn delete(call: Call, caller: Caller) -> Answer {
    let api = find(&call).await?.api.id;
    let revision = publisher::revision(&call.app, api, call.at("revisionId")).await?;
    publisher::remove_revision(&call.app, (api, revision.id), caller.name()).await?;
    let left = call.app.store.revisions(api).await?;
    Ok(answer(&Listing::whole(left.iter().map(|revision| told(api, revision)).collect::<Vec<_>>())))
}

async fn deployments(call: Call, _: Caller) -> Answer {
    let api = find(&call).await?.api.id;
    let all = call.app.store.revisions(api).await?;
    Ok(answer(&Listing::whole(all.iter().flat_map(deployed).collect::<Vec<_>>())))
}

/// Whether developers see a deployment. `deploymentId` is the environment's name, as WSO2 writes it or plainly.
async fn show_deployment(call: Call, caller: Caller) -> Answer {
    let wanted: WantedDeployment = call.json()?;
    let id = call.path.get("deploymentId").map_or("", String::as_str);
    if id != ENVIRONMENT && decoded(id).as_deref() != Some(ENVIRONMENT) {
        return Err(RestError::told(Fault::NotFound, "The API has no such deployment."));
    }
    let api = find(&call).await?.api.id;
    let all = call.app.store.revisions(api).await?;
    let is_there =
        |revision: &&Revision| revision.deployments.iter().any(|one| one.environment == ENVIRONMENT);
    let absent = || RestError::told(Fault::NotFound, "The API has no such deployment.");
    let held = all.iter().find(is_there).ok_or_else(absent)?;
    let mut deployments = held.deployments.clone();
    for one in deployments.iter_mut().filter(|one| one.environment == ENVIRONMENT) {
        one.shown = wanted.display_on_devportal.unwrap_or(one.shown);
    }
    let changed = publisher::deploy(&call.app, (api, held.id), deployments, caller.name()).await?;
    Ok(answer(&deployed(&changed).into_iter().next()))
}

/// The revision that the parameter `revisionId` of the query names.
async fn asked(call: &Call, api: EntryId) -> Result<Revision, RestError> {
    let missing = || RestError::bad("The parameter revisionId is missing.");
    let id = call.parameter("revisionId").ok_or_else(missing)?;
    Ok(publisher::revision(&call.app, api, id.parse().ok()).await?)
}

/// 201, as the server of WSO2 answers, whatever its definition says.
fn changed(revision: &Revision) -> Whole {
    let mut response = answer(&deployed(revision));
    *response.status_mut() = StatusCode::CREATED;
    response
}

async fn deploy(call: Call, caller: Caller) -> Answer {
    let wanted: Vec<WantedDeployment> = call.json()?;
    let api = find(&call).await?.api.id;
    let revision = asked(&call, api).await?;
    if wanted.is_empty() {
        return Err(RestError::bad("No gateway environment is named."));
    }
    let mut deployments: Vec<Deployment> = Vec::new();
    for one in wanted {
        if one.name != ENVIRONMENT {
            return Err(RestError::bad(format!(
                "There is no gateway environment {:?}; there is {ENVIRONMENT}.",
                one.name
            )));
        }
        if one.vhost.len() > MAX_DESCRIPTION {
            return Err(RestError::bad("The vhost is too long."));
        }
        deployments.retain(|other| other.environment != one.name);
        deployments.push(Deployment {
            environment: one.name,
            vhost: if one.vhost.is_empty() { HOST.to_owned() } else { one.vhost },
            shown: one.display_on_devportal.unwrap_or(true),
            deployed_at: call.app.now(),
        });
    }
    let deployed = publisher::deploy(&call.app, (api, revision.id), deployments, caller.name()).await?;
    Ok(changed(&deployed))
}

async fn undeploy(call: Call, caller: Caller) -> Answer {
    let wanted: Vec<WantedDeployment> = if call.body.is_empty() { Vec::new() } else { call.json()? };
    let api = find(&call).await?.api.id;
    let revision = asked(&call, api).await?;
    let mut environments: Vec<String> = wanted.into_iter().map(|one| one.name).collect();
    if environments.is_empty() || call.parameter("allEnvironments") == Some("true") {
        environments = vec![ENVIRONMENT.to_owned()];
    }
    let left = publisher::undeploy(&call.app, (api, revision.id), environments, caller.name()).await?;
    Ok(changed(&left))
}

async fn restore(call: Call, caller: Caller) -> Answer {
    let held = find(&call).await?;
    let revision = asked(&call, held.api.id).await?;
    let restored = publisher::restore(&call.app, &held, revision.id, caller.name()).await?;
    Ok(created(&call, &format!("/apis/{}", held.api.id), &told::api(&restored)))
}
