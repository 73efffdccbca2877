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
        server.terminate()?;
        let file = server.data().join("keys.json");
        for mode in [0o644, 0o640, 0o604] {
            report.check("input", &format!("a key file of mode {mode:o} is refused by name"), || {
                fs::set_permissions(&file, PermissionsExt::from_mode(mode))?;
                let refused = says(&Launch::new(), server.data(), &["keys.json", "600"]);
                fs::set_permissions(&file, PermissionsExt::from_mode(0o600))?;
                refused
            });
        }
        report.check("input", "a key file that is missing, cut or no key file is refused by name", || {
            let sound = fs::read(&file)?;
            fs::remove_file(&file)?;
            let missing = says(&Launch::new(), server.data(), &["keys.json", "missing"]);
            for content in [&b"{}"[..], b"", &sound[..sound.len() / 2]] {
                fs::write(&file, content)?;
                fs::set_permissions(&file, PermissionsExt::from_mode(0o600))?;
                says(&Launch::new(), server.data(), &["keys.json"])?;
                ensure!(fs::read(&file)? == content, "the refused key file was changed");
            }
            fs::write(&file, sound)?;
            fs::set_permissions(&file, PermissionsExt::from_mode(0o600))?;
            missing
        });
        report.check("input", "with the file as it was, all is as before", || {
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

/// The database of an ended server, folded into its one file.
fn folded(server: &Server) -> Result<PathBuf> {
    let file = server.data().join("latchkey.db");
    let database = rusqlite::Connection::open(&file)?;
    database.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    database.close().map_err(|(_, problem)| problem)?;
    Ok(file)
}

/// Puts `content` in the place of the database, and nothing beside it.
fn replace(file: &Path, content: &[u8]) -> Result<()> {
    for beside in ["latchkey.db-wal", "latchkey.db-shm"] {
        let path = file.with_file_name(beside);
        if path.exists() {
            fs::remove_file(path)?;
        }
    }
    Ok(fs::write(file, content)?)
}

#[test]
fn start_a_corrupt_database() -> Result<()> {
    scene(Launch::new(), |server, report| {
        let held = server.client.issue(&server.demo.application, "device_corrupt")?;
        server.terminate()?;
        let file = folded(server)?;
        let sound = fs::read(&file)?;
        let mut header = sound.clone();
        header[..100].fill(0x5A);
        let mut pages = sound.clone();
        pages[100..sound.len() / 2].fill(0x5A);
        for (name, content) in [
            ("its header overwritten", header),
            ("its pages overwritten", pages),
            ("its end cut off", sound[..sound.len() / 2].to_vec()),
        ] {
            report.check("input", &format!("a database with {name} is refused, with what to do"), || {
                replace(&file, &content)?;
                says(&Launch::new(), server.data(), &["latchkey.db", "restore"])?;
                ensure!(fs::read(&file)? == content, "the refused file was changed");
                Ok(())
            });
        }
        report.check("input", "an emptied database is not taken for a new one", || {
            replace(&file, &[])?;
            says(&Launch::new(), server.data(), &["latchkey.db", "empty", "restore", "--accept-rollback"])?;
            ensure!(fs::read(&file)?.is_empty(), "another database was made in its place");
            Ok(())
        });
        report.check("input", "a missing database is not taken for a first start", || {
            replace(&file, &[])?;
            fs::remove_file(&file)?;
            says(&Launch::new(), server.data(), &["latchkey.db", "missing", "restore", "--accept-rollback"])?;
            ensure!(!file.exists(), "another database was made in its place");
            Ok(())
        });
        report.check(
            "input",
            "a missing mark beside the keys is refused: a rollback would not be noticed",
            || {
                replace(&file, &sound)?;
                let mark = server.data().join("keys.mark");
                let kept = fs::read(&mark)?;
                fs::remove_file(&mark)?;
                let refused =
                    says(&Launch::new(), server.data(), &["keys.mark", "missing", "--accept-rollback"]);
                fs::write(&mark, kept)?;
                refused
            },
        );
        report.check("input", "with the file back, all is as before", || {
            replace(&file, &sound)?;
            server.restart()?;
            server.client.expect_state("the token", &held.access, State::Active)
        });
        Ok(())
    })
}

#[test]
fn start_a_corrupt_database_with_a_log_beside_it() -> Result<()> {
    scene(Launch::new(), |server, report| {
        let held = server.client.issue(&server.demo.application, "device_corrupt")?;
        server.kill()?;
        let (file, log) = (server.data().join("latchkey.db"), server.data().join("latchkey.db-wal"));
        let (sound, beside) = (fs::read(&file)?, fs::read(&log).context("a killed server leaves its log")?);
        report.check(
            "input",
            "refused, and neither file is touched: both are needed to save what can be saved",
            || {
                let mut damaged = sound.clone();
                damaged[..100].fill(0x5A);
                fs::write(&file, &damaged)?;
                says(&Launch::new(), server.data(), &["latchkey.db", "restore"])?;
                ensure!(fs::read(&file)? == damaged, "the damaged file was changed");
                ensure!(fs::read(&log).is_ok_and(|now| now == beside), "the log beside it was changed");
                Ok(())
            },
        );
        report.check("input", "with the file back, all is as before", || {
            replace(&file, &sound)?;
            fs::write(&log, &beside)?;
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
