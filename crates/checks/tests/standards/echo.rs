//! C022: no answer repeats what it was sent.

use anyhow::{Result, ensure};
use latchkey_checks::server::Launch;
use latchkey_checks::table::manners;
use latchkey_checks::wire::{Request, short};

use crate::scenes::scene;

/// Values that hurt where they are repeated: in a header, in JSON, in a page, on a terminal.
const NASTY: [&str; 8] = [
    "x\r\nSet-Cookie: echo=1",
    "a\"b-echo",
    "a\\b-echo",
    "<svg onload=echo()>",
    "\u{202E}ohce",
    "\u{1b}[31mecho",
    "echo\0tail",
    "{{echo}}${echo}",
];

/// Parameters of the token endpoint, and one that it does not know.
const PARAMETERS: [&str; 10] = [
    "grant_type",
    "username",
    "password",
    "scope",
    "refresh_token",
    "validity_period",
    "client_id",
    "client_secret",
    "token",
    "colour",
];

/// A good form for each grant, so that the nasty value is the only fault.
fn form<'a>(parameter: &'a str, value: &'a str) -> Vec<(&'a str, &'a str)> {
    let base: &[(&str, &str)] = match parameter {
        "username" => &[("grant_type", "password"), ("password", "x")],
        "password" => &[("grant_type", "password"), ("username", "nobody")],
        "refresh_token" => &[("grant_type", "refresh_token")],
        "grant_type" => &[],
        _ => &[("grant_type", "client_credentials")],
    };
    let mut form = base.to_vec();
    form.push((parameter, value));
    form
}

#[test]
fn c022_no_echo() -> Result<()> {
    scene(Launch::new(), |server, report| {
        let application = server.demo.application.clone();
        for parameter in PARAMETERS {
            for value in NASTY {
                let by_basic = !matches!(parameter, "client_id" | "client_secret");
                report.check("C022", &format!("{parameter} = {}", value.escape_debug()), || {
                    let mut request = Request::new("POST", "/oauth2/token").form(&form(parameter, value));
                    if by_basic {
                        request = request.basic(&application.key, &application.secret);
                    }
                    let reply = server.client.send(&request)?;
                    manners(&reply)?;
                    ensure!(
                        !reply.text().contains("echo"),
                        "the answer repeats the value: {}",
                        short(&reply.text())
                    );
                    let told = reply.headers.iter().find(|(_, value)| value.contains("echo"));
                    ensure!(told.is_none(), "a header repeats the value: {told:?}");
                    Ok(())
                });
            }
        }
        Ok(())
    })
}
