//! Names from outside that were made to harm whoever looks at them: on a
//! terminal, in a picture, in Markdown, in a spreadsheet.

#![allow(clippy::unwrap_used)]

#[path = "support/harmless.rs"]
mod harmless;
#[path = "../benches/leaks/random.rs"]
#[allow(dead_code)]
mod random;
mod support;

use harmless::{assert_harmless, toml_key};
use quick_xml::Reader;
use quick_xml::events::Event as Xml;
use random::Random;
use soakscope_report::{
    Cell, FlameOptions, Label, Profile, ProfileBuilder, Run, RunInfo, Timeline, TimelineWriter,
    flamegraph, flamegraph_diff, judge, leaks_text, speedscope, summary_markdown, summary_text,
    timeline_svg, verdict_json,
};
use support::{Plan, write_run};

/// What a terminal obeys, what turns or hides text, and what ends a cell, a
/// frame, a tag or a line.
const PARTS: [&str; 40] = [
    "\u{1b}[2J",
    "\u{1b}]0;x\u{7}",
    "\u{9b}31m",
    "\u{90}",
    "\r\n",
    "\n",
    "\t",
    "\0",
    "\u{7f}",
    "\u{202e}",
    "\u{2066}",
    "\u{200b}",
    "\u{200d}",
    "\u{feff}",
    "\u{ad}",
    "\u{2028}",
    "\u{e0041}",
    "\u{fffe}",
    "<script>",
    "</text>",
    "]]>",
    "&lt;",
    "&",
    "\"",
    "'",
    "|",
    "`",
    "](javascript:x)",
    "[",
    "*",
    "\\",
    ";",
    " 12",
    " 1e5",
    "=1+1",
    "+x",
    "-x",
    "@x",
    "é",
    "a",
];

impl Random {
    fn name(&mut self) -> String {
        let length = 1 + self.next() % 6;
        (0..length)
            .map(|_| PARTS[(self.next() % PARTS.len() as u64) as usize])
            .collect()
    }
}

fn assert_well_formed(what: &str, svg: &str) {
    assert_harmless(what, svg);
    let mut reader = Reader::from_str(svg);
    loop {
        match reader.read_event() {
            Ok(Xml::Start(tag) | Xml::Empty(tag)) => {
                for attribute in tag.attributes() {
                    attribute.unwrap_or_else(|error| panic!("{what}: {error}"));
                }
            }
            Ok(Xml::Eof) => return,
            Ok(_) => {}
            Err(error) => panic!("{what}: {error} in {svg}"),
        }
    }
}

fn hostile_profile(random: &mut Random) -> Profile {
    let mut builder = ProfileBuilder::cpu(0, 0, 1);
    for address in 1..6 {
        let (name, file) = (random.name(), random.name());
        let function = builder.function(&name, &name, &file, 0);
        let at = builder.location(None, address, &[(function, 1)]);
        let mapping = builder.mapping(soakscope_report::Mapping {
            path: random.name(),
            ..Default::default()
        });
        let nameless = builder.location(Some(mapping), 1, &[]);
        let labels = vec![
            Label::text("thread", &random.name()),
            Label::text("span", &random.name()),
        ];
        builder.sample(&[at, nameless], &[3, 3_000_000], labels);
    }
    builder.build()
}

fn hostile_run(random: &mut Random) -> Run {
    let temp = tempfile::tempdir().unwrap();
    let dir = write_run(&temp.path().join("run"), Plan::default());
    let columns: Vec<String> = ["elapsed_s".to_owned(), "rss_mb".to_owned()]
        .into_iter()
        .chain((0..3).map(|_| random.name()))
        .chain(["phase".to_owned()])
        .collect();
    let mut timeline = Timeline::new(&columns);
    let phases = [random.name(), random.name()];
    for second in 0..120_u32 {
        let mut cells = vec![Cell::Number(f64::from(second)), Cell::Number(50.0)];
        cells.extend((0..3).map(|_| Cell::Number(f64::from(second) * 3.0)));
        cells.push(Cell::Text(phases[usize::from(second > 60)].clone()));
        timeline.push(&cells);
    }
    let mut spans = String::from("elapsed_min,span,count,kind\n");
    let mut events = String::new();
    for _ in 0..6 {
        let writer =
            TimelineWriter::new(&["elapsed_min", "span", "count", "kind"].map(str::to_owned));
        spans += &writer.row(&[
            Cell::Number(1.0),
            Cell::Text(random.name()),
            Cell::Number(4.0),
            Cell::Text(random.name()),
        ]);
        for kind in ["n_plus_one", "slow_span"] {
            let event = serde_json::json!({
                "kind": kind, "route": random.name(), "span": random.name(),
                "statement": random.name(), "location": random.name(),
                "count": 7, "requests": 2, "total_ms": 4, "took_ms": 9,
            });
            events += &format!("{event}\n");
        }
    }
    std::fs::write(dir.path().join("spans.csv"), spans).unwrap();
    std::fs::write(dir.path().join("events.jsonl"), events).unwrap();
    let budgets = format!(
        "[span.{}]\np99_ms = 5\n[phase.{}.process]\nrss_mb = 1\n[tracked]\n{} = 1\n",
        toml_key(&random.name()),
        toml_key(&random.name()),
        toml_key(&random.name()),
    );
    std::fs::write(dir.path().join("budgets.toml"), budgets).unwrap();
    let mut run = dir.load().unwrap();
    run.timeline = timeline;
    run.info = RunInfo {
        service: random.name(),
        version: Some(random.name()),
        git_rev: Some(random.name()),
        ..run.info
    };
    run.info.host.name = Some(random.name());
    if let Some(trust) = &mut run.info.trust {
        trust.cpu_clock = Some(random.name());
        trust.drops.insert(random.name(), 3);
    }
    run.notes.push(random.name());
    run.files.push(random.name().into());
    run
}

