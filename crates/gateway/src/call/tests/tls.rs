//! Upstreams over TLS: whose certificate is believed, and what is told where one is not.

use latchkey_catalog::api::Upgrades;
use latchkey_catalog::upstream::Protocol;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use super::*;

/// An authority that the gateway believes.
struct Authority(Issuer<'static, KeyPair>, CertificateDer<'static>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Self(Issuer::new(params, key), certificate.der().clone())
    }

    fn trust(&self) -> Trust {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.1.clone()).unwrap();
        let config = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let config = Arc::new(config);
        Arc::new(move || Arc::clone(&config))
    }
}

/// A server that says hello with the certificate of `params`, signed by `issuer` or by itself.
async fn secure(params: CertificateParams, issuer: Option<&Authority>, protocol: &[u8]) -> SocketAddr {
    let key = KeyPair::generate().unwrap();
    let certificate = match issuer {
        Some(issuer) => params.signed_by(&key, &issuer.0).unwrap(),
        None => params.self_signed(&key).unwrap(),
    };
    let private = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let chain = vec![certificate.der().clone()];
    let mut config =
        rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(chain, private).unwrap();
    config.alpn_protocols = vec![protocol.to_vec()];
    let (listener, acceptor) =
        (TcpListener::bind(LOOPBACK).await.unwrap(), TlsAcceptor::from(Arc::new(config)));
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(stream) = acceptor.accept(stream).await else { continue };
            if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
                tokio::spawn(http2::hello(stream));
            } else {
                tokio::spawn(say_hello(stream));
            }
        }
    });
    address
}

async fn say_hello(mut stream: impl AsyncReadExt + AsyncWriteExt + Unpin) {
    let mut buffer = [0; 4096];
    while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {
        stream.write_all(HELLO.as_bytes()).await.unwrap();
    }
}

fn named(name: &str) -> CertificateParams {
    CertificateParams::new(vec![name.to_owned()]).unwrap()
}

/// A call over a gateway that believes `authority`: the answer, and the rule of its explanation.
async fn called(port: u16, authority: &Authority, protocol: Protocol) -> (String, String) {
    let url = UpstreamUrl::parse(&format!("https://localhost:{port}")).unwrap();
    let upstream = Upstream { protocol, ..Upstream::at(vec![url]) };
    let routes = Arc::new(Routes::build([upstreams::api(upstream, Upgrades::None)]).0);
    let kept = kept();
    let explanations = Arc::clone(&kept.explanations);
    let upstreams = Upstreams::new(authority.trust());
    let gateway = serve(Gateway::new(Tokens(routes), upstreams, OutboundToken::Remove, kept)).await;
    let answer = exchange(gateway, &get("/echo/1/a", "good")).await;
    let id = answer.lines().find_map(|line| line.strip_prefix("latchkey-explain: "));
    let refusal = id.and_then(|id| explanations.find(id.parse().unwrap()));
    (answer, refusal.map(|refusal| refusal.rule()).unwrap_or_default())
}

#[tokio::test]
async fn a_certificate_of_a_believed_authority_opens_the_way() {
    let authority = Authority::new();
    for (protocol, words) in [(Protocol::Http1, &b"http/1.1"[..]), (Protocol::Http2, b"h2")] {
        let server = secure(named("localhost"), Some(&authority), words).await;
        let (answer, _) = called(server.port(), &authority, protocol).await;
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("hello"), "{answer}");
    }
}

#[tokio::test]
async fn any_other_certificate_is_refused_and_explained() {
    let authority = Authority::new();
    let mut expired = named("localhost");
    expired.not_before = rcgen::date_time_ymd(2000, 1, 1);
    expired.not_after = rcgen::date_time_ymd(2001, 1, 1);
    let of = Some(&authority);
    let cases = [
        (expired, of, "is expired"),
        (named("other.example"), of, "is for another host"),
        (named("localhost"), None, "is self-signed or from an authority"),
        (named("localhost"), Some(&Authority::new()), "is self-signed or from an authority"),
    ];
    for (params, issuer, rule) in cases {
        let server = secure(params, issuer, b"http/1.1").await;
        let (answer, explained) = called(server.port(), &authority, Protocol::Http1).await;
        assert!(answer.starts_with("HTTP/1.1 502 ") && answer.contains("101503"), "{answer}");
        assert!(explained.contains(rule), "{rule}: {explained}");
    }
}

#[tokio::test]
async fn what_speaks_no_tls_or_another_protocol_is_told_too() {
    let authority = Authority::new();
    let (plain, _) = upstream(HELLO, Then::Keeps).await;
    let (answer, explained) = called(plain.port(), &authority, Protocol::Http1).await;
    assert!(answer.contains("101503") && explained.contains("does not speak TLS"), "{answer}{explained}");
    let gone = TcpListener::bind(LOOPBACK).await.unwrap().local_addr().unwrap();
    let (answer, explained) = called(gone.port(), &authority, Protocol::Http1).await;
    assert!(answer.contains("101503") && explained.starts_with("Nobody takes"), "{answer}{explained}");
}
