//! Budgets against runs: what holds, what breaks, what was never seen.

use soakscope_report::{
    BudgetOutcome, Budgets, RunDir, RunInfo, SpanInterval, Timeline, Verdict, Watch, judge, seal,
};

/// Ten minutes, a row a second: a minute of warm-up at 900 MB and no load,
/// then 100 MB and more in the spike.
fn timeline() -> String {
    let mut csv = String::from("elapsed_min,rss_mb,phase,cpu_percent,queue\n");
    for second in 0..600 {
        let (rss, phase) = match second {
            0..60 => (900.0, "warmup"),
            300..360 => (700.0, "spike"),
            _ => (100.0, "steady"),
        };
        let queue = if second == 400 { 12.0 } else { 3.0 };
        let minute = f64::from(second) / 60.0;
        csv += &format!("{minute},{rss},{phase},{},{queue}\n", 10 + second % 3);
    }
    csv
}

const SPANS: &str = "elapsed_min,span,count,errors,p50_ms,p95_ms,p99_ms,max_ms,busy_ms,phase,kind,idle_ms,cpu_ms\n\
    0.5,GET /a,1000,500,1,2,3,4,20,warmup,request,5,9000\n\
    3,GET /a,5400,27,1,2,3,4,20,steady,request,5,10800\n\
    3,GET /rare,7,0,1,2,3,4,20,steady,request,5,\n\
    3,query,9000,0,1,2,3,4,20,steady,span,5,900\n";

fn outcomes(budgets: &str) -> Vec<BudgetOutcome> {
    let mut watch = Watch::new(Budgets::parse(budgets, None).expect("good budgets"));
    watch.timeline(&Timeline::parse(timeline().as_bytes()).expect("a timeline"));
    watch.span_files(SPANS.as_bytes(), None::<&[u8]>);
    watch.outcomes()
}

