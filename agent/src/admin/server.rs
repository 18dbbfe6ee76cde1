//! The connections of the admin server: how many, for how long, and which
//! gives way.
//!
//! An open connection costs the service a descriptor and some memory, so there
//! are [`Limits::connections`] at most, fewer where descriptors are short. A
//! newcomer beyond that takes the place of the connection that has waited
//! longest without a whole request: a flood of half-open connections evicts
//! itself, and who sends a request at once is answered. Only where every
//! connection is worked on is a newcomer refused. While no descriptor can be
//! spared nothing is accepted; what waits in the kernel's queue costs none.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use super::counts::{Cause, Counts};
use super::limits::{Limits, MAX_HEADER_BYTES, MAX_HEADERS};
use super::pulse::{Pulse, Watched};

/// How often a connection is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// What a client is sent for whom there is no room.
const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\n\
    Cache-Control: no-store\r\nConnection: close\r\nContent-Length: 27\r\n\r\n\
    every connection is in use\n";

/// Serves until it is dropped.
pub(super) async fn serve(
    listener: TcpListener,
    router: Router,
    counts: Arc<Counts>,
    limits: Limits,
) {
    let mut server = Server {
        router,
        counts,
        limits,
        open: HashMap::new(),
        tasks: JoinSet::new(),
        next: 0,
    };
    loop {
        server.forget_ended();
        if server.limits.room(server.open.len()) == 0 {
            // Nothing is accepted, and what is idle goes.
            server.shrink_to(0);
            sleep(server.limits.pause).await;
            continue;
        }
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(ended) = server.tasks.join_next(), if !server.tasks.is_empty() => {
                server.ended(ended);
                continue;
            }
        };
        match accepted {
            Ok((stream, _)) => server.admit(stream).await,
            // The client was gone before it was accepted.
            Err(error) if is_of_client(&error) => {}
            Err(_) => {
                server.counts.closed(Cause::Descriptors);
                sleep(server.limits.pause).await;
            }
        }
    }
}

fn is_of_client(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted
    )
}

struct Server {
    router: Router,
    counts: Arc<Counts>,
    limits: Limits,
    open: HashMap<u64, Open>,
    tasks: JoinSet<u64>,
    next: u64,
}

struct Open {
    pulse: Arc<Pulse>,
    evict: Arc<Notify>,
}

/// Which connection gives way, or when one can.
enum GivesWay {
    Now(u64),
    At(Instant),
    Nobody,
}

impl Server {
    /// Serves a newcomer, as soon as there is room for it.
    async fn admit(&mut self, stream: TcpStream) {
        loop {
            self.forget_ended();
            // The newcomer's descriptor is open already.
            let room = self.limits.room(self.open.len() + 1);
            if self.open.len() < room {
                return self.start(stream);
            }
            if room == 0 {
                return refuse(&stream, Cause::Descriptors, &self.counts);
            }
            match self.gives_way() {
                GivesWay::Now(id) => {
                    self.evict(id);
                    if let Some(ended) = self.tasks.join_next().await {
                        self.ended(ended);
                    }
                }
                GivesWay::At(when) => tokio::select! {
                    () = sleep_until(when) => {}
                    Some(ended) = self.tasks.join_next() => self.ended(ended),
                },
                GivesWay::Nobody => return refuse(&stream, Cause::Full, &self.counts),
            }
        }
    }

    fn start(&mut self, stream: TcpStream) {
        let id = self.next;
        self.next += 1;
        let open = Open {
            pulse: Pulse::new(),
            evict: Arc::new(Notify::new()),
        };
        let (pulse, evict) = (Arc::clone(&open.pulse), Arc::clone(&open.evict));
        let (counts, limits, router) = (Arc::clone(&self.counts), self.limits, self.router.clone());
        self.open.insert(id, open);
        counts.connected();
        self.tasks.spawn(async move {
            let _counted = Counted(&counts);
            if let Some(cause) = connection(stream, router, &pulse, &evict, &limits).await {
                counts.closed(cause);
            }
            id
        });
    }

