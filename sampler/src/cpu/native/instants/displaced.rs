//! The thread that ran when an observer came to its CPU.
//!
//! The observer takes the CPU from it, so that no clock moves while it looks.
//! The kernel notes when a thread's account was brought up to date last: for the
//! one that was switched out at the moment when the observer was switched in, to
//! the nanosecond, and for no other (`se.exec_start` of
//! `/proc/self/task/TID/sched`, by the clock of the CPU).

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;

use crate::own_files::OwnFile;
use crate::platform;

/// The observer may wait for its CPU this long, in nanoseconds: the kernel ends
/// what it does in a system call first. One that waits longer was not let in, and
/// comes when the thread gives the CPU away, which is no instant at random.
const MAX_DELAY: u64 = 15_000;
/// Threads whose files are held open: reading is half of opening.
const MAX_FILES: usize = 6;

/// What an observer knows of its own times and of threads on its CPU.
pub(super) struct Displaced {
    schedstat: OwnFile,
    sched: OwnFile,
    /// Nanoseconds run and waited, at the last instant.
    run: u64,
    waited: u64,
    /// How long it waited for its CPU at this instant.
    delay: u64,
    /// When the calling thread was switched in, once it is known.
    began: Option<u64>,
    /// Of threads that ran here, the last one first.
    files: Vec<(u32, Files)>,
}

/// What the kernel says of a thread.
struct Files {
    sched: OwnFile,
    syscall: Option<OwnFile>,
}

/// A thread that was switched out when the observer was switched in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// It would run on.
    Runnable,
    /// It was about to sleep, in the kernel: a signal would wake it.
    Asleep,
}

impl Displaced {
    /// For the calling thread.
    ///
    /// # Errors
    ///
    /// Where the kernel does not say when a thread ran.
    pub(super) fn open() -> io::Result<Self> {
        let tid = platform::gettid();
        let open = |name: &str| {
            let path = format!("/proc/self/task/{tid}/{name}");
            let file = File::open(&path);
            file.map_err(|error| io::Error::new(error.kind(), format!("{path}: {error}")))
        };
        let mut own = Self {
            schedstat: OwnFile::new(open("schedstat")?),
            sched: OwnFile::new(open("sched")?),
            run: 0,
            waited: 0,
            delay: 0,
            began: None,
            files: Vec::new(),
        };
        own.came()?;
        own.began()?;
        Ok(own)
    }

    /// To be called before the observer sleeps: what it waited for until now, as
    /// at an instant for which it came too late, delays not the next one.
    pub(super) fn goes(&mut self) {
        // What cannot be read now cannot be read at the instant either, which
        // reports it.
        let _ = self.came();
    }

    /// To be called first at every instant: whether the observer came soon
    /// enough.
    pub(super) fn came(&mut self) -> io::Result<bool> {
        let mut text = [0; 96];
        let read = self.schedstat.read_at(&mut text, 0)?;
        let mut numbers = text
            .get(..read)
            .unwrap_or_default()
            .split(|byte| *byte == b' ')
            .map(|word| std::str::from_utf8(word).ok()?.trim().parse::<u64>().ok());
        let (Some(Some(run)), Some(Some(waited))) = (numbers.next(), numbers.next()) else {
            return Err(unreadable("schedstat"));
        };
        self.delay = waited.saturating_sub(self.waited);
        self.run = run;
        self.waited = waited;
        self.began = None;
        Ok(self.delay <= MAX_DELAY)
    }

    /// Nanoseconds that the observer has run, until it was switched in.
    pub(super) fn run(&self) -> u64 {
        self.run
    }

    /// When the calling thread was switched in.
    fn began(&mut self) -> io::Result<u64> {
        if let Some(began) = self.began {
            return Ok(began);
        }
        let mut text = [0; 512];
        let read = self.sched.read_at(&mut text, 0)?;
        let text = text.get(..read).unwrap_or_default();
        let start = number(text, b"se.exec_start").ok_or_else(|| unreadable("sched"))?;
        let run = number(text, b"se.sum_exec_runtime").ok_or_else(|| unreadable("sched"))?;
        let began = start.saturating_sub(run.saturating_sub(self.run));
        self.began = Some(began);
        Ok(began)
    }

    /// Whether a thread, which is not on another CPU now, was switched out for
    /// the observer.
    pub(super) fn is(&mut self, tid: u32) -> io::Result<Option<Found>> {
        let Some(start) = self.account(tid) else {
            // It has ended.
            return Ok(None);
        };
        if start != self.began()? {
            return Ok(None);
        }
        let files = self.files.first().map(|(_, files)| files);
        Ok(Some(if files.is_some_and(|files| files.is_runnable(tid)) {
            Found::Runnable
        } else {
            Found::Asleep
        }))
    }

