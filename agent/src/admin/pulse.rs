//! What a connection is doing, as far as its time limits go, and the stream
//! that notices it.
//!
//! hyper's own header timeout covers one state of several. This covers all by
//! three rules: a connection that waits for a request has [`Limits::header`]
//! for the whole of it, whether it is silent, drips or is idle between two; one
//! whose client does not read has [`Limits::write`] for each [`MIN_TAKEN`]
//! bytes; one that is worked on has whatever the work is allowed.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::counts::Cause;
use super::limits::{Limits, MIN_TAKEN};

/// Shared by a connection's stream, its requests, and who watches it.
#[derive(Debug)]
pub(super) struct Pulse(Mutex<Beat>);

#[derive(Debug, Clone, Copy)]
struct Beat {
    state: State,
    /// Since when it is in that state.
    since: Instant,
    /// Since when the client has taken less than [`MIN_TAKEN`], and what it had
    /// taken then.
    blocked: Option<(Instant, u64)>,
    written: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// For a request's header.
    Waiting,
    /// A request is worked on.
    Working,
    /// All of the answer is with the connection, which writes it.
    Answered,
}

impl Pulse {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(Beat {
            state: State::Waiting,
            since: Instant::now(),
            blocked: None,
            written: 0,
        })))
    }

    /// A request's header is whole.
    pub(super) fn working(&self) {
        self.enter(State::Working);
    }

    /// The answer was handed over.
    pub(super) fn answered(&self) {
        self.enter(State::Answered);
    }

    /// Why the connection has to end now, if it has.
    pub(super) fn overdue(&self, limits: &Limits) -> Option<Cause> {
        let beat = *self.lock();
        if let Some((since, _)) = beat.blocked
            && since.elapsed() >= limits.write
        {
            return Some(Cause::Slow);
        }
        let silent = beat.state == State::Waiting && beat.since.elapsed() >= limits.header;
        silent.then_some(Cause::Silent)
    }

    /// From when on the connection may give way to a newer one; `None` while it
    /// is worked on. Those that wait for a request go before those that do not
    /// read their answer.
    pub(super) fn gives_way(&self, limits: &Limits) -> Option<(bool, Instant)> {
        let beat = *self.lock();
        match (beat.state, beat.blocked) {
            (_, Some((since, _))) => Some((true, since + limits.write / 4)),
            (State::Waiting, None) => Some((false, beat.since + limits.grace)),
            _ => None,
        }
    }

    fn enter(&self, state: State) {
        let mut beat = self.lock();
        beat.state = state;
        beat.since = Instant::now();
    }

    fn wrote(&self, bytes: usize) {
        let mut beat = self.lock();
        beat.written += bytes as u64;
        if let Some((_, before)) = beat.blocked
            && beat.written - before >= MIN_TAKEN
        {
            beat.blocked = None;
        }
    }

    fn blocked(&self) {
        let mut beat = self.lock();
        if beat.blocked.is_none() {
            beat.blocked = Some((Instant::now(), beat.written));
        }
    }

    /// All that was to be written is.
    fn flushed(&self) {
        let mut beat = self.lock();
        beat.blocked = None;
        if beat.state == State::Answered {
            beat.state = State::Waiting;
            beat.since = Instant::now();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Beat> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection's stream. It writes one piece at a time: a write of several
/// (`writev`) raises SIGPIPE where a service has that signal's default.
pub(super) struct Watched {
    stream: TcpStream,
    pulse: Arc<Pulse>,
}

impl Watched {
    pub(super) fn new(stream: TcpStream, pulse: Arc<Pulse>) -> Self {
        Self { stream, pulse }
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        match &written {
            Poll::Ready(Ok(bytes)) => self.pulse.wrote(*bytes),
            Poll::Ready(Err(_)) => {}
            Poll::Pending => self.pulse.blocked(),
        }
        written
    }

    /// hyper flushes when its own buffer is empty.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        if flushed.is_ready() {
            self.pulse.flushed();
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
