//! The budgets of a run: the file kept beside what was measured.

use std::fs::File;
use std::path::Path;

use super::{BUDGETS, RunDir};
use crate::budgets::{BudgetOutcome, Budgets, Watch};
use crate::error::Error;
use crate::limits::BUDGET_BYTES;
use crate::options::ENVIRONMENT;
use crate::run::RunInfo;
use crate::spans::SpanRange;
use crate::timeline::Timeline;

impl RunDir {
    /// The budgets the run was started with, for the environment it was
    /// started in; `None` if there were none.
    ///
    /// # Errors
    ///
    /// [`Error::Io`], or as [`Budgets::parse`].
    pub fn budgets(&self, info: &RunInfo) -> Result<Option<Budgets>, Error> {
        let Some(file) = self.read(BUDGETS)? else {
            return Ok(None);
        };
        let path = self.path.join(BUDGETS);
        let environment = info.config.get(ENVIRONMENT).filter(|name| !name.is_empty());
        BUDGET_BYTES
            .read(file)
            .map_err(Error::io("read", &path))?
            .and_then(|bytes| {
                let text = String::from_utf8_lossy(&bytes);
                Budgets::parse(&text, environment.map(String::as_str))
            })
            .map(Some)
            .map_err(|error| error.in_file(&path))
    }

    /// Keeps the text of a budget file with the run.
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub fn write_budgets(&self, text: &str) -> Result<(), Error> {
        self.replace(BUDGETS, text.as_bytes(), false)
    }

    /// What has become of each budget in this run.
    ///
    /// # Errors
    ///
    /// [`Error::Io`]; files that are not there are as if they were empty.
    pub fn budget_outcomes(
        &self,
        budgets: &Budgets,
        timeline: &Timeline,
    ) -> Result<Vec<BudgetOutcome>, Error> {
        let mut watch = Watch::new(budgets.clone());
        watch.timeline(timeline);
        let read = self.read_spans(&SpanRange::default(), Some(watch))?;
        Ok(read.watch.map(|watch| watch.outcomes()).unwrap_or_default())
    }
}

/// Reads a budget file that is named on a command line, which may be a pipe.
///
/// # Errors
///
/// [`Error::Io`], or as [`Budgets::parse`].
pub fn read_budgets(path: &Path, environment: Option<&str>) -> Result<Budgets, Error> {
    let io = Error::io("read", path);
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) => return Err(io(error)),
    };
    BUDGET_BYTES
        .read(file)
        .map_err(io)?
        .and_then(|bytes| match String::from_utf8(bytes) {
            Ok(text) => Budgets::parse(&text, environment),
            Err(_) => Err(Error::Budgets("it is not text in UTF-8".to_owned())),
        })
        .map_err(|error| error.in_file(path))
}
