//! A whole soak in one command: the shop with the agent in it, load from a second process, the verdict.
//!
//! The program itself only chooses its allocator and calls [`main`].

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use soakscope::Agent;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::load::{Driver, Event, Order, Outcome, Plan, Scenario};
use crate::{Attachment, Leak, RunDir, Shop, StatusLine, Vitals, open_files, span_of_time, views};

/// Connections the load keeps open.
const CONNECTIONS: usize = 32;

/// Soak the demo service and say whether it leaks.
#[derive(Parser)]
#[command(name = "soak", after_help = SCENARIOS)]
struct Options {
    /// How long the load takes, e.g. 60s, 10m, 3h
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = span_of_time::parse)]
    duration: Duration,
    /// Requests per second of the scenario's steady stretch
    #[arg(
        long,
        value_name = "N",
        default_value_t = 150.0,
        allow_negative_numbers = true
    )]
    rate: f64,
    /// The shape of the load: smoke, load, stress, spike or soak
    #[arg(long, value_name = "SHAPE", default_value_t)]
    scenario: Scenario,
    /// A fault to plant: none, memory, connections, fds, tasks or retention
    #[arg(long, value_name = "FAULT", default_value_t)]
    leak: Leak,
    /// With the faults connections and fds, how many orders there are to each one that loses something
    #[arg(long, value_name = "N", default_value_t = crate::Options::default().orders_per_loss, value_parser = clap::value_parser!(u64).range(1..))]
    orders_per_loss: u64,
    /// Ask the database once for each order of a user, instead of once
    #[arg(long)]
    n_plus_one: bool,
    /// The run directory, written exactly there [default: a new one below runs/]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Where the agent listens [default: 127.0.0.1:9900, or a free port if that is taken]
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    /// A budget file to judge the run by, such as examples/budgets.toml
    #[arg(long, value_name = "FILE")]
    budgets: Option<PathBuf>,
    /// CPU samples per second of CPU time
    #[arg(long, value_name = "HZ", default_value_t = 99)]
    frequency: u32,
}

const SCENARIOS: &str = "\
Scenarios (rates are multiples of --rate):
  smoke   a tenth of the rate: does it work at all?
  load    rises to the rate, stays, falls: an ordinary day
  stress  1x, 2x, 3x, 4x: where does it bend?
  spike   two crowds of 5x with time to recover between them
  soak    warm-up at half, a long steady stretch, a crowd of 3x, cool-down [default]

Exit codes: 0 pass, 1 fail, 2 could not run as asked, 3 inconclusive.";

/// Runs the soak that the command line asks for. The exit code is the verdict's: 0 pass, 1 fail, 3 inconclusive;
/// 2 when the soak could not run as asked.
pub fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some(Driver::FLAG) {
        return crate::load::drive();
    }
    let options = Options::parse();
    let ran = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Into::into)
        .and_then(|runtime| runtime.block_on(soak(options)));
    match ran {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("soak: {error}");
            ExitCode::from(2)
        }
    }
}

async fn soak(options: Options) -> Result<u8, Box<dyn std::error::Error>> {
    let plan = options.scenario.plan(options.duration, options.rate)?;
    if let Some((before, after)) = open_files::raise_limit() {
        eprintln!("soak: raised the limit on open files from {before} to {after}");
    }
    let mut signals = (
        signal(SignalKind::interrupt())?,
        signal(SignalKind::terminate())?,
    );
    let shop = Shop::start(crate::Options {
        leak: options.leak,
        orders_per_loss: options.orders_per_loss,
        n_plus_one: options.n_plus_one,
        burst_at: plan.middle_of("steady").unwrap_or(plan.requests() / 2),
        ..crate::Options::default()
    })
    .await?;
    let agent = crate::attach(
        &shop,
        &Attachment {
            run_dir: options
                .out
                .map_or(RunDir::Below("runs".into()), RunDir::Exactly),
            admin: options.listen,
            cpu_frequency: options.frequency,
            budgets: options.budgets.clone(),
        },
    )?;
    introduce(&shop, &agent, &plan, options.scenario, options.leak);

    let mut driver = Driver::start(&Order {
        plan: plan.clone(),
        target: shop.addr(),
        connections: CONNECTIONS,
    })
    .await?;
    let client = load(&agent, &plan, &mut driver, &mut signals).await;
    if let (Ok(client), Some(run)) = (&client, agent.run_dir()) {
        keep(run, client)?;
    }
    println!("sealing the run");
    let agent = Arc::new(agent);
    let outcome = {
        let agent = Arc::clone(&agent);
        tokio::task::spawn_blocking(move || agent.finish()).await??
    };
    // Only now may the client hang up: the run's last row is of a shop at work.
    drop(driver);
    shop.stop().await;
    print!("\n{}", outcome.summary());
    let client = client?;
    if let Some(run) = outcome.run_dir() {
        print!("\n{}", views::table(&client, run));
        println!("\nclient {}", run.join("client/load.json").display());
    }
    Ok(u8::try_from(outcome.exit_code())?)
}

/// Says what is about to happen and where it can be watched.
fn introduce(shop: &Shop, agent: &Agent, plan: &Plan, scenario: Scenario, leak: Leak) {
    println!(
        "scenario {scenario}: {} requests in {}; planted fault: {leak}",
        plan.requests(),
        span_of_time::clock(plan.length())
    );
    println!("shop   http://{}", shop.addr());
    if let Some(admin) = agent.local_addr() {
        println!("agent  http://{admin}");
    }
    if let Some(dir) = agent.run_dir() {
        println!("run    {}", dir.display());
    }
}

/// Follows the load and marks its phases, until it is over or Ctrl-C or SIGTERM ends it early.
async fn load(
    agent: &Agent,
    plan: &Plan,
    driver: &mut Driver,
    (interrupt, terminate): &mut (Signal, Signal),
) -> Result<Outcome, crate::Error> {
    let mut status = StatusLine::new(plan.length());
    let mut phase = "";
    let mut interrupted = false;
    loop {
        let event = tokio::select! {
            event = driver.next() => Some(event),
            _ = interrupt.recv() => None,
            _ = terminate.recv() => None,
        };
        let Some(event) = event else {
            if interrupted {
                std::process::exit(130);
            }
            status.say("ending the load early; once more ends everything at once");
            interrupted = true;
            driver.end();
            continue;
        };
        match event {
            Event::Phase(number) => {
                if let Some(begun) = plan.phases().get(number) {
                    phase = &begun.name;
                    agent.phase(phase);
                    status.say(&begun.to_string());
                }
            }
            Event::Progress(progress) => status.show(phase, &progress, &Vitals::of(agent)),
            Event::Done(outcome) => {
                status.clear();
                return Ok(outcome);
            }
            Event::Failed(why) => {
                status.clear();
                return Err(crate::Error::Load(why));
            }
        }
    }
}

/// Puts the client's view into the run directory, before the run is sealed.
fn keep(run: &Path, client: &Outcome) -> std::io::Result<()> {
    let dir = run.join("client");
    std::fs::create_dir_all(&dir)?;
    std::fs::write(dir.join("load.json"), format!("{:#}\n", client.result))
}
