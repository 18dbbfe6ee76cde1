//! The agent in the shop: everything a service has to do for soakscope.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use soakscope::Agent;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::Shop;

/// Where the admin server listens by default.
pub const ADMIN: &str = "127.0.0.1:9900";

/// Any port of this machine that is free.
const ANY_PORT: &str = "127.0.0.1:0";

/// Where the run is written.
#[derive(Debug, Clone)]
pub enum RunDir {
    /// Into a new directory below this one.
    Below(PathBuf),
    /// Exactly here.
    Exactly(PathBuf),
}

/// How the agent is attached.
#[derive(Debug, Clone)]
pub struct Attachment {
    /// Where the run is written.
    pub run_dir: RunDir,
    /// Where the admin server listens; without a value, at [`ADMIN`] or at a free port when that one is taken.
    pub admin: Option<String>,
    /// Samples per second of CPU time.
    pub cpu_frequency: u32,
    /// The budget file that the run is judged by.
    pub budgets: Option<PathBuf>,
}

/// Starts an agent in this process and sends the shop's spans to it; warnings go to standard error.
///
/// # Errors
///
/// Whatever keeps the agent from starting, with its remedy: an address that is taken, a directory that
/// cannot be written.
pub fn attach(shop: &Shop, how: &Attachment) -> Result<Agent, soakscope::Error> {
    let start = |admin: &str| {
        let builder = match &how.run_dir {
            RunDir::Below(runs) => Agent::builder("shop").run_dir(runs),
            RunDir::Exactly(run) => Agent::builder("shop").run_path(run),
        };
        let builder = match &how.budgets {
            Some(file) => builder.budgets(file),
            None => builder,
        };
        builder
            .listen(admin)
            .cpu_frequency(how.cpu_frequency)
            .tick(Duration::from_secs(1))
            .track("db_pool_in_use", shop.pool_in_use())
            .tokio(tokio::runtime::Handle::current())
            .start()
    };
    let agent = match &how.admin {
        Some(admin) => start(admin)?,
        None => match start(ADMIN) {
            Err(soakscope::Error::Listen { source, .. })
                if source.kind() == io::ErrorKind::AddrInUse =>
            {
                eprintln!(
                    "{ADMIN} is taken by another program; the agent takes a free port instead"
                );
                start(ANY_PORT)?
            }
            started => started?,
        },
    };
    let warnings = tracing_subscriber::fmt::layer()
        .with_writer(io::stderr)
        .with_filter(LevelFilter::WARN);
    // A subscriber that is there already stays; the agent then sees no requests, and its timeline says so.
    let _ = tracing_subscriber::registry()
        .with(agent.layer())
        .with(warnings)
        .try_init();
    Ok(agent)
}
