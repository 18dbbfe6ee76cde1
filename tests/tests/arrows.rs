//! The arrows between the crates, as `cargo metadata` lists them.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

fn metadata() -> Value {
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--no-deps",
            "--offline",
        ])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .output()
        .expect("cargo runs");
    serde_json::from_slice(&output.stdout).expect("metadata is JSON")
}

/// What a crate's library is built with.
fn dependencies(metadata: &Value, name: &str) -> BTreeSet<String> {
    let packages = metadata["packages"].as_array().expect("packages");
    let package = packages
        .iter()
        .find(|package| package["name"] == name)
        .unwrap_or_else(|| panic!("no crate {name}"));
    package["dependencies"]
        .as_array()
        .expect("dependencies")
        .iter()
        .filter(|dependency| dependency["kind"].is_null())
        .map(|dependency| dependency["name"].as_str().expect("a name").to_owned())
        .collect()
}

#[test]
fn the_agent_points_at_both_and_they_never_meet() {
    let metadata = metadata();
    let agent = dependencies(&metadata, "soakscope");
    assert!(agent.contains("soakscope-sampler") && agent.contains("soakscope-report"));
    for (crate_name, never) in [
        ("soakscope-sampler", ["soakscope", "soakscope-report"]),
        ("soakscope-report", ["soakscope", "soakscope-sampler"]),
        ("soakscope-cli", ["soakscope", "soakscope-sampler"]),
    ] {
        let dependencies = dependencies(&metadata, crate_name);
        for other in never {
            assert!(
                !dependencies.contains(other),
                "{crate_name} points at {other}"
            );
        }
    }
}

#[test]
fn the_report_stays_pure() {
    let report = dependencies(&metadata(), "soakscope-report");
    for impure in [
        "tokio", "libc", "sysinfo", "hyper", "axum", "metrics", "tracing", "clap",
    ] {
        assert!(!report.contains(impure), "report points at {impure}");
    }
}

#[test]
fn every_prescribed_crate_is_used() {
    let metadata = metadata();
    let used: BTreeSet<String> = ["soakscope", "soakscope-sampler", "soakscope-report"]
        .iter()
        .flat_map(|name| dependencies(&metadata, name))
        .collect();
    for prescribed in [
        "pprof",
        "sysinfo",
        "tracing",
        "tracing-subscriber",
        "tokio",
        "inferno",
        "metrics",
        "metrics-exporter-prometheus",
    ] {
        assert!(used.contains(prescribed), "{prescribed} is not used");
    }
}

/// What crates.io and docs.rs show of a crate, and what they refuse one for.
#[test]
fn published_crates_are_described_and_depend_by_version() {
    let metadata = metadata();
    let mut published = BTreeSet::new();
    for package in metadata["packages"].as_array().expect("packages") {
        let name = package["name"].as_str().expect("a name");
        if package["publish"] == serde_json::json!([]) {
            continue;
        }
        published.insert(name);
        for text in [
            "description",
            "license",
            "repository",
            "readme",
            "rust_version",
        ] {
            assert!(package[text].is_string(), "{name} has no {text}");
        }
        let count = |what: &str| package[what].as_array().map_or(0, Vec::len);
        for list in ["keywords", "categories"] {
            assert!((1..=5).contains(&count(list)), "{name}: {list}");
        }
        for dependency in package["dependencies"].as_array().expect("dependencies") {
            // One of tests alone is left out of what is published.
            let needed = dependency["kind"] != "dev";
            assert!(
                !needed || dependency["req"] != "*",
                "{name} has {} without a version",
                dependency["name"]
            );
        }
    }
    let expected = [
        "soakscope",
        "soakscope-cli",
        "soakscope-report",
        "soakscope-sampler",
    ];
    assert_eq!(published, BTreeSet::from(expected));
}

/// Every file that the page on the architecture names is there. In a row of a
/// table a name alone is a file beside the one before it.
#[test]
fn the_architecture_names_files_that_are_there() {
    let root = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let page = std::fs::read_to_string(root.join("docs/ARCHITECTURE.md")).expect("a page");
    let (mut seen, mut missing) = (0, Vec::new());
    for line in page.lines() {
        let mut beside = root.to_owned();
        for name in line.split('`').skip(1).step_by(2) {
            let is_file = name.ends_with(".rs") || name.ends_with('/');
            let path = match name.contains('/') {
                true => root.join(name),
                false if is_file => beside.join(name),
                false => continue,
            };
            // `/metrics` and the like are routes.
            if name.starts_with('/') {
                continue;
            }
            seen += 1;
            if !path.exists() {
                missing.push(path.display().to_string());
            }
            beside = path.parent().expect("a directory").to_owned();
        }
    }
    assert!(seen > 60, "{seen}");
    assert!(missing.is_empty(), "{missing:#?}");
}
