//! What spans of each name did, summed up while the files of a run are read.

use std::collections::HashMap;

use hdrhistogram::Histogram;

use super::log::Interval;
use super::read::Row;
use super::{SpanRange, SpanTotal};
use crate::limits::SPANS;

/// Where names are put for which there is no room.
const OTHER: &str = "<other>";

/// Sums by name, in memory that does not grow with the length of a run.
#[derive(Default)]
pub(crate) struct Totals {
    totals: Vec<SpanTotal>,
    places: HashMap<String, HashMap<String, usize>>,
    durations: HashMap<String, Histogram<u64>>,
    /// Rows and intervals of names for which there is no room.
    beyond: u64,
}

impl Totals {
    /// Takes in a row of `spans.csv`.
    pub(crate) fn row(&mut self, row: &Row<'_>, range: &SpanRange) {
        if !range.takes(row.elapsed_min, row.phase.as_deref()) {
            return;
        }
        let place = self.place(&row.span, &row.kind);
        add(&mut self.totals[place], row);
    }

    fn place(&mut self, span: &str, kind: &str) -> usize {
        let known = self.places.get(span).and_then(|kinds| kinds.get(kind));
        if let Some(place) = known {
            return *place;
        }
        if self.totals.len() >= SPANS && (span, kind) != (OTHER, "") {
            self.beyond += 1;
            return self.place(OTHER, "");
        }
        self.totals.push(SpanTotal {
            name: span.to_owned(),
            kind: kind.to_owned(),
            ..SpanTotal::default()
        });
        let kinds = self.places.entry(span.to_owned()).or_default();
        kinds.insert(kind.to_owned(), self.totals.len() - 1);
        self.totals.len() - 1
    }

    /// Takes in an interval of `spans.hlog`.
    pub(crate) fn interval(&mut self, interval: &Interval<'_>, range: &SpanRange) {
        if !range.takes(interval.end_min, interval.phase) {
            return;
        }
        if !self.durations.contains_key(interval.span) {
            if self.durations.len() >= SPANS {
                self.beyond += 1;
                return;
            }
            let Ok(mut durations) = Histogram::new(2) else {
                return;
            };
            durations.auto(true);
            self.durations.insert(interval.span.to_owned(), durations);
        }
        if let Some(sum) = self.durations.get_mut(interval.span) {
            for (value, count) in interval.durations_ns {
                // It grows as it needs, up to some tens of kilobytes.
                let _ = sum.record_n(*value, *count);
            }
        }
    }

    /// What was left out, if anything was.
    pub(crate) fn note(&self) -> Option<String> {
        (self.beyond > 0).then(|| {
            format!(
                "spans: {} rows and intervals of names beyond the first {SPANS} are in {OTHER}",
                self.beyond
            )
        })
    }

    /// The sums, most CPU time first.
    pub(crate) fn finish(mut self) -> Vec<SpanTotal> {
        for total in &mut self.totals {
            let durations = self.durations.get(&total.name).filter(|d| !d.is_empty());
            let quantile_ms =
                |quantile: f64| Some(durations?.value_at_quantile(quantile) as f64 / 1e6);
            total.p50_ms = quantile_ms(0.5);
            total.p95_ms = quantile_ms(0.95);
            total.p99_ms = quantile_ms(0.99);
        }
        self.totals.sort_by(|a, b| {
            let key = |total: &SpanTotal| (total.cpu_ms.unwrap_or(0.0), total.busy_ms);
            let (a_key, b_key) = (key(a), key(b));
            b_key
                .0
                .total_cmp(&a_key.0)
                .then(b_key.1.total_cmp(&a_key.1))
                .then_with(|| a.name.cmp(&b.name))
        });
        self.totals
    }
}

fn add(total: &mut SpanTotal, row: &Row<'_>) {
    let [
        count,
        errors,
        busy,
        idle,
        cpu,
        max,
        alloc,
        measured,
        se,
        samples,
        sampled,
    ] = row.numbers;
    let more = |sum: &mut u64, count: Option<f64>| {
        *sum = sum.saturating_add(count.unwrap_or(0.0) as u64);
    };
    more(&mut total.count, count);
    more(&mut total.errors, errors);
    more(&mut total.cpu_measured, measured);
    more(&mut total.cpu_samples, samples);
    total.busy_ms += busy.unwrap_or(0.0);
    let plus = |sum: Option<f64>, more: Option<f64>| match (sum, more) {
        (Some(sum), Some(more)) => Some(sum + more),
        (known, None) | (None, known) => known,
    };
    total.idle_ms = plus(total.idle_ms, idle);
    total.cpu_ms = plus(total.cpu_ms, cpu);
    total.alloc_mb = plus(total.alloc_mb, alloc);
    total.cpu_sampled_ms = plus(total.cpu_sampled_ms, sampled);
    // Intervals are independent, so that their errors add in squares.
    total.cpu_se_ms = match (total.cpu_se_ms, se) {
        (Some(sum), Some(more)) => Some(sum.hypot(more)),
        (known, None) | (None, known) => known,
    };
    total.max_ms = match (total.max_ms, max) {
        (Some(a), Some(b)) => Some(a.max(b)),
        (known, None) | (None, known) => known,
    };
}

