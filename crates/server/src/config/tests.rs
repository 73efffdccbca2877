//! The list of settings holds together, and every source, check and message works.

use std::collections::BTreeSet;

use proptest::prelude::*;

use latchkey_oauth::client::TokenFormat;
use latchkey_oauth::holder::OnLimit;
use latchkey_oauth::issuance::RefreshOnRenew;
use latchkey_oauth::jwk::SigningAlgorithm;
use latchkey_oauth::scope::UnknownScope;

use super::kind::Kind;
use super::layers::Loaded;
use super::sections::*;
use super::settings::{self, SETTINGS};
use super::{ConfigError, Duration, Problem, Source, Sources, reference};

fn file(content: &str) -> Sources {
    Sources { file: Some(("latchkey.toml".into(), content.into())), ..Sources::default() }
}

fn set(assignments: &[&str]) -> Sources {
    Sources { assignments: assignments.iter().map(ToString::to_string).collect(), ..Sources::default() }
}

fn variables(pairs: &[(&str, &str)]) -> Sources {
    let environment = pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    Sources { environment, ..Sources::default() }
}

fn load(sources: &Sources) -> Loaded {
    Config::load(sources).unwrap_or_else(|error| panic!("{error}"))
}

fn problems(sources: &Sources) -> Vec<Problem> {
    match Config::load(sources) {
        Err(ConfigError::Wrong(problems)) => problems,
        other => panic!("expected problems, got {other:?}"),
    }
}

fn source_of(loaded: &Loaded, key: &str) -> String {
    let found = loaded.effective.iter().find(|one| one.setting.key == key);
    found.map(|one| one.source.to_string()).unwrap()
}

#[test]
fn the_defaults_of_the_contract_hold() {
    let config = load(&Sources::default()).config;
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:9443");
    assert_eq!(config.server.body_limit, 16384);
    assert_eq!(config.compat.profile, Profile::Apim4);
    assert_eq!(config.oauth.token.format, TokenFormat::Jwt);
    assert_eq!(config.oauth.token.jwt_renewal, JwtRenewal::RevokePrevious);
    assert_eq!(config.oauth.token.signing_algorithm, SigningAlgorithm::ES256);
    assert_eq!((config.oauth.token.application_validity, config.oauth.token.user_validity), (3600, 3600));
    assert_eq!(config.oauth.refresh.validity, 86400);
    assert_eq!((config.oauth.refresh.retry_window, config.oauth.refresh.overlap), (30, 5));
    assert_eq!(config.oauth.scope.allowed, ["^device_.*", "openid"]);
    assert_eq!(config.oauth.scope.unknown, UnknownScope::Drop);
    assert_eq!((config.oauth.device.max_per_user, config.oauth.max_families_per_user), (100, 200));
    assert_eq!(config.oauth.device.on_limit, OnLimit::EvictOldest);
    assert_eq!(config.revocation.bound, Duration::from_seconds(2));
    assert_eq!(config.store.event_retention.as_millis(), 30 * 86_400_000);
    assert!(config.gateway.token_cache.enabled && !config.gateway.outbound_auth_header);
}

#[test]
fn every_setting_is_described_named_once_and_accepts_its_own_values() {
    let mut keys = BTreeSet::new();
    for setting in SETTINGS {
        assert!(keys.insert(setting.key), "{} stands twice", setting.key);
        assert!(setting.meaning.ends_with('.'), "{}", setting.key);
        assert!(setting.kind.accepts(&setting.default_value()), "{}", setting.key);
        for (profile, _) in setting.profiles {
            let value = setting.profile_value(*profile).unwrap();
            assert!(setting.kind.accepts(&value), "{} under {profile:?}", setting.key);
            assert_ne!(value, setting.default_value(), "{} under {profile:?} is the default", setting.key);
        }
    }
}

#[test]
fn every_choice_is_a_value_of_its_type() {
    for setting in SETTINGS {
        let Kind::Choice(words) = setting.kind else { continue };
        for word in words {
            load(&set(&[&format!("{}={word}", setting.key)]));
        }
    }
}

