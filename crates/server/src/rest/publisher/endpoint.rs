//! WSO2's `endpointConfig` and the upstreams that it stands for.

use latchkey_catalog::api::ApiDefinition;
use latchkey_catalog::upstream::{Retries, Upstream, UpstreamUrl};
use serde_json::{Map, Value, json};

use crate::rest::error::RestError;
use crate::rest::wire::Word;

/// The member that says how the gateway signs in at upstreams.
const SECURITY: &str = "endpoint_security";
/// The kinds of upstreams that there are; the first two are one address, the others may be several.
const KINDS: [&str; 5] = ["http", "address", "service", "load_balance", "failover"];

/// Where calls go with each type of keys.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Endpoints {
    pub(super) production: Option<Upstream>,
    pub(super) sandbox: Option<Upstream>,
}

/// What is read, and what is kept of `config` to be shown again: all but what may hold a secret.
pub(super) fn read(config: Value, held: &ApiDefinition) -> Result<(Endpoints, Value), RestError> {
    let mut members = match config {
        Value::Object(members) => members,
        // Clients of the first versions send it as a text.
        Value::String(text) => serde_json::from_str(&text)
            .map_err(|_| RestError::bad("The text of endpointConfig is no JSON object."))?,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => {
            return Err(RestError::bad("The member endpointConfig must be an object."));
        }
    };
    let security = members.remove(SECURITY).unwrap_or_default();
    let signs_in = |one: &Value| one["enabled"].as_bool().unwrap_or(false);
    if ["production", "sandbox"].iter().any(|keys| signs_in(&security[*keys])) {
        return Err(RestError::bad(
            "The gateway does not sign in at upstreams: endpoint_security cannot be enabled.",
        ));
    }
    let kind = members.get("endpoint_type").and_then(Value::as_str).unwrap_or("http");
    if !KINDS.contains(&kind) {
        return Err(RestError::bad(format!(
            "The endpoint_type {kind:?} is not known; there are {}.",
            KINDS.join(", ")
        )));
    }
    let endpoints = Endpoints {
        production: upstream(&members, "production", held.production.as_ref())?,
        sandbox: upstream(&members, "sandbox", held.sandbox.as_ref())?,
    };
    Ok((endpoints, Value::Object(members)))
}

/// The upstream of one type of keys. What the member cannot say is as it was.
fn upstream(
    members: &Map<String, Value>,
    keys: &str,
    held: Option<&Upstream>,
) -> Result<Option<Upstream>, RestError> {
    let first = members.get(&format!("{keys}_endpoints")).unwrap_or(&Value::Null);
    let is_failover = members.get("endpoint_type").and_then(Value::as_str) == Some("failover");
    let more = members.get(&format!("{keys}_failovers")).filter(|_| is_failover);
    let all = entries(first).into_iter().chain(more.into_iter().flat_map(entries));
    let mut urls = Vec::new();
    for entry in all {
        let text = entry.as_str().or_else(|| entry["url"].as_str()).unwrap_or_default().trim();
        if !text.is_empty() {
            urls.push(UpstreamUrl::parse(text).map_err(|bad| RestError::bad(bad.to_string()))?);
        }
    }
    if urls.is_empty() {
        return Ok(None);
    }
    let mut upstream =
        Upstream { urls: Vec::new(), ..held.cloned().unwrap_or_else(|| Upstream::at(Vec::new())) };
    upstream.urls = urls;
    if is_failover {
        upstream.retries = Retries::Idempotent;
    }
    let first = entries(first).into_iter().next().cloned().unwrap_or_default();
    if let Some(wait) = first["config"].get("actionDuration") {
        let word: Word = serde_json::from_value(wait.clone()).unwrap_or_default();
        if !word.0.is_empty() {
            let bad = || RestError::bad("The actionDuration of an endpoint is no number of milliseconds.");
            upstream.timeouts.answer = word.read().ok_or_else(bad)?;
        }
    }
    Ok(Some(upstream))
}

fn entries(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(entries) => entries.iter().collect(),
        Value::Null => Vec::new(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => vec![value],
    }
}

