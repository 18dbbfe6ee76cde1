//! What each function of a profile costs, by `go tool pprof` and by ours.

use std::collections::BTreeMap;
use std::path::Path;

use soakscope_report::{Profile, ValueType, readable_frame};
use soakscope_tests::{output_text, soakscope};

use crate::pprof;

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
pub(crate) fn agrees(file: &Path) {
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
