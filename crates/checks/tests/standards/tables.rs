//! Each table of single requests, against a server of its own.

use anyhow::Result;
use latchkey_checks::server::Launch;
use latchkey_checks::table::Table;

use crate::scenes::scene;

fn run(text: &str) -> Result<()> {
    let table = Table::read(text)?;
    scene(Launch::new(), |server, report| {
        let other = server.application("Other", &[])?;
        table.run(server, &other, report);
        Ok(())
    })
}

latchkey_checks::tables! {
    run:
    c002_c003_parameters => "c002-c003-parameters.toml",
    c010_methods_and_types => "c010-methods-and-types.toml",
    c012_c015_client_authentication => "c012-c015-client-authentication.toml",
    c016_scopes => "c016-scopes.toml",
    c011_c018_c023_grants => "c023-grants.toml",
    c024_c027_userinfo => "c024-userinfo.toml",
    c029_c032_revocation => "c029-revocation.toml",
    c034_c037_introspection => "c034-introspection.toml",
    input_encoding_and_size => "input-encoding.toml",
}
