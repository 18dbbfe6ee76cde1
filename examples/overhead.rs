//! What the agent costs: the shop with it against the shop without it, in one sitting.
//!
//! ```text
//! cargo run --release --example overhead
//! ```
//!
//! The figure is requests per second of CPU, from `/proc/PID/stat` of a server process under constant load from
//! another process. In each round new processes of the shop, without the agent and with it, run side by side and take
//! turns of a quarter of a second at being loaded, so that whatever else happens on the machine happens to all of them. A ratio
//! is taken within its round.
//!
//! The shop without the agent is this executable, which has neither the agent nor the allocator wrapper; with it,
//! it is the `shop` example, which has both, as a user's service would. A service that uses `tracing` pays for its spans
//! whoever listens, so the shop is also run without the agent but with its request spans on. With the agent disabled, the
//! shop has the heap profiler alone, which is its allocator all the same.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use futures_util::future::{join_all, try_join_all};
use shop::trial::{Figure, Server, Spread, Terms, measure};
use shop::{Shop, load::Driver};
use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::{Layer, prelude::*};

/// The first argument by which this executable knows that it is the shop without the agent.
const PLAIN: &str = "--as-plain-shop";
/// The first argument by which it knows that it is that shop with its request spans on.
const TRACED: &str = "--as-traced-shop";

/// How long one way is loaded at a time: short, so that all ways share whatever else the machine does.
const TURN: Duration = Duration::from_millis(250);
const TURNS_PER_SECOND: u32 = 4;

/// Measure what the agent costs the demo service.
#[derive(Parser)]
#[command(name = "overhead")]
struct Options {
    /// Rounds; each measures every way once
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pairs: u32,
    /// Seconds that each way is loaded in a round, a quarter at a time, after two of warm-up
    #[arg(long, value_name = "S", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=3600))]
    seconds: u32,
    /// CPU samples per second of CPU time
    #[arg(long, value_name = "HZ", default_value_t = 99)]
    frequency: u32,
    /// Requests per second
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1500.0,
        allow_negative_numbers = true
    )]
    rate: f64,
}

/// A way to run the shop.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    Without,
    Traced,
    HeapAlone,
    NoProfile,
    With,
}

impl Way {
    const ALL: [Self; 5] = [
        Self::Without,
        Self::Traced,
        Self::HeapAlone,
        Self::NoProfile,
        Self::With,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Without => "without the agent",
            Self::Traced => "without it, spans on",
            Self::HeapAlone => "heap profiler alone",
            Self::NoProfile => "with it, no CPU profile",
            Self::With => "with it",
        }
    }
}

fn main() -> ExitCode {
    let first = std::env::args().nth(1);
    if first.as_deref() == Some(Driver::FLAG) {
        return shop::load::drive();
    }
    let options = match first.as_deref() {
        Some(PLAIN) => None,
        Some(TRACED) => {
            let spans = RequestSpans.with_filter(filter_fn(|metadata| {
                metadata.is_span() && metadata.fields().field("http.route").is_some()
            }));
            tracing_subscriber::registry().with(spans).init();
            None
        }
        _ => Some(Options::parse()),
    };
    let ran = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Into::into)
        .and_then(|runtime| {
            runtime.block_on(async {
                match options {
                    Some(options) => compare(&options).await,
                    None => serve_plain().await,
                }
            })
        });
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("overhead: {error}");
            ExitCode::from(2)
        }
    }
}

/// Keeps request spans alive in the registry and does nothing with them.
struct RequestSpans;

impl<S: tracing::Subscriber> Layer<S> for RequestSpans {}

/// The shop as it would be had nobody heard of the agent.
async fn serve_plain() -> Result<(), Box<dyn std::error::Error>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let shop = Shop::start(shop::Options::default()).await?;
    println!("shop   http://{}\nopen", shop.addr());
    terminate.recv().await;
    shop.stop().await;
    Ok(())
}

