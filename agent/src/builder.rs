//! The options of an agent, and its start.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use soakscope_report::{BudgetOutcome, Kind, printable};
use soakscope_sampler::ClockChoice;
use tokio::runtime::Handle;
use tracing::level_filters::LevelFilter;

use crate::admin::Bound;
use crate::agent::Agent;
use crate::budgets::OnBreach;
use crate::config::Config;
use crate::error::Error;
use crate::run::claim::Claim;
use crate::run::start::{Closures, start};
use crate::timeline::tracked::Closure;

/// Options of an [`Agent`].
///
/// All have defaults. Each but `allow_repeats`, the closures and the runtime has
/// an environment variable that wins over code: `SOAKSCOPE_` and the method's name in capitals,
/// such as `SOAKSCOPE_RUN_DIR`, `SOAKSCOPE_TICK=250ms` or
/// `SOAKSCOPE_CPU_CLOCK=off`.
///
/// | for | methods |
/// |---|---|
/// | the run's files | [`run_dir`](Self::run_dir), [`run_path`](Self::run_path), [`run_dir_mode`](Self::run_dir_mode), [`version`](Self::version), [`phase`](Self::phase) |
/// | the timeline | [`tick`](Self::tick), [`track`](Self::track), [`track_as`](Self::track_as), [`tokio`](Self::tokio), [`reading_share`](Self::reading_share) |
/// | profiles | [`cpu_frequency`](Self::cpu_frequency), [`cpu_clock`](Self::cpu_clock), [`cpu_window`](Self::cpu_window), [`heap_interval`](Self::heap_interval), [`heap_step`](Self::heap_step) |
/// | requests and spans | [`span_level`](Self::span_level), [`slow_request`](Self::slow_request), [`most_repeats`](Self::most_repeats), [`allow_repeats`](Self::allow_repeats), [`keep_fields`](Self::keep_fields) |
/// | the verdict | [`budgets`](Self::budgets), [`environment`](Self::environment), [`must_see`](Self::must_see), [`on_breach`](Self::on_breach), [`abort_on_breach`](Self::abort_on_breach) |
/// | the admin server and metrics | [`listen`](Self::listen), [`token`](Self::token), [`global_recorder`](Self::global_recorder) |
#[must_use = "nothing runs until `start`"]
pub struct Builder {
    service: String,
    config: Config,
    tracked: Vec<(String, Closure)>,
    kinds: BTreeMap<String, Kind>,
    runtime: Option<Handle>,
    on_breach: Option<OnBreach>,
}

impl Builder {
    pub(crate) fn new(service: &str) -> Self {
        Self {
            service: service.to_owned(),
            config: Config::default(),
            tracked: Vec::new(),
            kinds: BTreeMap::new(),
            runtime: None,
            on_breach: None,
        }
    }

    /// Where runs are written, each into a new directory below. Default `runs`.
    ///
    /// ```
    /// # use soakscope::Agent;
    /// let builder = Agent::builder("checkout").run_dir("/var/lib/checkout/runs");
    /// ```
    pub fn run_dir(mut self, path: impl Into<PathBuf>) -> Self {
        self.config.run_dir = path.into();
        self
    }

    /// The run directory itself, instead of a new one below
    /// [`run_dir`](Self::run_dir). It must not exist yet, or be an
    /// empty directory.
    ///
    /// ```
    /// # use soakscope::Agent;
    /// let builder = Agent::builder("checkout").run_path("soak/nightly-4711");
    /// ```
    pub fn run_path(mut self, path: impl Into<PathBuf>) -> Self {
        self.config.run_path = Some(path.into());
        self
    }

    /// Who may look into the run directory, as an octal mode; its files are made to
    /// suit. Others may not write in any case. Default: the user that the service
    /// runs as, `0o700`.
    ///
    /// ```
    /// # use soakscope::Agent;
    /// let builder = Agent::builder("checkout").run_dir_mode(0o750);
    /// ```
    pub fn run_dir_mode(mut self, mode: u32) -> Self {
        self.config.run_dir_mode = Some(mode);
        self
    }

    /// The address of the admin server. Default: none is started. Port 0 takes any
    /// free port; [`Agent::local_addr`] returns which.
    ///
    /// An address that other machines can reach needs a [`token`](Self::token).
    /// Where the crate's feature `admin` is off there is no server, and
    /// [`start`](Self::start) refuses an address.
    ///
    /// ```
    /// # use soakscope::Agent;
    /// let builder = Agent::builder("checkout").listen("127.0.0.1:9900");
    /// ```
    pub fn listen(mut self, address: impl Into<String>) -> Self {
        self.config.listen = Some(address.into());
        self
    }

