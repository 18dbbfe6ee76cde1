//! The profiles of a run: one file per window, merged on demand; and bare ones,
//! whoever wrote them.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;

use super::{PROFILES, RunDir, check_name};
use crate::causes::HeapShot;
use crate::error::Error;
use crate::limits::{
    MERGED_MEMORY, PROFILE_BYTES, PROFILE_FILES, PROFILES_UNPACKED_BYTES, SHOTS_MEMORY,
};
use crate::profile::{Merger, Noted, Profile, Sample};

/// Which part of a run's profiles is wanted. The default is all of it.
#[derive(Debug, Clone, Default)]
pub struct ProfileRange {
    /// Samples with this label in `phase` only.
    pub phase: Option<String>,
    /// Samples of threads of this name only.
    pub thread: Option<String>,
    /// Samples in this span, or on this route, only.
    pub span: Option<String>,
    /// Windows that end after this minute of the run only.
    pub from_min: Option<f64>,
    /// Windows that begin before this minute of the run only.
    pub to_min: Option<f64>,
}

impl RunDir {
    /// Writes an encoded profile to `profiles/<name>.pb.gz`; names are a kind
    /// and a number, such as `cpu-000001`.
    ///
    /// # Errors
    ///
    /// [`Error::BadName`] or [`Error::Io`].
    pub fn write_profile(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        let path = self.profile_path(name)?;
        let below = self.directory().subdirectory(PROFILES);
        below
            .and_then(|profiles| profiles.replace(&format!("{name}.pb.gz"), bytes, false))
            .map_err(Error::io("write", path))
    }

    /// The profiles of a kind (`cpu`, `heap`), in the order of their names.
    /// None is no error.
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub fn profiles(&self, kind: &str) -> Result<Vec<PathBuf>, Error> {
        let path = self.path.join(PROFILES);
        let below = self.directory().existing_subdirectory(PROFILES);
        let prefix = format!("{kind}-");
        let mut paths: Vec<PathBuf> = match below.and_then(|profiles| {
            let names = profiles.names()?;
            let of_kind = |name: &String| name.starts_with(&prefix) && name.ends_with(".pb.gz");
            let names = names.filter(of_kind).take(PROFILE_FILES);
            Ok(names.map(|name| path.join(name)).collect())
        }) {
            Ok(paths) => paths,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(Error::io("read", &path)(error)),
        };
        paths.sort();
        // A merged window comes before its parts, which may still be there
        // where the process was killed while it merged.
        let mut until = 0;
        paths.retain(|path| match windows(path, &prefix) {
            Some((_, last)) if last <= until => false,
            Some((_, last)) => {
                until = last;
                true
            }
            None => true,
        });
        Ok(paths)
    }

    /// Merges windows of this run into one and writes it; the parts stay.
    /// Answers its size and how many parts could not be read. Its time is from
    /// the first part's beginning to the last part's end.
    ///
    /// A merged window is named after the first and the last window in it,
    /// such as `cpu-000001-000060`, and readers pass over those.
    ///
    /// # Errors
    ///
    /// [`Error::BadName`], or [`Error::Io`] if it cannot be written.
    pub fn merge_profiles(&self, parts: &[&str], into: &str) -> Result<(u64, u64), Error> {
        let mut merger = Merger::new();
        let (mut end, mut unread) = (i64::MIN, 0);
        for part in parts {
            let added = self.read_profile(part).and_then(|window| {
                end = end.max(window.time_nanos.saturating_add(window.duration_nanos));
                merger.add(&window)
            });
            unread += u64::from(added.is_err());
        }
        let mut merged = merger.finish();
        merged.duration_nanos = end.saturating_sub(merged.time_nanos).max(0);
        let bytes = merged.encode();
        self.write_profile(into, &bytes)?;
        Ok((bytes.len() as u64, unread))
    }

