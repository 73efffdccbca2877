use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::*;

/// The place at which `bytes`, which come in pieces of `size`, are refused.
fn refused_at(bytes: &[u8], size: usize) -> Option<usize> {
    let mut framing = Framing::new();
    let mut bytes = bytes.to_vec();
    let mut pieces = bytes.chunks_mut(size).enumerate();
    let place = pieces.find_map(|(number, piece)| Some(number * size + framing.look(piece)? - 1));
    assert!(pieces.all(|(_, piece)| framing.look(piece).is_none()), "nothing is looked at afterwards");
    place
}

/// What `text` is cut to by the first place that is refused; `None` where all of it stands.
fn cut(text: &str) -> Option<String> {
    let whole = refused_at(text.as_bytes(), text.len().max(1));
    for size in [1, 2, 3, 7] {
        assert_eq!(refused_at(text.as_bytes(), size), whole, "in pieces of {size}: {text:?}");
    }
    whole.map(|place| text[..place].to_owned())
}

#[test]
fn what_is_clear_is_let_through() {
    let long = format!("GET /{} HTTP/1.1\r\nX: {}\r\n\r\n", "a".repeat(9_000), "#".repeat(9_000));
    let clear = [
        "",
        "\r\n\r\nGET /a HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST /a HTTP/1.1\r\nContent-Length: 3\r\n\r\na\nbGET /b HTTP/1.1\r\n\r\n",
        "POST /a HTTP/1.1\r\nCONTENT-LENGTH:\t 0 \r\n\r\nGET /b HTTP/1.1\r\n\r\n",
        "POST /a HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n3;a=b\r\na\nb\r\n0\r\nX: y\r\n\r\nGET /b HTTP/1.1\r\n\r\n",
        "POST /a HTTP/1.1\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n#\n#\r\n0\r\n\r\n",
        "GET /a HTTP/1.1\r\nX: a#b\r\nContent-Lengths: 1\r\nX-Content-Length: 2\r\nContent: 3\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\n\n\n#\n",
        &long,
    ];
    for text in clear {
        assert_eq!(cut(text), None, "{text:?}");
    }
}

/// Each is refused at the line end behind its bar.
const AMBIGUOUS: [&str; 26] = [
    "|\nGET /a HTTP/1.1\r\n\r\n",
    "GET /a HTTP/1.1|\nHost: a\r\n\r\n",
    "GET /a HTTP/1.1\r\nHost: a|\n\r\n",
    "GET /a HTTP/1.1\r\nHost: a\r\n|\n",
    "GET /a#b HTTP/1.1\r|\n\r\n",
    "GET /a?#b HTTP/1.1\r|\n\r\n",
    "P /a H\r\nContent-Length: 1\r\ncontent-length: 1\r|\n\r\n",
    "P /a H\r\nContent-Length: 1, 1\r|\n\r\n",
    "P /a H\r\nContent-Length: \r|\n\r\n",
    "P /a H\r\nContent-Length: +1\r|\n\r\n",
    "P /a H\r\nContent-Length: 18446744073709551616\r|\n\r\n",
    "P /a H\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r|\n\r\n",
    "P /a H\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r|\n\r\n",
    "P /a H\r\nTransfer-Encoding: x\r\nContent-Length: 1\r|\n\r\n",
    "P /a H\r\nContent-Length: 1\r\n\r\nxGET /b H|\n\r\n",
    "P /a H\r\nContent-Length: 1\r\n\r\nx|\nGET /b H\r\n\r\n",
    "P /a H\r\nContent-Length: 0\r\n\r\n|\nGET /b H\r\n\r\n",
    "P /a H\r\nTransfer-Encoding: chunked\r\n\r\n1|\nx\r\n",
    "P /a H\r\nTransfer-Encoding: chunked\r\n\r\n1;a|\nx\r\n",
    "P /a H\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx|\n0\r\n",
    "P /a H\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxy\r|\n0\r\n",
    "P /a H\r\nTransfer-Encoding: chunked\r\n\r\n\r|\n",
    "P /a H\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000000\r|\n",
    "P /a H\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: y|\n\r\n",
    "P /a H\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n|\n",
    "GET /a HTTP/1.1\r\n\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n|\n",
];

#[test]
fn what_is_ambiguous_is_refused_where_its_line_ends() {
    for marked in AMBIGUOUS {
        let (until, _) = marked.split_once('|').unwrap();
        assert_eq!(cut(&marked.replace('|', "")), Some(until.to_owned()), "{marked:?}");
    }
    let padded = format!("P /a H\r\nContent-Length: {}1\r\n\r\n", " ".repeat(100));
    assert!(cut(&padded).is_some());
}

