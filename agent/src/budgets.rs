//! Budgets while the run goes on: the same watch that judges a finished run
//! takes in every tick, and a budget that breaks is reported at once.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use soakscope_report::{
    BudgetEvent, BudgetOutcome, BudgetState, Budgets, DropCause, EventKind, LeakBudget,
    SpanInterval, Verdict, Watch,
};

use crate::error::Error;
use crate::journal::Journal;
use crate::metrics::telemetry::Telemetry;
use crate::threads;

/// How often budgets are judged.
const STEP: Duration = Duration::from_secs(1);
/// Breaches that wait for a callback that takes its time; more are counted.
const WAITING: usize = 64;
/// How long the end of the process waits for the disk.
const FLUSH: Duration = Duration::from_secs(2);

/// The service's own closure for budgets that break.
pub(crate) type OnBreach = Box<dyn FnMut(&BudgetOutcome) + Send>;

pub(crate) struct LiveBudgets {
    pub(crate) leaks: LeakBudget,
    watch: Mutex<Watch>,
    state: Mutex<State>,
    /// To the thread that calls the service.
    breaches: Option<SyncSender<BudgetOutcome>>,
    /// How long a broken budget may stay so before the process is ended.
    grace: Option<Duration>,
}

#[derive(Default)]
struct State {
    /// What each budget was when it was last judged.
    before: Vec<Level>,
    judged: Option<Instant>,
    broken_since: Option<Instant>,
    ended: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Holds,
    Warns,
    Broken,
}

impl Level {
    fn of(outcome: &BudgetOutcome) -> Self {
        match outcome.verdict {
            Verdict::Fail => Level::Broken,
            Verdict::Pass if outcome.warned => Level::Warns,
            Verdict::Pass | Verdict::Inconclusive => Level::Holds,
        }
    }

    fn state(self) -> BudgetState {
        match self {
            Level::Holds => BudgetState::Holds,
            Level::Warns => BudgetState::Warning,
            Level::Broken => BudgetState::Broken,
        }
    }
}

impl LiveBudgets {
    /// Watches budgets; `on_breach` is called on a thread of its own.
    pub(crate) fn new(
        budgets: Budgets,
        on_breach: Option<OnBreach>,
        grace: Option<Duration>,
    ) -> Result<Self, Error> {
        let breaches = on_breach.map(caller).transpose()?;
        Ok(Self {
            leaks: budgets.leaks,
            watch: Mutex::new(Watch::new(budgets)),
            state: Mutex::default(),
            breaches,
            grace,
        })
    }

    /// Takes in what spans did; see [`Watch::spans`].
    pub(crate) fn spans(&self, interval: &SpanInterval<'_>) {
        self.watch().spans(interval);
    }

    /// What has become of each budget so far.
    pub(crate) fn outcomes(&self) -> Vec<BudgetOutcome> {
        self.watch().outcomes()
    }

    /// Takes in a row of the timeline, and once a second judges.
    pub(crate) fn row(
        &self,
        journal: &Arc<Journal>,
        telemetry: &Telemetry,
        now: Instant,
        elapsed_min: f64,
        phase: &str,
        numbers: &[(String, f64)],
    ) {
        self.watch().row(elapsed_min, phase, |name| {
            let found = numbers.iter().find(|(column, _)| column == name);
            found.map(|(_, value)| *value)
        });
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let due = |judged: Instant| now.saturating_duration_since(judged) >= STEP;
        if state.judged.is_none_or(due) {
            state.judged = Some(now);
            self.judge(journal, telemetry, now, &mut state);
        }
    }

    fn judge(
        &self,
        journal: &Arc<Journal>,
        telemetry: &Telemetry,
        now: Instant,
        state: &mut State,
    ) {
        let outcomes = self.outcomes();
        let levels: Vec<Level> = outcomes.iter().map(Level::of).collect();
        state.before.resize(levels.len(), Level::Holds);
        for ((outcome, level), before) in outcomes.iter().zip(&levels).zip(&state.before) {
            let labels = [("budget", outcome.budget.as_str())];
            let broken = f64::from(u8::from(*level == Level::Broken));
            telemetry.gauge("soakscope_budget_broken", &labels, Some(broken));
            telemetry.gauge("soakscope_budget_value", &labels, outcome.value);
            if level != before {
                record(journal, outcome, *level);
                if *level == Level::Broken && !self.call(outcome) {
                    journal.drops.add(DropCause::BreachesUnreported, 1);
                }
            }
        }
        let broken = levels.contains(&Level::Broken);
        state.before = levels;
        if !broken {
            state.broken_since = None;
            return;
        }
        let since = *state.broken_since.get_or_insert(now);
        let lasted = now.saturating_duration_since(since);
        if !state.ended && self.grace.is_some_and(|grace| lasted >= grace) {
            state.ended = true;
            end_process(journal, lasted);
        }
    }

    /// Hands a breach to the service's closure. Answers `false` where it has no
    /// room for one more.
    fn call(&self, outcome: &BudgetOutcome) -> bool {
        self.breaches
            .as_ref()
            .is_none_or(|breaches| breaches.try_send(outcome.clone()).is_ok())
    }

    fn watch(&self) -> MutexGuard<'_, Watch> {
        self.watch.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A thread that calls the service's closure, so that one that blocks holds up
/// nothing of the agent. It ends with the run.
fn caller(mut on_breach: OnBreach) -> Result<SyncSender<BudgetOutcome>, Error> {
    let (sender, breaches): (_, Receiver<BudgetOutcome>) = sync_channel(WAITING);
    threads::spawn(threads::BREACH, move || {
        for breach in breaches {
            // A panic was reported by its hook; the next breach comes all the same.
            let _ = catch_unwind(AssertUnwindSafe(|| on_breach(&breach)));
        }
    })?;
    Ok(sender)
}

/// Records that a budget changed its level: in the journal and in the log.
fn record(journal: &Journal, outcome: &BudgetOutcome, level: Level) {
    journal.event(&EventKind::Budget(BudgetEvent {
        budget: outcome.budget.clone(),
        state: level.state(),
        value: outcome.value,
        message: outcome.message.clone(),
    }));
    match level {
        Level::Broken => tracing::error!(target: "soakscope", "budget: {}", outcome.message),
        Level::Warns => tracing::warn!(target: "soakscope", "budget: {}", outcome.message),
        Level::Holds => tracing::info!(target: "soakscope", "budget: {}", outcome.message),
    }
}

/// Asks the process to end the way its operator would, so that it closes what
/// it has open and seals the run. What is written by then is on disk first, for
/// a service that does not listen to the signal; a tick waits for no disk, so
/// that is left to a thread.
fn end_process(journal: &Arc<Journal>, lasted: Duration) {
    journal.warn(&format!(
        "a budget has been broken for {:.0} s; ending this process (SIGTERM), as asked",
        lasted.as_secs_f64()
    ));
    let ending = Arc::clone(journal);
    let started = threads::spawn(threads::END, move || {
        ending.flush(FLUSH);
        if let Err(error) = terminate() {
            ending.warn(&format!("the process could not be ended: {error}"));
        }
    });
    if let Err(error) = started {
        journal.warn(&format!("the process could not be ended: {error}"));
    }
}

#[cfg(unix)]
fn terminate() -> std::io::Result<()> {
    use rustix::process::{Signal, getpid, kill_process};
    Ok(kill_process(getpid(), Signal::TERM)?)
}

#[cfg(not(unix))]
fn terminate() -> std::io::Result<()> {
    Err(std::io::ErrorKind::Unsupported.into())
}