#[test]
fn later_sources_win_and_are_named() {
    let key = "oauth.scope.unknown";
    let mut sources = Sources::default();
    let expect = |sources: &Sources, value: UnknownScope, source: &str| {
        let loaded = load(sources);
        assert_eq!((loaded.config.oauth.scope.unknown, source_of(&loaded, key).as_str()), (value, source));
    };
    expect(&sources, UnknownScope::Drop, "default");
    sources.file = Some(("a.toml".into(), "\n[compat]\nprofile = \"strict\"\n".into()));
    expect(&sources, UnknownScope::Reject, "profile strict");
    sources.file =
        Some(("a.toml".into(), "compat.profile = 'strict'\n[oauth]\nscope.unknown = 'drop'\n".into()));
    expect(&sources, UnknownScope::Drop, "a.toml line 3");
    sources.environment = vec![("LATCHKEY_OAUTH__SCOPE__UNKNOWN".into(), "grant".into())];
    expect(&sources, UnknownScope::Grant, "environment LATCHKEY_OAUTH__SCOPE__UNKNOWN");
    sources.assignments = vec!["oauth.scope.unknown=reject".into()];
    expect(&sources, UnknownScope::Reject, "command line");
}

#[test]
fn profiles_give_what_the_reference_says() {
    use {JwtRenewal as Renewal, RefreshOnRenew as Refresh, TokenFormat as Format, UnknownScope as Unknown};
    let under = |profile: &str| load(&set(&[&format!("compat.profile={profile}")])).config.oauth;
    let summary = |oauth: &Oauth| {
        (oauth.token.format, oauth.token.jwt_renewal, oauth.token.refresh_on_renew, oauth.scope.unknown)
    };
    let table = [
        ("apim-4", (Format::Jwt, Renewal::RevokePrevious, Refresh::New, Unknown::Drop)),
        ("apim-3", (Format::Opaque, Renewal::RevokePrevious, Refresh::Keep, Unknown::Drop)),
        ("is-5.8", (Format::Opaque, Renewal::RevokePrevious, Refresh::Keep, Unknown::Grant)),
        ("apim-4.7", (Format::Jwt, Renewal::KeepPrevious, Refresh::New, Unknown::Grant)),
        ("strict", (Format::Jwt, Renewal::RevokePrevious, Refresh::New, Unknown::Reject)),
    ];
    for (profile, expected) in table {
        assert_eq!(summary(&under(profile)), expected, "{profile}");
    }
    let strict = under("strict");
    assert_eq!(strict.password_grant, PasswordGrant::Refuse);
    assert_eq!(strict.expires_in_forever, ExpiresInForever::Omit);
}

#[test]
fn the_command_line_takes_bare_and_quoted_text_numbers_and_lists() {
    let config = load(&set(&[
        "server.listen=127.0.0.1:0",
        "oauth.token.generator=2026",
        "keys.file='/etc/latchkey/keys.json'",
        "oauth.token.user_validity=-1",
        "oauth.scope.allowed=['^x_.*']",
        "oauth.scope.allowed=['^d\\d$']",
        "server.trusted_proxies=['10.0.0.0/8']",
    ]))
    .config;
    assert_eq!(config.server.listen.port(), 0);
    assert_eq!(config.oauth.token.generator, "2026");
    assert_eq!(config.keys.file, "/etc/latchkey/keys.json");
    assert_eq!(config.oauth.token.user_validity, -1);
    assert_eq!(config.oauth.scope.allowed, [r"^d\d$"]);
    assert_eq!(config.server.trusted_proxies.len(), 1);
}

