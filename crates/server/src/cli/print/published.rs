//! APIs, subscriptions and gateway nodes for people.

use std::collections::BTreeSet;

use latchkey_catalog::api::{API_KEY_HEADER, ApiState, Scheme, VersionRole};

use super::joined;
use crate::admin::api::{ApiDetail, ApiView, ImportView};
use crate::admin::node::{Created, NodeView};
use crate::admin::subscription::SubscriptionView;
use crate::cli::table::Table;

fn scopes(api: &ApiView) -> String {
    let scope = |(name, roles): (&String, &BTreeSet<String>)| {
        if roles.is_empty() { name.clone() } else { format!("{name} ({})", joined(roles)) }
    };
    joined(&api.scopes.iter().map(scope).collect::<Vec<_>>())
}

fn or_dash(text: String) -> String {
    if text.is_empty() { "-".to_owned() } else { text }
}

pub(super) fn apis(apis: &[ApiView]) -> String {
    let mut table = Table::new(&["api", "name", "state", "upstream", "resources", "scopes", "id"]);
    for api in apis {
        table.row([
            api.path(),
            api.name.clone(),
            api.state.as_str().to_owned(),
            or_dash(joined(&api.production)),
            api.resources.len().to_string(),
            scopes(api),
            api.id.to_string(),
        ]);
    }
    table.render("There are no APIs.")
}

pub(super) fn api(ApiDetail { api, definition }: &ApiDetail) -> String {
    let transports = [("http", definition.transports.http), ("https", definition.transports.https)];
    let transports = transports.into_iter().filter(|(_, is_on)| *is_on).map(|(name, _)| name);
    let calls_without_version = match definition.versions {
        VersionRole::Named => "go elsewhere",
        VersionRole::Default => "come here",
    };
    let cors = &definition.cors;
    let origins = if cors.enabled { joined(&cors.origins) } else { "left to the upstream".to_owned() };
    let lines = [
        ("api", api.path()),
        ("name", api.name.clone()),
        ("state", api.state.as_str().to_owned()),
        ("upstream", or_dash(joined(&api.production))),
        ("sandbox upstream", or_dash(joined(&api.sandbox))),
        ("transports", transports.collect::<Vec<_>>().join(", ")),
        ("without a version", calls_without_version.to_owned()),
        (
            "token header",
            definition.authorization_header.clone().unwrap_or_else(|| "Authorization".to_owned()),
        ),
        ("credentials", definition.schemes.iter().map(Scheme::as_str).collect::<Vec<_>>().join(", ")),
        ("API key header", definition.api_key_header.clone().unwrap_or_else(|| API_KEY_HEADER.to_owned())),
        ("audiences", or_dash(joined(&definition.audiences))),
        ("throttling", definition.throttling.clone().unwrap_or_else(|| "by resource".to_owned())),
        ("origins of pages", origins),
        ("scopes", or_dash(scopes(api))),
        ("id", api.id.to_string()),
    ];
    let mut out: String = lines.map(|(name, value)| format!("{name:19}{value}\n")).concat();
    let mut table = Table::new(&["method", "resource", "tokens", "scopes", "throttling"]);
    for resource in &definition.resources {
        table.row([
            resource.method.clone(),
            resource.template.clone(),
            resource.authentication.wso2_name().to_owned(),
            or_dash(joined(&resource.scopes)),
            or_dash(resource.throttling.clone().unwrap_or_default()),
        ]);
    }
    out.push_str(&table.render("It has no resources."));
    out
}

pub(super) fn imported(imported: &ImportView) -> String {
    let api = &imported.api;
    let path = api.path();
    let count = api.resources.len();
    let mut out = format!("API {} is imported as {path} with {count} resources.\n", api.name);
    if api.state == ApiState::Created {
        out.extend(["It is not published yet: latchkey api publish ", &path, "\n"]);
    }
    out.extend(imported.notes.iter().map(|note| format!("note: {}: {}\n", note.place, note.text)));
    out
}

pub(super) fn subscriptions(subscriptions: &[SubscriptionView]) -> String {
    let mut table = Table::new(&["application", "api", "tier", "state", "application id"]);
    for one in subscriptions {
        table.row([
            one.application.clone(),
            one.api.clone(),
            one.tier.clone(),
            one.state.as_str().to_owned(),
            one.application_id.to_string(),
        ]);
    }
    table.render("There are no subscriptions.")
}

/// The secret alone, so that it can be sent to a file.
pub(super) fn node_created(created: &Created) -> String {
    format!("{}\n", created.secret.0.expose())
}

pub(super) fn nodes(nodes: &[NodeView]) -> String {
    let mut table = Table::new(&["node", "created"]);
    for node in nodes {
        table.row([node.name.clone(), node.created_at.clone()]);
    }
    table.render("There are no gateway nodes.")
}
