//! Calls that become tunnels: `WebSocket` (RFC 6455).

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, UPGRADE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Version};
use http_body_util::{Either, Full};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use latchkey_catalog::api::Upgrades;

use super::Answer;
use crate::route::RoutedApi;
use crate::stream::open::OpenStreams;
use crate::stream::opened::Ended;
use crate::stream::tunnel::{End, run};
use crate::upstream::fleet::Pending;
use crate::upstream::upgrade::Tunnel;

/// What a tunnel goes by.
pub(super) struct Terms {
    /// How long it may be silent.
    pub(super) idle: Duration,
    /// When its call may not be made any more.
    pub(super) ended: Ended,
    /// For what the upstream is told at the end.
    pub(super) mask: [u8; 4],
    /// Where it hears that the gateway ends.
    pub(super) streams: Arc<OpenStreams>,
    /// Its count at the upstream's address.
    pub(super) pending: Option<Pending>,
}

/// The caller's end of the connection, where the call asks for `WebSocket` and the API allows it. Otherwise
/// the wish is dropped, and the call is an ordinary one.
pub(super) fn wanted(api: &RoutedApi, parts: &mut Parts) -> Option<OnUpgrade> {
    let is_allowed = api.api().definition.upgrades == Upgrades::WebSocket;
    let is_asked =
        parts.method == Method::GET && parts.version == Version::HTTP_11 && is_web_socket(&parts.headers);
    if is_allowed && is_asked { parts.extensions.remove() } else { None }
}

fn is_web_socket(headers: &HeaderMap) -> bool {
    let text = headers.get(UPGRADE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    text.split(',').any(|word| word.trim().eq_ignore_ascii_case("websocket"))
}

/// Joins caller and upstream once the caller has this answer, whose headers are those of the upstream's 101.
pub(super) fn join(caller: OnUpgrade, upstream: Box<Tunnel>, mut headers: HeaderMap, terms: Terms) -> Answer {
    tokio::spawn(async move {
        // It fails when the connection ends before it is a tunnel.
        let Ok(caller) = caller.await else { return };
        let Terms { idle, ended, mask, streams, pending } = terms;
        let until = async move {
            tokio::select! {
                why = ended => {
                    tracing::info!(cause = why.as_str(), "a tunnel is cut");
                    End::from(&why.fault)
                }
                () = streams.closing() => End::Closing,
            }
        };
        run((TokioIo::new(caller), upstream), idle, mask, until).await;
        drop(pending);
    });
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    let mut agreed = Response::new(Either::Left(Full::<Bytes>::default()));
    *agreed.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    *agreed.headers_mut() = headers;
    agreed
}
