//! A new connection to an upstream: by TCP, and TLS where the address has it.

use std::io;
use std::time::Duration;

use latchkey_catalog::upstream::{Scheme, UpstreamUrl};
use rustls::CertificateError;
use rustls::pki_types::ServerName;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::line::Stream;
use crate::answer::Fault;
use crate::explain::Cause;

/// Why there is no connection.
pub(super) type NoConnection = (Fault, Option<Cause>);

/// Connects to `address` within `limit`; `tls` is only used where the address has TLS.
pub(super) async fn connect(
    address: &UpstreamUrl,
    limit: Duration,
    tls: impl FnOnce() -> TlsConnector,
) -> Result<Stream, NoConnection> {
    let connected = timeout(limit, open(address, tls)).await;
    connected.unwrap_or(Err((Fault::UpstreamConnectTimeout, None)))
}

async fn open(address: &UpstreamUrl, tls: impl FnOnce() -> TlsConnector) -> Result<Stream, NoConnection> {
    let because = |cause| move |_| (Fault::UpstreamConnect, Some(cause));
    let host = address.host().trim_matches(['[', ']']);
    let found = lookup_host((host, address.port())).await.map_err(because(Cause::UpstreamUnresolved))?;
    let mut stream = Err(Cause::UpstreamUnresolved);
    for place in found {
        stream = TcpStream::connect(place).await.map_err(|_| Cause::UpstreamRefused);
        if stream.is_ok() {
            break;
        }
    }
    let stream = stream.map_err(|cause| (Fault::UpstreamConnect, Some(cause)))?;
    let _ = stream.set_nodelay(true);
    match address.scheme() {
        Scheme::Http => Ok(Stream::Plain(stream)),
        Scheme::Https => {
            let name = ServerName::try_from(host.to_owned());
            let name = name.map_err(|_| (Fault::UpstreamConnect, Some(Cause::UpstreamCertificateName)))?;
            let secure = tls().connect(name, stream).await.map_err(|error| {
                tracing::warn!(upstream = %address, problem = %error, "no TLS with an upstream");
                (Fault::UpstreamConnect, Some(cause_of(&error)))
            })?;
            Ok(Stream::Tls(Box::new(secure)))
        }
    }
}

/// What is wrong with the certificate, or with TLS altogether.
fn cause_of(error: &io::Error) -> Cause {
    let problem = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let Some(rustls::Error::InvalidCertificate(problem)) = problem else {
        return Cause::UpstreamTls;
    };
    if matches!(problem, CertificateError::Expired | CertificateError::ExpiredContext { .. }) {
        Cause::UpstreamCertificateExpired
    } else if matches!(
        problem,
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }
    ) {
        Cause::UpstreamCertificateName
    } else if matches!(problem, CertificateError::UnknownIssuer | CertificateError::BadSignature) {
        Cause::UpstreamCertificateIssuer
    } else {
        Cause::UpstreamTls
    }
}
