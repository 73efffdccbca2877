//! The connection to the server: one, over HTTP/2, made again when it is lost.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// The largest answer that is read, in bytes: a snapshot of many APIs.
const LARGEST: usize = 256 * 1024 * 1024;

/// How the server is reached.
#[derive(Debug, Clone)]
pub(super) enum Way {
    /// In the clear, on this machine.
    Clear,
    /// Over TLS, with the name that its certificate must have.
    Tls(Arc<ClientConfig>, ServerName<'static>),
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum LinkError {
    /// There is no connection, or it was lost.
    #[error("the server cannot be reached: {0}")]
    Unreachable(String),
    /// Nothing came in time.
    #[error("the server does not answer in time")]
    TooSlow,
    /// The server knows no node with this secret.
    #[error(
        "the server does not know this node: gateway.node_secret_file must hold what `latchkey node create` \
         printed there"
    )]
    Stranger,
    /// It answered something else than it was asked for.
    #[error("the server answered {0}")]
    Status(StatusCode),
    /// Its answer makes no sense.
    #[error("the server's answer cannot be read: {0}")]
    Senseless(String),
}

/// A question.
#[derive(Debug)]
pub(super) struct Ask<'a, Q> {
    /// Where.
    pub(super) path: &'a str,
    /// What, where it is not the place alone that asks.
    pub(super) question: Option<&'a Q>,
    /// How long the answer may take.
    pub(super) patience: Duration,
}

/// The link to one server.
pub(super) struct Link {
    authority: String,
    way: Way,
    secret: HeaderValue,
    /// The connection, held while it is made.
    connection: Mutex<Option<SendRequest<Full<Bytes>>>>,
}

impl fmt::Debug for Link {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Link({})", self.authority)
    }
}

impl Link {
    /// To `authority`, host and port, with the header that shows who asks.
    pub(super) fn new(authority: String, way: Way, secret: HeaderValue) -> Self {
        Self { authority, way, secret, connection: Mutex::default() }
    }

    /// Asks, and reads the answer.
    pub(super) async fn ask<Q, A>(&self, ask: Ask<'_, Q>) -> Result<A, LinkError>
    where
        Q: Serialize,
        A: DeserializeOwned,
    {
        let request = self.request(&ask)?;
        let exchange = async {
            let mut connection = self.connection().await?;
            let unreachable = |error: hyper::Error| LinkError::Unreachable(error.to_string());
            connection.ready().await.map_err(unreachable)?;
            let answer = connection.send_request(request).await.map_err(unreachable)?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), LARGEST).collect().await;
            let body = body.map_err(|error| LinkError::Unreachable(error.to_string()))?.to_bytes();
            Ok((status, body))
        };
        let (status, body) = timeout(ask.patience, exchange).await.map_err(|_| LinkError::TooSlow)??;
        match status {
            // The parser's words could quote the answer, whose text is nothing secret but long.
            StatusCode::OK => serde_json::from_slice(&body).map_err(|error| {
                LinkError::Senseless(format!("line {}, column {}", error.line(), error.column()))
            }),
            StatusCode::UNAUTHORIZED => Err(LinkError::Stranger),
            other => Err(LinkError::Status(other)),
        }
    }

    /// Gives the connection up: whoever asks next makes another.
    pub(super) async fn hang_up(&self) {
        *self.connection.lock().await = None;
    }

    fn request<Q: Serialize>(&self, ask: &Ask<'_, Q>) -> Result<Request<Full<Bytes>>, LinkError> {
        let scheme = if matches!(self.way, Way::Clear) { "http" } else { "https" };
        let body =
            ask.question.map(|question| serde_json::to_vec(question).expect("questions are plain data"));
        Request::builder()
            .method(if body.is_some() { Method::POST } else { Method::GET })
            .uri(format!("{scheme}://{}{}", self.authority, ask.path))
            .header(AUTHORIZATION, self.secret.clone())
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(body.unwrap_or_default().into()))
            .map_err(|error| LinkError::Unreachable(error.to_string()))
    }

    async fn connection(&self) -> Result<SendRequest<Full<Bytes>>, LinkError> {
        let mut held = self.connection.lock().await;
        if let Some(connection) = held.as_ref().filter(|connection| !connection.is_closed()) {
            return Ok(connection.clone());
        }
        let connection = self.connect().await.map_err(|error| LinkError::Unreachable(error.to_string()))?;
        *held = Some(connection.clone());
        Ok(connection)
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, std::io::Error> {
        let stream = TcpStream::connect(&self.authority).await?;
        stream.set_nodelay(true)?;
        match &self.way {
            Way::Clear => speak(stream).await,
            Way::Tls(tls, name) => {
                let connector = TlsConnector::from(Arc::clone(tls));
                speak(connector.connect(name.clone(), stream).await?).await
            }
        }
    }
}

async fn speak(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) -> Result<SendRequest<Full<Bytes>>, std::io::Error> {
    let shaken = handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
    let (connection, driver) = shaken.map_err(std::io::Error::other)?;
    // It ends with the connection; whoever asks then learns of it.
    tokio::spawn(async move {
        let _ = driver.await;
    });
    Ok(connection)
}
