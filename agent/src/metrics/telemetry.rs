//! The agent's metrics: one Prometheus recorder of its own, and its text form.
//!
//! The recorder is the agent's whether or not the service has a global one. For
//! a service that has none the agent installs another
//! (`Builder::global_recorder`), so that neither writes to the other's metrics;
//! [`families`](crate::metrics::families) puts both in one text. A value that was never
//! known is absent; one that is not known now is `NaN`.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::{Mutex, OnceLock, PoisonError};

use metrics::{
    Counter, Gauge, Histogram, Key, KeyName, Label, Level, Metadata, Recorder, SharedString, Unit,
};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

use crate::process::Process;

static METADATA: Metadata<'static> = Metadata::new("soakscope", Level::INFO, None);

pub(crate) struct Telemetry {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
    /// Of the service's own metrics, where their recorder is from here.
    service: OnceLock<PrometheusHandle>,
    gauges: Mutex<HashMap<Key, Gauge>>,
    /// The exporter's counters are whole numbers; these are not.
    seconds: Mutex<Seconds>,
}

/// CPU time, which the exporter has no fractional counter for.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Seconds {
    pub(crate) process: Option<f64>,
    pub(crate) agent: f64,
    /// Time in which the cgroup had no CPU quota left.
    pub(crate) throttled: Option<f64>,
    /// Time in which some task waited for a CPU, for memory, for I/O.
    pub(crate) waited: [Option<f64>; 3],
}

/// A recorder for the process. In a child that is forked off, the service's
/// metrics go nowhere: the recorder's tables may be locked for good there.
struct OfThisProcess {
    recorder: PrometheusRecorder,
    process: Process,
}

impl OfThisProcess {
    fn recorder(&self) -> Option<&PrometheusRecorder> {
        (!self.process.is_forked()).then_some(&self.recorder)
    }
}

impl Recorder for OfThisProcess {
    fn describe_counter(&self, key: KeyName, unit: Option<Unit>, text: SharedString) {
        if let Some(recorder) = self.recorder() {
            recorder.describe_counter(key, unit, text);
        }
    }

    fn describe_gauge(&self, key: KeyName, unit: Option<Unit>, text: SharedString) {
        if let Some(recorder) = self.recorder() {
            recorder.describe_gauge(key, unit, text);
        }
    }

    fn describe_histogram(&self, key: KeyName, unit: Option<Unit>, text: SharedString) {
        if let Some(recorder) = self.recorder() {
            recorder.describe_histogram(key, unit, text);
        }
    }

    fn register_counter(&self, key: &Key, metadata: &Metadata<'_>) -> Counter {
        self.recorder().map_or_else(Counter::noop, |recorder| {
            recorder.register_counter(key, metadata)
        })
    }

    fn register_gauge(&self, key: &Key, metadata: &Metadata<'_>) -> Gauge {
        self.recorder().map_or_else(Gauge::noop, |recorder| {
            recorder.register_gauge(key, metadata)
        })
    }

    fn register_histogram(&self, key: &Key, metadata: &Metadata<'_>) -> Histogram {
        self.recorder().map_or_else(Histogram::noop, |recorder| {
            recorder.register_histogram(key, metadata)
        })
    }
}

impl Telemetry {
    pub(crate) fn new() -> Self {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        let telemetry = Self {
            recorder,
            handle,
            service: OnceLock::new(),
            gauges: Mutex::new(HashMap::new()),
            seconds: Mutex::new(Seconds::default()),
        };
        telemetry.describe();
        telemetry
    }

    /// Gives the process a recorder for the service's own metrics, where it has
    /// none. Answers whether it did.
    pub(crate) fn install(&self) -> bool {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        let recorder = OfThisProcess {
            recorder,
            process: Process::current(),
        };
        metrics::set_global_recorder(recorder).is_ok() && self.service.set(handle).is_ok()
    }

