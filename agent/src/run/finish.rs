//! The end of a run: it is judged, and everything that shows it is written.

use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use soakscope_report::{
    Error as ReportError, RunState, RunVerdict, RunView, judge, seal_judged, verdict_json,
};
use soakscope_sampler::quiet_writes;

use super::live::{Live, State};
use super::outcome::Outcome;
use crate::clock::rfc3339;
use crate::error::Error;
use crate::profiles::profile::add_lines;
use crate::threads;

/// How long the last rows and profiles may take to the disk.
const FLUSH: Duration = Duration::from_secs(10);
/// How long the last event may.
const FLUSH_EVENT: Duration = Duration::from_secs(1);
/// How long it waits for a disk that takes the files of a run that is judged.
const SEAL: Duration = Duration::from_secs(60);
/// How long source lines and inlined functions are looked up: the debug
/// information of a large program is slow to read on a busy machine.
const LINES: Duration = Duration::from_secs(20);
/// How long it may take to have all files on the disk, not only handed over.
const SYNC: Duration = Duration::from_secs(10);
/// The rows in memory are judged where they cover so much more of the run than
/// those on disk.
const FAR_LONGER: f64 = 1.1;

impl Live {
    /// Stops the parts and seals the run; once, whoever asks first.
    pub(crate) fn finish(self: &Arc<Self>) -> Result<Outcome, Error> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match std::mem::replace(&mut *state, State::Unsealed) {
            State::Finished(outcome) => {
                let answer = Outcome::clone(&outcome);
                *state = State::Finished(outcome);
                return Ok(answer);
            }
            State::Running(parts) => {
                parts.stop(&self.session.drops);
                self.session.seal_findings();
                if !self.session.writer.flush(FLUSH) {
                    self.session.writer.give_up();
                }
                let mut info = self.info_lock();
                info.end = Some(rfc3339(self.session.clock.time_at(Instant::now())));
                info.state = RunState::Finished;
            }
            State::Unsealed => {}
        }
        let outcome = self.seal_apart()?;
        if !outcome.unwritten().is_empty() {
            let files = outcome.unwritten().join(", ");
            self.session.journal.warn(&format!(
                "files of the run that could not be written: {files}"
            ));
            self.session.writer.flush(FLUSH_EVENT);
        }
        *state = State::Finished(Box::new(outcome.clone()));
        Ok(outcome)
    }

    /// Seals on a thread of the agent's: who calls is a thread of the service,
    /// on which a refused write would raise a signal, and which a disk that does
    /// not answer must not hold for ever.
    fn seal_apart(self: &Arc<Self>) -> Result<Outcome, Error> {
        let (reply, answers) = channel();
        let live = Arc::clone(self);
        let there = reply.clone();
        let thread = threads::spawn(threads::SEAL, move || live.seal(&there));
        if thread.is_err() {
            quiet_writes(|| self.seal(&reply));
        }
        drop(reply);
        let mut outcome = answers.recv().map_err(|_| Error::Seal)?;
        match answers.recv_timeout(SEAL) {
            Ok(whole) => {
                outcome = whole;
                // It is at its end, and with it goes its part of this agent.
                if let Ok(thread) = thread {
                    let _ = thread.join();
                }
            }
            Err(_) => outcome.add_unwritten(&format!(
                "some files, as the disk did not take them in {} s",
                SEAL.as_secs()
            )),
        }
        Ok(outcome)
    }

    /// Judges and writes. Answers with the verdict as soon as that is known,
    /// and again when everything is written.
    fn seal(&self, reply: &Sender<Outcome>) {
        let info = self.info();
        let mut run = self.dir.load_described(info);
        let kept = self.session.history.timeline();
        if kept.span_hours() > run.timeline.span_hours() * FAR_LONGER {
            run.timeline = kept;
            run.notes.push(
                "timeline.csv lacks much of the run; judged by the rows that were kept in memory"
                    .to_owned(),
            );
        }
        let mut verdict = judge(&run);
        // Nobody listens any more where the disk took too long.
        let view = RunView::of(&run, verdict.clone());
        let first = [
            ("verdict.json", verdict_json(&view.verdict)),
            ("report.md", view.markdown()),
        ];
        let _ = reply.send(Outcome::new(view, self.dir.path(), Vec::new()));
        // At once, whatever becomes of the files that take longer. They are
        // written again when it is known what became of those.
        for (name, text) in first {
            let _ = self.dir.write_artifact(name, text.as_bytes());
        }
        let mut unwritten = Vec::new();
        let mut note = |verdict: &mut RunVerdict, name: &str, written: Result<(), ReportError>| {
            if let Err(error) = written {
                verdict
                    .notes
                    .push(format!("{name} was not written: {error}"));
                unwritten.push(name.to_owned());
            }
        };
        if let Some(cpu) = &mut run.cpu {
            let left = add_lines(cpu, Instant::now() + LINES);
            if left > 0 {
                verdict.notes.push(format!(
                    "cpu.pb.gz lacks the source lines of {left} of {} addresses, which could not \
                     be looked up in {} s; they have the names of their functions",
                    cpu.locations.len(),
                    LINES.as_secs()
                ));
            }
            let written = self.dir.write_artifact("cpu.pb.gz", &cpu.encode());
            note(&mut verdict, "cpu.pb.gz", written);
        }
        // Last, and on the disk after all that it says is there.
        let info = run.info.clone();
        let sealed = seal_judged(&self.dir, run, verdict);
        let mut view = sealed.view;
        let until = Instant::now() + SYNC;
        let synced = self.dir.sync(|| Instant::now() < until);
        if let Err(error) = synced {
            view.verdict
                .notes
                .push(format!("not all files are on the disk: {error}"));
        }
        let written = self.dir.write_info(&info);
        note(&mut view.verdict, "run.json", written);
        unwritten.extend(sealed.unwritten);
        view.files = self.dir.artifacts();
        let _ = reply.send(Outcome::new(view, self.dir.path(), unwritten));
    }
}
