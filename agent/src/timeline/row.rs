//! The row of a tick: which reading goes into which column.

use jiff::Timestamp;
use soakscope_report::columns::{self, Column, TimelineRow};
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
pub(crate) struct Row(TimelineRow);

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
        self.0.number(&columns::ELAPSED_MIN, Some(elapsed_min));
        self.0.bytes(&columns::RSS_MB, reading.rss_bytes);
        self.0.bytes(&columns::VMS_MB, reading.vms_bytes);
        self.0
            .count(&columns::CONNECTIONS, sockets.map(SocketCounts::tcp_total));
        self.0.text(&columns::TIME, rfc3339(time));
        self.0.text(&columns::PHASE, phase.to_owned());
        self.0.number(&columns::CPU_PERCENT, cpu_percent);
        self.0.count(&columns::THREADS, reading.threads);
        self.0.count(&columns::OPEN_FDS, reading.open_fds);
        self.0.bytes(&columns::RSS_ANON_MB, reading.rss_anon_bytes);
        self.0.bytes(&columns::RSS_FILE_MB, reading.rss_file_bytes);
        self.0
            .bytes(&columns::RSS_SHMEM_MB, reading.rss_shmem_bytes);
        self.0.bytes(&columns::PEAK_RSS_MB, reading.rss_peak_bytes);
    }

    /// What is read at longer steps: exact memory, and the limits beside it.
    pub(crate) fn rare(&mut self, memory: Option<&MemoryDetail>, limits: Option<&Limits>) {
        self.0
            .bytes(&columns::PSS_MB, memory.and_then(|memory| memory.pss_bytes));
        self.0.bytes(
            &columns::PRIVATE_DIRTY_MB,
            memory.and_then(|memory| memory.private_dirty_bytes),
        );
        self.0.bytes(
            &columns::SWAP_MB,
            memory.and_then(|memory| memory.swap_bytes),
        );
        self.0.count(
            &columns::OPEN_FDS_LIMIT,
            limits.and_then(|limits| limits.open_fds),
        );
        self.0.bytes(
            &columns::VMS_LIMIT_MB,
            limits.and_then(|limits| limits.address_space_bytes),
        );
        self.0.bytes(
            &columns::CGROUP_MEMORY_LIMIT_MB,
            limits.and_then(|limits| limits.cgroup_memory_bytes),
        );
    }

    /// What the process did since the last row, and what it waited for.
    pub(crate) fn activity(&mut self, rates: &mut Rates, readings: &Activity<'_>) {
        let process = readings.process;
        for (column, total) in [
            (&columns::PAGE_FAULTS_MINOR_PER_S, process.minor_faults),
            (&columns::PAGE_FAULTS_MAJOR_PER_S, process.major_faults),
            (
                &columns::CONTEXT_SWITCHES_VOLUNTARY_PER_S,
                process.voluntary_switches,
            ),
            (
                &columns::CONTEXT_SWITCHES_INVOLUNTARY_PER_S,
                process.involuntary_switches,
            ),
        ] {
            self.per_second(rates, column, total.map(|total| total as f64));
        }
        let (read, written) = readings.disk_io;
        for (column, total) in [
            (&columns::IO_READ_MB_PER_S, read),
            (&columns::IO_WRITE_MB_PER_S, written),
        ] {
            self.per_second(rates, column, total.map(|total| total as f64 / MB));
        }
        let allocated = readings.heap_allocated_bytes;
        let allocated = allocated.map(|total| total as f64 / MB);
        self.per_second(rates, &columns::HEAP_ALLOC_MB_PER_S, allocated);
        let cgroup = readings.cgroup;
        self.0.bytes(
            &columns::CGROUP_MEMORY_MB,
            cgroup.and_then(|c| c.memory_bytes),
        );
        self.0
            .bytes(&columns::CGROUP_ANON_MB, cgroup.and_then(|c| c.anon_bytes));
        self.0
            .bytes(&columns::CGROUP_FILE_MB, cgroup.and_then(|c| c.file_bytes));
        for (column, total) in [
            (
                &columns::CGROUP_HIGH_TOTAL,
                cgroup.and_then(|c| c.high_events),
            ),
            (
                &columns::CGROUP_MAX_TOTAL,
                cgroup.and_then(|c| c.max_events),
            ),
            (
                &columns::CGROUP_OOM_KILLS_TOTAL,
                cgroup.and_then(|c| c.oom_kills),
            ),
        ] {
            self.0.count(column, total);
        }
        let pressure = readings.pressure;
        let stalls = pressure.map(|p| (p.cpu, p.memory, p.io));
        let (cpu, memory, io) = stalls.unwrap_or_default();
        for (column, time) in [
            (
                &columns::CGROUP_THROTTLED_PERCENT,
                cgroup.and_then(|c| c.throttled),
            ),
            (&columns::PRESSURE_CPU_PERCENT, cpu.and_then(|s| s.some)),
            (
                &columns::PRESSURE_MEMORY_PERCENT,
                memory.and_then(|s| s.some),
            ),
            (
                &columns::PRESSURE_MEMORY_FULL_PERCENT,
                memory.and_then(|s| s.full),
            ),
            (&columns::PRESSURE_IO_PERCENT, io.and_then(|s| s.some)),
            (&columns::PRESSURE_IO_FULL_PERCENT, io.and_then(|s| s.full)),
        ] {
            let share = rates.percent(column.name, time);
            self.0.number(column, share);
        }
    }

    /// Live heap, where the allocator counts it, and sockets by state.
    pub(crate) fn heap_and_sockets(
        &mut self,
        heap_live_bytes: Option<u64>,
        sockets: Option<&SocketCounts>,
    ) {
        self.0.bytes(&columns::HEAP_LIVE_MB, heap_live_bytes);
        for state in TcpState::ALL {
            self.0
                .count(tcp(state), sockets.map(|sockets| sockets.tcp(state)));
        }
        self.0.count(
            &columns::ACCEPT_QUEUE,
            sockets.map(|sockets| sockets.accept_queue),
        );
        self.0
            .count(&columns::UDP_SOCKETS, sockets.map(|sockets| sockets.udp));
        self.0
            .count(&columns::UNIX_SOCKETS, sockets.map(|sockets| sockets.unix));
    }

    pub(crate) fn runtime(&mut self, rates: &mut Rates, reading: Option<&RuntimeReading>) {
        self.0
            .count(&columns::TOKIO_ALIVE_TASKS, reading.map(|r| r.alive_tasks));
        self.0.count(
            &columns::TOKIO_GLOBAL_QUEUE,
            reading.map(|r| r.global_queue),
        );
        self.0.number(
            &columns::TOKIO_BUSY_PERCENT,
            reading.and_then(|r| r.busy_percent),
        );
        let unstable = reading.and_then(|r| r.unstable.as_ref());
        for (column, count) in [
            (
                &columns::TOKIO_BLOCKING_THREADS,
                unstable.map(|u| u.blocking_threads),
            ),
            (
                &columns::TOKIO_BLOCKING_QUEUE,
                unstable.map(|u| u.blocking_queue),
            ),
            (
                &columns::TOKIO_LOCAL_QUEUES,
                unstable.map(|u| u.local_queues),
            ),
        ] {
            self.0.count(column, count);
        }
        for (column, total) in [
            (&columns::TOKIO_STEALS_PER_S, unstable.map(|u| u.steals)),
            (
                &columns::TOKIO_FORCED_YIELDS_PER_S,
                unstable.map(|u| u.forced_yields),
            ),
        ] {
            self.per_second(rates, column, total.map(|total| total as f64));
        }
    }

    /// Rates and latency; all empty while no request was ever seen.
    pub(crate) fn requests(&mut self, served: Option<&Served<'_>>) {
        let rate = |count: u64, served: &Served<'_>| count as f64 / served.seconds;
        self.0.number(
            &columns::REQUESTS_PER_S,
            served.map(|s| rate(s.interval.count(), s)),
        );
        self.0.number(
            &columns::ERRORS_PER_S,
            served.map(|s| rate(s.interval.errors, s)),
        );
        for (column, quantile) in [
            (&columns::LATENCY_P50_MS, 0.5),
            (&columns::LATENCY_P95_MS, 0.95),
            (&columns::LATENCY_P99_MS, 0.99),
            (&columns::LATENCY_MAX_MS, 1.0),
        ] {
            self.0.number(
                column,
                served.and_then(|s| s.interval.quantile_ms(quantile)),
            );
        }
        self.0.number(
            &columns::REQUESTS_IN_FLIGHT,
            served.map(|s| s.in_flight as f64),
        );
    }

    pub(crate) fn host(&mut self, available_bytes: Option<u64>, load_1m: Option<f64>) {
        self.0.bytes(&columns::HOST_AVAILABLE_MB, available_bytes);
        self.0.number(&columns::HOST_LOAD_1M, load_1m);
    }

    pub(crate) fn own(&mut self, own: &Own) {
        self.0.number(&columns::AGENT_CPU_PERCENT, own.cpu_percent);
        self.0.count(&columns::AGENT_THREADS, Some(own.threads));
        self.0.bytes(&columns::AGENT_MEMORY_MB, Some(own.bytes));
        self.0.bytes(&columns::AGENT_HEAP_MB, Some(own.heap_bytes));
        self.0.count(&columns::AGENT_OPEN_FDS, Some(own.open_fds));
        self.0.number(&columns::TICK_LATE_MS, Some(own.late_ms));
        self.0.count(&columns::TICKS_MISSED, Some(own.missed));
        self.0.count(&columns::DROPPED, Some(own.dropped));
    }

    /// The service's own series, after all of ours.
    pub(crate) fn tracked(&mut self, names: &[String], answers: &[Answer]) {
        for (name, answer) in names.iter().zip(answers) {
            let value = match answer {
                Answer::Value(value) => Some(*value),
                Answer::Panicked | Answer::Blocked => None,
            };
            self.0.tracked(name, value);
        }
    }

    pub(crate) fn finish(self) -> TimelineRow {
        self.0
    }

    fn per_second(&mut self, rates: &mut Rates, column: &Column, total: Option<f64>) {
        let rate = rates.per_second(column.name, total);
        self.0.number(column, rate);
    }
}

