//! An upstream that speaks HTTP/2, in the clear or over TLS, and records what reaches it.
//!
//! A library reads the headers here, whose compression a check would otherwise have to undo itself; what is said
//! badly on purpose is said by [`crate::frames::Http2::accept`].

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use anyhow::{Context, Result};
use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::{HeaderMap, Request, Response};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio_rustls::TlsAcceptor;

use crate::secure::Certified;

/// A request that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Method and target.
    pub line: String,
    /// `TE`.
    pub te: Option<String>,
    /// Its body.
    pub body: Vec<u8>,
    /// The names and values of its trailers, in order of names.
    pub trailers: Vec<(String, String)>,
}

/// The upstream. It echoes bodies with `grpc-status: 0` behind them; a path that ends with `/reset-N` is answered by
/// a reset with that code.
#[derive(Debug)]
pub struct Http2Upstream {
    address: SocketAddr,
    scheme: &'static str,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Http2Upstream {
    /// Starts one; with a certificate over TLS, which then agrees on the protocol `protocol`.
    pub fn start(certified: Option<(&Certified, &str)>) -> Result<Self> {
        let acceptor = match certified {
            Some((certified, protocol)) => {
                let config = certified.config(&[protocol])?;
                Some(TlsAcceptor::from(config))
            }
            None => None,
        };
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("bind an upstream")?;
        listener.set_nonblocking(true)?;
        let (address, asked) = (listener.local_addr()?, Arc::<Mutex<Vec<Asked>>>::default());
        let scheme = if acceptor.is_some() { "https" } else { "http" };
        let noted = Arc::clone(&asked);
        let runtime = Builder::new_current_thread().enable_all().build()?;
        // It ends with the test's process.
        thread::spawn(move || {
            runtime.block_on(async move {
                let Ok(listener) = TcpListener::from_std(listener) else { return };
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(accept(stream, acceptor.clone(), Arc::clone(&noted)));
                }
            });
        });
        Ok(Self { address, scheme, asked })
    }

    /// Its address as an API's definition has it, under the host name `localhost`.
    pub fn url(&self) -> String {
        format!("{}://localhost:{}/base", self.scheme, self.address.port())
    }

    /// What it was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        lock(&self.asked).clone()
    }
}

fn lock(asked: &Mutex<Vec<Asked>>) -> MutexGuard<'_, Vec<Asked>> {
    asked.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What fails here is what the check wants to see at the gateway.
async fn accept(stream: TcpStream, tls: Option<TlsAcceptor>, asked: Arc<Mutex<Vec<Asked>>>) {
    match tls {
        None => serve(stream, asked).await,
        Some(tls) => {
            if let Ok(stream) = tls.accept(stream).await {
                serve(stream, asked).await;
            }
        }
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, asked: Arc<Mutex<Vec<Asked>>>) {
    let Ok(mut connection) = h2::server::handshake(stream).await else { return };
    while let Some(Ok((request, respond))) = connection.accept().await {
        tokio::spawn(answer(request, respond, Arc::clone(&asked)));
    }
}

async fn answer(
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    asked: Arc<Mutex<Vec<Asked>>>,
) -> Result<()> {
    let (head, mut stream) = request.into_parts();
    let mut body = Vec::new();
    while let Some(part) = stream.data().await {
        let part = part?;
        stream.flow_control().release_capacity(part.len())?;
        body.extend_from_slice(&part);
    }
    let trailers = stream.trailers().await?.unwrap_or_default();
    let mut trailers: Vec<_> = trailers
        .iter()
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect();
    trailers.sort();
    let te = head.headers.get("te").map(|te| String::from_utf8_lossy(te.as_bytes()).into_owned());
    let line = format!("{} {}", head.method, head.uri.path());
    lock(&asked).push(Asked { line, te, body: body.clone(), trailers });
    if let Some((_, code)) = head.uri.path().split_once("/reset-") {
        respond.send_reset(Reason::from(code.parse::<u32>()?));
        return Ok(());
    }
    let answer = Response::builder().header("content-type", "application/grpc").body(())?;
    let mut out = respond.send_response(answer, false)?;
    out.send_data(body.into(), false)?;
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", http::HeaderValue::from_static("0"));
    Ok(out.send_trailers(trailers)?)
}
