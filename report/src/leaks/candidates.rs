//! A series on its way to be judged: which column, and in which unit.

/// A column to be judged.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Candidate {
    pub name: String,
    pub unit: Unit,
}

/// What a series counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    /// Memory in units of so many bytes; judged and reported in MB.
    Memory { bytes: u64 },
    /// Things.
    Count,
}

impl Unit {
    /// The unit that verdicts are reported in.
    pub(super) fn name(self) -> &'static str {
        match self {
            Unit::Memory { .. } => "MB",
            Unit::Count => "",
        }
    }

    /// What one of the column's numbers is in the reported unit.
    pub(super) fn factor(self) -> f64 {
        match self {
            Unit::Memory { bytes } => bytes as f64 / (1 << 20) as f64,
            Unit::Count => 1.0,
        }
    }

    /// The unit that the column's numbers are in.
    pub(super) fn of_cells(self) -> &'static str {
        match self {
            Unit::Memory { bytes: 1 } => "bytes",
            Unit::Memory { bytes: 0x400 } => "KB",
            Unit::Memory { bytes: 0x10_0000 } => "MB",
            Unit::Memory { bytes: 0x4000_0000 } => "GB",
            Unit::Memory {
                bytes: 0x100_0000_0000,
            } => "TB",
            Unit::Memory { .. } => "pages",
            Unit::Count => "count",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_told_in_megabytes_whatever_the_column_is_in() {
        assert_eq!(Unit::Memory { bytes: 1 << 10 }.factor(), 1.0 / 1024.0);
        assert_eq!(Unit::Memory { bytes: 1 }.name(), "MB");
        assert_eq!(Unit::Memory { bytes: 1 << 30 }.of_cells(), "GB");
        assert_eq!(Unit::Memory { bytes: 4096 }.of_cells(), "pages");
    }
}
