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
//! it is the `shop` example, which has both, as a user's service would.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use shop::trial::{Figure, Server, Spread, Terms, measure};
use shop::{Shop, load::Driver};
use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};

/// The first argument by which this executable knows that it is the shop without the agent.
const PLAIN: &str = "--as-plain-shop";

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
    NoProfile,
    With,
}

impl Way {
    const ALL: [Self; 3] = [Self::Without, Self::NoProfile, Self::With];

    fn name(self) -> &'static str {
        match self {
            Self::Without => "without the agent",
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
    let plain = first.as_deref() == Some(PLAIN);
    let options = if plain { None } else { Some(Options::parse()) };
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
    let mut rounds: Vec<[Figure; 3]> = Vec::new();
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
        let [without, no_profile, with] = Way::ALL.map(start);
        let (without, no_profile, with) = tokio::try_join!(without, no_profile, with)?;
        // The order turns about, so that none always has its turn after the same other.
        let (first, last) = if round % 2 == 1 { (0, 2) } else { (2, 0) };
        let figures = tokio::try_join!(
            measure(&without, &terms, first),
            measure(&no_profile, &terms, 1),
            measure(&with, &terms, last),
        )?;
        tokio::join!(without.stop(), no_profile.stop(), with.stop());
        let figures = [figures.0, figures.1, figures.2];
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
    if way == Way::Without {
        let mut command = Command::new(plain);
        command.arg(PLAIN);
        return command;
    }
    let mut command = Command::new(with_agent);
    command.args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
    command.arg("--frequency").arg(frequency.to_string());
    command.arg("--run-dir").arg(runs);
    if way == Way::NoProfile {
        command.env("SOAKSCOPE_CPU_CLOCK", "off");
    }
    command
}

fn table(options: &Options, rounds: &[[Figure; 3]]) -> String {
    let mut text = format!(
        "{} rounds of {} s at {} requests/s; profile at {} Hz, ticks of 1 s, metrics scraped each second\n\
         {}\n\
         median (least to most); the ratio is to the shop without the agent in the same round\n\n\
         {:<24} {:>26} {:>24} {:>22} {:>9}\n",
        rounds.len(),
        options.seconds,
        options.rate,
        options.frequency,
        machine(),
        "",
        "requests per CPU-second",
        "ratio",
        "RSS MB",
        "added MB"
    );
    for way in Way::ALL {
        let of = |read: fn(&Figure, &Figure) -> f64| {
            Spread::of(
                rounds
                    .iter()
                    .map(|round| read(&round[way as usize], &round[0])),
            )
        };
        let (Some(served), Some(ratio), Some(rss), Some(added)) = (
            of(|figure, _| figure.requests_per_cpu_second),
            of(|figure, without| figure.requests_per_cpu_second / without.requests_per_cpu_second),
            of(|figure, _| figure.rss_mb),
            of(|figure, without| figure.rss_mb - without.rss_mb),
        ) else {
            continue;
        };
        let (ratio, added) = if way == Way::Without {
            (String::new(), String::new())
        } else {
            (format!("{ratio:.3}"), format!("{:+.1}", added.median))
        };
        let line = format!(
            "{:<24} {:>26} {ratio:>24} {:>22} {added:>9}",
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
