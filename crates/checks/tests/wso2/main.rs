//! `latchkey import wso2`: what WSO2 kept works on, what was over stays over, and a second run changes nothing.

mod dumps;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use latchkey_checks::client::{Application, State};
use latchkey_checks::report::Report;
use latchkey_checks::server::{Launch, Person, Server};
use latchkey_checks::wire::{self, Reply, Request};
use serde_json::Value;
use tempfile::TempDir;

use dumps::{
    CLIENT_TOKEN, EXPIRED, HASHED, HASHED_REFRESH, JTI, JWT_REFRESH, LDAP, LIVE, LIVE_REFRESH, REVOKED,
    SECRET,
};

/// A server and the dumps that come to it.
struct Stage {
    server: Server,
    home: TempDir,
    shop: Application,
    sandbox: Application,
    signed: Application,
    bob: Person,
}

impl Stage {
    fn set() -> Result<Self> {
        let server = Launch::new().start()?;
        let home = tempfile::Builder::new().prefix("latchkey-dumps-").tempdir()?;
        fs::write(home.path().join("apim_db.sql"), dumps::apim())?;
        fs::write(home.path().join("shared_db.sql"), dumps::shared())?;
        let application = |key: &str| Application { key: key.to_owned(), secret: SECRET.to_owned() };
        let bob = Person { username: "bob".to_owned(), password: dumps::PASSWORD.to_owned() };
        let credentials = [LIVE, LIVE_REFRESH, HASHED, HASHED_REFRESH, CLIENT_TOKEN, JWT_REFRESH, SECRET];
        for credential in credentials.iter().chain([&EXPIRED, &REVOKED, &LDAP, &JTI, &dumps::PASSWORD]) {
            server.canary().remember("a credential of WSO2", credential);
        }
        let keys = ["shop-production-key", "shop-sandbox-key", "signed-key"].map(application);
        let [shop, sandbox, signed] = keys;
        Ok(Self { server, home, shop, sandbox, signed, bob })
    }

    fn dump(&self, name: &str) -> String {
        self.home.path().join(name).display().to_string()
    }

    /// Imports both dumps, in the order in which they are not wanted.
    fn import(&self, flags: &[&str]) -> Result<Value> {
        let (shared, apim) = (self.dump("shared_db.sql"), self.dump("apim_db.sql"));
        let mut words = vec!["import", "wso2", "--dump", &apim, "--dump", &shared, "--json"];
        words.extend(flags);
        serde_json::from_str(&self.server.cli(&words, "")?).context("the report is JSON")
    }

    fn call(&self, token: &str) -> Result<Reply> {
        let request = Request::new("GET", "/echo/1.0.0/anything");
        wire::exchange(self.server.gateway(), &request.header("Authorization", &format!("Bearer {token}")))
    }

    fn last_event(&self) -> Result<String> {
        self.server.cli(&["events", "list", "--after", "0", "--limit", "1000", "--json"], "")
    }

    fn expect(&self, name: &str, token: &str, state: State) -> Result<()> {
        self.server.client.expect_state(name, token, state)
    }
}

fn scene(story: impl FnOnce(&mut Stage, &mut Report) -> Result<()>) -> Result<()> {
    let mut stage = Stage::set()?;
    let mut report = Report::new();
    let told = story(&mut stage, &mut report);
    let Stage { server, .. } = stage;
    report.check("scene", "the story runs to its end", || server.explain(told));
    report.check("scene", "no panic stands in the log", || {
        ensure!(!server.stderr()?.contains("panicked"), "the log tells of a panic");
        Ok(())
    });
    report.check("S17", "no credential of WSO2 in the data directory or in the log", || server.finish());
    report.finish().map(drop)
}

/// Comes, here, stays: of one kind.
fn numbers(report: &Value, kind: &str) -> (u64, u64, u64) {
    let rows = &report["rows"][kind];
    let stays = rows["stays"].as_object().into_iter().flatten().filter_map(|(_, rows)| rows.as_u64()).sum();
    (rows["comes"].as_u64().unwrap_or_default(), rows["here"].as_u64().unwrap_or_default(), stays)
}

/// What each kind comes to the first time.
const FIRST: [(&str, (u64, u64, u64)); 6] = [
    ("users", (1, 1, 1)),
    ("tiers", (1, 1, 1)),
    ("APIs", (1, 1, 0)),
    ("applications", (2, 0, 1)),
    ("subscriptions", (2, 0, 0)),
    ("tokens", (4, 0, 3)),
];