    /// The bearer token that every request to the admin server has to carry. An
    /// empty one is refused. Rather than in the program, keep it in the variable
    /// `SOAKSCOPE_TOKEN`.
    ///
    /// ```
    /// # use soakscope::Agent;
    /// let secret = "f3c1"; // read from a file of secrets
    /// let builder = Agent::builder("checkout").listen("0.0.0.0:9900").token(secret);
    /// ```
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.config.token = Some(token.into());
        self
    }

    /// CPU samples per second of CPU time, for each thread. Default 99.
    ///
    /// ```
    /// # use soakscope::Agent;
    /// let builder = Agent::builder("checkout").cpu_frequency(997);
    /// ```
    pub fn cpu_frequency(mut self, hz: u32) -> Self {
        self.config.cpu_frequency = hz;
        self
    }

    /// What delivers CPU samples. Default: the best that works here.
    ///
    /// ```
    /// # use soakscope::{Agent, Clock};
    /// let builder = Agent::builder("checkout").cpu_clock(Clock::Off); // no CPU profile
    /// ```
    pub fn cpu_clock(mut self, clock: impl Into<ClockChoice>) -> Self {
        self.config.cpu_clock = clock.into();
        self
    }

    /// The length of each CPU profile in the run directory. Default 10 s.
    ///
    /// ```
    /// # use soakscope::Agent;
    /// # use std::time::Duration;
    /// let builder = Agent::builder("checkout").cpu_window(Duration::from_secs(60));
    /// ```
    pub fn cpu_window(mut self, length: Duration) -> Self {
        self.config.cpu_window = length;
        self
    }

    /// Mean bytes allocated between two samples of the heap, where the service has
    /// a [`HeapProfiler`](crate::HeapProfiler) as its allocator; 0 samples nothing.
    /// Default 512 KiB.
    ///
    /// ```
    /// # use soakscope::Agent;
    /// let builder = Agent::builder("checkout").heap_interval(64 * 1024);
    /// ```
    pub fn heap_interval(mut self, bytes: u64) -> Self {
        self.config.heap_interval = Some(bytes);
        self
    }

    /// The longest time between two heap profiles of the run directory. While the
    /// run is young they are closer. Default 60 s.
    ///
    /// ```
    /// # use soakscope::Agent;
    /// # use std::time::Duration;
    /// let builder = Agent::builder("checkout").heap_step(Duration::from_secs(600));
    /// ```
    pub fn heap_step(mut self, step: Duration) -> Self {
        self.config.heap_step = step;
        self
    }

    /// Time between rows of the timeline. Default 1 s, at least 10 ms.
    ///
    /// ```
    /// # use soakscope::Agent;
    /// # use std::time::Duration;
    /// let builder = Agent::builder("checkout").tick(Duration::from_millis(250));
    /// ```
    pub fn tick(mut self, step: Duration) -> Self {
        self.config.tick = step;
        self
    }

    /// CPU budget of the readings, as a share of one core. Expensive readings are
    /// taken less often to stay within it, and their cells are empty meanwhile.
    /// Default 0.02.
    ///
    /// ```
    /// # use soakscope::Agent;
    /// let builder = Agent::builder("checkout").reading_share(0.005);
    /// ```
    pub fn reading_share(mut self, share: f64) -> Self {
        self.config.reading_share = share;
        self
    }

    /// The phase that the run begins in; [`Agent::phase`] begins the next. Default:
    /// none.
    ///
    /// ```
    /// # use soakscope::Agent;
    /// let builder = Agent::builder("checkout").phase("warm-up");
    /// ```
    pub fn phase(mut self, name: impl Into<String>) -> Self {
        self.config.phase = name.into();
        self
    }

    /// The service's version, which is kept with the run. Default: unknown. The
    /// commit is that of the variable `SOAKSCOPE_GIT_REV`.
    ///
    /// ```
    /// # use soakscope::Agent;
    /// let builder = Agent::builder("checkout").version(env!("CARGO_PKG_VERSION"));
    /// ```
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.config.version = Some(version.into());
        self
    }

    /// The budget file that the run is judged by, while it goes on and at its end.
    /// It is kept with the run. Default: none.
    ///
    /// ```
    /// # use soakscope::Agent;
    /// let builder = Agent::builder("checkout").budgets("budgets.toml");
    /// ```
    pub fn budgets(mut self, path: impl Into<PathBuf>) -> Self {
        self.config.budgets = Some(path.into());
        self
    }

    /// The leak of memory that the run must be able to show, as a rate. Where the
    /// run was too short or too noisy for that, it is inconclusive and does not
    /// pass; the verdict says how long to run. Default: none.
    ///
    /// ```
    /// # use soakscope::Agent;
    /// let builder = Agent::builder("checkout").must_see("10MB/h");
    /// ```
    pub fn must_see(mut self, rate: impl Into<String>) -> Self {
        self.config.must_see = Some(rate.into());
        self
    }

    /// The environment whose overrides in the budget file are in force. Default:
    /// none.
    ///
    /// ```
    /// # use soakscope::Agent;
    /// let builder = Agent::builder("checkout").budgets("budgets.toml").environment("staging");
    /// ```
    pub fn environment(mut self, name: impl Into<String>) -> Self {
        self.config.environment = Some(name.into());
        self
    }

    /// Calls this each time a budget breaks, on a thread of its own, with what was
    /// measured and which bound that broke. Default: nothing is called.
    ///
    /// ```
    /// # use soakscope::Agent;
    /// let builder = Agent::builder("checkout")
    ///     .budgets("budgets.toml")
    ///     .on_breach(|breach| eprintln!("{}: {}", breach.budget, breach.message));
    /// ```
    pub fn on_breach(mut self, call: impl FnMut(&BudgetOutcome) + Send + 'static) -> Self {
        self.on_breach = Some(Box::new(call));
        self
    }

    /// Ends the process with SIGTERM once a budget has been broken continuously for
    /// this long, so that a run that cannot pass does not take another two
    /// days. Default: never.
    ///
    /// ```
    /// # use soakscope::Agent;
    /// # use std::time::Duration;
    /// let builder = Agent::builder("checkout")
    ///     .budgets("budgets.toml")
    ///     .abort_on_breach(Duration::from_secs(300));
    /// ```
    pub fn abort_on_breach(mut self, grace: Duration) -> Self {
        self.config.abort_on_breach = Some(grace);
        self
    }

    /// Installs a metrics recorder for the process (see the `metrics` crate), so
    /// that the service's own metrics are on `/metrics` too. Where the service has a
    /// recorder already it keeps that, and the agent warns. A family that both have,
    /// such as `process_open_fds`, is shown once, as the agent's. Default: false.
    ///
    /// ```
    /// # use soakscope::Agent;
    /// let builder = Agent::builder("checkout").global_recorder(true);
    /// ```
    pub fn global_recorder(mut self, install: bool) -> Self {
        self.config.global_recorder = install;
        self
    }

    /// Spans at or above this level are measured. Default INFO. Requests are
    /// measured at DEBUG, too.
    ///
    /// ```
    /// # use soakscope::Agent;
    /// let builder = Agent::builder("checkout").span_level(tracing::Level::DEBUG);
    /// ```
    pub fn span_level(mut self, level: impl Into<LevelFilter>) -> Self {
        self.config.span_level = level.into();
        self
    }

    /// Requests that take longer are recorded in `events.jsonl`, with where their
    /// time went; so is one that takes three times as long as 99 of 100 on its
    /// route. Default 1 s.
    ///
    /// ```
    /// # use soakscope::Agent;
    /// # use std::time::Duration;
    /// let builder = Agent::builder("checkout").slow_request(Duration::from_millis(200));
    /// ```
    pub fn slow_request(mut self, limit: Duration) -> Self {
        self.config.slow_request = limit;
        self
    }

    /// How often one request may run the same reading statement in a row before
    /// it is reported as N+1. Default 5. With 0 statements are
    /// not looked at, nor reported.
    ///
    /// ```
    /// # use soakscope::Agent;
    /// let builder = Agent::builder("checkout").most_repeats(10);
    /// ```
    pub fn most_repeats(mut self, count: u32) -> Self {
        self.config.most_repeats = count;
        self
    }

    /// Statements with this text in them may repeat. The text is compared with the
    /// statement as it is reported: values are `?`, white space is one space.
    ///
    /// ```
    /// # use soakscope::Agent;
    /// let builder = Agent::builder("checkout").allow_repeats("FROM sessions WHERE id = ?");
    /// ```
    pub fn allow_repeats(mut self, part: impl Into<String>) -> Self {
        self.config.allowed_repeats.push(part.into());
        self
    }

    /// Fields of a request's span whose values are kept with a slow request,
    /// beside its method, route and status. Default: none, as any other field
    /// may hold what should not be written down.
    ///
    /// ```
    /// # use soakscope::Agent;
    /// let builder = Agent::builder("checkout").keep_fields(["tenant", "plan"]);
    /// ```
    ///
    /// The variable `SOAKSCOPE_KEEP_FIELDS` takes names with commas between.
    pub fn keep_fields(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let names = names.into_iter().map(Into::into);
        self.config.keep_fields.extend(names);
        self
    }

    /// Adds a series to the timeline: a number, asked for at each tick.
    ///
    /// The closure runs on a thread of the agent's. One that panics, blocks or
    /// answers NaN costs its own cell only.
    ///
    /// The series is judged as what its name says: `sessions` and `cache_mb` are
    /// held and may leak, `jobs_total` is counted for ever and `hit_rate` is a rate.
    /// Where the name does not say it, [`track_as`](Self::track_as) does.
    ///
    /// ```
    /// # use soakscope::Agent;
    /// # use std::sync::atomic::{AtomicU32, Ordering};
    /// static SESSIONS: AtomicU32 = AtomicU32::new(0);
    /// let builder = Agent::builder("checkout")
    ///     .track("sessions", || f64::from(SESSIONS.load(Ordering::Relaxed)));
    /// ```
    pub fn track(
        mut self,
        name: impl Into<String>,
        value: impl FnMut() -> f64 + Send + 'static,
    ) -> Self {
        // The name is a column's, which people look at in a terminal.
        let name = printable(&name.into()).into_owned();
        self.tracked.push((name, Box::new(value)));
        self
    }

    /// [`track`](Self::track) for a series whose name does not say what it is. The
    /// kind is kept with the run, so that it is judged alike live and offline.
    ///
    /// ```
    /// # use soakscope::{Agent, Kind};
    /// # fn parcels_on_board() -> f64 { 0.0 }
    /// # fn parcels_so_far() -> f64 { 0.0 }
    /// let builder = Agent::builder("ferry")
    ///     .track_as("on_board", Kind::Level, parcels_on_board)
    ///     .track_as("carried", Kind::Counter, parcels_so_far);
    /// ```
    pub fn track_as(
        mut self,
        name: impl Into<String>,
        kind: Kind,
        value: impl FnMut() -> f64 + Send + 'static,
    ) -> Self {
        let name = name.into();
        let column = printable(&name).into_owned();
        self.kinds.insert(column, kind);
        self.track(name, value)
    }

    /// The tokio runtime to watch. Default: the one that [`start`](Self::start) is
    /// called in.
    ///
    /// ```
    /// # use soakscope::Agent;
    /// let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    /// let builder = Agent::builder("checkout").tokio(runtime.handle().clone());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn tokio(mut self, handle: Handle) -> Self {
        self.runtime = Some(handle);
        self
    }

    /// Starts the agent.
    ///
    /// With `SOAKSCOPE_ENABLED=0` the agent does nothing: no thread, no file.
    ///
    /// # Errors
    ///
    /// An option that is not usable, an address that cannot be bound, a run
    /// directory that cannot be made, a sampler that cannot start, or an agent
    /// that already runs in this process. Each says what to do about it. A
    /// service that would rather run unobserved falls back on
    /// [`Agent::disabled`].
    ///
    /// ```no_run
    /// # use soakscope::Agent;
    /// let agent = Agent::builder("checkout").start().unwrap_or_else(|error| {
    ///     eprintln!("unobserved: {error}");
    ///     Agent::disabled()
    /// });
    /// ```
    pub fn start(self) -> Result<Agent, Error> {
        let config = self.config.resolve(|name| std::env::var(name).ok())?;
        if !config.enabled {
            return Ok(Agent::disabled());
        }
        let runtime = self.runtime.or_else(|| Handle::try_current().ok());
        let closures = Closures {
            tracked: self.tracked,
            kinds: self.kinds,
            on_breach: self.on_breach,
        };
        let claim = Claim::take()?;
        let bound = config
            .listen
            .as_deref()
            .map(|address| Bound::bind(address, config.token.as_deref()))
            .transpose()?;
        let live = start(claim, &self.service, config, closures, runtime)?;
        let admin = bound
            .map(|bound| bound.serve(Arc::clone(&live)))
            .transpose()?;
        Ok(Agent::new(live, admin))
    }
}

#[cfg(test)]
mod tests {
    /// A method's documentation is where its users look first.
    #[test]
    fn every_option_has_an_example() {
        let source = include_str!("builder.rs");
        let mut docs = Vec::new();
        let mut methods = 0;
        for line in source.lines().map(str::trim_start) {
            if let Some(doc) = line.strip_prefix("///") {
                docs.push(doc);
            } else if let Some(method) = line.strip_prefix("pub fn ") {
                methods += 1;
                let fences = docs.iter().filter(|doc| doc.starts_with(" ```")).count();
                assert!(fences == 2, "{method}");
                docs.clear();
            } else if !line.starts_with("#[") {
                docs.clear();
            }
        }
        assert!(methods > 25, "{methods}");
    }
}
