//! A test in a process of its own that something is done to from outside.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use super::command;

/// A child of this test, which says a word on standard output when it is time
/// to do something to it.
pub struct Case {
    pub child: Child,
    says: BufReader<ChildStdout>,
    hears: ChildStdin,
}

impl Case {
    pub fn start(before: &[&str], test: &str) -> Case {
        let mut child = command(before, test, "case")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a test can run itself");
        let says = BufReader::new(child.stdout.take().expect("it was asked for"));
        let hears = child.stdin.take().expect("it was asked for");
        Case { child, says, hears }
    }

    pub fn signal(&self, signal: libc::c_int) {
        // SAFETY: a child of ours that has not been waited for.
        let sent = unsafe { libc::kill(self.child.id() as libc::pid_t, signal) };
        assert_eq!(sent, 0);
    }

    /// Waits until the child has said `word`.
    pub fn until(&mut self, word: &str) {
        let mut line = String::new();
        while self.says.read_line(&mut line).expect("it is text") > 0 {
            if line.trim_end().ends_with(word) {
                return;
            }
            line.clear();
        }
        panic!("the child ended before it said {word}");
    }

    /// Lets the child go on that [`listen`]s.
    pub fn go(&mut self) {
        self.hears.write_all(b"go\n").expect("the child reads");
    }

    /// Waits for its end, which must be a good one.
    pub fn end(mut self) {
        let mut rest = String::new();
        let _ = self.says.read_to_string(&mut rest);
        let status = self.child.wait().expect("it was started");
        assert!(status.success(), "{status}: {rest}");
    }
}

/// Says that the parent may go on.
pub fn say(word: &str) {
    println!("\n{word}");
    std::io::stdout().flush().expect("the parent reads");
}

/// Waits until the parent says that this child may go on.
pub fn listen() {
    let mut line = String::new();
    let heard = std::io::stdin().read_line(&mut line);
    assert!(heard.expect("the parent writes") > 0);
}
