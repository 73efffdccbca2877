//! How long tokens live and are given again, by a clock that is moved: `T2` and the like are the numbers of WSO2's
//! published cases. What needs no clock of them is told from outside, in the checks' `data/rest-refresh.toml`.

use http::StatusCode;
use latchkey_oauth::client::{GrantType, TokenFormat};
use latchkey_oauth::secret::Secret;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::admin::application::{self, Created, NewApplication};
use crate::admin::text::SecretText;
use crate::admin::{Command, Reply, user};
use crate::testing::{Installation, home};

const PASSWORD: &str = "grant_type=password&username=alice&password=correct+horse&scope=device_a";
const OWN: &str = "grant_type=client_credentials&scope=device_a";
const YEAR: i64 = 365 * 24 * 3600;

/// An application whose access and refresh tokens live for so many seconds, and its user alice.
struct Stage {
    at: Installation,
    keys: Created,
    _home: TempDir,
}

impl Stage {
    async fn set(format: TokenFormat, [access, refresh]: [i64; 2], setting: &str) -> Self {
        let home = home();
        let at = Installation::open(&home, &["store.url=memory:", setting]).await;
        let password = SecretText(Secret::new("correct horse"));
        let add = user::Command::Add { name: "alice".to_owned(), password, roles: [].into() };
        at.done(Command::User(add)).await;
        let new = NewApplication {
            name: "Shop".to_owned(),
            owner: "alice".to_owned(),
            grants: GrantType::ALL.into(),
            token_format: Some(format),
            application_validity: Some(access),
            user_validity: Some(access),
            refresh_validity: Some(refresh),
            ..NewApplication::default()
        };
        let create = Command::Application(application::Command::Create(Box::new(new)));
        let Ok(Reply::Created(keys)) = at.execute(create).await else { panic!("no application") };
        Self { at, keys, _home: home }
    }

    async fn ask(&self, form: &str) -> (StatusCode, Value) {
        self.at.post("/oauth2/token", &self.keys, form).await
    }

    /// The access token and, where one is given, the refresh token.
    async fn tokens(&self, form: &str) -> [String; 2] {
        let (status, answer) = self.ask(form).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        ["access_token", "refresh_token"].map(|name| answer[name].as_str().unwrap_or_default().to_owned())
    }

    async fn refresh(&self, token: &str) -> (StatusCode, Value) {
        self.ask(&format!("grant_type=refresh_token&refresh_token={token}")).await
    }

    async fn introspect(&self, token: &str) -> Value {
        self.at.post("/oauth2/introspect", &self.keys, &format!("token={token}")).await.1
    }

    /// What each of the requests at these seconds after the first is given, counted: 0 for the first pair, and one
    /// more for each value that is another than the one before.
    async fn counted(&self, form: &str, seconds: &[i64]) -> Vec<[usize; 2]> {
        let (mut now, mut last, mut counts) = (0, self.tokens(form).await, vec![[0, 0]]);
        for &second in seconds {
            self.at.clock.advance_seconds(second - now);
            now = second;
            let next = self.tokens(form).await;
            let [access, refresh] = counts[counts.len() - 1];
            counts
                .push([access + usize::from(next[0] != last[0]), refresh + usize::from(next[1] != last[1])]);
            last = next;
        }
        counts
    }
}

/// A refused refresh, by its description.
fn refused((status, answer): (StatusCode, Value), description: &str) {
    let expected = json!({ "error": "invalid_grant", "error_description": description });
    assert_eq!((status, answer), (StatusCode::BAD_REQUEST, expected));
}

/// The refresh token is kept while it outlives the new access token, and no longer.
#[tokio::test]
async fn t2_tokens_are_given_again_until_they_expire() {
    let cases = [
        (PASSWORD, [[0, 0], [0, 0], [1, 0], [2, 1], [2, 1]]),
        (OWN, [[0, 0], [0, 0], [1, 0], [2, 0], [2, 0]]),
    ];
    for (form, expected) in cases {
        let stage = Stage::set(TokenFormat::Opaque, [60, 150], "oauth.token.renew_per_request=false").await;
        assert_eq!(stage.counted(form, &[30, 61, 122, 153]).await, expected, "{form}");
    }
}

