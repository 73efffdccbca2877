//! Endpoints that do not come to an answer themselves; over a socket where the connection matters.

use http::StatusCode;
use latchkey_oauth::entropy::Entropy;
use latchkey_oauth::generator::{GeneratedValue, GenerationContext, TokenGenerator};
use latchkey_oauth::secret::Secret;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::admin::application::{self, Created, NewApplication};
use crate::admin::{Command, Reply as Done, user};
use crate::listener::{Listener, Seats, Terms};
use crate::metrics::Readings;
use crate::testing::{Installation, home};

/// A generator with a defect.
#[derive(Debug)]
struct Broken;

impl TokenGenerator for Broken {
    fn name(&self) -> &'static str {
        "broken"
    }

    fn generate(&self, _: &GenerationContext<'_>, _: &dyn Entropy) -> GeneratedValue {
        assert!(std::env::args().count() == 0, "hunter2");
        GeneratedValue::Value(Secret::new("never given"))
    }
}

async fn shop(at: &Installation) -> Created {
    let password = crate::admin::text::SecretText(Secret::new("correct horse"));
    let add = user::Command::Add { name: "alice".to_owned(), password, roles: [].into() };
    at.done(Command::User(add)).await;
    let new = NewApplication {
        name: "Shop".to_owned(),
        owner: "alice".to_owned(),
        grants: latchkey_oauth::client::GrantType::ALL.into(),
        ..NewApplication::default()
    };
    match at.execute(Command::Application(application::Command::Create(Box::new(new)))).await {
        Ok(Done::Created(created)) => created,
        other => panic!("not created: {other:?}"),
    }
}

fn counts(at: &Installation, line: &str) -> bool {
    at.app.metrics.render(&Readings::default()).lines().any(|counted| counted == line)
}

#[tokio::test]
async fn an_endpoint_that_panics_is_answered_and_counted() {
    let home = home();
    let settings = ["store.url=memory:", "oauth.token.generator=broken"];
    let at = Installation::open_with(&home, &settings, vec![Box::new(Broken)]).await;
    let shop = shop(&at).await;
    let (status, body) = at.post("/oauth2/token", &shop, "grant_type=client_credentials").await;
    assert_eq!((status, &body["error"]), (StatusCode::INTERNAL_SERVER_ERROR, &"server_error".into()));
    assert!(!body.to_string().contains("hunter2"), "{body}");
    assert!(counts(&at, r#"latchkey_http_requests_total{route="/oauth2/token",status="500"} 1"#));
    assert!(counts(&at, "latchkey_http_handler_panics_total 1"));
    let (status, _) = at.post("/oauth2/introspect", &shop, "token=none").await;
    assert_eq!(status, StatusCode::OK, "the server goes on");
}

#[tokio::test]
async fn a_body_that_comes_too_slowly_is_answered_408_and_the_connection_ends() {
    let home = home();
    let at = Installation::open(&home, &["store.url=memory:", "server.request_timeout=100ms"]).await;
    let any = "127.0.0.1:0".parse().unwrap();
    let listener = Listener::bind("server.listen", any, Seats::new(4, 4)).await.unwrap();
    let (address, stop) = (listener.address(), CancellationToken::new());
    let terms = Arc::new(Terms::from(&at.app.config.server));
    let serving = tokio::spawn(listener.serve(Front::new(Arc::clone(&at.app)), None, terms, stop.clone()));
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = "POST /oauth2/token HTTP/1.1\r\nhost: x\r\ncontent-length: 90\r\n\
                content-type: application/x-www-form-urlencoded\r\n\r\ngrant_type=";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    // That this ends shows that the server closed the connection.
    let _ = stream.read_to_string(&mut answer).await;
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("connection: close\r\n"), "{answer}");
    assert!(answer.contains("invalid_request") && !answer.contains("retry-after"), "{answer}");
    assert!(counts(&at, r#"latchkey_http_requests_total{route="/oauth2/token",status="408"} 1"#));
    stop.cancel();
    serving.await.unwrap();
}
