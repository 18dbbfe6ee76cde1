//! The admin port under attack: the service keeps its descriptors and its
//! memory, and whoever asks properly is answered meanwhile.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::Value;
use soakscope_tests::{Subject, get, get_with, post, scratch};

const SUBJECT: &str = env!("CARGO_BIN_EXE_subject");
/// Nothing here takes that long.
const GIVE_UP: Duration = Duration::from_secs(120);

fn subject(scratch: &tempfile::TempDir, environment: &[(&str, &str)]) -> Subject {
    Subject::start(SUBJECT, &scratch.path().join("run"), environment)
}

fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(GIVE_UP)).expect("a timeout");
    stream
}

/// A connection that has asked for this.
fn asked(address: &str, path: &str) -> TcpStream {
    let mut stream = connect(address);
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("sent");
    stream
}

/// The head of an answer, in lower case.
fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            end => panic!("{end:?} after {}", String::from_utf8_lossy(&head)),
        }
    }
    String::from_utf8(head).expect("text").to_ascii_lowercase()
}

fn admin(address: &str) -> Value {
    let status = get(address, "/status");
    assert_eq!(status.status, 200, "{}", status.text());
    status.json()["admin"].clone()
}

/// The body of an answer that comes amid a flood, in which a client that is too
/// slow to send its request may be thrown out before it did.
fn answered(address: &str, path: &str) -> String {
    let mut body = None;
    until("an answer", || {
        let mut stream = connect(address);
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let mut answer = String::new();
        let _ = stream.write_all(request.as_bytes());
        let _ = stream.read_to_string(&mut answer);
        let whole = answer.strip_prefix("HTTP/1.1 200");
        body = whole.and_then(|rest| Some(rest.split_once("\r\n\r\n")?.1.to_owned()));
        body.is_some()
    });
    body.expect("reached")
}

/// The same, of `/status`.
fn admin_amid(address: &str) -> Value {
    let status: Value = serde_json::from_str(&answered(address, "/status")).expect("JSON");
    status["admin"].clone()
}

fn count(value: &Value) -> u64 {
    value.as_u64().expect("a count")
}

fn open_files(subject: &Subject) -> usize {
    let path = format!("/proc/{}/fd", subject.pid());
    std::fs::read_dir(path).expect("it runs").count()
}

fn limit_files(subject: &Subject, files: u64) {
    let pid = i32::try_from(subject.pid()).ok();
    let pid = pid.and_then(rustix::process::Pid::from_raw);
    let limit = rustix::process::Rlimit {
        current: Some(files),
        maximum: Some(1_024),
    };
    rustix::process::prlimit(pid, rustix::process::Resource::Nofile, limit).expect("a limit");
}

fn resident_kib(subject: &Subject) -> u64 {
    let path = format!("/proc/{}/status", subject.pid());
    let status = std::fs::read_to_string(path).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.expect("VmRSS").trim().trim_end_matches(" kB");
    kib.parse().expect("a number")
}

/// Asks until the answer is as wanted: what a lane is free again nobody says.
fn until(what: &str, mut reached: impl FnMut() -> bool) {
    let start = Instant::now();
    while !reached() {
        assert!(start.elapsed() < GIVE_UP, "{what} never happened");
        std::thread::yield_now();
    }
}

#[test]
fn half_open_connections_leave_the_service_its_descriptors() {
    let scratch = scratch();
    let mut subject = subject(&scratch, &[]);
    limit_files(&subject, 256);
    // What the agent itself opens, it has opened by then.
    subject.ask("row");
    subject.ask("row");
    admin(&subject.address);
    let before = open_files(&subject);
    let mut flood = Vec::new();
    for n in 0..1_100 {
        flood.push(connect(&subject.address));
        if n % 220 == 219 {
            let held = open_files(&subject) - before;
            assert!(held <= 32 + 8, "{held} descriptors at {n}");
            assert_eq!(subject.ask("open 150"), "opened 150");
            assert!(count(&admin_amid(&subject.address)["connections"]) <= 32);
        }
    }
    assert_eq!(answered(&subject.address, "/healthz"), "ok\n");
    let closed = &admin_amid(&subject.address)["closed"];
    assert!(count(&closed["evicted"]) >= 1_000, "{closed}");
    assert_eq!(subject.ask("row"), "row");
}

