//! The tables of single exchanges, each against a stage of its own.

use anyhow::Result;
use latchkey_checks::server::Launch;

use crate::rows::{Facts, Rows};
use crate::stage::scene;

fn run(text: &str) -> Result<()> {
    let rows = Rows::read(text)?;
    let launch = Launch::new().set("server.header_timeout=1s");
    scene(launch, |stage, report| {
        let facts = Facts {
            token: stage.server.client.issue(&stage.opaque, "device_rows")?.access,
            jwt: stage.server.client.issue(&stage.jwt, "device_rows")?.access,
            port: stage.gateway().port(),
        };
        rows.run(stage, &facts, report);
        Ok(())
    })
}

latchkey_checks::tables! {
    run:
    p10_3_framing => "gateway-framing.toml",
    p10_targets => "gateway-targets.toml",
    p10_headers => "gateway-headers.toml",
    p10_4_a_token_carriage => "gateway-tokens.toml",
}
