//! The metrics against Prometheus itself: its linter, and a server that
//! scrapes a running service.

use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use soakscope_tests::{Subject, free_port, get, output_text, scratch, tool};

const SUBJECT: &str = env!("CARGO_BIN_EXE_subject");

#[test]
fn promtool_finds_nothing_to_complain_of() {
    let scratch = scratch();
    let mut subject = Subject::start(SUBJECT, &scratch.path().join("run"), &[]);
    subject.ask("request 200");
    subject.ask("request 500");
    soakscope_tests::post(&subject.address, "/phase/steady");
    subject.ask("burn 200");
    subject.ask("row");
    subject.ask("row");
    is_clean(&get(&subject.address, "/metrics").body);
}

#[test]
fn promtool_finds_nothing_where_others_record_the_same_names() {
    let scratch = scratch();
    let global = [("SOAKSCOPE_GLOBAL_RECORDER", "1")];
    let mut subject = Subject::start(SUBJECT, &scratch.path().join("run"), &global);
    subject.ask("standard");
    is_clean(&get(&subject.address, "/metrics").body);
    subject.ask("request 200");
    subject.ask("standard");
    subject.ask("row");
    is_clean(&get(&subject.address, "/metrics").body);
}

fn is_clean(metrics: &[u8]) {
    let mut promtool = tool("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool runs");
    let mut input = promtool.stdin.take().expect("piped");
    input.write_all(metrics).expect("it reads");
    drop(input);
    let output = promtool.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{}", output_text(&output));
    assert_eq!(output_text(&output), "");
}

#[test]
fn a_server_scrapes_a_service_and_finds_its_memory() {
    let scratch = scratch();
    let mut subject = Subject::start(SUBJECT, &scratch.path().join("run"), &[]);
    subject.ask("request 200");
    let server = Server::start(scratch.path(), &subject.address);
    let memory = server.query("process_resident_memory_bytes");
    assert!(memory > 1e6, "{memory}");
    assert_eq!(server.query("soakscope_build_info"), 1.0);
    assert!(server.query("soakscope_ticks_total") >= 1.0);
    assert_eq!(server.query("soakscope_tracked{series=\"good\"}"), 42.0);
    let counted = "http_server_request_duration_seconds_count{http_route=\"/thing/{id}\"}";
    assert_eq!(server.query(counted), 1.0);
}

/// A Prometheus server on a port of its own; killed when dropped.
struct Server {
    child: Child,
    address: String,
}

impl Server {
    fn start(below: &Path, target: &str) -> Self {
        let config = below.join("prometheus.yml");
        let text = format!(
            "scrape_configs:\n- job_name: subject\n  scrape_interval: 1s\n  \
             static_configs:\n  - targets: ['{target}']\n"
        );
        std::fs::write(&config, text).expect("write");
        let address = format!("127.0.0.1:{}", free_port());
        let child = Command::new(soakscope_tests::program("prometheus"))
            .arg(format!("--config.file={}", config.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                below.join("tsdb").display()
            ))
            .arg(format!("--web.listen-address={address}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("prometheus runs");
        Self { child, address }
    }

    /// The newest value of a query, waited for while the server starts and
    /// scrapes.
    fn query(&self, query: &str) -> f64 {
        let give_up = Instant::now() + Duration::from_secs(60);
        let path = format!("/api/v1/query?query={}", escaped(query));
        loop {
            if std::net::TcpStream::connect(&self.address).is_ok() {
                let answer = get(&self.address, &path);
                if answer.status == 200
                    && let Some(value) = answer.json()["data"]["result"][0]["value"][1].as_str()
                {
                    return value.parse().expect("a number");
                }
            }
            assert!(Instant::now() < give_up, "no answer to {query}");
            // A server of somebody else's: there is nothing to wait on but time.
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn escaped(query: &str) -> String {
    query.bytes().map(|byte| format!("%{byte:02X}")).collect()
}
