//! Profiles against `go tool pprof`: what it makes of ours, and what we make of
//! those that it reads.

use std::collections::BTreeMap;
use std::path::Path;

use soakscope_report::{Label, Mapping, Profile, ProfileBuilder, ValueType, readable_frame};
use soakscope_tests::{Subject, output_text, scratch, soakscope, tool};

const SUBJECT: &str = env!("CARGO_BIN_EXE_subject");

fn pprof(arguments: &[&str]) -> String {
    let output = tool("go")
        .args(["tool", "pprof"])
        .args(arguments)
        .env("PPROF_TMPDIR", std::env::temp_dir())
        .output()
        .expect("go runs");
    assert!(output.status.success(), "{}", output_text(&output));
    output_text(&output)
}

/// Profiles of a run whose path contains this, oldest first.
fn files(subject: &Subject, part: &str) -> Vec<String> {
    let mut paths: Vec<String> = std::fs::read_dir(subject.run.join("profiles"))
        .expect("profiles")
        .map(|entry| entry.expect("entry").path().display().to_string())
        .filter(|path| path.contains(part))
        .collect();
    paths.sort();
    paths
}

/// Seconds in the `cum` column of the named function in `pprof -top`.
fn cumulative_seconds(top: &str, function: &str) -> f64 {
    let line = top
        .lines()
        .find(|line| line.contains(function))
        .unwrap_or_else(|| panic!("{function} is not in\n{top}"));
    let seconds = line.split_whitespace().nth(3).expect("a cum column");
    match seconds.strip_suffix("ms") {
        Some(ms) => ms.parse::<f64>().expect("ms") / 1_000.0,
        None => seconds.trim_end_matches('s').parse().expect("seconds"),
    }
}

#[test]
fn it_reads_the_profiles_of_a_run() {
    let scratch = scratch();
    let mut subject = Subject::start(SUBJECT, &scratch.path().join("run"), &[]);
    soakscope_tests::post(&subject.address, "/phase/busy");
    subject.ask("burn 2000");
    subject.ask("finish");
    let windows = files(&subject, "/cpu-");
    let windows: Vec<&str> = windows.iter().map(String::as_str).collect();
    let mut arguments = vec!["-top", "-sample_index=cpu"];
    arguments.extend(&windows);
    let top = pprof(&arguments);
    assert!(top.contains("Type: cpu"), "{top}");
    let seconds = cumulative_seconds(&top, "burn_in_subject");
    assert!(
        (1.6..2.4).contains(&seconds),
        "two seconds were burned:\n{top}"
    );
    let mut peek = vec!["-peek=burn_in_subject", "-sample_index=cpu"];
    peek.extend(&windows);
    assert!(pprof(&peek).contains("subject::main"), "callers are known");
    let whole = subject.run.join("cpu.pb.gz");
    let whole = whole.to_str().expect("text");
    let list = pprof(&["-list=burn_in_subject", "-sample_index=cpu", whole]);
    assert!(
        list.contains("subject.rs") && list.contains("black_box"),
        "the whole run's profile has source lines:\n{list}"
    );
    let none = pprof(&["-top", "-sample_index=cpu", "-diff_base", whole, whole]);
    assert!(
        none.contains("accounting for 0,"),
        "a profile less itself is nothing:\n{none}"
    );
    let mut by_phase = vec!["-top", "-tagfocus=phase=busy"];
    by_phase.extend(&windows);
    assert!(
        pprof(&by_phase).contains("burn_in_subject"),
        "samples know their phase"
    );
}

#[test]
fn it_reads_a_profile_over_http() {
    let scratch = scratch();
    let mut subject = Subject::start(SUBJECT, &scratch.path().join("run"), &[]);
    let url = format!("http://{}/debug/pprof/profile?seconds=2", subject.address);
    let reading = std::thread::spawn(move || pprof(&["-top", "-sample_index=cpu", &url]));
    while !reading.is_finished() {
        subject.ask("burn 100");
    }
    let top = reading.join().expect("no panic");
    let seconds = cumulative_seconds(&top, "burn_in_subject");
    assert!(seconds > 0.1, "it was busy all the time:\n{top}");
}

