//! What a shop costs: it runs in a process of its own, under constant load from another, and is measured from
//! outside. The agent's own figures play no part in it.

mod server;
mod spread;

use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

pub use server::Server;
pub use spread::Spread;

use crate::Error;
use crate::load::{Driver, Event, Order, Phase, Plan};

/// Connections of the load.
const CONNECTIONS: usize = 16;
/// How often the agent's metrics are fetched, as a Prometheus would.
const SCRAPE_EVERY: Duration = Duration::from_secs(1);

/// Between two turns, so that the last answers of one are not the other's.
const PAUSE: Duration = Duration::from_millis(50);

/// The name of the phases that are measured.
const MEASURED: &str = "measured";

/// The load of a trial: constant, and given to one of several servers at a time.
///
/// All servers run side by side and take short turns. Whatever else the machine is doing, warming up or
/// building software, then happens to all of them alike; a server measured for itself would have its own weather.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// Requests per second in a turn.
    pub rate: f64,
    /// Load on all servers together before the first turn.
    pub warm_up: Duration,
    /// Length of a turn.
    pub turn: Duration,
    /// Turns that each server gets.
    pub turns: u32,
    /// Servers that take turns.
    pub servers: u32,
}

impl Terms {
    /// The timetable of server `number`, counted from 0.
    fn plan(&self, number: u32) -> Result<Plan, Error> {
        let phase = |name: &str, length, rate| Phase {
            name: name.to_owned(),
            length,
            from_rate: rate,
            to_rate: rate,
        };
        let mut phases = vec![phase(
            "warmup",
            self.warm_up,
            self.rate / f64::from(self.servers),
        )];
        for turn in 0..self.turns * self.servers {
            if turn % self.servers == number {
                phases.push(phase(MEASURED, self.turn, self.rate));
                phases.push(phase("pause", PAUSE, 0.0));
            } else {
                phases.push(phase("others", self.turn + PAUSE, 0.0));
            }
        }
        Plan::new(phases).map_err(Error::Load)
    }
}

/// What one trial gave.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Figure {
    /// Requests answered in the server's turns, per second of CPU it used in them.
    pub requests_per_cpu_second: f64,
    /// Resident memory at the end, in MB of 1024².
    pub rss_mb: f64,
    /// The client's 99th percentile over the whole trial, in milliseconds.
    pub p99_ms: f64,
}

/// Loads a running server, number `number` of those that take turns, and measures it. Scrapes its agent all the
/// while, where there is one.
///
/// # Errors
///
/// When the load cannot run, a request fails (the figure would be about errors), or the server is gone.
pub async fn measure(server: &Server, terms: &Terms, number: u32) -> Result<Figure, Error> {
    let plan = terms.plan(number)?;
    let phases = plan.phases().to_vec();
    let scraping = server.admin().map(|admin| tokio::spawn(scrape(admin)));
    let order = Order {
        plan,
        target: server.addr(),
        connections: CONNECTIONS,
    };
    let mut driver = Driver::start(&order).await?;
    let (mut cpu_seconds, mut before) = (0.0, None);
    let outcome = loop {
        match driver.next().await {
            Event::Phase(number) => {
                let now = server.cpu_seconds()?;
                cpu_seconds += before.take().map_or(0.0, |before| now - before);
                before = phases
                    .get(number)
                    .filter(|phase| phase.name == MEASURED)
                    .map(|_| now);
            }
            Event::Progress(_) => {}
            Event::Done(outcome) => break outcome,
            Event::Failed(why) => return Err(Error::Load(why)),
        }
    };
    let rss_mb = server.rss_mb()?;
    if let Some(scraping) = scraping {
        scraping.abort();
    }
    if outcome.errors > 0 {
        let why = format!(
            "{} of {} requests failed; lower the rate",
            outcome.errors, outcome.requests
        );
        return Err(Error::Load(why));
    }
    let measured = phases.iter().filter(|phase| phase.name == MEASURED);
    let requests: u64 = measured.map(Phase::requests).sum();
    Ok(Figure {
        requests_per_cpu_second: requests as f64 / f64::max(cpu_seconds, 1e-9),
        rss_mb,
        p99_ms: outcome.latency.p99_ms,
    })
}

/// Fetches `/metrics` once a second until it is aborted.
async fn scrape(admin: SocketAddr) {
    let client: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let Ok(uri) = format!("http://{admin}/metrics").parse::<hyper::Uri>() else {
        return;
    };
    let mut tick = tokio::time::interval(SCRAPE_EVERY);
    loop {
        tick.tick().await;
        if let Ok(answer) = client.get(uri.clone()).await {
            let _ = answer.into_body().collect().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_take_turns_and_never_share_one() {
        let second = Duration::from_secs(1);
        let terms = Terms {
            rate: 100.0,
            warm_up: second,
            turn: second,
            turns: 4,
            servers: 3,
        };
        let mut taken = Vec::new();
        for number in 0..3 {
            let plan = terms.plan(number).unwrap();
            let mut begin = Duration::ZERO;
            for phase in plan.phases() {
                if phase.name == MEASURED {
                    assert_eq!(phase.requests(), 100);
                    taken.push((begin, begin + phase.length));
                }
                begin += phase.length;
            }
            assert_eq!(begin, second + 12 * (second + PAUSE));
        }
        taken.sort();
        assert_eq!(taken.len(), 12);
        assert!(
            taken.windows(2).all(|pair| pair[0].1 + PAUSE == pair[1].0),
            "{taken:?}"
        );
    }
}
