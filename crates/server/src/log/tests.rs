//! Formats, levels, and that one event is one line.

use std::io::Write;
use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::*;

/// What was written.
#[derive(Debug, Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn settings(format: LogFormat, level: LogLevel) -> config::Log {
    config::Log { level, format, requests: true }
}

/// What `events` write through the whole chain, the writing thread included.
fn written(settings: &config::Log, events: impl FnOnce()) -> String {
    let page = Page::default();
    let (writer, guard) = writer(page.clone());
    tracing::subscriber::with_default(subscriber(settings, writer), events);
    drop(guard);
    let bytes = page.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn one_event_is_one_line_whatever_a_value_holds() {
    let nasty = "a\r\nb\u{1b}[31m\u{2028}\"c";
    for format in [LogFormat::Json, LogFormat::Text] {
        let text = written(&settings(format, LogLevel::Info), || {
            tracing::info!(client_id = nasty, "first");
            tracing::info!("second");
        });
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(!text.contains(['\r', '\u{1b}']), "{text:?}");
    }
}

#[test]
fn json_has_its_fields_at_the_top() {
    let text = written(&settings(LogFormat::Json, LogLevel::Info), || tracing::warn!(status = 503, "full"));
    let line: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (&line["level"], &line["status"], &line["message"]),
        (&"WARN".into(), &503.into(), &"full".into())
    );
}

#[test]
fn the_level_holds_and_libraries_are_quiet() {
    let events = || {
        tracing::error!("e");
        tracing::warn!("w");
        tracing::info!("i");
        tracing::debug!("d");
        tracing::info!(target: "hyper::proto", "library");
        tracing::warn!(target: "rustls::server", "library");
    };
    let lines = |level| written(&settings(LogFormat::Text, level), events).lines().count();
    assert_eq!(lines(LogLevel::Error), 1);
    assert_eq!(lines(LogLevel::Warn), 3);
    assert_eq!(lines(LogLevel::Info), 4);
    assert_eq!(lines(LogLevel::Debug), 5);
}

#[test]
fn a_panic_is_one_line_that_says_where_and_not_what() {
    let text = written(&settings(LogFormat::Json, LogLevel::Info), || {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(panicked));
        let password = std::env::args().count().to_string() + "hunter2";
        let caught = std::panic::catch_unwind(|| panic!("the password is {password}"));
        std::panic::set_hook(usual);
        assert!(caught.is_err());
    });
    // Another test's panic may have met this hook; its thread has another log.
    let line: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&line["level"], &line["target"]), (&"ERROR".into(), &"latchkey::panic".into()));
    assert_eq!(line["message_kind"], "formatted text");
    assert!(line["location"].as_str().unwrap().contains("log/tests.rs:"), "{line}");
    assert!(!text.contains("hunter2"), "{text}");
}
