//! What is shown: the profiles of a run, or one bare profile, whoever took it.

use std::fs;
use std::path::Path;

use soakscope_report::{Error, Profile, RunDir, read_profile};

/// Where a profile comes from.
pub(crate) enum Source {
    /// A run's directory.
    Run(RunDir),
    /// One profile, with what was left out of it.
    File {
        name: String,
        profile: Box<Profile>,
        notes: Vec<String>,
    },
}

impl Source {
    /// A directory is a run; everything else is read once, as one profile.
    pub(crate) fn open(path: &Path) -> Result<Source, Error> {
        let is_input = path.as_os_str() == "-";
        if !is_input && fs::metadata(path).map_or(true, |there| there.is_dir()) {
            return RunDir::open(path).map(Source::Run);
        }
        let (profile, notes) = read_profile(path)?;
        let name = if is_input {
            "standard input".into()
        } else {
            path.file_name().unwrap_or_default().to_string_lossy()
        };
        Ok(Source::File {
            name: name.into_owned(),
            profile: Box::new(profile),
            notes,
        })
    }

    /// The run, if it is one.
    pub(crate) fn run(&self) -> Option<&RunDir> {
        match self {
            Source::Run(dir) => Some(dir),
            Source::File { .. } => None,
        }
    }

    /// What it is called where something is said of it.
    pub(crate) fn name(&self) -> String {
        match self {
            Source::Run(dir) => dir.path().display().to_string(),
            Source::File { name, .. } => name.clone(),
        }
    }
}
