//! Every judged column in every life, and what keeps a verdict from being more
//! than the file says.

use super::activity::Activity;
use super::candidates::{Candidate, Unit};
use super::judge::{self, Case};
use super::lives::{MAX_BEGINNINGS, Part};
use super::roles::{Judged, Roles};
use super::{LeakOptions, SeriesOutcome, SeriesVerdict, alike, retention, screen, several, unread};
use crate::timeline::Timeline;
use crate::verdict::Verdict;

/// The rule of memory whose unit is not said and makes a difference.
const UNIT: &str = "unit";
/// The rule of what may be a running counter.
const ROLE: &str = "role";

/// Lives that are judged, the longest of more.
const MAX_LIVES: usize = 48;

/// A column in a life on its way to a verdict, in each unit that it can be in.
struct Trial<'a> {
    judged: &'a Judged,
    life: usize,
    cases: Vec<Case<'a>>,
}

/// The verdicts on all columns in all lives, in the timeline's order.
pub(super) fn judge(
    timeline: &Timeline,
    roles: &Roles,
    lives: &mut [Part],
    options: &LeakOptions,
) -> Vec<SeriesVerdict> {
    let alone = lives.len() < 2;
    choose(lives, alone, options);
    let trials = open(timeline, roles, lives, options);
    let chances: Vec<Option<f64>> = trials
        .iter()
        .map(|trial| trial.cases.first().and_then(Case::chance))
        .collect();
    let levels = several::levels(&chances, options.alpha());
    let mut of_life: Vec<Vec<(&Judged, SeriesVerdict)>> = vec![Vec::new(); lives.len()];
    for (trial, level) in trials.into_iter().zip(levels) {
        of_life[trial.life].push((trial.judged, trial.close(level)));
    }
    let mut found: Vec<(usize, usize, SeriesVerdict)> = Vec::new();
    for (index, verdicts) in of_life.into_iter().enumerate() {
        let (of, mut verdicts): (Vec<&Judged>, Vec<SeriesVerdict>) = verdicts.into_iter().unzip();
        if !alone {
            retention::apply(&mut verdicts, None);
        }
        for (judged, mut verdict) in of.into_iter().zip(verdicts) {
            judged.temper(&mut verdict);
            if !alone {
                let life = &lives[index].life;
                verdict.name = format!("{} [{}]", verdict.name, life.name);
                let of_file = |min: Option<f64>| min.map(|min| min + life.from_min);
                verdict.judged_from_min = of_file(verdict.judged_from_min);
                verdict.judged_until_min = of_file(verdict.judged_until_min);
            }
            found.push((judged.column, index, verdict));
        }
    }
    let after = lives.len();
    for judged in &roles.judged {
        if judged.units.is_empty() {
            found.push((judged.column, after, judged.unreadable()));
        } else if !alone && let Some(verdict) = together(timeline, judged, lives, &found, options) {
            found.push((judged.column, after, verdict));
        }
    }
    found.sort_by_key(|(column, life, _)| (*column, *life));
    found.into_iter().map(|(_, _, verdict)| verdict).collect()
}

/// Marks the lives that are long enough.
fn choose(lives: &mut [Part], alone: bool, options: &LeakOptions) {
    let mut longest: Vec<usize> = lives.iter().map(|part| part.life.rows).collect();
    longest.sort_unstable_by_key(|rows| std::cmp::Reverse(*rows));
    let least = longest.get(MAX_LIVES).map_or(0, |rows| rows + 1);
    for part in lives {
        let life = &mut part.life;
        let seconds = (life.to_min - life.from_min) * 60.0;
        let long = life.rows >= options.least_samples && seconds >= options.least_seconds;
        life.judged = alone || long && life.rows >= least;
    }
}

fn open<'a>(
    timeline: &Timeline,
    roles: &'a Roles,
    lives: &[Part],
    options: &'a LeakOptions,
) -> Vec<Trial<'a>> {
    let judged_lives = lives.iter().filter(|part| part.life.judged).count();
    let many = roles.judged.len() * judged_lives.max(1) > screen::MANY;
    let mut trials = Vec::new();
    for (life, part) in lives.iter().enumerate() {
        if !part.life.judged {
            continue;
        }
        let own = (lives.len() > 1).then(|| timeline.part(&part.rows));
        let rows = own.as_ref().unwrap_or(timeline);
        let activity = Activity::of(rows);
        for judged in roles
            .judged
            .iter()
            .filter(|judged| !judged.units.is_empty())
        {
            let case = |unit: &Unit| {
                let candidate = Candidate {
                    name: judged.name.clone(),
                    unit: *unit,
                };
                Case::open(rows, &candidate, options, many, activity)
            };
            trials.push(Trial {
                judged,
                life,
                cases: judged.units.iter().map(case).collect(),
            });
        }
    }
    trials
}

