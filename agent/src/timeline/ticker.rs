//! The thread that takes a row of the timeline at every tick.
//!
//! Ticks are on an absolute schedule: the start plus a whole number of steps.
//! A tick that comes too late for its successor skips it; what was skipped is
//! counted and is a gap in the timeline, never a made-up row. One more row is
//! taken when the run ends, so that even a short run has two.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use soakscope_report::columns::{AGENT_CPU_PERCENT, CPU_PERCENT, TimelineRow};
use soakscope_report::{DropCause, TimelineWriter};
use soakscope_sampler::resources::{HostReading, Ticks};
use soakscope_sampler::{heap_allocated_bytes, heap_live_bytes, own_bytes};

use super::base::Bases;
use super::missing::Watch;
use super::rates::Rates;
use super::readings::Readings;
use super::row::{Activity, Own, Row, Served};
use super::span_rows::SpanRows;
use super::tokio_runtime::Runtime;
use super::tracked::{Answer, Tracked};
use super::wall_clock::WallClock;
use crate::disk::job::Job;
use crate::error::Error;
use crate::metrics::telemetry::Seconds;
use crate::profiles::profiler::ProfilerHandle;
use crate::session::Session;
use crate::spans::interval::Interval;
use crate::threads;
use crate::threads::stop::Stop;

/// How often histograms are folded.
const UPKEEP: Duration = Duration::from_secs(5);

pub(crate) struct Ticker {
    stop: Stop,
    thread: JoinHandle<()>,
}

impl Ticker {
    pub(crate) fn start(
        session: Arc<Session>,
        tracked: Tracked,
        runtime: Option<Runtime>,
        profiler: Option<ProfilerHandle>,
    ) -> Result<Self, Error> {
        let stop = Stop::default();
        let stopped = stop.clone();
        // Made here: what the service does before the thread first runs is part of
        // the run.
        let mut ticking = Ticking::new(session, tracked, runtime, profiler);
        let thread = threads::spawn(threads::TICK, move || ticking.run(&stopped))?;
        Ok(Self { stop, thread })
    }

    /// Takes the last row and ends. Answers `false` where the thread had died.
    pub(crate) fn stop(self) -> bool {
        self.stop.stop();
        self.thread.join().is_ok()
    }
}

pub(crate) struct Ticking {
    session: Arc<Session>,
    ticks: Ticks,
    rates: Rates,
    wall_clock: WallClock,
    host: HostReading,
    tracked: Tracked,
    complained: Vec<bool>,
    missing: Watch,
    runtime: Option<Runtime>,
    writer: Option<TimelineWriter>,
    spans: SpanRows,
    /// The requests of the last rows, which one that follows at once is about,
    /// too.
    served: Bases<Interval>,
    upkept: Instant,
    seconds: Seconds,
}

impl Ticking {
    pub(crate) fn new(
        session: Arc<Session>,
        tracked: Tracked,
        runtime: Option<Runtime>,
        profiler: Option<ProfilerHandle>,
    ) -> Self {
        Self {
            complained: vec![false; tracked.names().len()],
            missing: Watch::default(),
            rates: Rates::new(session.clock.started, session.config.tick),
            ticks: Ticks::with_share(session.config.reading_share),
            session,
            wall_clock: WallClock::default(),
            host: HostReading::new(),
            tracked,
            runtime,
            writer: None,
            spans: SpanRows::new(profiler),
            served: Bases::default(),
            upkept: Instant::now(),
            seconds: Seconds::default(),
        }
    }

    fn run(&mut self, stop: &Stop) {
        let step = self.session.config.tick;
        let mut due = self.session.clock.started;
        loop {
            let now = Instant::now();
            self.tick(now, Timestamp::now(), now.saturating_duration_since(due));
            due += step;
            let behind = Instant::now().saturating_duration_since(due);
            let skipped = u32::try_from(behind.as_nanos() / step.as_nanos()).unwrap_or(u32::MAX);
            if skipped > 0 {
                self.session
                    .missed_ticks
                    .fetch_add(u64::from(skipped), Ordering::Relaxed);
                due += step * skipped;
            }
            if stop.wait_until(due) {
                self.tick(Instant::now(), Timestamp::now(), Duration::ZERO);
                let elapsed = self.session.clock.elapsed_min();
                self.spans.finish(elapsed, &self.session);
                return;
            }
        }
    }

