use proptest::prelude::*;

use super::*;

type Body = (Vec<u8>, Option<HeaderMap>, Vec<u8>);

/// Reads a body that comes in pieces; what it holds, whether trailers followed, and what is left over.
fn read(pieces: &[&[u8]]) -> Result<Body, NoAnswer> {
    let (mut chunks, mut bytes, mut body) = (Chunks::new(), BytesMut::new(), Vec::new());
    let mut trailers = None;
    for piece in pieces {
        bytes.extend_from_slice(piece);
        loop {
            match chunks.take(&mut bytes)? {
                Part::Data(data) => {
                    assert!(!data.is_empty(), "no part is empty");
                    body.extend_from_slice(&data);
                }
                Part::Trailers(found) => trailers = Some(found),
                Part::End | Part::Missing => break,
            }
        }
    }
    if chunks.is_done() { Ok((body, trailers, bytes.to_vec())) } else { Err(NoAnswer) }
}

fn whole(text: &str) -> Result<Body, NoAnswer> {
    read(&[text.as_bytes()])
}

#[test]
fn chunks_are_joined() {
    let plain = |text: &str, rest: &str| Ok((text.as_bytes().to_vec(), None, rest.as_bytes().to_vec()));
    assert_eq!(whole("3\r\nabc\r\n0\r\n\r\n"), plain("abc", ""));
    assert_eq!(whole("0\r\n\r\nHTTP/1.1"), plain("", "HTTP/1.1"));
    assert_eq!(
        whole("a;x=1\r\n0123456789\r\nA ; y\r\n0123456789\r\n000\r\n\r\n"),
        plain("01234567890123456789", "")
    );
    let (body, trailers, rest) = whole("1\r\na\r\n0\r\nX-Sum: 1\r\nContent-Length: 9\r\n\r\nrest").unwrap();
    assert_eq!((body.as_slice(), rest.as_slice()), (&b"a"[..], &b"rest"[..]));
    let trailers = trailers.unwrap();
    assert_eq!((trailers.len(), &trailers["x-sum"]), (1, &http::HeaderValue::from_static("1")));
}

#[test]
fn what_could_be_read_in_two_ways_is_refused() {
    let texts = [
        "",
        "3\r\nab",
        "3\r\nabcd\r\n0\r\n\r\n",
        "3\nabc\r\n0\r\n\r\n",
        "3\r\nabc\n0\r\n\r\n",
        "3\r\r\nabc\r\n0\r\n\r\n",
        "\r\nabc\r\n0\r\n\r\n",
        "g\r\n0\r\n\r\n",
        "-1\r\na\r\n0\r\n\r\n",
        "+1\r\na\r\n0\r\n\r\n",
        "0x1\r\na\r\n0\r\n\r\n",
        " 1\r\na\r\n0\r\n\r\n",
        "1 1\r\na\r\n0\r\n\r\n",
        "1,1\r\na\r\n0\r\n\r\n",
        "10000000000000000\r\na",
        "ffffffffffffffff\r\na\r\n0\r\n\r\n",
        "0\r\nno trailer\r\n\r\n",
        "0\r\n",
    ];
    for text in texts {
        assert_eq!(whole(text), Err(NoAnswer), "{text:?}");
    }
}

#[test]
fn sizes_extensions_and_trailers_are_bounded() {
    assert_eq!(whole(&format!("1;{}\r\na\r\n0\r\n\r\n", "x".repeat(MAX_LINE))), Err(NoAnswer));
    assert!(whole(&format!("{}0\r\n\r\n", "1;xxxxxxxxxx\r\na\r\n".repeat(1000))).is_ok());
    assert_eq!(whole(&format!("{}0\r\n\r\n", "1;xxxxxxxxxx\r\na\r\n".repeat(2000))), Err(NoAnswer));
    let endless = format!("0\r\nX: {}", "x".repeat(MAX_TRAILERS));
    assert_eq!(Chunks::new().take(&mut BytesMut::from(endless.as_bytes())), Err(NoAnswer));
}

proptest! {
    #[test]
    fn pieces_make_no_difference(
        parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..50), 0..6),
        cut in 1usize..7,
    ) {
        let mut text = Vec::new();
        for part in &parts {
            text.extend(format!("{:x}\r\n", part.len()).bytes());
            text.extend(part.iter().chain(b"\r\n"));
        }
        text.extend(b"0\r\nA: b\r\n\r\nnext");
        let (body, trailers, rest) = read(&text.chunks(cut).collect::<Vec<_>>()).unwrap();
        prop_assert_eq!(body, parts.concat());
        prop_assert_eq!(trailers.unwrap().len(), 1);
        prop_assert_eq!(rest, b"next");
    }

    #[test]
    fn no_bytes_make_it_panic_or_spin(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = read(&[&bytes]);
    }
}
