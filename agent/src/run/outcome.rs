//! How a run ended.

use std::path::{Path, PathBuf};

use soakscope_report::{RunVerdict, RunView, verdict_json};

/// The verdict of a finished run, and where its files are.
#[derive(Debug, Clone)]
pub struct Outcome {
    verdict: Option<RunVerdict>,
    summary: String,
    run_dir: Option<PathBuf>,
    unwritten: Vec<String>,
}

impl Outcome {
    pub(crate) fn new(view: RunView, run_dir: &Path, unwritten: Vec<String>) -> Self {
        Self {
            unwritten,
            summary: view.text(),
            verdict: Some(view.verdict),
            run_dir: Some(run_dir.to_owned()),
        }
    }

    /// Notes what could not be written, where that is known late.
    pub(crate) fn add_unwritten(&mut self, what: &str) {
        let note = format!("not written: {what}");
        self.summary.push_str(&format!("note: {note}\n"));
        if let Some(verdict) = &mut self.verdict {
            verdict.notes.push(note);
        }
        self.unwritten.push(what.to_owned());
    }

    pub(crate) fn disabled() -> Self {
        Self {
            verdict: None,
            summary: "soakscope is disabled; nothing was watched\n".to_owned(),
            run_dir: None,
            unwritten: Vec::new(),
        }
    }

    /// Of a child of the process that the agent runs in.
    pub(crate) fn forked() -> Self {
        Self {
            summary: "soakscope runs in the process that this one was forked from\n".to_owned(),
            ..Self::disabled()
        }
    }

    /// What a process should exit with: 0 pass, 1 fail, 3 inconclusive. A
    /// disabled agent judged nothing and says 0.
    pub fn exit_code(&self) -> i32 {
        self.verdict.as_ref().map_or(0, |verdict| verdict.exit_code)
    }

    /// The verdict; `None` for a disabled agent.
    pub fn verdict(&self) -> Option<&RunVerdict> {
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

    /// Names of files of the run that could not be written, because the disk was
    /// full, say, or gone. Why, is in the verdict's notes and in the summary.
    pub fn unwritten(&self) -> &[String] {
        &self.unwritten
    }

    pub(crate) fn verdict_json(&self) -> String {
        self.verdict
            .as_ref()
            .map_or_else(|| "null".to_owned(), verdict_json)
    }
}
