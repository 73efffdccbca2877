//! What a caller is told about a limit.

use std::fmt::Write;
use std::sync::Arc;

use bytes::BytesMut;
use http::{HeaderMap, HeaderName, HeaderValue};
use latchkey_catalog::tier::{Limit, Tier, Window};
use latchkey_oauth::clock::Timestamp;

static POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
static LIMIT: HeaderName = HeaderName::from_static("ratelimit");
static OLD_LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
static OLD_REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
static OLD_RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

/// A limit as the answer's headers tell it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateLimit {
    /// The tier.
    pub tier: Arc<Tier>,
    /// The limit, the tier's own or its burst.
    pub limit: Limit,
    /// How many calls are left.
    pub remaining: u64,
    /// When the window ends.
    pub ends: Timestamp,
}

impl RateLimit {
    /// Sets the fields of the IETF draft "`RateLimit` header fields for HTTP", `RateLimit-Policy` and
    /// `RateLimit`, and the older `X-RateLimit-Limit`, `-Remaining` and `-Reset`, in seconds. They tell
    /// about the limit that binds most, so a call has one set.
    pub fn write(&self, headers: &mut HeaderMap, now: Timestamp) {
        let (calls, window, remaining) = (self.limit.calls, seconds(self.limit.window, now), self.remaining);
        let reset = self.ends.millis_since(now).max(0).saturating_add(999) / 1000;
        let name = Quoted(&self.tier.name);
        // Every admitted call comes by here: the values share one piece of memory.
        let mut text = BytesMut::with_capacity(192);
        let mut set = |field: &HeaderName, value: std::fmt::Arguments<'_>| {
            let written = text.write_fmt(value);
            if let (Ok(()), Ok(value)) = (written, HeaderValue::from_maybe_shared(text.split().freeze())) {
                headers.insert(field.clone(), value);
            }
        };
        set(&POLICY, format_args!("{name};q={calls};w={window}"));
        set(&LIMIT, format_args!("{name};r={remaining};t={reset}"));
        set(&OLD_LIMIT, format_args!("{calls}"));
        set(&OLD_REMAINING, format_args!("{remaining}"));
        set(&OLD_RESET, format_args!("{reset}"));
    }
}

/// The length of the window that `now` lies in, in seconds: months are not all as long.
fn seconds(window: Window, now: Timestamp) -> i64 {
    let span = window.around(now);
    span.end.millis_since(span.start) / 1000
}

/// A string of RFC 9651 section 3.3.3; what it cannot hold becomes a question mark.
struct Quoted<'a>(&'a str);

impl std::fmt::Display for Quoted<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_char('"')?;
        for letter in self.0.chars() {
            if matches!(letter, '"' | '\\') {
                out.write_char('\\')?;
            }
            out.write_char(if matches!(letter, ' '..='~') { letter } else { '?' })?;
        }
        out.write_char('"')
    }
}

#[cfg(test)]
mod tests {
    use latchkey_catalog::tier::{Level, PastLimit, TierDetails, Unit};

    use super::*;

    #[test]
    fn a_caller_reads_what_is_left() {
        let now = Timestamp::from_millis(1_700_000_000_001);
        let limit = Limit { calls: 5000, window: Window::one(Unit::Minute) };
        let mut headers = HeaderMap::new();
        let told = |name: &str, remaining, ends| {
            let (name, level, past_limit) = (name.to_owned(), Level::Subscription, PastLimit::Refuse);
            let tier = Arc::new(Tier {
                name,
                level,
                limit: Some(limit),
                burst: None,
                past_limit,
                details: TierDetails::default(),
            });
            RateLimit { tier, limit, remaining, ends }
        };
        told("Gold", 17, now.plus_millis(33_001)).write(&mut headers, now);
        let read = |name: &str| headers[name].to_str().unwrap().to_owned();
        assert_eq!(read("ratelimit-policy"), "\"Gold\";q=5000;w=60");
        assert_eq!(read("ratelimit"), "\"Gold\";r=17;t=34");
        let old = ["limit", "remaining", "reset"].map(|name| read(&format!("x-ratelimit-{name}")));
        assert_eq!(old, ["5000", "17", "34"]);
        told("a\"b\\c\u{e9}\n", 0, now.plus_millis(-5)).write(&mut headers, now);
        assert_eq!(headers["ratelimit"], "\"a\\\"b\\\\c??\";r=0;t=0");
    }
}
