//! What becomes of each row: it comes over, or why it does not.

mod catalogue;
mod tokens;

#[cfg(test)]
mod tests;

use latchkey_oauth::scope::ScopeProblem;
use time::{Date, Month, PrimitiveDateTime, Time};

use crate::entry::{Entry, Kind};

pub use catalogue::{api, application, policy, subscription, user};
pub use tokens::{is_active, kept, token};

/// The number of the tenant that comes over, `carbon.super`.
pub const SUPER_TENANT: &str = "-1234";

/// Why something does not come over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// It belongs to another tenant than `carbon.super`.
    #[error("it belongs to another tenant than carbon.super")]
    OtherTenant,
    /// Its user is kept in another user store.
    #[error("its user is kept in the user store {0}")]
    OtherUserStore(String),
    /// Its name is none that can be given here.
    #[error("its name cannot be given here")]
    Name,
    /// Something that is needed is missing or malformed.
    #[error("its {0} is missing or malformed")]
    Malformed(&'static str),
    /// WSO2 says that it is over.
    #[error("its state at WSO2 is {0}")]
    State(String),
    /// Its time is over.
    #[error("it has expired")]
    Expired,
    /// Its client is not in the dump.
    #[error("its client is not in the dump")]
    NoClient,
    /// It is signed, and there is nothing beside it to go on with.
    #[error("it is signed by WSO2's key, and there is no refresh token")]
    Signed,
    /// It is signed; its refresh token comes over.
    #[error("the access token is signed by WSO2's key; its refresh token comes over")]
    SignedButRefreshed,
    /// It is encrypted or hashed by something else than SHA-256.
    #[error("it is encrypted, or hashed by another algorithm than SHA-256")]
    Unreadable,
    /// The password is kept in another form than a salted SHA-256.
    #[error("the password is not kept as a salted SHA-256: the user comes over and needs a new one")]
    Password,
    /// Its scopes are none.
    #[error("its scopes are none here: {0}")]
    Scope(ScopeProblem),
    /// What it limits is not counted.
    #[error("it limits bandwidth, which is not counted here")]
    Bandwidth,
    /// Its context does not end with its version.
    #[error("its context does not end with its version")]
    Context,
    /// It cannot be an API here.
    #[error("it cannot be an API here: {0}")]
    Api(String),
    /// Its application or its API is not in the dump.
    #[error("its application or its API is not in the dump")]
    NoEnds,
    /// WSO2's own portals are clients of themselves.
    #[error("it is a client of WSO2's own portals")]
    OwnPortal,
}

/// What becomes of a row, with what of it gets lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// The entry, or why there is none.
    pub outcome: Result<Entry, Reason>,
    /// What of it does not come over.
    pub lost: Vec<(Kind, Reason)>,
}

impl From<Result<Entry, Reason>> for Planned {
    fn from(outcome: Result<Entry, Reason>) -> Self {
        Self { outcome, lost: Vec::new() }
    }
}

/// The name of a user of the primary user store, as WSO2's tables hold it: perhaps with the store before it and the
/// tenant behind it.
fn local_name(name: &str) -> Result<&str, Reason> {
    let name = name.strip_suffix("@carbon.super").unwrap_or(name);
    match name.split_once('/') {
        Some((store, name)) if store.eq_ignore_ascii_case("PRIMARY") => Ok(name),
        Some((store, _)) => Err(Reason::OtherUserStore(store.to_owned())),
        None => Ok(name),
    }
}

/// Whether a table's tenant column names the tenant that comes over; old tables leave it at 0.
fn is_super(tenant: &str) -> bool {
    matches!(tenant, SUPER_TENANT | "" | "0")
}

/// Milliseconds since 1970 of a moment as dumps write them in UTC: `2020-01-31 23:59:59.123`, perhaps with a zone of
/// `+00`.
pub fn moment(text: &str) -> Option<i64> {
    let text = text.trim();
    let (date, rest) = text.split_at_checked(10)?;
    let mut parts = date.splitn(3, '-').map(|part| part.parse::<u16>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    let month = Month::try_from(u8::try_from(month).ok()?).ok()?;
    let date = Date::from_calendar_date(i32::from(year), month, u8::try_from(day).ok()?).ok()?;
    let rest = rest.trim_start_matches([' ', 'T']);
    let rest = rest.strip_suffix("+00:00").or_else(|| rest.strip_suffix("+00")).unwrap_or(rest);
    let rest = rest.strip_suffix('Z').unwrap_or(rest);
    let (clock, fraction) = rest.split_once('.').unwrap_or((rest, ""));
    let mut parts = clock.splitn(3, ':').map(|part| part.parse::<u8>().ok());
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let millis: u16 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    let time = Time::from_hms_milli(hour, minute, second, millis).ok()?;
    let at = PrimitiveDateTime::new(date, time).assume_utc();
    i64::try_from(at.unix_timestamp_nanos() / 1_000_000).ok()
}
