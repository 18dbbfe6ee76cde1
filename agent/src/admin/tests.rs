//! The server over real connections: what clients do that are slow, silent,
//! rude or many. The limits' times are short here; what is asserted is that
//! things happen and how often, not when.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::http::Method;
use axum::routing::get;
use tokio::sync::{Notify, oneshot};

use super::counts::Counts;
use super::headers;
use super::limits::Limits;
use super::server;

/// Nothing here takes that long.
const GIVE_UP: Duration = Duration::from_secs(60);

/// A server with one quick route, one big one, and one that waits.
struct Served {
    address: SocketAddr,
    counts: Arc<Counts>,
    /// Lets one request of `/wait` go.
    go: Arc<Notify>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Served {
    fn start(limits: Limits) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback");
        listener.set_nonblocking(true).expect("a socket");
        let address = listener.local_addr().expect("bound");
        let counts = Arc::new(Counts::default());
        let go = Arc::new(Notify::new());
        let waits = Arc::clone(&go);
        let router = Router::new()
            .route("/", get(async || "here\n"))
            .route("/big", get(async || "x".repeat(16 << 20)))
            .route(
                "/wait",
                get(async move || {
                    waits.notified().await;
                    "gone\n"
                }),
            )
            .layer(axum::middleware::map_response(
                async |mut response: axum::response::Response| {
                    headers::add(&mut response);
                    response
                },
            ));
        let (stop, stopped) = oneshot::channel::<()>();
        let seen = Arc::clone(&counts);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(async move {
                let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
                tokio::select! {
                    () = server::serve(listener, router, seen, limits) => {}
                    _ = stopped => {}
                }
            });
        });
        Self {
            address,
            counts,
            go,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).expect("a connection");
        stream.set_read_timeout(Some(GIVE_UP)).expect("a timeout");
        stream
    }

    /// A connection that has sent this.
    fn sent(&self, bytes: impl AsRef<[u8]>) -> TcpStream {
        let mut stream = self.connect();
        stream.write_all(bytes.as_ref()).expect("sent");
        stream
    }

    /// What a request is answered, whole.
    fn ask(&self, bytes: impl AsRef<[u8]>) -> String {
        rest(&mut self.sent(bytes))
    }

    /// Asks until it answers: in a flood a client that is too slow to send its
    /// request may be thrown out before it did.
    fn answers(&self) {
        self.until("an answer", |served| {
            let mut stream = served.connect();
            let _ = stream.write_all(get_of("/").as_bytes());
            rest(&mut stream).ends_with("here\n")
        });
    }

    fn closed(&self, cause: &str) -> u64 {
        let mut causes = self.counts.by_cause();
        causes.find(|(name, _)| *name == cause).expect("a cause").1
    }

    /// Waits for a count that nothing announces.
    fn until(&self, what: &str, mut reached: impl FnMut(&Self) -> bool) {
        let start = Instant::now();
        while !reached(self) {
            assert!(start.elapsed() < GIVE_UP, "{what} never happened");
            std::thread::yield_now();
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.stop.take().expect("once").send(());
        let thread = self.thread.take().expect("once");
        assert!(thread.join().is_ok() || std::thread::panicking());
    }
}

fn get_of(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
}

fn kept_alive(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")
}

/// What comes until the server closes or resets the connection.
fn rest(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}"),
    }
    String::from_utf8_lossy(&answer).into_owned()
}

fn short() -> Limits {
    Limits {
        header: Duration::from_secs(1),
        write: Duration::from_secs(2),
        ..Limits::default()
    }
}

