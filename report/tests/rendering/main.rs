//! What is drawn and written for people: well formed, safe, and complete.

#![allow(clippy::unwrap_used)]

#[path = "../support/mod.rs"]
mod support;
mod trust;

use quick_xml::Reader;
use quick_xml::events::Event as Xml;
use soakscope_report::{
    FlameOptions, Profile, ProfileBuilder, Run, RunInfo, Timeline, TopBy, flamegraph,
    flamegraph_diff, judge, leaks_text, summary_markdown, summary_text, timeline_svg, top,
};
use support::{Plan, write_run};

/// A name that would end a tag, an attribute, a table cell and a line.
const HOSTILE: &str = "a\"b'c<script>&d|e\n]]>\u{1}é";

/// The texts between the tags, if the document is well formed.
fn texts(svg: &str) -> Vec<String> {
    let mut reader = Reader::from_str(svg);
    let mut texts = Vec::new();
    let mut open = 0i32;
    loop {
        match reader
            .read_event()
            .unwrap_or_else(|error| panic!("{error} in {svg}"))
        {
            Xml::Start(tag) => {
                for attribute in tag.attributes() {
                    attribute.unwrap();
                }
                open += 1;
            }
            Xml::End(_) => open -= 1,
            Xml::Text(text) => texts.push(String::from_utf8_lossy(&text).into_owned()),
            Xml::Eof => break,
            _ => {}
        }
    }
    assert_eq!(open, 0);
    texts
}