fn one(budgets: &str) -> BudgetOutcome {
    let mut all = outcomes(budgets);
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

#[test]
fn warm_up_is_left_out_and_a_phase_has_its_own_bound() {
    let found = one("[process]\nrss_mb = 500");
    assert_eq!((found.verdict, found.value), (Verdict::Fail, Some(700.0)));
    assert!(
        found
            .message
            .contains("process rss_mb = 700 MB broke its budget ≤ 500 MB"),
        "{}",
        found.message
    );

    let all = outcomes("[process]\nrss_mb = 500\n[phase.spike.process]\nrss_mb = 800");
    let values: Vec<_> = all.iter().map(|o| (o.verdict, o.value)).collect();
    assert_eq!(
        values,
        [(Verdict::Pass, Some(100.0)), (Verdict::Pass, Some(700.0))],
        "the spike is judged by its own bound alone"
    );

    assert_eq!(
        one("exclude_phases = []\n[process]\nrss_mb = 500").value,
        Some(900.0)
    );
    let later = one("ramp_up = \"7m\"\n[process]\nrss_mb = 500");
    assert_eq!(later.value, Some(100.0));
}

#[test]
fn a_warning_passes_and_says_so() {
    let found = one("[process]\nrss_mb = { warn = 600, fail = 800 }");
    assert_eq!((found.verdict, found.warned), (Verdict::Pass, true));
    assert!(
        found.message.contains("warning at ≤ 600"),
        "{}",
        found.message
    );
}

#[test]
fn rates_and_shares_are_over_the_time_that_counts() {
    // 5400 requests of /a and 7 of /rare, in nine minutes; the warm-up's
    // failures are not in it.
    let rate = one("[span.\"GET /a\"]\nrps = 11").value.expect("known");
    assert!((rate - 10.0).abs() < 0.05, "{rate}");
    let all = one("[process]\nhttp_reqs = [\"count>5000\"]");
    assert_eq!((all.value, all.verdict), (Some(5_407.0), Verdict::Pass));
    let failed = one("[span.\"GET /a\"]\nhttp_req_failed = [\"rate<0.01\"]");
    assert_eq!((failed.value, failed.verdict), (Some(0.005), Verdict::Pass));
    let cpu = one("[span.\"GET /a\"]\ncpu_ms = 1.5");
    assert_eq!((cpu.value, cpu.verdict), (Some(2.0), Verdict::Fail));
    assert_eq!(
        one("[tracked]\nqueue = [\"max<=12\"]").verdict,
        Verdict::Pass
    );
    assert_eq!(one("[tracked]\nqueue = 10").verdict, Verdict::Fail);
}

#[test]
fn what_was_never_seen_is_inconclusive_and_names_the_nearest() {
    let found = one("[span.\"GET /aa\"]\nrps = 1");
    assert_eq!(found.verdict, Verdict::Inconclusive);
    assert!(
        found.message.contains("did you mean \"GET /a\""),
        "{}",
        found.message
    );
    for budgets in [
        "[process]\nheap_live_mb = 5",
        "[span.\"GET /a\"]\nalloc_mb = 5",
        "[span.\"GET /a\"]\np99_ms = 5",
        "[phase.night.process]\nrss_mb = 5",
        "[tracked]\npool = 5",
    ] {
        assert_eq!(one(budgets).verdict, Verdict::Inconclusive, "{budgets}");
    }
}

#[test]
fn a_run_is_judged_by_the_budgets_kept_with_it() {
    let root = tempfile::tempdir().expect("a directory");
    let dir = RunDir::create(&root.path().join("run"), &RunInfo::default()).expect("a run");
    std::fs::write(dir.path().join("timeline.csv"), timeline()).expect("written");
    std::fs::write(dir.path().join("spans.csv"), SPANS).expect("written");
    dir.write_budgets("[process]\nrss_mb = 500\nleaks = \"off\"")
        .expect("written");
    let verdict = seal(&dir).expect("sealed");
    let rules: Vec<_> = verdict
        .rules
        .iter()
        .map(|r| (r.rule.as_str(), r.verdict))
        .collect();
    assert_eq!(
        rules,
        [("budgets", Verdict::Fail)],
        "leaks are not looked at"
    );
    assert_eq!(verdict.exit_code, 1);
    let report = std::fs::read_to_string(dir.path().join("report.md")).expect("report.md");
    assert!(report.contains("rss_mb = 700 MB"), "{report}");

    dir.write_budgets("[process]\nrss = 500").expect("written");
    let run = dir.load().expect("loaded");
    assert!(
        run.notes
            .iter()
            .any(|note| note.contains("did you mean \"rss_mb\"")),
        "{:?}",
        run.notes
    );
    assert!(judge(&run).budgets.is_empty());
}

/// Requests of 1 ms, 2 ms and so on, in the steady phase.
fn requests(watch: &mut Watch, name: &str, count: u64) {
    let mut durations = hdrhistogram::Histogram::<u32>::new(2).expect("two digits");
    durations.auto(true);
    for ms in 1..=count {
        durations.record(ms * 1_000_000).expect("it grows");
    }
    watch.spans(&SpanInterval {
        name,
        request: true,
        phase: "steady",
        elapsed_min: 3.0,
        count,
        errors: 0,
        cpu_ms: None,
        cpu_se_ms: None,
        alloc_mb: None,
        durations_ns: Some(&durations),
    });
}

#[test]
fn a_percentile_is_of_its_own_span_and_needs_enough_of_them() {
    let of = |budgets: &str| {
        let mut watch = Watch::new(Budgets::parse(budgets, None).expect("good budgets"));
        requests(&mut watch, "GET /a", 1_000);
        requests(&mut watch, "GET /rare", 99);
        watch.outcomes().remove(0)
    };
    let p99 = of("[span.\"GET /a\"]\np99_ms = 1000");
    let value = p99.value.expect("known");
    assert!((980.0..1_000.0).contains(&value), "{value}");
    assert_eq!(p99.verdict, Verdict::Pass);
    let broken = of("[span.\"GET /a\"]\nduration = [\"p(95)<900\"]");
    assert_eq!(broken.verdict, Verdict::Fail, "{}", broken.message);
    let few = of("[span.\"GET /rare\"]\np99_ms = 1");
    assert_eq!(few.verdict, Verdict::Inconclusive);
    assert!(
        few.message.contains("99 of at least 100"),
        "{}",
        few.message
    );
    // Of the process, the requests of all routes.
    let all = of("[process]\nhttp_req_duration = [\"count>1098\"]");
    assert_eq!((all.value, all.verdict), (Some(1_099.0), Verdict::Pass));
}

/// CPU time of requests of which a part is measured.
#[test]
fn a_bound_within_the_interval_of_a_measured_cost_is_inconclusive() {
    // 2 ms each, within 0.196 ms.
    let rows = "elapsed_min,span,count,kind,cpu_ms,cpu_measured,cpu_se_ms,cpu_samples\n\
                1,GET /a,1000,request,1000,100,60,90\n\
                2,GET /a,1000,request,3000,100,180.6,310\n\
                2,GET /exact,1000,request,2000,1000,0,200\n\
                2,query,1000,span,2000,,,400\n\
                2,old,1000,span,2000,,,\n";
    let of = |name: &str, bounds: &str| {
        let budgets = format!("[span.\"{name}\"]\ncpu_ms = {bounds}");
        let mut watch = Watch::new(Budgets::parse(&budgets, None).expect("good budgets"));
        watch.span_files(rows.as_bytes(), None::<&[u8]>);
        watch.outcomes().remove(0)
    };
    let held = of("GET /a", "2.3");
    assert_eq!(held.verdict, Verdict::Pass, "{}", held.message);
    let wanted = "= 2.00 ± 0.19 ms holds ≤ 2.3 ms (2000 spans)";
    assert!(held.message.ends_with(wanted), "{}", held.message);
    assert!((held.within.expect("measured in part") - 0.1865).abs() < 1e-3);
    assert_eq!(of("GET /a", "1.7").verdict, Verdict::Fail);
    for bound in ["1.9", "2.1"] {
        let near = of("GET /a", bound);
        assert_eq!(near.verdict, Verdict::Inconclusive, "{}", near.message);
        let wanted = format!(
            "= 2.00 ± 0.19 ms is too near its budget ≤ {bound} ms to say (2000 spans; it takes 4 \
             times as many)"
        );
        assert!(near.message.ends_with(&wanted), "{}", near.message);
    }
    // A warning is no verdict, so that it goes by the value.
    let warned = of("GET /a", "{ warn = 1.9, fail = 3 }");
    assert_eq!((warned.verdict, warned.warned), (Verdict::Pass, true));

    // Every request measured: no chance in it.
    let exact = of("GET /exact", "2.0001");
    assert_eq!((exact.verdict, exact.within), (Verdict::Pass, None));
    assert!(exact.message.contains("= 2 ms holds"), "{}", exact.message);
    // By 400 samples: within a tenth.
    let sampled = of("query", "2.1");
    assert_eq!(
        sampled.verdict,
        Verdict::Inconclusive,
        "{}",
        sampled.message
    );
    assert_eq!(of("query", "2.3").verdict, Verdict::Pass);
    // A run that does not say how sure it is is judged as ever.
    let old = of("old", "2.0001");
    assert_eq!((old.verdict, old.within), (Verdict::Pass, None));
}
