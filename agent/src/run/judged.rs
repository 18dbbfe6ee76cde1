//! The live verdict on leaks: judged on the history when somebody asks, and
//! kept for a while, so that who asks every second for three days costs no more
//! than who asks now and then.

use std::sync::{Mutex, PoisonError};

use soakscope_report::{Error, HeapShot, LeakOptions, LeakReport, RunInfo, Verdict, judge_leaks};

use crate::history::History;

/// A judgement is kept for this part of the time it is on …
const KEPT_SHARE: f64 = 1.0 / 60.0;
/// … and for so many minutes at most.
const MAX_KEPT_MIN: f64 = 1.0;

/// How often it is recorded that something leaks which did not before.
const MAX_RECORDED: u32 = 16;

#[derive(Debug, Default)]
pub(crate) struct Judged {
    /// Held while it is judged: who asks meanwhile waits for that one.
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    newest: Option<Judgement>,
    /// How often a leak was found where there was none before.
    found: u32,
    /// How often it was judged, and on how many rows in all.
    #[cfg(test)]
    work: (u64, u64),
}

/// What was found about leaks, and when.
#[derive(Debug, Clone)]
pub(crate) struct Judgement {
    /// Minutes of the run when it was judged.
    pub(crate) at_min: f64,
    pub(crate) leaks: LeakReport,
    /// It leaks, and did not when it was judged before; said once.
    pub(crate) is_news: bool,
}

impl Judgement {
    fn is_fresh(&self, elapsed_min: f64) -> bool {
        elapsed_min - self.at_min < (self.at_min * KEPT_SHARE).min(MAX_KEPT_MIN)
    }
}

impl Judged {
    /// The newest judgement; a new one where that is too old, by the history and
    /// the heap profiles, which are only fetched then.
    pub(crate) fn ask(
        &self,
        elapsed_min: f64,
        info: &RunInfo,
        history: &History,
        heap: impl FnOnce() -> Vec<HeapShot>,
    ) -> Result<Judgement, Error> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(newest) = &kept.newest
            && newest.is_fresh(elapsed_min)
        {
            return Ok(newest.clone());
        }
        let timeline = history.timeline();
        let mut options = LeakOptions::default();
        // However often somebody asks: within a minute there is little new to see.
        options.looks = Some(elapsed_min as u32 + 1);
        let leaks = judge_leaks(info, &timeline, &heap(), &options);
        let leaked = |judgement: &Judgement| judgement.leaks.verdict == Verdict::Fail;
        let is_news = leaks.verdict == Verdict::Fail
            && !kept.newest.as_ref().is_some_and(leaked)
            && kept.found < MAX_RECORDED;
        kept.found += u32::from(is_news);
        let mut judgement = Judgement {
            at_min: elapsed_min,
            leaks,
            is_news,
        };
        #[cfg(test)]
        {
            kept.work.0 += 1;
            kept.work.1 += timeline.len() as u64;
        }
        // Whoever asks next gets it as known.
        let news = std::mem::take(&mut judgement.is_news);
        kept.newest = Some(judgement.clone());
        judgement.is_news = news;
        Ok(judgement)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use soakscope_report::Cell;

    use super::*;

    /// Asks at every second of so many.
    fn poll(seconds: u32) -> (u64, u64) {
        let (judged, history) = (Judged::default(), History::default());
        history.start(&["elapsed_min", "rss_mb"].map(str::to_owned));
        for second in 0..seconds {
            let minutes = f64::from(second) / 60.0;
            let mb = 100.0 + f64::from(second % 7) / 10.0;
            history.push(&[Cell::Number(minutes), Cell::Number(mb)]);
            let judgement = judged
                .ask(minutes, &RunInfo::default(), &history, Vec::new)
                .unwrap();
            let age = minutes - judgement.at_min;
            assert!(age <= (minutes / 60.0).min(1.0), "{age} at {minutes}");
        }
        judged.kept.into_inner().unwrap().work
    }

    #[test]
    fn a_leak_is_news_once() {
        let (judged, history) = (Judged::default(), History::default());
        history.start(&["elapsed_min", "rss_mb"].map(str::to_owned));
        let mut news = 0;
        for second in 0..600 {
            let minutes = f64::from(second) / 60.0;
            let mb = 100.0 + f64::from(second) + f64::from(second % 7) / 10.0;
            history.push(&[Cell::Number(minutes), Cell::Number(mb)]);
            let judgement = judged
                .ask(minutes, &RunInfo::default(), &history, Vec::new)
                .unwrap();
            news += u32::from(judgement.is_news);
        }
        assert_eq!(news, 1);
    }

    #[test]
    fn who_asks_every_second_has_it_judged_once_a_minute() {
        let (first_hour, rows_of_it) = poll(3_600);
        // The first minute each time, then each time a sixtieth is new.
        assert!((275..290).contains(&first_hour), "{first_hour}");
        let (two_hours, rows) = poll(7_200);
        assert!(two_hours.abs_diff(first_hour + 60) <= 2, "{two_hours}");
        let (judged, rows) = (two_hours - first_hour, rows - rows_of_it);
        assert!(rows <= judged * 3_600, "{rows} rows, judged {judged} times");
    }
}
