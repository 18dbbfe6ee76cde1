//! Every dependency comes from crates.io, under a licence that `deny.toml`
//! allows, and once, or there is a reason why not.
//!
//! `cargo deny check` asks the same and more; this needs no tool.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(ROOT);
    cargo
}

/// All packages of the tree on this platform.
fn packages() -> Vec<Value> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = Command::new(rustc).arg("-vV").output().expect("rustc runs");
    let version = String::from_utf8(version.stdout).expect("text");
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    let output = cargo()
        .args(["metadata", "--format-version", "1", "--locked", "--offline"])
        .args(["--filter-platform", host.expect("a host")])
        .output()
        .expect("cargo runs");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("metadata is JSON");
    metadata["packages"].as_array().expect("packages").clone()
}

fn deny() -> toml::Table {
    let text = std::fs::read_to_string(format!("{ROOT}/deny.toml")).expect("deny.toml");
    text.parse().expect("deny.toml is TOML")
}

fn strings(list: &toml::Value) -> Vec<&str> {
    let list = list.as_array().expect("a list");
    list.iter()
        .map(|text| text.as_str().expect("text"))
        .collect()
}

/// Whether a licence expression of SPDX (or with the old `/` for OR) holds
/// where `allowed` does.
fn holds(expression: &str, allowed: &dyn Fn(&str) -> bool) -> bool {
    let spaced = expression
        .replace('(', " ( ")
        .replace(')', " ) ")
        .replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let (holds, rest) = any(&words, allowed);
    assert!(rest.is_empty(), "{expression} is no expression");
    holds
}

fn any<'a>(words: &'a [&'a str], allowed: &dyn Fn(&str) -> bool) -> (bool, &'a [&'a str]) {
    let (mut holds, mut rest) = all(words, allowed);
    while let ["OR", more @ ..] = rest {
        let (one, after) = all(more, allowed);
        holds |= one;
        rest = after;
    }
    (holds, rest)
}

fn all<'a>(words: &'a [&'a str], allowed: &dyn Fn(&str) -> bool) -> (bool, &'a [&'a str]) {
    let (mut holds, mut rest) = one(words, allowed);
    while let ["AND", more @ ..] = rest {
        let (one, after) = one(more, allowed);
        holds &= one;
        rest = after;
    }
    (holds, rest)
}

fn one<'a>(words: &'a [&'a str], allowed: &dyn Fn(&str) -> bool) -> (bool, &'a [&'a str]) {
    match words {
        ["(", inner @ ..] => match any(inner, allowed) {
            (holds, [")", rest @ ..]) => (holds, rest),
            _ => panic!("a bracket is not closed in {words:?}"),
        },
        [licence, "WITH", exception, rest @ ..] => {
            (allowed(&format!("{licence} WITH {exception}")), rest)
        }
        [licence, rest @ ..] => (allowed(licence), rest),
        [] => panic!("a licence is missing"),
    }
}

#[test]
fn expressions_of_licences_are_understood() {
    let allowed = |licence: &str| matches!(licence, "MIT" | "Zlib");
    for (expression, wanted) in [
        ("MIT", true),
        ("GPL-3.0", false),
        ("MIT OR GPL-3.0", true),
        ("Apache-2.0/MIT", true),
        ("MIT AND GPL-3.0", false),
        ("(MIT OR GPL-3.0) AND Zlib", true),
        ("(MIT OR Zlib) AND Unicode-3.0", false),
        ("Apache-2.0 WITH LLVM-exception OR MIT", true),
        ("GPL-2.0 AND MIT OR Zlib", true),
    ] {
        assert_eq!(holds(expression, &allowed), wanted, "{expression}");
    }
}

#[test]
fn every_licence_is_allowed() {
    let deny = deny();
    let allow: BTreeSet<&str> = strings(&deny["licenses"]["allow"]).into_iter().collect();
    let exceptions: BTreeMap<&str, Vec<&str>> = deny["licenses"]["exceptions"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|exception| {
            let name = exception["crate"].as_str().expect("a crate");
            (name, strings(&exception["allow"]))
        })
        .collect();
    let packages = packages();
    assert!(packages.len() > 200, "{}", packages.len());
    let mut needed = BTreeSet::new();
    for package in &packages {
        let name = package["name"].as_str().expect("a name");
        let licence = package["license"].as_str();
        let licence = licence.unwrap_or_else(|| panic!("{name} names no licence"));
        if holds(licence, &|licence| allow.contains(licence)) {
            continue;
        }
        let own = exceptions.get(name).cloned().unwrap_or_default();
        let excepted = |licence: &str| allow.contains(licence) || own.contains(&licence);
        assert!(holds(licence, &excepted), "{name} is under {licence}");
        needed.insert(name);
    }
    let listed: BTreeSet<&str> = exceptions.into_keys().collect();
    assert_eq!(listed, needed, "exceptions of deny.toml that nothing needs");
}

#[test]
fn every_dependency_comes_from_crates_io() {
    for package in packages() {
        let name = package["name"].as_str().expect("a name");
        match package["source"].as_str() {
            Some(source) => {
                assert!(source.starts_with("registry+"), "{name}: {source}");
                assert!(source.ends_with("/crates.io-index"), "{name}: {source}");
            }
            None => assert!(name.starts_with("soakscope"), "{name} is no crate of ours"),
        }
    }
}

#[test]
fn whatever_is_there_twice_has_a_reason() {
    let deny = deny();
    let skipped: BTreeSet<String> = deny["bans"]["skip"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|skip| {
            let reason = skip["reason"].as_str().expect("a reason");
            assert!(!reason.is_empty());
            skip["crate"].as_str().expect("a crate").to_owned()
        })
        .collect();
    let mut versions: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for package in packages() {
        let text = |field: &str| package[field].as_str().expect("text").to_owned();
        versions
            .entry(text("name"))
            .or_default()
            .push(text("version"));
    }
    let mut needed = BTreeSet::new();
    for (name, versions) in versions {
        let other: Vec<String> = versions
            .iter()
            .map(|version| format!("{name}@{version}"))
            .collect();
        let left = other.iter().filter(|one| !skipped.contains(*one)).count();
        assert_eq!(
            left, 1,
            "{other:?}: once, or a reason in deny.toml for others"
        );
        needed.extend(other.into_iter().filter(|one| skipped.contains(one)));
    }
    assert_eq!(skipped, needed, "skipped by deny.toml and not there");
}

/// On Linux the agent is built without the `pprof` crate and its tree, unless
/// a service asks for it.
#[cfg(target_os = "linux")]
#[test]
fn the_pprof_engine_is_built_where_it_is_asked_for() {
    let tree = |features: &str| {
        let output = cargo()
            .args([
                "tree",
                "-p",
                "soakscope",
                "--edges",
                "normal",
                "--prefix",
                "none",
            ])
            .args(["--locked", "--offline", "--features", features])
            .output()
            .expect("cargo runs");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).expect("text")
    };
    let has_pprof = |tree: String| tree.lines().any(|line| line.starts_with("pprof v"));
    assert!(!has_pprof(tree("axum")));
    assert!(has_pprof(tree("pprof-engine")));
}
