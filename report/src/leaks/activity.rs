//! When a run was under load. Idle time before and after it is no part of a
//! trend: nothing leaks where nothing is asked. It is kept for what remains.

use super::load::REQUESTS;
use crate::columns::CPU_PERCENT;
use crate::timeline::Timeline;

/// What says it where no request is counted.
const ELSE: &str = CPU_PERCENT.name;

/// Below this part of what is usual under load a row is idle …
const IDLE: f64 = 0.05;
/// … and of the CPU time, which housekeeping uses too.
const IDLE_CPU: f64 = 0.15;
/// A row is under load where most of so many are …
const NEAR: usize = 3;
/// … if at least this part of the rows between the first and the last is.
const DENSE: f64 = 0.3;

/// The load must last for this part of the run, or it is no load but an event.
const MIN_PART: f64 = 0.2;
/// Rows of idle time that are left out: a service may drop its state in the last.
const MIN_IDLE_ROWS: usize = 1;
const MIN_ROWS: usize = 20;

/// The hours between which a run was under load.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Activity {
    pub from: f64,
    pub until: f64,
    /// Whether it was idle before, and after.
    pub idle_before: bool,
    pub idle_after: bool,
}

impl Activity {
    /// `None` where the load is not known, or was there all the time.
    pub(super) fn of(timeline: &Timeline) -> Option<Activity> {
        let requests = REQUESTS.iter().find_map(|name| timeline.readings(name));
        let (rates, idle) = match requests {
            Some(rates) => (rates, IDLE),
            None => (timeline.readings(ELSE)?, IDLE_CPU),
        };
        let busy = busy(&rates, idle)?;
        let hours = timeline.elapsed_hours();
        let last = hours.len() - 1;
        let idle_before = busy.start >= MIN_IDLE_ROWS;
        let idle_after = last - busy.end >= MIN_IDLE_ROWS;
        let from = hours[if idle_before { busy.start } else { 0 }];
        let until = hours[if idle_after { busy.end } else { last }];
        let lasts = until - from >= MIN_PART * (hours[last] - hours[0])
            && busy.end - busy.start >= MIN_ROWS;
        (lasts && (idle_before || idle_after)).then_some(Activity {
            from,
            until,
            idle_before,
            idle_after,
        })
    }

    pub(super) fn contains(&self, hour: f64) -> bool {
        (self.from..=self.until).contains(&hour)
    }
}

/// The first and the last row under load.
fn busy(rates: &[f64], idle: f64) -> Option<std::ops::Range<usize>> {
    let mut known: Vec<f64> = rates.iter().copied().filter(|rate| *rate > 0.0).collect();
    if known.is_empty() {
        return None;
    }
    let place = known.len() * 3 / 4;
    let usual = *known.select_nth_unstable_by(place, f64::total_cmp).1;
    let loaded = |row: usize| rates[row] > idle * usual;
    let rows = || (0..rates.len()).filter(|row| loaded(*row));
    let (first, last) = (rows().next()?, rows().next_back()?);
    if (rows().count() as f64) < DENSE * (last + 1 - first) as f64 {
        return Some(first..last);
    }
    let near = |row: &usize| {
        let from = row.saturating_sub(NEAR / 2);
        let around = from..(from + NEAR).min(rates.len());
        2 * around.clone().filter(|row| loaded(*row)).count() > around.len()
    };
    let (first, last) = (rows().find(near)?, rows().rfind(near)?);
    Some(first..last)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn activity(rates: &[f64]) -> Option<(f64, f64)> {
        let mut csv = String::from("elapsed_h,rss_mb,requests_per_s\n");
        for (row, rate) in rates.iter().enumerate() {
            let rate = if rate.is_nan() {
                String::new()
            } else {
                rate.to_string()
            };
            csv += &format!("{row},100,{rate}\n");
        }
        let timeline = Timeline::parse(csv.as_bytes()).unwrap();
        Activity::of(&timeline).map(|found| (found.from, found.until))
    }

    #[test]
    fn idle_time_at_both_ends_is_found_and_gaps_are_not() {
        let mut rates = vec![f64::NAN; 12];
        rates.extend([200.0; 60]);
        rates.extend([0.0; 5]);
        rates.extend([180.0; 40]);
        // A probe now and then is no load, nor is one burst.
        rates.extend([1.0, 0.0, 0.0, 150.0, 0.0, 1.0, 0.0]);
        assert_eq!(activity(&rates), Some((12.0, 116.0)));
    }

    #[test]
    fn a_load_that_is_always_there_or_hardly_ever_is_left_alone() {
        assert_eq!(activity(&[100.0; 80]), None);
        let seldom: Vec<f64> = (0..120)
            .map(|row| f64::from(u8::from(row % 10 == 4)))
            .collect();
        // One request in ten rows, from the fifth row to the sixth last.
        assert_eq!(activity(&seldom), Some((4.0, 114.0)));
        let mut event = [0.0; 200];
        event[100..130].fill(500.0);
        assert_eq!(activity(&event), None);
    }
}