#[test]
fn who_sends_no_whole_header_is_closed() {
    let served = Served::start(short());
    let mut silent = served.connect();
    let mut half = served.sent("GET / HTTP/1.1\r\nHost: loc");
    let mut idle = served.sent(kept_alive("/"));
    assert_eq!(rest(&mut silent), "");
    assert_eq!(rest(&mut half), "");
    assert!(rest(&mut idle).ends_with("here\n"), "answered, then closed");
    // A byte at a time is no header either, however long it goes on.
    let mut dripping = served.connect();
    while dripping.write_all(b"x").is_ok() {
        // That is how it drips.
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(served.closed("silent"), 4);
    served.answers();
}

#[test]
fn who_does_not_read_an_answer_is_closed() {
    let served = Served::start(short());
    let _never_reads = served.sent(get_of("/big"));
    served.until("the end of a slow reader", |s| s.closed("slow") == 1);
    let _asks_on = served.sent(kept_alive("/big").repeat(100));
    served.until("the end of one that asks on", |s| s.closed("slow") == 2);
    let mut dripping = served.sent(get_of("/big"));
    served.until("the end of one that sips", |served| {
        let _ = dripping.read(&mut [0; 16]);
        // That is how slow it is.
        std::thread::sleep(Duration::from_millis(1));
        served.closed("slow") == 3
    });
    served.answers();
    let whole = served.ask(get_of("/big"));
    assert!(whole.len() > 16 << 20, "{} bytes", whole.len());
    served.until("the end of all", |s| s.counts.connections() == 0);
}

#[test]
fn a_request_that_is_worked_on_has_its_time() {
    let served = Served::start(short());
    let mut waiting = served.sent(get_of("/wait"));
    let silent = &mut served.connect();
    assert_eq!(rest(silent), "", "a later one is closed meanwhile");
    served.go.notify_one();
    assert!(rest(&mut waiting).ends_with("gone\n"));
}

#[test]
fn a_flood_of_half_open_connections_evicts_itself() {
    let served = Served::start(Limits::default());
    let mut flood = Vec::new();
    for n in 0..1_100 {
        flood.push(served.connect());
        assert!(served.counts.connections() <= 32);
        if n % 100 == 99 {
            served.answers();
        }
    }
    served.answers();
    assert!(served.closed("evicted") >= 1_000);
    assert_eq!(served.closed("full"), 0);
}

#[test]
fn where_all_are_worked_on_a_newcomer_is_refused_and_nothing_else() {
    let limits = Limits {
        connections: 4,
        ..Limits::default()
    };
    let served = Served::start(limits);
    let mut working: Vec<TcpStream> = (0..4).map(|_| served.sent(get_of("/wait"))).collect();
    served.until("work on all", |served| {
        let answer = served.ask(get_of("/"));
        let refused = answer.starts_with("HTTP/1.1 503") && answer.contains("Retry-After: 1");
        assert!(
            refused || answer.ends_with("here\n") || answer.is_empty(),
            "{answer}"
        );
        served.closed("full") > 0
    });
    for stream in &mut working {
        served.go.notify_one();
        assert!(rest(stream).ends_with("gone\n"));
    }
    served.answers();
}

#[test]
fn a_client_that_hangs_up_ends_its_request() {
    let served = Served::start(Limits::default());
    let clients: Vec<TcpStream> = (0..20).map(|_| served.sent(get_of("/wait"))).collect();
    served.until("twenty", |served| served.counts.connections() == 20);
    drop(clients);
    served.until("the end of all", |served| served.counts.connections() == 0);
    served.answers();
}

#[test]
fn large_headers_are_refused_before_they_are_kept() {
    let served = Served::start(Limits::default());
    let long = "x".repeat(380 << 10);
    for request in [
        format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {long}\r\n\r\n"),
        format!("GET /{long} HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        format!("{long} / HTTP/1.1\r\n\r\n"),
        format!("GET / HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(1_000)),
    ] {
        let mut stream = served.connect();
        // The server need not take all of it.
        let _ = stream.write_all(request.as_bytes());
        let answer = rest(&mut stream);
        let refused = answer.starts_with("HTTP/1.1 4") || answer.is_empty();
        assert!(refused, "{answer}");
        assert!(!answer.contains("here"));
    }
    served.answers();
}

#[test]
fn odd_requests_harm_nobody() {
    let served = Served::start(short());
    let old = served.ask("GET / HTTP/1.0\r\nHost: localhost\r\n\r\n");
    assert!(old.ends_with("here\n"), "{old}");
    let ten = served.ask(kept_alive("/").repeat(9) + &get_of("/"));
    assert_eq!(ten.matches("here\n").count(), 10, "pipelined");
    let upgrade =
        "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    assert!(served.ask(upgrade).starts_with("HTTP/1.1 200"));
    let expects =
        "GET / HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n";
    assert!(served.ask(expects).starts_with("HTTP/1.1 200"), "at once");
    let endless =
        "GET / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n";
    assert!(
        served.ask(endless).starts_with("HTTP/1.1 200"),
        "and no more of it"
    );
    let junk = [
        &b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..],
        b"CONNECT example.com:80 HTTP/1.1\r\nHost: example.com:80\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\0\0\0\0\r\n\r\n",
        b"GET /%ff%00%zz?%=%&&== HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\r\n\r\n\r\n",
    ];
    for mut stream in junk.map(|junk| served.sent(junk)) {
        let answer = rest(&mut stream);
        assert!(!answer.contains("here"), "{answer}");
    }
    // As a scanner does it: opened, and closed or reset at once.
    for _ in 0..50 {
        drop(served.connect());
        let mut reset = served.connect();
        let _ = reset.write_all(b"GET /big HTTP/1.1\r\nHost: localhost\r\n\r\n");
    }
    served.answers();
    served.until("the end of all", |served| served.counts.connections() == 0);
}

#[test]
fn every_answer_keeps_browsers_out() {
    let served = Served::start(Limits::default());
    for path in ["/", "/no-such"] {
        let answer = served.ask(get_of(path)).to_ascii_lowercase();
        for header in [
            "cache-control: no-store\r\n",
            "vary: authorization, host, origin, sec-fetch-site\r\n",
            "x-content-type-options: nosniff\r\n",
            "referrer-policy: no-referrer\r\n",
            "x-frame-options: deny\r\n",
            "content-security-policy: default-src 'none'",
        ] {
            assert_eq!(answer.matches(header).count(), 1, "{header} in {answer}");
        }
    }
    let request = format!("{} / HTTP/1.1\r\nHost: localhost\r\n", Method::DELETE);
    let answer = served.ask(request + "Connection: close\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 405"), "{answer}");
}

#[test]
fn requests_of_any_bytes_harm_nobody() {
    let served = Served::start(Limits::default());
    let whole = b"POST http://localhost/?a=%20 HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\
        Content-Length: 3\r\nConnection: keep-alive\r\nExpect: 100-continue\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    let mut random = 7_u64;
    let mut below = |end: usize| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) as usize % end
    };
    for _ in 0..400 {
        let mut request = whole.to_vec();
        for _ in 0..=below(6) {
            let at = below(request.len());
            match below(4) {
                0 => request[at] = below(256) as u8,
                1 => request.truncate(at.max(1)),
                2 => {
                    let part = request[at..].to_vec();
                    request.extend(part);
                }
                _ => drop(request.drain(at..(at + below(20)).min(request.len()))),
            }
            if request.is_empty() {
                request.push(b'\n');
            }
        }
        let mut stream = served.connect();
        let _ = stream.write_all(&request);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        rest(&mut stream);
    }
    served.answers();
    served.until("the end of all", |served| served.counts.connections() == 0);
}
