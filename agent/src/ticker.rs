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
use soakscope_report::TimelineWriter;
use soakscope_sampler::resources::{HostReading, Stall, TcpState, TickReading, Ticks};
use soakscope_sampler::{exclude_current_thread, heap_allocated_bytes, heap_live_bytes};

use crate::error::Error;
use crate::profiler::ProfilerHandle;
use crate::rates::Rates;
use crate::row::{Activity, Own, Row, Served};
use crate::session::Session;
use crate::spans::interval::Interval;
use crate::spans::rows::SpanRows;
use crate::stop::Stop;
use crate::telemetry::Seconds;
use crate::tokio_runtime::{Runtime, RuntimeReading};
use crate::tracked::{Answer, Tracked};
use crate::wall_clock::WallClock;
use crate::writer::Job;

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
        let told = stop.clone();
        let thread = std::thread::Builder::new()
            .name("soakscope-tick".to_owned())
            .spawn(move || {
                let _own = exclude_current_thread();
                Ticking::new(session, tracked, runtime, profiler).run(&told);
            })
            .map_err(Error::Thread)?;
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
    runtime: Option<Runtime>,
    writer: Option<TimelineWriter>,
    spans: SpanRows,
    before: Option<Before>,
    upkept: Instant,
    seconds: Seconds,
}

/// What rates are reckoned from.
struct Before {
    at: Instant,
    cpu: Option<Duration>,
    own_cpu: Duration,
}

