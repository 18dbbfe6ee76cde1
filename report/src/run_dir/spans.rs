//! The spans of a run.

use std::io;

use super::{RunDir, RunFile, SPAN_LOG, SPANS};
use crate::error::Error;
use crate::spans::{SpanLog, SpanRange, SpanTotal, span_totals};

impl RunDir {
    /// What the run says of each span in a part of it, and what could not be
    /// read. A run without spans has none.
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub fn spans(&self, range: &SpanRange) -> Result<(Vec<SpanTotal>, Vec<String>), Error> {
        let mut notes = Vec::new();
        let log = self.read(SPAN_LOG)?.map(|bytes| SpanLog::parse(&bytes));
        let unread = log.as_ref().map_or(0, SpanLog::unread);
        if unread > 0 {
            notes.push(format!(
                "spans.hlog: lines that could not be read: {unread}"
            ));
        }
        let csv = self.read(SPANS)?.unwrap_or_default();
        let (totals, lost) = span_totals(&csv, log.as_ref(), range);
        if lost > 0 {
            notes.push(format!("spans.csv: lines that could not be read: {lost}"));
        }
        Ok((totals, notes))
    }

    /// A file of the run; `None` if it is not there.
    pub(super) fn read(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        let path = self.path.join(name);
        match self.file(name).and_then(RunFile::whole) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("read", &path)(error)),
        }
    }
}
