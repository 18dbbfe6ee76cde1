//! How much of a column could be read.

/// What the numbers of a column are in where its cells carried units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum CellUnit {
    /// Bytes: the cells were such as `120.6MiB`.
    Bytes,
    /// Hundredths: the cells were such as `1.20%`.
    Percent,
    /// Seconds: the cells were such as `00:10:03` or `3d`.
    Seconds,
}

/// What was found in the cells of a column, whether it holds numbers or words.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct ColumnFacts {
    /// Cells that are not empty, nor one of the ways to say that they are.
    pub cells: usize,
    /// Cells that are numbers.
    pub readings: usize,
    /// Cells that are none, or could be two.
    pub unreadable: usize,
    /// The first of these, short and printable.
    pub example: Option<String>,
    /// The unit that the cells carried, if they did.
    pub unit: Option<CellUnit>,
}

/// A cell as an example: short and printable.
pub(super) fn example(cell: &[u8]) -> String {
    let text = crate::limits::lenient(cell, 40);
    crate::names::printable(&text).into_owned()
}