    fn gives_way(&self) -> GivesWay {
        let able = self.open.iter().filter_map(|(id, open)| {
            let (reading, when) = open.pulse.gives_way(&self.limits)?;
            Some((reading, when, *id))
        });
        let now = Instant::now();
        let (ready, later): (Vec<_>, Vec<_>) = able.partition(|(_, when, _)| *when <= now);
        match ready.into_iter().min() {
            Some((_, _, id)) => GivesWay::Now(id),
            None => later
                .into_iter()
                .map(|(_, when, _)| when)
                .min()
                .map_or(GivesWay::Nobody, GivesWay::At),
        }
    }

    fn evict(&mut self, id: u64) {
        if let Some(open) = self.open.remove(&id) {
            open.evict.notify_one();
        }
    }

    /// Evicts those that can go, until so many are left.
    fn shrink_to(&mut self, connections: usize) {
        while self.open.len() > connections
            && let GivesWay::Now(id) = self.gives_way()
        {
            self.evict(id);
        }
    }

    fn forget_ended(&mut self) {
        while let Some(ended) = self.tasks.try_join_next() {
            self.ended(ended);
        }
    }

    fn ended(&mut self, ended: Result<u64, tokio::task::JoinError>) {
        match ended {
            Ok(id) => {
                self.open.remove(&id);
            }
            // One that panicked has not said which it was: it shares its pulse
            // with nobody any more.
            Err(_) => self
                .open
                .retain(|_, open| Arc::strong_count(&open.pulse) > 1),
        }
    }
}

/// One connection less, also where its task is dropped.
struct Counted<'a>(&'a Counts);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.disconnected();
    }
}

/// Serves one connection; answers why it was closed, if it was.
async fn connection(
    stream: TcpStream,
    router: Router,
    pulse: &Arc<Pulse>,
    evict: &Notify,
    limits: &Limits,
) -> Option<Cause> {
    // An answer's last piece is not to wait for the client's acknowledgement.
    let _ = stream.set_nodelay(true);
    let service = Noticed {
        inner: TowerToHyperService::new(router),
        pulse: Arc::clone(pulse),
    };
    let stream = TokioIo::new(Watched::new(stream, Arc::clone(pulse)));
    let mut serving = std::pin::pin!(
        http1::Builder::new()
            .max_buf_size(MAX_HEADER_BYTES)
            .max_headers(MAX_HEADERS)
            .header_read_timeout(None)
            .serve_connection(stream, service)
    );
    let look = LOOK.min(limits.header / 4).min(limits.write / 4);
    loop {
        tokio::select! {
            // How it ended is the client's business.
            _ = serving.as_mut() => return None,
            () = evict.notified() => return Some(Cause::Evicted),
            () = sleep(look) => {
                if let Some(cause) = pulse.overdue(limits) {
                    return Some(cause);
                }
            }
        }
    }
}

/// Says so to a client for whom there is no room, as far as that needs no
/// waiting.
fn refuse(stream: &TcpStream, cause: Cause, counts: &Counts) {
    counts.closed(cause);
    // What it has sent is read first: closing with bytes unread resets the
    // connection, and the client never sees the answer.
    let mut sent = [0; 4096];
    while let Ok(1..) = stream.try_read(&mut sent) {}
    let _ = stream.try_write(FULL);
}

/// The routes, with the pulse of the connection that asks.
struct Noticed {
    inner: TowerToHyperService<Router>,
    pulse: Arc<Pulse>,
}

type Answering = std::pin::Pin<
    Box<dyn Future<Output = Result<hyper::Response<Answer>, std::convert::Infallible>> + Send>,
>;

impl Service<Request<Incoming>> for Noticed {
    type Response = hyper::Response<Answer>;
    type Error = std::convert::Infallible;
    type Future = Answering;

    fn call(&self, request: Request<Incoming>) -> Answering {
        self.pulse.working();
        let answering = self.inner.call(request);
        let pulse = Arc::clone(&self.pulse);
        Box::pin(async move {
            let response: Response = answering.await?;
            Ok(response.map(|body| Answer { body, pulse }))
        })
    }
}

/// An answer's body; dropped when all of it is with the connection.
struct Answer {
    body: Body,
    pulse: Arc<Pulse>,
}

impl http_body::Body for Answer {
    type Data = axum::body::Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        std::pin::Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.pulse.answered();
    }
}