/// The column of the sockets in a state.
fn tcp(state: TcpState) -> &'static Column {
    match state {
        TcpState::Established => &columns::TCP_ESTABLISHED,
        TcpState::SynSent => &columns::TCP_SYN_SENT,
        TcpState::SynRecv => &columns::TCP_SYN_RECV,
        TcpState::FinWait1 => &columns::TCP_FIN_WAIT1,
        TcpState::FinWait2 => &columns::TCP_FIN_WAIT2,
        TcpState::TimeWait => &columns::TCP_TIME_WAIT,
        TcpState::Close => &columns::TCP_CLOSE,
        TcpState::CloseWait => &columns::TCP_CLOSE_WAIT,
        TcpState::LastAck => &columns::TCP_LAST_ACK,
        TcpState::Listen => &columns::TCP_LISTEN,
        TcpState::Closing => &columns::TCP_CLOSING,
    }
}

#[cfg(test)]
mod tests {
    use soakscope_report::columns;

    use crate::three_days::Simulation;

    #[test]
    fn a_row_is_the_table_of_columns_and_then_what_is_tracked() {
        let mut run = Simulation::new("columns");
        run.row_at(0, 1);
        let written = run.timeline();
        let (own, tracked) = written.columns().split_at(columns::ALL.len());
        let table: Vec<&str> = columns::ALL.iter().map(|column| column.name).collect();
        assert_eq!(own, table);
        assert_eq!(tracked, ["pool_0_in_use"]);
    }
}