/// Megabytes in the `cum` column of the named function in `pprof -top`.
fn cumulative_mb(top: &str, function: &str) -> f64 {
    let line = top
        .lines()
        .find(|line| line.contains(function))
        .unwrap_or_else(|| panic!("{function} is not in\n{top}"));
    let text = line.split_whitespace().nth(3).expect("a cum column");
    let split = text.find(|c: char| c.is_ascii_alphabetic());
    let (number, unit) = text.split_at(split.unwrap_or(text.len()));
    let number: f64 = number.parse().expect("a number");
    match unit {
        "MB" => number,
        "kB" => number / 1024.0,
        "GB" => number * 1024.0,
        _ => number / (1024.0 * 1024.0),
    }
}

#[test]
fn it_reads_heap_profiles() {
    let scratch = scratch();
    let often = [("SOAKSCOPE_HEAP_INTERVAL", "16384")];
    let mut subject = Subject::start(SUBJECT, &scratch.path().join("run"), &often);
    // More than a thread allocates before it looks at its interval again.
    subject.ask("hold 8192");
    subject.ask("hold 16384");
    let url = |what: &str| format!("http://{}/debug/pprof/{what}", subject.address);
    let (heap, allocs) = (url("heap"), url("allocs"));
    let delta = url("heap?seconds=2");
    for (url, default) in [(&heap, "inuse_space"), (&allocs, "alloc_space")] {
        let top = pprof(&["-top", url]);
        assert!(top.contains(&format!("Type: {default}")), "{top}");
        let mb = cumulative_mb(&top, "hold_in_subject");
        assert!((18.0..30.0).contains(&mb), "24 MB are held:\n{top}");
        let leaf = top.lines().find(|line| line.contains("HeapProfiler"));
        assert_eq!(leaf, None, "the profiler's own frames are left out");
    }
    for kind in [
        "alloc_objects",
        "alloc_space",
        "inuse_objects",
        "inuse_space",
    ] {
        let top = pprof(&["-top", &format!("-sample_index={kind}"), &heap]);
        assert!(top.contains("hold_in_subject"), "{kind}:\n{top}");
    }
    let reading = std::thread::spawn(move || pprof(&["-top", &delta]));
    while !reading.is_finished() {
        subject.ask("hold 512");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let top = reading.join().expect("no panic");
    let mb = cumulative_mb(&top, "hold_in_subject");
    assert!((1.0..60.0).contains(&mb), "half a MB every moment:\n{top}");
    subject.ask("finish");
    let profiles = files(&subject, "/heap-");
    let last = profiles.last().expect("one at the end");
    let top = pprof(&["-top", last]);
    assert!(cumulative_mb(&top, "hold_in_subject") > 24.0, "{top}");
    let svg = std::fs::read_to_string(subject.run.join("heap.svg")).expect("a picture");
    assert!(svg.contains("hold_in_subject"));
}

/// The megabytes of each value of a key that `pprof -tags` lists.
fn tagged_mb(tags: &str, key: &str) -> Vec<(String, f64)> {
    let lines = tags.lines().map(str::trim);
    lines
        .skip_while(|line| !line.starts_with(&format!("{key}: ")))
        .skip(1)
        .take_while(|line| !line.is_empty())
        .map(|line| {
            let (mb, value) = line.split_once("MB (").expect("an amount");
            let (_, value) = value.split_once("): ").expect("a value");
            (value.to_owned(), mb.parse().expect("megabytes"))
        })
        .collect()
}

#[test]
fn heap_profiles_know_thread_phase_and_span() {
    let scratch = scratch();
    let often = [("SOAKSCOPE_HEAP_INTERVAL", "16384")];
    let mut subject = Subject::start(SUBJECT, &scratch.path().join("run"), &often);
    // More than a thread allocates before it looks at its interval again.
    subject.ask("hold 8192");
    for (phase, thread) in [("warm", "first-holder"), ("busy", "second-holder")] {
        soakscope_tests::post(&subject.address, &format!("/phase/{phase}"));
        subject.ask(&format!("hold-in {thread}"));
    }
    let url = |what: &str| format!("http://{}/debug/pprof/{what}", subject.address);
    let (heap, allocs) = (url("heap"), url("allocs"));
    let read = |profile: &str| {
        let focus = "-focus=hold_in_subject";
        let tags = pprof(&["-tags", "-unit=MB", focus, profile]);
        for (key, values) in [
            ("phase", ["warm", "busy"]),
            ("thread", ["first-holder", "second-holder"]),
            ("span", ["holding", "holding"]),
        ] {
            let found = tagged_mb(&tags, key);
            for value in values {
                let mb = found.iter().find(|(name, _)| name == value);
                let mb = mb.unwrap_or_else(|| panic!("no {key} {value}:\n{tags}")).1;
                let held = if key == "span" { 16.0 } else { 8.0 };
                assert!((held * 0.8..held * 1.3).contains(&mb), "{key}:\n{tags}");
            }
        }
    };
    read(&heap);
    read(&allocs);
    subject.ask("finish");
    let last = files(&subject, "/heap-").pop().expect("one at the end");
    read(&last);
    let both = ["-tagfocus=thread=first-holder", "-tagignore=phase=warm"];
    let none = pprof(&["-top", both[0], both[1], &last]);
    assert!(
        none.contains("accounting for 0,"),
        "they go together:\n{none}"
    );
}

/// What each function costs, itself and with what it calls; functions without a
/// name are one.
type Costs = BTreeMap<String, (i64, i64)>;

const NAMELESS: &str = "<nameless>";

fn add(costs: &mut Costs, name: &str, own: i64, cumulative: i64) {
    let (sum, all) = costs.entry(name.to_owned()).or_default();
    *sum += own;
    // Of several without a name those of one stack would count twice.
    *all += if name == NAMELESS { 0 } else { cumulative };
}

/// The sum of each value by the samples that `-raw` lists.
fn raw_totals(file: &str) -> Vec<i64> {
    let raw = pprof(&["-raw", "-symbolize=none", file]);
    let samples = raw.lines().skip_while(|line| *line != "Samples:").skip(2);
    let mut totals: Vec<i64> = Vec::new();
    for line in samples.take_while(|line| *line != "Locations") {
        let Some((values, _)) = line.split_once(':') else {
            continue;
        };
        let values: Result<Vec<i64>, _> = values.split_whitespace().map(str::parse).collect();
        // Labels are listed on lines of their own.
        let Ok(values) = values else { continue };
        totals.resize(values.len(), 0);
        for (total, value) in totals.iter_mut().zip(values) {
            *total += value;
        }
    }
    totals
}

/// The functions that `-top` lists, with values in the profile's own unit.
fn go_costs(file: &str, value_type: &ValueType) -> Costs {
    let index = format!("-sample_index={}", value_type.kind);
    let unit = format!("-unit={}", value_type.unit);
    let whole = ["-nodecount=0", "-nodefraction=0", "-edgefraction=0"];
    let top = pprof(
        &[
            &["-top", "-symbolize=none", &index, &unit],
            &whole[..],
            &[file],
        ]
        .concat(),
    );
    let rows = top
        .lines()
        .skip_while(|line| !line.trim_start().starts_with("flat"));
    let mut costs = Costs::new();
    for row in rows.skip(1) {
        // flat, flat%, sum%, cum, cum% and the name.
        let words: Vec<&str> = row.split_whitespace().collect();
        let number = |place: usize| -> i64 {
            let word = words[place].trim_end_matches(|c: char| c.is_ascii_alphabetic());
            word.parse().unwrap_or_else(|_| panic!("{row}"))
        };
        let (own, cumulative) = (number(0), number(3));
        let name = words[5..].join(" ");
        let name = name
            .trim_end_matches(" (inline)")
            .trim_end_matches(" (partial-inline)");
        let nameless = name.starts_with(['[', '0']) || name == "<unknown>";
        let shown = readable_frame(name, "", "");
        add(
            &mut costs,
            if nameless { NAMELESS } else { &shown },
            own,
            cumulative,
        );
    }
    costs.retain(|_, cost| *cost != (0, 0));
    costs
}

fn our_costs(file: &str, value_type: &ValueType) -> (i64, Costs) {
    let kind = format!("{}/{}", value_type.kind, value_type.unit);
    let output = soakscope()
        .args(["top", file, "--json", "-n", "100000", "--type", &kind])
        .output()
        .expect("soakscope runs");
    assert!(output.status.success(), "{}", output_text(&output));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let mut costs = Costs::new();
    for entry in json["entries"].as_array().expect("entries") {
        let name = entry["name"].as_str().expect("a name");
        let nameless = name.contains("+0x") || name.starts_with("0x") || name == "<no stack>";
        let number = |key: &str| entry[key].as_i64().expect("a number");
        let name = if nameless { NAMELESS } else { name };
        add(&mut costs, name, number("self"), number("cumulative"));
    }
    costs.retain(|_, cost| *cost != (0, 0));
    (json["total"].as_i64().expect("a total"), costs)
}

/// Every total and every function of a profile, by both.
fn agrees(file: &Path) {
    let path = file.to_str().expect("text");
    let bytes = std::fs::read(file).expect("a profile");
    let profile = Profile::decode(&bytes).expect("one that is read");
    let totals = raw_totals(path);
    assert_eq!(totals.len(), profile.sample_types.len(), "{path}");
    for (value_type, total) in profile.sample_types.iter().zip(totals) {
        let (ours, costs) = our_costs(path, value_type);
        assert_eq!(ours, total, "{path} {value_type:?}");
        assert_eq!(costs, go_costs(path, value_type), "{path} {value_type:?}");
    }
}

/// A profile of many stacks: recursion, inlined functions, names in two files,
/// locations without a function, values below 0, frames that are dropped.
fn drawn(seed: u64) -> Profile {
    let mut state = seed;
    let mut random = move |end: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % end
    };
    let types = [
        ("objects", "count"),
        ("delay", "nanoseconds"),
        ("space", "bytes"),
    ];
    let types = types
        .map(|(kind, unit)| ValueType::new(kind, unit))
        .to_vec();
    let mut builder = ProfileBuilder::new(types, ValueType::new("space", "bytes"), 512);
    let mapping = builder.mapping(Mapping {
        start: 0x40_0000,
        limit: 0x80_0000,
        path: "/srv/shop".into(),
        has_functions: true,
        ..Mapping::default()
    });
    let names = [
        "main",
        "f(char[10])",
        "f(char[20])",
        "ns::Cls::operator<<(int)",
        "main.(*T[...]).g",
        "a.b$1.<init>",
        "g<int>",
        "g<long>",
        "std::vector<int, std::allocator<int> >::push_back(int const&)",
        "<module>",
        "drop_me",
        "kept",
    ];
    let functions: Vec<u32> = names
        .iter()
        .map(|name| builder.function(name, name, "a.cc", 1))
        .collect();
    let locations: Vec<u32> = (0..60)
        .map(|number| {
            let lines: Vec<(u32, u32)> = (0..random(4))
                .map(|_| {
                    (
                        functions[random(names.len() as u64) as usize],
                        1 + random(9) as u32,
                    )
                })
                .collect();
            builder.location(Some(mapping), 0x40_0000 + 16 * number, &lines)
        })
        .collect();
    for _ in 0..400 {
        let stack: Vec<u32> = (0..1 + random(12))
            .map(|_| locations[random(60) as usize])
            .collect();
        let sign = if seed % 2 == 1 && random(3) == 0 {
            -1
        } else {
            1
        };
        let value = sign * random(1_000_000) as i64;
        let labels = vec![
            Label::text("thread", "w"),
            Label::number("bytes", random(3) as i64, "bytes"),
        ];
        builder.sample(&stack, &[value % 7, value, value * 4096], labels);
    }
    let mut profile = builder.build();
    if seed > 1 {
        profile.drop_frames = "drop_.*|kept".into();
        profile.keep_frames = "kept".into();
    }
    profile
}

