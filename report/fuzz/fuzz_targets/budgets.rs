//! Any text as a budget file: it is refused with a reason, or judges a timeline.
#![no_main]

use libfuzzer_sys::fuzz_target;
use soakscope_report::{Budgets, Timeline, Watch};

fuzz_target!(|text: &str| {
    match Budgets::parse(text, None) {
        Ok(budgets) => {
            let csv = b"elapsed_min,rss_mb,phase\n0,1,a\n1,2,b\n2,3,a\n";
            let mut watch = Watch::new(budgets);
            watch.timeline(&Timeline::parse(csv).expect("a timeline"));
            let _ = watch.outcomes();
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
