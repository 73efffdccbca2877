//! Whether a connection is alive: counters that cost the request path next to nothing, looked at a few
//! times per timeout. hyper's own header timeout would arm a timer for every request, and would not tell
//! a slow head from an idle connection. What is read is looked at on the way ([`Framing`]), so that the HTTP
//! library never sees a head that could be read in two ways.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use latchkey_gateway::framing::{Framing, REFUSED};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::sync::DropGuard;

/// What a connection has done so far. One connection's task writes it; HTTP/2 answers may come from others.
#[derive(Debug, Default)]
pub struct Pulse {
    heads: AtomicU64,
    busy: AtomicU32,
    reads: AtomicU64,
    writes: AtomicU64,
    /// `reads` when a request ended last: later ones belong to the head of the next.
    settled: AtomicU64,
    multiplexed: AtomicBool,
    upgraded: AtomicBool,
}

impl Pulse {
    /// A request's head is complete; it runs until the guard is dropped. `multiplexed` connections
    /// (HTTP/2) exchange frames between requests too.
    pub fn begin(self: &Arc<Self>, version: http::Version) -> Running {
        self.heads.fetch_add(1, Relaxed);
        self.busy.fetch_add(1, Relaxed);
        self.multiplexed.store(version == http::Version::HTTP_2, Relaxed);
        Running(Arc::clone(self))
    }

    /// The answer agrees to an upgrade: what the caller sends behind it is no HTTP. Known before the answer
    /// is written, and so before a caller who waits for it sends anything.
    pub fn upgrade(&self) {
        self.upgraded.store(true, Relaxed);
    }

    fn stage(&self) -> Stage {
        let between_requests = self.heads.load(Relaxed) > 0;
        let frames = self.multiplexed.load(Relaxed);
        if self.busy.load(Relaxed) > 0 {
            Stage::Busy
        } else if between_requests && (frames || self.reads.load(Relaxed) == self.settled.load(Relaxed)) {
            Stage::Idle
        } else {
            Stage::Head
        }
    }
}

/// A request under way.
#[derive(Debug)]
pub struct Running(Arc<Pulse>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.settled.store(self.0.reads.load(Relaxed), Relaxed);
        self.0.busy.fetch_sub(1, Relaxed);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// A request runs; it has a timeout of its own.
    Busy,
    /// Part of a head has arrived, or the first one is awaited.
    Head,
    /// Nothing is asked for.
    Idle,
}

/// What to do with a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Let it be.
    Fine,
    /// Too long without a request: say goodbye.
    Idle,
    /// Too long over a head: cut it off.
    Slow,
}

/// Watches one [`Pulse`].
#[derive(Debug)]
pub struct Watch {
    header: Duration,
    idle: Duration,
    since: Instant,
    seen: (Stage, u64, u64),
}

impl Watch {
    /// A watch that begins at `now`, with the times for a head and between requests.
    pub const fn new(header: Duration, idle: Duration, now: Instant) -> Self {
        Self { header, idle, since: now, seen: (Stage::Head, 0, 0) }
    }

    /// How often to look: timeouts are exact to a quarter of the shorter one.
    pub fn period(&self) -> Duration {
        self.header.min(self.idle) / 4
    }

    /// Judges the connection at `now`. Time counts while the stage stays and no request came; what is
    /// written, such as events, keeps an idle connection alive.
    pub fn look(&mut self, pulse: &Pulse, now: Instant) -> Verdict {
        let stage = pulse.stage();
        let written = if stage == Stage::Idle { pulse.writes.load(Relaxed) } else { 0 };
        let seen = (stage, pulse.heads.load(Relaxed), written);
        if seen != self.seen {
            (self.seen, self.since) = (seen, now);
        }
        let past = now.saturating_duration_since(self.since);
        match stage {
            Stage::Head if past >= self.header => Verdict::Slow,
            Stage::Idle if past >= self.idle => Verdict::Idle,
            Stage::Busy | Stage::Head | Stage::Idle => Verdict::Fine,
        }
    }
}

/// A stream that counts its reads and writes, and looks at what is read.
#[derive(Debug)]
pub struct Counted<S> {
    stream: S,
    pulse: Arc<Pulse>,
    framing: Framing,
    refused: Option<Refused>,
    _gone: DropGuard,
}

