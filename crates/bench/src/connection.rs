//! A kept connection of a client, over plain TCP.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

/// A request as it is sent, again and again.
pub type Outgoing = Request<Full<Bytes>>;

/// Why nothing came back.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    /// An address that is no `http://HOST:PORT` with a number for a host.
    #[error("{0:?} is not of the form http://127.0.0.1:8280")]
    Address(String),
    /// The connection could not be made.
    #[error("no connection to {0}: {1}")]
    Connect(SocketAddr, std::io::Error),
    /// It broke, or what came was not HTTP.
    #[error("the exchange broke: {0}")]
    Exchange(#[from] hyper::Error),
}

/// Where requests go.
#[derive(Debug, Clone)]
pub struct Target {
    address: SocketAddr,
    protocol: Protocol,
}

/// What is spoken over a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1, one request at a time.
    Http1,
    /// HTTP/2 with prior knowledge.
    Http2,
}

impl Target {
    /// From a URL without a path.
    pub fn parse(url: &str, protocol: Protocol) -> Result<Self, ConnectionError> {
        let address = url.strip_prefix("http://").and_then(|rest| rest.trim_end_matches('/').parse().ok());
        let address = address.ok_or_else(|| ConnectionError::Address(url.to_owned()))?;
        Ok(Self { address, protocol })
    }

    /// What a request for `path` names as its target: in HTTP/2 the authority is part of it.
    pub fn uri(&self, path: &str) -> Result<Uri, http::uri::InvalidUri> {
        match self.protocol {
            Protocol::Http1 => path.parse(),
            Protocol::Http2 => format!("http://{}{path}", self.address).parse(),
        }
    }

    /// The value of the `Host` field; HTTP/2 has it in the target.
    pub fn host(&self) -> Option<String> {
        (self.protocol == Protocol::Http1).then(|| self.address.to_string())
    }

    /// Opens a connection; its upkeep runs as a task of the runtime.
    pub async fn connect(&self) -> Result<Connection, ConnectionError> {
        let failed = |error| ConnectionError::Connect(self.address, error);
        let stream = TcpStream::connect(self.address).await.map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        let stream = TokioIo::new(stream);
        Ok(match self.protocol {
            Protocol::Http1 => {
                let (sender, upkeep) = http1::handshake(stream).await?;
                tokio::spawn(upkeep);
                Connection::Http1(sender)
            }
            Protocol::Http2 => {
                let (sender, upkeep) = http2::handshake(TokioExecutor::new(), stream).await?;
                tokio::spawn(upkeep);
                Connection::Http2(sender)
            }
        })
    }
}

/// An open connection. Of HTTP/2 it is one of several users, and a clone is another.
#[derive(Debug)]
pub enum Connection {
    /// HTTP/1.1.
    Http1(http1::SendRequest<Full<Bytes>>),
    /// HTTP/2.
    Http2(http2::SendRequest<Full<Bytes>>),
}

impl Connection {
    /// Another user of the same connection; none where it carries one request at a time.
    pub fn share(&self) -> Option<Self> {
        match self {
            Self::Http1(_) => None,
            Self::Http2(sender) => Some(Self::Http2(sender.clone())),
        }
    }

    /// Sends a request and waits for the whole answer.
    pub async fn send(&mut self, request: Outgoing) -> Result<(StatusCode, Bytes), ConnectionError> {
        let response = match self {
            Self::Http1(sender) => {
                sender.ready().await?;
                sender.send_request(request).await?
            }
            Self::Http2(sender) => {
                sender.ready().await?;
                sender.send_request(request).await?
            }
        };
        let status = response.status();
        let body = response.into_body().collect().await?;
        Ok((status, body.to_bytes()))
    }
}
