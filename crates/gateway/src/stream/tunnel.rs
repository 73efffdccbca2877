//! Bytes both ways between a caller and an upstream, once both have agreed to speak WebSocket.
//!
//! A tunnel ends when both ends have ended it, when nothing moved for too long, when its call may not be made any more, or when
//! the gateway ends. In the last three cases both are told why in a frame of the gateway's own, each if no
//! frame of the other's is under way to it.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf, copy_bidirectional};
use tokio::time::{sleep, timeout};

use super::frames::{CloseCode, Frames};
use crate::answer::{Fault, Row};

/// How long a goodbye may take.
const FAREWELL: Duration = Duration::from_secs(1);

/// Why a tunnel ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Its ends wanted it, or one of them broke off.
    Over,
    /// Nothing moved for too long.
    Silent,
    /// Its token is no longer valid.
    Token,
    /// Its call would be answered with this.
    Refused(Row),
    /// The gateway ends, or cannot know any more how the token stands.
    Closing,
}

impl From<&Fault> for End {
    /// What its call would be answered.
    fn from(fault: &Fault) -> Self {
        if *fault == Fault::InvalidCredentials {
            Self::Token
        } else if *fault == Fault::TemporarilyUnavailable {
            // The token may be as good as ever: the caller is to come again.
            Self::Closing
        } else {
            Self::Refused(fault.row())
        }
    }
}

/// Copies until the tunnel ends: at the latest when nothing has moved for one to two times `idle`, or when
/// `until` says why. What the upstream is told then is under `mask`, since the gateway is its client.
pub async fn run<C, U>(
    (caller, upstream): (C, U),
    idle: Duration,
    mask: [u8; 4],
    until: impl Future<Output = End>,
) -> End
where
    C: AsyncRead + AsyncWrite + Unpin,
    U: AsyncRead + AsyncWrite + Unpin,
{
    let moved = AtomicU64::new(0);
    let mut caller = Tap { stream: caller, moved: &moved, frames: Frames::default() };
    let mut upstream = Tap { stream: upstream, moved: &moved, frames: Frames::default() };
    let end = tokio::select! {
        biased;
        end = until => end,
        _ = copy_bidirectional(&mut caller, &mut upstream) => End::Over,
        () = silence(&moved, idle) => End::Silent,
    };
    let code = match end {
        End::Over => return end,
        End::Silent | End::Closing => CloseCode::GoingAway,
        End::Token => CloseCode::PolicyViolation,
        End::Refused(row) => CloseCode::Refused(row),
    };
    // Whoever does not listen any more needs no goodbye.
    let farewells = async { tokio::join!(caller.leave(code.frame()), upstream.leave(code.masked(mask))) };
    let _ = timeout(FAREWELL, farewells).await;
    end
}

/// Waits until nothing has moved for `idle`.
async fn silence(moved: &AtomicU64, idle: Duration) {
    loop {
        let seen = moved.load(Ordering::Relaxed);
        sleep(idle).await;
        if moved.load(Ordering::Relaxed) == seen {
            return;
        }
    }
}

