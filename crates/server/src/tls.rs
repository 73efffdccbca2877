//! TLS: the configured certificate, or one that Latchkey signs itself on its first start.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use latchkey_gateway::upstream::Trust;
use latchkey_oauth::clock::Timestamp;
use rcgen::{CertificateParams, KeyPair};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{ClientConfig, RootCertStore, ServerConfig};

use crate::config;
use crate::data_directory::{DataDirectory, DataDirectoryError};

#[cfg(test)]
mod tests;

/// Certificate and key of the self-signed pair in the data directory.
const CERTIFICATE: &str = "tls-certificate.pem";
const KEY: &str = "tls-key.pem";
/// How long a self-signed certificate lives: what Apple's clients accept at most.
const LIFE_DAYS: i64 = 825;
/// How long before its end it is replaced, at a start.
const RENEW_DAYS: u64 = 30;
/// The names that a self-signed certificate always has.
const LOCAL_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// Why there is no TLS. The messages name files, never their content.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A configured file cannot be read or holds nothing of its kind.
    #[error("{setting} = \"{}\" is no use: {cause}; it must be a readable PEM file with {expected}", path.display())]
    File {
        /// The setting that names it.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// What it should hold.
        expected: &'static str,
        /// What went wrong.
        cause: String,
    },
    /// Certificate and key do not go together.
    #[error("the certificate {} and its private key cannot be used: {cause}", path.display())]
    Pair {
        /// The certificate's file.
        path: PathBuf,
        /// What the library said.
        cause: rustls::Error,
    },
    /// No certificate could be made.
    #[error("cannot make a certificate for {names}: {cause}")]
    Make {
        /// The names asked for.
        names: String,
        /// What the library said.
        cause: rcgen::Error,
    },
    /// The data directory cannot hold it.
    #[error(transparent)]
    Data(#[from] DataDirectoryError),
}

/// Makes aws-lc-rs the process's TLS library. Call it first; calling it again changes nothing.
pub fn install_provider() {
    let _ = aws_lc_rs::default_provider().install_default();
}

/// The listener's side of TLS 1.2 and 1.3, with HTTP/2 and HTTP/1.1 by ALPN and resumption by stateless
/// tickets. Without a configured certificate it takes the one in `data`, which is made where there is
/// none, or it ends soon, or `host` (the issuer's, where configured) is not among its names.
pub fn server_config(
    settings: &config::Tls,
    data: &DataDirectory,
    host: Option<&str>,
    now: Timestamp,
) -> Result<Arc<ServerConfig>, TlsError> {
    let (certificate, key) = if settings.certificate.is_empty() {
        self_signed(data, host, now)?
    } else {
        (PathBuf::from(&settings.certificate), PathBuf::from(&settings.private_key))
    };
    let chain = chain("tls.certificate", &certificate)?;
    let private = PrivateKeyDer::from_pem_file(&key)
        .map_err(|cause| unusable("tls.private_key", &key, "a private key", cause))?;
    let mut tls = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(|cause| TlsError::Pair { path: certificate, cause })?;
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    if let Ok(ticketer) = aws_lc_rs::Ticketer::new() {
        tls.ticketer = ticketer;
    }
    Ok(Arc::new(tls))
}

/// How upstreams are spoken to: their certificates must come from an authority that the system trusts, or from one
/// in these files. Those of the system are read when they are first needed.
pub fn upstream_trust(files: &[PathBuf]) -> Result<Trust, TlsError> {
    let mut own = Vec::new();
    for file in files {
        own.extend(chain("gateway.upstream_ca_files", file)?);
    }
    let config = OnceLock::new();
    Ok(Arc::new(move || Arc::clone(config.get_or_init(|| client_config(&own)))))
}

fn client_config(own: &[CertificateDer<'static>]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    for problem in found.errors {
        tracing::warn!(%problem, "some of the system's certificate authorities cannot be read");
    }
    let (taken, left_out) =
        roots.add_parsable_certificates(found.certs.into_iter().chain(own.iter().cloned()));
    if taken == 0 {
        tracing::warn!(left_out, "there are no certificate authorities: no upstream over TLS is believed");
    }
    Arc::new(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth())
}

fn chain(setting: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let wrong = |cause: &dyn Display| unusable(setting, path, "certificates", cause);
    let certificates = CertificateDer::pem_file_iter(path).map_err(|cause| wrong(&cause))?;
    let chain = certificates.collect::<Result<Vec<_>, _>>().map_err(|cause| wrong(&cause))?;
    if chain.is_empty() { Err(wrong(&"it holds no certificate")) } else { Ok(chain) }
}

fn unusable(setting: &'static str, path: &Path, expected: &'static str, cause: impl Display) -> TlsError {
    TlsError::File { setting, path: path.into(), expected, cause: cause.to_string() }
}

/// The files of the self-signed pair, made anew where they do not serve.
fn self_signed(
    data: &DataDirectory,
    host: Option<&str>,
    now: Timestamp,
) -> Result<(PathBuf, PathBuf), TlsError> {
    let mut names = LOCAL_NAMES.to_vec();
    names.extend(host.filter(|host| !LOCAL_NAMES.contains(host)));
    let (certificate, key) = (data.file(CERTIFICATE), data.file(KEY));
    if !key.exists() || !serves(&certificate, &names, now) {
        let made = make(&names, now);
        let (certificate, key) = made.map_err(|cause| TlsError::Make { names: names.join(", "), cause })?;
        // The key first: a crash between the two leaves a pair that does not match, and the certificate
        // goes away before it.
        data.discard(CERTIFICATE)?;
        data.replace(KEY, key.as_bytes())?;
        data.replace(CERTIFICATE, certificate.as_bytes())?;
    }
    Ok((certificate, key))
}

fn make(names: &[&str], now: Timestamp) -> Result<(String, String), rcgen::Error> {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name.push(rcgen::DnType::CommonName, "Latchkey, signed by itself");
    let at = |days: i64| {
        time::OffsetDateTime::UNIX_EPOCH
            + time::Duration::seconds(now.plus_seconds(days * 86_400).as_seconds())
    };
    (params.not_before, params.not_after) = (at(-1), at(LIFE_DAYS));
    params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    Ok((certificate.pem(), key.serialize_pem()))
}

/// Whether the certificate in `path` has all `names` and lives for a while yet.
fn serves(path: &Path, names: &[&str], now: Timestamp) -> bool {
    let Ok(chain) = chain("tls.certificate", path) else { return false };
    let mut trust = RootCertStore::empty();
    let (Ok(parsed), Ok(())) = (ParsedCertificate::try_from(&chain[0]), trust.add(chain[0].clone())) else {
        return false;
    };
    let seconds = u64::try_from(now.as_seconds()).unwrap_or(0) + RENEW_DAYS * 86_400;
    let then = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
    let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms.all;
    let lives = verify_server_cert_signed_by_trust_anchor(&parsed, &trust, &[], then, algorithms).is_ok();
    let is_for =
        |name: &str| ServerName::try_from(name).is_ok_and(|name| verify_server_name(&parsed, &name).is_ok());
    lives && names.iter().all(|name| is_for(name))
}
