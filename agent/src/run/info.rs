//! Facts of a run that are known at its start: the service, the host, the
//! limits, the options and the engines.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use soakscope_report::{
    CpuClock, Host, Measurement, ProcessLimit, RunInfo, RunState, identity, options,
};
use soakscope_sampler::resources::{self, Limits, Resources};
use soakscope_sampler::{Clock, CpuSampler, heap};

use crate::clock::rfc3339;
use crate::config::Config;
use crate::metrics::telemetry::Telemetry;
use crate::timeline::row::MB;

pub(crate) fn run_info(
    service: &str,
    config: &Config,
    start: Timestamp,
    sampler: Option<&CpuSampler>,
) -> RunInfo {
    let host = resources::Host::read();
    let mb = |bytes: Option<u64>| bytes.map(|bytes| bytes as f64 / MB);
    RunInfo {
        service: service.to_owned(),
        version: config.version.clone(),
        git_rev: std::env::var("SOAKSCOPE_GIT_REV").ok(),
        agent_version: env!("CARGO_PKG_VERSION").to_owned(),
        state: RunState::Running,
        pid: std::process::id(),
        process: identity(),
        start: rfc3339(start),
        host: Host {
            name: host.name,
            os: host.os,
            kernel: host.kernel,
            arch: Some(host.arch),
            cpu_model: host.cpu_model,
            cores: host.cores.map(|n| n as f64),
            memory_mb: mb(host.memory_bytes),
        },
        limits: limits(&Resources::new().limits()),
        config: BTreeMap::from([
            (
                options::MUST_SEE.to_owned(),
                config.must_see.clone().unwrap_or_default(),
            ),
            ("tick_s".to_owned(), config.tick.as_secs_f64().to_string()),
            ("span_level".to_owned(), config.span_level.to_string()),
            (
                "slow_request_s".to_owned(),
                config.slow_request.as_secs_f64().to_string(),
            ),
            ("most_repeats".to_owned(), config.most_repeats.to_string()),
            (
                "cpu_frequency_hz".to_owned(),
                config.cpu_frequency.to_string(),
            ),
            (
                "cpu_window_s".to_owned(),
                config.cpu_window.as_secs_f64().to_string(),
            ),
            (
                options::ENVIRONMENT.to_owned(),
                config.environment.clone().unwrap_or_default(),
            ),
            (
                "heap_step_s".to_owned(),
                config.heap_step.as_secs_f64().to_string(),
            ),
            (
                "listen".to_owned(),
                config.listen.clone().unwrap_or_else(|| "off".to_owned()),
            ),
        ]),
        engines: engines(sampler),
        ..RunInfo::default()
    }
}

/// The limits that are in force, by their names in `run.json`.
pub(crate) fn limits(limits: &Limits) -> BTreeMap<String, Option<f64>> {
    let mb = |bytes: Option<u64>| bytes.map(|bytes| bytes as f64 / MB);
    let count = |count: Option<u64>| count.map(|count| count as f64);
    ProcessLimit::ALL
        .into_iter()
        .filter_map(|limit| {
            let value = match limit {
                ProcessLimit::OpenFds => count(limits.open_fds),
                ProcessLimit::AddressSpace => mb(limits.address_space_bytes),
                ProcessLimit::CgroupMemory => mb(limits.cgroup_memory_bytes),
                ProcessLimit::EphemeralPorts => count(limits.ephemeral_ports),
                _ => return None,
            };
            Some((limit.name().to_owned(), value))
        })
        .collect()
}

fn engines(sampler: Option<&CpuSampler>) -> BTreeMap<String, String> {
    let clock = sampler.map_or(Clock::Off, CpuSampler::clock);
    let unwinder = sampler.map(|sampler| sampler.unwinder().to_owned());
    let heap = match (heap::stats(), heap::interval()) {
        (None, _) => "off".to_owned(),
        (Some(_), 0) => "counting".to_owned(),
        (Some(_), bytes) => format!("sampling every {bytes} bytes"),
    };
    [
        (Measurement::CpuClock, Some(clock_name(clock).to_owned())),
        (Measurement::CpuUnwinder, unwinder),
        (Measurement::Heap, Some(heap)),
    ]
    .into_iter()
    .filter_map(|(of, by)| Some((of.name().to_owned(), by?)))
    .collect()
}

