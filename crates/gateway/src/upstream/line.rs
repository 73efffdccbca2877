//! One connection to an upstream, with the bytes that wait on either side.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};
use tokio_rustls::client::TlsStream;
use tokio_util::io::poll_read_buf;

/// What is read at once at first; twice as much each time that it was all used.
const READ: usize = 8 * 1024;
/// The most that is read at once.
const READ_MOST: usize = 256 * 1024;

/// The most room of either side that a connection keeps while nobody uses it.
const KEPT_ROOM: usize = 32 * 1024;

/// A connection that one call uses at a time.
#[derive(Debug)]
pub(super) struct Line {
    stream: Stream,
    /// What came and was not taken yet.
    pub(super) incoming: BytesMut,
    /// What is to be sent.
    pub(super) outgoing: BytesMut,
    /// Whether anything of the running call was sent.
    pub(super) has_sent: bool,
    read: usize,
    alarm: Pin<Box<Sleep>>,
}

/// What the bytes go over.
#[derive(Debug)]
pub(super) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Line {
    pub(super) fn new(stream: Stream) -> Self {
        Self {
            stream,
            incoming: BytesMut::new(),
            outgoing: BytesMut::new(),
            has_sent: false,
            read: READ,
            alarm: Box::pin(tokio::time::sleep(Duration::ZERO)),
        }
    }

    /// What the bytes go over, and those that came already.
    pub(super) fn into_parts(self) -> (Stream, BytesMut) {
        (self.stream, self.incoming)
    }

    /// Lays it by for another call. Room that a large body took is given back: many connections may rest.
    pub(super) fn rest(&mut self) {
        for bytes in [&mut self.incoming, &mut self.outgoing] {
            if bytes.capacity() > KEPT_ROOM {
                *bytes = BytesMut::new();
            }
        }
    }

    /// Makes it ready for another call.
    pub(super) fn begin(&mut self) {
        self.outgoing.clear();
        self.has_sent = false;
        self.read = READ;
    }

    /// Whether nothing happened to it while nobody used it: an upstream that closed it, or said something
    /// that nobody asked for, cannot be talked to over it any more.
    pub(super) fn is_quiet(&mut self) -> bool {
        self.incoming.is_empty() && self.poll_fill(&mut Context::from_waker(Waker::noop())).is_pending()
    }

    /// Sends what is to be sent.
    pub(super) fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.outgoing.is_empty() {
            let sent = ready!(Pin::new(&mut self.stream).poll_write(context, &self.outgoing))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.has_sent = true;
            self.outgoing.advance(sent);
        }
        match &mut self.stream {
            // Nothing waits in it (the kernel has it), so nothing is to be flushed.
            Stream::Plain(_) => Poll::Ready(Ok(())),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    /// Reads more; 0 is the upstream's end.
    pub(super) fn poll_fill(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.incoming.reserve(self.read);
        let room = self.incoming.capacity() - self.incoming.len();
        let came = ready!(poll_read_buf(Pin::new(&mut self.stream), context, &mut self.incoming))?;
        if came == room {
            self.read = (self.read * 2).min(READ_MOST);
        }
        Poll::Ready(Ok(came))
    }

    /// Waits for `deadline`. The alarm is set anew only when it rings too early or is set for later: calls
    /// that are answered in time, one after the other, never touch the timer.
    pub(super) fn poll_due(&mut self, context: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        if self.alarm.is_elapsed() || self.alarm.deadline() > deadline {
            self.alarm.as_mut().reset(deadline);
        }
        while self.alarm.as_mut().poll(context).is_ready() {
            if Instant::now() >= deadline {
                return Poll::Ready(());
            }
            self.alarm.as_mut().reset(deadline);
        }
        Poll::Pending
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, bytes),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_connection_that_rests_keeps_little_room() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut upstream, _) = listener.accept().await.unwrap();
        let sent = tokio::spawn(async move { upstream.write_all(&vec![0; 4 << 20]).await });
        let mut line = Line::new(Stream::Plain(stream));
        let (mut came, mut widest) = (0, 0);
        while came < 4 << 20 {
            came += std::future::poll_fn(|context| line.poll_fill(context)).await.unwrap();
            widest = widest.max(line.incoming.capacity());
            line.incoming.clear();
        }
        sent.await.unwrap().unwrap();
        assert!(widest > KEPT_ROOM, "a large body is read in large pieces: {widest}");
        line.rest();
        assert!(line.incoming.capacity() <= KEPT_ROOM);
    }
}
