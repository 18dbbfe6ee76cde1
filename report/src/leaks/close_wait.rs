//! Sockets whose peer has closed and whose owner has not.
//!
//! A healthy service closes such a socket within a moment, so any that stay are
//! forgotten: no noise, no load and no warm-up makes them. One rule, without
//! statistics: if some were there at every single reading of the later half,
//! for at least a minute, and no fewer at its end than at its beginning.

use super::window::{Point, span};

pub(super) const RULE: &str = "close-wait";

/// One socket may be in the hands of slow code.
const LEAST: f64 = 2.0;
const MIN_HOURS: f64 = 1.0 / 60.0;
const MIN_SAMPLES: usize = 10;

/// What is stuck, if something is.
pub(super) fn stuck(name: &str, points: &[Point]) -> Option<String> {
    if !name.to_ascii_lowercase().ends_with("close_wait") {
        return None;
    }
    let later = &points[points.len() / 2..];
    let floor = |points: &[Point]| points.iter().map(|p| p.1).fold(f64::INFINITY, f64::min);
    let (third, last) = later.split_at(later.len() / 2);
    let stays = later.len() >= MIN_SAMPLES
        && span(later) >= MIN_HOURS
        && floor(later) >= LEAST
        && floor(last) >= floor(third);
    stays.then(|| {
        format!(
            "{} or more sockets stayed in CLOSE_WAIT through the later half of the run: \
             the peer closed them and the service did not",
            floor(last)
        )
    })
}