    /// Removes a window; one that is not there is no error.
    ///
    /// # Errors
    ///
    /// [`Error::BadName`] or [`Error::Io`].
    pub fn remove_profile(&self, name: &str) -> Result<(), Error> {
        let path = self.profile_path(name)?;
        let below = self.directory().existing_subdirectory(PROFILES);
        match below.and_then(|profiles| profiles.remove(&format!("{name}.pb.gz"))) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Error::io("remove", &path)(error))
            }
            _ => Ok(()),
        }
    }

    fn read_profile(&self, name: &str) -> Result<Profile, Error> {
        let path = self.profile_path(name)?;
        read_window(self, &path).and_then(|bytes| Profile::decode(&bytes))
    }

    fn profile_path(&self, name: &str) -> Result<PathBuf, Error> {
        check_name(name)?;
        Ok(self.path.join(PROFILES).join(format!("{name}.pb.gz")))
    }

    /// The merged profile of a kind over a range of the run, and what could
    /// not be read of it. `None` if there is no window in the range.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the directory cannot be read. A window that cannot be
    /// read is left out and noted.
    pub fn profile(
        &self,
        kind: &str,
        range: &ProfileRange,
    ) -> Result<(Option<Profile>, Vec<String>), Error> {
        let start = self.start_nanos();
        let windows = self.profiles(kind)?.into_iter();
        let windows = windows.map(|path| self.window_of(path, range, start));
        Ok(merged(kind, range, start, windows))
    }

    /// [`RunDir::profile`] by two threads: one unpacks the windows that the
    /// other adds up.
    ///
    /// # Errors
    ///
    /// As [`RunDir::profile`].
    pub fn profile_ahead(
        &self,
        kind: &str,
        range: &ProfileRange,
    ) -> Result<(Option<Profile>, Vec<String>), Error> {
        let start = self.start_nanos();
        let paths = self.profiles(kind)?;
        Ok(std::thread::scope(|scope| {
            let (send, windows) = sync_channel(AHEAD);
            scope.spawn(move || {
                let mut windows = paths
                    .into_iter()
                    .map(|path| self.window_of(path, range, start));
                // Until there are no more, or no more are wanted.
                while let Some(window) = windows.next()
                    && send.send(window).is_ok()
                {}
            });
            merged(kind, range, start, windows.into_iter())
        }))
    }

    fn window_of(&self, path: PathBuf, range: &ProfileRange, start: Option<f64>) -> Window {
        let mut unpacked = Unpacked::default();
        let is_wanted = |time, duration| range.covers(time, duration, start);
        let profile = unpacked.window(self, &path, is_wanted);
        Window {
            path,
            profile,
            unpacked,
        }
    }
}

/// Windows that are unpacked before they are wanted.
const AHEAD: usize = 2;

/// A window of a run as it was read; no profile where its time is not wanted.
struct Window {
    path: PathBuf,
    profile: Result<Option<Noted>, Error>,
    unpacked: Unpacked,
}

/// The sum of windows in a range, and what could not be read of them.
fn merged(
    kind: &str,
    range: &ProfileRange,
    start: Option<f64>,
    windows: impl Iterator<Item = Window>,
) -> (Option<Profile>, Vec<String>) {
    let mut merger = Merger::new();
    let (mut taken, mut notes) = (0, Notes::new(kind));
    let mut coarse = Vec::new();
    let mut unpacked = Unpacked::default();
    for Window {
        path,
        profile,
        unpacked: more,
    } in windows
    {
        unpacked.bytes = unpacked.bytes.saturating_add(more.bytes);
        let window = profile.and_then(|window| {
            let Some((window, left_out)) = window else {
                return Ok(0);
            };
            notes.left_out(left_out, &path);
            if !range.covers(window.time_nanos, window.duration_nanos, start) {
                return Ok(0);
            }
            let part;
            let window = if range.is_whole() {
                &window
            } else {
                part = window.filter(|sample| range.takes(sample));
                &part
            };
            while merger.memory().saturating_add(window.memory()) as u64 > MERGED_MEMORY.most {
                // Better all of the run in less detail than a part of it.
                let Some(given_up) = merger.coarsen() else {
                    return Err(MERGED_MEMORY.exceeded());
                };
                coarse.push(format!(
                    "{kind} profile: {given_up} are not kept apart, as the whole run has {}",
                    MERGED_MEMORY
                        .exceeded()
                        .to_string()
                        .trim_start_matches("it has ")
                ));
            }
            merger.add(window).map(|()| 1)
        });
        match window {
            Ok(count) => taken += count,
            Err(error) => notes.lost(error, &path),
        }
        if unpacked.is_full() {
            notes.lost(PROFILES_UNPACKED_BYTES.exceeded(), &path);
            break;
        }
    }
    let mut notes = notes.finish();
    notes.append(&mut coarse);
    ((taken > 0).then(|| merger.finish()), notes)
}

/// The profile of a whole run that is written when it is sealed, with lines.
const WHOLE: &str = "cpu.pb.gz";

