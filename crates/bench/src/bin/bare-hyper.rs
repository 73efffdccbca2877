//! A hyper server that answers every request with one fixed 200 JSON reply: the yardstick for what a
//! request costs before anything OAuth happens.
//!
//! It has the outer shape of the token server (one listener, a runtime of `--threads` workers, one task
//! per connection, HTTP/1.1 keep-alive, `TCP_NODELAY`) and nothing inside, so that the CPU of an
//! introspection divided by the CPU of this reply is the price of the token core. A request body, where
//! there is one, is read and dropped. Prints `ready ADDRESS` once it accepts.

use std::convert::Infallible;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use clap::Parser;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, PRAGMA};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Connections served at once; one more waits in the backlog of the listener.
const MAX_CONNECTIONS: usize = 4096;

/// The size and headers of a small introspection answer (RFC 7662 section 2.2).
const REPLY: &str = concat!(
    r#"{"active":true,"client_id":"0123456789abcdef0123456789abcdef","sub":"alice","scope":"read","#,
    r#""token_type":"Bearer","exp":1790000000,"iat":1789996400,"iss":"http://127.0.0.1/oauth2/token"}"#,
);

#[derive(Debug, Parser)]
#[command(about = "Answers every HTTP request with one fixed JSON reply")]
struct Arguments {
    /// Address to listen on; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Worker threads of the runtime; 1 means one thread in all.
    #[arg(long, default_value_t = 2)]
    threads: usize,
}

fn main() -> io::Result<()> {
    let arguments = Arguments::parse();
    let mut runtime = if arguments.threads == 1 {
        tokio::runtime::Builder::new_current_thread()
    } else {
        tokio::runtime::Builder::new_multi_thread()
    };
    runtime.worker_threads(arguments.threads.max(1)).enable_io().build()?.block_on(serve(arguments.listen))
}

/// Accepts until the process is ended by a signal.
async fn serve(listen: SocketAddr) -> io::Result<()> {
    let listener = TcpListener::bind(listen).await?;
    writeln!(io::stdout(), "ready {}", listener.local_addr()?)?;
    let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let permit = Arc::clone(&permits).acquire_owned().await.expect("the semaphore is never closed");
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(converse(stream, permit));
    }
}

/// Serves one connection; a client that hangs up half-way is no error of ours.
async fn converse(stream: TcpStream, permit: OwnedSemaphorePermit) {
    let _ended = http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(reply)).await;
    drop(permit);
}

async fn reply(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    if !request.body().is_end_stream() {
        let _dropped = request.into_body().collect().await;
    }
    let mut response = Response::new(Full::new(Bytes::from_static(REPLY.as_bytes())));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    Ok(response)
}
