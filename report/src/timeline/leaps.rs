//! The course of time through a file: rows that are late, runs that were
//! appended, and leaps of a clock.
//!
//! Rows that come late are sorted in. But where a clock is set in the middle of
//! a run, or a second run follows in the same file, sorting would mix what was
//! apart, and a leak would look like noise. So the rows are cut into stretches
//! in which time goes on by itself, and each is put where it belongs.

use std::ops::Range;

/// Stretches shorter than this are rows that are late or astray.
const FEW_ROWS: usize = 5;

/// No gap of a run is longer than this and twice the rest of the run.
const DAY: f64 = 24.0;

/// What is known of the rows before they are put in order.
pub(super) struct Course<'a> {
    /// Whether times count from 1970 or some midnight.
    pub(super) absolute: bool,
    /// Whether they are of a clock that is set when summer begins and ends.
    pub(super) local: bool,
    /// Rows before which the header came again.
    pub(super) headers: &'a [usize],
    /// Whether the series go on from one row to the next.
    pub(super) continues: &'a dyn Fn(usize, usize) -> bool,
}

/// Where the rows belong.
#[derive(Debug, Default)]
pub(super) struct Settled {
    /// The rows in the order of time, without those left out; `None` if they
    /// are in it already.
    pub(super) order: Option<Vec<u32>>,
    /// The rows of each run, after that.
    pub(super) runs: Vec<Range<usize>>,
    /// Rows that came late.
    pub(super) reordered: usize,
    /// What was found, for people.
    pub(super) notes: Vec<String>,
}

/// Times the rows anew where time leaps, and says in which order they belong.
pub(super) fn settle(hours: &mut [f64], course: &Course<'_>) -> Settled {
    let mut settled = Settled::default();
    let mut starts = Vec::new();
    let left_out = match Ticks::of(hours) {
        Some(ticks) if ticks.is_uneven || !course.headers.is_empty() || course.local => {
            Walk::new(hours, course, &ticks).all(&mut settled.notes, &mut starts)
        }
        _ => Vec::new(),
    };
    settled.reordered = hours.windows(2).filter(|w| w[1] < w[0]).count();
    let has_strays = !left_out.is_empty() || hours.iter().any(|hour| !hour.is_finite());
    if has_strays {
        // They are counted for themselves.
        let kept: Vec<f64> = (0..hours.len())
            .filter(|row| hours[*row].is_finite() && left_out.binary_search(row).is_err())
            .map(|row| hours[row])
            .collect();
        settled.reordered = kept.windows(2).filter(|w| w[1] < w[0]).count();
    }
    let mut len = hours.len();
    if settled.reordered > 0 || has_strays {
        let mut order: Vec<u32> = (0..hours.len())
            .filter(|row| hours[*row].is_finite() && left_out.binary_search(row).is_err())
            .map(|row| row as u32)
            .collect();
        order.sort_by(|a, b| hours[*a as usize].total_cmp(&hours[*b as usize]));
        len = order.len();
        settled.order = Some(order);
    }
    let at = |row: usize| {
        settled
            .order
            .as_ref()
            .map_or(row, |order| order[row] as usize)
    };
    let mut begin = 0;
    for start in starts {
        let end = partition(len, |row| hours[at(row)] < start);
        if end > begin && end < len {
            settled.runs.push(begin..end);
            begin = end;
        }
    }
    settled.runs.push(begin..len);
    settled
}

