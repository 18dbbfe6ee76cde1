//! Any bytes as `spans.csv`: what can be read of it is judged.
#![no_main]

use libfuzzer_sys::fuzz_target;
use soakscope_report::{Budgets, Watch};

fuzz_target!(|bytes: &[u8]| {
    let budgets = "[process]\nrps = 5\nerror_rate = 0.1\n[span.\"x\"]\ncpu_ms = 1\nalloc_mb = 1\n";
    let budgets = Budgets::parse(budgets, None).expect("budgets");
    let mut watch = Watch::new(budgets);
    watch.span_files(bytes, None::<&[u8]>);
    assert_eq!(watch.outcomes().len(), 4);
});
