//! One row of the timeline: the columns, in their order, with their values.
//!
//! The columns are named where their values are given, so the two cannot come
//! apart: the header is the names of the first row.

use jiff::Timestamp;
use soakscope_report::Cell;
use soakscope_sampler::resources::{ProcessReading, SocketCounts, TcpState};

use crate::requests::Interval;
use crate::session::rfc3339;
use crate::tokio_runtime::RuntimeReading;
use crate::tracked::Answer;

/// Bytes in an MB, as in the scripts whose columns the timeline continues.
const MB: f64 = 1024.0 * 1024.0;

/// The columns that were read in one tick, in order.
#[derive(Debug, Default)]
pub(crate) struct Row {
    cells: Vec<(String, Cell)>,
}

/// What the agent itself cost.
#[derive(Debug, Default)]
pub(crate) struct Own {
    pub(crate) cpu_percent: Option<f64>,
    pub(crate) threads: u64,
    pub(crate) late_ms: f64,
    pub(crate) missed: u64,
    pub(crate) dropped: u64,
}

/// Requests since the last row.
pub(crate) struct Served<'a> {
    pub(crate) interval: &'a Interval,
    pub(crate) seconds: f64,
    pub(crate) in_flight: i64,
}

impl Row {
    /// The first columns: the four that soak scripts already use, then time,
    /// phase, CPU, threads, descriptors and the split of memory.
    pub(crate) fn process(
        &mut self,
        elapsed_min: f64,
        time: Timestamp,
        phase: &str,
        reading: &ProcessReading,
        sockets: Option<&SocketCounts>,
        cpu_percent: Option<f64>,
    ) {
        self.number("elapsed_min", Some(elapsed_min));
        self.mb("rss_mb", reading.rss_bytes);
        self.mb("vms_mb", reading.vms_bytes);
        self.count("connections", sockets.map(SocketCounts::tcp_total));
        self.text("time", rfc3339(time));
        self.text("phase", phase.to_owned());
        self.number("cpu_percent", cpu_percent);
        self.count("threads", reading.threads);
        self.count("open_fds", reading.open_fds);
        self.mb("rss_anon_mb", reading.rss_anon_bytes);
        self.mb("rss_file_mb", reading.rss_file_bytes);
    }

    /// Live heap, where the allocator tells it, and sockets by state.
    pub(crate) fn heap_and_sockets(
        &mut self,
        heap_live_bytes: Option<u64>,
        sockets: Option<&SocketCounts>,
    ) {
        self.mb("heap_live_mb", heap_live_bytes);
        for state in TcpState::ALL {
            let name = format!("tcp_{}", state.name());
            self.count(&name, sockets.map(|sockets| sockets.tcp(state)));
        }
        self.count("accept_queue", sockets.map(|sockets| sockets.accept_queue));
        self.count("udp_sockets", sockets.map(|sockets| sockets.udp));
        self.count("unix_sockets", sockets.map(|sockets| sockets.unix));
    }

    pub(crate) fn runtime(&mut self, reading: Option<&RuntimeReading>) {
        self.count("tokio_alive_tasks", reading.map(|r| r.alive_tasks));
        self.count("tokio_global_queue", reading.map(|r| r.global_queue));
        self.number("tokio_busy_percent", reading.and_then(|r| r.busy_percent));
    }

    /// Rates and latency; all empty while no request was ever seen.
    pub(crate) fn requests(&mut self, served: Option<&Served<'_>>) {
        let rate = |count: u64, served: &Served<'_>| count as f64 / served.seconds;
        self.number(
            "requests_per_s",
            served.map(|s| rate(s.interval.count(), s)),
        );
        self.number("errors_per_s", served.map(|s| rate(s.interval.errors, s)));
        for (name, quantile) in [
            ("latency_p50_ms", 0.5),
            ("latency_p95_ms", 0.95),
            ("latency_p99_ms", 0.99),
            ("latency_max_ms", 1.0),
        ] {
            self.number(name, served.and_then(|s| s.interval.quantile_ms(quantile)));
        }
        self.number("requests_in_flight", served.map(|s| s.in_flight as f64));
    }

    pub(crate) fn host(&mut self, available_bytes: Option<u64>, load_1m: Option<f64>) {
        self.mb("host_available_mb", available_bytes);
        self.number("host_load_1m", load_1m);
    }

    pub(crate) fn own(&mut self, own: &Own) {
        self.number("agent_cpu_percent", own.cpu_percent);
        self.count("agent_threads", Some(own.threads));
        self.number("tick_late_ms", Some(own.late_ms));
        self.count("ticks_missed", Some(own.missed));
        self.count("dropped", Some(own.dropped));
    }

    /// The service's own series, after all of ours.
    pub(crate) fn tracked(&mut self, names: &[String], answers: &[Answer]) {
        for (name, answer) in names.iter().zip(answers) {
            let value = match answer {
                Answer::Value(value) => Some(*value),
                Answer::Panicked | Answer::Blocked => None,
            };
            self.number(name, value);
        }
    }

    pub(crate) fn columns(&self) -> Vec<String> {
        self.cells.iter().map(|(name, _)| name.clone()).collect()
    }

    /// The numbers that are there, by column.
    pub(crate) fn numbers(&self) -> Vec<(String, f64)> {
        let number = |(name, cell): &(String, Cell)| match cell {
            Cell::Number(value) if value.is_finite() => Some((name.clone(), *value)),
            _ => None,
        };
        self.cells.iter().filter_map(number).collect()
    }

    pub(crate) fn into_cells(self) -> Vec<Cell> {
        self.cells.into_iter().map(|(_, cell)| cell).collect()
    }

    fn number(&mut self, name: &str, value: Option<f64>) {
        let cell = value.map_or(Cell::Empty, Cell::Number);
        self.cells.push((name.to_owned(), cell));
    }

    fn count(&mut self, name: &str, value: Option<u64>) {
        self.number(name, value.map(|count| count as f64));
    }

    fn mb(&mut self, name: &str, bytes: Option<u64>) {
        self.number(name, bytes.map(|bytes| bytes as f64 / MB));
    }

    fn text(&mut self, name: &str, value: String) {
        self.cells.push((name.to_owned(), Cell::Text(value)));
    }
}
