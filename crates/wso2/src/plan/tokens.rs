//! Live tokens.

use latchkey_oauth::generator::is_usable;
use latchkey_oauth::minted_value::digest_of;
use latchkey_oauth::scope::Scope;
use latchkey_oauth::secret::Secret;
use serde::Deserialize;
use uuid::Uuid;

use super::{Planned, Reason, is_super, local_name, moment};
use crate::entry::{Entry, Kept, Kind, RefreshEntry, TokenBinding, TokenEntry};
use crate::rows::TokenRow;

/// The longest `tokenBindingId`, in bytes.
const MAX_BINDING: usize = 128;

/// What WSO2 writes for a hashed value.
#[derive(Deserialize)]
struct Hashed {
    hash: String,
    algorithm: String,
}

/// What can be known of a credential from its column and from the column of its hash.
///
/// Where the two agree the column holds the text itself; where they do not it is encrypted, and the hash says enough to
/// recognise it.
pub fn kept(value: &Secret, hash: &str) -> Result<Option<Kept>, Reason> {
    let text = value.expose();
    let hashed = match read_hash(hash)? {
        Some(digest) => Some(digest),
        None => read_hash(text)?,
    };
    Ok(match hashed {
        Some(digest) if !text.is_empty() && digest_of(value) == digest => Some(Kept::Plain(value.clone())),
        Some(digest) => Some(Kept::Digest(digest)),
        None if text.is_empty() => None,
        None => Some(Kept::Plain(value.clone())),
    })
}

/// The SHA-256 in `{"hash":"…","algorithm":"SHA-256"}`; none: the text is something else.
fn read_hash(text: &str) -> Result<Option<[u8; 32]>, Reason> {
    if !text.starts_with('{') {
        return Ok(None);
    }
    let Ok(Hashed { hash, algorithm }) = serde_json::from_str(text) else { return Ok(None) };
    if algorithm != "SHA-256" || hash.len() != 64 {
        return Err(Reason::Unreadable);
    }
    let mut digest = [0; 32];
    for (byte, pair) in digest.iter_mut().zip(hash.as_bytes().as_chunks::<2>().0) {
        let pair = std::str::from_utf8(pair).map_err(|_| Reason::Unreadable)?;
        *byte = u8::from_str_radix(pair, 16).map_err(|_| Reason::Unreadable)?;
    }
    Ok(Some(digest))
}

/// Whether `state` is WSO2's word for a token that may be valid.
pub fn is_active(state: &str) -> bool {
    state == "ACTIVE"
}

/// What becomes of a token at `now`, in milliseconds.
pub fn token(row: &TokenRow, now: i64) -> Planned {
    let mut lost = Vec::new();
    let outcome = live(row, now, &mut lost).map(|token| Entry::Token(Box::new(token)));
    if outcome.is_err() {
        lost.clear();
    }
    Planned { outcome, lost }
}

fn live(row: &TokenRow, now: i64, lost: &mut Vec<(Kind, Reason)>) -> Result<TokenEntry, Reason> {
    if !is_active(&row.state) {
        let known = ["EXPIRED", "REVOKED", "INACTIVE"].contains(&row.state.as_str());
        return Err(Reason::State(if known { row.state.clone() } else { "unknown".to_owned() }));
    }
    if !is_super(&row.tenant) {
        return Err(Reason::OtherTenant);
    }
    let client_id = row.client_id.clone().ok_or(Reason::NoClient)?;
    let user = subject(row)?;
    let scopes: Vec<&str> = row.scopes.iter().map(String::as_str).collect();
    let scope = Scope::parse(&scopes.join(" ")).map_err(Reason::Scope)?;
    let issued_at = moment(&row.created).ok_or(Reason::Malformed("time of issue"))?;
    let expires_at = ends(issued_at, &row.validity)?;
    let access = access(row)?;
    let is_valid = |end: Option<i64>| end.is_none_or(|end| end > now);
    let refresh = if user.is_some() { refresh(row, issued_at)? } else { None };
    let refresh = refresh.filter(|refresh| is_valid(refresh.expires_at));
    let is_signed = access.is_none();
    let access = access.filter(|_| is_valid(expires_at));
    match (&access, &refresh) {
        (None, None) if is_signed && is_valid(expires_at) => return Err(Reason::Signed),
        (None, None) => return Err(Reason::Expired),
        (None, Some(_)) if is_signed => lost.push((Kind::Tokens, Reason::SignedButRefreshed)),
        (None, Some(_)) | (Some(_), _) => {}
    }
    let expires_at = if access.is_some() { expires_at } else { Some(issued_at) };
    let binding = binding(row);
    Ok(TokenEntry {
        client_id,
        user,
        scope: scope.to_string(),
        binding,
        access,
        issued_at,
        expires_at,
        refresh,
    })
}

