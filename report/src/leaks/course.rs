//! How a series goes from row to row, as far as its role depends on it.

/// How a series goes from row to row.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Course {
    readings: usize,
    rises: usize,
    falls: usize,
    /// Falls to less than half, as where a process begins anew.
    resets: usize,
}

/// A counter begins anew at no more than one row in so many.
const ROWS_A_RESET: usize = 20;
/// A limit changes at no more than one row in so many.
const ROWS_A_CHANGE: usize = 10;

impl Course {
    pub(super) fn of(values: &[f64]) -> Course {
        let mut course = Course::default();
        let mut before: Option<f64> = None;
        for &value in values.iter().filter(|value| value.is_finite()) {
            course.readings += 1;
            if let Some(before) = before {
                course.rises += usize::from(value > before);
                course.falls += usize::from(value < before);
                course.resets += usize::from(value < before * 0.5);
            }
            before = Some(value);
        }
        course
    }

    pub(super) fn never_falls(&self) -> bool {
        self.falls == self.resets && self.resets * ROWS_A_RESET <= self.readings
    }

    pub(super) fn is_lively(&self) -> bool {
        (self.rises + self.falls) * ROWS_A_CHANGE > self.readings
    }
}