#[test]
fn nothing_is_looked_at_after_an_upgrade() {
    let mut framing = Framing::new();
    let mut head = *b"GET /a HTTP/1.1\r\nUpgrade: websocket\r\n\r\n";
    assert_eq!(framing.look(&mut head), None);
    framing.leave();
    let mut frames = *b"\x81\x01\n\n\n#\n";
    assert_eq!(framing.look(&mut frames), None);
    assert_eq!(&frames, b"\x81\x01\n\n\n#\n");
}

/// One request of a stream: its bytes, and what a reader finds in it, where it is clear.
#[derive(Debug, Clone)]
struct Sent {
    bytes: Vec<u8>,
    /// Whether its head is clear.
    has_clear_head: bool,
    found: Option<Found>,
}

/// Target and body.
type Found = (String, Vec<u8>);

#[derive(Debug, Clone)]
enum Body {
    None,
    Length(Vec<u8>),
    TwoLengths(Vec<u8>),
    Chunks { chunks: Vec<Vec<u8>>, extension: &'static str, trailers: usize },
    Both(Vec<u8>),
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"\r\n".to_vec()),
        Just(b"\n".to_vec()),
        Just(b"GET /evil HTTP/1.1\r\n\r\n".to_vec()),
        Just(b"0\r\n\r\n".to_vec()),
        prop::collection::vec(any::<u8>(), 1..100),
    ];
    prop::collection::vec(piece, 0..4).prop_map(|pieces| pieces.concat())
}

fn body() -> impl Strategy<Value = Body> {
    let chunk = bytes().prop_filter("a chunk has bytes", |bytes| !bytes.is_empty());
    let extension = prop::sample::select(vec!["", ";a", " ;a=b", "  "]);
    prop_oneof![
        4 => Just(Body::None),
        4 => bytes().prop_map(Body::Length),
        1 => bytes().prop_map(Body::TwoLengths),
        1 => bytes().prop_map(Body::Both),
        4 => (prop::collection::vec(chunk, 0..4), extension, 0..3_usize)
            .prop_map(|(chunks, extension, trailers)| Body::Chunks { chunks, extension, trailers }),
    ]
}

/// A request whose `bare`th line ends in a bare LF, where it has so many.
fn write(number: usize, target: &str, body: &Body, bare: usize) -> Sent {
    let mut lines = 0;
    let mut bytes = Vec::new();
    let mut line = |bytes: &mut Vec<u8>, text: &str| {
        bytes.extend_from_slice(text.as_bytes());
        bytes.extend_from_slice(if lines == bare { b"\n" } else { b"\r\n" });
        lines += 1;
    };
    line(&mut bytes, &format!("POST /{number}{target} HTTP/1.1"));
    line(&mut bytes, "Host: a");
    let mut is_clear = !target.contains('#');
    let mut carried = Vec::new();
    match body {
        Body::None => line(&mut bytes, ""),
        Body::Length(body) | Body::TwoLengths(body) | Body::Both(body) => {
            line(&mut bytes, &format!("Content-Length: {}", body.len()));
            carried.clone_from(body);
        }
        Body::Chunks { .. } => line(&mut bytes, "tRANSFER-eNCODING: chunked"),
    }
    let mut head_lines = 4;
    match body {
        Body::None => head_lines = 3,
        Body::Length(_) => line(&mut bytes, ""),
        Body::TwoLengths(body) => {
            is_clear = false;
            head_lines = 5;
            line(&mut bytes, &format!("Content-Length: {}", body.len()));
            line(&mut bytes, "");
        }
        Body::Both(_) => {
            is_clear = false;
            head_lines = 5;
            line(&mut bytes, "Transfer-Encoding: chunked");
            line(&mut bytes, "");
        }
        Body::Chunks { chunks, extension, trailers } => {
            line(&mut bytes, "");
            for chunk in chunks {
                line(&mut bytes, &format!("{:x}{extension}", chunk.len()));
                bytes.extend_from_slice(chunk);
                carried.extend_from_slice(chunk);
                line(&mut bytes, "");
            }
            line(&mut bytes, &format!("0{extension}"));
            (0..*trailers).for_each(|number| line(&mut bytes, &format!("X-{number}: y")));
            line(&mut bytes, "");
        }
    }
    bytes.extend_from_slice(if matches!(body, Body::Chunks { .. }) { b"" } else { &carried });
    let has_clear_head = is_clear && bare >= head_lines;
    is_clear &= bare >= lines;
    let path = target.split('?').next().unwrap_or_default();
    Sent { bytes, has_clear_head, found: is_clear.then(|| (format!("/{number}{path}"), carried)) }
}