#[test]
fn totals_and_functions_are_those_of_go_tool_pprof() {
    let scratch = scratch();
    for seed in 0..4 {
        let file = scratch.path().join(format!("drawn-{seed}.pb.gz"));
        std::fs::write(&file, drawn(seed).encode()).expect("written");
        agrees(&file);
    }
}

const GO_PROGRAM: &str = r#"
package main

import (
	"context"
	"os"
	"runtime"
	"runtime/pprof"
	"time"
)

var kept [][]byte
var sink int

//go:noinline
func burn(n int) { for i := 0; i < n; i++ { sink += i ^ n } }

//go:noinline
func hold(n int) { for i := 0; i < n; i++ { kept = append(kept, make([]byte, 10000+i)) } }

func write(name, path string) {
	file, err := os.Create(path)
	if err != nil { panic(err) }
	defer file.Close()
	if err := pprof.Lookup(name).WriteTo(file, 0); err != nil { panic(err) }
}

func main() {
	runtime.MemProfileRate = 1
	file, err := os.Create(os.Args[1])
	if err != nil { panic(err) }
	if err := pprof.StartCPUProfile(file); err != nil { panic(err) }
	pprof.Do(context.Background(), pprof.Labels("step", "first"), func(context.Context) {
		for begin := time.Now(); time.Since(begin) < 400*time.Millisecond; { burn(100000) }
	})
	pprof.StopCPUProfile()
	file.Close()
	hold(500)
	runtime.GC()
	write("heap", os.Args[2])
	write("goroutine", os.Args[3])
}
"#;

