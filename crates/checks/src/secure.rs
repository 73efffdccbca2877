//! Upstreams over TLS, with whatever certificate a check wants.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::{Context, Result};
use rcgen::{BasicConstraints, Certificate, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::wire::PATIENCE;

/// The answer to every request.
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";

/// An authority that signs certificates.
#[derive(Debug)]
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: Certificate,
}

impl Authority {
    /// A new one, which nobody believes.
    pub fn new() -> Result<Self> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?;
        Ok(Self { issuer: Issuer::new(params, key), certificate })
    }

    /// Its certificate, PEM.
    pub fn pem(&self) -> String {
        self.certificate.pem()
    }
}

/// A certificate for the host `name` that holds from now on.
pub fn named(name: &str) -> Result<CertificateParams> {
    Ok(CertificateParams::new(vec![name.to_owned()])?)
}

/// A certificate for the host `name` that has expired.
pub fn expired(name: &str) -> Result<CertificateParams> {
    let mut params = named(name)?;
    params.not_before = rcgen::date_time_ymd(2000, 1, 1);
    params.not_after = rcgen::date_time_ymd(2001, 1, 1);
    Ok(params)
}

/// A certificate with its key.
#[derive(Debug)]
pub struct Certified {
    certificate: Certificate,
    key: KeyPair,
}

impl Certified {
    /// The certificate of `params`, signed by `issuer`, or by itself.
    pub fn new(params: &CertificateParams, issuer: Option<&Authority>) -> Result<Self> {
        let key = KeyPair::generate()?;
        let certificate = match issuer {
            Some(authority) => params.signed_by(&key, &authority.issuer)?,
            None => params.self_signed(&key)?,
        };
        Ok(Self { certificate, key })
    }

    /// TLS of a server with it, which agrees on one of `protocols`.
    pub fn config(&self, protocols: &[&str]) -> Result<Arc<ServerConfig>> {
        let private = PrivateKeyDer::try_from(self.key.serialize_der()).map_err(anyhow::Error::msg)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let chain = vec![self.certificate.der().clone()];
        let mut config = config.with_no_client_auth().with_single_cert(chain, private)?;
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        Ok(Arc::new(config))
    }
}

/// An upstream that counts what it is asked, and answers all of it alike.
#[derive(Debug)]
pub struct SecureUpstream {
    address: SocketAddr,
    requests: Arc<AtomicUsize>,
}

impl SecureUpstream {
    /// Starts one with the certificate of `params`, signed by `issuer`, or by itself.
    pub fn start(params: &CertificateParams, issuer: Option<&Authority>) -> Result<Self> {
        let config = Certified::new(params, issuer)?.config(&[])?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("bind an upstream")?;
        let (address, requests) = (listener.local_addr()?, Arc::<AtomicUsize>::default());
        let counted = Arc::clone(&requests);
        // It ends with the test's process.
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (config, counted) = (Arc::clone(&config), Arc::clone(&counted));
                // What fails here is what the check wants to see at the gateway.
                thread::spawn(move || answer(stream, config, &counted));
            }
        });
        Ok(Self { address, requests })
    }

    /// Its address under the host name `localhost`.
    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.address.port())
    }

    /// How many requests came so far, in full or in part.
    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

fn answer(stream: TcpStream, config: Arc<ServerConfig>, requests: &AtomicUsize) -> Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut stream = StreamOwned::new(ServerConnection::new(config)?, stream);
    let mut head = Vec::new();
    let mut part = [0; 4096];
    while !head.ends_with(b"\r\n\r\n") {
        let read = stream.read(&mut part)?;
        if read == 0 {
            return Ok(());
        }
        if head.is_empty() {
            requests.fetch_add(1, Ordering::SeqCst);
        }
        head.extend_from_slice(&part[..read]);
    }
    stream.write_all(ANSWER)?;
    stream.conn.send_close_notify();
    Ok(stream.flush()?)
}