#[test]
fn unknown_keys_are_named_with_the_nearest_one() {
    let cases = [
        (
            file("[oauth.token]\nfromat = 'jwt'"),
            "oauth.token.fromat",
            Some("oauth.token.format"),
            "latchkey.toml line 2",
        ),
        (
            file("[oath.token]\nformat = 'jwt'"),
            "oath.token.format",
            Some("oauth.token.format"),
            "latchkey.toml line 2",
        ),
        (file("[oauth]\nformat = 'jwt'"), "oauth.format", Some("oauth.token.format"), "latchkey.toml line 2"),
        (file("zzz = 1"), "zzz", None, "latchkey.toml line 1"),
        (file("[zzz]"), "zzz", None, "latchkey.toml line 1"),
        (set(&["server.listne=x"]), "server.listne", Some("server.listen"), "command line"),
        (
            variables(&[("LATCHKEY_SERVER__LISTNE", "x")]),
            "server.listne",
            Some("server.listen"),
            "environment LATCHKEY_SERVER__LISTNE",
        ),
        (
            variables(&[("LATCHKEY_SERVER_LISTEN", "x")]),
            "LATCHKEY_SERVER_LISTEN",
            Some("LATCHKEY_SERVER__LISTEN"),
            "environment LATCHKEY_SERVER_LISTEN",
        ),
    ];
    for (sources, key, nearest, place) in cases {
        let found = problems(&sources);
        let [problem] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((problem.key.as_str(), problem.source.to_string().as_str()), (key, place));
        match nearest {
            Some(nearest) => assert!(problem.advice.contains(nearest), "{problem}"),
            None => assert!(!problem.advice.contains("did you mean"), "{problem}"),
        }
    }
}

#[test]
fn variables_of_others_are_left_alone() {
    load(&variables(&[
        ("LATCHKEY_PORT", "tcp://10.0.0.1:80"),
        ("LATCHKEY_SERVICE_HOST", "x"),
        ("HOME", "x"),
    ]));
}

#[test]
fn empty_sections_and_a_section_written_as_a_value() {
    load(&file("[throttle]\n[telemetry]\n[server]\n"));
    let found = problems(&file("oauth = 1\nthrottle = 2"));
    assert_eq!(found.len(), 2);
    assert!(found.iter().all(|problem| problem.advice.contains("is a section")), "{found:?}");
}

#[test]
fn wrong_values_are_all_reported_with_what_is_right() {
    let found = problems(&file(
        "[server]\nlisten = \"localhost:9443\"\nbody_limit = 1\n[oauth.token]\nuser_validity = 0\nformat = 'xml'\n\
         renew_per_request = 'yes'\n[oauth.scope]\nallowed = ['(']\n[revocation]\nbound = '2 s'\n[server.idle_timeout]\n",
    ));
    let told: BTreeSet<_> = found.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 8, "{told:#?}");
    for expected in [
        "server.listen = \"localhost:9443\" (latchkey.toml line 2): it must be an IP address and a port, such as \"127.0.0.1:9443\"",
        "server.body_limit = 1 (latchkey.toml line 3): it must be a whole number from 1024 to 16777216",
        "oauth.token.format = \"xml\" (latchkey.toml line 6): it must be one of \"jwt\", \"opaque\"",
        "oauth.token.renew_per_request = \"yes\" (latchkey.toml line 7): it must be true or false",
    ] {
        assert!(told.contains(expected), "{expected}\nnot in {told:#?}");
    }
}

#[test]
fn a_file_that_is_no_toml_names_the_line() {
    let found = problems(&file("[server]\nlisten = \n"));
    assert_eq!(found[0].source, Source::File { path: "latchkey.toml".into(), line: 2 });
}

#[test]
fn rules_across_settings() {
    let cases: [(&[&str], &str); 15] = [
        (&["server.issuer=http://id.example.com"], "server.issuer"),
        (&["server.issuer=id.example.com"], "server.issuer"),
        (&["server.issuer=https://id.example.com/?a=b"], "server.issuer"),
        (&["server.issuer=https://alice@id.example.com/"], "server.issuer"),
        (&["server.issuer=https://id.example.com/#x"], "server.issuer"),
        (&["tls.enabled=false", "server.listen=0.0.0.0:9443"], "tls.enabled"),
        (&["tls.certificate=/c.pem"], "tls.private_key"),
        (&["store.url=mysql://x"], "store.url"),
        (&["server.max_connections=10"], "server.max_connections_per_address"),
        (&["passwords.memory_kib=7168", "oauth.token.generator="], "oauth.token.generator"),
        (&["operations.listen=127.0.0.1:9443"], "operations.listen"),
        (&["gateway.backend_jwt.header=Authorization"], "gateway.backend_jwt.header"),
        (&["gateway.backend_jwt.header=Content-Length"], "gateway.backend_jwt.header"),
        (&["gateway.backend_jwt.header=X_Caller-1"], "gateway.backend_jwt.header"),
        (&["gateway.backend_jwt.header=X-Caller: a"], "gateway.backend_jwt.header"),
    ];
    for (assignments, key) in cases {
        let found = problems(&set(assignments));
        assert_eq!(
            found.iter().map(|problem| problem.key.as_str()).collect::<Vec<_>>(),
            [key],
            "{assignments:?}"
        );
    }
    load(&set(&["tls.enabled=false", "server.issuer=http://localhost:1/x"]));
    load(&set(&["tls.enabled=false", "server.listen=0.0.0.0:1", "server.trusted_proxies=['10.0.0.0/8']"]));
    load(&set(&["server.listen=127.0.0.1:0", "operations.listen=127.0.0.1:0", "store.url=memory:"]));
}

