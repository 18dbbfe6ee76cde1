//! A response body that is made after its headers were sent.
//!
//! Clients allow a server little more than the seconds they asked for until
//! headers come (`go tool pprof`: half as much again). Naming a profile's
//! addresses can take longer on a busy machine, so the headers go first.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use http_body::Frame;
use tokio::task::JoinHandle;

/// What a body could not be made for.
pub(super) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// One chunk, when its task has made it. Dropping the body, as happens when
/// the client hangs up, ends the task.
struct Late {
    task: Option<JoinHandle<Result<Vec<u8>, Failure>>>,
}

/// A body of what `making` comes to; the connection breaks where it fails.
pub(super) fn body(
    making: impl Future<Output = Result<Vec<u8>, Failure>> + Send + 'static,
) -> Body {
    Body::new(Late {
        task: Some(tokio::spawn(making)),
    })
}

impl http_body::Body for Late {
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        let Some(task) = &mut self.task else {
            return Poll::Ready(None);
        };
        let done = std::task::ready!(Pin::new(task).poll(context));
        self.task = None;
        let chunk = done.unwrap_or_else(|error| Err(error.into()));
        Poll::Ready(Some(chunk.map(|bytes| Frame::data(bytes.into()))))
    }
}

impl Drop for Late {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}
