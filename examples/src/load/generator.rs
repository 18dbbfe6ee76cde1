//! Sends a plan's requests when they are due.
//!
//! A thread of its own keeps the timetable, because tokio's timer counts in whole milliseconds and would add one to
//! every latency. It puts requests into a queue; a fixed number of clients, each with one keep-alive
//! connection, take turns at the queue. When all are busy requests wait there, and the wait is part of their
//! latency. A queue that is full drops requests and counts them.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::mix::Mix;
use super::plan::Plan;
use super::tally::{Percentiles, Tally};
use crate::Error;

/// Requests that may wait for a free connection.
const QUEUE: usize = 20_000;
/// How long one request may take once it is sent.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long requests that are due by then may still take when the load ends.
const DRAIN: Duration = Duration::from_secs(10);
/// How soon the timetable notices that it is to stop.
const NAP: Duration = Duration::from_millis(50);
/// How often progress is reported.
const PROGRESS_EVERY: Duration = Duration::from_secs(1);

type HttpClient = Client<HttpConnector, Full<Bytes>>;

/// How far the load is, once a second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Seconds since the load began.
    pub elapsed_s: f64,
    /// Requests finished so far.
    pub requests: u64,
    /// Of those, how many failed.
    pub errors: u64,
    /// Requests finished per second since the last word.
    pub per_second: f64,
    /// Latencies of the current phase so far.
    pub latency: Percentiles,
}

/// A load that is over. Its connections stay open until it is dropped, so that a run can be sealed first and its last
/// row does not show the client hanging up.
#[derive(Debug)]
pub struct Sent {
    /// What the client saw in each phase of the plan.
    pub tallies: Vec<Tally>,
    /// How long the load took.
    pub length: Duration,
    _connections: Vec<HttpClient>,
}

/// A request that is due.
struct Due {
    phase: usize,
    at: Instant,
    request: Request<Full<Bytes>>,
}

/// Sends all requests of `plan` to `target` over `connections` connections. `stop` ends it early; `begun` and `advanced` are called when a phase begins and
/// once a second.
///
/// # Errors
///
/// When `target` is not a loopback address: this generator is for the shop on this machine and nothing else.
pub async fn generate(
    plan: &Plan,
    target: SocketAddr,
    connections: usize,
    stop: Arc<AtomicBool>,
    mut begun: impl FnMut(usize),
    mut advanced: impl FnMut(Progress),
) -> Result<Sent, Error> {
    if !target.ip().is_loopback() {
        return Err(Error::Load(format!(
            "{target} is not a loopback address; use k6, Locust, oha or wrk for others"
        )));
    }
    let tallies: Arc<Vec<Mutex<Tally>>> =
        Arc::new(plan.phases().iter().map(|_| Mutex::default()).collect());
    let (queue, due) = mpsc::channel(QUEUE);
    let (beginnings, mut phases) = mpsc::unbounded_channel();
    let due = Arc::new(tokio::sync::Mutex::new(due));
    let mut clients = JoinSet::new();
    for _ in 0..connections.max(1) {
        clients.spawn(work(Arc::clone(&due), Arc::clone(&tallies)));
    }
    let start = Instant::now();
    let timetable = {
        let (plan, tallies) = (plan.clone(), Arc::clone(&tallies));
        std::thread::Builder::new()
            .name("load-timetable".to_owned())
            .spawn(move || keep_time(&plan, target, start, &stop, &queue, &tallies, &beginnings))
            .map_err(|error| Error::Load(format!("cannot start its timetable: {error}")))?
    };

    let mut tick = tokio::time::interval_at((start + PROGRESS_EVERY).into(), PROGRESS_EVERY);
    let (mut phase, mut last) = (0, Progress::default());
    loop {
        tokio::select! {
            beginning = phases.recv() => match beginning {
                Some(number) => {
                    phase = number;
                    begun(number);
                }
                // The timetable is over.
                None => break,
            },
            _ = tick.tick() => {
                last = progress(&tallies, phase, start.elapsed(), &last);
                advanced(last);
            }
        }
    }
    let queued = timetable
        .join()
        .map_err(|_| Error::Load("its timetable panicked".to_owned()))?;
    let mut connections = Vec::new();
    let drained = async {
        while let Some(client) = clients.join_next().await {
            connections.extend(client);
        }
    };
    if tokio::time::timeout(DRAIN, drained).await.is_err() {
        clients.shutdown().await;
    }
    let length = start.elapsed();
    let mut tallies: Vec<Tally> = tallies
        .iter()
        .map(|tally| std::mem::take(&mut *locked(tally)))
        .collect();
    let served: u64 = tallies.iter().map(Tally::requests).sum();
    tallies[phase].unserved(queued.saturating_sub(served));
    Ok(Sent {
        tallies,
        length,
        _connections: connections,
    })
}

