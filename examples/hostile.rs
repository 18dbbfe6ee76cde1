//! What hostile connections to the admin port cost the service: its latency beside them and without them, in one
//! sitting.
//!
//! ```text
//! cargo run --release --example hostile
//! ```
//!
//! The shop runs in a process of its own with a limit of 1,024 descriptors, under constant load from another. Turns
//! without and with hostile connections alternate, so that whatever else the machine does happens to both. In a
//! hostile turn 1,100 clients, in this process, hold connections to the admin port: a third say nothing, a third
//! send a header a byte at a time, a third send large ones; whoever is thrown out comes back. A figure is the client's
//! latency from the intended start.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use clap::Parser;
use serde_json::Value;
use shop::load::{Driver, Event, Order, Phase, Plan};
use shop::trial::{Server, Spread};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::task::JoinSet;

/// How long a client that was thrown out waits until it comes back.
const BACK: Duration = Duration::from_millis(200);
/// Between two bytes of one that drips.
const DRIP: Duration = Duration::from_secs(1);

/// Measure what hostile connections to the admin port cost the demo service.
#[derive(Parser)]
#[command(name = "hostile")]
struct Options {
    /// Pairs of turns, one without and one with hostile connections
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    pairs: u32,
    /// Seconds of a turn
    #[arg(long, value_name = "S", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=600))]
    seconds: u32,
    /// Requests per second
    #[arg(long, value_name = "N", default_value_t = 500.0)]
    rate: f64,
    /// Hostile connections
    #[arg(long, value_name = "N", default_value_t = 1100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    connections: u32,
}

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some(Driver::FLAG) {
        return shop::load::drive();
    }
    let options = Options::parse();
    let ran = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Into::into)
        .and_then(|runtime| runtime.block_on(compare(&options)));
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("hostile: {error}");
            ExitCode::from(2)
        }
    }
}

/// A turn's latencies.
#[derive(Clone, Copy)]
struct Turn {
    p50_ms: f64,
    p99_ms: f64,
    max_ms: f64,
    errors: u64,
}

async fn compare(options: &Options) -> Result<(), Box<dyn std::error::Error>> {
    if cfg!(debug_assertions) {
        return Err("figures of a debug build mean nothing; use cargo run --release".into());
    }
    shop::open_files::raise_limit();
    let runs = tempfile::tempdir()?;
    let server = Server::start(command(&build_shop().await?, runs.path())).await?;
    let admin = server.admin().ok_or("the shop has no admin port")?;
    let order = Order {
        plan: plan(options)?,
        target: server.addr(),
        connections: 16,
    };
    let phases = order.plan.phases().to_vec();
    let mut driver = Driver::start(&order).await?;
    let thrown_out = Arc::new(AtomicU64::new(0));
    let mut hostile = JoinSet::new();
    let outcome = loop {
        match driver.next().await {
            Event::Phase(number) => {
                // Dropping a set ends its tasks, and with them their connections.
                hostile = JoinSet::new();
                if phases
                    .get(number)
                    .is_some_and(|phase| phase.name == "hostile")
                {
                    for n in 0..options.connections {
                        hostile.spawn(harass(admin, n, Arc::clone(&thrown_out)));
                    }
                }
            }
            Event::Progress(_) => {}
            Event::Done(outcome) => break outcome,
            Event::Failed(why) => return Err(why.into()),
        }
    };
    drop(hostile);
    let of = |wanted: &str| -> Vec<Turn> {
        let all = outcome.result["phases"].as_array().into_iter().flatten();
        all.filter(|phase| phase["name"] == wanted)
            .map(turn)
            .collect()
    };
    let (quiet, hostile) = (of("quiet"), of("hostile"));
    println!("{:>4} {:>30} {:>38} {:>7}", "", "without", "hostile", "p99");
    println!(
        "{:>4} {:>9} {:>9} {:>9} {:>14} {:>9} {:>9} {:>9} {:>5}",
        "pair", "p50 ms", "p99 ms", "max ms", "p50 ms", "p99 ms", "max ms", "errors", "ratio"
    );
    for (number, (quiet, hostile)) in (1..).zip(quiet.iter().zip(&hostile)) {
        println!(
            "{number:>4} {:>9.2} {:>9.2} {:>9.2} {:>14.2} {:>9.2} {:>9.2} {:>9} {:>5.2}",
            quiet.p50_ms,
            quiet.p99_ms,
            quiet.max_ms,
            hostile.p50_ms,
            hostile.p99_ms,
            hostile.max_ms,
            hostile.errors,
            hostile.p99_ms / quiet.p99_ms
        );
    }
    let ratios = quiet.iter().zip(&hostile);
    if let Some(ratio) = Spread::of(ratios.map(|(quiet, hostile)| hostile.p99_ms / quiet.p99_ms)) {
        println!(
            "\np99 beside {} hostile connections: {ratio:.2} times as long",
            options.connections
        );
    }
    println!(
        "{} connections were thrown out and came back; {} of {} requests failed; RSS {:.1} MB at the end",
        thrown_out.load(Ordering::Relaxed),
        outcome.errors,
        outcome.requests,
        server.rss_mb()?
    );
    server.stop().await;
    Ok(())
}

