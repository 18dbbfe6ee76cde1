//! One row of the timeline: the columns, in their order, with their values.
//!
//! The columns are named where their values are given, so the two cannot come
//! apart: the header is the names of the first row.

use jiff::Timestamp;
use soakscope_report::Cell;
use soakscope_sampler::resources::{
    Cgroup, Limits, MemoryDetail, Pressure, ProcessReading, SocketCounts, TcpState,
};

use super::rates::Rates;
use super::tokio_runtime::RuntimeReading;
use super::tracked::Answer;
use crate::clock::rfc3339;
use crate::spans::interval::Interval;

/// Bytes in an MB, as in the scripts whose columns the timeline continues.
pub(crate) const MB: f64 = 1024.0 * 1024.0;

/// The columns that were read in one tick, in order.
#[derive(Debug, Default)]
pub(crate) struct Row {
    cells: Vec<(String, Cell)>,
}

/// Totals that [`Row::activity`] makes rates and shares of.
pub(crate) struct Activity<'a> {
    pub(crate) process: &'a ProcessReading,
    /// Bytes read from and written to storage.
    pub(crate) disk_io: (Option<u64>, Option<u64>),
    pub(crate) cgroup: Option<&'a Cgroup>,
    pub(crate) pressure: Option<&'a Pressure>,
    pub(crate) heap_allocated_bytes: Option<u64>,
}

/// What the agent itself cost.
#[derive(Debug, Default)]
pub(crate) struct Own {
    pub(crate) cpu_percent: Option<f64>,
    pub(crate) threads: u64,
    /// What it holds, its static tables among it.
    pub(crate) bytes: u64,
    /// The part of it that is on the heap.
    pub(crate) heap_bytes: u64,
    /// Descriptors it holds for its readings and the run's files.
    pub(crate) open_fds: u64,
    pub(crate) late_ms: f64,
    pub(crate) missed: u64,
    pub(crate) dropped: u64,
}

/// Requests since the last row, or since the one before where that was just now.
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
        self.mb("rss_shmem_mb", reading.rss_shmem_bytes);
        self.mb("peak_rss_mb", reading.rss_peak_bytes);
    }

    /// What is read at longer steps: exact memory, and the limits beside it.
    pub(crate) fn rare(&mut self, memory: Option<&MemoryDetail>, limits: Option<&Limits>) {
        self.mb("pss_mb", memory.and_then(|memory| memory.pss_bytes));
        self.mb(
            "private_dirty_mb",
            memory.and_then(|memory| memory.private_dirty_bytes),
        );
        self.mb("swap_mb", memory.and_then(|memory| memory.swap_bytes));
        self.count("open_fds_limit", limits.and_then(|limits| limits.open_fds));
        self.mb(
            "vms_limit_mb",
            limits.and_then(|limits| limits.address_space_bytes),
        );
        self.mb(
            "cgroup_memory_limit_mb",
            limits.and_then(|limits| limits.cgroup_memory_bytes),
        );
    }

    /// What the process did since the last row, and what it waited for.
    pub(crate) fn activity(&mut self, rates: &mut Rates, readings: &Activity<'_>) {
        let process = readings.process;
        for (name, total) in [
            ("page_faults_minor_per_s", process.minor_faults),
            ("page_faults_major_per_s", process.major_faults),
            (
                "context_switches_voluntary_per_s",
                process.voluntary_switches,
            ),
            (
                "context_switches_involuntary_per_s",
                process.involuntary_switches,
            ),
        ] {
            let rate = rates.per_second(name, total.map(|total| total as f64));
            self.number(name, rate);
        }
        let (read, written) = readings.disk_io;
        for (name, total) in [("io_read_mb_per_s", read), ("io_write_mb_per_s", written)] {
            let rate = rates.per_second(name, total.map(|total| total as f64 / MB));
            self.number(name, rate);
        }
        let allocated = readings.heap_allocated_bytes;
        let rate = rates.per_second(
            "heap_alloc_mb_per_s",
            allocated.map(|total| total as f64 / MB),
        );
        self.number("heap_alloc_mb_per_s", rate);
        let cgroup = readings.cgroup;
        self.mb("cgroup_memory_mb", cgroup.and_then(|c| c.memory_bytes));
        self.mb("cgroup_anon_mb", cgroup.and_then(|c| c.anon_bytes));
        self.mb("cgroup_file_mb", cgroup.and_then(|c| c.file_bytes));
        for (name, total) in [
            ("cgroup_high_total", cgroup.and_then(|c| c.high_events)),
            ("cgroup_max_total", cgroup.and_then(|c| c.max_events)),
            ("cgroup_oom_kills_total", cgroup.and_then(|c| c.oom_kills)),
        ] {
            self.count(name, total);
        }
        let pressure = readings.pressure;
        let stalls = pressure.map(|p| (p.cpu, p.memory, p.io));
        let (cpu, memory, io) = stalls.unwrap_or_default();
        for (name, time) in [
            ("cgroup_throttled_percent", cgroup.and_then(|c| c.throttled)),
            ("pressure_cpu_percent", cpu.and_then(|s| s.some)),
            ("pressure_memory_percent", memory.and_then(|s| s.some)),
            ("pressure_memory_full_percent", memory.and_then(|s| s.full)),
            ("pressure_io_percent", io.and_then(|s| s.some)),
            ("pressure_io_full_percent", io.and_then(|s| s.full)),
        ] {
            let share = rates.percent(name, time);
            self.number(name, share);
        }
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

    pub(crate) fn runtime(&mut self, rates: &mut Rates, reading: Option<&RuntimeReading>) {
        self.count("tokio_alive_tasks", reading.map(|r| r.alive_tasks));
        self.count("tokio_global_queue", reading.map(|r| r.global_queue));
        self.number("tokio_busy_percent", reading.and_then(|r| r.busy_percent));
        let unstable = reading.and_then(|r| r.unstable.as_ref());
        for (name, count) in [
            (
                "tokio_blocking_threads",
                unstable.map(|u| u.blocking_threads),
            ),
            ("tokio_blocking_queue", unstable.map(|u| u.blocking_queue)),
            ("tokio_local_queues", unstable.map(|u| u.local_queues)),
        ] {
            self.count(name, count);
        }
        for (name, total) in [
            ("tokio_steals_per_s", unstable.map(|u| u.steals)),
            (
                "tokio_forced_yields_per_s",
                unstable.map(|u| u.forced_yields),
            ),
        ] {
            let rate = rates.per_second(name, total.map(|total| total as f64));
            self.number(name, rate);
        }
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
        self.mb("agent_memory_mb", Some(own.bytes));
        self.mb("agent_heap_mb", Some(own.heap_bytes));
        self.count("agent_open_fds", Some(own.open_fds));
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
            let cell = value.map_or(Cell::Empty, Cell::Number);
            self.cells.push((name.clone(), cell));
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

    /// Digits that say nothing are left out: three days of them fill a disk.
    fn number(&mut self, name: &str, value: Option<f64>) {
        let steps = match name.rsplit('_').next() {
            Some("percent") => 1e2,
            Some("ms" | "mb" | "s") => 1e3,
            _ => 1e6,
        };
        let rounded = |value: f64| (value * steps).round() / steps;
        let cell = value.map_or(Cell::Empty, |value| Cell::Number(rounded(value)));
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
