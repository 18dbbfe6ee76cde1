//! What really happened, drawn at random, and how what was read of it compares.

// Each test uses its part.
#![allow(dead_code)]

pub(crate) mod tools;

use soakscope_report::Timeline;

/// Draws that are the same each time.
pub(crate) struct Draw(pub(crate) u64);

impl Draw {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    pub(crate) fn of<'a, T>(&mut self, some: &'a [T]) -> &'a T {
        &some[self.below(some.len() as u64) as usize]
    }
}

/// What happened: at these seconds since 1970 a process had so many bytes.
pub(crate) struct Truth {
    pub(crate) seconds: Vec<i64>,
    pub(crate) bytes: Vec<f64>,
    pub(crate) cpu: Vec<f64>,
}

impl Truth {
    pub(crate) fn draw(draw: &mut Draw) -> Truth {
        // Any day of two years, so that New Year and each end of a month come.
        let start = 1_767_225_600 - 86_400 + draw.below(730 * 86_400) as i64;
        let tick = *draw.of(&[1, 10, 60, 300]);
        let rows = 150 + draw.below(100) as i64;
        let level = *draw.of(&[30.0, 120.0, 950.0, 3000.0]);
        let slope = *draw.of(&[0.0, 0.3, 2.0]);
        let bytes = (0..rows).map(|row| {
            let ripple = draw.below(1000) as f64 / 250.0;
            ((level + slope * row as f64 + ripple) * 1_048_576.0).round()
        });
        let bytes: Vec<f64> = bytes.collect();
        Truth {
            seconds: (0..rows).map(|row| start + row * tick).collect(),
            bytes,
            cpu: (0..rows).map(|_| draw.below(9999) as f64 / 100.0).collect(),
        }
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = (i64, f64, f64)> {
        (0..self.seconds.len()).map(|row| (self.seconds[row], self.bytes[row], self.cpu[row]))
    }

    /// Compares what was read: a column in units of so many bytes.
    pub(crate) fn check(
        &self,
        what: &str,
        timeline: &Timeline,
        column: &str,
        unit: f64,
        within: f64,
    ) {
        assert_eq!(
            timeline.len(),
            self.seconds.len(),
            "{what}: {:?}",
            timeline.losses()
        );
        for (row, hours) in timeline.elapsed_hours().iter().enumerate() {
            let truth = (self.seconds[row] - self.seconds[0]) as f64 / 3600.0;
            assert!(
                (hours - truth).abs() < 1e-6,
                "{what}: row {row}: {hours} h, was {truth}"
            );
        }
        let values = timeline
            .series(column)
            .unwrap_or_else(|| panic!("{what}: no {column:?} in {:?}", timeline.columns()));
        for (row, value) in values.iter().enumerate() {
            let (value, truth) = (value * unit, self.bytes[row]);
            assert!(
                (value - truth).abs() <= within * truth,
                "{what}: row {row}: {value}, was {truth}"
            );
        }
        let facts = timeline.facts(column);
        assert_eq!(
            (facts.unreadable, facts.readings),
            (0, values.len()),
            "{what}"
        );
        assert_eq!(timeline.runs().len(), 1, "{what}");
    }
}

pub(crate) fn date(seconds: i64, format: &str) -> String {
    let moment = jiff::Timestamp::from_second(seconds).unwrap();
    moment
        .to_zoned(jiff::tz::TimeZone::UTC)
        .strftime(format)
        .to_string()
}

pub(crate) fn parse(what: &str, text: &str) -> Timeline {
    Timeline::parse(text.as_bytes())
        .unwrap_or_else(|error| panic!("{what}: {error}\n{}", &text[..text.len().min(300)]))
}

/// `1234567` with a mark between groups.
pub(crate) fn grouped(number: f64, mark: &str) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push_str(mark);
        }
        text.push(digit);
    }
    text
}