    /// Takes one row. Both clocks are arguments, so that three days can be
    /// had in a minute.
    pub(crate) fn tick(&mut self, now: Instant, time: Timestamp, late: Duration) {
        let round = self.session.ticks.fetch_add(1, Ordering::Relaxed);
        let readings = self.read(round, now, time);
        if let Some(jump) = self.wall_clock.jumped(now, time) {
            self.session.journal.warn(&jump);
        }
        self.complain(&readings.tracked);
        for warning in self.missing.look(&readings.own.missing) {
            self.session.journal.warn(&warning);
        }
        let missing = readings.own.missing.len() as u64;
        self.session.drops.add(DropCause::CoreReadings, missing);
        let row = self.row(&readings, late);
        let names = self.tracked.names();
        readings.publish(&self.session, &mut self.seconds, names, late);
        let writer = self.writer.get_or_insert_with(|| {
            let writer = TimelineWriter::new(&row.columns());
            self.session.history.start(writer.columns());
            self.session.writer.send(Job::Timeline(writer.header()));
            writer
        });
        if let Some(budgets) = &self.session.budgets {
            let elapsed_min = now.duration_since(self.session.clock.started).as_secs_f64() / 60.0;
            let phase = self.session.phases.current().name;
            let session = &self.session;
            let numbers = row.numbers();
            budgets.row(
                &session.journal,
                &session.telemetry,
                now,
                elapsed_min,
                &phase,
                &numbers,
            );
        }
        let cells = row.into_cells();
        self.session.history.push(&cells);
        self.session.writer.send(Job::Timeline(writer.row(&cells)));
        if now.saturating_duration_since(self.upkept) >= UPKEEP {
            self.upkept = now;
            self.session.telemetry.upkeep();
        }
    }

    fn read(&mut self, round: u64, at: Instant, time: Timestamp) -> Readings {
        let tracked = self.tracked.ask(round);
        let writer = &self.session.writer;
        let sampler = own_bytes();
        let columns = self
            .writer
            .as_ref()
            .map_or(&[][..], TimelineWriter::columns);
        let columns = size_of_val(columns) + columns.iter().map(String::capacity).sum::<usize>();
        let served = self.served.iter().map(Interval::bytes).sum::<usize>();
        let mine = self.tracked.bytes() + self.spans.bytes() + columns + served;
        let (runtime, tick) = (self.runtime.as_mut(), self.session.config.tick);
        Readings {
            at,
            time,
            own: self.ticks.read(at),
            runtime: runtime.map(|runtime| runtime.read(at, tick)),
            heap_live_bytes: heap_live_bytes(),
            heap_allocated_bytes: heap_allocated_bytes(),
            own_cpu: self.ticks.resources().own_cpu(),
            own_threads: self.ticks.resources().own_threads(),
            own_heap_bytes: self.session.bytes() + mine as u64 + sampler.heap,
            own_table_bytes: sampler.tables,
            own_fds: self.ticks.resources().own_descriptors() + writer.descriptors(),
            tracked,
        }
    }

    fn row(&mut self, readings: &Readings, late: Duration) -> TimelineRow {
        let session = Arc::clone(&self.session);
        let elapsed_min = readings
            .at
            .duration_since(session.clock.started)
            .as_secs_f64()
            / 60.0;
        let phase = session.phases.current().name;
        self.rates.at(readings.at);
        let cpu_percent = self
            .rates
            .percent(CPU_PERCENT.name, readings.own.process.cpu);
        let own = Own {
            cpu_percent: self
                .rates
                .percent(AGENT_CPU_PERCENT.name, Some(readings.own_cpu)),
            threads: readings.own_threads,
            bytes: readings.own_heap_bytes + readings.own_table_bytes,
            heap_bytes: readings.own_heap_bytes,
            open_fds: readings.own_fds,
            late_ms: late.as_secs_f64() * 1_000.0,
            missed: session.missed_ticks(),
            dropped: session.drops.total(),
        };
        let ended = self.spans.collect(elapsed_min, &phase, &session);
        let base = self.served.of(readings.at, session.config.tick);
        let base = base.map(|(then, _)| *then);
        self.served.push(readings.at, ended);
        let all = self
            .served
            .since()
            .fold(Interval::default(), |mut all, ended| {
                all.add(ended);
                all
            });
        let seconds = base.map(|base| readings.at.saturating_duration_since(base).as_secs_f64());
        let read = &readings.own;
        let sockets = read.sockets.as_ref();

        let mut row = Row::default();
        row.process(
            elapsed_min,
            readings.time,
            &phase,
            &read.process,
            sockets,
            cpu_percent,
        );
        row.heap_and_sockets(readings.heap_live_bytes, sockets);
        row.rare(read.memory.as_ref(), read.limits.as_ref());
        let activity = Activity {
            process: &read.process,
            disk_io: read
                .disk_io
                .map_or((None, None), |io| (io.read_bytes, io.written_bytes)),
            cgroup: read.cgroup.as_ref(),
            pressure: read.pressure.as_ref(),
            heap_allocated_bytes: readings.heap_allocated_bytes,
        };
        row.activity(&mut self.rates, &activity);
        row.runtime(&mut self.rates, readings.runtime.as_ref());
        row.requests(served(&session, &all, seconds).as_ref());
        row.host(self.host.available_memory_bytes(), self.host.load_1m());
        row.own(&own);
        row.tracked(self.tracked.names(), &readings.tracked);
        row.finish()
    }

