//! Files of a few columns, and what is made of them.

use super::*;

fn roles_with(csv: &str, options: &LeakOptions) -> Vec<(String, Role)> {
    let timeline = Timeline::parse(csv.as_bytes()).expect("a timeline");
    let roles = of(&timeline, options);
    roles
        .columns
        .into_iter()
        .map(|column| (column.name, column.role))
        .collect()
}

fn table(header: &str, rows: usize, row: impl Fn(usize) -> String) -> String {
    let mut csv = format!("elapsed_min,{header}\n");
    for number in 0..rows {
        csv.push_str(&format!("{number},{}\n", row(number)));
    }
    csv
}

fn role(name: &str, value: impl Fn(usize) -> String) -> Role {
    roles_with(&table(name, 100, value), &LeakOptions::default())[0].1
}

#[test]
fn values_decide_where_a_name_alone_would_err() {
    let up = |row: usize| (row * 7).to_string();
    let about = |row: usize| (50 + row * 31 % 17).to_string();
    assert_eq!(role("errors", up), Role::Counter);
    assert_eq!(role("errors", about), Role::Rate);
    assert_eq!(role("peak_rss_mb", up), Role::Bound);
    assert_eq!(role("peak_rss_mb", about), Role::Judged);
    assert_eq!(role("latency_max_ms", about), Role::Time);
    assert_eq!(role("queue_limit", |_| "7".to_owned()), Role::Bound);
    assert_eq!(role("queue_limit", about), Role::Judged);
}

#[test]
fn a_column_that_could_not_be_read_is_not_overlooked() {
    assert_eq!(role("rss_mb", |_| "many".to_owned()), Role::Unreadable);
    assert_eq!(role("rss_mb", |_| String::new()), Role::Unreadable);
    assert_eq!(role("status", |_| "fine".to_owned()), Role::Text);
    assert_eq!(role("remark", |_| String::new()), Role::Empty);
}

#[test]
fn memory_read_seldom_is_judged_where_nothing_else_says_it() {
    let both = table("rss_anon_mb,pss_mb", 3, |_| "1,1".to_owned());
    let roles = roles_with(&both, &LeakOptions::default());
    assert_eq!(roles[1], ("pss_mb".to_owned(), Role::Covered));
    assert_eq!(role("pss_mb", |_| "1".to_owned()), Role::Judged);
    let both = table("mem_percent,rss_mb", 3, |_| "1,1".to_owned());
    let roles = roles_with(&both, &LeakOptions::default());
    assert_eq!(roles[0].1, Role::Covered);
    assert_eq!(role("mem_percent", |_| "1".to_owned()), Role::Judged);
}

#[test]
fn the_agent_s_own_columns_are_judged_as_ever_and_what_is_tracked_by_its_name() {
    let header = "rss_mb,vms_mb,connections,open_fds,cgroup_memory_mb,accept_queue,tcp_close_wait,\
                  requests_in_flight,agent_threads,tick_late_ms,ticks_missed,dropped,\
                  host_sessions,agent_orders,served,jobs_total,tide";
    let csv = table(header, 30, |row| vec![row.to_string(); 17].join(","));
    let mut options = LeakOptions::default();
    options.kinds.insert("served".to_owned(), Kind::Level);
    options.kinds.insert("tide".to_owned(), Kind::Rate);
    let judged: Vec<String> = roles_with(&csv, &options)
        .into_iter()
        .filter(|(_, role)| *role == Role::Judged)
        .map(|(name, _)| name)
        .collect();
    let expected = [
        "rss_mb",
        "connections",
        "open_fds",
        "tcp_close_wait",
        "host_sessions",
        "served",
    ];
    assert_eq!(judged, expected);
}

#[test]
fn who_asks_has_a_column_judged_or_left_out() {
    let csv = table("gc_count,rss,note", 30, |row| format!("{row},1,a"));
    let timeline = Timeline::parse(csv.as_bytes()).expect("a timeline");
    let mut options = LeakOptions::default();
    let words =
        |words: &[&str]| -> Vec<String> { words.iter().map(|&word| word.to_owned()).collect() };
    options
        .ask(
            &timeline,
            &words(&["gc_count:count", "RSS:MB"]),
            &words(&["note"]),
        )
        .expect("all there");
    let roles = of(&timeline, &options);
    assert_eq!(roles.columns[0].role, Role::Judged);
    assert_eq!(roles.columns[1].unit.as_deref(), Some("MB"));
    assert_eq!(roles.columns[2].role, Role::Skipped);
    for (judge, skip, said) in [
        ("nothing:MB", "note", "there are gc_count, rss, note"),
        ("rss:miles", "note", "\"miles\" is no unit"),
        ("rss", "elapsed_min", "no column \"elapsed_min\""),
    ] {
        let error = LeakOptions::default()
            .ask(&timeline, &words(&[judge]), &words(&[skip]))
            .expect_err("not there");
        assert!(error.to_string().contains(said), "{error}");
    }
}
