//! Answers of work that takes a while, and their bodies: made before their
//! headers are sent, or after.
//!
//! Clients allow a server little more than the seconds they asked for until
//! headers come (`go tool pprof`: half as much again). Naming a profile's
//! addresses can take longer on a busy machine, so the headers go first.
//!
//! Either kind goes out in pieces and keeps its turn until the last one, so
//! that no more bodies are in memory than there are turns, however slowly
//! clients read.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use http_body::{Frame, SizeHint};
use tokio::task::JoinHandle;

use super::lane::{Cancellation, Failure, Lane, Turn};

/// Enters a lane and runs work that is over when it answers.
pub(super) async fn answer(
    lane: &Lane,
    work: impl FnOnce(&Cancellation) -> Response + Send + 'static,
) -> Response {
    let turn = match lane.enter().await {
        Ok(turn) => turn,
        Err(refused) => return refused.into_response(),
    };
    match lane.run(turn, work).await {
        Some((response, _)) => response,
        None => broken(&format!("{} could not be made", lane.work)),
    }
}

/// The answer where work panicked.
pub(super) fn broken(what: &str) -> Response {
    (
        StatusCode::INTERNAL_SERVER_ERROR,
        format!("{what}; the agent's own log says more\n"),
    )
        .into_response()
}

/// Bytes handed over at once.
const PIECE: usize = 32 << 10;

/// A body, and the turn in which it was made.
pub(super) type Made = (Vec<u8>, Turn);

struct Pieces {
    left: Bytes,
    _turn: Turn,
}

impl Pieces {
    fn next(&mut self) -> Option<Frame<Bytes>> {
        let piece = self.left.split_to(self.left.len().min(PIECE));
        (!piece.is_empty()).then(|| Frame::data(piece))
    }
}

/// A body that is made already.
pub(super) fn made((bytes, turn): Made) -> Body {
    Body::new(Pieces {
        left: bytes.into(),
        _turn: turn,
    })
}

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        Poll::Ready(self.next().map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left.len() as u64)
    }
}

/// A body that a task makes. Dropping it, as happens when the client hangs up,
/// ends the task.
struct Late {
    task: Option<JoinHandle<Result<Made, Failure>>>,
    pieces: Option<Pieces>,
}

/// The body that `making` makes; the connection breaks where it fails.
pub(super) fn body(making: impl Future<Output = Result<Made, Failure>> + Send + 'static) -> Body {
    Body::new(Late {
        task: Some(tokio::spawn(making)),
        pieces: None,
    })
}

impl http_body::Body for Late {
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        if let Some(task) = &mut self.task {
            let done = std::task::ready!(Pin::new(task).poll(context));
            self.task = None;
            match done.unwrap_or_else(|error| Err(error.into())) {
                Ok((bytes, turn)) => {
                    let left = bytes.into();
                    self.pieces = Some(Pieces { left, _turn: turn });
                }
                Err(failure) => return Poll::Ready(Some(Err(failure))),
            }
        }
        Poll::Ready(self.pieces.as_mut().and_then(Pieces::next).map(Ok))
    }
}

impl Drop for Late {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}
