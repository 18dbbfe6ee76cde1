//! The load's second process, from both of its ends.
//!
//! The parent runs its own executable again with [`Driver::FLAG`] and writes an [`Order`], one line of JSON, to
//! its standard input; the child answers with [`Event`]s, a line each. Standard input stays open for as long as
//! the load may run: when it closes, because the parent wants an early end or is dead, however it died, the
//! child stops. The child has a process group of its own, so that Ctrl-C reaches only the parent, which then
//! ends the load in good order.

use std::io::{self, BufRead, Write};
use std::net::SocketAddr;
use std::process::{ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::generator::{Progress, Sent, generate};
use super::plan::Plan;
use super::tally::{Percentiles, Tally};
use crate::Error;

/// How long the child keeps its connections at most when it is done.
const LINGER: Duration = Duration::from_secs(60);
/// How soon it notices that it need not.
const NAP: Duration = Duration::from_millis(20);

/// What the child is to do.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Order {
    /// When each request is due.
    pub plan: Plan,
    /// Whom to ask; a loopback address.
    pub target: SocketAddr,
    /// How many connections to keep.
    pub connections: usize,
}

/// What the child says.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Event {
    /// A phase of the plan has begun; counted from 0.
    Phase(usize),
    /// How far it is, once a second.
    Progress(Progress),
    /// It is over; nothing follows. The connections are still open.
    Done(Outcome),
    /// It could not run; nothing follows.
    Failed(String),
}

/// What the client saw in all.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Outcome {
    /// Requests sent.
    pub requests: u64,
    /// Of those, how many failed.
    pub errors: u64,
    /// Latencies, from the intended start.
    pub latency: Percentiles,
    /// The result file, in the shape of oha's JSON, with a `phases` table more.
    pub result: Value,
}

impl Outcome {
    fn of(order: &Order, sent: &Sent) -> Self {
        let mut total = Tally::default();
        let mut phases = Vec::new();
        for (phase, tally) in order.plan.phases().iter().zip(&sent.tallies) {
            total.add(tally);
            phases.push(serde_json::json!({
                "name": phase.name,
                "requests": tally.requests(),
                "errors": tally.errors(),
                "latency": tally.percentiles(),
            }));
        }
        let mut result = total.to_json(sent.length);
        result["phases"] = Value::Array(phases);
        Self {
            requests: total.requests(),
            errors: total.errors(),
            latency: total.percentiles(),
            result,
        }
    }
}

/// The parent's end.
#[derive(Debug)]
pub struct Driver {
    child: Child,
    /// Open for as long as the load may run.
    leash: Option<ChildStdin>,
    said: Lines<BufReader<ChildStdout>>,
}

impl Driver {
    /// The first argument by which an executable knows that it is the child; [`drive`] is then all it has to do.
    pub const FLAG: &str = "--as-load-generator";

    /// Starts this executable once more, as the load generator.
    ///
    /// # Errors
    ///
    /// When the process cannot be started.
    pub async fn start(order: &Order) -> Result<Self, Error> {
        let cannot = |error: io::Error| Error::Load(format!("cannot start its process: {error}"));
        let mut child = Command::new(std::env::current_exe().map_err(cannot)?)
            .arg(Self::FLAG)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(cannot)?;
        let (Some(mut leash), Some(said)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Error::Load("its process has no pipes".to_owned()));
        };
        let mut line =
            serde_json::to_string(order).map_err(|error| Error::Load(error.to_string()))?;
        line.push('\n');
        leash.write_all(line.as_bytes()).await.map_err(cannot)?;
        leash.flush().await.map_err(cannot)?;
        Ok(Self {
            child,
            leash: Some(leash),
            said: BufReader::new(said).lines(),
        })
    }

    /// The child's next word. A child that died without a last word has [`Event::Failed`].
    pub async fn next(&mut self) -> Event {
        match self.said.next_line().await {
            Ok(Some(line)) => serde_json::from_str(&line)
                .unwrap_or_else(|error| Event::Failed(format!("said '{line}': {error}"))),
            Ok(None) | Err(_) => Event::Failed(match self.child.wait().await {
                Ok(status) => format!("its process ended before its time: {status}"),
                Err(error) => format!("its process is lost: {error}"),
            }),
        }
    }

    /// Ends the load early; its last word still comes.
    pub fn end(&mut self) {
        self.leash = None;
    }
}

/// The child's end: reads an order from standard input, carries it out, and says so on standard output. Its
/// connections stay open until the parent has no more use for it.
pub fn drive() -> ExitCode {
    match obey() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&Event::Failed(error.to_string()));
            ExitCode::FAILURE
        }
    }
}

fn obey() -> Result<(), Error> {
    let mut line = String::new();
    io::stdin()
        .lock()
        .read_line(&mut line)
        .map_err(|error| Error::Load(format!("no order: {error}")))?;
    let order: Order = serde_json::from_str(&line)
        .map_err(|error| Error::Load(format!("unreadable order: {error}")))?;
    let stop = Arc::new(AtomicBool::new(false));
    let leash = Arc::clone(&stop);
    std::thread::spawn(move || {
        // Whatever comes, even an error, the end of it means the end of the load.
        let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
        leash.store(true, Ordering::Relaxed);
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::Load(format!("cannot start its runtime: {error}")))?;
    runtime.block_on(async {
        let sent = generate(
            &order.plan,
            order.target,
            order.connections,
            Arc::clone(&stop),
            |phase| say(&Event::Phase(phase)),
            |progress| say(&Event::Progress(progress)),
        )
        .await?;
        say(&Event::Done(Outcome::of(&order, &sent)));
        let said = Instant::now();
        while !stop.load(Ordering::Relaxed) && said.elapsed() < LINGER {
            tokio::time::sleep(NAP).await;
        }
        Ok(())
    })
}

/// Says one line. A parent that no longer listens is no reason to panic; the leash ends it.
fn say(event: &Event) {
    if let Ok(line) = serde_json::to_string(event) {
        let mut out = io::stdout().lock();
        let _ = writeln!(out, "{line}").and_then(|()| out.flush());
    }
}