#[cfg(test)]
mod tests {
    use super::super::rows;
    use super::*;

    const CSV: &str = "elapsed_min,span,count,errors,p50_ms,p95_ms,p99_ms,max_ms,busy_ms,phase,kind,idle_ms,cpu_ms\n\
        0.2,GET /a,10,1,1,2,3,4,20,warm,request,5,12.5\n\
        0.4,GET /a,20,0,1,2,3,9,40,steady,request,5,\n\
        0.4,<no request>,,,,,,,,steady,none,,7\n\
        0.4,GET /b,1";

    fn totals(csv: &str, range: &SpanRange) -> (Vec<SpanTotal>, usize) {
        let mut totals = Totals::default();
        let lost = rows(csv.as_bytes(), |row| totals.row(row, range));
        (totals.finish(), lost)
    }

    #[test]
    fn intervals_of_a_name_add_up_and_missing_stays_missing() {
        let (totals, lost) = totals(CSV, &SpanRange::default());
        assert_eq!(lost, 1, "the line that was cut off");
        assert_eq!(totals.len(), 2);
        let a = &totals[0];
        assert_eq!((a.count, a.errors, a.busy_ms), (30, 1, 60.0));
        assert_eq!((a.max_ms, a.cpu_ms), (Some(9.0), Some(12.5)));
        assert_eq!((totals[1].max_ms, totals[1].cpu_ms), (None, Some(7.0)));
        assert_eq!(totals[1].cpu_ms_each(), None, "nothing ended");
    }

    #[test]
    fn errors_of_intervals_add_in_squares_and_a_run_without_them_has_none() {
        let csv = "elapsed_min,span,count,kind,cpu_ms,cpu_measured,cpu_se_ms,cpu_samples,cpu_sampled_ms\n\
            0.2,GET /a,10,request,12,3,3,5,11.5\n\
            0.4,GET /a,10,request,12,3,4,7,12.5\n\
            0.4,<no request>,,none,3,,,1,4\n";
        let (found, lost) = totals(csv, &SpanRange::default());
        assert_eq!(lost, 0);
        let a = &found[0];
        assert_eq!((a.cpu_measured, a.cpu_samples), (6, 12));
        assert_eq!((a.cpu_se_ms, a.cpu_sampled_ms), (Some(5.0), Some(24.0)));
        assert_eq!(
            (found[1].cpu_se_ms, found[1].cpu_sampled_ms),
            (None, Some(4.0))
        );
        let (old, _) = totals(CSV, &SpanRange::default());
        assert_eq!((old[0].cpu_samples, old[0].cpu_measured), (0, 0));
        assert_eq!((old[0].cpu_se_ms, old[0].cpu_sampled_ms), (None, None));
    }

    #[test]
    fn a_part_of_a_run_has_its_own_sums() {
        let count_of_a = |range: &SpanRange| {
            let (totals, _) = totals(CSV, range);
            let a = totals.iter().find(|total| total.name == "GET /a");
            a.map(|total| total.count)
        };
        let range = SpanRange {
            phase: Some("warm".to_owned()),
            ..SpanRange::default()
        };
        assert_eq!(count_of_a(&range), Some(10));
        let range = SpanRange {
            from_min: Some(0.2),
            ..SpanRange::default()
        };
        assert_eq!(count_of_a(&range), Some(20));
        assert!(totals("", &range).0.is_empty());
        assert!(totals("rubbish\n1\n", &range).0.is_empty());
    }

    #[test]
    fn names_without_end_share_one_place_and_nothing_is_lost() {
        let mut csv = String::from("elapsed_min,span,count,kind\n");
        for name in 0..10_000 {
            csv.push_str(&format!("1,GET /{name},1,request\n"));
        }
        let (totals, lost) = totals(&csv, &SpanRange::default());
        assert_eq!((totals.len(), lost), (SPANS + 1, 0));
        assert_eq!(totals.iter().map(|total| total.count).sum::<u64>(), 10_000);
    }
}
