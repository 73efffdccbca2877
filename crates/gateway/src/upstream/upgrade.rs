//! A call that asks for the connection itself: over one of its own, which nobody used before or will after.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Buf, BytesMut};
use http::header::SEC_WEBSOCKET_ACCEPT;
use http::{Response, StatusCode};
use hyper::body::Incoming;
use latchkey_catalog::upstream::UpstreamUrl;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::answer_head::Asked;
use super::dispatch::{Answered, Failed};
use super::exchange::Exchange;
use super::line::{Line, Stream};
use super::retry::Reached;
use super::upload::Upload;
use super::{Outgoing, Place, Upstreams, answer, failed};
use crate::answer::Fault;

/// The upstream's end of a tunnel: what came behind its 101 comes first.
#[derive(Debug)]
pub struct Tunnel {
    stream: Stream,
    incoming: BytesMut,
}

impl Upstreams {
    /// Sends a call that asks for `WebSocket` and waits for the head of the answer. A 101 that does not accept the
    /// wish (RFC 6455 section 4.2.2) is none.
    pub(super) async fn upgrade(
        &self,
        address: &UpstreamUrl,
        outgoing: &Outgoing<'_>,
        body: Incoming,
    ) -> Result<Response<Answered>, Failed> {
        let mut line = match self.open(address, outgoing.timeouts).await {
            Ok(line) => line,
            Err(no_connection) => return Err(Failed::before(no_connection, Some(body))),
        };
        let upload = Upload::new(body, Vec::new());
        outgoing.write(address, upload.sent, &mut line.outgoing).map_err(Failed::by_caller)?;
        let exchange = Exchange::new(line, upload, Asked::Whole, (outgoing.timeouts, Instant::now()));
        let (head, exchange) = exchange.head().await.map_err(failed)?;
        if head.status != StatusCode::SWITCHING_PROTOCOLS {
            let nowhere = Arc::<Place>::default();
            return Ok(answer(head, exchange, &nowhere, outgoing.timeouts).map(Answered::Http1));
        }
        if !head.headers.contains_key(SEC_WEBSOCKET_ACCEPT) {
            return Err(Failed::new(Fault::UpstreamProtocol, Reached::Answer));
        }
        let mut agreed = Response::new(Answered::Tunnel(Box::new(Tunnel::over(*exchange.line))));
        (*agreed.status_mut(), *agreed.headers_mut()) = (head.status, head.headers);
        Ok(agreed)
    }
}

impl Tunnel {
    fn over(line: Line) -> Self {
        let (stream, incoming) = line.into_parts();
        Self { stream, incoming }
    }
}

impl AsyncRead for Tunnel {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.incoming.is_empty() {
            return Pin::new(&mut this.stream).poll_read(context, buffer);
        }
        let now = this.incoming.len().min(buffer.remaining());
        buffer.put_slice(&this.incoming[..now]);
        this.incoming.advance(now);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Tunnel {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}
