//! The sampler compiles against musl's C library.
//!
//! Where the target is installed, it is checked for that. In any case it is
//! checked against what the `libc` crate declares for musl: a copy of that crate
//! takes this system for one with musl, and a copy of the sampler uses it. That
//! finds whatever is missing there or has another type, which is all that ever
//! kept the sampler from compiling; it does not link.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, PoisonError};

use serde_json::Value;
use soakscope_tests::output_text;

fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // A warning in the copy of another crate is none of ours.
    cargo
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS");
    cargo
}

fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().expect("the workspace")
}

/// A directory beside what is built, kept so that the next time is short.
fn scratch() -> PathBuf {
    let test = std::env::current_exe().expect("this test");
    let target = test.ancestors().nth(3).expect("target/PROFILE/deps/test");
    target.join("musl")
}

/// The source of the `libc` crate that the sampler is built with.
fn libc_source() -> PathBuf {
    let output = cargo()
        .args(["metadata", "--format-version", "1", "--offline"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", output_text(&output));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    let libc = packages.iter().find(|package| {
        let version = package["version"].as_str().unwrap_or_default();
        package["name"] == "libc" && version.starts_with("0.2.")
    });
    let manifest = libc.and_then(|libc| libc["manifest_path"].as_str());
    let manifest = Path::new(manifest.expect("the sampler uses libc"));
    manifest.parent().expect("its directory").to_owned()
}

/// Copies a directory; Rust sources go through `edit`.
fn copy(from: &Path, to: &Path, edit: &dyn Fn(String) -> String) {
    fs::create_dir_all(to).expect("made");
    for entry in fs::read_dir(from).expect("listed") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name");
        let target = to.join(name);
        if path.is_dir() {
            copy(&path, &target, edit);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("source is text");
            fs::write(target, edit(text)).expect("written");
        } else {
            fs::copy(&path, target).expect("copied");
        }
    }
}

/// Checks the sampler, with `added` at the end of its library, against the C
/// library of musl.
fn check_against_musl(added: &str) -> Output {
    // Both tests use the same directory.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _one = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let workspace = scratch().join("workspace");
    if workspace.exists() {
        fs::remove_dir_all(&workspace).expect("removed");
    }
    copy(&libc_source(), &workspace.join("libc"), &|text| {
        text.replace("target_env = \"gnu\"", "target_env = \"not-gnu\"")
            .replace("target_env = \"musl\"", "target_env = \"gnu\"")
    });
    // What only std itself uses need not be at hand.
    let manifest = workspace.join("libc/Cargo.toml");
    let text = fs::read_to_string(&manifest).expect("a manifest");
    let text = text
        .replace("    \"rustc-std-workspace-core\",\n", "")
        .replace(
            "[dependencies.rustc-std-workspace-core]\nversion = \"1.0.1\"\noptional = true\n",
            "",
        );
    assert!(!text.contains("rustc-std-workspace-core"), "{text}");
    fs::write(manifest, text).expect("written");

    let sampler = workspace.join("sampler");
    copy(&root().join("sampler"), &sampler, &|text| text);
    let library = sampler.join("src/lib.rs");
    let text = fs::read_to_string(&library).expect("a library");
    fs::write(library, text + added).expect("written");

    let text = fs::read_to_string(root().join("Cargo.toml")).expect("a manifest");
    let lines = text.lines().map(|line| {
        if line.starts_with("members = ") {
            "members = [\"sampler\"]"
        } else if line.starts_with("libc = ") {
            "libc = { path = \"libc\" }"
        } else {
            line
        }
    });
    let text: Vec<&str> = lines.collect();
    assert!(text.contains(&"libc = { path = \"libc\" }"));
    fs::write(workspace.join("Cargo.toml"), text.join("\n")).expect("written");
    fs::copy(root().join("Cargo.lock"), workspace.join("Cargo.lock")).expect("copied");
    cargo()
        .args(["check", "--offline", "-p", "soakscope-sampler", "--lib"])
        .arg("--target-dir")
        .arg(scratch().join("target"))
        .current_dir(&workspace)
        .output()
        .expect("cargo runs")
}

#[test]
fn the_sampler_needs_nothing_that_musl_does_not_have() {
    let output = check_against_musl("");
    assert!(output.status.success(), "{}", output_text(&output));
    let target = format!("{}-unknown-linux-musl", std::env::consts::ARCH);
    let libraries = Command::new("rustc")
        .args(["--print", "target-libdir", "--target", &target])
        .output()
        .expect("rustc runs");
    let libraries = String::from_utf8(libraries.stdout).expect("a path");
    let installed = fs::read_dir(libraries.trim()).is_ok_and(|mut files| files.next().is_some());
    eprintln!("the target {target} is installed: {installed}");
    if installed {
        let output = cargo()
            .args(["check", "-p", "soakscope-sampler", "--lib", "--target"])
            .arg(&target)
            .arg("--target-dir")
            .arg(scratch().join("target"))
            .current_dir(root())
            .output()
            .expect("cargo runs");
        assert!(output.status.success(), "{}", output_text(&output));
    }
}

/// What kept the sampler from compiling, and one that the C libraries share.
#[test]
fn the_check_sees_what_musl_does_not_have() {
    let output = check_against_musl(
        "\nconst _: usize = size_of::<libc::__rlimit_resource_t>();\n\
         pub fn context() { let _ = libc::getcontext as *const (); }\n\
         pub fn request(fd: i32) { unsafe { libc::ioctl(fd, 0x2401 as libc::c_ulong, 0) }; }\n\
         pub fn shared() { let _ = libc::getpid as *const (); }\n",
    );
    let said = output_text(&output);
    assert!(!output.status.success(), "{said}");
    for wanted in ["__rlimit_resource_t", "getcontext", "mismatched types"] {
        assert!(said.contains(wanted), "{wanted}: {said}");
    }
    assert!(!said.contains("getpid"), "{said}");
    assert!(said.contains("due to 3 previous errors"), "{said}");
}
