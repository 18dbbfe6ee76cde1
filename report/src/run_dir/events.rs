//! The events of a run, read line by line.
//!
//! A run of days has hundreds of thousands of them, and any may be large. So
//! only as many are held as there is room for; what they say about requests is
//! summed up over all.

use std::io::{BufReader, ErrorKind};

use super::{EVENTS, RunDir};
use crate::error::Error;
use crate::event::Event;
use crate::findings::{Finding, Findings};
use crate::limits::{EVENT_LINE_BYTES, EVENT_MEMORY};
use crate::lines::{Line, Lines};

/// What a run's `events.jsonl` says.
#[derive(Default)]
pub(super) struct Events {
    /// The first of them, as many as are held.
    pub(super) held: Vec<Event>,
    /// What was found in requests, by all of them.
    pub(super) findings: Vec<Finding>,
    /// What could not be read, in sentences.
    pub(super) notes: Vec<String>,
}

impl RunDir {
    /// What happened in the run, the first 16 MB of it. Lines that cannot be
    /// read are left out.
    ///
    /// # Errors
    ///
    /// [`Error::Io`]; no file is no event.
    pub fn events(&self) -> Result<Vec<Event>, Error> {
        Ok(self.read_events()?.held)
    }

    pub(super) fn read_events(&self) -> Result<Events, Error> {
        let file = match self.file(EVENTS) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Events::default()),
            Err(error) => return Err(Error::io("read", self.path.join(EVENTS))(error)),
        };
        let mut lines = Lines::new(BufReader::new(file), EVENT_LINE_BYTES);
        let (mut held, mut memory, mut lost) = (Vec::new(), 0_usize, 0_usize);
        let mut findings = Findings::default();
        while let Some(line) = lines.next() {
            let Line::Whole(line) = line else {
                lost += 1;
                continue;
            };
            if line.trim_ascii().is_empty() {
                continue;
            }
            let text = String::from_utf8_lossy(line);
            let Ok(event) = serde_json::from_str::<Event>(&text) else {
                lost += 1;
                continue;
            };
            findings.add(&event);
            // One that is too large leaves no room for smaller ones after it:
            // what is held is the beginning, with nothing missing in between.
            memory = memory.saturating_add(event.memory());
            if memory <= EVENT_MEMORY {
                held.push(event);
            }
        }
        let mut notes = Vec::new();
        if lost > 0 {
            notes.push(format!("events: lines that could not be read: {lost}"));
        }
        notes.extend(findings.note());
        Ok(Events {
            held,
            findings: findings.finish(),
            notes,
        })
    }
}
