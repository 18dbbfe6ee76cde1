//! The dials of the leak test, with defaults that fit a minute and three days.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{MustSee, units};
use crate::error::Error;
use crate::process_limits::OF_ALL_MEMORY;
use crate::timeline::Timeline;

/// How series are judged.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct LeakOptions {
    /// The seed of anything drawn at random; equal seeds, equal verdicts. The
    /// present method draws nothing.
    pub seed: u64,
    /// A part of the run that is left out unseen, from 0 to 1. None by default:
    /// the warm-up is found. Phases named `warmup…` are left out as well.
    pub warm_up: f64,
    /// Samples that a series must have to be judged.
    pub least_samples: usize,
    /// Seconds that they must span.
    pub least_seconds: f64,
    /// Growth that matters in a series of megabytes.
    pub material_mb: Material,
    /// Growth that matters in a series of things counted.
    pub material_count: Material,
    /// The probability of calling anything in a run that does not leak a leak,
    /// which is shared out among its series (Holm 1979).
    pub false_alarms: f64,
    /// How often the run has been judged so far, this time included, if its
    /// verdict is looked at while it goes on. Looks at hardly more than was seen
    /// before are hardly new chances: what counts is how often the run has
    /// doubled. The look with j = 1 + log₂ k may spend `false_alarms` ÷ 2j(j+1),
    /// which allows for the looks between. `None` is one look, at the end.
    pub looks: Option<u32>,
    /// Limits by the name of the series, or by `memory_mb` or `cgroup_memory_mb`
    /// for every series of the process's memory: what is reached, and when, at the
    /// present slope. Of the two the first counts.
    pub limits: BTreeMap<String, f64>,
    /// A leak of memory that the run must have been able to show: one that
    /// could not is inconclusive. `None` asks for nothing.
    pub must_see: Option<MustSee>,
    /// Columns to judge whatever they seem to be, each with the unit of its
    /// numbers (`KB`, `MB`, `bytes`, `pages`, `count`, …) or `None`, where the name
    /// says it.
    pub judge: BTreeMap<String, Option<String>>,
    /// Columns to leave out.
    pub skip: Vec<String>,
    /// What the service says of the series that it has tracked.
    pub kinds: BTreeMap<String, Kind>,
}

/// What a series of the service's own is, where its name does not say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Kind {
    /// Things that are held and given back, such as the sessions that are open.
    /// It is judged. Where the name ends in a unit of memory it is memory.
    Level,
    /// Bytes that are held and given back. It is judged.
    Bytes,
    /// What is counted up for ever. It is not judged.
    Counter,
    /// What goes up and down by itself: a rate, a share, a time. It is not judged.
    Rate,
    /// A kind that a later version knows.
    #[serde(other)]
    Other,
}

/// Growth that is large enough to matter over the time judged.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Material {
    /// At least this much, in the series' unit …
    pub least: f64,
    /// … and in a short run, when allocators and caches still fill, this much …
    pub least_at_first: f64,
    /// … or, in one of a minute, when nearly all growth is that, this much.
    pub least_in_a_minute: f64,
    /// And at least this share of the level it began at, from 0 to 1 …
    pub share: f64,
    /// … but never more than this much by share: a small part of ten gigabytes
    /// is a leak too.
    pub most: f64,
}

/// Runs up to so many hours are short, and from so many on they are not.
const SHORT_HOURS: [f64; 2] = [0.05, 0.25];
const MINUTE_HOURS: f64 = 1.0 / 60.0;

impl Material {
    /// The growth that matters for a series that began at `level` and was
    /// watched for so many `hours`.
    #[must_use]
    pub fn growth(&self, level: f64, hours: f64) -> f64 {
        let [short, long] = SHORT_HOURS;
        let young = ((long - hours) / (long - short)).clamp(0.0, 1.0);
        let newborn = ((short - hours) / (short - MINUTE_HOURS)).clamp(0.0, 1.0);
        let at_first = newborn * (self.least_in_a_minute - self.least_at_first).max(0.0);
        let least = at_first + self.least + young * (self.least_at_first - self.least).max(0.0);
        least.max((self.share * level.abs()).min(self.most))
    }
}

