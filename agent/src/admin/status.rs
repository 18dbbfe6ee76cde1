//! `/status`: the run so far, judged by the same functions as the finished run.
//! Budgets are as of now; leaks as of `leaks_judged_min`, at most a minute ago.
//! `notes` says in sentences what was lost and which figures to doubt.

use serde_json::{Map, Value, json};
use soakscope_report::{EventKind, LeakEvent, Run, Timeline, judge_with};

use crate::admin::site::Site;

pub(super) fn status(site: &Site) -> Value {
    let live = &site.live;
    let session = &live.session;
    let info = live.info();
    let newest: Map<String, Value> = session
        .history
        .newest_all()
        .into_iter()
        .map(|(name, value)| (name, json!(value)))
        .collect();
    let heap = || {
        live.dir
            .heap_shots()
            .map_or_else(|_| Vec::new(), |(shots, _)| shots)
    };
    let judgement = live
        .judged
        .ask(session.clock.elapsed_min(), &info, &session.history, heap);
    if let Ok(judgement) = &judgement
        && judgement.is_news
    {
        let headline = judgement.leaks.headline.clone();
        let event = EventKind::Leak(LeakEvent { headline });
        session.journal.event(&event);
    }
    let judged_min = judgement.as_ref().ok().map(|judgement| judgement.at_min);
    let verdict = judgement.map(|judgement| {
        let mut run = Run::new(info.clone(), Timeline::default());
        if let Some(budgets) = &session.budgets {
            run.budgets = budgets.outcomes();
            run.leak_budget = budgets.leaks;
        }
        judge_with(&run, judgement.leaks)
    });
    json!({
        "service": session.service,
        "state": info.state,
        "start": info.start,
        "end": info.end,
        "elapsed_min": session.clock.elapsed_min(),
        "phase": session.phases.current().name,
        "run_dir": live.run_dir().display().to_string(),
        "verdict": verdict.as_ref().ok().map(|verdict| verdict.verdict),
        "headline": verdict.as_ref().ok().map(|verdict| &verdict.headline),
        "rules": verdict.as_ref().ok().map(|verdict| &verdict.rules),
        "budgets": verdict.as_ref().ok().map(|verdict| &verdict.budgets),
        "leaks": verdict.as_ref().ok().map(|verdict| &verdict.leaks),
        "leaks_judged_min": judged_min,
        "newest": newest,
        "ticks": session.ticks(),
        "missed_ticks": session.missed_ticks(),
        "dropped": session.drops.by_cause(),
        "profiling": site.lanes.profile.busy(),
        "disk_trouble": session.writer.trouble(),
        "admin": site.to_json(),
        "trust": info.trust,
        "notes": verdict.as_ref().ok().map(|verdict| &verdict.notes),
        "engines": info.engines,
        "limits": info.limits,
    })
}