/// `endpointConfig` of a definition: as it was said, if that is still so.
pub(super) fn told(definition: &ApiDefinition, kept: Option<&Value>) -> Value {
    let urls = |upstream: &Option<Upstream>| upstream.as_ref().map(|upstream| upstream.urls.clone());
    let is_so = |said: &Endpoints| {
        urls(&said.production) == urls(&definition.production)
            && urls(&said.sandbox) == urls(&definition.sandbox)
    };
    let said = kept.and_then(|kept| read(kept.clone(), definition).ok());
    if let Some((_, kept)) = said.filter(|(said, _)| is_so(said)) {
        return kept;
    }
    let both = [("production", &definition.production), ("sandbox", &definition.sandbox)];
    if both.iter().all(|(_, upstream)| upstream.is_none()) {
        return Value::Null;
    }
    let is_several =
        both.iter().any(|(_, upstream)| upstream.as_ref().is_some_and(|held| held.urls.len() > 1));
    let mut config = json!({ "endpoint_type": if is_several { "load_balance" } else { "http" } });
    for (keys, upstream) in both {
        let Some(upstream) = upstream else { continue };
        let urls: Vec<Value> = upstream.urls.iter().map(|url| json!({ "url": url.to_string() })).collect();
        config[format!("{keys}_endpoints")] = match urls.as_slice() {
            [one] if !is_several => one.clone(),
            _ => urls.into(),
        };
    }
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    fn urls(upstream: Option<&Upstream>) -> Vec<String> {
        upstream.into_iter().flat_map(|upstream| &upstream.urls).map(ToString::to_string).collect()
    }

    #[test]
    fn both_forms_are_read_and_shown_again() {
        let one = json!({ "endpoint_type": "http", "production_endpoints": { "url": "https://one.example/base" }, "sandbox_endpoints": { "url": "http://test.example" } });
        let several = json!({ "endpoint_type": "load_balance", "algoCombo": "x", "production_endpoints": [{ "url": "http://a.example" }, { "url": "http://b.example" }] });
        let spare = json!({ "endpoint_type": "failover", "production_endpoints": { "url": "http://a.example" }, "production_failovers": [{ "url": "http://b.example" }] });
        let cases = [
            (one, vec!["https://one.example/base"], vec!["http://test.example"]),
            (several, vec!["http://a.example", "http://b.example"], vec![]),
            (spare, vec!["http://a.example", "http://b.example"], vec![]),
        ];
        for (config, production, sandbox) in cases {
            let (read, kept) = read(config.clone(), &ApiDefinition::default()).unwrap();
            assert_eq!(urls(read.production.as_ref()), production, "{config}");
            assert_eq!(urls(read.sandbox.as_ref()), sandbox, "{config}");
            let Endpoints { production, sandbox } = read;
            let definition = ApiDefinition { production, sandbox, ..ApiDefinition::default() };
            assert_eq!(told(&definition, Some(&kept)), config);
            let generated = told(&definition, None);
            let (again, _) = super::read(generated, &definition).unwrap();
            assert_eq!(again.production, definition.production);
        }
    }

    #[test]
    fn what_was_said_is_not_shown_when_it_no_longer_holds() {
        let said = json!({ "production_endpoints": { "url": "http://old.example" } });
        let now = json!({ "endpoint_type": "http", "production_endpoints": { "url": "http://new.example" } });
        let (Endpoints { production, .. }, _) = read(now.clone(), &ApiDefinition::default()).unwrap();
        let definition = ApiDefinition { production, ..ApiDefinition::default() };
        assert_eq!(told(&definition, Some(&said)), now);
        assert_eq!(told(&ApiDefinition::default(), Some(&said)), Value::Null);
    }

    #[test]
    fn secrets_are_not_kept_and_what_is_not_done_is_refused() {
        let off = json!({ "production_endpoints": { "url": "http://a.example", "config": { "actionDuration": "1500" } }, "endpoint_security": { "production": { "enabled": false, "password": "secret word" } } });
        let (read_, kept) = read(off, &ApiDefinition::default()).unwrap();
        assert!(!kept.to_string().contains("secret word"));
        assert_eq!(read_.production.unwrap().timeouts.answer, 1500);
        for bad in [
            json!({ "endpoint_security": { "production": { "enabled": true, "password": "secret word" } } }),
            json!({ "endpoint_type": "awslambda" }),
            json!({ "production_endpoints": { "url": "default" } }),
            json!({ "production_endpoints": { "url": "http://user:word@a.example" } }),
            json!({ "production_endpoints": { "url": "http://a.example", "config": { "actionDuration": "soon" } } }),
            json!("no object"),
            json!([]),
        ] {
            assert!(read(bad.clone(), &ApiDefinition::default()).is_err(), "{bad}");
        }
    }
}
