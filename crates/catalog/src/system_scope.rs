//! Scopes of the server itself: what its REST interfaces ask for, each with the roles that may have it.
//!
//! The names and roles are those that WSO2 API Manager gives a new tenant (`RESTAPIScopes`), and of Identity
//! Server's `internal_…` scopes those that its user interfaces ask for. Whoever holds a role may have its scopes
//! through any application, whatever that subscribes to; administrators may have them all.

use std::collections::BTreeSet;

use latchkey_oauth::scope::KnownScopes;

use crate::user::{ADMIN_ROLE, CREATOR_ROLE, EVERYONE_ROLE, PUBLISHER_ROLE, SUBSCRIBER_ROLE};

#[cfg(test)]
mod tests;

/// The role of who watches without changing anything.
const OBSERVER: &str = "Internal/observer";
/// The role of who moves APIs and applications between installations.
const DEVOPS: &str = "Internal/devops";

/// Scopes whose bearer may introspect every token.
pub const INTROSPECTION_SCOPES: [&str; 2] = ["internal_application_mgt_view", "internal_oauth2_introspect"];

/// What a scope is asked for by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Area {
    /// The developer portal.
    Devportal,
    /// The publisher.
    Publisher,
    /// Administration.
    Admin,
    /// Users, roles and login sessions.
    Identity,
}

/// A scope of the server itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SystemScope {
    /// Its name.
    pub name: &'static str,
    /// What asks for it.
    pub areas: &'static [Area],
    /// The roles that may have it, beside administrators; [`EVERYONE_ROLE`]: every user.
    pub roles: &'static [&'static str],
    /// What it lets do.
    pub description: &'static str,
}

impl SystemScope {
    /// Whether a user with these roles may have it.
    pub fn is_open_to(&self, roles: &BTreeSet<String>) -> bool {
        roles.contains(ADMIN_ROLE)
            || self.roles.iter().any(|role| *role == EVERYONE_ROLE || roles.contains(*role))
    }
}

/// The scope called `name`.
pub fn find(name: &str) -> Option<&'static SystemScope> {
    SYSTEM_SCOPES.iter().find(|scope| scope.name == name)
}

/// The names of the scopes of an area.
pub fn of_area(area: Area) -> impl Iterator<Item = &'static str> {
    SYSTEM_SCOPES.iter().filter(move |scope| scope.areas.contains(&area)).map(|scope| scope.name)
}

/// All of them as the rules for granting scopes take them: without roles where every user may have it.
pub fn known() -> KnownScopes {
    let roles = |scope: &SystemScope| {
        if scope.roles.contains(&EVERYONE_ROLE) {
            return BTreeSet::new();
        }
        scope.roles.iter().chain([&ADMIN_ROLE]).map(|role| (*role).to_owned()).collect()
    };
    SYSTEM_SCOPES.iter().map(|scope| (scope.name.to_owned(), roles(scope))).collect()
}

const fn scope(
    name: &'static str,
    areas: &'static [Area],
    roles: &'static [&'static str],
    description: &'static str,
) -> SystemScope {
    SystemScope { name, areas, roles, description }
}

const DEVPORTAL: &[Area] = &[Area::Devportal];
const PUBLISHER: &[Area] = &[Area::Publisher];
const ADMIN: &[Area] = &[Area::Admin];
const IDENTITY: &[Area] = &[Area::Identity];
const SUBSCRIBERS: &[&str] = &[SUBSCRIBER_ROLE];
const CREATORS: &[&str] = &[CREATOR_ROLE];
const PUBLISHERS: &[&str] = &[PUBLISHER_ROLE];
const PROVIDERS: &[&str] = &[CREATOR_ROLE, PUBLISHER_ROLE];
const WATCHERS: &[&str] = &[CREATOR_ROLE, PUBLISHER_ROLE, OBSERVER];
const EVERYONE: &[&str] = &[EVERYONE_ROLE];
const ADMINISTRATORS: &[&str] = &[];