impl Trial<'_> {
    /// The verdict in the likeliest unit, if it is the same in the others.
    fn close(self, level: f64) -> SeriesVerdict {
        let judged = self.judged;
        let mut verdicts = self.cases.into_iter().map(|case| case.close(level));
        let Some(mut verdict) = verdicts.next() else {
            return judged.unreadable();
        };
        let outcome = verdict.verdict.verdict();
        let other = verdicts
            .zip(&judged.units[1..])
            .find(|(other, _)| other.verdict.verdict() != outcome);
        if outcome != Verdict::Inconclusive
            && let Some((other, unit)) = other
        {
            let likeliest = judged.units[0].of_cells();
            let said = format!(
                "its unit is not said: in {likeliest} it would be {}, in {} {}; say which with \
                 --judge '{}:{likeliest}' or the like",
                verdict.verdict.name(),
                unit.of_cells(),
                other.verdict.name(),
                judged.name
            );
            verdict.settle(SeriesOutcome::Inconclusive, UNIT, said);
        }
        verdict
    }
}

impl Judged {
    /// Takes back what the column's name and cells do not bear out.
    fn temper(&self, verdict: &mut SeriesVerdict) {
        if self.no_unit && verdict.verdict.verdict() != Verdict::Inconclusive {
            let said = format!(
                "its unit is not said, and its numbers are no memory of a process in any; say \
                 which with --judge '{}:KB' or the like, or leave it out with --skip",
                self.name
            );
            verdict.settle(SeriesOutcome::Inconclusive, UNIT, said);
        }
        if self.may_count && verdict.verdict == SeriesOutcome::Leak {
            let said = format!(
                "{}; it never falls: a running counter, or a leak; say which with --judge '{}' \
                 or --skip '{}'",
                verdict.explanation, self.name, self.name
            );
            verdict.settle(SeriesOutcome::Inconclusive, ROLE, said);
        }
        if let Some(sentence) = &self.unread {
            unread::apply(verdict, sentence);
        }
    }

    /// The verdict on a column without numbers.
    fn unreadable(&self) -> SeriesVerdict {
        let mut verdict = SeriesVerdict::open(&self.name, "");
        unread::apply(&mut verdict, self.unread.as_deref().unwrap_or_default());
        verdict
    }
}

/// What all lives of a column say together, where none of them says that it
/// leaks.
fn together(
    timeline: &Timeline,
    judged: &Judged,
    lives: &[Part],
    found: &[(usize, usize, SeriesVerdict)],
    options: &LeakOptions,
) -> Option<SeriesVerdict> {
    let unit = judged.units[0];
    let mut of_column = found.iter().filter(|(column, ..)| *column == judged.column);
    let too_little = |verdict: &SeriesVerdict| verdict.rule == judge::ENOUGH_DATA;
    let any = of_column
        .clone()
        .any(|(_, _, verdict)| !too_little(verdict));
    if of_column.any(|(_, _, verdict)| verdict.verdict == SeriesOutcome::Leak) {
        return None;
    }
    let name = format!("{} [{} lives]", judged.name, lives.len());
    let mut verdict = SeriesVerdict::open(&name, unit.name());
    if lives.len() > MAX_BEGINNINGS {
        let said = format!("it begins anew more than {MAX_BEGINNINGS} times; find out why");
        verdict.settle(SeriesOutcome::Inconclusive, alike::RULE, said);
        return Some(verdict);
    }
    let (outcome, said) = match alike::rise(timeline, &judged.name, unit, lives, options) {
        Some(rise) => rise,
        None if any => return None,
        None => (
            SeriesOutcome::Inconclusive,
            format!(
                "none of its {} lives has {} samples over {} s, which are needed; find out why it \
                 begins anew, or let it run longer",
                lives.len(),
                options.least_samples,
                options.least_seconds
            ),
        ),
    };
    verdict.settle(outcome, alike::RULE, said);
    judged.temper(&mut verdict);
    Some(verdict)
}