fn turn(phase: &Value) -> Turn {
    let ms = |name: &str| phase["latency"][name].as_f64().unwrap_or(f64::NAN);
    Turn {
        p50_ms: ms("p50_ms"),
        p99_ms: ms("p99_ms"),
        max_ms: ms("max_ms"),
        errors: phase["errors"].as_u64().unwrap_or(0),
    }
}

fn plan(options: &Options) -> Result<Plan, Box<dyn std::error::Error>> {
    let phase = |name: &str, seconds| Phase {
        name: name.to_owned(),
        length: Duration::from_secs(seconds),
        from_rate: options.rate,
        to_rate: options.rate,
    };
    let mut phases = vec![phase("warmup", 5)];
    for _ in 0..options.pairs {
        // A second in which the hostile come or go is in neither turn.
        phases.push(phase("quiet", options.seconds.into()));
        phases.push(phase("hostile", options.seconds.into()));
        phases.push(phase("pause", 1));
    }
    Plan::new(phases).map_err(Into::into)
}

/// A client that holds a connection as long as it is let, again and again.
async fn harass(admin: SocketAddr, number: u32, thrown_out: Arc<AtomicU64>) {
    let large = "x".repeat(380 << 10);
    loop {
        if let Ok(mut stream) = TcpStream::connect(admin).await {
            let mut rest = [0; 512];
            match number % 3 {
                0 => while matches!(stream.read(&mut rest).await, Ok(1..)) {},
                1 => {
                    while stream.write_all(b"G").await.is_ok() {
                        tokio::time::sleep(DRIP).await;
                    }
                }
                _ => {
                    let _ = stream.write_all(b"GET /status HTTP/1.1\r\nX: ").await;
                    let _ = stream.write_all(large.as_bytes()).await;
                }
            }
            thrown_out.fetch_add(1, Ordering::Relaxed);
        }
        tokio::time::sleep(BACK).await;
    }
}

/// Builds the `shop` example beside this one, as it was built, and gives its path.
async fn build_shop() -> Result<PathBuf, Box<dyn std::error::Error>> {
    if let Some(cargo) = std::env::var_os("CARGO") {
        let arguments = [
            "build",
            "--quiet",
            "--release",
            "--package",
            "soakscope-examples",
            "--example",
            "shop",
        ];
        if !Command::new(cargo)
            .args(arguments)
            .status()
            .await?
            .success()
        {
            return Err("the shop example does not build".into());
        }
    }
    Ok(std::env::current_exe()?.with_file_name("shop"))
}

/// The shop with as many descriptors as most services have.
fn command(shop: &Path, runs: &Path) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n 1024 && exec \"$0\" \"$@\""]);
    command.arg(shop);
    command.args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
    command.arg("--run-dir").arg(runs);
    command
}
