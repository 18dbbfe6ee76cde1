//! The answer of a subcommand, and how it reaches the terminal.

use std::io::{self, Write};

use serde::Serialize;
use soakscope_report::{exit_code, printable, printable_json};

/// Bytes for standard output, remarks for standard error, and the exit code.
pub(crate) struct Answer {
    output: Vec<u8>,
    remarks: Vec<String>,
    exit_code: i32,
}

impl Answer {
    /// An answer that is right, with nothing judged.
    pub(crate) fn new(output: impl Into<Vec<u8>>) -> Self {
        Answer {
            output: output.into(),
            remarks: Vec::new(),
            exit_code: exit_code::PASS,
        }
    }

    /// An answer as a JSON document.
    pub(crate) fn json(value: &impl Serialize) -> Result<Self, serde_json::Error> {
        let mut text = printable_json(serde_json::to_string_pretty(value)?);
        text.push('\n');
        Ok(Answer::new(text))
    }

    /// The same with the exit code of a verdict.
    pub(crate) fn exiting_with(mut self, exit_code: i32) -> Self {
        self.exit_code = exit_code;
        self
    }

    /// The same with remarks for standard error.
    pub(crate) fn remarking(mut self, remarks: impl IntoIterator<Item = String>) -> Self {
        self.remarks.extend(remarks);
        self
    }

    /// Prints the answer and gives the exit code.
    pub(crate) fn print(&self) -> i32 {
        for remark in &self.remarks {
            // Standard error may be closed; there is nobody left to warn.
            let _ = writeln!(io::stderr(), "soakscope: {}", printable(remark));
        }
        let mut stdout = io::stdout().lock();
        match stdout.write_all(&self.output).and_then(|()| stdout.flush()) {
            // A reader that has seen enough, as in `| head`, changes no verdict.
            Ok(()) => self.exit_code,
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => self.exit_code,
            Err(error) => {
                let _ = writeln!(io::stderr(), "soakscope: cannot write the answer: {error}");
                exit_code::USAGE
            }
        }
    }
}

/// Says on standard error why there is no answer.
pub(crate) fn complain(error: &dyn std::error::Error) {
    let text = error.to_string();
    // A budget file that is no TOML is shown with the line at fault. What it
    // says stays indented, so that it cannot pass for something of ours.
    let lines: Vec<_> = text.lines().map(printable).collect();
    let _ = writeln!(io::stderr(), "soakscope: {}", lines.join("\n  "));
}