impl RunDir {
    /// Gives a CPU profile of this run the source lines that were looked up when
    /// it was sealed: while a run goes on, its windows have names only. Answers
    /// why there are none, if so.
    pub fn add_lines(&self, profile: &mut Profile) -> Option<String> {
        let path = self.path.join(WHOLE);
        let whole = self
            .directory()
            .read(WHOLE)
            .and_then(|file| PROFILE_BYTES.read(file))
            .map_err(Error::io("read", &path))
            .and_then(|bytes| bytes.and_then(|bytes| Profile::decode(&bytes)));
        let problem = match whole {
            Ok(whole) => {
                profile.take_lines(&whole);
                "the program has no debug information: debug = \"line-tables-only\" in its profile in Cargo.toml gives it some"
                    .to_owned()
            }
            Err(_) if !self.has_artifact(WHOLE) => {
                format!("the run has no {WHOLE}, which is written with them when it is finished")
            }
            Err(error) => error.in_file(&path).to_string(),
        };
        (!profile.has_lines()).then(|| format!("source lines are not known: {problem}"))
    }
}

/// Reads a bare profile, and answers what was left out of it. A pipe will do, and
/// `-` is standard input.
///
/// # Errors
///
/// [`Error::Io`], or as [`Profile::decode`].
pub fn read_profile(path: &Path) -> Result<(Profile, Vec<String>), Error> {
    let bytes = if path.as_os_str() == "-" {
        PROFILE_BYTES.read(io::stdin().lock())
    } else {
        File::open(path).and_then(|file| PROFILE_BYTES.read(file))
    };
    bytes
        .map_err(Error::io("read", path))?
        .and_then(|bytes| Profile::decode_noted(&bytes))
        .map_err(|error| error.in_file(path))
}

/// The bytes of a window, up to what is read of one.
fn read_window(dir: &RunDir, path: &Path) -> Result<Vec<u8>, Error> {
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(|| Error::BadName(path.display().to_string()))?;
    let below = dir.directory().existing_subdirectory(PROFILES);
    let file = below
        .and_then(|profiles| profiles.read(name))
        .map_err(Error::io("read", path))?;
    PROFILE_BYTES.read(file).map_err(Error::io("read", path))?
}

/// Windows that are read one after the other, and what they unpacked to.
#[derive(Default)]
struct Unpacked {
    bytes: u64,
}

impl Unpacked {
    /// A window and what was left out of it; `None` if its time is not wanted.
    fn window(
        &mut self,
        dir: &RunDir,
        path: &Path,
        is_wanted: impl Fn(i64, i64) -> bool,
    ) -> Result<Option<Noted>, Error> {
        let bytes = read_window(dir, path)?;
        let (profile, unpacked) = Profile::decode_where(&bytes, is_wanted);
        self.bytes = self.bytes.saturating_add(unpacked as u64);
        profile
    }

    /// Whether no more is unpacked.
    fn is_full(&self) -> bool {
        self.bytes > PROFILES_UNPACKED_BYTES.most
    }
}

/// Windows that could not be read: the first says why, the others are counted.
struct Notes<'a> {
    kind: &'a str,
    first: Option<String>,
    lost: usize,
    /// What the first window lacks that was not read whole, and how many.
    partial: Option<String>,
    partly: usize,
}

impl<'a> Notes<'a> {
    fn new(kind: &'a str) -> Self {
        Notes {
            kind,
            first: None,
            lost: 0,
            partial: None,
            partly: 0,
        }
    }

    /// What was left out of a window that was read.
    fn left_out(&mut self, what: Vec<String>, path: &Path) {
        if !what.is_empty() {
            self.partly += 1;
            let say = || format!("profile {}: {}", path.display(), what.join("; "));
            self.partial.get_or_insert_with(say);
        }
    }

    fn lost(&mut self, error: Error, path: &Path) {
        self.lost += 1;
        let say = || format!("profile {}", error.in_file(path));
        self.first.get_or_insert_with(say);
    }

    fn finish(self) -> Vec<String> {
        let mut notes: Vec<String> = self.first.into_iter().collect();
        if self.lost > 1 {
            let (lost, kind) = (self.lost, self.kind);
            notes.push(format!("{lost} {kind} profile windows could not be read"));
        }
        notes.extend(self.partial);
        if self.partly > 1 {
            let (partly, kind) = (self.partly, self.kind);
            notes.push(format!(
                "{partly} {kind} profile windows were read but for such parts"
            ));
        }
        notes
    }
}

