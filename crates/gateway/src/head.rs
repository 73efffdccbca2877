//! What the head of a request must look like before anything else is read from it.
//!
//! The HTTP library has parsed it; this refuses what it lets through, and what the next server could frame
//! or address in another way.

use http::header::{CONTENT_LENGTH, EXPECT, HOST, TRANSFER_ENCODING, UPGRADE};
use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, Version};

use crate::answer::RequestFault;

/// Checks the head of a request, and gives the host that it names.
///
/// One host: `Host` exactly once in HTTP/1, the same as the target's where that has one (RFC 9112 section
/// 3.2, RFC 9113 section 8.3.1). One length. No method that makes a tunnel or an echo.
pub fn check(
    method: &Method,
    target: &Uri,
    version: Version,
    headers: &HeaderMap,
) -> Result<HeaderValue, RequestFault> {
    if *method == Method::CONNECT || *method == Method::TRACE {
        return Err(RequestFault::Method);
    }
    check_framing(version, headers)?;
    let expects_more = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"100-continue");
    if !headers.get_all(EXPECT).iter().all(expects_more) {
        return Err(RequestFault::Expectation);
    }
    host(target, version, headers)
}

fn check_framing(version: Version, headers: &HeaderMap) -> Result<(), RequestFault> {
    let length = single(headers, &CONTENT_LENGTH, RequestFault::Framing)?;
    let coding = single(headers, &TRANSFER_ENCODING, RequestFault::TransferCoding)?;
    if let Some(coding) = coding {
        if length.is_some() || version != Version::HTTP_11 {
            return Err(RequestFault::Framing);
        }
        if !coding.as_bytes().eq_ignore_ascii_case(b"chunked") {
            return Err(RequestFault::TransferCoding);
        }
    }
    let has_body = coding.is_some() || length.is_some_and(|length| length.as_bytes() != b"0");
    if has_body && headers.contains_key(UPGRADE) {
        return Err(RequestFault::Upgrade);
    }
    Ok(())
}

/// The value of a header that may stand once; `fault` when it stands more often.
fn single<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
    fault: RequestFault,
) -> Result<Option<&'a HeaderValue>, RequestFault> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() { Err(fault) } else { Ok(first) }
}

fn host(target: &Uri, version: Version, headers: &HeaderMap) -> Result<HeaderValue, RequestFault> {
    let named = single(headers, &HOST, RequestFault::Host)?;
    let host = match (target.authority(), named) {
        (None, Some(host)) => host.clone(),
        (Some(authority), Some(host)) if is_same(authority, host) => host.clone(),
        (Some(authority), None) if version == Version::HTTP_2 => {
            HeaderValue::from_str(authority.as_str()).map_err(|_| RequestFault::Host)?
        }
        (None | Some(_), None | Some(_)) => return Err(RequestFault::Host),
    };
    if is_host(&host) { Ok(host) } else { Err(RequestFault::Host) }
}

fn is_same(authority: &Authority, host: &HeaderValue) -> bool {
    authority.as_str().as_bytes().eq_ignore_ascii_case(host.as_bytes())
}

