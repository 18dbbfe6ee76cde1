//! The profiles of a service that still stands: the last one may be of its ruins,
//! where a service drops what it holds before it lets the agent finish.

use super::HeapShot;
use super::survivors::in_use;
use crate::columns::HEAP_LIVE_MB;
use crate::timeline::Timeline;

/// A heap that holds less than this part of what it held at the profile before
/// was torn down, if that was at the very end …
const RUINS: f64 = 0.5;
/// … so many seconds, or this part of the run, before it; until then the heap
/// was as large as this part of it.
const END_SECONDS: f64 = 3.0;
const END_PART: f64 = 0.02;
const STOOD: f64 = 0.75;

/// The series that says until when.
const HEAP: &str = HEAP_LIVE_MB.name;

/// The profiles without one of a heap that was torn down at the end of the run.
pub(crate) fn standing<'a>(shots: &'a [HeapShot], timeline: &Timeline) -> &'a [HeapShot] {
    let [rest @ .., last] = shots else {
        return shots;
    };
    let Some(before) = rest.last() else {
        return shots;
    };
    let live = |shot: &HeapShot| -> f64 {
        let samples = shot.profile.samples.iter();
        let blocks = samples.filter_map(|sample| in_use(&shot.profile, sample));
        blocks.map(|blocks| blocks.bytes).sum()
    };
    if live(last) >= RUINS * live(before) {
        return shots;
    }
    let Some(readings) = timeline.readings(HEAP) else {
        return shots;
    };
    let rows: Vec<(f64, f64)> = timeline
        .elapsed_hours()
        .iter()
        .zip(readings)
        .filter(|(_, value)| value.is_finite())
        .map(|(hour, value)| (hour * 3600.0, value))
        .collect();
    let then = rows.partition_point(|row| row.0 <= before.seconds);
    let Some(level) = then.checked_sub(1).map(|row| rows[row].1) else {
        return shots;
    };
    let stood_until = rows
        .iter()
        .rfind(|row| row.1 >= STOOD * level)
        .map_or(0.0, |row| row.0);
    let end = END_SECONDS.max(END_PART * last.seconds);
    if stood_until >= last.seconds - end {
        rest
    } else {
        shots
    }
}