/// How many heap profiles of one run are looked at, and how many if those are
/// too large.
const SHOTS: [usize; 3] = [13, 5, 3];

impl RunDir {
    /// Heap profiles spread evenly over the run, the last one among them, and
    /// what could not be read.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the directory cannot be read. A profile that cannot be
    /// read is left out and noted.
    pub fn heap_shots(&self) -> Result<(Vec<HeapShot>, Vec<String>), Error> {
        let start = self.start_nanos().unwrap_or(0.0);
        let paths = self.profiles("heap")?;
        let mut unpacked = Unpacked::default();
        let mut notes = Notes::new("heap");
        // Large ones are looked at less closely: three are the least of which
        // anything can be said.
        let mut shots = Vec::new();
        for most in SHOTS {
            (shots, notes) = (Vec::new(), Notes::new("heap"));
            let mut memory = 0_usize;
            for path in spread(&paths, most) {
                match unpacked.window(self, path, |_, _| true) {
                    Ok(None) => {}
                    Ok(Some((profile, left_out))) => {
                        notes.left_out(left_out, path);
                        memory = memory.saturating_add(profile.memory());
                        shots.push(HeapShot {
                            seconds: (profile.time_nanos as f64 - start) / 1e9,
                            profile,
                        });
                    }
                    Err(error) => notes.lost(error, path),
                }
                if memory > SHOTS_MEMORY {
                    break;
                }
            }
            if memory <= SHOTS_MEMORY {
                return Ok((shots, notes.finish()));
            }
        }
        let mut notes = notes.finish();
        notes.push(format!(
            "heap profiles: three of them take more than {} MB of stacks, names and labels, \
             which is the most that is read; causes of a leak are not looked for",
            SHOTS_MEMORY >> 20
        ));
        shots.clear();
        Ok((shots, notes))
    }
}

/// Some of many, at equal distances, the last always among them.
fn spread(paths: &[PathBuf], most: usize) -> impl Iterator<Item = &PathBuf> {
    let last = paths.len().saturating_sub(1);
    let few = last.min(most - 1);
    (0..=few).filter_map(move |number| paths.get(last - (few - number) * last / few.max(1)))
}

/// The first and the last window in a file: `cpu-000007.pb.gz` is one,
/// `cpu-000001-000060.pb.gz` sixty.
fn windows(path: &Path, prefix: &str) -> Option<(u64, u64)> {
    let name = path.file_name()?.to_str()?;
    let numbers = name.strip_prefix(prefix)?.strip_suffix(".pb.gz")?;
    let (first, last) = numbers.split_once('-').unwrap_or((numbers, numbers));
    Some((first.parse().ok()?, last.parse().ok()?))
}

impl ProfileRange {
    /// The first and the last quarter of this range, which must have both ends.
    /// What changed between the two is what changed while the run went on.
    #[must_use]
    pub fn outer_quarters(&self) -> Option<[ProfileRange; 2]> {
        let (from, to) = (self.from_min?, self.to_min?);
        let quarter = (to - from) / 4.0;
        let part = |from: f64, to: f64| ProfileRange {
            from_min: Some(from),
            to_min: Some(to),
            ..self.clone()
        };
        Some([part(from, from + quarter), part(to - quarter, to)])
    }

    fn takes(&self, sample: &Sample) -> bool {
        let is = |key: &str, wanted: &Option<String>| {
            wanted
                .as_deref()
                .is_none_or(|wanted| sample.label(key) == Some(wanted))
        };
        let span = self.span.as_deref();
        is("phase", &self.phase)
            && is("thread", &self.thread)
            && span.is_none_or(|span| sample.is_in_span(span))
    }

    /// Whether it takes every sample of a window.
    fn is_whole(&self) -> bool {
        self.phase.is_none() && self.thread.is_none() && self.span.is_none()
    }

    /// Whether a window overlaps the range. One whose time is unknown is only
    /// in a range without bounds.
    fn covers(&self, time_nanos: i64, duration_nanos: i64, run_start_nanos: Option<f64>) -> bool {
        if self.from_min.is_none() && self.to_min.is_none() {
            return true;
        }
        let (Some(run_start), true) = (run_start_nanos, time_nanos != 0) else {
            return false;
        };
        let minute = |nanos: f64| (nanos - run_start) / 60e9;
        let start = minute(time_nanos as f64);
        let end = minute(time_nanos as f64 + duration_nanos as f64);
        self.from_min.is_none_or(|from| end > from) && self.to_min.is_none_or(|to| start < to)
    }
}
