//! APIs whose upstreams are the check's.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::Server;

impl Server {
    /// Imports and publishes the API at `path`, which has the resource `/*` and sends calls to `urls`;
    /// `members` is what else its document says.
    pub fn import(&self, path: &str, urls: &[String], members: &Value) -> Result<()> {
        let document = document(path, urls, members)?;
        self.cli(&["api", "import", "-", "--publish"], &document.to_string()).map(drop)
    }

    /// Subscribes the application called `application` to the API at `path`.
    pub fn subscribe(&self, application: &str, path: &str) -> Result<()> {
        self.cli(&["app", "subscribe", application, path], "").map(drop)
    }
}

/// The document of such an API.
fn document(path: &str, urls: &[String], members: &Value) -> Result<Value> {
    let (context, version) = path.rsplit_once('/').context("context and version")?;
    let mut document = json!({
        "openapi": "3.0.3",
        "info": { "title": context.trim_start_matches('/'), "version": version },
        "x-wso2-basePath": path,
        "x-wso2-production-endpoints": { "urls": urls },
        "paths": { "/*": { "get": {}, "head": {}, "post": {}, "put": {}, "delete": {} } },
    });
    for (name, value) in members.as_object().into_iter().flatten() {
        document[name] = value.clone();
    }
    Ok(document)
}
