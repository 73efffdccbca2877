//! C014, C017, C018, C023: what authenticates and what it may do.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use latchkey_checks::client::{State, password_form};
use latchkey_checks::server::{Launch, Person};
use latchkey_checks::wire::{Connection, Reply, Request};

use crate::scenes::scene;

/// Every byte of `text` as `%XX`.
fn fully_encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |encoded, byte| format!("{encoded}%{byte:02X}"))
}

#[test]
fn c014_encoded_credentials() -> Result<()> {
    scene(Launch::new(), |server, report| {
        let client = &server.client;
        let application = server.demo.application.clone();
        let ask = |id: &str, secret: &str| {
            let form = [("grant_type", "client_credentials")];
            client.send(&Request::new("POST", "/oauth2/token").basic(id, secret).form(&form))
        };
        report.check("C014", "id and secret wholly percent-encoded authenticate", || {
            ask(&fully_encoded(&application.key), &fully_encoded(&application.secret))?.expect(200).map(drop)
        });
        for wrong in ["%", "%zz", "a%", "é", "a:b", "a+b", "a&b=c", "%FF"] {
            report.check("C014", &format!("the secret {wrong} fails cleanly"), || {
                let reply = ask(&application.key, wrong)?;
                ensure!(matches!(reply.status, 400 | 401), "status {}", reply.status);
                let reply = ask(wrong, &application.secret)?;
                ensure!(matches!(reply.status, 400 | 401), "as id: status {}", reply.status);
                Ok(())
            });
        }
        let awkward = "p:%+&= ü\"\\{}% correct horse";
        let bob = server.bob(awkward)?;
        report.check("C014", "a password of awkward characters signs in", || {
            client.sign_in(&application, &bob, "device_awkward").map(drop)
        });
        report.check("C012", "Basic may be padded or not, but is one text", || {
            let raw = BASE64_STANDARD.encode(format!("{}:{}", application.key, application.secret));
            let request = Request::new("POST", "/oauth2/token").form(&[("grant_type", "client_credentials")]);
            let reply = client.send(&request.header("Authorization", &format!("Basic {raw} {raw}")))?;
            ensure!(matches!(reply.status, 400 | 401), "status {}", reply.status);
            Ok(())
        });
        Ok(())
    })
}

/// The answer to a wrong sign-in and the shortest of three times it took.
fn refused_sign_in(attempt: impl Fn() -> Result<Reply>) -> Result<(Reply, Duration)> {
    let mut fastest = Duration::MAX;
    let mut last = None;
    for _ in 0..3 {
        let since = Instant::now();
        last = Some(attempt()?);
        fastest = fastest.min(since.elapsed());
    }
    Ok((last.context("three attempts")?, fastest))
}

#[test]
fn c017_one_answer_for_every_wrong_sign_in() -> Result<()> {
    scene(Launch::new(), |server, report| {
        let bob = server.bob("correct horse battery staple")?;
        server.cli(&["user", "lock", "bob"], "")?;
        let (client, application, alice) = (&server.client, &server.demo.application, &server.demo.user);
        server.canary().remember("wrong guess", "a-guess-that-is-wrong");
        let person =
            |name: &str, password: &str| Person { username: name.to_owned(), password: password.to_owned() };
        let wrong = [
            ("a wrong password", person(&alice.username, "a-guess-that-is-wrong")),
            ("an unknown user", person("nobody-at-all", "a-guess-that-is-wrong")),
            ("a locked user with the right password", bob),
        ];
        let mut seen = Vec::new();
        for (name, person) in &wrong {
            let attempt = || client.token(application, &password_form(person, "device_guess"));
            seen.push((name, refused_sign_in(attempt)?));
        }
        let (_, (model, _)) = &seen[0];
        let slowest = seen.iter().map(|(_, (_, time))| *time).max().unwrap_or_default();
        for (name, (reply, time)) in &seen {
            report.check("C017", &format!("{name}: invalid_grant, in the same words"), || {
                reply.refused(400, "invalid_grant")?;
                ensure!(reply.body == model.body, "{} differs from {}", reply.text(), model.text());
                Ok(())
            });
            report.check("C017", &format!("{name}: as slow as the others"), || {
                ensure!(*time * 3 >= slowest, "{time:?}, while another takes {slowest:?}");
                Ok(())
            });
        }
        Ok(())
    })
}

#[test]
fn c017_guessing_is_braked_and_locks_nobody_out() -> Result<()> {
    scene(Launch::new(), |server, report| {
        let (client, application) = (&server.client, &server.demo.application);
        server.canary().remember("wrong guess", "another-guess-that-is-wrong");
        let guess =
            Person { username: "alice".to_owned(), password: "another-guess-that-is-wrong".to_owned() };
        let sign_in = |person: &Person, source: Ipv4Addr| {
            let mut connection = Connection::open_from(source, client.address())?;
            let request = Request::new("POST", "/oauth2/token").basic(&application.key, &application.secret);
            client.send_on(&mut connection, &request.form(&password_form(person, "device_guessed")))
        };
        let attacker = Ipv4Addr::LOCALHOST;
        report.check("C017", "sixty guesses meet a brake", || {
            let mut braked = 0;
            for n in 0..60 {
                let reply = sign_in(&guess, attacker)?;
                ensure!(
                    matches!(reply.status, 400 | 429 | 503),
                    "guess {n}: {} {}",
                    reply.status,
                    reply.text()
                );
                braked += u32::from(reply.status != 400);
            }
            ensure!(braked > 0, "sixty wrong guesses were all checked");
            Ok(())
        });
        report.check("C017", "and the victim signs in from elsewhere meanwhile", || {
            let reply = sign_in(&server.demo.user, Ipv4Addr::new(127, 0, 0, 2))?;
            reply.expect(200).map(drop)
        });
        Ok(())
    })
}

#[test]
fn c023_grants_of_the_application() -> Result<()> {
    scene(Launch::new(), |server, report| {
        let (client, alice) = (&server.client, &server.demo.user);
        let machine = server.application_for("Machine", "client_credentials", &[])?;
        let person = server.application_for("Person", "password", &[])?;
        report.check("C023", "a grant that the application may not use", || {
            client.token(&machine, &password_form(alice, "device_a"))?.refused(400, "unauthorized_client")?;
            let form = [("grant_type", "client_credentials")];
            client.token(&person, &form)?.refused(400, "unauthorized_client")?;
            client.try_refresh(&machine, "lkr_x")?.refused(400, "unauthorized_client")
        });
        report.check("C023", "no refresh token for an application that may not refresh", || {
            let pair = client.sign_in(&person, alice, "device_a")?;
            ensure!(pair.refresh.is_none(), "a refresh token was given");
            client.expect_state("the access token", &pair.access, State::Active)
        });
        Ok(())
    })
}
