//! The file of requests, as the load script for wrk reads it: one request a line, method, path,
//! `Authorization` and body (a form) parted by tabs; `-` stands for none.

use std::error::Error;
use std::path::Path;

use bytes::Bytes;
use http::Request;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http_body_util::Full;

use crate::connection::{Outgoing, Target};

/// The requests of the file `path`, ready to be sent to `target`.
pub fn read(path: &Path, target: &Target) -> Result<Vec<Outgoing>, Box<dyn Error>> {
    let text = std::fs::read_to_string(path)?;
    let requests: Vec<_> = text.lines().map(|line| request(line, target)).collect::<Result<_, _>>()?;
    if requests.is_empty() {
        return Err(format!("{} has no requests", path.display()).into());
    }
    Ok(requests)
}

fn request(line: &str, target: &Target) -> Result<Outgoing, Box<dyn Error>> {
    let fields: Vec<&str> = line.split('\t').collect();
    let &[method, path, authorization, body] = fields.as_slice() else {
        return Err("a line of the file of requests has not four fields parted by tabs".into());
    };
    let mut request = Request::builder().method(method).uri(target.uri(path)?);
    if let Some(host) = target.host() {
        request = request.header(HOST, host);
    }
    if authorization != "-" {
        request = request.header(AUTHORIZATION, authorization);
    }
    let body = if body == "-" {
        Bytes::new()
    } else {
        request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        Bytes::copy_from_slice(body.as_bytes())
    };
    Ok(request.body(Full::new(body))?)
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;
    use crate::connection::Protocol;

    #[tokio::test]
    async fn a_line_is_a_request() -> Result<(), Box<dyn Error>> {
        let target = Target::parse("http://127.0.0.1:80", Protocol::Http1)?;
        let made = request("POST\t/token\tBasic eA==\ta=b", &target)?;
        assert_eq!((made.method().as_str(), made.uri().path()), ("POST", "/token"));
        assert_eq!(made.headers()[AUTHORIZATION], "Basic eA==");
        assert_eq!(made.headers()[HOST], "127.0.0.1:80");
        assert_eq!(made.into_body().collect().await?.to_bytes(), "a=b");
        let made = request("GET\t/one\t-\t-", &Target::parse("http://127.0.0.1:80", Protocol::Http2)?)?;
        assert_eq!(made.uri(), "http://127.0.0.1:80/one");
        assert!(made.headers().is_empty());
        assert!(request("GET /one", &target).is_err());
        Ok(())
    }
}