/// The user of a row; none: it is the application's own.
fn subject(row: &TokenRow) -> Result<Option<String>, Reason> {
    if row.user_type == "APPLICATION" {
        return Ok(None);
    }
    if !row.domain.is_empty() && !row.domain.eq_ignore_ascii_case("PRIMARY") {
        return Err(Reason::OtherUserStore(row.domain.clone()));
    }
    local_name(&row.user).map(|name| Some(name.to_owned()))
}

/// The access token, unless it is signed: its column holds the id of the signed one then, which is no credential and
/// must never become one. WSO2's opaque values are UUIDs of version 3, the ids of version 4.
fn access(row: &TokenRow) -> Result<Option<Kept>, Reason> {
    let is_id = |text: &str| Uuid::try_parse(text).is_ok_and(|uuid| uuid.get_version_num() == 4);
    Ok(match kept(&row.access, &row.access_hash)? {
        _ if row.token_type.eq_ignore_ascii_case("JWT") => None,
        // Of a digest nothing tells which of the two it is of.
        Some(Kept::Digest(_)) if row.token_type.is_empty() => None,
        Some(Kept::Plain(value)) if is_id(value.expose()) || value.expose().matches('.').count() == 2 => None,
        Some(Kept::Plain(value)) if !is_usable(value.expose()) => {
            return Err(Reason::Malformed("access token"));
        }
        Some(value) => Some(value),
        None => return Err(Reason::Malformed("access token")),
    })
}

fn refresh(row: &TokenRow, issued_at: i64) -> Result<Option<RefreshEntry>, Reason> {
    let Some(value) = kept(&row.refresh, &row.refresh_hash)? else { return Ok(None) };
    if matches!(&value, Kept::Plain(text) if !is_usable(text.expose())) {
        return Ok(None);
    }
    let issued_at = moment(&row.refresh_created).unwrap_or(issued_at);
    let expires_at = ends(issued_at, &row.refresh_validity)?;
    Ok(Some(RefreshEntry { value, issued_at, expires_at }))
}

/// When something ends that was issued then and lives so many milliseconds; negative is for ever.
fn ends(issued_at: i64, validity: &str) -> Result<Option<i64>, Reason> {
    let validity: i64 = validity.parse().map_err(|_| Reason::Malformed("validity period"))?;
    Ok(issued_at.checked_add(validity).filter(|_| (0..i64::MAX / 2).contains(&validity)))
}

fn binding(row: &TokenRow) -> TokenBinding {
    let is_fit = |value: &str| {
        (1..=MAX_BINDING).contains(&value.len()) && value.bytes().all(|byte| (0x21..=0x7e).contains(&byte))
    };
    match &row.binding {
        Some((kind, value)) if kind == "client-request" && is_fit(value) => {
            return TokenBinding::Client(value.clone());
        }
        Some(_) | None => {}
    }
    if matches!(row.binding_ref.as_str(), "" | "NONE") {
        return TokenBinding::None;
    }
    let digest = digest_of(&Secret::new(row.binding_ref.as_str()));
    TokenBinding::Other(*digest.first_chunk().expect("32 bytes are more than 16"))
}