/// The list, by area.
#[rustfmt::skip]
pub static SYSTEM_SCOPES: &[SystemScope] = &[
    scope("apim:subscribe", DEVPORTAL, SUBSCRIBERS, "Subscribe to APIs and manage one's applications"),
    scope("apim:app_manage", DEVPORTAL, &[SUBSCRIBER_ROLE, DEVOPS], "Manage one's applications"),
    scope("apim:app_update", DEVPORTAL, SUBSCRIBERS, "Change one's applications"),
    scope("apim:sub_manage", DEVPORTAL, &[SUBSCRIBER_ROLE, DEVOPS], "Manage one's subscriptions"),
    scope("apim:api_key", DEVPORTAL, SUBSCRIBERS, "Generate API keys"),
    scope("apim:store_settings", DEVPORTAL, EVERYONE, "Read the settings of the developer portal"),
    scope("apim:sub_alert_manage", DEVPORTAL, SUBSCRIBERS, "Manage one's alerts"),
    scope("apim:app_import_export", &[Area::Devportal, Area::Admin], &[DEVOPS], "Export and import applications"),

    scope("apim:api_view", PUBLISHER, WATCHERS, "See APIs"),
    scope("apim:api_create", PUBLISHER, CREATORS, "Create APIs"),
    scope("apim:api_delete", PUBLISHER, CREATORS, "Delete APIs"),
    scope("apim:api_publish", PUBLISHER, PUBLISHERS, "Publish APIs"),
    scope("apim:api_manage", PUBLISHER, ADMINISTRATORS, "Do everything with APIs"),
    scope("apim:api_generate_key", PUBLISHER, PROVIDERS, "Generate keys to try APIs out"),
    scope("apim:api_definition_view", PUBLISHER, WATCHERS, "See the definitions of APIs"),
    scope("apim:api_list_view", PUBLISHER, &["Internal/integration_dev"], "See the list of APIs"),
    scope("apim:api_metadata_view", PUBLISHER, &[DEVOPS, OBSERVER], "See what is said of APIs"),
    scope("apim:api_import_export", PUBLISHER, &[DEVOPS], "Export and import APIs"),
    scope("apim:api_product_import_export", PUBLISHER, &[DEVOPS], "Export and import API products"),
    scope("apim:subscription_view", PUBLISHER, WATCHERS, "See the subscriptions to APIs"),
    scope("apim:subscription_block", PUBLISHER, PROVIDERS, "Block subscriptions"),
    scope("apim:subscription_manage", PUBLISHER, PROVIDERS, "Manage the subscriptions to APIs"),
    scope("apim:tier_view", &[Area::Publisher, Area::Admin], WATCHERS, "See throttling policies"),
    scope("apim:tier_manage", &[Area::Publisher, Area::Admin], ADMINISTRATORS, "Manage throttling policies"),
    scope("apim:shared_scope_manage", PUBLISHER, ADMINISTRATORS, "Manage shared scopes"),
    scope("apim:publisher_settings", PUBLISHER, PROVIDERS, "Read the settings of the publisher"),
    scope("apim:pub_alert_manage", PUBLISHER, PUBLISHERS, "Manage the alerts of APIs"),
    scope("apim:document_create", PUBLISHER, CREATORS, "Write documents of APIs"),
    scope("apim:document_manage", PUBLISHER, PROVIDERS, "Manage documents of APIs"),
    scope("apim:comment_view", PUBLISHER, PROVIDERS, "See comments"),
    scope("apim:comment_write", PUBLISHER, PROVIDERS, "Write comments"),
    scope("apim:comment_manage", PUBLISHER, ADMINISTRATORS, "Manage comments"),
    scope("apim:mediation_policy_view", PUBLISHER, PROVIDERS, "See mediation policies"),
    scope("apim:mediation_policy_create", PUBLISHER, CREATORS, "Add mediation policies"),
    scope("apim:mediation_policy_manage", PUBLISHER, CREATORS, "Manage mediation policies"),
    scope("apim:common_operation_policy_view", PUBLISHER, PROVIDERS, "See operation policies"),
    scope("apim:common_operation_policy_manage", PUBLISHER, ADMINISTRATORS, "Manage operation policies"),
    scope("apim:gateway_policy_view", PUBLISHER, PROVIDERS, "See gateway policies"),
    scope("apim:gateway_policy_manage", PUBLISHER, ADMINISTRATORS, "Manage gateway policies"),
    scope("apim:client_certificates_view", PUBLISHER, PROVIDERS, "See client certificates"),
    scope("apim:client_certificates_add", PUBLISHER, CREATORS, "Add client certificates"),
    scope("apim:client_certificates_update", PUBLISHER, CREATORS, "Change client certificates"),
    scope("apim:client_certificates_manage", PUBLISHER, CREATORS, "Manage client certificates"),
    scope("apim:ep_certificates_view", PUBLISHER, PROVIDERS, "See certificates of upstreams"),
    scope("apim:ep_certificates_add", PUBLISHER, CREATORS, "Add certificates of upstreams"),
    scope("apim:ep_certificates_update", PUBLISHER, CREATORS, "Change certificates of upstreams"),
    scope("apim:ep_certificates_manage", PUBLISHER, CREATORS, "Manage certificates of upstreams"),
    scope("apim:threat_protection_policy_create", PUBLISHER, CREATORS, "Add threat protection policies"),
    scope("apim:threat_protection_policy_manage", PUBLISHER, CREATORS, "Manage threat protection policies"),
    scope("service_catalog:service_view", PUBLISHER, PROVIDERS, "See the service catalogue"),
    scope("service_catalog:service_write", PUBLISHER, CREATORS, "Change the service catalogue"),

    scope("apim:admin", ADMIN, ADMINISTRATORS, "Administer everything"),
    scope("apim:admin_operations", ADMIN, ADMINISTRATORS, "Administer"),
    scope("apim:admin_settings", ADMIN, ADMINISTRATORS, "Read the settings of administration"),
    scope("apim:admin_application_view", ADMIN, ADMINISTRATORS, "See everybody's applications"),
    scope("apim:app_owner_change", ADMIN, ADMINISTRATORS, "Give applications other owners"),
    scope("apim:app_settings_change", ADMIN, ADMINISTRATORS, "Change the settings of everybody's applications"),
    scope("apim:admin_tier_view", ADMIN, ADMINISTRATORS, "See throttling policies"),
    scope("apim:admin_tier_manage", ADMIN, ADMINISTRATORS, "Manage throttling policies"),
    scope("apim:policies_import_export", ADMIN, &[DEVOPS], "Export and import throttling policies"),
    scope("apim:bl_view", ADMIN, ADMINISTRATORS, "See deny policies"),
    scope("apim:bl_manage", ADMIN, ADMINISTRATORS, "Manage deny policies"),
    scope("apim:keymanagers_manage", ADMIN, ADMINISTRATORS, "Manage key managers"),
    scope("apim:environment_read", ADMIN, ADMINISTRATORS, "See gateway environments"),
    scope("apim:environment_manage", ADMIN, ADMINISTRATORS, "Manage gateway environments"),
    scope("apim:api_category", ADMIN, ADMINISTRATORS, "Manage API categories"),
    scope("apim:api_workflow_view", ADMIN, ADMINISTRATORS, "See what waits for approval"),
    scope("apim:api_workflow_approve", ADMIN, ADMINISTRATORS, "Approve and reject"),
    scope("apim:scope_manage", ADMIN, ADMINISTRATORS, "Manage the scopes of roles"),
    scope("apim:role_manage", ADMIN, ADMINISTRATORS, "Manage roles"),
    scope("apim:tenantInfo", ADMIN, ADMINISTRATORS, "See tenants"),
    scope("apim:tenant_theme_manage", ADMIN, ADMINISTRATORS, "Manage themes"),
    scope("apim:bot_data", ADMIN, ADMINISTRATORS, "See what bots do"),
    scope("apim:admin_alert_manage", ADMIN, ADMINISTRATORS, "Manage alerts of administrators"),
    scope("apim:api_provider_change", ADMIN, ADMINISTRATORS, "Give APIs other providers"),
    scope("apim:organization_manage", ADMIN, ADMINISTRATORS, "Manage organizations"),
    scope("apim:organization_read", ADMIN, ADMINISTRATORS, "See organizations"),
    scope("apim:monetization_usage_publish", ADMIN, PUBLISHERS, "Publish usage"),

    scope("internal_login", IDENTITY, EVERYONE, "See and change one's own account"),
    scope("internal_application_mgt_view", IDENTITY, ADMINISTRATORS, "See applications, and introspect every token"),
    scope("internal_application_mgt_create", IDENTITY, ADMINISTRATORS, "Register applications"),
    scope("internal_application_mgt_update", IDENTITY, ADMINISTRATORS, "Change applications"),
    scope("internal_application_mgt_delete", IDENTITY, ADMINISTRATORS, "Delete applications"),
    scope("internal_oauth2_introspect", IDENTITY, ADMINISTRATORS, "Introspect every token"),
    scope("internal_dcr_create", IDENTITY, ADMINISTRATORS, "Register clients"),
    scope("internal_dcr_view", IDENTITY, ADMINISTRATORS, "See clients"),
    scope("internal_dcr_update", IDENTITY, ADMINISTRATORS, "Change clients"),
    scope("internal_dcr_delete", IDENTITY, ADMINISTRATORS, "Delete clients"),
    scope("internal_user_mgt_view", IDENTITY, ADMINISTRATORS, "See users"),
    scope("internal_user_mgt_list", IDENTITY, ADMINISTRATORS, "List users"),
    scope("internal_user_mgt_create", IDENTITY, ADMINISTRATORS, "Add users"),
    scope("internal_user_mgt_update", IDENTITY, ADMINISTRATORS, "Change users"),
    scope("internal_user_mgt_delete", IDENTITY, ADMINISTRATORS, "Delete users"),
    scope("internal_bulk_resource_create", IDENTITY, ADMINISTRATORS, "Add several users at once"),
    scope("internal_group_mgt_view", IDENTITY, ADMINISTRATORS, "See groups"),
    scope("internal_group_mgt_create", IDENTITY, ADMINISTRATORS, "Add groups"),
    scope("internal_group_mgt_update", IDENTITY, ADMINISTRATORS, "Change groups"),
    scope("internal_group_mgt_delete", IDENTITY, ADMINISTRATORS, "Delete groups"),
    scope("internal_role_mgt_view", IDENTITY, ADMINISTRATORS, "See roles"),
    scope("internal_role_mgt_create", IDENTITY, ADMINISTRATORS, "Add roles"),
    scope("internal_role_mgt_update", IDENTITY, ADMINISTRATORS, "Change roles"),
    scope("internal_role_mgt_delete", IDENTITY, ADMINISTRATORS, "Delete roles"),
    scope("internal_session_view", IDENTITY, ADMINISTRATORS, "See everybody's login sessions"),
    scope("internal_session_delete", IDENTITY, ADMINISTRATORS, "End everybody's login sessions"),
    scope("internal_oauth_scope_create", IDENTITY, ADMINISTRATORS, "Add shared scopes"),
    scope("internal_oauth_scope_view", IDENTITY, ADMINISTRATORS, "See shared scopes"),
    scope("internal_oauth_scope_update", IDENTITY, ADMINISTRATORS, "Change shared scopes"),
    scope("internal_oauth_scope_delete", IDENTITY, ADMINISTRATORS, "Delete shared scopes"),
];