    /// When a thread's account was brought up to date last.
    fn account(&mut self, tid: u32) -> Option<u64> {
        let known = self.files.iter().position(|(owner, _)| *owner == tid);
        let files = match known {
            Some(place) => self.files.remove(place).1,
            None => Files::open(tid)?,
        };
        let mut text = [0; 512];
        // Of a thread that has ended nothing can be read.
        let read = files.sched.read_at(&mut text, 0).ok()?;
        let read = Some(read).filter(|read| *read > 0)?;
        self.files.truncate(MAX_FILES - 1);
        self.files.insert(0, (tid, files));
        number(text.get(..read)?, b"se.exec_start")
    }
}

fn unreadable(what: &str) -> io::Error {
    io::Error::other(format!("{what} of a thread has not the numbers expected"))
}

impl Files {
    fn open(tid: u32) -> Option<Self> {
        let open = |name: &str| File::open(format!("/proc/self/task/{tid}/{name}")).ok();
        Some(Self {
            sched: OwnFile::new(open("sched")?),
            syscall: open("syscall").map(OwnFile::new),
        })
    }

    /// Whether the thread runs, or waits for a CPU only.
    fn is_runnable(&self, tid: u32) -> bool {
        let mut text = [0; 8];
        let read = self
            .syscall
            .as_ref()
            .and_then(|file| file.read_at(&mut text, 0).ok());
        match read {
            Some(read) if read > 0 => text.starts_with(b"running"),
            // Not each kernel has that file, and a filter may hide it.
            _ => is_running_by_stat(tid),
        }
    }
}

/// The same from the file that every kernel has, which costs more.
fn is_running_by_stat(tid: u32) -> bool {
    let stat = fs::read(format!("/proc/self/task/{tid}/stat")).unwrap_or_default();
    // The name, in parentheses, may be anything.
    let end = stat.iter().rposition(|byte| *byte == b')');
    end.and_then(|end| stat.get(end + 2)) == Some(&b'R')
}

/// A number of `sched` in nanoseconds: it is printed as milliseconds with six
/// places.
fn number(text: &[u8], name: &[u8]) -> Option<u64> {
    let line = text
        .split(|byte| *byte == b'\n')
        .find(|line| line.starts_with(name))?;
    let value = line.rsplit(|byte| *byte == b':').next()?;
    let value = std::str::from_utf8(value).ok()?.trim();
    let (milliseconds, rest) = value.split_once('.')?;
    let rest = Some(rest).filter(|rest| rest.len() == 6)?;
    Some(milliseconds.parse::<u64>().ok()? * 1_000_000 + rest.parse::<u64>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHED: &[u8] = b"a b (7, #threads: 1)\n---\n\
        se.exec_start                                :      12381826.062485\n\
        se.vruntime                                  :        303780.398873\n\
        se.sum_exec_runtime                          :             0.256110\n";

    #[test]
    fn the_numbers_of_sched_are_nanoseconds() {
        assert_eq!(number(SCHED, b"se.exec_start"), Some(12_381_826_062_485));
        assert_eq!(number(SCHED, b"se.sum_exec_runtime"), Some(256_110));
        assert_eq!(number(SCHED, b"se.nothing"), None);
        assert_eq!(number(b"se.exec_start : 12", b"se.exec_start"), None);
    }

    #[test]
    fn a_thread_that_sleeps_is_not_runnable() {
        let is_runnable = |tid| {
            let files = Files::open(tid).expect("it lives");
            let answers = [files.is_runnable(tid), is_running_by_stat(tid)];
            (answers[0] == answers[1]).then_some(answers[0])
        };
        let stop = std::sync::atomic::AtomicBool::new(false);
        let (here, tid) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let _ = here.send(platform::gettid());
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
            let tid = tid.recv().expect("it is sent");
            while is_runnable(tid) != Some(true) {
                std::thread::yield_now();
            }
            stop.store(true, std::sync::atomic::Ordering::Relaxed);
        });
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let (here, tid) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let _ = here.send(platform::gettid());
            let _ = ended.recv();
        });
        let tid = tid.recv().expect("it is sent");
        while is_runnable(tid) != Some(false) {
            std::thread::yield_now();
        }
        drop(end);
        thread.join().expect("it ends well");
    }

    #[test]
    fn few_files_of_threads_are_held_open() {
        let mut own = Displaced::open().expect("this kernel says when threads ran");
        for tid in super::super::super::tasks::list() {
            let _ = own.is(tid);
        }
        assert!(own.files.len() <= MAX_FILES);
        assert_eq!(own.is(u32::MAX).expect("it is asked"), None);
    }
}