/// What a run calls the sampler's clock.
fn clock_name(clock: Clock) -> &'static str {
    match clock {
        Clock::Perf => CpuClock::Perf.name(),
        Clock::Instants => CpuClock::Instants.name(),
        Clock::Timer => CpuClock::Timer.name(),
        Clock::Pprof => CpuClock::Pprof.name(),
        Clock::Wall => CpuClock::Wall.name(),
        Clock::Off => CpuClock::Off.name(),
        later => later.name(),
    }
}

/// The metrics that never change.
pub(crate) fn publish(telemetry: &Telemetry, service: &str) {
    telemetry.gauge(
        "soakscope_build_info",
        &[("service", service), ("version", env!("CARGO_PKG_VERSION"))],
        Some(1.0),
    );
    let limits = Resources::new().limits();
    telemetry.gauge("process_max_fds", &[], limits.open_fds.map(|n| n as f64));
    telemetry.gauge("process_start_time_seconds", &[], process_start());
}

/// When this process began, in seconds since 1970: now, less the time since.
/// `None` where the system does not say.
fn process_start() -> Option<f64> {
    let ticks = start_ticks(&std::fs::read("/proc/self/stat").ok()?)?;
    let uptime = std::fs::read_to_string("/proc/uptime").ok()?;
    let uptime: f64 = uptime.split_ascii_whitespace().next()?.parse().ok()?;
    let age = Duration::try_from_secs_f64(uptime - ticks / 100.0).ok()?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    Some(now.checked_sub(age)?.as_secs_f64())
}

/// When a process began, in ticks of 1/100 s since the machine did, by the text
/// of its `stat`.
fn start_ticks(stat: &[u8]) -> Option<f64> {
    // The command's name, in parentheses, may hold any bytes; the 22nd field
    // (proc_pid_stat(5)) is the 20th after it.
    let name_end = stat.iter().rposition(|byte| *byte == b')')?;
    let after_name = std::str::from_utf8(stat.get(name_end + 1..)?).ok()?;
    after_name.split_ascii_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use soakscope_report::{LeakOptions, judge_leaks};

    use super::*;
    use crate::three_days::Simulation;

    /// The limit goes by the name that the agent writes it under, and the rows
    /// are those of the agent's ticker.
    #[test]
    fn memory_that_leaks_has_a_time_to_the_limit_of_its_cgroup() {
        let mut run = Simulation::new("limit");
        let mut leak: Vec<Vec<u8>> = Vec::new();
        for second in 0..180 {
            // Held, and never touched.
            leak.push(Vec::with_capacity(2 << 20));
            run.row_at(second * 1_000, 1);
        }
        let mut in_force = Limits::default();
        in_force.cgroup_memory_bytes = Some(8 << 30);
        let info = RunInfo {
            limits: limits(&in_force),
            ..RunInfo::default()
        };
        let read = RunInfo::parse(info.to_json().as_bytes()).expect("a description");
        let report = judge_leaks(&read, &run.timeline(), &[], &LeakOptions::default());
        let heap = report.things.iter().find(|thing| thing.name == "heap");
        let heap = heap.unwrap_or_else(|| panic!("{}", report.headline));
        let reached = heap.time_to_limit.expect("a limit that is known");
        assert_eq!(reached.limit, 8_192.0);
        // 7 GB or more at 7,200 MB an hour.
        assert!((0.5..1.5).contains(&reached.hours), "{}", heap.sentence);
        drop(leak);
    }

    #[test]
    fn the_start_is_read_whatever_the_process_is_called() {
        let fields: Vec<String> = (3..=30).map(|field| field.to_string()).collect();
        for name in [&b"shop"[..], b"\xff", b"a) b\n(c", b"1 2 3)"] {
            let stat = [b"77 (", name, b") ", fields.join(" ").as_bytes()].concat();
            assert_eq!(start_ticks(&stat), Some(22.0), "{name:?}");
        }
        assert_eq!(start_ticks(b"77 (\xff"), None);
        assert!(process_start().is_some());
    }
}