#[test]
fn the_issuer_follows_the_bound_port_unless_it_is_configured() {
    let at = |assignments: &[&str]| {
        let config = load(&set(assignments)).config;
        config.server.issuer_at("127.0.0.1:4711".parse().unwrap(), &config.tls)
    };
    assert_eq!(at(&[]), "https://localhost:4711/oauth2/token");
    assert_eq!(at(&["tls.enabled=false"]), "http://localhost:4711/oauth2/token");
    assert_eq!(at(&["server.issuer=https://id.example.com"]), "https://id.example.com");
}

#[test]
fn what_is_shown_can_be_read_back() {
    let loaded = load(&set(&["oauth.token.format=opaque", "compat.profile=strict"]));
    let shown = loaded.show();
    assert_eq!(load(&file(&shown)).config, loaded.config);
    assert_eq!(shown.lines().count(), SETTINGS.len());
    let json = loaded.show_json();
    assert_eq!(json["oauth.token.format"]["value"], "opaque");
    assert_eq!(json["oauth.token.format"]["source"], "command line");
    assert_eq!(json["oauth.scope.unknown"]["source"], "profile strict");
}

#[test]
fn the_reference_page_is_the_one_in_the_documentation() {
    let page = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/configuration.md"));
    assert!(
        page == reference::page(),
        "run `./latchkey config reference > docs/configuration.md`; the page should be:\n{}",
        reference::page()
    );
}

#[test]
fn a_named_file_that_is_missing_is_an_error_and_the_default_one_is_not() {
    let missing = std::path::Path::new("no-such-directory/latchkey.toml");
    let error = Sources::read(Some(missing), Vec::new()).unwrap_err();
    assert!(error.to_string().contains("no-such-directory/latchkey.toml"), "{error}");
    assert_eq!(Sources::read(None, Vec::new()).unwrap().file, None);
}

#[test]
fn sections_are_the_beginnings_of_keys() {
    assert!(settings::is_section("oauth.token") && settings::is_section("telemetry"));
    assert!(!settings::is_section("oauth.tok") && !settings::is_section("server.listen"));
}

#[test]
fn durations_read_and_print() {
    for (text, millis) in
        [("500ms", 500), ("2s", 2000), ("90s", 90_000), ("10m", 600_000), ("30d", 2_592_000_000)]
    {
        assert_eq!(Duration::parse(text), Some(Duration::from_millis(millis)), "{text}");
    }
    for text in
        ["", "s", "2", "-1s", "1.5s", "2 s", "2S", "1h30m", "99999999999999999999s", "9999999999999999d"]
    {
        assert_eq!(Duration::parse(text), None, "{text}");
    }
    assert_eq!(Duration::from_millis(86_400_000).to_string(), "1d");
    assert_eq!(Duration::from_millis(1500).to_string(), "1500ms");
    assert_eq!(Duration::from_millis(0).to_string(), "0s");
}

proptest! {
    #[test]
    fn a_printed_duration_reads_back(millis in any::<u64>()) {
        let duration = Duration::from_millis(millis);
        prop_assert_eq!(Duration::parse(&duration.to_string()), Some(duration));
    }

    #[test]
    fn no_text_makes_loading_panic(content in "[a-z.=\\[\\]'\"0-9\n ]{0,60}", name in "[A-Z_]{0,20}", value in ".{0,20}") {
        let sources = Sources {
            file: Some(("f".into(), content)),
            environment: vec![(format!("LATCHKEY_{name}"), value.clone())],
            assignments: vec![value],
        };
        let _ = Config::load(&sources);
    }
}