/// Everything read in one tick.
struct Readings {
    at: Instant,
    time: Timestamp,
    own: TickReading,
    runtime: Option<RuntimeReading>,
    heap_live_bytes: Option<u64>,
    heap_allocated_bytes: Option<u64>,
    own_cpu: Duration,
    own_threads: u64,
    /// What the agent's buffers hold.
    own_bytes: u64,
    own_fds: u64,
    tracked: Vec<Answer>,
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
            rates: Rates::new(session.started),
            ticks: Ticks::with_share(session.config.reading_share),
            session,
            wall_clock: WallClock::default(),
            host: HostReading::new(),
            tracked,
            runtime,
            writer: None,
            spans: SpanRows::new(profiler),
            before: None,
            upkept: Instant::now(),
            seconds: Seconds::default(),
        }
    }

    fn run(&mut self, stop: &Stop) {
        let step = self.session.config.tick;
        let mut due = self.session.started;
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
                let elapsed = self.session.elapsed_min();
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
            self.session.warn(&jump);
        }
        self.complain(&readings.tracked);
        let row = self.row(&readings, late);
        self.publish(&readings, late);
        self.before = Some(Before {
            at: readings.at,
            cpu: readings.own.process.cpu,
            own_cpu: readings.own_cpu,
        });
        let writer = self.writer.get_or_insert_with(|| {
            let writer = TimelineWriter::new(&row.columns());
            let header = writer.header();
            self.session.history.start(header.clone());
            self.session.writer.send(Job::Timeline(header));
            writer
        });
        let numbers = row.numbers();
        if let Some(budgets) = &self.session.budgets {
            let elapsed_min = now.duration_since(self.session.started).as_secs_f64() / 60.0;
            let phase = self.session.phases.current().name;
            budgets.row(&self.session, now, elapsed_min, &phase, &numbers);
        }
        let line = writer.row(&row.into_cells());
        self.session.history.push(line.clone(), numbers);
        self.session.writer.send(Job::Timeline(line));
        if now.saturating_duration_since(self.upkept) >= UPKEEP {
            self.upkept = now;
            self.session.telemetry.upkeep();
        }
    }

    fn read(&mut self, round: u64, at: Instant, time: Timestamp) -> Readings {
        let tracked = self.tracked.ask(round);
        let (history, writer) = (&self.session.history, &self.session.writer);
        Readings {
            at,
            time,
            own: self.ticks.read(at),
            runtime: self.runtime.as_mut().map(|runtime| runtime.read(at)),
            heap_live_bytes: heap_live_bytes(),
            heap_allocated_bytes: heap_allocated_bytes(),
            own_cpu: self.ticks.resources().own_cpu(),
            own_threads: self.ticks.resources().own_threads(),
            own_bytes: history.bytes() + writer.waiting_bytes(),
            own_fds: self.ticks.resources().own_descriptors() + writer.descriptors(),
            tracked,
        }
    }

    fn row(&mut self, readings: &Readings, late: Duration) -> Row {
        let session = Arc::clone(&self.session);
        let elapsed_min = readings.at.duration_since(session.started).as_secs_f64() / 60.0;
        let phase = session.phases.current().name;
        let seconds = self
            .before
            .as_ref()
            .map(|before| readings.at.duration_since(before.at).as_secs_f64());
        let percent = |now: Option<Duration>, before: Option<Duration>| {
            let used = now?.saturating_sub(before?).as_secs_f64();
            seconds.map(|seconds| used / seconds * 100.0)
        };
        let cpu_percent = percent(
            readings.own.process.cpu,
            self.before.as_ref().and_then(|before| before.cpu),
        );
        let own = Own {
            cpu_percent: percent(
                Some(readings.own_cpu),
                self.before.as_ref().map(|before| before.own_cpu),
            ),
            threads: readings.own_threads,
            bytes: readings.own_bytes,
            open_fds: readings.own_fds,
            late_ms: late.as_secs_f64() * 1_000.0,
            missed: session.missed_ticks(),
            dropped: session.drops.total(),
        };
        let all = self.spans.collect(elapsed_min, &phase, &session);
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
        self.rates.at(readings.at);
        let activity = Activity {
            process: &read.process,
            disk_io: read.disk_io.map(|io| (io.read_bytes, io.written_bytes)),
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
        row
    }

    /// The same readings as metrics.
    fn publish(&mut self, readings: &Readings, late: Duration) {
        let session = &self.session;
        let telemetry = &session.telemetry;
        let process = &readings.own.process;
        let gauge = |name, value: Option<u64>| {
            telemetry.gauge(name, &[], value.map(|value| value as f64));
        };
        gauge("process_resident_memory_bytes", process.rss_bytes);
        gauge("process_virtual_memory_bytes", process.vms_bytes);
        gauge("process_open_fds", process.open_fds);
        gauge("process_threads", process.threads);
        gauge("soakscope_heap_live_bytes", readings.heap_live_bytes);
        gauge("soakscope_agent_threads", Some(readings.own_threads));
        gauge("soakscope_agent_memory_bytes", Some(readings.own_bytes));
        gauge("soakscope_agent_open_fds", Some(readings.own_fds));
        let runtime = readings.runtime.as_ref();
        gauge(
            "soakscope_tokio_alive_tasks",
            runtime.map(|r| r.alive_tasks),
        );
        gauge(
            "soakscope_tokio_global_queue_depth",
            runtime.map(|r| r.global_queue),
        );
        // A reading that was not due keeps the value of the last one.
        if let Some(sockets) = &readings.own.sockets {
            for state in TcpState::ALL {
                let count = sockets.tcp(state) as f64;
                let labels = [("state", state.name())];
                telemetry.gauge("soakscope_tcp_sockets", &labels, Some(count));
            }
        }
        if let Some(limits) = &readings.own.limits {
            gauge("process_max_fds", limits.open_fds);
            gauge(
                "soakscope_cgroup_memory_limit_bytes",
                limits.cgroup_memory_bytes,
            );
        }
        if let Some(memory) = &readings.own.memory {
            gauge("soakscope_pss_bytes", Some(memory.pss_bytes));
            gauge(
                "soakscope_private_dirty_bytes",
                Some(memory.private_dirty_bytes),
            );
        }
        if let Some(cgroup) = &readings.own.cgroup {
            gauge("soakscope_cgroup_memory_bytes", cgroup.memory_bytes);
            gauge("soakscope_cgroup_anon_bytes", cgroup.anon_bytes);
            if let Some(kills) = cgroup.oom_kills {
                telemetry.counter("soakscope_cgroup_oom_kills_total", &[], kills);
            }
            self.seconds.throttled = cgroup.throttled.map(|time| time.as_secs_f64());
        }
        if let Some(pressure) = &readings.own.pressure {
            let some = |stall: Option<Stall>| stall.map(|stall| stall.some.as_secs_f64());
            self.seconds.waited = [pressure.cpu, pressure.memory, pressure.io].map(some);
        }
        telemetry.gauge(
            "soakscope_tokio_busy_ratio",
            &[],
            runtime
                .and_then(|r| r.busy_percent)
                .map(|busy| busy / 100.0),
        );
        let spans = &session.spans;
        if spans.any_request() {
            let in_flight = spans.requests_in_flight() as f64;
            telemetry.gauge("soakscope_requests_in_flight", &[], Some(in_flight));
        }
        let (opened, closed) = spans.counts();
        if opened > 0 {
            let open = opened.saturating_sub(closed) as f64;
            telemetry.gauge("soakscope_spans_in_flight", &[], Some(open));
            telemetry.counter("soakscope_spans_opened_total", &[], opened);
            telemetry.counter("soakscope_spans_closed_total", &[], closed);
        }
        for (name, answer) in self.tracked.names().iter().zip(&readings.tracked) {
            let value = match answer {
                Answer::Value(value) => Some(*value),
                Answer::Panicked | Answer::Blocked => None,
            };
            telemetry.gauge("soakscope_tracked", &[("series", name)], value);
        }
        telemetry.gauge("soakscope_tick_late_seconds", &[], Some(late.as_secs_f64()));
        self.seconds.process = process.cpu.map(|cpu| cpu.as_secs_f64());
        self.seconds.agent = readings.own_cpu.as_secs_f64();
        telemetry.seconds(self.seconds);
        if let Some(bytes) = readings.heap_allocated_bytes {
            telemetry.counter("soakscope_heap_allocated_bytes_total", &[], bytes);
        }
        telemetry.counter("soakscope_ticks_total", &[], session.ticks());
        telemetry.counter("soakscope_ticks_missed_total", &[], session.missed_ticks());
        session.count_untold();
        for (cause, count) in session.drops.by_cause() {
            telemetry.counter("soakscope_dropped_total", &[("cause", &cause)], count);
        }
    }

    /// Says once for each series that its closure panics or blocks.
    fn complain(&mut self, answers: &[Answer]) {
        for (index, answer) in answers.iter().enumerate() {
            let cause = match answer {
                Answer::Value(_) => {
                    self.complained[index] = false;
                    continue;
                }
                Answer::Panicked => "panicked",
                Answer::Blocked => "did not answer in time",
            };
            self.session.drops.add("tracked_values", 1);
            if !std::mem::replace(&mut self.complained[index], true) {
                let name = &self.tracked.names()[index];
                self.session.warn(&format!(
                    "the tracked series {name:?} {cause}; its cells stay empty until it answers"
                ));
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
