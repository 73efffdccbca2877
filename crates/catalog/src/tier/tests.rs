use super::*;

fn moment(text: &str) -> Timestamp {
    let parsed = OffsetDateTime::parse(text, &time::format_description::well_known::Rfc3339).unwrap();
    Timestamp::from_millis(i64::try_from(parsed.unix_timestamp_nanos() / 1_000_000).unwrap())
}

#[test]
fn windows_are_those_of_the_calendar() {
    let now = "2024-02-29T23:59:59.999Z";
    let cases = [
        (1, Unit::Second, now, "2024-02-29T23:59:59Z", "2024-03-01T00:00:00Z"),
        (1, Unit::Minute, now, "2024-02-29T23:59:00Z", "2024-03-01T00:00:00Z"),
        (5, Unit::Minute, now, "2024-02-29T23:55:00Z", "2024-03-01T00:00:00Z"),
        (1, Unit::Hour, "2024-02-29T12:00:00Z", "2024-02-29T12:00:00Z", "2024-02-29T13:00:00Z"),
        (1, Unit::Day, now, "2024-02-29T00:00:00Z", "2024-03-01T00:00:00Z"),
        (1, Unit::Month, now, "2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z"),
        (3, Unit::Month, now, "2024-01-01T00:00:00Z", "2024-04-01T00:00:00Z"),
        (1, Unit::Month, "2025-12-31T23:59:59Z", "2025-12-01T00:00:00Z", "2026-01-01T00:00:00Z"),
        (1, Unit::Year, now, "2024-01-01T00:00:00Z", "2025-01-01T00:00:00Z"),
        (0, Unit::Year, now, "2024-01-01T00:00:00Z", "2025-01-01T00:00:00Z"),
        (1, Unit::Minute, "1969-12-31T23:59:59Z", "1969-12-31T23:59:00Z", "1970-01-01T00:00:00Z"),
        (1, Unit::Month, "1969-12-31T23:59:59Z", "1969-12-01T00:00:00Z", "1970-01-01T00:00:00Z"),
    ];
    for (units, unit, now, start, end) in cases {
        let span = Window { units, unit }.around(moment(now));
        assert_eq!(span, Span { start: moment(start), end: moment(end) }, "{units} {unit:?} {now}");
    }
}

#[test]
fn windows_hold_their_moment_and_follow_each_other() {
    let mut now = moment("2023-11-20T07:08:09.010Z");
    for _ in 0..500 {
        for unit in [Unit::Second, Unit::Minute, Unit::Hour, Unit::Day, Unit::Month, Unit::Year] {
            for units in [1, 2, 3, 7, 1000] {
                let window = Window { units, unit };
                let span = window.around(now);
                assert!(span.start <= now && now < span.end, "{window:?} {now:?} {span:?}");
                assert_eq!(window.around(span.start), span);
                assert_eq!(window.around(span.end).start, span.end);
            }
        }
        now = now.plus_millis(97_654_321);
    }
}

#[test]
fn the_ends_of_time_do_not_overflow() {
    for now in [i64::MIN / 4, i64::MAX / 4] {
        for unit in [Unit::Second, Unit::Day, Unit::Month, Unit::Year] {
            Window { units: u16::MAX, unit }.around(Timestamp::from_millis(now));
        }
    }
}

#[test]
fn seeded_tiers_are_wso2s() {
    let lines: Vec<String> = seeded()
        .into_iter()
        .map(|tier| {
            let calls = tier.limit.map_or_else(|| "any".to_owned(), |limit| limit.calls.to_string());
            format!("{:?} {} {calls}", tier.level, tier.name)
        })
        .collect();
    let expected = [
        "Application 10PerMin 10",
        "Application 20PerMin 20",
        "Application 50PerMin 50",
        "Application Unlimited any",
        "Subscription Bronze 1000",
        "Subscription Silver 2000",
        "Subscription Gold 5000",
        "Subscription Unauthenticated 500",
        "Subscription Unlimited any",
        "Resource 10KPerMin 10000",
        "Resource 20KPerMin 20000",
        "Resource 50KPerMin 50000",
        "Resource Unlimited any",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn units_have_wso2s_names() {
    for unit in [Unit::Second, Unit::Minute, Unit::Hour, Unit::Day, Unit::Month, Unit::Year] {
        assert_eq!(Unit::from_wso2_name(unit.wso2_name()), Some(unit));
    }
    assert_eq!(Unit::from_wso2_name("fortnight"), None);
}
