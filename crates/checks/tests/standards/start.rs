//! What a server refuses to start with, and how it says so: what is wrong, which value, what to do.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use latchkey_checks::canary::files_below;
use latchkey_checks::client::State;
use latchkey_checks::report::Report;
use latchkey_checks::server::{Launch, Server};

use crate::scenes::scene;

/// Fails unless every one of `words` stands in what the server said.
fn says(launch: &Launch, data: &Path, words: &[&str]) -> Result<()> {
    let refused = launch.refused(data)?;
    let code = refused.code;
    ensure!(matches!(code, Some(1 | 2)), "exit code {code:?}, not 1 or 2: {}", refused.stderr);
    let said = refused.stderr.to_lowercase();
    for word in words {
        ensure!(said.contains(&word.to_lowercase()), "it does not say {word:?}: {}", refused.stderr);
    }
    ensure!(!said.contains("panicked"), "it panicked: {}", refused.stderr);
    Ok(())
}

#[test]
fn start_unknown_and_wrong_settings() -> Result<()> {
    let home = tempfile::tempdir()?;
    let data = home.path().join("data");
    let mut report = Report::new();
    for (setting, words) in [
        ("oauth.token.fromat=opaque", ["oauth.token.fromat", "oauth.token.format"]),
        ("oauth.token.formt=opaque", ["oauth.token.formt", "oauth.token.format"]),
        ("oauth.refresh.retry_windw=3", ["oauth.refresh.retry_windw", "oauth.refresh.retry_window"]),
        ("oath.token.format=opaque", ["oath.token.format", "oauth.token.format"]),
        ("oauth.token.format=oqaque", ["oqaque", "opaque"]),
        ("oauth.refresh.validity=soon", ["oauth.refresh.validity", "soon"]),
        ("oauth.token.renew_per_request=maybe", ["oauth.token.renew_per_request", "maybe"]),
        ("compat.profile=apim-9", ["apim-9", "apim-4"]),
        ("oauth.scope.unknown=perhaps", ["perhaps", "drop"]),
        ("oauth.device.on_limit=explode", ["explode", "evict_oldest"]),
        ("oauth.scope.allowed=[\"(\"]", ["oauth.scope.allowed", "("]),
        ("oauth.token.signing_algorithm=HS256", ["HS256", "ES256"]),
        ("server.listen=nowhere", ["server.listen", "nowhere"]),
    ] {
        report
            .check("input", &format!("--set {setting}"), || says(&Launch::new().set(setting), &data, &words));
    }
    report.check("input", "an unknown key in the file is named, with its line or the nearest key", || {
        let file = home.path().join("latchkey.toml");
        fs::write(&file, "[oauth.token]\nfromat = \"opaque\"\n")?;
        let launch = Launch::new().argument("--config").argument(file.to_str().context("a path of UTF-8")?);
        says(&launch, &data, &["fromat", "oauth.token.format"])
    });
    report.check("input", "an unknown key in the environment is named, with the nearest key", || {
        let launch = Launch::new().environment("LATCHKEY_OAUTH__TOKEN__FROMAT", "opaque");
        says(&launch, &data, &["fromat", "oauth.token.format"])
    });
    report.check("input", "a configuration file that is no TOML", || {
        let file = home.path().join("broken.toml");
        fs::write(&file, "[oauth.token\n")?;
        let launch = Launch::new().argument("--config").argument(file.to_str().context("a path of UTF-8")?);
        says(&launch, &data, &["broken.toml", "line 1"])
    });
    report.check("C028", "plain HTTP beyond loopback is refused before anything listens", || {
        // An address reserved for documents: were it not refused by rule, it could not be bound either.
        let launch = Launch::new().set("server.listen=192.0.2.1:0");
        says(&launch, &data, &["192.0.2.1", "tls.enabled"])
    });
    report.finish().map(drop)
}

/// The files of the data directory that hold keys.
fn key_files(server: &Server) -> Result<Vec<PathBuf>> {
    let is_key = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().contains("key"));
    let files: Vec<_> = files_below(server.data())?.into_iter().filter(|path| is_key(path)).collect();
    // Names say `latchkey` too: the database is not a key file.
    let files = files.into_iter().filter(|path| !path.to_string_lossy().contains("latchkey.db")).collect();
    Ok(files)
}