#[test]
fn devices_stay_signed_in() -> Result<()> {
    scene(|stage, report| {
        let client = stage.server.client.clone();
        report.check("import", "a dry run says what would come, and changes nothing", || {
            stage.expect("a token that is not here yet", LIVE, State::Inactive)?;
            let before = stage.last_event()?;
            let planned = stage.import(&["--dry-run"])?;
            for (kind, expected) in FIRST {
                ensure!(numbers(&planned, kind) == expected, "{kind}: {planned:#}");
            }
            ensure!(stage.last_event()? == before, "the event log went on");
            stage.expect("a token that is not here yet", LIVE, State::Inactive)
        });
        report.check("import", "what is live comes over, what is over does not", || {
            let done = stage.import(&[])?;
            for (kind, expected) in FIRST {
                ensure!(numbers(&done, kind) == expected, "{kind}: {done:#}");
            }
            for (name, token) in
                [("plain", LIVE), ("hashed", HASHED), ("the application's own", CLIENT_TOKEN)]
            {
                stage.expect(name, token, State::Active)?;
                stage.call(token)?.expect(200)?;
            }
            for (name, token) in
                [("expired", EXPIRED), ("revoked", REVOKED), ("of a directory", LDAP), ("a jti", JTI)]
            {
                stage.expect(name, token, State::Inactive)?;
                stage.call(token)?.expect(401)?;
            }
            let told = client.introspect(LIVE)?;
            ensure!(
                told["client_id"] == "shop-production-key" && told["scope"] == "device_ipad echo.read",
                "{told}"
            );
            ensure!(told["username"].as_str().is_some_and(|name| name.starts_with("bob")), "{told}");
            Ok(())
        });
        report.check("import", "a second run changes nothing", || {
            let before = stage.last_event()?;
            let again = stage.import(&[])?;
            for (kind, (comes, here, stays)) in FIRST {
                ensure!(numbers(&again, kind) == (0, comes + here, stays), "{kind}: {again:#}");
            }
            ensure!(stage.last_event()? == before, "the event log went on");
            Ok(())
        });
        Ok(())
    })
}

#[test]
fn what_came_over_lives_like_what_is_made_here() -> Result<()> {
    scene(|stage, report| {
        let client = stage.server.client.clone();
        stage.import(&[])?;
        report.check("import", "ids are kept, and what was there stays", || {
            let shop: Value =
                serde_json::from_str(&stage.server.cli(&["app", "show", "Shop", "--json"], "")?)?;
            ensure!(shop["id"] == "0a7cb6a4-3333-4f4d-9a33-2b2d6b8f0a03" && shop["tier"] == "Own", "{shop}");
            ensure!(shop["keys"].as_array().is_some_and(|keys| keys.len() == 2), "{shop}");
            let orders = ["api", "show", "/orders/2", "--json"];
            let orders: Value = serde_json::from_str(&stage.server.cli(&orders, "")?)?;
            ensure!(orders["id"] == "0a7cb6a4-2222-4f4d-9a33-2b2d6b8f0a02", "{orders}");
            let bob: Value =
                serde_json::from_str(&stage.server.cli(&["user", "show", "bob", "--json"], "")?)?;
            ensure!(bob["roles"] == serde_json::json!(["Internal/subscriber", "reader"]), "{bob}");
            client.sign_in(&stage.signed, &stage.server.demo.user, "device_x").map(drop)
        });
        report.check("import", "whoever signs in again holds one token, as before", || {
            let again = client.sign_in(&stage.shop, &stage.bob, "device_ipad echo.read")?;
            ensure!(again.access == LIVE && again.refresh()? == LIVE_REFRESH, "the same tokens as at WSO2");
            let fresh = client.sign_in(&stage.shop, &stage.bob, "device_iphone")?;
            ensure!(fresh.access != HASHED, "its text is not known");
            stage.expect("the one before", HASHED, State::Inactive)?;
            stage.expect("the new one", &fresh.access, State::Active)?;
            client.try_refresh(&stage.shop, HASHED_REFRESH)?.refused(400, "invalid_grant")
        });
        report.check("import", "refresh tokens are exchanged, of signed tokens too", || {
            let next = client.refresh(&stage.shop, LIVE_REFRESH)?;
            stage.expect("the one before", LIVE, State::Inactive)?;
            stage.call(&next.access)?.expect(200)?;
            let signed = client.refresh(&stage.signed, JWT_REFRESH)?;
            ensure!(signed.is_jwt(), "as the application's tokens are");
            stage.expect("the signed one", &signed.access, State::Active)
        });
        report.check("import", "secrets work on, plain and hashed, and wrong ones do not", || {
            client.issue(&stage.sandbox, "device_x")?;
            let wrong = Application { secret: format!("{SECRET}x"), ..stage.sandbox.clone() };
            let form = [("grant_type", "client_credentials")];
            client.token(&wrong, &form)?.refused(401, "invalid_client")?;
            client
                .token(&Application { secret: String::new(), ..stage.sandbox.clone() }, &form)?
                .expect(401)
                .map(drop)
        });
        report.check("import", "what was revoked since stays so", || {
            client.revoke(&stage.shop, CLIENT_TOKEN)?;
            stage.import(&[])?;
            stage.expect("the revoked one", CLIENT_TOKEN, State::Inactive)
        });
        Ok(())
    })
}

