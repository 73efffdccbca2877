//! What an operator sees: health, metrics, logs, an orderly end.

use anyhow::{Result, ensure};
use latchkey_checks::client::{State, password_form};
use latchkey_checks::server::{Launch, Person};

use crate::scenes::{parallel, scene};

#[test]
fn health_metrics_and_logs() -> Result<()> {
    let launch = Launch::new().set("log.level=debug");
    scene(launch, |server, report| {
        let (client, application) = (&server.client, &server.demo.application);
        server.canary().remember("wrong guess", "a-guess-for-the-log");
        let guess = Person { username: "alice".to_owned(), password: "a-guess-for-the-log".to_owned() };
        for n in 0..5 {
            client.issue(application, &format!("device_log{n}"))?;
        }
        client.token(application, &password_form(&guess, "device_log"))?.refused(400, "invalid_grant")?;
        for path in ["/livez", "/readyz"] {
            report.check("operations", path, || server.operations(path)?.expect(200).map(drop));
        }
        report.check("operations", "metrics are those of Prometheus and count what was issued", || {
            let metrics = server.operations("/metrics")?.expect(200)?.text();
            ensure!(metrics.contains("# TYPE") && metrics.contains("client_credentials"), "{metrics}");
            Ok(())
        });
        report.check("operations", "one line in the log for each request", || {
            let log = server.stderr()?;
            let lines = log.lines().filter(|line| line.contains("/oauth2/token")).count();
            ensure!(lines >= 6, "{lines} lines for 6 token requests: {log}");
            Ok(())
        });
        report.check("operations", "the operations listener serves no tokens, the server no metrics", || {
            ensure!(client.get("/metrics")?.status == 404, "metrics on the server listener");
            ensure!(server.operations("/oauth2/jwks")?.status == 404, "OAuth on the operations listener");
            Ok(())
        });
        Ok(())
    })
}

#[test]
fn an_orderly_end_loses_nothing() -> Result<()> {
    scene(Launch::new(), |server, report| {
        let application = server.application("Ended", &["--token-format", "opaque"])?;
        report.check(
            "operations",
            "what was acknowledged before SIGTERM is there after the next start",
            || {
                let client = &server.client;
                let issue = |n| client.issue(&application, &format!("device_end{n}"));
                let pairs = parallel(8, 80, issue)?;
                let status = server.terminate()?;
                ensure!(status.success(), "SIGTERM ended the server with {status:?}");
                ensure!(!server.data().join("run.json").exists(), "an ended server leaves its run.json");
                server.restart()?;
                for pair in &pairs {
                    server.client.expect_state(&pair.scope, &pair.access, State::Active)?;
                }
                Ok(())
            },
        );
        Ok(())
    })
}