#[test]
fn start_key_files_and_modes() -> Result<()> {
    scene(Launch::new(), |server, report| {
        report.check("input", "nothing in the data directory is open to other users", || {
            for file in files_below(server.data())? {
                let mode = fs::metadata(&file)?.permissions().mode() & 0o777;
                ensure!(mode.trailing_zeros() >= 6, "{} has mode {mode:o}", file.display());
            }
            Ok(())
        });
        let held = server.client.issue(&server.demo.application, "device_keyed")?;
        let keys = key_files(server)?;
        ensure!(!keys.is_empty(), "no key file in {}", server.data().display());
        server.terminate()?;
        for file in &keys {
            let name = file.file_name().context("a file has a name")?.to_string_lossy().into_owned();
            report.check("input", &format!("a world-readable {name} is refused by name"), || {
                let mode = fs::metadata(file)?.permissions();
                fs::set_permissions(file, PermissionsExt::from_mode(0o644))?;
                let refused = says(&Launch::new(), server.data(), &[&name, "600"]);
                fs::set_permissions(file, mode)?;
                refused
            });
        }
        report.check("input", "with the mode back, all is as before", || {
            server.restart()?;
            server.client.expect_state("the token", &held.access, State::Active)
        });
        Ok(())
    })
}

#[test]
fn start_a_data_directory_in_use() -> Result<()> {
    scene(Launch::new(), |server, report| {
        let held = server.client.issue(&server.demo.application, "device_used")?;
        report.check("input", "a second server on the same directory is refused and harms nothing", || {
            let data = server.data().display().to_string();
            says(&Launch::new(), server.data(), &[&data, "in use"])?;
            server.client.expect_state("the token", &held.access, State::Active)?;
            server.cli(&["user", "list", "--json"], "").map(drop)
        });
        report.check("input", "a leftover socket and run.json of a killed server are replaced", || {
            server.kill()?;
            ensure!(server.data().join("run.json").exists(), "a killed server leaves its run.json");
            server.restart()?;
            server.cli(&["user", "list", "--json"], "")?;
            server.client.expect_state("the token", &held.access, State::Active)
        });
        report.check("input", "commands work while no server runs", || {
            server.terminate()?;
            let listed = server.cli(&["user", "list", "--json"], "")?;
            ensure!(listed.contains("alice"), "{listed}");
            server.restart()
        });
        Ok(())
    })
}

#[test]
fn start_a_corrupt_database() -> Result<()> {
    scene(Launch::new(), |server, report| {
        let held = server.client.issue(&server.demo.application, "device_corrupt")?;
        server.terminate()?;
        let file = server.data().join("latchkey.db");
        let sound = fs::read(&file).with_context(|| format!("read {}", file.display()))?;
        let mut garbage = sound.clone();
        garbage[..100].fill(0x5A);
        let mut scrambled = sound.clone();
        let middle = sound.len() / 2;
        scrambled[100..middle].fill(0x5A);
        for (name, content) in [
            ("its header overwritten", garbage),
            ("its pages overwritten", scrambled),
            ("cut in the middle", sound[..sound.len() / 2].to_vec()),
            ("emptied", Vec::new()),
        ] {
            report.check("input", &format!("a database with {name} is refused, with what to do"), || {
                fs::write(&file, &content)?;
                says(&Launch::new(), server.data(), &["latchkey.db", "restore"])?;
                ensure!(fs::read(&file)? == content, "the refused file was changed");
                Ok(())
            });
        }
        report.check("input", "with the file back, all is as before", || {
            fs::write(&file, &sound)?;
            server.restart()?;
            server.client.expect_state("the token", &held.access, State::Active)
        });
        Ok(())
    })
}

#[test]
fn command_line_refusals() -> Result<()> {
    scene(Launch::new(), |server, report| {
        let cases: [(&[&str], &str, i32); 7] = [
            (&["no-such-command"], "no-such-command", 2),
            (&["user", "delete", "nobody"], "nobody", 1),
            (&["user", "add", "alice", "--password-stdin"], "alice", 1),
            (&["app", "create", "X", "--owner", "nobody", "--grants", "password"], "nobody", 1),
            (&["app", "create", "X", "--owner", "alice", "--grants", "telepathy"], "telepathy", 2),
            (
                &["app", "create", "X", "--owner", "alice", "--grants", "password", "--subscribe", "/no/1"],
                "/no/1",
                1,
            ),
            (&["app", "create", "DemoApp", "--owner", "alice", "--grants", "password"], "DemoApp", 1),
        ];
        for (words, named, code) in cases {
            report.check("input", &format!("latchkey {} exits with {code}", words.join(" ")), || {
                let done = server.try_cli(words, "correct horse battery staple\n")?;
                ensure!(done.stderr.contains(named), "it does not name {named}: {}", done.stderr);
                ensure!(done.status.code() == Some(code), "exit {:?}: {}", done.status, done.stderr);
                Ok(())
            });
        }
        Ok(())
    })
}