#[test]
fn where_descriptors_are_short_the_server_takes_fewer() {
    let scratch = scratch();
    let mut subject = subject(&scratch, &[]);
    subject.ask("row");
    subject.ask("row");
    admin(&subject.address);
    let before = open_files(&subject);
    // An eighth of that is the service's, less a newcomer that waits.
    let files = before as u64 + 14;
    limit_files(&subject, files);
    let kept = usize::try_from(files / 8 - 1).expect("a few");
    let mut flood = Vec::new();
    for _ in 0..100 {
        flood.push(connect(&subject.address));
        // A reading of the agent's has a descriptor for a moment.
        until("room for the service's own", || {
            subject.ask(&format!("open {kept}")) == format!("opened {kept}")
        });
    }
    assert_eq!(answered(&subject.address, "/healthz"), "ok\n");
    // Nothing is left but the service's last.
    limit_files(&subject, 8);
    let mut waits = asked(&subject.address, "/healthz");
    limit_files(&subject, 256);
    assert!(
        head(&mut waits).starts_with("http/1.1 200"),
        "once there are some"
    );
}

#[test]
fn large_headers_take_little_memory() {
    let scratch = scratch();
    let mut subject = subject(&scratch, &[("SOAKSCOPE_CPU_CLOCK", "off")]);
    subject.ask("row");
    assert_eq!(get(&subject.address, "/status").status, 200);
    let before = resident_kib(&subject);
    let header = format!(
        "GET / HTTP/1.1\r\nHost: localhost\r\nX: {}",
        "x".repeat(380 << 10)
    );
    let mut flood = Vec::new();
    for _ in 0..900 {
        let mut stream = connect(&subject.address);
        let _ = stream.set_write_timeout(Some(GIVE_UP));
        // It is cut off once it is too much.
        let _ = stream.write_all(header.as_bytes());
        flood.push(stream);
    }
    assert_eq!(answered(&subject.address, "/healthz"), "ok\n");
    let grown = resident_kib(&subject).saturating_sub(before);
    assert!(grown < 24 << 10, "{grown} KiB");
}

#[test]
fn each_kind_of_work_is_refused_beyond_its_few_and_delays_no_other() {
    let scratch = scratch();
    let mut subject = subject(&scratch, &[]);
    let at = subject.address.clone();
    let mut profile = asked(&at, "/debug/pprof/profile?seconds=300");
    assert!(head(&mut profile).starts_with("http/1.1 200"));
    assert_eq!(get(&at, "/debug/pprof/profile?seconds=1").status, 409);
    let mut stretches = Vec::new();
    for n in 0..20 {
        let mut stretch = asked(&at, "/debug/pprof/heap?seconds=300");
        let head = head(&mut stretch);
        if n < 2 {
            assert!(head.starts_with("http/1.1 200"), "{head}");
            stretches.push(stretch);
        } else {
            assert!(head.starts_with("http/1.1 503"), "{head}");
            assert!(head.contains("retry-after: 1\r\n"), "{head}");
        }
    }
    // Two scrapers, which ask for all there is at the same time.
    let scrapes: Vec<_> = ["heap", "allocs", "heap", "allocs"]
        .map(|kind| asked(&at, &format!("/debug/pprof/{kind}")))
        .into();
    for mut scrape in scrapes {
        assert!(head(&mut scrape).starts_with("http/1.1 200"));
    }
    for path in [
        "/status",
        "/metrics",
        "/healthz",
        "/timeline.csv",
        "/debug/pprof/threads",
    ] {
        assert_eq!(get(&at, path).status, 200, "{path}");
    }
    assert_eq!(post(&at, "/phase/attacked").text(), "attacked\n");
    let status = get(&at, "/status").json();
    assert_eq!(status["profiling"], true);
    let work = &status["admin"]["work"];
    assert_eq!(work["heap_change"]["begun"], 2, "{work}");
    assert_eq!(work["heap_change"]["refused"], 18, "{work}");
    assert_eq!(work["profile"]["refused"], 1, "{work}");
    let metrics = get(&at, "/metrics").text();
    let refused = "soakscope_admin_work_total{work=\"heap_change\",outcome=\"refused\"} 18\n";
    assert!(metrics.contains(refused), "{metrics}");
    // Who goes away makes room.
    drop((profile, stretches));
    until("the end of the profile", || {
        get(&at, "/status").json()["profiling"] == false
    });
    until("room for a stretch", || {
        get(&at, "/debug/pprof/heap?seconds=0.01").status == 200
    });
    let _still = asked(&at, "/debug/pprof/heap?seconds=300");
    assert_eq!(post(&at, "/finish").status, 200);
    assert_eq!(get(&at, "/status").json()["state"], "finished");
    subject.ask("threads");
}