/// A host with perhaps a port: no user, nothing that could stand for a path, at most 255 bytes.
fn is_host(host: &HeaderValue) -> bool {
    let bytes = host.as_bytes();
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    let digits = bytes.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let name = match bytes[..bytes.len() - digits].strip_suffix(b":") {
        Some(name) if (1..6).contains(&digits) => name,
        _ => bytes,
    };
    if !name.is_empty() && bytes.len() <= 255 && name.iter().all(is_plain) {
        // What most callers send needs no parser.
        return true;
    }
    let allowed = |byte: &u8| is_plain(byte) || b"_:[]".contains(byte);
    let parsed = Authority::try_from(bytes).ok().filter(|authority| !authority.host().is_empty());
    bytes.len() <= 255 && bytes.iter().all(allowed) && parsed.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks a head written as `METHOD target version` and headers.
    fn checked(line: &str, sent: &[&str]) -> Result<String, RequestFault> {
        let words: Vec<&str> = line.split(' ').collect();
        let version = match words[2] {
            "1.0" => Version::HTTP_10,
            "2" => Version::HTTP_2,
            _ => Version::HTTP_11,
        };
        let mut headers = HeaderMap::new();
        for line in sent {
            let (name, value) = line.split_once(": ").unwrap();
            headers.append(
                HeaderName::from_bytes(name.as_bytes()).unwrap(),
                HeaderValue::from_str(value).unwrap(),
            );
        }
        let method = Method::from_bytes(words[0].as_bytes()).unwrap();
        let host = check(&method, &words[1].parse().unwrap(), version, &headers)?;
        Ok(host.to_str().unwrap().to_owned())
    }

    #[test]
    fn a_head_names_its_host_once() {
        let good = [
            ("GET /a 1.1", vec!["host: a.example"], "a.example"),
            ("GET /a 1.1", vec!["host: a.example:8243"], "a.example:8243"),
            ("GET /a 1.0", vec!["host: [::1]:8280"], "[::1]:8280"),
            ("GET http://A.example/a 1.1", vec!["host: a.example"], "a.example"),
            ("GET https://a.example/a 2", vec![], "a.example"),
            ("GET https://a.example/a 2", vec!["host: a.example"], "a.example"),
        ];
        for (line, sent, host) in good {
            assert_eq!(checked(line, &sent), Ok(host.to_owned()), "{line} {sent:?}");
        }
        let bad: [(&str, &[&str]); 13] = [
            ("GET /a 1.1", &[]),
            ("GET /a 1.0", &[]),
            ("GET /a 1.1", &["host: a", "host: a"]),
            ("GET /a 1.1", &["host: a", "host: b"]),
            ("GET http://b/a 1.1", &["host: a"]),
            ("GET http://a/a 1.1", &[]),
            ("GET https://b/a 2", &["host: a"]),
            ("GET /a 1.1", &["host: "]),
            ("GET /a 1.1", &["host: alice@a"]),
            ("GET /a 1.1", &["host: a/b"]),
            ("GET /a 1.1", &["host: a, b"]),
            ("GET /a 1.1", &["host: a%0d%0ab"]),
            ("GET /a 1.1", &["host: :80"]),
        ];
        for (line, sent) in bad {
            assert_eq!(checked(line, sent), Err(RequestFault::Host), "{line} {sent:?}");
        }
        let long = format!("host: {}", "a".repeat(256));
        assert_eq!(checked("GET /a 1.1", &[&long]), Err(RequestFault::Host));
    }

    #[test]
    fn a_body_has_one_length() {
        let cases: [(&[&str], Result<(), RequestFault>); 12] = [
            (&["content-length: 3"], Ok(())),
            (&["transfer-encoding: Chunked"], Ok(())),
            (&["expect: 100-Continue"], Ok(())),
            (&["upgrade: websocket", "content-length: 0"], Ok(())),
            (&["content-length: 3", "content-length: 3"], Err(RequestFault::Framing)),
            (&["content-length: 3", "transfer-encoding: chunked"], Err(RequestFault::Framing)),
            (&["transfer-encoding: gzip", "transfer-encoding: chunked"], Err(RequestFault::TransferCoding)),
            (&["transfer-encoding: gzip, chunked"], Err(RequestFault::TransferCoding)),
            (&["transfer-encoding: xchunked"], Err(RequestFault::TransferCoding)),
            (&["upgrade: websocket", "content-length: 3"], Err(RequestFault::Upgrade)),
            (&["upgrade: h2c", "transfer-encoding: chunked"], Err(RequestFault::Upgrade)),
            (&["expect: weird"], Err(RequestFault::Expectation)),
        ];
        for (sent, expected) in cases {
            let sent: Vec<&str> = sent.iter().copied().chain(["host: a"]).collect();
            assert_eq!(checked("POST /a 1.1", &sent).map(drop), expected, "{sent:?}");
        }
        let old = ["host: a", "transfer-encoding: chunked"];
        assert_eq!(checked("POST /a 1.0", &old), Err(RequestFault::Framing));
    }

    #[test]
    fn tunnels_and_echoes_are_refused() {
        for line in ["CONNECT a:443 1.1", "TRACE /a 1.1"] {
            assert_eq!(checked(line, &["host: a"]), Err(RequestFault::Method), "{line}");
        }
        assert!(checked("get /a 1.1", &["host: a"]).is_ok());
    }
}
