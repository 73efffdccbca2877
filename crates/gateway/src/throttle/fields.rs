//! What a caller is told about a limit.

use http::{HeaderMap, HeaderName, HeaderValue};
use latchkey_catalog::tier::{Limit, Window};
use latchkey_oauth::clock::Timestamp;

/// A limit as the answer's headers tell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit<'a> {
    /// The tier's name.
    pub tier: &'a str,
    /// The limit.
    pub limit: Limit,
    /// How many calls are left.
    pub remaining: u64,
    /// When the window ends.
    pub ends: Timestamp,
}

impl RateLimit<'_> {
    /// Sets the fields of the IETF draft "`RateLimit` header fields for HTTP", `RateLimit-Policy` and
    /// `RateLimit`, and the older `X-RateLimit-Limit`, `-Remaining` and `-Reset`, in seconds. They tell
    /// about the limit that binds most, so a call has one set.
    pub fn write(&self, headers: &mut HeaderMap, now: Timestamp) {
        let name = quoted(self.tier);
        let (calls, window, remaining) = (self.limit.calls, seconds(self.limit.window, now), self.remaining);
        let reset = self.ends.millis_since(now).max(0).saturating_add(999) / 1000;
        let fields = [
            (HeaderName::from_static("ratelimit-policy"), format!("{name};q={calls};w={window}")),
            (HeaderName::from_static("ratelimit"), format!("{name};r={remaining};t={reset}")),
            (HeaderName::from_static("x-ratelimit-limit"), calls.to_string()),
            (HeaderName::from_static("x-ratelimit-remaining"), remaining.to_string()),
            (HeaderName::from_static("x-ratelimit-reset"), reset.to_string()),
        ];
        for (name, value) in fields {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(name, value);
            }
        }
    }
}

/// The length of the window that `now` lies in, in seconds: months are not all as long.
fn seconds(window: Window, now: Timestamp) -> i64 {
    let span = window.around(now);
    span.end.millis_since(span.start) / 1000
}

/// A string of RFC 9651 section 3.3.3; what it cannot hold becomes a question mark.
fn quoted(text: &str) -> String {
    let letter = |letter: char| match letter {
        '"' | '\\' => format!("\\{letter}"),
        ' '..='~' => letter.to_string(),
        _ => "?".to_owned(),
    };
    format!("\"{}\"", text.chars().map(letter).collect::<String>())
}

#[cfg(test)]
mod tests {
    use latchkey_catalog::tier::Unit;

    use super::*;

    #[test]
    fn a_caller_reads_what_is_left() {
        let now = Timestamp::from_millis(1_700_000_000_001);
        let limit = Limit { calls: 5000, window: Window::one(Unit::Minute) };
        let mut headers = HeaderMap::new();
        RateLimit { tier: "Gold", limit, remaining: 17, ends: now.plus_millis(33_001) }
            .write(&mut headers, now);
        let read = |name: &str| headers[name].to_str().unwrap().to_owned();
        assert_eq!(read("ratelimit-policy"), "\"Gold\";q=5000;w=60");
        assert_eq!(read("ratelimit"), "\"Gold\";r=17;t=34");
        let old = ["limit", "remaining", "reset"].map(|name| read(&format!("x-ratelimit-{name}")));
        assert_eq!(old, ["5000", "17", "34"]);
        RateLimit { tier: "a\"b\\c\u{e9}\n", limit, remaining: 0, ends: now.plus_millis(-5) }
            .write(&mut headers, now);
        assert_eq!(headers["ratelimit"], "\"a\\\"b\\\\c??\";r=0;t=0");
    }
}
