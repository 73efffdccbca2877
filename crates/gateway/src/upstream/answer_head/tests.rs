use proptest::prelude::*;

use super::*;

fn read(text: &str, asked: Asked) -> Result<Option<AnswerHead>, NoAnswer> {
    take(&mut BytesMut::from(text.as_bytes()), asked)
}

/// How the body of an answer with these header lines ends, and what becomes of the connection.
fn framing(status: u16, lines: &str) -> Result<(Ends, After), NoAnswer> {
    let head = read(&format!("HTTP/1.1 {status} X\r\n{lines}\r\n"), Asked::Whole)?.expect("a whole head");
    Ok((head.ends, head.after))
}

#[test]
fn the_end_of_a_body_is_found() {
    use After::{Closed, Kept};
    use Ends::{Chunks, Close, Length};
    let rows = [
        (200, "Content-Length: 5\r\n", Ok((Length(5), Kept))),
        (200, "Content-Length: 5\r\nConnection: close\r\n", Ok((Length(5), Closed))),
        (200, "Content-Length: 5\r\nConnection: Keep-Alive, Close\r\n", Ok((Length(5), Closed))),
        (200, "Content-Length: 5\r\nConnection: keep-alive\r\n", Ok((Length(5), Kept))),
        (200, "Transfer-Encoding: Chunked\r\n", Ok((Chunks, Kept))),
        (200, "", Ok((Close, Closed))),
        (204, "", Ok((Length(0), Kept))),
        (204, "Content-Length: 5\r\n", Ok((Length(0), Kept))),
        (304, "Content-Length: 5\r\n", Ok((Length(0), Kept))),
        (304, "Transfer-Encoding: chunked\r\n", Ok((Length(0), Kept))),
        (204, "Transfer-Encoding: chunked\r\n", Err(NoAnswer)),
        (200, "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", Err(NoAnswer)),
        (200, "Content-Length: 5\r\nContent-Length: 5\r\n", Err(NoAnswer)),
        (200, "Content-Length: 5, 5\r\n", Err(NoAnswer)),
        (200, "Content-Length: +5\r\n", Err(NoAnswer)),
        (200, "Content-Length: \r\n", Err(NoAnswer)),
        (200, "Content-Length: 99999999999999999999\r\n", Err(NoAnswer)),
        (200, "Transfer-Encoding: gzip, chunked\r\n", Err(NoAnswer)),
        (200, "Transfer-Encoding: gzip\r\n", Err(NoAnswer)),
        (200, "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", Err(NoAnswer)),
        (200, "X-A : b\r\n", Err(NoAnswer)),
    ];
    for (status, lines, expected) in rows {
        assert_eq!(framing(status, lines), expected, "{status} {lines:?}");
    }
}

#[test]
fn an_answer_to_head_has_no_body() {
    let head = read("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", Asked::Headers).unwrap().unwrap();
    assert_eq!((head.ends, head.after), (Ends::Length(0), After::Kept));
    assert_eq!(head.headers["content-length"], "5", "the caller wants to know it");
}

#[test]
fn an_old_answer_ends_its_connection() {
    let head = read("HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\n", Asked::Whole);
    let head = head.unwrap().unwrap();
    assert_eq!((head.ends, head.after), (Ends::Length(5), After::Closed));
    assert_eq!(
        read("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", Asked::Whole).err(),
        Some(NoAnswer)
    );
}

#[test]
fn what_belongs_to_the_connection_ends_here() {
    let text = "HTTP/1.1 200 OK\r\nConnection: X-Secret, close\r\nX-Secret: 1\r\nKeep-Alive: timeout=5\r\n\
        Transfer-Encoding: chunked\r\nProxy-Authenticate: Basic\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n\
        Upgrade: h2\r\nTrailer: X\r\nWWW-Authenticate: Basic\r\n\r\n";
    let head = read(text, Asked::Whole).unwrap().unwrap();
    let mut names: Vec<&str> = head.headers.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["set-cookie", "www-authenticate"]);
    assert_eq!(head.headers.get_all("set-cookie").iter().count(), 2);
}

#[test]
fn a_head_is_bounded() {
    let long = |bytes: usize| format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(bytes));
    assert!(matches!(read(&long(MAX_HEAD - 30), Asked::Whole), Ok(None)));
    assert_eq!(read(&long(MAX_HEAD), Asked::Whole).err(), Some(NoAnswer));
    assert_eq!(read(&format!("{}\r\n\r\n", long(MAX_HEAD)), Asked::Whole).err(), Some(NoAnswer));
    let many = |count: usize| format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(count));
    assert!(read(&many(MAX_HEADERS), Asked::Whole).is_ok());
    assert_eq!(read(&many(MAX_HEADERS + 1), Asked::Whole).err(), Some(NoAnswer));
}

#[test]
fn what_follows_the_head_stays() {
    let mut bytes = BytesMut::from(&b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1"[..]);
    take(&mut bytes, Asked::Whole).unwrap().unwrap();
    assert_eq!(bytes, "okHTTP/1.1");
}

proptest! {
    #[test]
    fn a_head_is_whole_at_its_last_byte_only(cut in 0usize..70) {
        let text = "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\nX-Words: a b \u{e9}\r\n\r\n";
        let cut = cut.min(text.len() - 1);
        let part = BytesMut::from(&text.as_bytes()[..cut]);
        let mut part = part;
        prop_assert!(matches!(take(&mut part, Asked::Whole), Ok(None)));
        prop_assert_eq!(part.len(), cut, "nothing is taken from half a head");
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut text = BytesMut::from(&b"HTTP/1.1 200 OK\r\n"[..]);
        text.extend_from_slice(&bytes);
        let _ = take(&mut text, Asked::Whole);
    }
}
