//! The subject: a small service in a process of its own, driven by commands.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};

/// A running subject; killed when dropped.
#[derive(Debug)]
pub struct Subject {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    /// Its admin server, `127.0.0.1:PORT`.
    pub address: String,
    /// Its run directory.
    pub run: PathBuf,
}

impl Subject {
    /// Starts it with a run directory and further environment, and waits until
    /// its agent runs. `program` is `env!("CARGO_BIN_EXE_subject")`.
    pub fn start(program: &str, run: &Path, environment: &[(&str, &str)]) -> Self {
        Self::start_in(Path::new("."), program, run, environment)
    }

    /// [`Subject::start`] in a working directory.
    pub fn start_in(
        directory: &Path,
        program: &str,
        run: &Path,
        environment: &[(&str, &str)],
    ) -> Self {
        let mut child = command(program, run, environment)
            .current_dir(directory)
            .stdout(Stdio::piped())
            .stdin(Stdio::piped())
            .spawn()
            .expect("the subject starts");
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().expect("piped"));
        let mut subject = Self {
            child,
            input,
            output,
            address: String::new(),
            run: run.to_owned(),
        };
        let ready = subject.hear();
        subject.address = ready
            .strip_prefix("ready")
            .expect("ready first")
            .trim()
            .to_owned();
        subject
    }

    /// Starts it where its agent is to refuse; answers its exit code and what
    /// it said.
    pub fn refused(program: &str, run: &Path, environment: &[(&str, &str)]) -> (i32, String) {
        let output = command(program, run, environment)
            .stdin(Stdio::null())
            .output()
            .expect("the subject starts");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code().expect("not killed"), said)
    }

    /// Gives a command and answers what it said.
    pub fn ask(&mut self, command: &str) -> String {
        let input = self.input.as_mut().expect("not ended");
        writeln!(input, "{command}").expect("it listens");
        self.hear()
    }

    fn hear(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("it speaks");
        line.trim_end().to_owned()
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Kills it with SIGKILL and waits until it is gone.
    pub fn kill(&mut self) {
        self.child.kill().expect("it ran");
        self.child.wait().expect("it ends");
    }

    /// Waits until it has ended by itself.
    pub fn ended(mut self) -> ExitStatus {
        self.child.wait().expect("it ends")
    }

    /// Ends its input, so that it returns from `main`.
    pub fn end(mut self) -> ExitStatus {
        drop(self.input.take());
        let mut rest = String::new();
        self.output.read_to_string(&mut rest).expect("it speaks");
        self.child.wait().expect("it ends")
    }

    /// A file of its run directory.
    pub fn file(&self, name: &str) -> String {
        std::fs::read_to_string(self.run.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    /// Its timeline as far as it is on disk.
    pub fn timeline(&self) -> Timeline {
        Timeline::parse(&self.file("timeline.csv"))
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(program: &str, run: &Path, environment: &[(&str, &str)]) -> Command {
    let mut command = Command::new(program);
    command
        .env("SOAKSCOPE_RUN_PATH", run)
        .env("SOAKSCOPE_LISTEN", "127.0.0.1:0")
        .envs(environment.iter().copied());
    command
}

/// A CSV file read the plain way, to hold the project's own reader against.
#[derive(Debug)]
pub struct Timeline {
    /// Column names.
    pub columns: Vec<String>,
    /// Cells, a row each; no quoting is undone.
    pub rows: Vec<Vec<String>>,
}

impl Timeline {
    /// Splits at commas.
    pub fn parse(text: &str) -> Self {
        let split = |line: &str| line.split(',').map(str::to_owned).collect();
        let mut lines = text.lines();
        Self {
            columns: lines.next().map(split).unwrap_or_default(),
            rows: lines.map(split).collect(),
        }
    }

    /// The cells of a column.
    pub fn column(&self, name: &str) -> Vec<&str> {
        let index = self.columns.iter().position(|column| column == name);
        let index = index.unwrap_or_else(|| panic!("no column {name} in {:?}", self.columns));
        self.rows.iter().map(|row| row[index].as_str()).collect()
    }
}

/// Removes a directory that an agent holds open: between the listing and the
/// removal it may make another file in it.
pub fn remove_held(directory: &Path) {
    while let Err(error) = std::fs::remove_dir_all(directory) {
        assert_eq!(
            error.kind(),
            std::io::ErrorKind::DirectoryNotEmpty,
            "{}: {error}",
            directory.display()
        );
    }
}

/// A directory that goes when dropped.
pub fn scratch() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary directory")
}
