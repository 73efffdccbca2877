//! Limits as administrators write them: WSO2's `ThrottleLimit` and its bursts.

use latchkey_catalog::tier::{Limit, Unit, Window};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::error::RestError;
use super::super::wire::{Word, or_default};

/// How many requests WSO2 says that a policy without a limit has; as many or more are no limit.
const NO_LIMIT: u64 = 2_147_483_647;
/// WSO2's word for a limit of requests.
const REQUESTS: &str = "REQUESTCOUNTLIMIT";
/// The longest window, in units.
const LONGEST: u16 = 1000;

/// WSO2's `ThrottleLimit`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ThrottleLimit {
    #[serde(rename = "type")]
    #[schemars(extend("enum" = ["REQUESTCOUNTLIMIT"]))]
    kind: String,
    #[serde(default)]
    request_count: Option<RequestCount>,
}

/// WSO2's `RequestCountLimit`, with texts for numbers as scripts write them.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct RequestCount {
    time_unit: String,
    unit_time: Word,
    #[serde(rename = "requestCount")]
    requests: Word,
}

/// WSO2's `BurstLimit`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct BurstLimit {
    #[serde(default, deserialize_with = "or_default")]
    rate_limit_count: Word,
    #[serde(default, deserialize_with = "or_default")]
    rate_limit_time_unit: String,
}

/// A limit as it is shown.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ShownThrottleLimit")]
pub(super) struct ShownLimit {
    #[serde(rename = "type")]
    kind: &'static str,
    request_count: ShownCount,
    bandwidth: (),
    event_count: (),
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ShownRequestCount")]
struct ShownCount {
    time_unit: &'static str,
    unit_time: u16,
    request_count: u64,
}

/// A burst as it is shown.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ShownBurstLimit")]
pub(super) struct ShownBurst {
    rate_limit_count: u64,
    rate_limit_time_unit: Option<&'static str>,
}

fn unit(name: &str) -> Result<Unit, RestError> {
    let known = "A time unit is one of sec, min, hour, days, month and year.";
    Unit::from_wso2_name(name.trim()).ok_or_else(|| RestError::bad(known))
}

impl ThrottleLimit {
    /// The limit; none: any number of requests.
    pub(super) fn read(&self) -> Result<Option<Limit>, RestError> {
        if self.kind != REQUESTS {
            return Err(RestError::bad(format!(
                "Limits are of the type {REQUESTS}; others are not supported."
            )));
        }
        let count = self.request_count.as_ref();
        let count = count.ok_or_else(|| RestError::bad(format!("A {REQUESTS} has a requestCount.")))?;
        let calls: u64 = count
            .requests
            .read()
            .filter(|calls| *calls > 0)
            .ok_or_else(|| RestError::bad("requestCount is a number of requests, at least 1."))?;
        let units = count
            .unit_time
            .read()
            .filter(|units| (1..=LONGEST).contains(units))
            .ok_or_else(|| RestError::bad(format!("unitTime is a number from 1 to {LONGEST}.")))?;
        let window = Window { units, unit: unit(&count.time_unit)? };
        Ok((calls < NO_LIMIT).then_some(Limit { calls, window }))
    }

    /// A limit as WSO2 shows it.
    pub(super) fn shown(limit: Option<Limit>) -> ShownLimit {
        let (calls, window) =
            limit.map_or((NO_LIMIT, Window::one(Unit::Minute)), |limit| (limit.calls, limit.window));
        let (time_unit, unit_time) = (window.unit.wso2_name(), window.units.max(1));
        let request_count = ShownCount { time_unit, unit_time, request_count: calls };
        ShownLimit { kind: REQUESTS, request_count, bandwidth: (), event_count: () }
    }
}

impl BurstLimit {
    /// The limit in a short window; WSO2 says none by 0.
    pub(super) fn read(&self) -> Result<Option<Limit>, RestError> {
        let count = &self.rate_limit_count;
        if count.0.is_empty() {
            return Ok(None);
        }
        match count.read::<u64>() {
            Some(0) => Ok(None),
            Some(calls) => {
                let unit = unit(&self.rate_limit_time_unit)?;
                Ok(Some(Limit { calls, window: Window::one(unit) }))
            }
            None => Err(RestError::bad("rateLimitCount is a number of requests.")),
        }
    }

    /// A burst as WSO2 shows it.
    pub(super) fn shown(burst: Option<Limit>) -> ShownBurst {
        let (rate_limit_count, rate_limit_time_unit) =
            burst.map_or((0, None), |burst| (burst.calls, Some(burst.window.unit.wso2_name())));
        ShownBurst { rate_limit_count, rate_limit_time_unit }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The limit as it is read; `none` for any number of requests, nothing where it is refused.
    fn limit(text: &str) -> Option<String> {
        let read: ThrottleLimit = serde_json::from_str(text).ok()?;
        let limit = read.read().ok()?;
        Some(limit.map_or_else(|| "none".to_owned(), |limit| limit.to_string()))
    }

    #[test]
    fn limits_are_read_as_scripts_write_them() {
        let count = |count: &str, units: &str, unit: &str| {
            let requests = format!(r#"{{"requestCount":{count},"unitTime":{units},"timeUnit":"{unit}"}}"#);
            limit(&format!(r#"{{"type":"REQUESTCOUNTLIMIT","requestCount":{requests}}}"#))
        };
        let cases = [
            (count("5", "1", "min"), Some("5/minute")),
            (count("\"5\"", "\"2\"", "hours"), Some("5/2 hours")),
            (count("1", "1000", "months"), Some("1/1000 months")),
            (count("2147483647", "1", "min"), Some("none")),
            (count("0", "1", "min"), None),
            (count("-1", "1", "min"), None),
            (count("\"many\"", "1", "min"), None),
            (count("5", "0", "min"), None),
            (count("5", "1001", "min"), None),
            (count("5", "1", "fortnight"), None),
            (count("5", "1", ""), None),
            (limit(r#"{"type":"BANDWIDTHLIMIT","bandwidth":{"dataAmount":1}}"#), None),
            (limit(r#"{"type":"REQUESTCOUNTLIMIT"}"#), None),
        ];
        for (place, (read, expected)) in cases.into_iter().enumerate() {
            assert_eq!(read.as_deref(), expected, "case {place}");
        }
    }

    #[test]
    fn bursts_are_read_as_scripts_write_them() {
        let burst = |text: &str| {
            let read: BurstLimit = serde_json::from_str(text).unwrap();
            read.read().ok().map(|burst| burst.map(|burst| burst.to_string()))
        };
        let cases = [
            ("{}", Some(None)),
            (r#"{"rateLimitCount":0,"rateLimitTimeUnit":"NA"}"#, Some(None)),
            (r#"{"rateLimitCount":null,"rateLimitTimeUnit":null}"#, Some(None)),
            (r#"{"rateLimitCount":"5","rateLimitTimeUnit":"sec"}"#, Some(Some("5/second".to_owned()))),
            (r#"{"rateLimitCount":5,"rateLimitTimeUnit":"NA"}"#, None),
            (r#"{"rateLimitCount":-5,"rateLimitTimeUnit":"sec"}"#, None),
        ];
        for (text, expected) in cases {
            assert_eq!(burst(text), expected, "{text}");
        }
    }
}
