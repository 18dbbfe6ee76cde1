//! The spans of a run.

use std::io::{BufRead, BufReader, ErrorKind};

use super::{RunDir, SPAN_LOG, SPANS};
use crate::budgets::{SpanFiles, Watch};
use crate::error::Error;
use crate::spans::{SpanRange, SpanTotal, Totals, intervals, rows};

/// What was read of the span files of a run.
pub(super) struct SpansRead {
    pub(super) totals: Vec<SpanTotal>,
    pub(super) watch: Option<Watch>,
    pub(super) notes: Vec<String>,
}

impl RunDir {
    /// What the run says of each span in a part of it, and what could not be
    /// read. A run without spans has none.
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub fn spans(&self, range: &SpanRange) -> Result<(Vec<SpanTotal>, Vec<String>), Error> {
        let read = self.read_spans(range, None)?;
        Ok((read.totals, read.notes))
    }

    /// Sums of a part of the run, and all of it shown to a watch. Nothing is
    /// held but sums.
    pub(super) fn read_spans(
        &self,
        range: &SpanRange,
        watch: Option<Watch>,
    ) -> Result<SpansRead, Error> {
        let mut totals = Totals::default();
        let mut files = watch.map(SpanFiles::new);
        let mut notes = Vec::new();
        let mut lost = 0;
        if let Some(csv) = self.read(SPANS)? {
            lost = rows(csv, |row| {
                totals.row(row, range);
                if let Some(files) = &mut files {
                    files.row(row);
                }
            });
        }
        if let Some(log) = self.read(SPAN_LOG)? {
            let unread = intervals(log, |interval| {
                totals.interval(interval, range);
                if let Some(files) = &mut files {
                    files.interval(interval);
                }
            });
            notes.extend(unread.notes());
        }
        if lost > 0 {
            notes.push(format!("spans.csv: lines that could not be read: {lost}"));
        }
        notes.extend(totals.note());
        notes.extend(files.as_ref().and_then(SpanFiles::note));
        Ok(SpansRead {
            totals: totals.finish(),
            watch: files.map(SpanFiles::finish),
            notes,
        })
    }

    /// A file of the run; `None` if it is not there.
    pub(super) fn read(&self, name: &str) -> Result<Option<impl BufRead + use<>>, Error> {
        match self.file(name) {
            Ok(file) => Ok(Some(BufReader::with_capacity(1 << 16, file))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("read", self.path.join(name))(error)),
        }
    }
}
