//! The commands of the README that are not `./latchkey`'s own: a shell runs them word for word, and each prints what
//! the README says.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use latchkey_checks::server::Server;

/// The commands of the README's section about REST.
fn commands() -> Result<String> {
    let (_, section) = include_str!("../../../README.md")
        .split_once("\n## Everything over REST\n")
        .context("the README has a section about REST")?;
    let block = section.split("\n```\n").nth(1).context("it has commands")?;
    Ok(block.to_owned())
}

/// What a line says that it prints.
fn expected(line: &str) -> Option<&str> {
    let (_, status) = line.rsplit_once("# ")?;
    (status.len() == 3 && status.bytes().all(|byte| byte.is_ascii_digit())).then_some(status)
}

#[test]
fn a_whole_life_over_rest_is_as_the_readme_tells() -> Result<()> {
    let server = Server::demo()?;
    let commands = commands()?;
    let here = [
        ("https://localhost:9443", format!("http://{}", server.client.address())),
        ("https://localhost:8243", format!("http://{}", server.gateway())),
        ("latchkey-data", server.data().display().to_string()),
    ];
    let script = here.iter().try_fold(commands.clone(), |script, (there, here)| {
        ensure!(script.contains(there), "the README names {there}");
        Ok(script.replace(there, here))
    })?;
    let said: Vec<&str> = commands.lines().filter_map(expected).collect();
    ensure!(said.len() > 5, "it says what {} commands print", said.len());
    // What is made is gone at the end, so that it can be told again.
    for _ in 0..2 {
        let output = Command::new("bash").args(["-eu", "-c", &script]).output()?;
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success() && errors.is_empty(), "it ends with {}: {errors}", output.status);
        let printed = String::from_utf8(output.stdout)?;
        ensure!(printed.lines().eq(said.iter().copied()), "it prints {printed:?}, not {said:?}");
    }
    Ok(())
}