/// One end of a tunnel.
#[derive(Debug)]
struct Tap<'a, S> {
    stream: S,
    /// Reads and writes at both ends.
    moved: &'a AtomicU64,
    /// What was written here.
    frames: Frames,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Tap<'_, S> {
    /// Says goodbye and waits until the other side has heard it: what it still sends is not passed on, but an
    /// end with unread bytes would be a reset, which could overtake the goodbye.
    async fn leave(&mut self, goodbye: Vec<u8>) -> io::Result<()> {
        if self.frames.is_between() {
            self.write_all(&goodbye).await?;
        }
        self.shutdown().await?;
        let mut rest = [0; 4096];
        while self.read(&mut rest).await? > 0 {}
        Ok(())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Tap<'_, S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.stream).poll_read(context, buffer);
        if result.is_ready() {
            this.moved.fetch_add(1, Ordering::Relaxed);
        }
        result
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Tap<'_, S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.stream).poll_write(context, bytes);
        if let Poll::Ready(Ok(written)) = &result {
            this.moved.fetch_add(1, Ordering::Relaxed);
            this.frames.pass(&bytes[..*written]);
        }
        result
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use tokio::io::{DuplexStream, duplex};

    use super::*;

    const IDLE: Duration = Duration::from_mins(1);
    const MASK: [u8; 4] = [7; 4];

    /// The far ends of a tunnel between a caller and an upstream, and its end.
    fn tunnel(
        idle: Duration,
        until: impl Future<Output = End> + Send + 'static,
    ) -> (DuplexStream, DuplexStream, tokio::task::JoinHandle<End>) {
        let ((caller, near), (upstream, far)) = (duplex(64), duplex(64));
        (caller, upstream, tokio::spawn(run((near, far), idle, MASK, until)))
    }

    async fn all(mut stream: DuplexStream) -> Vec<u8> {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await.unwrap();
        bytes
    }

    #[tokio::test]
    async fn bytes_go_both_ways_until_both_ends_have_ended_it() {
        let (mut caller, mut upstream, tunnel) = tunnel(IDLE, pending());
        caller.write_all(b"question").await.unwrap();
        let mut seen = [0; 8];
        upstream.read_exact(&mut seen).await.unwrap();
        assert_eq!(&seen, b"question");
        caller.shutdown().await.unwrap();
        upstream.write_all(b"answer").await.unwrap();
        drop(upstream);
        assert_eq!(all(caller).await, b"answer");
        assert_eq!(tunnel.await.unwrap(), End::Over);
    }

    #[tokio::test(start_paused = true)]
    async fn what_moves_lasts_and_what_is_silent_ends() {
        let (caller, mut upstream, tunnel) = tunnel(IDLE, pending());
        for _ in 0..5 {
            sleep(Duration::from_secs(59)).await;
            upstream.write_all(&[0x82, 0]).await.unwrap();
        }
        assert!(!tunnel.is_finished());
        let (said, rest) = tokio::join!(all(caller), all(upstream));
        assert_eq!(said, [&[0x82, 0].repeat(5), &CloseCode::GoingAway.frame()[..]].concat());
        assert_eq!(rest, CloseCode::GoingAway.masked(MASK));
        assert_eq!(tunnel.await.unwrap(), End::Silent);
    }

    #[tokio::test(start_paused = true)]
    async fn an_end_that_stays_does_not_keep_the_other() {
        for stays_with_caller in [false, true] {
            let (caller, upstream, tunnel) = tunnel(IDLE, ready(End::Token));
            let (stays, goes) = if stays_with_caller { (caller, upstream) } else { (upstream, caller) };
            let begun = tokio::time::Instant::now();
            assert_ne!(all(goes).await, b"");
            assert_eq!(begun.elapsed(), Duration::ZERO);
            assert_eq!(tunnel.await.unwrap(), End::Token);
            assert!(begun.elapsed() <= FAREWELL);
            drop(stays);
        }
    }

    #[tokio::test]
    async fn a_token_that_ends_is_told_between_two_frames_only() {
        let (caller, upstream, whole) = tunnel(IDLE, ready(End::Token));
        let (said, told) = tokio::join!(all(caller), all(upstream));
        assert_eq!(said, CloseCode::PolicyViolation.frame());
        assert_eq!(told, CloseCode::PolicyViolation.masked(MASK));
        assert_eq!(whole.await.unwrap(), End::Token);
        let (cut, is_cut) = tokio::sync::oneshot::channel::<()>();
        let until = async move {
            let _ = is_cut.await;
            End::Token
        };
        let (mut caller, mut upstream, half) = tunnel(IDLE, until);
        upstream.write_all(&[0x82, 2, b'a']).await.unwrap();
        let mut seen = [0; 3];
        caller.read_exact(&mut seen).await.unwrap();
        cut.send(()).unwrap();
        let (said, told) = tokio::join!(all(caller), all(upstream));
        assert_eq!(said, b"", "half a frame, then the end");
        assert_eq!(told, CloseCode::PolicyViolation.masked(MASK));
        assert_eq!(half.await.unwrap(), End::Token);
    }
}
