//! The spans of a run: what `spans.csv` says of each name over the whole run
//! or a part of it, and the percentiles of that part from `spans.hlog`.

mod agreement;
mod histogram;
mod log;
mod log_write;
mod read;
mod top;
mod totals;
mod write;

use serde::Serialize;

use crate::normal::errors_within_95;
use crate::number::WITHIN_95;

pub(crate) use log::{Interval, intervals};
pub(crate) use read::{Row, rows};
pub(crate) use totals::Totals;

pub use agreement::{Agreement, agreement};
pub use log::{span_of_tag, tag_of_span};
pub use log_write::SpanLogWriter;
pub use top::{SpanCost, measured_spans, top_spans};
pub use write::{NO_REQUEST, SPAN_COLUMNS, SpanKind, SpanRow, SpanWriter};

/// Which part of a run is wanted, in minutes since its start and by phase. The
/// default is all of it.
#[derive(Debug, Clone, Default)]
pub struct SpanRange {
    /// Intervals in this phase only.
    pub phase: Option<String>,
    /// Intervals that end after this minute only.
    pub from_min: Option<f64>,
    /// Intervals that end by this minute only.
    pub to_min: Option<f64>,
}

/// All spans of a name, in a part of a run.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[non_exhaustive]
pub struct SpanTotal {
    /// The name: a request's method and route, or what the span calls itself.
    pub name: String,
    /// `request`, `span`, or `none` for what was outside of any request; empty
    /// in a run that does not say.
    pub kind: String,
    /// How many ended.
    pub count: u64,
    /// How many of them failed.
    pub errors: u64,
    /// Time in which they were entered, in milliseconds.
    pub busy_ms: f64,
    /// Time in which they were open and not entered; `None` if unknown.
    pub idle_ms: Option<f64>,
    /// CPU time: of a request with all spans inside it, of any other span with
    /// no further one inside; `None` if unknown. Where
    /// [`cpu_se_ms`](Self::cpu_se_ms) is known that of a request is measured by
    /// its threads' clocks, else all of it is sampled.
    pub cpu_ms: Option<f64>,
    /// How many of those that ended had their CPU time measured.
    pub cpu_measured: u64,
    /// The standard error of `cpu_ms`, 0 where every request was measured;
    /// `None` if unknown.
    pub cpu_se_ms: Option<f64>,
    /// CPU samples that fell there.
    pub cpu_samples: u64,
    /// CPU time that these samples stand for, scaled to nothing; `None` if
    /// unknown.
    pub cpu_sampled_ms: Option<f64>,
    /// Bytes allocated, estimated, in MB of 1024² bytes, of the same spans as
    /// `cpu_ms`; `None` if unknown.
    pub alloc_mb: Option<f64>,
    /// The longest.
    pub max_ms: Option<f64>,
    /// Percentiles, from the histograms of `spans.hlog`; `None` without it.
    pub p50_ms: Option<f64>,
    /// The 95th.
    pub p95_ms: Option<f64>,
    /// The 99th.
    pub p99_ms: Option<f64>,
}

impl SpanTotal {
    /// The 95 % interval of [`alloc_kb_each`](Self::alloc_kb_each), half its
    /// width, where one byte in `period` was sampled. It is at most that: large
    /// blocks are sampled for certain.
    pub(crate) fn alloc_kb_each_within(&self, period: f64) -> Option<f64> {
        let bytes = self.alloc_mb? * 1024.0 * 1024.0;
        let error = (bytes * period).sqrt() / 1024.0;
        (self.count > 0).then_some(WITHIN_95 * error / self.count as f64)
    }

    /// CPU time for each that ended; `None` if unknown or none did.
    #[must_use]
    pub fn cpu_ms_each(&self) -> Option<f64> {
        (self.count > 0).then_some(self.cpu_ms? / self.count as f64)
    }

    /// Whether `cpu_ms` is that of a request's threads' clocks.
    #[must_use]
    pub fn is_measured(&self) -> bool {
        self.kind == SpanKind::Request.name() && self.cpu_measured > 0 && self.cpu_se_ms.is_some()
    }

    /// The 95 % interval of `cpu_ms`, half its width: of what is measured by
    /// its standard error, of what is sampled by the number of samples. 0 where
    /// every request was measured; `None` if unknown.
    #[must_use]
    pub fn cpu_within_ms(&self) -> Option<f64> {
        let measured = self.cpu_se_ms.map(|se| {
            let few = self.is_measured() && self.cpu_measured < self.count;
            let errors = if few {
                errors_within_95(self.cpu_measured)
            } else {
                WITHIN_95
            };
            errors * se
        });
        let sampled = || Some(WITHIN_95 * sampling_error_ms(self.cpu_ms?, self.cpu_samples)?);
        measured.or_else(sampled)
    }

    /// That of [`cpu_ms_each`](Self::cpu_ms_each).
    #[must_use]
    pub fn cpu_ms_each_within(&self) -> Option<f64> {
        (self.count > 0).then_some(self.cpu_within_ms()? / self.count as f64)
    }

    /// Bytes allocated for each that ended, in KB of 1024 bytes; `None` if
    /// unknown or none did.
    #[must_use]
    pub fn alloc_kb_each(&self) -> Option<f64> {
        (self.count > 0).then_some(self.alloc_mb? * 1024.0 / self.count as f64)
    }
}

/// The standard error of CPU time that this many samples stand for; `None`
/// where there is none of them.
#[must_use]
pub fn sampling_error_ms(cpu_ms: f64, samples: u64) -> Option<f64> {
    (samples > 0).then(|| cpu_ms / (samples as f64).sqrt())
}

impl SpanRange {
    pub(crate) fn takes(&self, elapsed_min: f64, phase: Option<&str>) -> bool {
        let wanted = self.phase.as_deref();
        wanted.is_none_or(|wanted| phase == Some(wanted))
            && self.from_min.is_none_or(|from| elapsed_min > from)
            && self.to_min.is_none_or(|to| elapsed_min <= to)
    }
}
