//! The shop on its own, with the agent in it, for a load generator of yours.
//!
//! ```text
//! cargo run --release --example shop
//! wrk -t2 -c16 -d30s http://127.0.0.1:8080/products        # in another terminal
//! ```
//!
//! Ctrl-C or SIGTERM closes the shop, seals the run and prints the verdict, which is the exit code too.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use shop::{Attachment, Leak, RunDir, Shop};
use tokio::signal::unix::{SignalKind, signal};

#[global_allocator]
static ALLOC: soakscope::HeapProfiler<shop::Inner> = soakscope::HeapProfiler::new(shop::INNER);

/// The demo service, with the soakscope agent inside.
#[derive(Parser)]
#[command(name = "shop")]
struct Options {
    /// Where the shop listens
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Where the agent listens [default: 127.0.0.1:9900, or a free port if that is taken]
    #[arg(long, value_name = "ADDR")]
    admin: Option<String>,
    /// A fault to have: none, memory, connections, fds, tasks or retention
    #[arg(long, value_name = "FAULT", default_value_t)]
    leak: Leak,
    /// Ask the database once for each order of a user, instead of once
    #[arg(long)]
    n_plus_one: bool,
    /// Where runs are written, each into a new directory
    #[arg(long, value_name = "DIR", default_value = "runs")]
    run_dir: PathBuf,
    /// A budget file to judge the run by, such as examples/budgets.toml
    #[arg(long, value_name = "FILE")]
    budgets: Option<PathBuf>,
    /// CPU samples per second of CPU time
    #[arg(long, value_name = "HZ", default_value_t = 99)]
    frequency: u32,
}

#[tokio::main]
async fn main() -> ExitCode {
    match serve(Options::parse()).await {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("shop: {error}");
            ExitCode::from(2)
        }
    }
}

async fn serve(options: Options) -> Result<u8, Box<dyn std::error::Error>> {
    if let Some((before, after)) = shop::open_files::raise_limit() {
        eprintln!("shop: raised the limit on open files from {before} to {after}");
    }
    // Before anything that a signal would leave half done.
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let shop = Shop::start(shop::Options {
        listen: options.listen,
        leak: options.leak,
        n_plus_one: options.n_plus_one,
        ..shop::Options::default()
    })
    .await?;
    let agent = Arc::new(shop::attach(
        &shop,
        &Attachment {
            run_dir: RunDir::Below(options.run_dir),
            admin: options.admin,
            cpu_frequency: options.frequency,
            budgets: options.budgets.clone(),
        },
    )?);
    println!("shop   http://{}", shop.addr());
    if let Some(admin) = agent.local_addr() {
        println!("agent  http://{admin}   (phases: curl -X POST http://{admin}/phase/steady)");
    }
    if let Some(dir) = agent.run_dir() {
        println!("run    {}", dir.display());
    }
    println!("open; Ctrl-C closes the shop and judges the run");
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    println!("closing");
    // First the run, so that its last rows show the shop at work and not its end.
    let outcome = tokio::task::spawn_blocking(move || agent.finish()).await??;
    shop.stop().await;
    print!("{}", outcome.summary());
    Ok(u8::try_from(outcome.exit_code())?)
}
