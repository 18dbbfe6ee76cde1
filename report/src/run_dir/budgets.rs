//! The budgets of a run: the file kept beside what was measured.

use super::{BUDGETS, RunDir, SPAN_LOG, SPANS};
use crate::budgets::{BudgetOutcome, Budgets, Watch};
use crate::error::Error;
use crate::run::RunInfo;
use crate::spans::SpanLog;
use crate::timeline::Timeline;

/// Where `run.json` names the environment that a run's budgets are for.
const ENVIRONMENT: &str = "environment";

impl RunDir {
    /// The budgets the run was started with, for the environment it was
    /// started in; `None` if there were none.
    ///
    /// # Errors
    ///
    /// [`Error::Io`], or as [`Budgets::parse`].
    pub fn budgets(&self, info: &RunInfo) -> Result<Option<Budgets>, Error> {
        let Some(bytes) = self.read(BUDGETS)? else {
            return Ok(None);
        };
        let environment = info.config.get(ENVIRONMENT).filter(|name| !name.is_empty());
        Budgets::parse(
            &String::from_utf8_lossy(&bytes),
            environment.map(String::as_str),
        )
        .map(Some)
        .map_err(|error| error.in_file(&self.path.join(BUDGETS)))
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
        let csv = self.read(SPANS)?.unwrap_or_default();
        let log = self.read(SPAN_LOG)?.map(|bytes| SpanLog::parse(&bytes));
        watch.span_files(&csv, log.as_ref());
        Ok(watch.outcomes())
    }
}
