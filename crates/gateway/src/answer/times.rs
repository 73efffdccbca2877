//! Moments as answers show them.

use latchkey_oauth::clock::Timestamp;
use time::OffsetDateTime;

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// The whole second at or after `at`, so that who waits until then is not too early. A moment that no
/// calendar holds counts as 1970.
fn date(at: Timestamp) -> OffsetDateTime {
    let second = at.plus_millis(999).as_seconds();
    OffsetDateTime::from_unix_timestamp(second).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// RFC 9110 section 5.6.7, the form of `Retry-After` that WSO2 uses: `Sun, 06 Nov 1994 08:49:37 GMT`.
pub fn http_date(at: Timestamp) -> String {
    let date = date(at);
    let day = DAYS[usize::from(date.weekday().number_days_from_monday())];
    let month = MONTHS[usize::from(u8::from(date.month())) - 1];
    let (hour, minute, second) = date.time().as_hms();
    format!("{day}, {:02} {month} {:04} {hour:02}:{minute:02}:{second:02} GMT", date.day(), date.year())
}

/// WSO2's `nextAccessTime`: `1994-Nov-06 08:49:37+0000 UTC`.
pub fn wso2_time(at: Timestamp) -> String {
    let date = date(at);
    let month = MONTHS[usize::from(u8::from(date.month())) - 1];
    let (hour, minute, second) = date.time().as_hms();
    format!("{:04}-{month}-{:02} {hour:02}:{minute:02}:{second:02}+0000 UTC", date.year(), date.day())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_in_full() {
        let at = Timestamp::from_seconds(784_111_777);
        assert_eq!(http_date(at), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(wso2_time(at), "1994-Nov-06 08:49:37+0000 UTC");
        assert_eq!(http_date(at.plus_millis(-999)), http_date(at));
        assert_eq!(http_date(at.plus_millis(1)), "Sun, 06 Nov 1994 08:49:38 GMT");
        assert_eq!(http_date(Timestamp::from_seconds(951_782_400)), "Tue, 29 Feb 2000 00:00:00 GMT");
        assert_eq!(http_date(Timestamp::from_millis(i64::MAX)), "Thu, 01 Jan 1970 00:00:00 GMT");
    }
}
