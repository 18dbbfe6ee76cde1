//! How a run ended.

use std::path::{Path, PathBuf};

use soakscope_report::{Run, Verdict, summary_text, verdict_json};

/// The verdict of a finished run, and where its files are.
#[derive(Debug, Clone)]
pub struct Outcome {
    verdict: Option<Verdict>,
    summary: String,
    run_dir: Option<PathBuf>,
}

impl Outcome {
    pub(crate) fn new(run: &Run, verdict: Verdict, run_dir: &Path) -> Self {
        Self {
            summary: summary_text(run, &verdict),
            verdict: Some(verdict),
            run_dir: Some(run_dir.to_owned()),
        }
    }

    pub(crate) fn disabled() -> Self {
        Self {
            verdict: None,
            summary: "soakscope is disabled; nothing was watched\n".to_owned(),
            run_dir: None,
        }
    }

    /// What a process should exit with: 0 pass, 1 fail, 3 inconclusive. A
    /// disabled agent judged nothing and says 0.
    pub fn exit_code(&self) -> i32 {
        self.verdict.as_ref().map_or(0, |verdict| verdict.exit_code)
    }

    /// The verdict; `None` for a disabled agent.
    pub fn verdict(&self) -> Option<&Verdict> {
        self.verdict.as_ref()
    }

    /// The verdict with its numbers, and the files, for a terminal.
    pub fn summary(&self) -> &str {
        &self.summary
    }

    /// The run directory; `None` for a disabled agent.
    pub fn run_dir(&self) -> Option<&Path> {
        self.run_dir.as_deref()
    }

    pub(crate) fn verdict_json(&self) -> String {
        self.verdict
            .as_ref()
            .map_or_else(|| "null".to_owned(), verdict_json)
    }
}
