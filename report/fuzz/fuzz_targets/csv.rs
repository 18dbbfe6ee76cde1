//! Any bytes as a timeline: they are refused, or every column has as many rows
//! as there are times, in the order of time, and can be judged and drawn.
#![no_main]

use libfuzzer_sys::fuzz_target;
use soakscope_report::{
    LeakOptions, Run, RunInfo, Timeline, judge_timeline, leaks_text, timeline_svg,
};

fuzz_target!(|bytes: &[u8]| {
    let Ok(timeline) = Timeline::parse(bytes) else {
        return;
    };
    assert!(timeline.elapsed_hours().is_sorted());
    for name in timeline.columns() {
        let numbers = timeline.series(name).map(<[f64]>::len);
        let words = timeline.text(name).map(|words| words.len());
        assert_eq!(numbers.or(words), Some(timeline.len()));
    }
    if timeline.columns().len() < 20 {
        let _ = leaks_text(&judge_timeline(&timeline, &LeakOptions::default()));
    }
    let _ = timeline_svg(&Run::new(RunInfo::default(), timeline));
});