impl LeakOptions {
    /// Takes in what was asked for on a command line: columns to judge, `COL` or
    /// `COL:UNIT`, and columns to leave out.
    ///
    /// # Errors
    ///
    /// [`Error::Column`] for a column that the timeline does not have, which names
    /// those that it has, and for a unit that is none.
    pub fn ask(
        &mut self,
        timeline: &Timeline,
        judge: &[String],
        skip: &[String],
    ) -> Result<(), Error> {
        for wanted in judge {
            let (column, unit) = match (find(timeline, wanted), wanted.rsplit_once(':')) {
                (Some(column), _) => (column, None),
                (None, Some((column, unit))) => (known(timeline, column)?, Some(unit)),
                (None, None) => (known(timeline, wanted)?, None),
            };
            if let Some(unit) = unit
                && units::of_option(unit).is_none()
            {
                return Err(Error::Column(format!(
                    "{unit:?} is no unit; write bytes, KB, MB, GB, pages or count"
                )));
            }
            self.judge.insert(column, unit.map(str::to_owned));
        }
        for wanted in skip {
            let column = known(timeline, wanted)?;
            self.judge.remove(&column);
            self.skip.push(column);
        }
        Ok(())
    }

    /// The false alarms that this look may spend.
    pub(super) fn alpha(&self) -> f64 {
        let look = f64::from(self.looks.unwrap_or(0));
        if look > 0.0 {
            let doublings = 1.0 + look.log2();
            self.false_alarms / (2.0 * doublings * (doublings + 1.0))
        } else {
            self.false_alarms
        }
    }

    /// The limit of a series, if one is known.
    pub(super) fn limit(&self, name: &str, is_memory: bool) -> Option<f64> {
        let named = self.limits.get(name);
        let of_memory = || OF_ALL_MEMORY.iter().find_map(|name| self.limits.get(*name));
        let shared = || is_memory.then(of_memory).flatten();
        named.or_else(shared).copied().filter(|l| l.is_finite())
    }
}

/// Columns named to who asked for one that is not there.
const NAMED: usize = 40;

/// The column of this name, in whatever case.
fn find(timeline: &Timeline, name: &str) -> Option<String> {
    let columns = || {
        let all = timeline.columns().iter().enumerate();
        all.filter(|(index, _)| !timeline.is_time(*index))
            .map(|(_, name)| name)
    };
    let mut alike = columns().filter(|column| column.eq_ignore_ascii_case(name));
    let same = columns().find(|column| *column == name);
    same.or_else(|| alike.next()).cloned()
}

fn known(timeline: &Timeline, name: &str) -> Result<String, Error> {
    find(timeline, name).ok_or_else(|| {
        let all: Vec<&str> = timeline
            .columns()
            .iter()
            .enumerate()
            .filter(|(index, _)| !timeline.is_time(*index))
            .map(|(_, name)| name.as_str())
            .collect();
        let named = all[..all.len().min(NAMED)].join(", ");
        let more = match all.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        Error::Column(format!(
            "there is no column {name:?}; there are {named}{more}"
        ))
    })
}

impl Default for LeakOptions {
    fn default() -> Self {
        LeakOptions {
            seed: 0,
            warm_up: 0.0,
            least_samples: 20,
            least_seconds: 20.0,
            material_mb: Material {
                least: 1.0,
                least_at_first: 5.0,
                least_in_a_minute: 12.0,
                share: 0.005,
                most: 2.0,
            },
            material_count: Material {
                least: 2.0,
                least_at_first: 10.0,
                least_in_a_minute: 10.0,
                share: 0.01,
                most: 20.0,
            },
            false_alarms: 0.005,
            looks: None,
            limits: BTreeMap::new(),
            must_see: None,
            judge: BTreeMap::new(),
            skip: Vec::new(),
            kinds: BTreeMap::new(),
        }
    }
}