async fn compare(options: &Options) -> Result<(), Box<dyn std::error::Error>> {
    if cfg!(debug_assertions) {
        return Err("figures of a debug build mean nothing; use cargo run --release".into());
    }
    let with_agent = build_shop().await?;
    let plain = std::env::current_exe()?;
    let runs = tempfile::tempdir()?;
    let terms = Terms {
        rate: options.rate,
        warm_up: Duration::from_secs(2),
        turn: TURN,
        turns: options.seconds * TURNS_PER_SECOND,
        servers: Way::ALL.len() as u32,
    };
    let mut rounds: Vec<Vec<Figure>> = Vec::new();
    for round in 1..=options.pairs {
        let start = |way| {
            Server::start(command(
                way,
                &with_agent,
                &plain,
                runs.path(),
                options.frequency,
            ))
        };
        let servers = try_join_all(Way::ALL.map(start)).await?;
        // The order turns about, so that none always has its turn after the same other.
        let turn = |place: usize| {
            let place = place as u32;
            if round % 2 == 1 {
                place
            } else {
                terms.servers - 1 - place
            }
        };
        let measured = servers.iter().enumerate();
        let measured = measured.map(|(place, server)| measure(server, &terms, turn(place)));
        let figures = try_join_all(measured).await?;
        join_all(servers.into_iter().map(Server::stop)).await;
        for (way, figure) in Way::ALL.into_iter().zip(&figures) {
            println!(
                "round {round:>2}  {:<24} {:>7.0} requests per CPU-second  {:>6.1} MB  p99 {:.1} ms",
                way.name(),
                figure.requests_per_cpu_second,
                figure.rss_mb,
                figure.p99_ms
            );
        }
        rounds.push(figures);
    }
    print!("\n{}", table(options, &rounds));
    Ok(())
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
    let shop = std::env::current_exe()?.with_file_name("shop");
    if !shop.exists() {
        return Err(format!(
            "no {}; build it with cargo build --release --example shop",
            shop.display()
        )
        .into());
    }
    Ok(shop)
}

fn command(way: Way, with_agent: &Path, plain: &Path, runs: &Path, frequency: u32) -> Command {
    let alone = match way {
        Way::Without => Some(PLAIN),
        Way::Traced => Some(TRACED),
        Way::HeapAlone | Way::NoProfile | Way::With => None,
    };
    if let Some(flag) = alone {
        let mut command = Command::new(plain);
        command.arg(flag);
        return command;
    }
    let mut command = Command::new(with_agent);
    command.args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
    command.arg("--frequency").arg(frequency.to_string());
    command.arg("--run-dir").arg(runs);
    match way {
        Way::NoProfile => command.env("SOAKSCOPE_CPU_CLOCK", "off"),
        Way::HeapAlone => command.env("SOAKSCOPE_ENABLED", "0"),
        _ => &mut command,
    };
    command
}

fn table(options: &Options, rounds: &[Vec<Figure>]) -> String {
    let mut text = format!(
        "{} rounds of {} s at {} requests/s; profile at {} Hz, ticks of 1 s, metrics scraped each second\n\
         {}\n\
         median (least to most); ratios are to the shop without the agent in the same round: as it is, and with spans on\n\n\
         {:<24} {:>26} {:>24} {:>24} {:>22} {:>9}\n",
        rounds.len(),
        options.seconds,
        options.rate,
        options.frequency,
        machine(),
        "",
        "requests per CPU-second",
        "ratio",
        "ratio, spans on",
        "RSS MB",
        "added MB"
    );
    for way in Way::ALL {
        let of = |base: Way, read: fn(&Figure, &Figure) -> f64| {
            let figures = rounds
                .iter()
                .map(|round| read(&round[way as usize], &round[base as usize]));
            Spread::of(figures)
        };
        let per_cpu: fn(&Figure, &Figure) -> f64 =
            |figure, base| figure.requests_per_cpu_second / base.requests_per_cpu_second;
        let (Some(served), Some(ratio), Some(traced), Some(rss), Some(added)) = (
            of(Way::Without, |figure, _| figure.requests_per_cpu_second),
            of(Way::Without, per_cpu),
            of(Way::Traced, per_cpu),
            of(Way::Without, |figure, _| figure.rss_mb),
            of(Way::Without, |figure, without| {
                figure.rss_mb - without.rss_mb
            }),
        ) else {
            continue;
        };
        let (ratio, added) = match way {
            Way::Without => (String::new(), String::new()),
            _ => (format!("{ratio:.3}"), format!("{:+.1}", added.median)),
        };
        let traced = match way {
            Way::Without | Way::Traced | Way::HeapAlone => String::new(),
            Way::NoProfile | Way::With => format!("{traced:.3}"),
        };
        let line = format!(
            "{:<24} {:>26} {ratio:>24} {traced:>24} {:>22} {added:>9}",
            way.name(),
            format!("{served:.0}"),
            format!("{rss:.1}")
        );
        text += line.trim_end();
        text.push('\n');
    }
    text
}

/// What the figures hold for, and how much else went on.
fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let cpu = read("/proc/cpuinfo");
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    format!(
        "{cores} cores of {}, Linux {}, load average {} at the end",
        model.map_or("an unknown model", |(_, name)| name.trim()),
        read("/proc/sys/kernel/osrelease").trim(),
        read("/proc/loadavg")
            .split_whitespace()
            .next()
            .unwrap_or("unknown"),
    )
}