    /// Says once for each series that its closure panics or blocks; those that
    /// begin to in one tick together.
    fn complain(&mut self, answers: &[Answer]) {
        let mut panicked = Vec::new();
        let mut blocked = Vec::new();
        let mut lost = 0;
        for (index, answer) in answers.iter().enumerate() {
            let new = match answer {
                Answer::Value(_) => {
                    self.complained[index] = false;
                    continue;
                }
                Answer::Panicked => &mut panicked,
                Answer::Blocked => &mut blocked,
            };
            lost += 1;
            if !std::mem::replace(&mut self.complained[index], true) {
                new.push(self.tracked.names()[index].as_str());
            }
        }
        self.session.drops.add(DropCause::TrackedValues, lost);
        for (cause, names) in [("panicked", panicked), ("did not answer in time", blocked)] {
            match names.as_slice() {
                [] => {}
                [name] => self.session.journal.warn(&format!(
                    "the tracked series {name:?} {cause}; its cells stay empty until it answers"
                )),
                [name, others @ ..] => self.session.journal.warn(&format!(
                    "the tracked series {name:?} and {} more {cause}; their cells stay empty until \
                     they answer",
                    others.len()
                )),
            }
        }
    }
}

fn served<'a>(session: &Session, all: &'a Interval, seconds: Option<f64>) -> Option<Served<'a>> {
    let seconds = seconds.filter(|seconds| *seconds > 0.0)?;
    session.spans.any_request().then(|| Served {
        interval: all,
        seconds,
        in_flight: session.spans.requests_in_flight(),
    })
}

#[cfg(test)]
mod tests {
    use crate::three_days::Simulation;

    /// A hundred requests a second, and rows at these milliseconds. Answers the
    /// rates, and how many requests they come to.
    fn rates(name: &str, rows: &[u64]) -> (Vec<f64>, f64) {
        let mut run = Simulation::new(name);
        let mut before = 0;
        for ms in rows {
            run.row_at(*ms, (ms - before).div_ceil(10));
            before = *ms;
        }
        let timeline = run.timeline();
        let column = |name: &str| timeline.series(name).expect("a column");
        let (rates, p99) = (column("requests_per_s"), column("latency_p99_ms"));
        assert!(p99[1..].iter().all(|ms| (0.9..1.1).contains(ms)), "{p99:?}");
        let hours = timeline.elapsed_hours();
        let sum = (1..rates.len()).map(|row| rates[row] * (hours[row] - hours[row - 1]) * 3_600.0);
        (rates.clone(), sum.sum())
    }

    #[test]
    fn a_run_that_ends_just_after_a_tick_ends_without_a_spike() {
        let (ended, sum) = rates("ended", &[0, 1_000, 2_000, 3_000, 3_005]);
        let last = ended[4];
        assert!((99.0..102.0).contains(&last), "{ended:?}");
        assert!((sum - 301.0).abs() < 1.0, "{sum}: as many as there were");
        // Nothing at all in the last milliseconds is no hole either, and the
        // row of a run that has only two is about all of it.
        let (ended, _) = rates("quiet", &[0, 1_000, 1_000, 1_001]);
        assert!((99.0..102.0).contains(&ended[3]), "{ended:?}");
        let (ended, _) = rates("short", &[0, 100]);
        assert!((99.0..102.0).contains(&ended[1]), "{ended:?}");
    }

    #[test]
    fn a_tick_on_time_after_one_that_was_late_is_no_spike() {
        let (rates, sum) = rates(
            "late",
            &[0, 1_000, 2_990, 3_000, 4_000, 4_900, 5_000, 5_002],
        );
        assert!(
            rates[1..].iter().all(|rate| (99.0..102.0).contains(rate)),
            "{rates:?}"
        );
        assert!((sum - 501.0).abs() < 1.5, "{sum}");
    }
}
