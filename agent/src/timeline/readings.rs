//! Everything that one tick reads, and the same as metrics.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use soakscope_sampler::resources::{Stall, TcpState, TickReading};

use super::tokio_runtime::RuntimeReading;
use super::tracked::Answer;
use crate::metrics::telemetry::Seconds;
use crate::session::Session;

/// Everything read in one tick.
pub(crate) struct Readings {
    pub(crate) at: Instant,
    pub(crate) time: Timestamp,
    pub(crate) own: TickReading,
    pub(crate) runtime: Option<RuntimeReading>,
    pub(crate) heap_live_bytes: Option<u64>,
    pub(crate) heap_allocated_bytes: Option<u64>,
    pub(crate) own_cpu: Duration,
    pub(crate) own_threads: u64,
    /// What the agent holds on the heap.
    pub(crate) own_heap_bytes: u64,
    /// What its static tables take.
    pub(crate) own_table_bytes: u64,
    pub(crate) own_fds: u64,
    pub(crate) tracked: Vec<Answer>,
}

impl Readings {
    /// The same readings as metrics. `seconds` keeps what is not read at each
    /// tick, `names` are those of the tracked series.
    pub(crate) fn publish(
        &self,
        session: &Session,
        seconds: &mut Seconds,
        names: &[String],
        late: Duration,
    ) {
        let telemetry = &session.telemetry;
        let process = &self.own.process;
        let gauge = |name, value: Option<u64>| {
            telemetry.gauge(name, &[], value.map(|value| value as f64));
        };
        gauge("process_resident_memory_bytes", process.rss_bytes);
        gauge("process_virtual_memory_bytes", process.vms_bytes);
        gauge("process_open_fds", process.open_fds);
        gauge("process_threads", process.threads);
        gauge("soakscope_heap_live_bytes", self.heap_live_bytes);
        gauge("soakscope_agent_threads", Some(self.own_threads));
        let own_bytes = self.own_heap_bytes + self.own_table_bytes;
        gauge("soakscope_agent_memory_bytes", Some(own_bytes));
        gauge("soakscope_agent_open_fds", Some(self.own_fds));
        let runtime = self.runtime.as_ref();
        gauge(
            "soakscope_tokio_alive_tasks",
            runtime.map(|r| r.alive_tasks),
        );
        gauge(
            "soakscope_tokio_global_queue_depth",
            runtime.map(|r| r.global_queue),
        );
        // A reading that was not due keeps the value of the last one.
        if let Some(sockets) = &self.own.sockets {
            for state in TcpState::ALL {
                let count = sockets.tcp(state) as f64;
                let labels = [("state", state.name())];
                telemetry.gauge("soakscope_tcp_sockets", &labels, Some(count));
            }
        }
        if let Some(limits) = &self.own.limits {
            gauge("process_max_fds", limits.open_fds);
            gauge(
                "soakscope_cgroup_memory_limit_bytes",
                limits.cgroup_memory_bytes,
            );
        }
        if let Some(memory) = &self.own.memory {
            gauge("soakscope_pss_bytes", memory.pss_bytes);
            gauge("soakscope_private_dirty_bytes", memory.private_dirty_bytes);
        }
        if let Some(cgroup) = &self.own.cgroup {
            gauge("soakscope_cgroup_memory_bytes", cgroup.memory_bytes);
            gauge("soakscope_cgroup_anon_bytes", cgroup.anon_bytes);
            if let Some(kills) = cgroup.oom_kills {
                telemetry.counter("soakscope_cgroup_oom_kills_total", &[], kills);
            }
            seconds.throttled = cgroup.throttled.map(|time| time.as_secs_f64());
        }
        if let Some(pressure) = &self.own.pressure {
            let some = |stall: Option<Stall>| Some(stall?.some?.as_secs_f64());
            seconds.waited = [pressure.cpu, pressure.memory, pressure.io].map(some);
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
        for (name, answer) in names.iter().zip(&self.tracked) {
            let value = match answer {
                Answer::Value(value) => Some(*value),
                Answer::Panicked | Answer::Blocked => None,
            };
            telemetry.gauge("soakscope_tracked", &[("series", name)], value);
        }
        telemetry.gauge("soakscope_tick_late_seconds", &[], Some(late.as_secs_f64()));
        seconds.process = process.cpu.map(|cpu| cpu.as_secs_f64());
        seconds.agent = self.own_cpu.as_secs_f64();
        telemetry.seconds(*seconds);
        if let Some(bytes) = self.heap_allocated_bytes {
            telemetry.counter("soakscope_heap_allocated_bytes_total", &[], bytes);
        }
        telemetry.counter("soakscope_ticks_total", &[], session.ticks());
        telemetry.counter("soakscope_ticks_missed_total", &[], session.missed_ticks());
        session.count_suppressed();
        session.report_drops();
        for (cause, count) in session.drops.by_cause() {
            telemetry.counter("soakscope_dropped_total", &[("cause", &cause)], count);
        }
    }
}