/// How much of [`REFUSED`] has been given to the HTTP library in the place of what came.
#[derive(Debug, Clone, Copy)]
struct Refused(usize);

impl<S> Counted<S> {
    /// Counts what goes through `stream` in `pulse`; `gone` says when nobody has it any more.
    pub const fn new(stream: S, pulse: Arc<Pulse>, gone: DropGuard) -> Self {
        Self { stream, pulse, framing: Framing::new(), refused: None, _gone: gone }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Some(Refused(given)) = &mut this.refused {
            let now = &REFUSED[*given..];
            let now = &now[..now.len().min(buffer.remaining())];
            buffer.put_slice(now);
            *given += now.len();
            return Poll::Ready(Ok(()));
        }
        let known = buffer.filled().len();
        let result = Pin::new(&mut this.stream).poll_read(context, buffer);
        if result.is_ready() {
            this.pulse.reads.fetch_add(1, Relaxed);
            if this.pulse.upgraded.load(Relaxed) {
                this.framing.leave();
            }
            if let Some(left) = this.framing.look(&mut buffer.filled_mut()[known..]) {
                buffer.set_filled(known + left);
                this.refused = Some(Refused(0));
            }
        }
        result
    }
}

impl<S: AsyncWrite + Unpin> Counted<S> {
    fn count(&self, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if result.is_ready() {
            self.pulse.writes.fetch_add(1, Relaxed);
        }
        result
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.stream).poll_write(context, bytes);
        this.count(result)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.stream).poll_write_vectored(context, slices);
        this.count(result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
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
    use super::*;

    const HEADER: Duration = Duration::from_secs(10);
    const IDLE: Duration = Duration::from_mins(1);

    struct Story {
        pulse: Arc<Pulse>,
        watch: Watch,
        now: Instant,
    }

    impl Story {
        fn new() -> Self {
            let now = Instant::now();
            Self { pulse: Arc::default(), watch: Watch::new(HEADER, IDLE, now), now }
        }

        /// The first verdict other than fine within `seconds`, looked at every second, and when it came.
        fn within(&mut self, seconds: u64) -> Option<(u64, Verdict)> {
            (1..=seconds).find_map(|second| {
                self.now += Duration::from_secs(1);
                let verdict = self.watch.look(&self.pulse, self.now);
                (verdict != Verdict::Fine).then_some((second, verdict))
            })
        }

        fn read(&self) {
            self.pulse.reads.fetch_add(1, Relaxed);
        }

        fn request(&self) {
            self.read();
            drop(self.pulse.begin(http::Version::HTTP_11));
        }
    }

    #[test]
    fn a_first_head_must_come_and_a_trickle_does_not_help() {
        assert_eq!(Story::new().within(100), Some((10, Verdict::Slow)));
        let mut trickle = Story::new();
        for _ in 0..9 {
            trickle.read();
            assert_eq!(trickle.within(1), None);
        }
        trickle.read();
        assert_eq!(trickle.within(1), Some((1, Verdict::Slow)));
    }

    #[test]
    fn between_requests_there_is_more_time_until_a_head_begins() {
        let mut story = Story::new();
        story.request();
        assert_eq!(story.within(100), Some((61, Verdict::Idle)));
        let mut story = Story::new();
        story.request();
        assert_eq!(story.within(50), None);
        story.read();
        assert_eq!(story.within(100), Some((11, Verdict::Slow)));
    }

    #[test]
    fn a_running_request_and_written_events_keep_it_alive() {
        let mut story = Story::new();
        let running = story.pulse.begin(http::Version::HTTP_11);
        story.read();
        assert_eq!(story.within(1000), None);
        drop(running);
        for _ in 0..100 {
            story.pulse.writes.fetch_add(1, Relaxed);
            assert_eq!(story.within(50), None);
        }
        assert_eq!(story.within(100), Some((11, Verdict::Idle)));
    }

    #[test]
    fn frames_between_requests_are_no_head_in_http2() {
        let mut story = Story::new();
        drop(story.pulse.begin(http::Version::HTTP_2));
        story.read();
        assert_eq!(story.within(100), Some((61, Verdict::Idle)));
    }

    #[test]
    fn requests_in_between_start_the_clock_again() {
        let mut story = Story::new();
        for _ in 0..10 {
            story.request();
            assert_eq!(story.within(59), None);
        }
    }
}