/// Puts each request into the queue when it is due; gives how many it put there.
fn keep_time(
    plan: &Plan,
    target: SocketAddr,
    start: Instant,
    stop: &AtomicBool,
    queue: &mpsc::Sender<Due>,
    tallies: &[Mutex<Tally>],
    beginnings: &mpsc::UnboundedSender<usize>,
) -> u64 {
    let mut queued = 0;
    let mut mix = Mix::new(plan.requests());
    let mut begin = start;
    for (phase, shape) in plan.phases().iter().enumerate() {
        if !wait_until(begin, stop) {
            return queued;
        }
        let _ = beginnings.send(phase);
        for number in 0..shape.requests() {
            let at = begin + shape.due(number);
            let request = mix.next(target);
            if !wait_until(at, stop) {
                return queued;
            }
            if queue.try_send(Due { phase, at, request }).is_err() {
                locked(&tallies[phase]).unserved(1);
            } else {
                queued += 1;
            }
        }
        begin += shape.length;
    }
    wait_until(begin, stop);
    queued
}

/// Waits for a moment; false when the load is to stop instead.
fn wait_until(moment: Instant, stop: &AtomicBool) -> bool {
    loop {
        if stop.load(Ordering::Relaxed) {
            return false;
        }
        let left = moment.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return true;
        }
        std::thread::sleep(left.min(NAP));
    }
}

/// One client: takes its turn at the queue until there is no more. Gives back its connection.
async fn work(
    due: Arc<tokio::sync::Mutex<mpsc::Receiver<Due>>>,
    tallies: Arc<Vec<Mutex<Tally>>>,
) -> HttpClient {
    let client: HttpClient = Client::builder(TokioExecutor::new())
        .pool_max_idle_per_host(1)
        .build_http();
    loop {
        let next = due.lock().await.recv().await;
        let Some(Due { phase, at, request }) = next else {
            return client;
        };
        let answer = tokio::time::timeout(PATIENCE, exchange(&client, request)).await;
        let latency = at.elapsed();
        let mut tally = locked(&tallies[phase]);
        match answer {
            Ok(Ok((status, bytes))) => tally.answered(status, latency, bytes),
            Ok(Err(why)) => tally.failed(&why, latency),
            Err(_) => tally.failed("timed out", latency),
        }
    }
}

/// Sends one request and reads its whole answer: status and size.
async fn exchange(
    client: &HttpClient,
    request: Request<Full<Bytes>>,
) -> Result<(u16, u64), String> {
    let answer = client
        .request(request)
        .await
        .map_err(|error| root_of(&error))?;
    let status = answer.status().as_u16();
    let body = answer
        .into_body()
        .collect()
        .await
        .map_err(|error| root_of(&error))?;
    Ok((status, body.to_bytes().len() as u64))
}

/// The innermost cause, which is what distinguishes failures.
fn root_of(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

fn progress(
    tallies: &[Mutex<Tally>],
    phase: usize,
    elapsed: Duration,
    last: &Progress,
) -> Progress {
    let mut now = Progress {
        elapsed_s: elapsed.as_secs_f64(),
        ..Progress::default()
    };
    for (number, tally) in tallies.iter().enumerate() {
        let tally = locked(tally);
        now.requests += tally.requests();
        now.errors += tally.errors();
        if number == phase {
            now.latency = tally.percentiles();
        }
    }
    now.per_second =
        (now.requests - last.requests) as f64 / (now.elapsed_s - last.elapsed_s).max(1e-3);
    now
}

fn locked(tally: &Mutex<Tally>) -> std::sync::MutexGuard<'_, Tally> {
    tally.lock().unwrap_or_else(PoisonError::into_inner)
}
