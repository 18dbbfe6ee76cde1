//! A server process: started, found by what it prints, measured through `/proc`, ended.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::Error;

/// How long it may take to open, and to close.
const PATIENCE: Duration = Duration::from_secs(30);

/// A shop in a process of its own.
#[derive(Debug)]
pub struct Server {
    child: Child,
    pid: Pid,
    addr: SocketAddr,
    admin: Option<SocketAddr>,
}

impl Server {
    /// Runs a command that prints `shop http://ADDR`, and `agent http://ADDR` when it has one, then `open`.
    ///
    /// # Errors
    ///
    /// When it cannot be run or does not open.
    pub async fn start(mut command: Command) -> Result<Self, Error> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| Error::Trial(format!("cannot run {command:?}: {error}")))?;
        let no_server = |why: &str| Error::Trial(format!("{command:?} {why}"));
        let pid = child
            .id()
            .and_then(|id| Pid::from_raw(id.cast_signed()))
            .ok_or_else(|| no_server("is gone"))?;
        let output = child
            .stdout
            .take()
            .ok_or_else(|| no_server("has no output"))?;
        let mut lines = BufReader::new(output).lines();
        let (mut addr, mut admin) = (None, None);
        let opened = async {
            while let Ok(Some(line)) = lines.next_line().await {
                let mut words = line.split_whitespace();
                let what = words.next();
                let url = words
                    .next()
                    .and_then(|url| url.strip_prefix("http://")?.parse().ok());
                match what {
                    Some("shop") => addr = url,
                    Some("agent") => admin = url,
                    Some("open" | "open;") => return,
                    _ => {}
                }
            }
        };
        tokio::time::timeout(PATIENCE, opened)
            .await
            .map_err(|_| no_server("does not open"))?;
        // Whatever it prints from here on is nobody's concern, but must not fill the pipe.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let addr = addr.ok_or_else(|| no_server("ended before it opened"))?;
        Ok(Self {
            child,
            pid,
            addr,
            admin,
        })
    }

    /// Where the shop listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Where its agent listens, if it has one.
    pub fn admin(&self) -> Option<SocketAddr> {
        self.admin
    }

    /// CPU it has used so far, in user and kernel mode, all threads, the dead ones too.
    ///
    /// # Errors
    ///
    /// When it is gone.
    pub fn cpu_seconds(&self) -> Result<f64, Error> {
        let stat = self.proc_file("stat")?;
        cpu_ticks(&stat)
            .map(|ticks| ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
            .ok_or_else(|| Error::Trial(format!("unreadable stat of {}: {stat}", self.pid)))
    }

    /// Its resident memory, in MB of 1024².
    ///
    /// # Errors
    ///
    /// When it is gone.
    pub fn rss_mb(&self) -> Result<f64, Error> {
        let status = self.proc_file("status")?;
        rss_kib(&status)
            .map(|kib| kib as f64 / 1024.0)
            .ok_or_else(|| Error::Trial(format!("no VmRSS in the status of {}", self.pid)))
    }

    /// Ends it in good order.
    pub async fn stop(mut self) {
        let _ = kill_process(self.pid, Signal::TERM);
        // Dropping the child afterwards kills what did not listen.
        let _ = tokio::time::timeout(PATIENCE, self.child.wait()).await;
    }

    fn proc_file(&self, name: &str) -> Result<String, Error> {
        let path = format!("/proc/{}/{name}", self.pid);
        std::fs::read_to_string(&path)
            .map_err(|error| Error::Trial(format!("cannot read {path}: {error}")))
    }
}

/// User and kernel time of a `/proc/PID/stat`, in clock ticks: fields 14 and 15 of proc_pid_stat(5). The second
/// field, the name, may hold anything, even blanks and brackets; all others come after its last bracket.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let kernel: u64 = fields.next()?.parse().ok()?;
    Some(user + kernel)
}

fn rss_kib(status: &str) -> Option<u64> {
    status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?
        .split_whitespace()
        .next()?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_does_not_shift_the_fields() {
        let stat = "1234 (a) (b c) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0 1 0 5 6 7";
        assert_eq!(cpu_ticks(stat), Some(300));
        assert_eq!(cpu_ticks("1234 (a) S 1"), None);
    }

    #[test]
    fn resident_memory_is_found_by_name() {
        assert_eq!(rss_kib("VmPeak:\t  9 kB\nVmRSS:\t   2048 kB\n"), Some(2048));
        assert_eq!(rss_kib("Name: zombie\n"), None);
    }
}
