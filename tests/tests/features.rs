//! A feature of the agent brings the crates that it needs, and nobody else does.

use std::collections::BTreeSet;
use std::process::Command;

/// Crates that the agent's library is built with.
fn crates(features: &[&str]) -> BTreeSet<String> {
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .args(["tree", "--locked", "--offline", "--package", "soakscope"])
        .args(["--edges", "normal", "--prefix", "none", "--format", "{p}"])
        .args(["--no-default-features", "--features", &features.join(",")])
        .output()
        .expect("cargo runs");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    let text = String::from_utf8(output.stdout).expect("text");
    let names = text.lines().filter_map(|line| line.split(' ').next());
    names.map(str::to_owned).collect()
}

#[test]
fn without_features_there_is_no_http() {
    let crates = crates(&[]);
    for name in HTTP.iter().chain(SERVER).chain(&["pprof"]) {
        assert!(!crates.contains(*name), "{name} in {crates:?}");
    }
    assert!(crates.contains("soakscope-sampler") && crates.contains("tracing-subscriber"));
}

#[test]
fn a_feature_brings_its_own_crates_only() {
    let admin = crates(&["admin"]);
    for name in HTTP.iter().chain(SERVER) {
        assert!(admin.contains(*name), "{name} in {admin:?}");
    }
    assert!(!admin.contains("pprof"));
    let axum = crates(&["axum"]);
    assert!(axum.contains("axum") && axum.contains("tower-layer"));
    for name in SERVER {
        assert!(!axum.contains(*name), "{name} in {axum:?}");
    }
    assert!(crates(&["pprof-engine"]).contains("pprof"));
}

/// What speaks of HTTP.
const HTTP: &[&str] = &["axum", "http", "http-body", "tower-layer", "tower-service"];
/// What serves it.
const SERVER: &[&str] = &["hyper", "hyper-util", "sha2", "socket2", "mio"];
