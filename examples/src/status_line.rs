//! One line that says how a run is going: rewritten in place on a terminal, now and then elsewhere.

use std::io::{IsTerminal, Write, stdout};
use std::time::Duration;

use soakscope::Agent;

use crate::load::Progress;
use crate::span_of_time::clock;

/// Cells of the bar.
const BAR: usize = 16;
/// Off a terminal a run has about this many lines, whatever its length, but never more than one in five seconds.
const LINES: u32 = 60;
const LINE_EVERY_LEAST: Duration = Duration::from_secs(5);

/// Readings of the service beside those of the client; missing ones are not shown.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Vitals {
    rss_mb: Option<f64>,
    cpu_percent: Option<f64>,
    connections: Option<f64>,
    open_fds: Option<f64>,
}

impl Vitals {
    /// The newest readings of the agent.
    pub fn of(agent: &Agent) -> Self {
        Self {
            rss_mb: agent.latest("rss_mb"),
            cpu_percent: agent.latest("cpu_percent"),
            connections: agent.latest("connections"),
            open_fds: agent.latest("open_fds"),
        }
    }
}

/// Shows a run of a known length.
#[derive(Debug)]
pub struct StatusLine {
    length: Duration,
    in_place: bool,
    next_line: Duration,
}

impl StatusLine {
    /// For a run that takes `length`, on standard output.
    pub fn new(length: Duration) -> Self {
        Self {
            length,
            in_place: stdout().is_terminal(),
            next_line: Duration::ZERO,
        }
    }

    /// Says something that stays, on a line of its own.
    pub fn say(&mut self, text: &str) {
        self.print(&format!("{text}\n"));
    }

    /// Shows how far the run is.
    pub fn show(&mut self, phase: &str, progress: &Progress, vitals: &Vitals) {
        let elapsed = Duration::from_secs_f64(progress.elapsed_s.max(0.0));
        let line = line(phase, elapsed, self.length, progress, vitals);
        if self.in_place {
            // A line that wraps could not be taken back.
            self.print(&line.chars().take(columns() - 1).collect::<String>());
        } else if elapsed >= self.next_line {
            self.next_line = elapsed + (self.length / LINES).max(LINE_EVERY_LEAST);
            self.print(&format!("{line}\n"));
        }
    }

    /// Leaves the terminal as it should be for what is printed next.
    pub fn clear(&mut self) {
        self.print("");
    }

    /// A closed standard output is no reason to end a run.
    fn print(&self, text: &str) {
        let begin = if self.in_place { "\r\x1b[K" } else { "" };
        let mut out = stdout().lock();
        let _ = write!(out, "{begin}{text}").and_then(|()| out.flush());
    }
}

/// How wide the terminal is.
fn columns() -> usize {
    let size = rustix::termios::tcgetwinsize(stdout());
    size.ok()
        .map_or(80, |size| usize::from(size.ws_col.max(20)))
}

fn line(
    phase: &str,
    elapsed: Duration,
    length: Duration,
    progress: &Progress,
    vitals: &Vitals,
) -> String {
    let done = (elapsed.as_secs_f64() / length.as_secs_f64().max(1e-9)).clamp(0.0, 1.0);
    let filled = (done * BAR as f64).round() as usize;
    let bar = format!("{}{}", "█".repeat(filled), "░".repeat(BAR - filled));
    let mut line = format!(
        "{bar} {}/{}  {phase:<9} {:>5.0} req/s  p99 {:.1} ms  {} errors",
        clock(elapsed),
        clock(length),
        progress.per_second,
        progress.latency.p99_ms,
        progress.errors
    );
    for (value, unit) in [
        (vitals.rss_mb, "MB"),
        (vitals.cpu_percent, "% CPU"),
        (vitals.connections, "conns"),
        (vitals.open_fds, "fds"),
    ] {
        if let Some(value) = value {
            let separator = if line.contains('│') { " " } else { " │" };
            line.push_str(&format!("{separator} {value:.0} {unit}"));
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_readings_are_not_shown_as_zero() {
        let progress = Progress {
            elapsed_s: 30.0,
            requests: 3_000,
            per_second: 149.6,
            ..Progress::default()
        };
        let (half, whole) = (Duration::from_secs(30), Duration::from_secs(60));
        let blind = line("steady", half, whole, &progress, &Vitals::default());
        assert_eq!(
            blind,
            "████████░░░░░░░░ 0:30/1:00  steady      150 req/s  p99 0.0 ms  0 errors"
        );
        let vitals = Vitals {
            rss_mb: Some(24.2),
            open_fds: Some(61.0),
            ..Vitals::default()
        };
        let seeing = line("steady", half, whole, &progress, &vitals);
        assert!(seeing.ends_with("0 errors │ 24 MB  61 fds"), "{seeing}");
    }

    #[test]
    fn a_run_that_takes_longer_than_planned_has_a_full_bar() {
        let late = line(
            "cooldown",
            Duration::from_secs(99),
            Duration::from_secs(60),
            &Progress::default(),
            &Vitals::default(),
        );
        assert!(late.starts_with(&"█".repeat(BAR)));
        assert!(!late.contains('░'));
    }
}