/// Profiles of a Go program, as its own runtime writes them.
#[test]
fn a_go_program_s_profiles_are_read_as_go_reads_them() {
    let scratch = scratch();
    let path = |name: &str| scratch.path().join(name);
    std::fs::write(path("main.go"), GO_PROGRAM).expect("written");
    let built = tool("go")
        .args(["build", "-o", "program", "main.go"])
        .current_dir(scratch.path())
        .env("GO111MODULE", "off")
        .env("GOCACHE", Path::new(env!("CARGO_TARGET_TMPDIR")).join("go"))
        .output()
        .expect("go runs");
    assert!(built.status.success(), "{}", output_text(&built));
    let ran = std::process::Command::new(path("program"))
        .args(["cpu.pb.gz", "heap.pb.gz", "goroutine.pb.gz"])
        .current_dir(scratch.path())
        .output()
        .expect("it runs");
    assert!(ran.status.success(), "{}", output_text(&ran));
    for name in ["cpu.pb.gz", "heap.pb.gz", "goroutine.pb.gz"] {
        agrees(&path(name));
    }
    let top = |arguments: &[&str]| {
        let output = soakscope()
            .arg("top")
            .args(arguments)
            .output()
            .expect("soakscope runs");
        assert!(output.status.success(), "{}", output_text(&output));
        output_text(&output)
    };
    let (cpu, heap) = (path("cpu.pb.gz"), path("heap.pb.gz"));
    let (cpu, heap) = (cpu.to_str().expect("text"), heap.to_str().expect("text"));
    let burned = top(&[cpu, "--label", "step=first"]);
    assert!(burned.contains("main.burn"), "{burned}");
    let held = top(&[heap]);
    assert!(
        held.contains("inuse_space in all") && held.contains("main.hold"),
        "{held}"
    );
    assert!(top(&[cpu, "--by", "line"]).contains("main.go:"), "lines");
}