    /// Sets a gauge; `None` is a value that could not be read.
    pub(crate) fn gauge(
        &self,
        name: &'static str,
        labels: &[(&'static str, &str)],
        value: Option<f64>,
    ) {
        let labels: Vec<Label> = labels
            .iter()
            .map(|(key, value)| Label::new(*key, (*value).to_owned()))
            .collect();
        let key = Key::from_parts(name, labels);
        let mut gauges = self.gauges.lock().unwrap_or_else(PoisonError::into_inner);
        match (gauges.get(&key), value) {
            (Some(gauge), value) => gauge.set(value.unwrap_or(f64::NAN)),
            (None, Some(value)) => {
                let gauge = self.recorder.register_gauge(&key, &METADATA);
                gauge.set(value);
                gauges.insert(key, gauge);
            }
            (None, None) => {}
        }
    }

    /// Brings a counter to a total that is kept elsewhere.
    pub(crate) fn counter(&self, name: &'static str, labels: &[(&'static str, &str)], total: u64) {
        let labels: Vec<Label> = labels
            .iter()
            .map(|(key, value)| Label::new(*key, (*value).to_owned()))
            .collect();
        self.recorder
            .register_counter(&Key::from_parts(name, labels), &METADATA)
            .absolute(total);
    }

    /// Bytes on the heap, of the agent's own series.
    pub(crate) fn bytes(&self) -> usize {
        /// A gauge with a label is known here and to the recorder: two tables,
        /// three keys, texts of labels and the value.
        const A_GAUGE: usize = 700;
        let gauges = self.gauges.lock().unwrap_or_else(PoisonError::into_inner);
        let labels = gauges.keys().flat_map(Key::labels);
        let text = labels.map(|label| label.value().len()).sum::<usize>();
        gauges.len() * A_GAUGE + 2 * text
    }

    pub(crate) fn seconds(&self, seconds: Seconds) {
        *self.seconds.lock().unwrap_or_else(PoisonError::into_inner) = seconds;
    }

    /// Folds what histograms have queued into their buckets; without, they
    /// keep every raw value.
    pub(crate) fn upkeep(&self) {
        self.handle.run_upkeep();
        if let Some(service) = self.service.get() {
            service.run_upkeep();
        }
    }

    /// The service's own metrics, where their recorder is from here.
    pub(crate) fn of_service(&self) -> Option<String> {
        self.service.get().map(PrometheusHandle::render)
    }

    /// The agent's metrics in the Prometheus text format, version 0.0.4.
    pub(crate) fn render(&self) -> String {
        let mut text = self.handle.render();
        let seconds = *self.seconds.lock().unwrap_or_else(PoisonError::into_inner);
        let values = [
            (
                CPU_SECONDS,
                "User and system CPU time of this process",
                seconds.process,
            ),
            (
                "soakscope_agent_cpu_seconds_total",
                "CPU time of the agent's own threads, part of the process's",
                Some(seconds.agent),
            ),
            (
                "soakscope_cgroup_throttled_seconds_total",
                "Time in which the cgroup had no CPU quota left",
                seconds.throttled,
            ),
            (
                "soakscope_pressure_cpu_seconds_total",
                "Time in which some task waited for a CPU",
                seconds.waited[0],
            ),
            (
                "soakscope_pressure_memory_seconds_total",
                "Time in which some task waited for memory",
                seconds.waited[1],
            ),
            (
                "soakscope_pressure_io_seconds_total",
                "Time in which some task waited for I/O",
                seconds.waited[2],
            ),
        ];
        for (name, help, value) in values {
            if let Some(value) = value {
                // Writing to a String cannot fail.
                let _ = write!(
                    text,
                    "# HELP {name} {help}\n# TYPE {name} counter\n{name} {value}\n\n"
                );
            }
        }
        text
    }

    fn describe(&self) {
        for (name, unit, text) in GAUGES {
            self.recorder
                .describe_gauge(KeyName::from(*name), *unit, (*text).into());
        }
        for (name, text) in COUNTERS {
            self.recorder
                .describe_counter(KeyName::from(*name), None, (*text).into());
        }
    }
}

/// Whether a metric is the agent's, also while it has no value yet.
pub(crate) fn is_own(name: &str) -> bool {
    let gauge = |(own, _, _): &(&str, Option<Unit>, &str)| *own == name;
    name.starts_with("soakscope_") || name == CPU_SECONDS || GAUGES.iter().any(gauge)
}

/// Rendered by hand, as the exporter's counters are whole numbers.
const CPU_SECONDS: &str = "process_cpu_seconds_total";