#[test]
fn nothing_that_a_name_holds_reaches_who_looks_at_it() {
    for seed in 0..60 {
        let random = &mut Random::new(seed);
        let run = hostile_run(random);
        let verdict = judge(&run);
        let text = summary_text(&run, &verdict);
        assert_harmless("the summary", &text);
        assert_harmless("the leaks", &leaks_text(&verdict.leaks));
        let json = verdict_json(&verdict);
        assert_harmless("verdict.json", &json);
        let document: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(
            document["service"],
            run.info.service.as_str(),
            "whole in JSON"
        );
        assert_well_formed("the timeline", &timeline_svg(&run));
        let markdown = summary_markdown(&run, &verdict);
        assert_harmless("the Markdown", &markdown);
        assert!(!markdown.contains('<'), "{markdown}");
        // Every row of a table has as many cells as its rule.
        let cells = |line: &str| {
            line.replace("\\\\", "")
                .replace("\\|", "")
                .matches('|')
                .count()
        };
        let mut width = 0;
        for line in markdown.lines() {
            if line.starts_with("| ") || line.starts_with("|-") {
                assert!(width == 0 || cells(line) == width, "{line}");
                width = cells(line);
            } else {
                width = 0;
            }
        }

        let profile = hostile_profile(random);
        let options = FlameOptions {
            title: random.name(),
            subtitle: random.name(),
            unit: Some(random.name()),
            ..FlameOptions::default()
        };
        for svg in [
            flamegraph(&profile, &options),
            flamegraph_diff(&profile, &profile, &options),
            flamegraph(&Profile::default(), &options),
        ] {
            assert_well_formed("a flame graph", &String::from_utf8(svg.unwrap()).unwrap());
        }
        let collapsed = profile.collapsed(1);
        assert_harmless("the stacks", &collapsed);
        for line in collapsed.lines() {
            let (stack, count) = line.rsplit_once(' ').unwrap();
            assert!(count.parse::<i64>().is_ok(), "{line:?}");
            assert_eq!(stack.split(';').count(), 2, "{line:?}");
            let last = stack.rsplit(' ').next().unwrap();
            let one_count = last == stack || last.parse::<f64>().is_err();
            assert!(one_count, "a name that reads as a count: {line:?}");
        }
        let json = speedscope(&profile, 1, &random.name());
        assert_harmless("speedscope's JSON", &json);
        serde_json::from_str::<serde_json::Value>(&json).unwrap();
    }
}

#[test]
fn what_a_spreadsheet_would_run_is_marked_and_comes_back_as_it_was() {
    for seed in 0..500 {
        let random = &mut Random::new(seed);
        // What a CSV of one line a row keeps of a name: no white space around it.
        let name = |random: &mut Random| {
            let name = random.name().replace(['\n', '\r'], " ");
            let name = name.replace('\0', "\u{fffd}");
            format!(
                "{}{}",
                ["=", "+", "-", "@", "\t", "'", ""][(random.next() % 7) as usize],
                name
            )
            .trim_matches(' ')
            .trim_end_matches('\t')
            .to_owned()
        };
        let (series, phase) = (name(random), format!("{}.", name(random)));
        let columns = [
            "elapsed_min".to_owned(),
            "phase".to_owned(),
            format!("{series}_mb"),
        ];
        let writer = TimelineWriter::new(&columns);
        let row = writer.row(&[
            Cell::Number(1.0),
            Cell::Text(phase.clone()),
            Cell::Number(-5.0),
        ]);
        let text = writer.header() + &row;
        let mut reader = csv_cells(&text);
        for cell in reader.drain(..) {
            let runs = cell.starts_with(['=', '+', '@', '\t', '\r'])
                || cell.starts_with('-') && cell.parse::<f64>().is_err();
            assert!(!runs, "{cell:?} of {text:?}");
        }
        let timeline = Timeline::parse(text.as_bytes()).unwrap();
        assert_eq!(
            timeline.text("phase").unwrap().get(0),
            Some(phase.as_str()),
            "{text:?}"
        );
        assert_eq!(timeline.columns()[2], columns[2], "{text:?}");
    }
}

/// The cells of a CSV as a spreadsheet sees them.
fn csv_cells(text: &str) -> Vec<String> {
    let (mut cells, mut cell, mut quoted) = (Vec::new(), String::new(), false);
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '"' if quoted && rest.peek() == Some(&'"') => {
                cell.push('"');
                rest.next();
            }
            '"' => quoted = !quoted,
            ',' | '\n' if !quoted => cells.push(std::mem::take(&mut cell)),
            c => cell.push(c),
        }
    }
    cells
}
