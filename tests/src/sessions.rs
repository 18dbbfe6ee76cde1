//! A service that keeps sessions, as many programs do: in a table that nobody
//! ever empties, or in one that is bounded. It serves itself, at a rate, for a
//! time, and exits with the verdict.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hint::black_box;
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use soakscope::Agent;
use tracing_subscriber::prelude::*;

/// Logins that share a span where there are so many a second that spans would be
/// most of the work.
const MAX_SPANS_PER_S: f64 = 1_000.0;

/// Locks of the sharded table, as `DashMap` has them.
const SHARDS: usize = 16;

/// What holds the sessions.
trait Store {
    fn login(&mut self, number: u64);
}

/// A session of so many bytes, which lies in the table itself.
type Session<const N: usize> = [u8; N];

#[inline(never)]
fn session<const N: usize>(number: u64) -> Session<N> {
    // Written, so that its pages are resident.
    black_box([number.to_le_bytes()[0] | 1; N])
}

struct Map<const N: usize>(HashMap<u64, Session<N>>);

impl<const N: usize> Store for Map<N> {
    #[inline(never)]
    fn login(&mut self, number: u64) {
        self.0.insert(number, session(number));
    }
}

struct List<const N: usize>(Vec<Session<N>>);

impl<const N: usize> Store for List<N> {
    #[inline(never)]
    fn login(&mut self, number: u64) {
        self.0.push(session(number));
    }
}

struct Queue<const N: usize>(VecDeque<Session<N>>);

impl<const N: usize> Store for Queue<N> {
    #[inline(never)]
    fn login(&mut self, number: u64) {
        self.0.push_back(session(number));
    }
}

struct Tree<const N: usize>(BTreeMap<u64, Session<N>>);

impl<const N: usize> Store for Tree<N> {
    #[inline(never)]
    fn login(&mut self, number: u64) {
        self.0.insert(number, session(number));
    }
}

struct Sharded<const N: usize>(Vec<Mutex<HashMap<u64, Session<N>>>>);

impl<const N: usize> Store for Sharded<N> {
    #[inline(never)]
    fn login(&mut self, number: u64) {
        // Fibonacci hashing spreads what comes one after the other.
        let shard = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        let mut shard = self.0[shard as usize % SHARDS].lock().expect("no panic");
        shard.insert(number, session(number));
    }
}

/// Bounded: the oldest goes when it is full.
struct Lru<const N: usize> {
    most: usize,
    order: VecDeque<u64>,
    sessions: HashMap<u64, Box<Session<N>>>,
}

impl<const N: usize> Store for Lru<N> {
    #[inline(never)]
    fn login(&mut self, number: u64) {
        if self.order.len() >= self.most
            && let Some(oldest) = self.order.pop_front()
        {
            self.sessions.remove(&oldest);
        }
        self.order.push_back(number);
        self.sessions.insert(number, Box::new(session(number)));
    }
}

fn store<const N: usize>(kind: &str, rate: f64, seconds: f64) -> Box<dyn Store> {
    match kind {
        "map" => Box::new(Map::<N>(HashMap::new())),
        "list" => Box::new(List::<N>(Vec::new())),
        "queue" => Box::new(Queue::<N>(VecDeque::new())),
        "tree" => Box::new(Tree::<N>(BTreeMap::new())),
        "sharded" => {
            let shards = (0..SHARDS).map(|_| Mutex::default());
            Box::new(Sharded::<N>(shards.collect()))
        }
        // Full after a quarter of the time.
        "lru" => Box::new(Lru::<N> {
            most: (rate * seconds / 4.0) as usize,
            order: VecDeque::new(),
            sessions: HashMap::new(),
        }),
        other => panic!("no such store: {other}"),
    }
}

/// Serves as the arguments say: KIND RATE SECONDS BYTES, where a session has
/// 24, 256, 1536 or 16384 bytes. The run directory is `SOAKSCOPE_RUN_PATH`.
pub fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [kind, rate, seconds, bytes] = &arguments[..] else {
        panic!("KIND RATE SECONDS BYTES");
    };
    let (rate, seconds): (f64, f64) = (rate.parse().unwrap(), seconds.parse().unwrap());
    let mut store = match bytes.as_str() {
        "24" => store::<24>(kind, rate, seconds),
        "256" => store::<256>(kind, rate, seconds),
        "1536" => store::<1536>(kind, rate, seconds),
        "16384" => store::<16384>(kind, rate, seconds),
        other => panic!("no sessions of {other} bytes"),
    };
    let agent = Agent::builder("sessions").start().unwrap();
    tracing_subscriber::registry().with(agent.layer()).init();
    serve(&mut *store, rate, Duration::from_secs_f64(seconds));
    let outcome = agent.finish().unwrap();
    print!("{}", outcome.summary());
    // Held to the end, as by a service that is asked to stop.
    drop(store);
    ExitCode::from(u8::try_from(outcome.exit_code()).unwrap())
}

/// Logs in at a rate; for each login there are two other requests.
fn serve(store: &mut dyn Store, rate: f64, time: Duration) {
    let start = Instant::now();
    let together = (rate / MAX_SPANS_PER_S).ceil().max(1.0) as u64;
    let mut number = 0;
    while start.elapsed() < time {
        let due = (start.elapsed().as_secs_f64() * rate) as u64;
        while number + together <= due {
            request("POST", "/login", || {
                for login in number..number + together {
                    store.login(login);
                }
            });
            number += together;
            for _ in 0..2 {
                request("GET", "/", || drop(black_box(vec![1_u8; 2_000])));
            }
        }
        // It is the clock that says when the next login is due.
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn request(method: &str, route: &str, work: impl FnOnce()) {
    let span = tracing::info_span!(
        "request",
        otel.kind = "server",
        http.request.method = method,
        http.route = route,
        http.response.status_code = 200_u64,
    );
    span.in_scope(work);
}
