//! The programs that tests run: the workspace's own, and others' tools.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

/// The `soakscope` command, built as these tests are.
pub fn soakscope() -> Command {
    Command::new(build().join("soakscope"))
}

/// An example of the workspace, built as these tests are.
pub fn example(name: &str) -> Command {
    Command::new(build().join("examples").join(name))
}

/// Builds the workspace's programs with the profile of the running test, once,
/// and answers where they are. Takes a moment when all is built already; the
/// whole workspace is named, so that features come out as they did for the tests.
fn build() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(build_now)
}

fn build_now() -> PathBuf {
    let test = std::env::current_exe().expect("this test");
    let profile_dir = test
        .ancestors()
        .nth(2)
        .expect("target/PROFILE/deps/test")
        .to_owned();
    let release = profile_dir.ends_with("release");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .args(["build", "--quiet", "--workspace", "--examples", "--bins"])
        .args(release.then_some("--release"))
        .arg("--target-dir")
        .arg(profile_dir.parent().expect("target"))
        .current_dir(
            Path::new(env!("CARGO_MANIFEST_DIR"))
                .parent()
                .expect("root"),
        );
    let built = cargo.output().expect("cargo runs");
    assert!(built.status.success(), "{}", output_text(&built));
    profile_dir
}

/// A tool of somebody else's, on the `PATH`.
///
/// # Panics
///
/// If it is missing: `tests/run` installs all there are.
pub fn tool(name: &str) -> Command {
    Command::new(program(name))
}

/// Where a tool of somebody else's is.
///
/// # Panics
///
/// If it is missing: `tests/run` installs all there are.
pub fn program(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|dir| dir.join(name))
        .find(|file| file.is_file())
        .unwrap_or_else(|| panic!("{name} is not installed; tests/run installs what tests need"))
}

/// Both streams of a finished program, for messages and for searching.
pub fn output_text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}