#[test]
fn abandoned_pictures_of_threads_hold_up_nobody() {
    let scratch = scratch();
    let subject = subject(&scratch, &[]);
    let at = subject.address.clone();
    for _ in 0..300 {
        drop(asked(&at, "/debug/pprof/threads?format=svg"));
    }
    let threads = &admin(&at)["work"]["threads"];
    let begun = count(&threads["begun"]);
    assert!(begun <= 150, "most were never begun: {threads}");
    until("a picture for who waits", || {
        get(&at, "/debug/pprof/threads?format=svg").status == 200
    });
    let mut picture = asked(&at, "/debug/pprof/threads?format=svg");
    let head = head(&mut picture);
    assert!(head.contains("content-type: image/svg+xml\r\n"), "{head}");
    assert!(
        head.contains("script-src 'unsafe-hashes' 'sha256-"),
        "{head}"
    );
}

#[test]
fn without_the_token_nothing_is_begun() {
    let scratch = scratch();
    let subject = subject(&scratch, &[("SOAKSCOPE_TOKEN", "s3cret")]);
    let at = subject.address.clone();
    for path in [
        "/debug/pprof/profile?seconds=300",
        "/debug/pprof/heap?seconds=300",
        "/debug/pprof/threads?format=svg",
        "/status",
        "/no-such",
    ] {
        let mut stream = asked(&at, path);
        let head = head(&mut stream);
        assert!(head.starts_with("http/1.1 401"), "{head}");
        assert!(
            head.contains("www-authenticate: bearer realm=\"soakscope\"\r\n"),
            "{head}"
        );
    }
    let mut endless = connect(&at);
    let request =
        "POST /finish HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nffffff\r\nx";
    endless.write_all(request.as_bytes()).expect("sent");
    assert!(
        head(&mut endless).starts_with("http/1.1 401"),
        "before any body"
    );
    let known = get_with(&at, "/status", &[("Authorization", "bearer  s3cret")]);
    assert_eq!(known.status, 200);
    let work = &known.json()["admin"]["work"];
    for (kind, counts) in work.as_object().expect("lanes") {
        let begun = u64::from(kind == "status");
        assert_eq!(counts["begun"], begun, "{kind}: {work}");
    }
}

#[test]
fn junk_in_names_and_queries_is_refused_or_cleaned() {
    let scratch = scratch();
    let mut subject = subject(&scratch, &[]);
    let at = subject.address.clone();
    for path in ["/phase/%ff%fe", "/phase/a%2Fb", "/phase/%"] {
        let answer = post(&at, path);
        assert!(
            matches!(answer.status, 200 | 400),
            "{path}: {}",
            answer.status
        );
    }
    let cleaned = post(&at, "/phase/%0a%1b%5b31m%00%3Cscript%3E").text();
    assert!(
        cleaned
            .trim_end()
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)),
        "{cleaned:?}"
    );
    for path in [
        "/timeline.csv?last=-1",
        "/timeline.csv?last=99999999999999999999999",
        "/timeline.csv?last=%ff",
        "/debug/pprof/profile?seconds=nan",
        "/debug/pprof/profile?seconds=inf",
        "/debug/pprof/profile?seconds=-1",
        "/debug/pprof/profile?seconds=1e999",
        "/debug/pprof/heap?seconds=301",
        "/debug/pprof/heap?seconds=",
        "/debug/pprof/threads?format=%00",
    ] {
        let answer = get(&at, path);
        assert_eq!(answer.status, 400, "{path}: {}", answer.text());
    }
    let none = get(&at, "/debug/pprof/threads?format=collapsed&span=%ff%00%0a");
    assert!(matches!(none.status, 200 | 400));
    assert_eq!(get(&at, "/status").status, 200);
    assert_eq!(subject.ask("row"), "row");
}