/// WSO2's matrix of what is held, as what a second request is given after a wait; with renewal always something new.
#[tokio::test]
async fn t8_what_a_second_request_is_given() {
    let cases = [
        ("both live", [3600, 86_400], 1000, [0, 0]),
        ("a second is left of the access token", [3600, 86_400], 3599, [1, 0]),
        ("two are", [3600, 86_400], 3598, [0, 0]),
        ("the access token has expired", [3600, 86_400], 3600, [1, 0]),
        ("and the refresh token would before the next", [3600, 7200], 3600, [1, 1]),
        ("both have expired", [3600, 86_400], 86_400, [1, 1]),
        ("the refresh token alone has", [3600, 600], 600, [1, 1]),
        ("beside an access token for ever", [-1, 600], 600, [1, 1]),
        ("the access token, beside a refresh token for ever", [600, -1], 600, [1, 0]),
        ("both for ever", [-1, -1], 10 * YEAR, [0, 0]),
    ];
    for (says, lives, wait, expected) in cases {
        for (setting, expected) in [("false", expected), ("true", [1, 1])] {
            let setting = format!("oauth.token.renew_per_request={setting}");
            let stage = Stage::set(TokenFormat::Opaque, lives, &setting).await;
            let counts = stage.counted(PASSWORD, &[wait]).await;
            assert_eq!(counts, [[0, 0], expected], "{says}; {setting}");
        }
    }
}

/// A spent refresh token is answered for the window and not a second longer; afterwards it is a replay, which ends
/// what came of it.
#[tokio::test]
async fn t3_the_window_of_a_spent_refresh_token_closes() {
    let stage = Stage::set(TokenFormat::Opaque, [3600, 86_400], "oauth.refresh.retry_window=30").await;
    let [_, first] = stage.tokens(PASSWORD).await;
    let (_, second) = stage.refresh(&first).await;
    for _ in 0..3 {
        stage.at.clock.advance_seconds(10);
        let (status, again) = stage.refresh(&first).await;
        assert_eq!(status, StatusCode::OK, "{again}");
        assert_eq!(
            [&again["access_token"], &again["refresh_token"]],
            [&second["access_token"], &second["refresh_token"]]
        );
    }
    let access = second["access_token"].as_str().unwrap();
    assert_eq!(stage.introspect(access).await["active"], true);
    stage.at.clock.advance_seconds(1);
    refused(stage.refresh(&first).await, "Invalid refresh token state");
    assert_eq!(stage.introspect(access).await, json!({ "active": false }));
}

#[tokio::test]
async fn t6_a_refresh_token_tells_of_its_own_life() {
    let stage = Stage::set(TokenFormat::Jwt, [3600, 7200], "oauth.refresh.renew=true").await;
    let [_, first] = stage.tokens(PASSWORD).await;
    stage.at.clock.advance_seconds(100);
    let (_, answer) = stage.refresh(&first).await;
    assert_eq!(answer["expires_in"], 3600);
    let told = stage.introspect(answer["refresh_token"].as_str().unwrap()).await;
    let issued = stage.at.app.now().as_seconds();
    let expected = json!(["Refresh", issued, issued, issued + 7200]);
    assert_eq!(json!([told["token_type"], told["iat"], told["nbf"], told["exp"]]), expected);
}

#[tokio::test]
async fn t7_an_expired_refresh_token_is_refused() {
    for format in [TokenFormat::Opaque, TokenFormat::Jwt] {
        let stage = Stage::set(format, [3600, 600], "oauth.refresh.renew=false").await;
        let [_, token] = stage.tokens(PASSWORD).await;
        stage.at.clock.advance_seconds(599);
        assert_eq!(stage.refresh(&token).await.0, StatusCode::OK);
        stage.at.clock.advance_seconds(1);
        refused(stage.refresh(&token).await, "Refresh token is expired.");
    }
}