fn stream() -> impl Strategy<Value = Vec<Sent>> {
    let target = prop_oneof![9 => Just("/a?b"), 1 => Just("#a"), 1 => Just("?a#")];
    let bare = prop_oneof![5 => Just(usize::MAX), 1 => 0..12_usize];
    prop::collection::vec((target, body(), bare), 1..6).prop_map(|requests| {
        let requests = requests.into_iter().enumerate();
        requests.map(|(number, (target, body, bare))| write(number, target, &body, bare)).collect()
    })
}

/// What the HTTP library finds in bytes that come in pieces of `size` and were looked at, and what it answers.
async fn read_by_library(mut bytes: Vec<u8>, size: usize) -> (Vec<Found>, String) {
    let mut framing = Framing::new();
    let (mut near, far) = tokio::io::duplex(64 * 1024);
    let found = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&found);
    let service = service_fn(move |request: Request<Incoming>| {
        let kept = Arc::clone(&kept);
        async move {
            let path = request.uri().path().to_owned();
            let body = request.into_body().collect().await?.to_bytes().to_vec();
            kept.lock().unwrap().push((path, body));
            Ok::<_, hyper::Error>(Response::new(Empty::<Bytes>::new()))
        }
    });
    let server = tokio::spawn(async move {
        // What is refused inside a body is an error here, and the end of the connection.
        let _ended = http1::Builder::new().serve_connection(TokioIo::new(far), service).await;
    });
    let mut is_clear = true;
    for piece in bytes.chunks_mut(size) {
        let left = framing.look(piece);
        let piece = &piece[..left.unwrap_or(piece.len())];
        if near.write_all(piece).await.is_err() {
            break;
        }
        tokio::task::yield_now().await;
        if left.is_some() {
            is_clear = false;
            let _gone = near.write_all(REFUSED).await;
            break;
        }
    }
    let mut answers = String::new();
    if is_clear {
        near.shutdown().await.unwrap();
    }
    // What is refused ends the connection without the caller's doing.
    let end = near.read_to_string(&mut answers);
    timeout(Duration::from_secs(20), end).await.expect("the connection ends").unwrap();
    server.await.unwrap();
    let found = std::mem::take(&mut *found.lock().unwrap());
    (found, answers)
}

proptest! {
    /// Whatever comes: the library finds the requests before the first ambiguous one, byte for byte, and
    /// nothing from there on. So framing and library agree on where every request ends.
    #[test]
    fn the_library_reads_what_was_looked_at(stream in stream(), size in 1..200_usize) {
        let bytes: Vec<u8> = stream.iter().flat_map(|sent| sent.bytes.clone()).collect();
        let expected: Vec<Found> = stream.iter().map_while(|sent| sent.found.clone()).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        for size in [size, bytes.len()] {
            let (found, answers) = runtime.block_on(read_by_library(bytes.clone(), size));
            prop_assert_eq!(&found, &expected);
            prop_assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), expected.len());
            let refused_head = stream.get(expected.len()).is_some_and(|sent| !sent.has_clear_head);
            prop_assert_eq!(answers.contains("HTTP/1.1 400 Bad Request"), refused_head);
        }
    }

    /// Any bytes, in any pieces, are refused at the same place, or not at all.
    #[test]
    fn pieces_make_no_difference(
        pieces in prop::collection::vec(
            prop_oneof![
                Just(b"POST / HTTP/1.1\r\n".to_vec()), Just(b"\r\n".to_vec()), Just(b"\n".to_vec()),
                Just(b"Content-Length: 3\r\n".to_vec()), Just(b"Transfer-Encoding: chunked\r\n".to_vec()),
                Just(b"3\r\n".to_vec()), Just(b"0\r\n".to_vec()), Just(b"abc".to_vec()), Just(b"#".to_vec()),
                prop::collection::vec(any::<u8>(), 1..200),
            ],
            0..12,
        ),
        size in 1..300_usize,
    ) {
        let bytes = pieces.concat();
        prop_assert_eq!(refused_at(&bytes, size), refused_at(&bytes, bytes.len().max(1)));
    }
}
