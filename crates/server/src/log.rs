//! The log: one line per event, on standard error, as JSON or text.
//!
//! Lines are handed to a thread of its own, so that a slow reader of standard error never holds up a
//! request. When that thread falls behind by `LINES`, lines are lost and counted.

use std::io::{self, BufWriter};
use std::panic::PanicHookInfo;

use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing::subscriber::SetGlobalDefaultError;
use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{Layer, registry};

use crate::config::{self, LogFormat, LogLevel};

#[cfg(test)]
mod tests;

/// Lines that may wait to be written.
const LINES: usize = 8192;
/// Libraries that say nothing of use to an operator below a warning.
const QUIET: [&str; 6] = ["h2", "hyper", "hyper_util", "rustls", "tokio", "tower"];

/// The running log. Dropping it writes what waits.
#[derive(Debug)]
#[must_use = "the log ends when this is dropped"]
pub struct Log {
    lost: ErrorCounter,
    _writes_the_rest: WorkerGuard,
}

/// Begins to log as configured; once in a process. Keep what it returns until the process ends.
pub fn start(settings: &config::Log) -> Result<Log, SetGlobalDefaultError> {
    let (writer, guard) = writer(BufWriter::new(io::stderr()));
    let lost = writer.error_counter();
    tracing::subscriber::set_global_default(subscriber(settings, writer))?;
    std::panic::set_hook(Box::new(panicked));
    Ok(Log { lost, _writes_the_rest: guard })
}

/// Notes a panic: where it happened, and of what kind its message is. The message itself may quote what a
/// client sent.
fn panicked(panic: &PanicHookInfo<'_>) {
    let payload = panic.payload();
    let message = if payload.is::<&str>() {
        "fixed text"
    } else if payload.is::<String>() {
        "formatted text"
    } else {
        "a value"
    };
    tracing::error!(
        target: "latchkey::panic",
        location = panic.location().map(tracing::field::display),
        thread = std::thread::current().name(),
        message_kind = message,
        "the server made a mistake and gave up what it was doing"
    );
}

impl Log {
    /// The count of lines lost, for whoever shows it.
    pub fn lost_lines(&self) -> LostLines {
        LostLines(Some(self.lost.clone()))
    }
}

/// Lines lost so far, because the reader was slower than the log. Where no log runs, there are none.
#[derive(Debug, Clone, Default)]
pub struct LostLines(Option<ErrorCounter>);

impl LostLines {
    /// How many.
    pub fn count(&self) -> usize {
        self.0.as_ref().map_or(0, ErrorCounter::dropped_lines)
    }
}

fn writer(to: impl io::Write + Send + 'static) -> (NonBlocking, WorkerGuard) {
    NonBlockingBuilder::default().buffered_lines_limit(LINES).lossy(true).thread_name("log").finish(to)
}

/// What turns events into lines. Both formats escape line breaks and control characters in values, so
/// that one line is one event whatever a client sends.
fn subscriber<W>(settings: &config::Log, writer: W) -> impl Subscriber + Send + Sync + use<W>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let level = level(settings.level);
    let quiet = QUIET.map(|library| (library, level.min(LevelFilter::WARN)));
    let filter = Targets::new().with_default(level).with_targets(quiet);
    let lines = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(writer);
    let lines = match settings.format {
        LogFormat::Json => {
            lines.json().flatten_event(true).with_current_span(false).with_span_list(false).boxed()
        }
        LogFormat::Text => lines.boxed(),
    };
    registry().with(lines.with_filter(filter))
}

const fn level(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    }
}
