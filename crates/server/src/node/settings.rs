//! What a node must be told before it starts.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use http::uri::Scheme;
use http::{HeaderValue, Uri};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use zeroize::Zeroizing;

use super::link::{Link, Way};
use crate::config;
use crate::serve::ServeError;

/// The way to the server, as configured.
pub(super) fn link(settings: &config::Gateway) -> Result<Link, ServeError> {
    let (authority, way) = way(settings)?;
    Ok(Link::new(authority, way, secret(&settings.node_secret_file)?))
}

fn wrong(key: &str, value: &str, problem: &str) -> ServeError {
    ServeError::Setting(format!("gateway.{key} = \"{value}\": {problem}"))
}

fn way(settings: &config::Gateway) -> Result<(String, Way), ServeError> {
    let text = &settings.server;
    let wrong = |problem: &str| wrong("server", text, problem);
    let advice = "it must be the URL of the server without a path, such as \"https://id.example.com:9443\"";
    let uri: Uri = text.parse().map_err(|_| wrong(advice))?;
    let (Some(scheme), Some(host)) = (uri.scheme(), uri.host()) else { return Err(wrong(advice)) };
    if !matches!(uri.path(), "" | "/") || uri.query().is_some() || text.contains('@') {
        return Err(wrong(advice));
    }
    let name = host.trim_start_matches('[').trim_end_matches(']');
    if *scheme == Scheme::HTTP {
        let is_loopback = name == "localhost"
            || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
        if !is_loopback {
            return Err(wrong(
                "plain HTTP would show tokens to the network; use https, or a loopback address",
            ));
        }
        return Ok((format!("{host}:{}", uri.port_u16().unwrap_or(80)), Way::Clear));
    }
    if *scheme != Scheme::HTTPS {
        return Err(wrong(advice));
    }
    let name = ServerName::try_from(name.to_owned()).map_err(|_| wrong(advice))?;
    let tls = Arc::new(tls(&settings.server_ca)?);
    Ok((format!("{host}:{}", uri.port_u16().unwrap_or(443)), Way::Tls(tls, name)))
}

fn tls(authorities: &str) -> Result<ClientConfig, ServeError> {
    let mut roots = RootCertStore::empty();
    if authorities.is_empty() {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    } else {
        let wrong = |problem: String| wrong("server_ca", authorities, &problem);
        let unreadable = |error| wrong(format!("it must be a PEM file of certificates: {error}"));
        for certificate in CertificateDer::pem_file_iter(authorities).map_err(unreadable)? {
            roots.add(certificate.map_err(unreadable)?).map_err(|error| wrong(error.to_string()))?;
        }
    }
    if roots.is_empty() {
        let problem = "there is no certificate authority to believe; name the server's, PEM";
        return Err(wrong("server_ca", authorities, problem));
    }
    let mut tls = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    tls.alpn_protocols = vec![b"h2".to_vec()];
    Ok(tls)
}

/// The header that shows the server who asks.
fn secret(file: &str) -> Result<HeaderValue, ServeError> {
    let wrong = |problem: &str| wrong("node_secret_file", file, problem);
    if file.is_empty() {
        return Err(wrong("it must name the file of the secret that `latchkey node create` printed"));
    }
    let path = Path::new(file);
    let text = fs::read_to_string(path).map(Zeroizing::new);
    let text = text.map_err(|error| wrong(&format!("it cannot be read: {error}")))?;
    let mode = fs::metadata(path).map_or(0, |found| found.permissions().mode());
    if mode & 0o077 != 0 {
        return Err(wrong(&format!("others can read it; run: chmod 600 {file}")));
    }
    let header = Zeroizing::new(format!("Bearer {}", text.trim()));
    let header = HeaderValue::from_str(&header).ok().filter(|_| !text.trim().is_empty());
    let mut header = header.ok_or_else(|| wrong("it must hold the secret, one line, and nothing else"))?;
    header.set_sensitive(true);
    Ok(header)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::OpenOptionsExt;

    use super::*;
    use crate::testing::config;

    fn secret_file(mode: u32, content: &str) -> tempfile::TempDir {
        let home = tempfile::tempdir().unwrap();
        let options = &mut fs::OpenOptions::new();
        let file = options.write(true).create_new(true).mode(mode).open(home.path().join("secret"));
        std::io::Write::write_all(&mut file.unwrap(), content.as_bytes()).unwrap();
        home
    }

    fn problem(home: &tempfile::TempDir, server: &str, more: &[&str]) -> String {
        let own = [
            format!("gateway.server={server}"),
            format!("gateway.node_secret_file={}", home.path().join("secret").display()),
        ];
        let all: Vec<&str> = own.iter().map(String::as_str).chain(more.iter().copied()).collect();
        match link(&config(&all).gateway) {
            Ok(found) => format!("{found:?}"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_server_is_named_by_its_url() {
        tls_provider();
        let home = secret_file(0o600, "lkn_abc\n");
        assert_eq!(problem(&home, "http://127.0.0.1:9443", &[]), "Link(127.0.0.1:9443)");
        assert_eq!(problem(&home, "http://[::1]:9443/", &[]), "Link([::1]:9443)");
        for wrong in
            ["", "id.example.com", "https://", "https://id.example.com/path", "https://a@b", "ftp://a"]
        {
            assert!(problem(&home, wrong, &[]).contains("gateway.server = "), "{wrong}");
        }
        assert!(problem(&home, "http://id.example.com", &[]).contains("plain HTTP would show tokens"));
        let no_file = problem(&home, "https://id.example.com", &["gateway.server_ca=/nonexistent.pem"]);
        assert!(no_file.contains("gateway.server_ca"), "{no_file}");
    }

    fn tls_provider() {
        crate::tls::install_provider();
    }

    #[test]
    fn the_secret_is_kept_from_others_and_from_messages() {
        let server = "http://127.0.0.1:9443";
        let exposed = problem(&secret_file(0o644, "lkn_abc"), server, &[]);
        assert!(exposed.contains("chmod 600"), "{exposed}");
        for content in ["", " \n", "lkn_abc\nlkn_def"] {
            let said = problem(&secret_file(0o600, content), server, &[]);
            assert!(said.contains("it must hold the secret") && !said.contains("lkn_abc"), "{said}");
        }
        let missing = problem(&tempfile::tempdir().unwrap(), server, &[]);
        assert!(missing.contains("cannot be read"), "{missing}");
    }
}