fn svg(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

fn example() -> Run {
    let temp = tempfile::tempdir().unwrap();
    write_run(&temp.path().join("run"), Plan::default())
        .load()
        .unwrap()
}

fn one_stack(names: &[&str], value: i64) -> Profile {
    let mut builder = ProfileBuilder::cpu(0, 0, 1);
    let stack: Vec<u32> = (1..)
        .zip(names)
        .map(|(address, name)| {
            let function = builder.function(name, name, "", 0);
            builder.location(None, address, &[(function, 1)])
        })
        .collect();
    builder.sample(&stack, &[value, value * 1_000_000], Vec::new());
    builder.build()
}

#[test]
fn the_timeline_has_a_panel_for_each_group_with_units_phases_and_last_values() {
    let texts = texts(&timeline_svg(&example())).join("\n");
    for wanted in [
        "shop",
        "Memory",
        ", MB",
        "CPU",
        "Connections, descriptors, threads",
        "Tasks",
        "Requests",
        "Latency",
        ", ms",
        "db_pool_in_use",
        "warmup",
        "steady",
        "spike",
        "seconds since the start",
    ] {
        assert!(texts.contains(wanted), "{wanted} is not in\n{texts}");
    }
    // Columns that are never shown by themselves.
    assert!(!texts.contains("latency_max_ms") && !texts.contains("vms_mb"));
}

#[test]
fn a_gap_is_a_gap_in_the_line() {
    let strokes = |csv: &str| {
        let timeline = Timeline::parse(csv.as_bytes()).unwrap();
        let svg = timeline_svg(&Run::new(RunInfo::default(), timeline));
        let line = svg
            .split("<path d=\"")
            .find(|path| path.contains("stroke-width=\"1.6\""))
            .unwrap();
        line.split('"').next().unwrap().matches('M').count()
    };
    let mut whole = String::from("elapsed_s,rss_mb\n");
    let mut torn = whole.clone();
    for second in 0..60 {
        whole.push_str(&format!("{second},5\n"));
        let value = if (20..40).contains(&second) { "" } else { "5" };
        torn.push_str(&format!("{second},{value}\n"));
    }
    assert_eq!((strokes(&whole), strokes(&torn)), (1, 2));
}

#[test]
fn three_days_of_seconds_make_a_picture_of_a_few_hundred_kilobytes() {
    let mut timeline = Timeline::new(&["elapsed_s".to_owned(), "rss_mb".to_owned()]);
    for second in 0..259_200u32 {
        use soakscope_report::Cell::Number;
        let value = 100.0 + f64::from(second % 977);
        timeline.push(&[Number(f64::from(second)), Number(value)]);
    }
    let svg = timeline_svg(&Run::new(RunInfo::default(), timeline));
    assert!(svg.len() < 200_000, "{} bytes", svg.len());
    assert!(svg.contains("hours since the start"));
}

#[test]
fn names_from_outside_stay_text_everywhere() {
    let mut run = example();
    run.info.service = HOSTILE.into();
    run.info.host.name = Some(HOSTILE.into());
    let mut csv = String::from("elapsed_s,\"odd \"\"<b>|&name\",phase\n");
    for second in 0..60 {
        csv.push_str(&format!("{second},5,\"<i>&\"\n"));
    }
    run.timeline = Timeline::parse(csv.as_bytes()).unwrap();
    assert!(
        texts(&timeline_svg(&run))
            .iter()
            .any(|text| text.contains("odd "))
    );

    let options = FlameOptions {
        title: HOSTILE.into(),
        subtitle: HOSTILE.into(),
        ..FlameOptions::default()
    };
    let hostile = one_stack(&[HOSTILE, "main;with;semicolons 12"], 3);
    texts(&svg(flamegraph(&hostile, &options).unwrap()));
    texts(&svg(flamegraph_diff(&hostile, &hostile, &options).unwrap()));
    texts(&svg(flamegraph(&Profile::default(), &options).unwrap()));

    let markdown = summary_markdown(&run, &judge(&run));
    assert!(
        !markdown.contains("<script>") && !markdown.contains("<b>"),
        "{markdown}"
    );
    let rows = markdown.lines().filter(|line| line.starts_with("| odd"));
    for row in rows {
        assert_eq!(row.replace("\\|", "").matches('|').count(), 8, "{row}");
    }
}

#[test]
fn a_flame_graph_is_in_milliseconds_and_says_when_there_is_nothing() {
    let options = FlameOptions::default();
    let drawn = svg(flamegraph(&one_stack(&["leaf", "main"], 250), &options).unwrap());
    assert!(drawn.contains("leaf (250 ms, 100.00%)"), "{drawn}");
    let by_count = FlameOptions {
        value_index: Some(0),
        ..FlameOptions::default()
    };
    let drawn = svg(flamegraph(&one_stack(&["leaf", "main"], 250), &by_count).unwrap());
    assert!(drawn.contains("leaf (250 samples, 100.00%)"));
    for empty in [Profile::default(), one_stack(&["leaf"], 0)] {
        let drawn = svg(flamegraph(&empty, &options).unwrap());
        assert!(texts(&drawn).iter().any(|text| text.contains("no samples")));
        let drawn = svg(flamegraph_diff(&empty, &empty, &options).unwrap());
        assert!(texts(&drawn).iter().any(|text| text.contains("no samples")));
    }
}

#[test]
fn a_difference_compares_shares_when_asked_to() {
    let before = one_stack(&["leaf", "main"], 100);
    let mut after = before.clone();
    after.scale(3.0);
    let drawn = |normalize| {
        let options = FlameOptions {
            normalize,
            ..FlameOptions::default()
        };
        svg(flamegraph_diff(&before, &after, &options).unwrap())
    };
    assert!(drawn(false).contains("leaf (300 ms, 100.00%; +66.67%)"));
    assert!(
        drawn(true).contains("leaf (300 ms, 100.00%; 0.00%)"),
        "{}",
        drawn(true)
    );
}

#[test]
fn the_summary_says_the_verdict_first_and_leaves_nothing_out() {
    let run = example();
    let verdict = judge(&run);
    let text = summary_text(&run, &verdict);
    assert!(text.starts_with("PASS: no leak above "), "{text}");
    for wanted in [
        " could have hidden in 3 min; to see 10 MB/h run ",
        "  shop: finished, 3 min, 180 samples",
        "leaks: no leak above ",
        "rss_mb             clean",
        "spike      2.3 min      15 s",
        "profile coverage 99.3 % (60.9 of 61.3 CPU seconds)",
        "not checked against measured CPU time",
        "lost: 3 (ring full)",
    ] {
        assert!(text.contains(wanted), "{wanted} is not in\n{text}");
    }
    let markdown = summary_markdown(&run, &verdict);
    assert!(markdown.starts_with("# shop: pass\n"));
    assert!(
        markdown.contains("| whole run | 0 s | 3 min |"),
        "{markdown}"
    );
    let leaks = leaks_text(&verdict.leaks);
    assert!(
        leaks.starts_with("PASS: no leak above ")
            && leaks.contains("\n  9 series over 3 min, 180 samples\n"),
        "{leaks}"
    );
}

#[test]
fn a_graph_names_its_samples_and_says_when_they_are_few() {
    let drawn = |samples: i64| {
        let options = FlameOptions {
            title: "shop: CPU".into(),
            ..FlameOptions::default()
        };
        texts(&svg(
            flamegraph(&one_stack(&["f"], samples), &options).unwrap()
        ))
        .join("\n")
    };
    assert!(
        drawn(4_848).contains("shop: CPU, 4848 samples\n"),
        "{}",
        drawn(4_848)
    );
    assert!(drawn(37).contains("shop: CPU, only 37 samples: shares within ±16 points"));
    assert!(drawn(1).contains("only 1 sample: shares within ±98 points"));
    let (few, many) = (one_stack(&["f"], 99), one_stack(&["f"], 100));
    let options = FlameOptions::default();
    let diff = texts(&svg(flamegraph_diff(&few, &many, &options).unwrap())).join("\n");
    assert!(
        diff.contains("Flame graph, only 99 against 100 samples: "),
        "{diff}"
    );
    // What counts samples, and what does not know them, needs no number.
    let by_count = FlameOptions {
        value_index: Some(0),
        ..FlameOptions::default()
    };
    let counted = texts(&svg(flamegraph(&few, &by_count).unwrap()));
    assert!(counted.contains(&"Flame graph".to_owned()), "{counted:?}");
    let mut heap = few.clone();
    heap.sample_types[0].kind = "inuse_objects".into();
    assert!(texts(&svg(flamegraph(&heap, &options).unwrap())).contains(&"Flame graph".to_owned()));
}

/// The kernel's part of a stack is a frame without an address, like those in
/// brackets of other profilers.
#[test]
fn time_in_the_kernel_is_a_frame_of_its_own_everywhere() {
    let window = |address| {
        let mut builder = ProfileBuilder::cpu(1, 1, 1);
        let kernel = builder.function("[kernel]", "[kernel]", "", 0);
        let write = builder.function("write", "write", "", 0);
        let in_kernel = builder.location(None, 0, &[(kernel, 0)]);
        let at = builder.location(None, address, &[(write, 0)]);
        // An address of 0 that nobody knows is another place.
        let unknown = builder.location(None, 0, &[]);
        builder.sample(&[in_kernel, at], &[70, 700_000_000], Vec::new());
        builder.sample(&[at], &[20, 200_000_000], Vec::new());
        builder.sample(&[unknown, at], &[10, 100_000_000], Vec::new());
        builder.build().encode()
    };
    let mut merger = soakscope_report::Merger::new();
    for address in [7, 9] {
        let window = Profile::decode(&window(address)).unwrap();
        merger.add(&window).unwrap();
    }
    let profile = merger.finish();
    let rows = top(&profile, 0, TopBy::Own);
    let of = |name: &str| rows.iter().find(|row| row.name == name).unwrap();
    assert_eq!((of("[kernel]").own, of("[kernel]").cumulative), (140, 140));
    assert_eq!((of("write").own, of("write").cumulative), (40, 200));
    assert_eq!((of("0x0").own, rows.len()), (20, 3));
    let by_line = top(&profile, 0, TopBy::Line);
    assert_eq!(
        (by_line[0].name.as_str(), by_line[0].place.as_str()),
        ("[kernel]", "")
    );
    assert!(
        profile.collapsed(0).contains("write;[kernel] 140\n"),
        "{}",
        profile.collapsed(0)
    );
    let json = soakscope_report::speedscope(&profile, 1, "CPU");
    assert!(json.contains("{\"name\":\"[kernel]\"}"), "{json}");
    let drawn = svg(flamegraph(&profile, &FlameOptions::default()).unwrap());
    assert!(drawn.contains(", 70.00% ± 6.35)</title>"), "{drawn}");
    assert!(drawn.contains("<title>[kernel] ("), "{drawn}");
}

#[test]
fn speedscope_gets_a_profile_per_thread_and_marks_what_was_cut() {
    let mut builder = ProfileBuilder::cpu(0, 0, 1);
    let function = builder.function(HOSTILE, "raw", "src/main.rs", 0);
    let leaf = builder.location(None, 1, &[(function, 7)]);
    let label = |key, value| soakscope_report::Label::text(key, value);
    builder.sample(&[leaf], &[1, 10], vec![label("thread", "worker")]);
    let cut = vec![label("thread", "main"), label("truncated", "true")];
    builder.sample(&[leaf, leaf], &[3, 30], cut);
    let profile = builder.build();
    let json = soakscope_report::speedscope(&profile, 1, "CPU");
    let file: serde_json::Value = serde_json::from_str(&json).unwrap();
    let [main, worker] = [&file["profiles"][0], &file["profiles"][1]];
    assert_eq!(
        (&main["name"], &worker["name"]),
        (&"main".into(), &"worker".into())
    );
    assert_eq!(
        (&main["endValue"], &main["unit"]),
        (&30.into(), &"nanoseconds".into())
    );
    let frame =
        |index: &serde_json::Value| &file["shared"]["frames"][index.as_u64().unwrap() as usize];
    let stack = main["samples"][0].as_array().unwrap();
    assert_eq!(stack.len(), 3, "recursion is not merged: {json}");
    assert_eq!(frame(&stack[0])["name"], "[truncated]");
    assert_eq!(frame(&stack[1])["name"], HOSTILE);
    assert_eq!(
        (&frame(&stack[1])["file"], &frame(&stack[1])["line"]),
        (&"src/main.rs".into(), &7.into())
    );
    assert!(
        profile.collapsed(0).contains("[truncated];"),
        "{}",
        profile.collapsed(0)
    );
}

#[test]
fn sealing_shows_what_changed_and_what_the_profile_can_be_trusted_for() {
    let temp = tempfile::tempdir().unwrap();
    let dir = write_run(&temp.path().join("run"), Plan::default());
    soakscope_report::seal(&dir).unwrap();
    let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
    let diff = texts(&read("flamegraph-diff.svg")).join("\n");
    assert!(
        diff.contains("first quarter of the run against the last"),
        "{diff}"
    );
    let whole = texts(&read("flamegraph.svg")).join("\n");
    assert!(whole.contains("clock perf; 99.3 %"), "{whole}");
}
