//! What was sampled in one phase, and the CPU time that was used meanwhile.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use soakscope_sampler::{Clock, CpuWindow};

use crate::spans::cpu::ByRoute;
use crate::spans::labels::{Kind, Labels};

/// A route's name; `None` is what is in no request.
pub(super) type Route = Option<Arc<str>>;

/// Samples of one phase.
#[derive(Clone)]
pub(crate) struct Piece {
    pub(crate) phase: String,
    pub(crate) window: Arc<CpuWindow>,
    /// What was used meanwhile; `None` where samples are not of CPU time.
    pub(crate) used: Option<Used>,
}

/// What the process used in a stretch of time.
#[derive(Debug, Clone, Default)]
pub(crate) struct Used {
    /// By route, where it is measured.
    pub(super) by_route: HashMap<Arc<str>, f64>,
    /// In all, in nanoseconds; whatever it is, it is known to the nanosecond.
    pub(super) all_ns: u64,
}

impl Used {
    /// What was measured while a window was sampled. `None` where samples are not
    /// of CPU time.
    pub(crate) fn of(
        window: &CpuWindow,
        measured: Option<&ByRoute>,
        names: &Labels,
    ) -> Option<Self> {
        if matches!(window.clock, Clock::Wall | Clock::Off) {
            return None;
        }
        let mut used = Self {
            by_route: HashMap::new(),
            all_ns: nanos(window.cpu_used.saturating_sub(window.cpu_excluded)),
        };
        for (number, measured) in measured.into_iter().flatten() {
            if let Some(route) = route_named(names, *number) {
                *used.by_route.entry(route).or_default() += measured.cpu_ns;
            }
        }
        Some(used)
    }

    pub(crate) fn add(&mut self, more: &Self) {
        for (route, ns) in &more.by_route {
            *self.by_route.entry(Arc::clone(route)).or_default() += ns;
        }
        self.all_ns = self.all_ns.saturating_add(more.all_ns);
    }

    /// What each route used, and the rest: all that was used and no more.
    pub(super) fn divided(&self) -> HashMap<Route, f64> {
        let all = self.all_ns as f64;
        let requests: f64 = self.by_route.values().sum();
        let scale = if requests > all { all / requests } else { 1.0 };
        let routes = self.by_route.iter();
        let mut divided: HashMap<Route, f64> = routes
            .map(|(route, ns)| (Some(Arc::clone(route)), ns * scale))
            .collect();
        divided.insert(None, (all - requests).max(0.0));
        divided
    }
}

/// A route's name, by its number.
pub(super) fn route_named(names: &Labels, number: u32) -> Route {
    let name = names.name(number)?;
    (name.kind == Kind::Request).then_some(name.text)
}

pub(super) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