/// How many of so many rows, in the order of time, are before.
fn partition(len: usize, before: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, len);
    while low < high {
        let middle = low + (high - low) / 2;
        if before(middle) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

/// The steps from row to row.
struct Ticks {
    /// The median step, in hours.
    median: f64,
    /// A gap longer than this is none of a run.
    far: f64,
    /// Whether there is a step back or a long one.
    is_uneven: bool,
}

impl Ticks {
    fn of(hours: &[f64]) -> Option<Ticks> {
        let mut steps: Vec<f64> = hours
            .windows(2)
            .map(|w| w[1] - w[0])
            .filter(|step| *step > 0.0)
            .collect();
        let is_uneven = hours
            .windows(2)
            .any(|w| !(0.0..=DAY).contains(&(w[1] - w[0])));
        if steps.len() < 3 {
            return None;
        }
        let middle = steps.len() / 2;
        let median = *steps.select_nth_unstable_by(middle, f64::total_cmp).1;
        let ordinary = |step: &&f64| **step <= 100.0 * median;
        let whole: f64 = steps.iter().filter(ordinary).sum();
        let even = steps
            .iter()
            .filter(|step| (0.5..=2.0).contains(&(**step / median)))
            .count();
        let regular = even * 2 >= hours.len() - 1;
        Some(Ticks {
            median,
            far: if regular {
                DAY.max(2.0 * whole)
            } else {
                f64::INFINITY
            },
            is_uneven,
        })
    }
}

/// One way through the file.
struct Walk<'a, 'b> {
    hours: &'a mut [f64],
    course: &'a Course<'b>,
    ticks: &'a Ticks,
    /// What is added to the times from here on.
    shift: f64,
    /// The first and last moment of the run so far, and of its last stretch.
    begin: f64,
    end: f64,
    last_row: usize,
    left_out: Vec<usize>,
}

impl<'a, 'b> Walk<'a, 'b> {
    fn new(hours: &'a mut [f64], course: &'a Course<'b>, ticks: &'a Ticks) -> Self {
        Walk {
            hours,
            course,
            ticks,
            shift: 0.0,
            begin: 0.0,
            end: 0.0,
            last_row: 0,
            left_out: Vec::new(),
        }
    }

    /// Goes through all stretches. Rows to leave out; where runs begin.
    fn all(mut self, notes: &mut Vec<String>, starts: &mut Vec<f64>) -> Vec<usize> {
        let stretches = self.stretches();
        // Rows that are shuffled or newest first are sorted, and that is all.
        if stretches.len() > 4 + self.hours.len() / 8 {
            return Vec::new();
        }
        let long = |stretch: &Range<usize>| {
            stretch.len() >= FEW_ROWS || stretch.len() > 1 && self.is_headed(stretch.start)
        };
        let Some(first) = stretches.iter().position(long) else {
            return Vec::new();
        };
        let is_long: Vec<bool> = stretches.iter().map(long).collect();
        let (from, to) = (&stretches[first].start, &stretches[first].end);
        (self.begin, self.end) = (self.hours[*from], self.hours[*to - 1]);
        self.last_row = *to - 1;
        for (index, stretch) in stretches.iter().enumerate() {
            if index == first {
                continue;
            }
            if is_long[index] {
                self.long(stretch, notes, starts);
            } else {
                self.short(stretch);
            }
        }
        if !self.left_out.is_empty() {
            notes.push(format!(
                "timeline: rows whose time is far from all others, left out: {} (the first is \
                 row {})",
                self.left_out.len(),
                self.left_out[0] + 1
            ));
        }
        self.left_out
    }

    /// Rows between which time goes on by itself.
    fn stretches(&self) -> Vec<Range<usize>> {
        let mut all = Vec::new();
        let mut start = 0;
        for row in 1..self.hours.len() {
            let step = self.hours[row] - self.hours[row - 1];
            if !(0.0..=self.ticks.far).contains(&step) || self.is_headed(row) || self.is_spring(row)
            {
                all.push(start..row);
                start = row;
            }
        }
        all.push(start..self.hours.len());
        all
    }

    fn is_headed(&self, row: usize) -> bool {
        self.course.headers.binary_search(&row).is_ok()
    }

    /// Whether a local clock is set forward before this row: an hour is missing
    /// from its top, early on a Sunday.
    fn is_spring(&self, row: usize) -> bool {
        let (before, now, tick) = (self.hours[row - 1], self.hours[row], self.ticks.median);
        if !self.course.local || tick > 0.5 || (now - before - 1.0 - tick).abs() > 0.25 * tick {
            return false;
        }
        let hour = now.rem_euclid(24.0).floor();
        let day = (now / 24.0).floor();
        // 1970 began on a Thursday. Times without a date count from day 0.
        let dated = day > 366.0;
        let sunday = (day + 4.0).rem_euclid(7.0) == 0.0;
        before.rem_euclid(1.0) >= 1.0 - tick - 1e-9
            && (1.0..=3.0).contains(&hour)
            && (!dated || sunday)
    }

    fn short(&mut self, stretch: &Range<usize>) {
        let first = self.hours[stretch.start] + self.shift;
        let last = self.hours[stretch.end - 1] + self.shift;
        if first > self.end + self.ticks.far || last < self.begin - self.ticks.far {
            self.left_out.extend(stretch.clone());
            return;
        }
        self.put(stretch);
        self.end = self.end.max(last);
    }

    fn put(&mut self, stretch: &Range<usize>) {
        if self.shift != 0.0 {
            for hour in &mut self.hours[stretch.clone()] {
                *hour += self.shift;
            }
        }
    }

    fn long(&mut self, stretch: &Range<usize>, notes: &mut Vec<String>, starts: &mut Vec<f64>) {
        let tick = self.ticks.median;
        let first = self.hours[stretch.start] + self.shift;
        let last = self.hours[stretch.end - 1] + self.shift;
        let step = first - self.end;
        let next = self.end + tick;
        let row = stretch.start + 1;
        let headed = self.is_headed(stretch.start);
        if self.is_spring(stretch.start) {
            self.shift -= 1.0;
            notes.push(format!(
                "timeline: the clock was set forward by 1 h at row {row}, as when summer begins; \
                 the rows from there on are timed by the median tick"
            ));
        } else if step > self.ticks.far {
            self.shift -= first - next;
            if (self.course.continues)(self.last_row, stretch.start) {
                notes.push(format!(
                    "timeline: the clock leaps forward by {} at row {row}; the rows from there on \
                     are timed by the median tick",
                    length(step - tick)
                ));
            } else {
                notes.push(format!(
                    "timeline: a gap of {} at row {row}, after which the series begin elsewhere; \
                     what follows is taken as another run",
                    length(step)
                ));
                self.run(next, starts);
            }
        } else if step >= 0.0 {
            if headed && self.course.absolute && step > 10.0 * tick {
                self.run(first, starts);
            }
        } else if self.is_anew(stretch, first, headed) {
            self.shift += next - first;
            notes.push(format!(
                "timeline: time begins again at row {row}; what follows is taken as another run"
            ));
            self.run(next, starts);
        } else if self.is_set_back(stretch, first, last) {
            self.shift += next - first;
            let why = if self.course.local && (next - first - 1.0).abs() <= tick {
                ", as when summer ends"
            } else {
                ""
            };
            notes.push(format!(
                "timeline: the clock was set back by {} at row {row}{why}; the rows from there on \
                 are timed by the median tick",
                length(next - first)
            ));
        }
        self.put(stretch);
        self.end = self.end.max(self.hours[stretch.end - 1]);
        self.begin = self.begin.min(self.hours[stretch.start]);
        self.last_row = stretch.end - 1;
    }

    fn run(&mut self, start: f64, starts: &mut Vec<f64>) {
        starts.push(start);
        self.begin = start;
    }

    /// Whether a stretch that begins before the end of what there was is a run
    /// of its own.
    fn is_anew(&self, stretch: &Range<usize>, first: f64, headed: bool) -> bool {
        if headed {
            return true;
        }
        let tick = self.ticks.median;
        let near = (0.1 * (self.end - self.begin)).max(3.0 * tick);
        !self.course.absolute
            && (first - self.begin).abs() <= near
            && self.before_end(stretch) >= FEW_ROWS.min(stretch.len())
    }

    /// Whether a clock was set back, and it is not that rows came late or that
    /// an earlier piece was put behind a later one.
    fn is_set_back(&self, stretch: &Range<usize>, first: f64, last: f64) -> bool {
        let tick = self.ticks.median;
        if last < self.begin {
            // An earlier piece of the run ends where the rest begins, or its
            // series are at another level.
            let gap = self.begin - last;
            return gap > self.ticks.far
                || gap > 10.0 * tick && (self.course.continues)(self.last_row, stretch.start);
        }
        let an_hour = self.course.local && (self.end + tick - first - 1.0).abs() <= 0.25 * tick;
        self.before_end(stretch) >= if an_hour { 2 } else { FEW_ROWS }
    }

    /// How many of its first rows are before the end of what there was.
    fn before_end(&self, stretch: &Range<usize>) -> usize {
        self.hours[stretch.clone()]
            .iter()
            .take_while(|hour| **hour + self.shift < self.end)
            .count()
    }
}

/// A length of time for people.
fn length(hours: f64) -> String {
    match hours {
        h if h < 1.0 / 60.0 => format!("{:.1} s", h * 3600.0),
        h if h < 1.0 => format!("{:.1} min", h * 60.0),
        h if h < 48.0 => format!("{h:.1} h"),
        h if h < 24.0 * 730.0 => format!("{:.1} days", h / 24.0),
        h => format!("{:.1} years", h / 8766.0),
    }
}