#[test]
fn an_installation_that_does_not_run_takes_over_too() -> Result<()> {
    scene(|stage, report| {
        stage.server.terminate()?;
        let done = stage.import(&[])?;
        stage.server.restart()?;
        report.check("import", "hashed tokens refresh after a restart", || {
            ensure!(numbers(&done, "tokens") == (4, 0, 3), "{done:#}");
            stage.expect("plain", LIVE, State::Active)?;
            stage.call(HASHED)?.expect(200)?;
            let next = stage.server.client.refresh(&stage.shop, HASHED_REFRESH)?;
            stage.expect("the one before", HASHED, State::Inactive)?;
            stage.expect("the next", &next.access, State::Active)
        });
        report.check("import", "master keys are changed without an end of secrets", || {
            stage.server.cli(&["key", "rotate", "master"], "")?;
            stage.server.cli(&["key", "raise-minimum", "2"], "")?;
            stage.server.client.issue(&stage.sandbox, "device_x")?;
            let empty = Application { secret: String::new(), ..stage.sandbox.clone() };
            let form = [("grant_type", "client_credentials")];
            stage.server.client.token(&empty, &form)?.expect(401)?;
            stage.expect("what came under the first key", LIVE, State::Inactive)
        });
        Ok(())
    })
}

#[test]
fn what_cannot_be_read_is_refused_and_changes_nothing() -> Result<()> {
    scene(|stage, report| {
        let before = stage.last_event()?;
        let refused = |words: &[&str], code: i32, expected: &str| {
            let done = stage.server.try_cli(words, "")?;
            ensure!(done.status.code() == Some(code), "{words:?}: {:?}: {}", done.status, done.stderr);
            ensure!(done.stderr.contains(expected), "{words:?}: {}", done.stderr);
            ensure!(
                !done.stderr.contains("hidden") && done.stdout.is_empty(),
                "{}{}",
                done.stdout,
                done.stderr
            );
            Ok(())
        };
        let write = |name: &str, text: &str| -> Result<PathBuf> {
            let path = stage.home.path().join(name);
            fs::write(&path, text)?;
            Ok(path)
        };
        let shown = |path: &Path| path.display().to_string();
        let head = "CREATE TABLE UM_USER (UM_ID INT, UM_USER_PASSWORD TEXT);\n";
        let cut = shown(&write("cut.sql", &format!("{head}INSERT INTO UM_USER VALUES (1,'hidden"))?);
        let wide = shown(&write("wide.sql", &format!("{head}INSERT INTO UM_USER VALUES (1,'hidden',2);"))?);
        let none = shown(&write("none.sql", "INSERT INTO UM_USER VALUES (1,'hidden');")?);
        report.check("import", "a fault is told by file, line and table", || {
            refused(&["import", "wso2", "--dump", &cut], 1, "cut.sql, line 2, table UM_USER")?;
            refused(
                &["import", "wso2", "--dump", &wide],
                1,
                "wide.sql, line 2, table UM_USER: a row has more",
            )?;
            refused(&["import", "wso2", "--dump", &none], 1, "none.sql, line 1, table UM_USER: the columns")?;
            refused(&["import", "wso2", "--dump", "absent.sql"], 1, "absent.sql cannot be read")?;
            refused(&["import", "wso2"], 2, "--dump")
        });
        report.check("import", "a database that is not connected to is told how to be dumped", || {
            let url = "jdbc:mysql://db:3306/apim_db?user=alice&password=hidden";
            refused(&["import", "wso2", "--url", url], 1, "mysqldump")?;
            refused(&["import", "wso2", "--url", "jdbc:postgresql://hidden@db/apim_db"], 1, "pg_dump")?;
            refused(&["import", "wso2", "--url", "jdbc:oracle:thin:hidden"], 2, "--dump")
        });
        report.check("import", "nothing was changed", || {
            ensure!(stage.last_event()? == before, "the event log went on");
            Ok(())
        });
        report.check("import", "a file of noise holds nothing", || {
            let noise = write("noise.sql", "PK\u{3}\u{4} no dump at all ' ;")?;
            refused(&["import", "wso2", "--dump", &shown(&noise)], 1, "noise.sql, line 1")?;
            let empty = shown(&write("empty.sql", "")?);
            stage.server.cli(&["import", "wso2", "--dump", &empty], "").map(drop)
        });
        Ok(())
    })
}
