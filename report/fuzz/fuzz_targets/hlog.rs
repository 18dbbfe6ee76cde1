//! Any bytes as a log of histograms: what can be read of it is judged.
#![no_main]

use libfuzzer_sys::fuzz_target;
use soakscope_report::{Budgets, Watch};

const SPANS: &[u8] = b"elapsed_min,span,count,kind\n1,x,5,request\n";

fuzz_target!(|bytes: &[u8]| {
    let budgets = "[process]\np99_ms = 5\n[span.\"x\"]\nduration = [\"avg<1\", \"p(50)<2\"]\n";
    let budgets = Budgets::parse(budgets, None).expect("budgets");
    let mut watch = Watch::new(budgets);
    watch.span_files(SPANS, Some(bytes));
    assert_eq!(watch.outcomes().len(), 3);
});
