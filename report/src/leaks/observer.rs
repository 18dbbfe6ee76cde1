//! The agent's own memory, taken off the service's: what grows because somebody
//! watches is no leak of who is watched.
//!
//! Only its growth is taken off, so that a series stays near what its column
//! says. Live heap is counted, so what the agent gave back counts, too.
//! Resident memory seldom comes back when something is freed: there the most
//! that the agent held so far is taken off.

use crate::columns::{self, AGENT_HEAP_MB, AGENT_MEMORY_MB, AgentShare};
use crate::timeline::Timeline;

/// The numbers of a series, less what the agent's memory grew by.
pub(super) fn less_agent(timeline: &Timeline, name: &str) -> Vec<f64> {
    let mut values = timeline.series(name).unwrap_or_default();
    let counted = match columns::find(name).map(|column| column.agent_share) {
        Some(AgentShare::Counted) => true,
        Some(AgentShare::Resident) => false,
        Some(AgentShare::None) | None => return values,
    };
    let on_heap = counted.then(|| timeline.readings(AGENT_HEAP_MB.name));
    let held = || timeline.readings(AGENT_MEMORY_MB.name);
    let Some(agent) = on_heap.flatten().or_else(held) else {
        return values;
    };
    let mut first = None;
    let mut grown = 0.0_f64;
    for (value, agent) in values.iter_mut().zip(agent) {
        if agent.is_finite() {
            let since = agent - *first.get_or_insert(agent);
            grown = if counted { since } else { grown.max(since) };
        }
        *value -= grown;
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leaks::{LeakOptions, SeriesOutcome, judge_timeline};

    /// An hour of a service that leaks so many MB an hour, watched by an agent
    /// that grows by 12.
    fn watched(leak_per_hour: f64) -> Timeline {
        let mut csv =
            String::from("elapsed_min,rss_mb,heap_live_mb,agent_memory_mb,agent_heap_mb\n");
        for second in 0..3_600 {
            let hours = f64::from(second) / 3_600.0;
            let agent = 1.0 + 12.0 * hours;
            let noise = f64::from(second * 7_919 % 101) / 500.0;
            let heap = 40.0 + leak_per_hour * hours + agent + noise;
            csv += &format!(
                "{},{},{heap},{},{agent}\n",
                hours * 60.0,
                heap + 20.0,
                agent + 2.0
            );
        }
        Timeline::parse(csv.as_bytes()).unwrap()
    }

    #[test]
    fn the_agent_s_growth_is_not_the_service_s_leak_and_hides_none() {
        for (leak, expected) in [(0.0, SeriesOutcome::Clean), (12.0, SeriesOutcome::Leak)] {
            let report = judge_timeline(&watched(leak), &LeakOptions::default());
            for series in &report.series {
                assert_eq!(series.verdict, expected, "{series:?}");
                assert!(
                    (series.slope_per_hour.unwrap() - leak).abs() < 1.0,
                    "{series:?}"
                );
            }
            assert_eq!(report.series.len(), 2);
        }
    }

    #[test]
    fn what_the_agent_gave_back_counts_on_the_heap_alone() {
        let csv = "elapsed_min,rss_mb,heap_live_mb,threads,agent_memory_mb\n\
                   0,100,50,4,1\n1,105,55,4,6\n2,105,51,4,2\n3,,,4,\n";
        let timeline = Timeline::parse(csv.as_bytes()).unwrap();
        assert_eq!(less_agent(&timeline, "rss_mb")[..3], [100.0, 100.0, 100.0]);
        assert_eq!(
            less_agent(&timeline, "heap_live_mb")[..3],
            [50.0, 50.0, 50.0]
        );
        assert!(less_agent(&timeline, "rss_mb")[3].is_nan());
        assert_eq!(less_agent(&timeline, "threads")[0], 4.0);
    }
}
