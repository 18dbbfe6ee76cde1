//! The command `soakscope`, and what it prints.

use std::process::{Command, Output};

pub(crate) fn soakscope(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_soakscope"))
        .args(arguments)
        .output()
        .unwrap()
}

pub(crate) fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub(crate) fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}
