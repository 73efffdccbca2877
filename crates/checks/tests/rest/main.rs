//! WSO2's REST interfaces from outside: `T24` and the like are the numbers of WSO2's published cases, `1.4` and the
//! like the sections of the reference on its REST interfaces that say what an answer looks like.
//!
//! The stories stand in `data/rest-*.toml`.

use anyhow::Result;
use latchkey_checks::report::Report;
use latchkey_checks::server::Launch;
use latchkey_checks::story::Stories;

/// Tells the stories of a file to a server of their own.
fn tell(text: &str) -> Result<()> {
    tell_to(Launch::new(), text)
}

/// The same to a server on which what developers ask for waits for approval.
fn tell_where_approved(text: &str) -> Result<()> {
    let settings = ["application_creation", "key_generation", "subscription_creation"];
    let launch = settings
        .iter()
        .fold(Launch::new(), |launch, setting| launch.set(&format!("workflow.{setting}=true")));
    tell_to(launch, text)
}

/// The same to a server that tells upstreams of callers and grants scopes that nobody knows.
fn tell_where_asserted(text: &str) -> Result<()> {
    let launch = Launch::new().set("gateway.backend_jwt.enabled=true");
    tell_to(launch.set("oauth.scope.unknown=grant"), text)
}

/// The same to a server that refuses them.
fn tell_where_strict(text: &str) -> Result<()> {
    tell_to(Launch::new().set("oauth.scope.unknown=reject"), text)
}

/// The same to a server on which every request renews.
fn tell_where_renewed(text: &str) -> Result<()> {
    tell_to(Launch::new().set("oauth.token.renew_per_request=true"), text)
}

fn tell_to(launch: Launch, text: &str) -> Result<()> {
    let stories = Stories::read(text)?;
    let mut server = launch.start()?;
    let mut report = Report::new();
    let told = stories.tell(&mut server, &mut report);
    report.check("stories", "they are told to their end", || server.explain(told));
    report.check("S17", "no credential in the data directory or in the log", || server.finish());
    report.finish().map(drop)
}

latchkey_checks::tables! {
    tell:
    who_may_ask => "rest-access.toml",
    t26_registration => "rest-registration.toml",
    applications => "rest-applications.toml",
    t24_t25_t27_t28_t29_keys => "rest-keys.toml",
    t32_api_keys => "rest-api-keys.toml",
    t32_t42_trials => "rest-trials.toml",
    scim => "rest-scim.toml",
    sign_up => "rest-sign-up.toml",
    t49_clients => "rest-clients.toml",
    t33_t36_t37_t39_t44_issuance => "rest-issuance.toml",
    t3_t4_t6_t7_t8_t9_refresh => "rest-refresh.toml",
    t10_t12_t16_t20_revocation => "rest-revocation.toml",
    subscriptions => "rest-subscriptions.toml",
    t21_t34_portal_reads => "rest-portal.toml",
    t34_t35_t38_t41_t43_publisher => "rest-publisher.toml",
    t45_throttling_policies => "rest-admin-policies.toml",
    deny_policies => "rest-admin-deny.toml",
    t30_everybodys_applications => "rest-admin-applications.toml",
    everybodys_api_keys => "rest-admin-keys.toml",
    administration_reads => "rest-admin-reads.toml",
}

latchkey_checks::tables! {
    tell_where_approved:
    t31_approvals => "rest-approvals.toml",
}

latchkey_checks::tables! {
    tell_where_asserted:
    t33_t46_assertions => "rest-assertions.toml",
}

latchkey_checks::tables! {
    tell_where_strict:
    first_tokens => "rest-strict.toml",
}

latchkey_checks::tables! {
    tell_where_renewed:
    t1_t8_renewal => "rest-renewal.toml",
}