/// Every gauge of the agent: name, unit, help.
const GAUGES: &[(&str, Option<Unit>, &str)] = &[
    (
        "process_resident_memory_bytes",
        Some(Unit::Bytes),
        "Resident memory of this process",
    ),
    (
        "process_virtual_memory_bytes",
        Some(Unit::Bytes),
        "Address space of this process",
    ),
    (
        "process_open_fds",
        None,
        "Open file descriptors of this process",
    ),
    (
        "process_max_fds",
        None,
        "Soft limit on open file descriptors",
    ),
    ("process_threads", None, "Threads of this process"),
    (
        "process_start_time_seconds",
        Some(Unit::Seconds),
        "When this process started, in seconds since 1970",
    ),
    (
        "soakscope_build_info",
        None,
        "Always 1; labels name the service and the agent's version",
    ),
    (
        "soakscope_phase_info",
        None,
        "1 for the phase that the run is in, 0 for earlier ones",
    ),
    (
        "soakscope_tcp_sockets",
        None,
        "TCP sockets of this process by state",
    ),
    (
        "soakscope_heap_live_bytes",
        Some(Unit::Bytes),
        "Bytes allocated and not freed",
    ),
    (
        "soakscope_requests_in_flight",
        None,
        "Requests whose span is open",
    ),
    ("soakscope_spans_in_flight", None, "Spans that are open"),
    (
        "soakscope_tokio_alive_tasks",
        None,
        "Tasks of the runtime that have not ended",
    ),
    (
        "soakscope_tokio_global_queue_depth",
        None,
        "Tasks waiting in the runtime's global queue",
    ),
    (
        "soakscope_tracked",
        None,
        "Newest value of a series the service tracks",
    ),
    (
        "soakscope_cpu_profile_coverage_ratio",
        None,
        "CPU time that samples stand for, of the CPU time used; not whether they fell where it was spent",
    ),
    (
        "soakscope_agent_threads",
        None,
        "Living threads of the agent itself",
    ),
    (
        "soakscope_agent_memory_bytes",
        Some(Unit::Bytes),
        "Memory that the agent holds: rows, spans, names, and the heap profiler's tables",
    ),
    (
        "soakscope_agent_open_fds",
        None,
        "Descriptors the agent holds for its readings and the run's files",
    ),
    (
        "soakscope_pss_bytes",
        Some(Unit::Bytes),
        "Resident memory with shared pages divided among those who share them",
    ),
    (
        "soakscope_private_dirty_bytes",
        Some(Unit::Bytes),
        "Resident pages of this process alone that were written to",
    ),
    (
        "soakscope_cgroup_memory_bytes",
        Some(Unit::Bytes),
        "Memory of the process's cgroup, page cache included",
    ),
    (
        "soakscope_cgroup_anon_bytes",
        Some(Unit::Bytes),
        "Memory of the process's cgroup that no file backs",
    ),
    (
        "soakscope_cgroup_memory_limit_bytes",
        Some(Unit::Bytes),
        "The lowest memory.max from the process's cgroup up",
    ),
    (
        "soakscope_tokio_busy_ratio",
        None,
        "Share of all workers' time spent polling tasks since the last tick",
    ),
    (
        "soakscope_budget_broken",
        None,
        "1 while a budget is broken, 0 while it is not",
    ),
    (
        "soakscope_budget_value",
        None,
        "What a budget's bound is compared with, in the unit of its name",
    ),
    (
        "soakscope_admin_connections",
        None,
        "Connections to the admin server that are open",
    ),
    (
        "soakscope_tick_late_seconds",
        Some(Unit::Seconds),
        "How late the newest tick was",
    ),
];

/// Every counter of the agent: name, help.
const COUNTERS: &[(&str, &str)] = &[
    (
        "soakscope_heap_allocated_bytes_total",
        "Bytes allocated since the process began",
    ),
    ("soakscope_ticks_total", "Rows of the timeline taken"),
    (
        "soakscope_ticks_missed_total",
        "Rows of the timeline that were not taken in time",
    ),
    ("soakscope_dropped_total", "What the agent lost, by cause"),
    (
        "soakscope_admin_connections_closed_total",
        "Connections that the admin server closed or refused, by cause",
    ),
    (
        "soakscope_admin_work_total",
        "Work the admin server began, refused for want of room, or left as its client was gone",
    ),
    ("soakscope_cpu_samples_total", "CPU samples taken"),
    (
        "soakscope_cgroup_oom_kills_total",
        "Processes of the cgroup that were killed for want of memory",
    ),
    ("soakscope_spans_opened_total", "Spans that were opened"),
    ("soakscope_spans_closed_total", "Spans that were closed"),
];
